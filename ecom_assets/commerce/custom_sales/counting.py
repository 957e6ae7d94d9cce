"""The numbers of order lines by dimensions and periods, each exact.

Those of `(other)` and of totals are counted from their lines, not added up from rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.behaviour.trends.trend import OTHER
from ecom_assets.commerce.custom_sales.measures import (
    MEASURES,
    CustomSalesMeasures,
    is_ratio,
    is_sum,
    parts_of,
)
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import Aggregate, Ratio
from ecom_assets.core.tables.measures import aggregates, plain_value, quotient, zero_of
from ecom_assets.core.tables.portable import NO, count_of, ratio, rows_of
from ecom_assets.core.tables.queries import share

MOST_GROUPS: Final = 1_000_000
"""The most combinations of values of several dimensions."""
Values = tuple[str, ...]
"""The value of each dimension."""
ByPeriod = Mapping[date | None, Row]
"""Numbers by the start of a period; those of all periods under None."""


@dataclass(frozen=True)
class CountedLines:
    """Lines of `compact` with what is asked of them.

    Attributes:
        lines: Each order line once.
        grouped: The same with their dimensions; a line with two codes of discounts is there twice.
        by: The dimensions.
        names: The measures, the first of which decides which values come first.
        starts: The start of each period, in order; none where all days are one.
        is_cumulative: Whether a period has all that came since the first.
    """

    lines: ir.Table
    grouped: ir.Table
    by: tuple[str, ...]
    names: tuple[str, ...]
    starts: tuple[date, ...] = ()
    is_cumulative: bool = False

    @property
    def parts(self) -> list[str]:
        """The measures that are counted, from which the others follow."""
        return parts_of(self.names)

    @property
    def others(self) -> Values:
        """What stands for the values that are not shown."""
        return (OTHER,) * len(self.by)

    def check_size(self) -> None:
        """Refuse more combinations of values than can be counted.

        Raises:
            QuestionTooLargeError: It says which dimensions these are.
        """
        # A single dimension has as many values as it has; and lines have no more than there are.
        if len(self.by) <= 1 or count_of(self.grouped) <= MOST_GROUPS:
            return
        groups = self.grouped.select(*self.by).distinct().limit(MOST_GROUPS + 1)
        if count_of(groups) > MOST_GROUPS:
            raise too_many_groups(self.by)

    def first_values(self, limit: int) -> list[Values]:
        """Return the values with most of the first measure, and `(other)` if there are more.

        Ties are in alphabetical order; values of which the measure is not known come last.
        """
        if not self.by:
            return [()]
        measure = self.names[0]
        added = self.grouped.group_by(*self.by).agg(
            **aggregates(self.grouped, CustomSalesMeasures, parts_of([measure]))
        )
        value = value_in(added, measure)
        ranked = added.order_by([*most_first(value, measure), *self.by]).limit(limit + 1)
        result = [tuple(row[name] for name in self.by) for row in rows_of(ranked.select(*self.by))]
        has_more = len(result) > limit
        return [*result[:limit], *([self.others] if has_more else [])]

    def has_more(self, shown: Sequence[Values]) -> bool:
        """Return whether a line has a value that is not among some."""
        if not self.by:
            return False
        more = self.grouped.filter(~self._is_among(shown)).limit(1)
        return bool(rows_of(more.select(*self.by)))

    def with_other(self, shown: Sequence[Values]) -> "CountedLines":
        """Return the same with all values but some as `(other)`."""
        if self.others not in shown:
            return self
        is_shown = self._is_among(shown)
        named = {name: is_shown.ifelse(self.grouped[name], OTHER) for name in self.by}
        return replace(self, grouped=self.grouped.mutate(**named))

    def _is_among(self, shown: Sequence[Values]) -> ir.BooleanValue:
        kept = [SEPARATOR.join(values) for values in shown if values != self.others]
        return ibis.literal(SEPARATOR).join([self.grouped[name] for name in self.by]).isin(kept)

    def by_period(self, *, in_total: bool) -> dict[Values, ByPeriod]:
        """Return the numbers of all days, and of each period, by value or in total.

        Periods and values without a line are not among them.
        """
        lines, unit = (self.lines, ()) if in_total else (self.grouped, self.by)
        result: dict[Values, dict[date | None, Row]] = {}
        for row in rows_of(self._added(lines, unit)):
            result.setdefault(_values_of(row, unit), {})[None] = self._numbers(row)
        if not self.starts:
            return {**result}
        for row in rows_of(self._added(lines, (*unit, "period_date"))):
            result[_values_of(row, unit)][row["period_date"]] = self._numbers(row)
        if self.is_cumulative:
            self._add_up(lines, unit, result)
        return {**result}

    def _added(self, lines: ir.Table, unit: Sequence[str]) -> ir.Table:
        numbers = aggregates(lines, CustomSalesMeasures, self.parts)
        if unit:
            return lines.group_by(*unit).agg(**numbers)
        # Without any line there are no numbers, as of a value without one.
        added = lines.agg(**numbers, line_count=lines.count())
        return added.filter(added.line_count > 0).drop("line_count")

    def _numbers(self, row: Row) -> Row:
        return {name: plain_value(row[name], MEASURES[name]) for name in self.parts}

    def _add_up(
        self, lines: ir.Table, unit: Sequence[str], result: Mapping[Values, dict[date | None, Row]]
    ) -> None:
        """Put into each period all that came since the first.

        An order or a customer counts in the first period that it is in, so that it counts once.
        """
        firsts = {name: _first_counts(lines, unit, name) for name in self.parts if not is_sum(name)}
        for values, numbers in result.items():
            columns: dict[str, list[Any]] = {}
            for name in self.parts:
                if name in firsts:
                    counts = [firsts[name].get((values, start), 0) for start in self.starts]
                    columns[name] = list(accumulate(counts))
                else:
                    columns[name] = running([numbers.get(start) for start in self.starts], name)
            for position, start in enumerate(self.starts):
                numbers[start] = {name: columns[name][position] for name in self.parts}


def too_many_groups(by: Sequence[str]) -> QuestionTooLargeError:
    """Return the refusal of more combinations of values than can be counted."""
    return QuestionTooLargeError(
        f"There are more than {MOST_GROUPS:,} combinations of {', '.join(by)}; ask by fewer "
        "dimensions, or with conditions."
    )


SEPARATOR: Final = "\x1f"
"""What no value of a dimension has: the unit separator of ASCII."""


def _values_of(row: Row, unit: Sequence[str]) -> Values:
    return tuple(row[name] for name in unit)


def most_first(value: ir.NumericValue, name: str) -> list[ir.Value]:
    """Return the order of a measure: the most first, and what is not known last. Of what is paid
    back, which is negative, the most is the least number.
    """
    return [value.isnull(), value.asc() if MEASURES[name].at_most == 0 else value.desc()]


def value_in(added: ir.Table, name: str) -> ir.NumericValue:
    """Return a measure of rows that have those that it follows from."""
    counted = MEASURES[name].counted_as
    if not isinstance(counted, Ratio):
        return added[name]
    whole = added[counted.whole]
    if counted.above_zero:
        whole = (whole > 0).ifelse(whole, ibis.null(whole.type()))
    result = ratio(added[counted.part], whole)
    return 1 - result if counted.is_rest else result


def _first_counts(
    lines: ir.Table, unit: Sequence[str], name: str
) -> dict[tuple[Values, date], int]:
    """Return how many orders or customers are in each period for the first time, by value."""
    aggregate = MEASURES[name].counted_as
    assert isinstance(aggregate, Aggregate)  # noqa: S101 (what is no sum and no ratio is a count)
    rows = lines.filter(
        lines[aggregate.column].notnull(),
        *((lines[column] == value).fill_null(NO) for column, value in aggregate.where.items()),
    )
    first = rows.group_by(*unit, aggregate.column).agg(period_date=rows.period_date.min())
    counts = first.group_by(*unit, "period_date").agg(first_count=first.count())
    return {
        (_values_of(row, unit), row["period_date"]): int(row["first_count"])
        for row in rows_of(counts)
    }


def running(numbers: Iterable[Row | None], name: str) -> list[Any]:
    """Return the running sum of a measure; None as long as there are lines, and none has a number.

    A period without a line adds nothing.
    """
    result: list[Any] = []
    total: Any = zero_of(MEASURES[name])
    has_lines, is_known = False, False
    for row in numbers:
        if row is not None:
            has_lines, value = True, row[name]
            is_known = is_known or value is not None
            total += value or 0
        result.append(None if has_lines and not is_known else total)
    return result


def completed_numbers(parts: Row | None, names: Sequence[str], *, is_known: bool) -> Row:
    """Return measures from those that they follow from: 0 without lines, and null where nothing is
    known of the days.
    """
    if not is_known:
        return dict.fromkeys(names)
    numbers = parts or {name: zero_of(MEASURES[name]) for name in parts_of(names)}
    result: Row = {}
    for name in names:
        measure = MEASURES[name]
        result[name] = (
            quotient(measure, measure.counted_as, numbers)
            if isinstance(measure.counted_as, Ratio)
            else numbers[name]
        )
    return result


def numbers_of(row: Row, names: Sequence[str]) -> Row:
    """Return measures of a row that has those that they follow from, as an engine returns it."""
    parts = {name: plain_value(row[name], MEASURES[name]) for name in parts_of(names)}
    return completed_numbers(parts, names, is_known=True)


def shares(numbers: Row, whole: Row) -> Row:
    """Return what part of a total each number is; None of ratios, and where it is not known."""
    return {
        name: None if is_ratio(name) else share(number, whole[name])
        for name, number in numbers.items()
    }
