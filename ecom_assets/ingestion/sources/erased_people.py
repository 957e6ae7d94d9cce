"""A person's ids, the hashes of the ids of erased people,
and leaving their rows out of what sources deliver.
"""

import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, reduce
from hashlib import blake2b
from operator import or_
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.sql import SQLBackend

from ecom_assets.core.atomic_files import sync_file, sync_folder
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import DeliveryError, SettingError
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import ledger_address, listed_in_postgres, open_store
from ecom_assets.core.tables.contract import USER, Contract, PersonColumns
from ecom_assets.core.tables.portable import NO, batches_of, dialect_of, rows_of
from ecom_assets.core.tables.spellings import KeyKind, spelled
from ecom_assets.core.warehouse.engine import BATCH_ROWS
from ecom_assets.core.warehouse.raw_slices import FileDay
from ecom_assets.ingestion.sources.written_forms import readings_of

UNLINKED = "unlinked"
"""The kind of devices and source sessions that a person shared: they join nobody any more."""
KEY_FILE = "erasure.key"
KEY_BYTES, HASH_CHARACTERS = 32, 32
TABLE = """CREATE TABLE IF NOT EXISTS erased_ids (
    id_hash TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, erased_at TEXT NOT NULL)"""
PROOF = "key"
"""The kind of the one row that shows whether the key is the one that all
other rows were hashed with.
"""
Ids = Mapping[str, Iterable[str]]
"""Ids by kind."""


@dataclass(frozen=True)
class KeyedHashes:
    """Hashes ids with a key, by HMAC-SHA256."""

    key: bytes

    def hash_of(self, kind: str, value: str) -> str:
        """Return the hash of an id; equal ids of different kinds have different hashes."""
        return hmac.digest(self.key, f"{kind}\0{value}".encode(), "sha256").hex()[:HASH_CHARACTERS]

    def of_all(self, kind: str, values: Iterable[str]) -> set[str]:
        """Return the hashes of several ids."""
        return {self.hash_of(kind, value) for value in values}


def open_key(settings: Settings, *, create: bool) -> KeyedHashes | None:
    """Return the hashes with the key in the settings, else with the one in the home folder,
    created if `create`.

    Raises:
        SettingError: The key file cannot be read or written, or no other process would have it.
    """
    key = settings.erasure_key.get_secret_value()
    if key:
        return KeyedHashes(key.encode())
    if create and not settings.home_is_shared:
        raise SettingError(
            "ECOM_ERASURE_KEY is not set, and ECOM_HOME_IS_SHARED is false, so that no other "
            "process would have the key of erased people; set it to the same 32 or more characters "
            "for all of them."
        )
    path = settings.home / KEY_FILE
    try:
        if not path.exists():
            if not create:
                return None
            _create(path)
        return KeyedHashes(bytes.fromhex(path.read_text().strip()))
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{path} cannot be used ({error}); put your backup of it back, or set ECOM_ERASURE_KEY."
        ) from error


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    sync_file(fresh)
    try:
        path.hardlink_to(fresh)  # fails if another process was faster, whose key then counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    sync_folder(path.parent)


KINDS: tuple[KeyKind | None, ...] = (None, "address", "order_name")
"""What the id of a person can be: customers without an account may have the name of their order."""


def spellings_of(id_: str) -> tuple[str, ...]:
    """Return an id and its spellings in tables: as a number or text,
    as an e-mail address and as an order's name.
    """
    return tuple(dict.fromkeys((id_, *(spelled(id_, key) for key in KINDS))))


class ErasedIds:
    """The hashes of the ids of erased people."""

    def __init__(self, settings: Settings, *, is_reader: bool = False) -> None:
        """Take the settings; nothing is opened before it is needed.

        A reader writes nothing to the ledger's database, whose user may only be allowed to read.
        """
        self._settings = settings
        self._is_reader = is_reader

    @cached_property
    def _key_and_hashes(self) -> tuple[KeyedHashes | None, dict[str, frozenset[str]]]:
        database = ledger_address(self._settings)
        if isinstance(database, Path) and not database.exists():
            return None, {}
        if self._is_reader and isinstance(database, str):
            rows = listed_in_postgres(database, "erased_ids", "id_hash, kind")
        else:
            rows = self._written(database)
        if not rows:
            return None, {}
        hashes = open_key(self._settings, create=False)
        _require_same_key(hashes, rows)
        kinds = {kind for _, kind in rows}
        return hashes, {
            kind: frozenset(id_hash for id_hash, its in rows if its == kind) for kind in kinds
        }

    def _written(self, database: Path | str) -> list[tuple[str, str]]:
        """Return the rows of the list, as who may write them.

        Raises:
            DeliveryError: The ledger's database cannot be used; people could be loaded again who
                were erased.
        """
        try:
            with closing(open_store(self._settings)) as store:
                return _rows(store)
        except DeliveryError as error:
            address = without_secrets(str(database))
            raise DeliveryError(
                f"The list of erased people is with the ledger in {address}, which cannot be "
                "read, so no rows are loaded; see that it can be reached, and run again."
            ) from error

    @property
    def is_empty(self) -> bool:
        """Return whether nobody was ever erased."""
        return self._key_and_hashes[0] is None

    def among(self, kind: str, values: Iterable[str]) -> set[str]:
        """Return the ids that belong to erased people, in any spelling."""
        hashes, by_kind = self._key_and_hashes
        erased = by_kind.get(kind, frozenset())
        if not hashes or not erased:
            return set()
        return {
            value
            for value in values
            if hashes.of_all(kind, (value.strip(), *spellings_of(value))) & erased
        }


def unlinked_ids(settings: Settings, values: Iterable[str]) -> set[str]:
    """Return the devices and source sessions that erased people shared with others."""
    return ErasedIds(settings).among(UNLINKED, values)


def erased_users(settings: Settings, values: Iterable[str]) -> set[str]:
    """Return the users who were erased."""
    return ErasedIds(settings).among(USER, values)


def add(settings: Settings, ids: Ids) -> int:
    """Add the ids of a person, and return how many were not known yet.

    Raises:
        DeliveryError: The ledger's database cannot be used.
        SettingError: The key is not the one of the earlier hashes.
    """
    hashes = open_key(settings, create=True)
    assert hashes is not None  # noqa: S101 (a missing key is created)
    at = now_utc_without_zone().isoformat(sep=" ", timespec="seconds")
    with closing(open_store(settings)) as store:
        rows = _rows(store)
        if rows:
            _require_same_key(hashes, rows)
        hashes_before = {id_hash for id_hash, _ in rows}
        fresh = {
            (hashes.hash_of(kind, value), kind, at)
            for kind, values in ids.items()
            for value in values
        }
        fresh = {row for row in fresh if row[0] not in hashes_before}
        proof = (hashes.hash_of(PROOF, PROOF), PROOF, at)
        with store.transaction():
            store.many(
                "INSERT INTO erased_ids VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [*sorted(fresh), proof],
            )
    return len(fresh)


def _rows(store: Database) -> list[tuple[str, str]]:
    with store.transaction():
        store.count(store.spelling["alone"])
        store.count(TABLE)
    return [(id_hash, kind) for id_hash, kind in store.rows("SELECT id_hash, kind FROM erased_ids")]


def _require_same_key(hashes: KeyedHashes | None, rows: list[tuple[str, str]]) -> None:
    if hashes is None or (hashes.hash_of(PROOF, PROOF), PROOF) not in rows:
        raise SettingError(
            "The key of the hashes of erased people is missing or another one, so their rows "
            "could be loaded again; put the file erasure.key back into ECOM_HOME, or set "
            "ECOM_ERASURE_KEY to the earlier value."
        )


CONNECTION_KEY = secrets.token_bytes(16)
"""Makes the names of tables of ids different in each process."""
WORD = re.compile(r"[^\s,;|\t\"'{}\[\]():=&?/]+")
"""A possible id in a line or record that could not be parsed."""


EVENT_ID = "event_id"
"""The column of events that are a person's one by one, on a device that others used, too."""
Values = dict[str, set[str]]
"""The values of each column that belong to erased people."""


class ErasedPeople:
    """Leaves the rows of erased people out of raw tables; costs nothing while nobody was erased."""

    def __init__(self, settings: Settings, *, is_reader: bool = False) -> None:
        """Take the settings, as `ErasedIds` does;
        the list of erased people is read when the first rows come.
        """
        self._ids = ErasedIds(settings, is_reader=is_reader)

    def left_out(self, contract: Contract, rows: ir.Table) -> tuple[ir.Table, dict[FileDay, int]]:
        """Return the rows of a raw table without those of erased people,
        and how many are left out.
        """
        columns = contract.person
        if columns is None or self._ids.is_empty:
            return rows, {}
        result = self._values(rows, columns)
        if not any(result.values()):
            return rows, {}
        erased = condition(rows, columns, result)
        return rows.filter(~erased), _counts(rows.filter(erased))

    def _values(self, rows: ir.Table, columns: PersonColumns) -> Values:
        result: Values = {name: set() for name in columns.names}
        for batch in _distinct(rows, columns):
            values = {
                name: {value for value in batch[name].to_pylist() if value is not None}
                for name in columns.names
            }
            result[columns.user] |= self._ids.among(USER, values[columns.user])
            for name, kind in columns.without_user.items():
                result[name] |= self._ids.among(kind, values[name])
            result[columns.text] |= {
                text for text in values[columns.text] if self._ids.among(USER, words_of(text))
            }
        return result


def words_of(text: str) -> list[str]:
    """Return the possible ids in a text that could not be parsed,
    with their escapes undone, too.
    """
    return [word for reading in readings_of(text) for word in WORD.findall(reading)]


def condition(
    rows: ir.Table, columns: PersonColumns, values: Mapping[str, set[str]]
) -> ir.BooleanValue:
    """Return whether a row is a person's; `values` are the ids and texts of the person by column.

    An event that is the person's by its own id is on one of the devices, or in one of the sessions,
    under `UNLINKED`; an event of somebody else may have the same id.
    """
    user = rows[columns.user]
    parts = [_is_in(rows, columns.user, values), user.isnull() & _is_in(rows, columns.text, values)]
    parts += [user.isnull() & _is_in(rows, name, values) for name in columns.without_user]
    if values.get(EVENT_ID):
        on_shared = [among(rows, name, values[UNLINKED]) for name in columns.without_user]
        parts.append(user.isnull() & _is_in(rows, EVENT_ID, values) & reduce(or_, on_shared))
    return reduce(or_, (part.fill_null(NO) for part in parts))


def _is_in(rows: ir.Table, name: str, values: Mapping[str, set[str]]) -> ir.BooleanValue:
    return among(rows, name, values.get(name, ()))


def among(rows: ir.Table, name: str, values: Iterable[str]) -> ir.BooleanValue:
    """Return whether a column has one of some ids; it is never null.

    No id is in the statement, if that is possible.
    """
    wanted = sorted(values)
    if not wanted:
        return NO
    ids = id_table(rows.get_backend(), wanted)
    return rows[name].isin(wanted if ids is None else ids.value).fill_null(NO)


def id_table(con: SQLBackend, ids: Iterable[str]) -> ir.Table | None:
    """Return some ids as a table of a connection, as long as it is open;
    None if the engine has no such tables.

    Statements are shown by Dagster and kept in `statements.sqlite`, so an id should not be in one.
    """
    wanted = sorted(ids)
    name = f"erased_{blake2b(repr(wanted).encode(), digest_size=8, key=CONNECTION_KEY).hexdigest()}"
    return dialect_of(con).listed(con, name, wanted)


def _distinct(rows: ir.Table, columns: PersonColumns) -> Iterator[pa.RecordBatch]:
    user = rows[columns.user]
    nothing = ibis.null("string")
    alone = {
        name: user.isnull().ifelse(rows[name], nothing)
        for name in (*columns.without_user, columns.text)
    }
    distinct = rows.select(**{columns.user: user}, **alone).distinct()
    with batches_of(distinct, BATCH_ROWS) as batches:
        yield from batches


def _counts(rows: ir.Table) -> dict[FileDay, int]:
    has_file = "source_file" in rows.columns
    file = rows.source_file.fill_null("") if has_file else ibis.literal("")
    counts = rows_of(rows.group_by(file=file, arrived=rows.received_date).agg(number=rows.count()))
    return {(row["file"], row["arrived"]): int(row["number"]) for row in counts}
