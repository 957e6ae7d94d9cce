"""Leave the rows of erased people out of the rows that a source delivers.

The distinct ids of the rows are hashed here, in Python, so the key is in no statement, and any engine will do.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from hashlib import blake2b
from operator import or_

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend as DuckDB

from ecom_assets.customers.contracts import RawCustomers
from ecom_assets.events.contracts import RawEvents
from ecom_assets.orders.contracts import RawUserActivityLog, RawUserOrderLog
from ecom_assets.privacy.erased_people import DEVICE, SESSION, USER, ErasedIds
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import Table
from ecom_assets.tables.literals import NO
from ecom_assets.warehouse.engine import BATCH_ROWS
from ecom_assets.warehouse.erased_rows import FileDay

CONNECTION_KEY = secrets.token_bytes(16)
"""Makes the names of tables of ids different in each process."""
WORD = re.compile(r"[^\s,;|\t\"'{}\[\]():=&?/]+")
"""A possible id in a line or record that could not be parsed."""


@dataclass(frozen=True)
class PersonColumns:
    """The columns of a raw table that name a person, and the one with all of a row that could not be read.

    If a row has no user, the columns `without_user` name its person; each has the kind of its ids.
    """

    user: str
    without_user: Mapping[str, str]
    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return all columns."""
        return (self.user, *self.without_user, self.text)


COLUMNS: dict[type[Table], PersonColumns] = {
    RawEvents: PersonColumns("user_id", {"session_id": SESSION, "anonymous_id": DEVICE}, "malformed_row"),
    RawUserOrderLog: PersonColumns("customer_id", {}, "malformed_row"),
    RawUserActivityLog: PersonColumns("customer_id", {}, "malformed_row"),
    RawCustomers: PersonColumns("customer_id", {}, "payload"),
}
"""The raw tables with rows of people."""
Values = dict[str, set[str]]
"""The values of each column that belong to erased people."""


class ErasedPeople:
    """Leaves the rows of erased people out of raw tables; costs nothing while nobody was erased."""

    def __init__(self, settings: Settings, *, is_reader: bool = False) -> None:
        """Take the settings, as `ErasedIds` does; the list of erased people is read when the first rows come."""
        self._ids = ErasedIds(settings, is_reader=is_reader)

    def left_out(self, contract: type[Table], rows: ir.Table) -> tuple[ir.Table, dict[FileDay, int]]:
        """Return the rows of a raw table without those of erased people, and how many are left out."""
        if contract not in COLUMNS or self._ids.is_empty:
            return rows, {}
        columns = COLUMNS[contract]
        result = self._values(rows, columns)
        if not any(result.values()):
            return rows, {}
        erased = condition(rows, columns, result)
        return rows.filter(~erased), _counts(rows.filter(erased))

    def _values(self, rows: ir.Table, columns: PersonColumns) -> Values:
        result: Values = {name: set() for name in columns.names}
        for batch in _distinct(rows, columns):
            values = {name: {one for one in batch[name].to_pylist() if one is not None} for name in columns.names}
            result[columns.user] |= self._ids.among(USER, values[columns.user])
            for name, kind in columns.without_user.items():
                result[name] |= self._ids.among(kind, values[name])
            result[columns.text] |= {text for text in values[columns.text] if self._ids.among(USER, words_of(text))}
        return result


def words_of(text: str) -> list[str]:
    """Return the possible ids in a text that could not be parsed."""
    return WORD.findall(text)


def condition(rows: ir.Table, columns: PersonColumns, values: Mapping[str, set[str]]) -> ir.BooleanValue:
    """Return whether a row is a person's; `values` are the ids and texts of the person by column."""
    user = rows[columns.user]
    parts = [_is_in(rows, columns.user, values), user.isnull() & _is_in(rows, columns.text, values)]
    parts += [user.isnull() & _is_in(rows, name, values) for name in columns.without_user]
    return reduce(or_, (part.fill_null(NO) for part in parts))


def _is_in(rows: ir.Table, name: str, values: Mapping[str, set[str]]) -> ir.BooleanValue:
    return among(rows, name, values.get(name, ()))


def among(rows: ir.Table, name: str, values: Iterable[str]) -> ir.BooleanValue:
    """Return whether a column has one of some ids; it is never null. On DuckDB, no id is in the statement."""
    wanted = sorted(values)
    if not wanted:
        return NO
    backend = rows.get_backend()
    if not isinstance(backend, DuckDB):
        return rows[name].isin(wanted).fill_null(NO)
    # A table of the connection: Dagster shows statements, and `statements.sqlite` keeps them.
    return rows[name].isin(id_table(backend, wanted).value).fill_null(NO)


def id_table(backend: DuckDB, ids: Iterable[str]) -> ir.Table:
    """Return some ids as a table of a connection, as long as it is open."""
    wanted = sorted(ids)
    place = f"erased_{blake2b(repr(wanted).encode(), digest_size=8, key=CONNECTION_KEY).hexdigest()}"
    backend.con.register(place, pa.table({"value": pa.array(wanted, pa.string())}))
    return backend.table(place)


def _distinct(rows: ir.Table, columns: PersonColumns) -> Iterator[pa.RecordBatch]:
    user = rows[columns.user]
    nothing = ibis.null("string")
    alone = {name: user.isnull().ifelse(rows[name], nothing) for name in (*columns.without_user, columns.text)}
    yield from rows.select(**{columns.user: user}, **alone).distinct().to_pyarrow_batches(chunk_size=BATCH_ROWS)


def _counts(rows: ir.Table) -> dict[FileDay, int]:
    file = rows.source_file if "source_file" in rows.columns else ibis.literal("")
    counts = rows.group_by(file=file, arrived=rows.received_date).agg(number=rows.count()).to_pyarrow().to_pylist()
    return {(row["file"], row["arrived"]): int(row["number"]) for row in counts}
