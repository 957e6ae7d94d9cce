"""Fingerprints: a hash of the rows of each day of a table, computed inside its engine,
to find the days that changed.

Fingerprints of one engine are compared with each other only: engines hash differently.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of, rows_of
from ecom_assets.core.warehouse.day_notes import writes_by_table
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.sql_text import text
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
    engine: Engine, contract: Contract, earlier: Slices | None = None
) -> dict[str, Fingerprint]:
    """Return the fingerprint of each day that has rows, by ISO date;
    of a table without days that of all rows.

    Days of the `earlier` fingerprints of this engine that were not written since are not read
    again.
    """
    name = contract.qualified_name()
    return state_of(engine, [contract], {name: earlier or {}})[name]


def state_of(engine: Engine, contracts: Iterable[Contract], earlier: State) -> State:
    """Return the `fingerprints` of several tables."""
    by_name = {contract.qualified_name(): contract for contract in contracts}
    for contract in by_name.values():
        engine.ensure(contract)
    # Before the rows: a write between the two is met again next time.
    writes = writes_by_table(engine, by_name.values())
    state = {
        table: {
            name: result
            for name, result in earlier.get(table, {}).items()
            if result.version and result.version == writes[table].version(_day(name))
        }
        for table in by_name
    }
    unread = {
        table: Days.from_dates(map(date.fromisoformat, slices))
        for table, slices in state.items()
        if WHOLE not in slices
    }
    for table, row in _read(engine, by_name, unread):
        name = row["slice"].isoformat()[:10] if row["slice"] else WHOLE
        state[table][name] = Fingerprint(
            int(row["row_count"]),
            str(int(row["hash_sum"] or 0)),
            writes[table].version(_day(name)),
        )
    return state


def _read(
    engine: Engine, by_name: Mapping[str, Contract], unread: Mapping[str, Days]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the slices of tables but for some days, each with the name of its table: those in the
    engine by one statement.
    """
    statements = []
    for table, days in unread.items():
        contract = by_name[table]
        if row_hash := engine.row_hash(contract):
            sql = _hashed_sql(engine, contract, row_hash, days)
        else:
            rows = _hashed(engine.readable(contract), contract, days)
            if not engine.holds(rows):
                yield from ((table, row) for row in rows_of(rows))
                continue
            sql = engine.compile(rows)
        named = f"SELECT {text(table)} AS table_name, hashed.* FROM"
        statements.append(f"{named} (\n{sql}\n) AS hashed")
    if statements:
        for row in engine.query("\nUNION ALL\n".join(statements)):
            yield row["table_name"], row


def _day(name: str) -> date | None:
    return None if name == WHOLE else date.fromisoformat(name)


def _hashed(rows: ir.Table, contract: Contract, unread: Days) -> ir.Table:
    if unread.dates:
        rows = rows.filter(~unread.contain(rows[contract.day_column]))
    texts = [rows[name].cast("string").fill_null(MISSING) for name in contract.columns]
    # The remainder is a whole number of 64 bits with a sign also where a hash has none; the sum
    # needs more.
    hashed = ibis.literal(BETWEEN).join(texts).hash() % HASHES
    measures = {"row_count": rows.count(), "hash_sum": hashed.cast("decimal(38, 0)").sum()}
    if contract.day_column is None:
        return rows.agg(**measures).select("row_count", "hash_sum", slice=ibis.null("date"))
    by_day = rows.group_by(slice=rows[contract.day_column]).agg(**measures)
    return by_day.select("row_count", "hash_sum", "slice")


def _hashed_sql(engine: Engine, contract: Contract, row_hash: str, unread: Days) -> str:
    """Return the same question by the engine's own hash of a row."""
    day = engine.quoted(contract.day_column) if contract.day_column else "CAST(NULL AS DATE)"
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


def recorded_state(target: Engine) -> State:
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


def differing(contract: Contract, wanted: Slices, stored: Slices) -> tuple[list[str], Days | None]:
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
