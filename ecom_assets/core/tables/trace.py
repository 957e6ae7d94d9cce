"""How a number of a table goes down to the rows that it is counted from, until the received rows.

Each subject's `trace.py` declares it for its tables: for each number which rows of a table below
are behind it, and what of them is counted or added up; and for each table in between the rows of
the next table below. `explain/` walks.

Terms: docs/glossary.md#trace.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import and_
from typing import Any

import ibis.expr.types as ir

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.contract import Aggregate, Contract, Ratio
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.queries import ALL

COUNTED_AS, SIGN, PART = "counted_as", "sign", "part_amount"
"""Columns that rows carry down: what a row counts as, whether it is added or subtracted, and what
of its number is meant, where it is only a part; null where it is all.
"""
Keep = Callable[[ir.Table], ir.Table]
Query = Callable[[ir.Table], list[Row]]


@dataclass(frozen=True)
class TraceContext:
    """A row of a table, and what the way down from it may read.

    Attributes:
        row: The row, by column.
        table: Returns a whole table, lazily.
        rules: The rules of the assets, by parameter name.
        ask: Returns the rows of a small result.
        keep: Stores rows, so that they are computed once, and returns them.
        key: The columns that identify the row in its table.
        several: The days of rows that are read at once and differ in their day only; None for one
            row.
    """

    row: NamedValues
    table: Callable[[Contract], ir.Table]
    rules: NamedValues
    ask: Query
    keep: Keep = lambda rows: rows
    key: tuple[str, ...] = ()
    several: Days | None = None

    def days(self, column: str) -> Days:
        """Return the day of the row, or the days of those that are read at once."""
        return self.several or Days.through(self.row[column], self.row[column])

    def where(self, contract: Contract, **equal: object) -> ir.Table:
        """Return the rows of a table whose columns have these values, `(all)` for any value."""
        rows = self.table(contract)
        conditions = [rows[name] == value for name, value in equal.items() if value != ALL]
        return rows.filter(reduce(and_, conditions)) if conditions else rows

    def within(self, contract: Contract, first: date, last: date, day: str = "") -> ir.Table:
        """Return the rows of a table of some days, both included.

        Without `day`, they are those of its own day column.
        """
        rows = self.table(contract)
        return rows.filter(Days.through(first, last).contain(rows[day or str(contract.day_column)]))

    def on_day(self, contract: Contract, column: str) -> ir.Table:
        """Return the rows of a table on the day in a column of the row."""
        return self.within(contract, self.row[column], self.row[column])

    def near(self, contract: Contract, rows: ir.Table, first: str, last: str = "") -> ir.Table:
        """Return the rows of a table on the days from one column to another of some rows."""
        table = self.table(contract)
        return table.filter(
            self.span(rows, first, last or first).contain(table[str(contract.day_column)])
        )

    def span(self, rows: ir.Table, first: str, last: str) -> Days:
        """Return the days from the least of one column of some rows to the greatest of another."""
        (result,) = self.ask(rows.agg(first=rows[first].min(), last=rows[last].max()))
        return Days.through(result["first"], result["last"]) if result["first"] else Days(())


RowsOf = Callable[[TraceContext], ir.Table]


def like_row(contract: Contract, *names: str, **columns: str) -> RowsOf:
    """Return a function for the rows of a table that have the values of the row in some columns.

    Args:
        contract: The table.
        names: The columns that both call the same.
        columns: The row's columns by those of the table.
    """
    of_row = {name: name for name in names} | columns
    return lambda context: context.where(
        contract, **{name: context.row[column] for name, column in of_row.items()}
    )


@dataclass(frozen=True)
class Count:
    """A number that counts rows of a table below, or the different values of one of its columns.

    Attributes:
        to: The table below.
        rows: Returns its rows behind a row of the table; a column `counted_as`, if there is one,
            says what is counted.
        unit: The column whose different values are counted; each row counts if it is empty and
            there is no such column.
        day: The day column of the table above, if its days can be read at once, as none of the rows
            counts on two days.
    """

    to: Contract
    rows: RowsOf
    unit: str = ""
    day: str = ""


@dataclass(frozen=True)
class Sum:
    """A number that adds up a column of the received rows.

    Attributes:
        to: The table below.
        rows: Returns its rows behind a row of the table; a column `sign` says whether each is added
            (1) or subtracted (-1).
        of: The column that is added up, by its name in clean and received rows.
    """

    to: Contract
    rows: RowsOf
    of: str


@dataclass(frozen=True)
class Computed:
    """A number that does not add up from received rows: a ratio, a place, or a model's result.

    Attributes:
        how: How it is computed, in a sentence without its full stop.
        columns: The columns of the same row that it is computed from; each goes down by itself.
        inputs: The rows that it is computed from, of one table or of several.
        adds_up: Whether the numbers of several rows of its own table add up, such as profit.
    """

    how: str
    columns: tuple[str, ...] = ()
    inputs: Count | tuple[Count, ...] | None = None
    adds_up: bool = False


def ratio(part: str, whole: str) -> Computed:
    """Return that a number is one column divided by another."""
    return Computed(f"{part} ÷ {whole}", (part, whole))


def traced_column(of: Aggregate, columns: Mapping[str, str]) -> str:
    """Return the column of the rows below that a measure is counted from; empty to count the rows.

    Args:
        of: What the measure is counted from.
        columns: The names in the rows below of the columns that measures name; empty for one of
            which each row has one.

    Raises:
        DefinitionError: The rows lack the column, so another number would be traced.
    """
    if of.column and of.column not in columns:
        raise DefinitionError(
            f"A measure is counted from the column {of.column!r}, which the rows that it is "
            f"traced to lack; they have {', '.join(map(repr, columns)) or 'none'}: add it to "
            "these, or trace the measure by itself."
        )
    return columns.get(of.column, "")


def refused_money_derivations(quarantined: Count) -> dict[str, "Derivation"]:
    """Return how the columns of `RefusedMoney` come from the quarantined rows."""
    return {
        "refused_amount": Computed(
            "Σ of the amounts of the quarantined rows, without their signs", inputs=quarantined
        ),
        "unread_amount_count": Computed(
            "of the quarantined rows, those about money whose amount cannot be read",
            inputs=quarantined,
        ),
    }


def ratios_of(declared: type) -> dict[str, "Derivation"]:
    """Return how the measures of a class that are ratios are computed."""
    ratios = {name: measure.counted_as for name, measure in measures_of(declared).items()}
    return {
        name: Computed(
            f"{'1 less ' if of.is_rest else ''}{of.part} ÷ {of.whole}", (of.part, of.whole)
        )
        for name, of in ratios.items()
        if isinstance(of, Ratio)
    }


@dataclass(frozen=True)
class ByRow:
    """A number that is counted from different tables in different rows or shops."""

    choose: Callable[[TraceContext], "Derivation"]


Derivation = Count | Sum | tuple[Count | Sum, ...] | Computed | ByRow
"""How a number goes down; the parts of a tuple add up to it."""


@dataclass(frozen=True)
class ShownIds:
    """By which other id answers show rows of a table.

    Attributes:
        column: The column of the table with the stored id.
        names: Returns the `stored_id` and the `shown_id` of what is shown by another one, from the
            tables in `reads`.
        reads: The tables.
    """

    column: str
    names: Callable[..., ir.Table]
    reads: tuple[Contract, ...]


@dataclass(frozen=True)
class TableTrace:
    """The definition of a table's numbers in docs/metrics/, and how each goes down."""

    contract: Contract
    anchor: str
    numbers: Mapping[str, Derivation] = field(default_factory=dict)
    shown_ids: ShownIds | None = None


@dataclass(frozen=True)
class UpstreamRows:
    """The rows of the next table below that some rows of a table are made of.

    Attributes:
        to: The next table.
        rows: Returns its rows, with the carried columns of the rows above.
        reads: The columns of the rows above that it needs.
        is_one_to_one: Whether each row has exactly one there.
        candidates: For tables of many rows, found by days and one id: returns the rows of the next
            table on the days of the rows above, of which `rows` keeps those with their ids.
        copies: The same with all copies of each row, and those of them that `candidates` leaves
            out. The second can be computed from few rows, so that comparing both with the rows
            above takes no join of all rows.
        found_by: Returns some rows above with the values of `reads` that the rows of the next table
            have.
        received_names: Returns the columns of the rows above that the next table has under another
            value, each with it. Its rows then depend on others of theirs, so that all are read
            where a few are asked for.
        whole: Returns rows above of which several can be parts of one row of the next table with
            one for it; for a column that is added up, with what of it they mean in `part_amount`.
    """

    to: Contract
    rows: Callable[[ir.Table, TraceContext], ir.Table]
    reads: tuple[str, ...]
    is_one_to_one: bool = False
    candidates: Callable[[ir.Table, TraceContext], ir.Table] | None = None
    copies: Callable[[ir.Table, TraceContext], tuple[ir.Table, ir.Table]] | None = None
    found_by: Callable[[ir.Table, TraceContext], ir.Table] | None = None
    received_names: Callable[[ir.Table], Mapping[str, ir.Value]] | None = None
    whole: Callable[[ir.Table, TraceContext, str], ir.Table] | None = None


def carried(rows: ir.Table) -> list[str]:
    """Return which of the carried columns some rows have."""
    return [name for name in (COUNTED_AS, SIGN, PART) if name in rows.columns]


def keeping(upstream: ir.Table, rows: ir.Table, on: list[Any]) -> ir.Table:
    """Join rows of the upstream table to downstream rows, whose carried columns are kept."""
    joined = upstream.join(rows, on)
    return joined.select(upstream, **{name: rows[name] for name in carried(rows)})
