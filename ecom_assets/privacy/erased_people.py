"""The list of erased people: keyed hashes of their ids in the ledger's database, which no run can lose.

Everything in DuckDB's file can be rebuilt; this list cannot, so it lies beside the ledger of deliveries. With the key
one can check whether an id is known, but nobody can list the ids.
"""

import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecom_assets.atomic_files import sync_file, sync_folder
from ecom_assets.clock import now_utc_without_zone
from ecom_assets.delivery.ledger.store import Store, ledger_place, listed_in_postgres, open_store
from ecom_assets.errors import DeliveryError, SettingError
from ecom_assets.redact_url import without_secrets
from ecom_assets.settings.settings import Settings

USER, SESSION, DEVICE = "user", "session", "device"
"""The kinds of ids of a person. A user of events and a customer of orders are the same person."""
KEY_FILE = "erasure.key"
KEY_BYTES, HASH_CHARACTERS = 32, 32
TABLE = """CREATE TABLE IF NOT EXISTS erased_ids (
    id_hash TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, erased_at TEXT NOT NULL)"""
PROOF = "key"
"""The kind of the one row that shows whether the key is the one that all other rows were hashed with."""
Ids = Mapping[str, Iterable[str]]
"""Ids by kind."""


@dataclass(frozen=True)
class KeyedHashes:
    """Hashes ids with a key, by HMAC-SHA256."""

    key: bytes

    def of(self, kind: str, value: str) -> str:
        """Return the hash of an id; equal ids of different kinds have different hashes."""
        return hmac.digest(self.key, f"{kind}\0{value}".encode(), "sha256").hex()[:HASH_CHARACTERS]

    def of_all(self, kind: str, values: Iterable[str]) -> set[str]:
        """Return the hashes of several ids."""
        return {self.of(kind, value) for value in values}


def open_key(settings: Settings, *, create: bool) -> KeyedHashes | None:
    """Return the hashes with the key in the settings, else with the one in the home folder, created if `create`.

    Raises:
        SettingError: The key file cannot be read or written.
    """
    given = settings.erasure_key.get_secret_value()
    if given:
        return KeyedHashes(given.encode())
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


class ErasedIds:
    """The hashes of the ids of erased people."""

    def __init__(self, settings: Settings, *, is_reader: bool = False) -> None:
        """Take the settings; nothing is opened before it is needed.

        A reader writes nothing to the ledger's database, whose user may only be allowed to read.
        """
        self._settings = settings
        self._is_reader = is_reader

    @cached_property
    def _known(self) -> tuple[KeyedHashes | None, dict[str, frozenset[str]]]:
        """Return the key, and the hashes by kind."""
        place = ledger_place(self._settings)
        if isinstance(place, Path) and not place.exists():
            return None, {}
        if self._is_reader and isinstance(place, str):
            rows = listed_in_postgres(place, "erased_ids", "id_hash, kind")
        else:
            rows = self._written(place)
        if not rows:
            return None, {}
        hashes = open_key(self._settings, create=False)
        _require_same_key(hashes, rows)
        kinds = {kind for _, kind in rows}
        return hashes, {kind: frozenset(one for one, its in rows if its == kind) for kind in kinds}

    def _written(self, place: Path | str) -> list[tuple[str, str]]:
        """Return the rows of the list, as who may write them.

        Raises:
            DeliveryError: The ledger's database cannot be used; people could be loaded again who were erased.
        """
        try:
            with closing(open_store(self._settings)) as store:
                return _rows(store)
        except DeliveryError as error:
            address = without_secrets(str(place))
            raise DeliveryError(
                f"The list of erased people is with the ledger in {address}, which cannot be read, so no rows are "
                "loaded; see that it can be reached, and run again."
            ) from error

    @property
    def is_empty(self) -> bool:
        """Return whether nobody was ever erased."""
        return self._known[0] is None

    def among(self, kind: str, values: Iterable[str]) -> set[str]:
        """Return the ids that belong to erased people, with or without spaces at their ends."""
        hashes, by_kind = self._known
        erased = by_kind.get(kind, frozenset())
        if not hashes or not erased:
            return set()
        return {value for value in values if hashes.of_all(kind, (value, value.strip())) & erased}


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
        known = {one for one, _ in rows}
        fresh = {(hashes.of(kind, value), kind, at) for kind, values in ids.items() for value in values}
        fresh = {row for row in fresh if row[0] not in known}
        proof = (hashes.of(PROOF, PROOF), PROOF, at)
        with store.transaction():
            store.many("INSERT INTO erased_ids VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [*sorted(fresh), proof])
    return len(fresh)


def _rows(store: Store) -> list[tuple[str, str]]:
    with store.transaction():
        store.count(store.spelling["alone"])
        store.count(TABLE)
    return [(one, kind) for one, kind in store.rows("SELECT id_hash, kind FROM erased_ids")]


def _require_same_key(hashes: KeyedHashes | None, rows: list[tuple[str, str]]) -> None:
    if hashes is None or (hashes.of(PROOF, PROOF), PROOF) not in rows:
        raise SettingError(
            "The key of the hashes of erased people is missing or another one, so their rows could be loaded again; "
            "put the file erasure.key back into ECOM_HOME, or set ECOM_ERASURE_KEY to the earlier value."
        )
