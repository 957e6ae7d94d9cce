"""A question about sales with its order lines: which of them it is about, and what they are put
into groups by.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.questions.source import OrderTables, QuestionData
from ecom_assets.behaviour.trends.question import MOST_DAYS, TrendQuestion
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.behaviour.trends.trend import OTHER
from ecom_assets.commerce.attribution.contracts import Conversions, Touches
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.attribution.queries import (
    VisitCoverage,
    coverage_sentence,
    met_revenue,
)
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.custom_sales.counting import CountedLines, Values
from ecom_assets.commerce.custom_sales.dimensions import (
    ALL_SHOWN,
    DIMENSIONS,
    DISCOUNT_CODE,
    OF_PLACE,
    WEEKDAYS,
    SalesContext,
)
from ecom_assets.commerce.custom_sales.lines import (
    OF_PROFIT,
    coded,
    columns_counted,
    compact,
    question_lines,
)
from ecom_assets.commerce.custom_sales.measures import parts_of
from ecom_assets.commerce.custom_sales.purchases import (
    COLUMNS_OF_PURCHASES,
    MEASURES_OF_PURCHASES,
)
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.commerce.customers.contracts import CustomerSegments
from ecom_assets.commerce.orders.orders import NONE, WITHOUT_ITEM
from ecom_assets.commerce.sales.contracts import City
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.columns import holds
from ecom_assets.core.tables.conditions import EVERYTHING, columns_of
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import (
    CLOCK_S,
    ONE_DAY,
    Days,
    hour_start,
    period_start,
    rows_between,
)
from ecom_assets.core.tables.places import UNKNOWN
from ecom_assets.core.tables.portable import count_of, stored
from ecom_assets.core.tables.queries import NoSourceError

LACKING: Final[Mapping[Contract, str]] = {
    ProfitLines: "costs",
    CustomerSegments: "segments of customers",
}
"""What is not there where a table has no rows; of others it is events."""
OF_ITEM: Final = frozenset({"product", "category"})
"""The dimensions of which refunds without an item have no value."""
OF_VISITS: Final = frozenset({"channel", "campaign", "landing_page", "first_channel"})
"""The dimensions that visits say, of orders that meet any."""
WITHOUT_LINES: Final = (
    "There are no order lines: each purchase event counts as an order of one item."
)


@dataclass(frozen=True)
class SalesQuery:
    """A question about sales with its order lines."""

    question: SalesQuestion
    data: QuestionData

    @cached_property
    def calendar(self) -> TrendQuestion:
        """The periods of the question, as those of a trend."""
        question = self.question
        return TrendQuestion(
            period=question.over or "day",
            week_start=question.week_start,
            compare=question.compare,
        )

    @cached_property
    def range(self) -> TrendRange:
        """The days of the question."""
        data, opened = self.data, self.data.opened
        return TrendRange.between(
            data.event_days, data.days, opened.timezone, opened.newest_at, opened.known.missing
        )

    @cached_property
    def context(self) -> SalesContext:
        """What the dimensions are computed from."""
        first, last = self.data.event_days
        days = Days.between(first - ONE_DAY, last + 2 * ONE_DAY)
        settings = self.data.source.settings
        return SalesContext(
            self.tables,
            days,
            self.range.timezone,
            AttributionRule.of_days(settings.attribution_lookback_days),
            settings.landing_pages,
        )

    @property
    def tables(self) -> OrderTables:
        """The tables that order lines are joined to."""
        tables = self.data.opened.order_tables
        assert tables is not None  # noqa: S101 (the question is of orders only)
        return tables

    @property
    def parts(self) -> list[str]:
        """The measures that are counted."""
        return parts_of(self.question.measures)

    @property
    def limit(self) -> int:
        """How many values are shown; all hours and weekdays, if there is nothing else."""
        by = self.question.by
        of_all = ALL_SHOWN.get(by[0], 0) if len(by) == 1 else 0
        return max(self.question.limit, of_all)

    @cached_property
    def conditions(self) -> set[str]:
        """The columns of its conditions."""
        return set(columns_of(self.question.where))

    def check(self) -> None:
        """Refuse what the days, or what there is beside order lines, do not allow."""
        over, days = self.question.over, (self.range.last - self.range.first).days + 1
        most = MOST_DAYS.get(over or "", days)
        if days > most:
            raise DefinitionError(
                f"By the {over} at most {most} days of sales can be asked for, not {days}; ask for "
                "fewer days, or with another period."
            )
        if self.tables.of_purchases:
            # Refuse what only order lines say, and no purchase event.
            refused = [
                *(
                    f"The dimension {name}"
                    for name in self.question.by
                    if not self._is_bought(name)
                ),
                *(
                    f"The measure {name}"
                    for name in self.parts
                    if name not in MEASURES_OF_PURCHASES
                ),
                *(
                    f"The condition on {name}"
                    for name in self.conditions
                    if not self._is_bought(name)
                ),
            ]
            if refused:
                raise NoSourceError(
                    f"{min(refused)} needs order lines, and there are only purchase events; "
                    f"{self.tables.remedy}."
                )
        for name in (*self.question.by, *sorted(self.conditions & DIMENSIONS.keys())):
            if (needs := DIMENSIONS[name].needs) and not self._is_stated(name):
                self._require(needs, f"The dimension {name}")
        for name in self.question.measures:
            if columns_counted(parts_of([name])) & OF_PROFIT:
                self._require(ProfitLines, f"The measure {name}")
        for name in sorted(self.conditions & OF_PROFIT):
            self._require(ProfitLines, f"The condition on {name}")

    def _is_bought(self, name: str) -> bool:
        """Return whether purchase events have a dimension, or a column of order lines."""
        if name in OF_PLACE:
            return self.tables.has(City)
        if dimension := DIMENSIONS.get(name):
            return not dimension.is_of_lines
        return name in COLUMNS_OF_PURCHASES

    def _is_stated(self, dimension: str) -> bool:
        """Return whether an order line states a dimension that else needs another table."""
        sold = self.context.sold
        return DIMENSIONS[dimension].is_stated and bool(
            self.tables.rows(_any_row(sold.filter(sold[dimension].notnull())))
        )

    def _require(self, contract: Contract, called: str) -> None:
        tables = self.tables
        if tables.has(contract):
            rows = tables.table(contract)
            if contract is ProfitLines:  # which a shop without costs has, too
                rows = rows.filter(rows.gross_profit_amount.notnull())
            if tables.rows(_any_row(rows)):
                return
        raise NoSourceError(
            f"{called} needs {LACKING.get(contract, 'events')}, and there are none; "
            f"{tables.remedy}."
        )

    @cached_property
    def every_line(self) -> ir.Table:
        """The order lines of all days, with what the question names."""
        names = {*self.question.by, *self.conditions, *columns_counted(self.parts)}
        return self.data.opened.in_zone(question_lines(self.context, names))

    @property
    def is_coded(self) -> bool:
        """Whether it is about codes of discounts, of which a line may have several."""
        return DISCOUNT_CODE in {*self.question.by, *self.conditions}

    @property
    def definition(self) -> dict[str, Any]:
        """The definition for an answer, with its days."""
        days = {"first_date": str(self.range.first), "last_date": str(self.range.last)}
        return self.question.to_mapping() | days

    def lines(self, days: TrendRange) -> tuple[ir.Table, ir.Table]:
        """Return the order lines of some days that meet the conditions: each once, and once for
        each of its codes of discounts if it is about these.
        """
        lines = rows_between(self.every_line, "event_date", (days.first, days.last))
        lines = grouped = self._with_period(lines, days)
        if self.is_coded:
            may = self.data.source.may_see_people
            grouped = coded(lines, self.every_line, may_see_people=may)
        if self.question.where != EVERYTHING:
            grouped = grouped.filter(holds(grouped, self.question.where))
            lines = lines.semi_join(grouped, "uniq_id") if self.is_coded else grouped
        return lines, grouped

    def counted(self, days: TrendRange, name: str = "now") -> CountedLines:
        """Return the order lines of some days with their dimensions and periods, stored under a
        name.
        """
        question, columns = self.question, columns_counted(self.parts)
        lines, grouped = self.lines(days)
        whole = kept = stored(
            self.data.con, f"sales_{name}", compact(grouped, question.by, columns)
        )
        if self.is_coded:
            whole = stored(self.data.con, f"whole_sales_{name}", compact(lines, (), columns))
        starts = tuple(days.starts(self.calendar)) if question.over else ()
        return CountedLines(
            whole, kept, question.by, question.measures, starts, question.cumulative
        )

    def _with_period(self, lines: ir.Table, days: TrendRange) -> ir.Table:
        """Add the start of the period of each line."""
        over, timezone = self.question.over, days.timezone
        if over in CLOCK_S:
            of_range = Days.through(days.first, days.last)
            at = hour_start(lines.ordered_at, lines.event_date, of_range, timezone, CLOCK_S[over])
            return lines.mutate(period_date=at)
        start = period_start(lines.event_date, over or "day", self.question.week_start)
        return lines.mutate(period_date=start)

    def labels(self, shown: Sequence[Values]) -> dict[Values, str]:
        """Return the names of values for people, by the values."""
        names = [
            self.names(name, {values[position] for values in shown})
            for position, name in enumerate(self.question.by)
        ]
        return {
            values: OTHER
            if set(values) == {OTHER}
            else " / ".join(
                of_dimension.get(value, value)
                for of_dimension, value in zip(names, values, strict=True)
            )
            for values in shown
        }

    def names(self, dimension: str, values: Iterable[str]) -> Mapping[str, str]:
        """Return the names of the values of a dimension that has names."""
        if dimension == "weekday":
            return {str(number): name for number, name in enumerate(WEEKDAYS, start=1)}
        if (named := DIMENSIONS[dimension].names) is None:
            return {}
        contract, key, name = named
        if not self.tables.has(contract):
            return {}
        table = self.tables.table(contract)
        rows = self.tables.rows(
            table.filter(table[key].isin(sorted(values))).select(key=table[key], name=table[name])
        )
        return {row["key"]: row["name"] for row in rows if row["name"] not in {None, UNKNOWN}}

    def in_order(self, shown: Sequence[Values]) -> list[Values]:
        """Return values in their own order, if the only dimension has one; `(other)` last."""
        by = self.question.by
        if len(by) != 1 or not DIMENSIONS[by[0]].has_order:
            return list(shown)
        return sorted(shown, key=_own_order)

    @cached_property
    def visit_coverage(self) -> VisitCoverage:
        """The revenue of the orders asked for, and that of those whose visits are known."""
        return self.visit_coverage_of(self.range)

    def visit_coverage_of(self, days: TrendRange) -> VisitCoverage:
        """Return the revenue of orders, of the days with visits among these, and that of those
        whose buyers' visits are known; nothing where nothing is asked of visits, and without
        orders or visits.
        """
        tables, nothing = self.tables, VisitCoverage()
        if OF_VISITS.isdisjoint(self.question.by) or tables.of_purchases or not tables.has(Touches):
            return nothing
        touches, conversions = tables.table(Touches), tables.table(Conversions)
        (seen,) = tables.rows(
            touches.agg(first=touches.started_date.min(), last=touches.started_date.max())
        )
        if seen["first"] is None:
            return nothing
        ends = (max(days.first, seen["first"]), min(days.last, seen["last"]))
        orders = rows_between(conversions, "converted_date", ends)
        (row,) = tables.rows(met_revenue(orders, touches))
        return VisitCoverage.of_row(row)

    def warnings(self, shown: Sequence[Values]) -> list[str]:
        """Return a sentence if there are no order lines, for each dimension that none of these
        days has, and how many orders have visits where these are asked for.
        """
        result = [WITHOUT_LINES] if self.tables.of_purchases else []
        if met := coverage_sentence(self.visit_coverage.rate):
            result.append(met)
        for position, name in enumerate(self.question.by):
            values = {of_row[position] for of_row in shown}
            if values and values <= {NONE, UNKNOWN, OTHER}:
                label = DIMENSIONS[name].label.lower()
                result.append(f"No order line of these days says its {label}.")
        of_items = {
            of_row[position]
            for position, name in enumerate(self.question.by)
            if name in OF_ITEM
            for of_row in shown
        }
        is_named = not of_items <= {NONE, OTHER} and not of_items.isdisjoint(WITHOUT_ITEM)
        if is_named and not self.tables.of_purchases and (unspread := self._refunds_without_item()):
            result.append(unspread)
        return result

    def _refunds_without_item(self) -> str:
        """Return a sentence if there are refunds that are not spread over items."""
        lines, _ = self.lines(self.range)
        refunds = lines.filter(lines.status == "refunded", lines.revenue_amount < 0)
        count = count_of(
            refunds.filter(refunds.refund_line_id.isnull(), refunds.item_id.isin(WITHOUT_ITEM))
        )
        are = "refund names" if count == 1 else "refunds name"
        return (
            f"{count:,} {are} no item, and the items of the order are not there or were paid back "
            "before, so that no product has what was paid back."
            if count
            else ""
        )


def _any_row(table: ir.Table) -> ir.Table:
    return table.limit(1).select(is_there=ibis.literal(value=True))


def _own_order(values: Values) -> tuple[int, int, str]:
    (value,) = values
    is_odd = value.startswith("(")
    return is_odd, int(value) if value.isdecimal() else 0, value
