"""Fingerprints: a hash of the rows of each day of a table, computed inside its engine, to find the days that changed.

Fingerprints of one engine are compared with each other only: engines hash differently.
"""

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.engine import Engine

WHOLE = "all"
"""The slice of a table that has no days."""
HASHES = 2**61
MISSING, BETWEEN = "\x1e", "\x1f"
"""What stands for null, and between two values, in the text that is hashed; neither comes in on a keyboard."""


@dataclass(frozen=True)
class Fingerprint:
    """How many rows a slice has, and a sum over their hashes, which does not depend on their order."""

    row_count: int
    hash_sum: str


def fingerprints(engine: Engine, contract: type[Table]) -> dict[str, Fingerprint]:
    """Return the fingerprint of each day that has rows, by ISO date; of a table without days that of all rows."""
    engine.ensure(contract)
    if row_hash := engine.row_hash(contract):
        found = engine.query(_hashed_sql(engine, contract, row_hash))
    else:
        found = _hashed(engine.table(contract), contract).to_pyarrow().to_pylist()
    return {_slice(row["slice"]): Fingerprint(int(row["row_count"]), str(int(row["hash_sum"] or 0))) for row in found}


def _hashed(rows: ir.Table, contract: type[Table]) -> ir.Table:
    words = [rows[name].cast("string").fill_null(MISSING) for name in contract.columns]
    # The remainder is a whole number of 64 bits with a sign also where a hash has none; the sum needs more.
    hashed = ibis.literal(BETWEEN).join(words).hash() % HASHES
    measures = {"row_count": rows.count(), "hash_sum": hashed.cast("decimal(38, 0)").sum()}
    if contract.day_column is None:
        return rows.agg(**measures).mutate(slice=ibis.literal(WHOLE))
    return rows.group_by(slice=rows[contract.day_column]).agg(**measures)


def _hashed_sql(engine: Engine, contract: type[Table], row_hash: str) -> str:
    """Return the same question by the engine's own hash of a row."""
    day = engine.quoted(contract.day_column) if contract.day_column else f"'{WHOLE}'"
    by_day = " GROUP BY 1" if contract.day_column else ""
    return (
        f"SELECT {day} AS slice, count(*) AS row_count, sum({row_hash}) AS hash_sum "  # noqa: S608 (names come from contracts)
        f"FROM {engine.name_of(contract)}{by_day}"
    )


def _slice(value: Any) -> str:  # noqa: ANN401 (a date as engines give it, or a text)
    return str(value)[:10]
