"""Fingerprints: a hash of the rows of each day of a table, computed inside its engine,
to find the days that changed.

Fingerprints of one engine are compared with each other only: engines hash differently.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of, rows_of
from ecom_assets.core.warehouse.day_notes import writes_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.outputs.serving.contracts import PublishedSlices

WHOLE = "all"
"""The slice of a table that has no days."""
HASHES = 2**61
MISSING, BETWEEN = "\x1e", "\x1f"
"""What stands for null, and between two values, in the text that is hashed;
neither comes in on a keyboard.
"""


@dataclass(frozen=True)
class Fingerprint:
    """How many rows a slice has, and a sum over their hashes, which does not depend on their order.

    `version` is that of the slice when it was read (see `warehouse/day_notes.py`); empty if that is
    not known.
    """

    row_count: int
    hash_sum: str
    version: str = field(default="", compare=False)


Slices = dict[str, Fingerprint]
"""The fingerprints of a table by slice: an ISO date, or `WHOLE`."""
State = dict[str, Slices]
"""The fingerprints of several tables, by qualified name."""


def fingerprints(
    engine: Engine, contract: type[Table], earlier: Slices | None = None
) -> dict[str, Fingerprint]:
    """Return the fingerprint of each day that has rows, by ISO date;
    of a table without days that of all rows.

    Days of the `earlier` fingerprints of this engine that were not written since are not read
    again.
    """
    engine.ensure(contract)
    writes = writes_of(
        engine, contract
    )  # before the rows: a write between the two is met again next time
    unchanged = {
        name: result
        for name, result in (earlier or {}).items()
        if result.version and result.version == writes.version(_day(name))
    }
    if WHOLE in unchanged:
        return unchanged
    unread = Days.from_dates(date.fromisoformat(name) for name in unchanged)
    if row_hash := engine.row_hash(contract):
        result = engine.query(_hashed_sql(engine, contract, row_hash, unread))
    else:
        result = rows_of(_hashed(engine.readable(contract), contract, unread))
    return unchanged | {
        name: Fingerprint(
            int(row["row_count"]), str(int(row["hash_sum"] or 0)), writes.version(_day(name))
        )
        for row in result
        for name in [str(row["slice"])[:10]]  # a date as engines return it, or a text
    }


def _day(name: str) -> date | None:
    return None if name == WHOLE else date.fromisoformat(name)


def _hashed(rows: ir.Table, contract: type[Table], unread: Days) -> ir.Table:
    if unread.dates:
        rows = rows.filter(~unread.contain(rows[contract.day_column]))
    texts = [rows[name].cast("string").fill_null(MISSING) for name in contract.columns]
    # The remainder is a whole number of 64 bits with a sign also where a hash has none; the sum
    # needs more.
    hashed = ibis.literal(BETWEEN).join(texts).hash() % HASHES
    measures = {"row_count": rows.count(), "hash_sum": hashed.cast("decimal(38, 0)").sum()}
    if contract.day_column is None:
        return rows.agg(**measures).mutate(slice=ibis.literal(WHOLE))
    return rows.group_by(slice=rows[contract.day_column]).agg(**measures)


def _hashed_sql(engine: Engine, contract: type[Table], row_hash: str, unread: Days) -> str:
    """Return the same question by the engine's own hash of a row."""
    day = engine.quoted(contract.day_column) if contract.day_column else f"'{WHOLE}'"
    by_day = " GROUP BY 1" if contract.day_column else ""
    where = (
        f" WHERE NOT ({engine.where(contract, unread).removeprefix(' WHERE ')})"
        if unread.dates
        else ""
    )
    return (
        f"SELECT {day} AS slice, count(*) AS row_count, sum({row_hash}) AS hash_sum "  # noqa: S608 (names come from contracts)
        f"FROM {engine.name_of(contract)}{where}{by_day}"
    )


def noted(target: Engine) -> State:
    """Return the fingerprints that a publication recorded in `PublishedSlices`;
    none if there is no such table.
    """
    state: State = {}
    if target.has(PublishedSlices):
        for row in target.query(f"SELECT * FROM {target.name_of(PublishedSlices)}"):  # noqa: S608 (names come from contracts)
            slices = state.setdefault(row["table_name"], {})
            slices[row["slice"]] = Fingerprint(
                row["row_count"], row["fingerprint"], row.get("version") or ""
            )
    return state


def differing(
    contract: type[Table], wanted: Slices, stored: Slices
) -> tuple[list[str], Days | None]:
    """Return the slices that differ, and their days; None is all days: there are none,
    or nothing is stored.
    """
    names = sorted(name for name in wanted | stored if wanted.get(name) != stored.get(name))
    is_whole = contract.day_column is None or not stored
    return names, None if is_whole else Days.from_dates(date.fromisoformat(name) for name in names)


def notes_of(state: State) -> pa.Table:
    """Return fingerprints as rows of `PublishedSlices`."""
    rows = [
        {
            "table_name": table,
            "slice": name,
            "row_count": result.row_count,
            "fingerprint": result.hash_sum,
            "version": result.version or None,
        }
        for table, slices in state.items()
        for name, result in slices.items()
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema_of(PublishedSlices))


def data_version(state: State) -> str:
    """Return a short hash of fingerprints: equal versions are equal rows."""
    hashes = [
        (name, day, slice_state.hash_sum)
        for name, days in sorted(state.items())
        for day, slice_state in sorted(days.items())
    ]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:16]
