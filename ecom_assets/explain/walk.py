"""The walk from a number down to received rows, table by table, with what each table's rows come to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.explain.traces import BELOW
from ecom_assets.tables.contract import MONEY, Table
from ecom_assets.tables.portable import union_all
from ecom_assets.tables.trace import COUNTED_AS, SIGN, Behind, Count, Sum, carried

BETWEEN: Final = " | "
HAPPENED: Final = ("event_at", "ordered_at")
"""The columns by which received rows are shown first."""
Number = int | Decimal | float | None
Keep = Callable[[ir.Table], ir.Table]


@dataclass(frozen=True)
class Level:
    """The rows of one table on the way down, and the number that they give.

    Attributes:
        contract: The table.
        rows: Its rows, with the columns that they carry.
        of: The part of the number that they are behind.
    """

    contract: type[Table]
    rows: ir.Table
    of: Count | Sum

    @property
    def is_received(self) -> bool:
        """Return whether these are received rows, the end of the way."""
        return self.contract.layer == "raw"

    def totals(self) -> ir.Table:
        """Return one row: how many rows there are, and the number that they give, null if they cannot."""
        return self.rows.agg(row_count=self.rows.count(), gives=self._gives())

    def page(self, limit: int, offset: int) -> ir.Table:
        """Return some of the rows, in an order that is the same every time."""
        names = [*self.contract.columns, *carried(self.rows)]
        first = [name for name in (*HAPPENED, *self.contract.key) if name in names]
        order = [*first, *(name for name in names if name not in first)]
        return self.rows.select(*names).order_by(order).limit(limit, offset=offset)

    def _gives(self) -> ir.Value:
        if isinstance(self.of, Count):
            return self.rows[COUNTED_AS].nunique() if COUNTED_AS in self.rows.columns else self.rows.count()
        if self.contract.layer == "mart":  # sums are those of clean and received rows
            return ibis.null("int64")
        value = self.rows[self.of.of]
        signed = value * self.rows[SIGN] if SIGN in self.rows.columns else value
        return signed.sum() if value.type().is_integer() else signed.cast(MONEY).sum().cast(MONEY)


def walk(of: Count | Sum, behind: Sequence[Behind], keep: Keep = lambda rows: rows) -> Iterator[Level]:
    """Return the tables from the first below the number down to the received rows.

    Args:
        of: How the number goes down, or one of its parts.
        behind: The rows of the table whose numbers are added up.
        keep: Stores the rows of a table on the way, so that they are computed once, and returns them.
    """
    level = Level(of.to, union_all(*(_first(of, one, place) for place, one in enumerate(behind))), of)
    while not level.is_received:
        below = BELOW[level.contract]
        summed = [of.of] if isinstance(of, Sum) and of.of in level.rows.columns else []
        kept = keep(level.rows.select(*below.reads, *summed, *carried(level.rows)))
        yield Level(level.contract, kept, of)
        level = Level(below.to, below.rows(kept, behind[0]), of)
    yield level


def _first(of: Count | Sum, behind: Behind, place: int) -> ir.Table:
    """Return the rows right behind a row of the table; rows of several have their place beside them."""
    rows = of.rows(behind)
    if isinstance(of, Count):
        rows = _counted(of, rows)
        if COUNTED_AS in rows.columns:
            rows = rows.mutate(counted_as=ibis.literal(f"{place}{BETWEEN}").concat(rows[COUNTED_AS]))
    return rows.select(*of.to.columns, *carried(rows))


def _counted(of: Count, rows: ir.Table) -> ir.Table:
    """Return rows that say what they count as, if that is not each of them."""
    if of.unit:
        return rows.mutate(counted_as=rows[of.unit].cast("string"))
    if COUNTED_AS in rows.columns or _stays_one_to_one(of.to):
        return rows
    key = [rows[name].cast("string") for name in of.to.key]
    return rows.mutate(counted_as=ibis.literal(BETWEEN).join(key))


def _stays_one_to_one(contract: type[Table]) -> bool:
    while contract in BELOW:
        if not BELOW[contract].is_one_to_one:
            return False
        contract = BELOW[contract].to
    return True


def as_number(value: Any) -> Number:  # noqa: ANN401 (as an engine returns it)
    """Return a number as Python has it, whole ones as `int`."""
    if isinstance(value, Decimal) and value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return int(value)
    result: Number = value
    return result
