"""The check that every contract gives its table: keys unique, nothing missing, values within their limits.

One pass over the slice answers for all columns. Not here: claims that concern more than one table.
"""

from functools import partial

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import EXAMPLES, Claim, Verdict, of_days
from ecom_assets.contracts.table import Column, Table
from ecom_assets.transforms.days import Days


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
    counts.update(_repeated_keys(contract, rows))
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


def _repeated_keys(contract: type[Table], rows: ir.Table) -> dict[str, int]:
    if not contract.key:
        return {}
    keys = rows.group_by(*contract.key).agg(copies=lambda t: t.count())
    repeated = keys.filter(ibis._.copies > 1).count().to_pyarrow().as_py()
    return {f"{', '.join(contract.key)}: is not unique": int(repeated)}
