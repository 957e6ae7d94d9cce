"""The check that every contract gives its table: keys unique, nothing missing, values within their limits.

One pass over the slice answers for all columns. Not here: claims that concern more than one table.
"""

from datetime import date
from functools import partial

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import EXAMPLES, Claim, Verdict, of_days
from ecom_assets.contracts.table import Column, Table
from ecom_assets.transforms.days import Days

KEYS_AT_ONCE = 5_000_000
"""Keys that are compared in one query: of the order of 500 MB in the embedded engine."""


def contract_claim(contract: type[Table]) -> Claim:
    """Return the claim that a table keeps its contract; it holds back what is built on the table."""
    return Claim(
        contract=contract,
        name="contract_holds",
        description=f"Keys are unique, every column of {contract.qualified_name()} is within its contract.",
        judge=partial(_judge, contract),
        tables=(contract,),
        blocking=True,
    )


def _judge(contract: type[Table], days: Days | None, rows: ir.Table) -> Verdict:
    rows = of_days(rows, contract.day_column, days)
    broken = {
        f"{name}: {what}": (condition.ifelse(1, 0)).sum().fill_null(0)
        for name, column in contract.columns.items()
        for what, condition in _violations(rows[name], column).items()
    }
    measures = {f"measure_{n}": value for n, value in enumerate(broken.values())}
    found = rows.agg(looked_at=rows.count(), **measures).to_pyarrow().to_pylist()[0]
    counts = {what: int(found[f"measure_{n}"]) for n, what in enumerate(broken)}
    counts.update(_repeated_keys(contract, rows, int(found["looked_at"])))
    examples = [{"claim": what, "rows": count} for what, count in counts.items() if count][:EXAMPLES]
    return Verdict(sum(counts.values()), int(found["looked_at"]), examples)


def _violations(value: ir.Column, column: Column) -> dict[str, ir.BooleanValue]:
    found: dict[str, ir.BooleanValue] = {}
    if not column.nullable:
        found["is missing"] = value.isnull()
    if column.at_least is not None:
        found[f"is below {column.at_least}"] = value < column.at_least
    if column.at_most is not None:
        found[f"is above {column.at_most}"] = value > column.at_most
    if column.one_of:
        found["is not among the known values"] = value.notin(column.one_of)
    return found


def _repeated_keys(contract: type[Table], rows: ir.Table, row_count: int) -> dict[str, int]:
    if not contract.key:
        return {}
    repeated = sum(_repeated_count(contract, part) for part in _parts(contract, rows, row_count))
    return {f"{', '.join(contract.key)}: is not unique": repeated}


def _repeated_count(contract: type[Table], rows: ir.Table) -> int:
    keys = rows.group_by(*contract.key).agg(copies=lambda t: t.count())
    return int(keys.filter(ibis._.copies > 1).count().to_pyarrow().as_py())


def _parts(contract: type[Table], rows: ir.Table, row_count: int) -> list[ir.Table]:
    """Cut rows at days where the key has the day, so that the keys of years need no more memory than those of a day."""
    column = contract.day_column
    if row_count <= KEYS_AT_ONCE or column is None or column not in contract.key:
        return [rows]
    per_day = rows.group_by(column).agg(row_count=rows.count()).order_by(column).to_pyarrow().to_pylist()
    parts: list[list[date]] = []
    counted = KEYS_AT_ONCE
    for one in per_day:
        counted += one["row_count"]
        if counted > KEYS_AT_ONCE:
            parts.append([])
            counted = one["row_count"]
        parts[-1].append(one[column])
    return [rows.filter(rows[column].between(part[0], part[-1])) for part in parts]
