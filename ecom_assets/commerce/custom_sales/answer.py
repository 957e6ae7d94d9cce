"""The answer to a question about sales: its typed model, and how it is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property, partial
from typing import Annotated, Any, Final

import ibis.expr.types as ir
from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from ecom_assets.behaviour.questions.answer import Kind, PeriodStart, QuestionAnswer, money_text
from ecom_assets.behaviour.questions.source import (
    EventSource,
    QuestionData,
    QuestionTooLargeError,
)
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.commerce.custom_sales import counting
from ecom_assets.commerce.custom_sales.behind import (
    customers,
    to_write,
)
from ecom_assets.commerce.custom_sales.counting import (
    ByPeriod,
    CountedLines,
    Values,
    completed_numbers,
    shares,
    too_many_groups,
)
from ecom_assets.commerce.custom_sales.dimensions import COLUMNS, DISCOUNT_CODE
from ecom_assets.commerce.custom_sales.measures import MEASURES, is_sum
from ecom_assets.commerce.custom_sales.query import SalesQuery
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.commerce.custom_sales.text import lines as text_lines
from ecom_assets.commerce.orders.orders import NONE
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.columns import holds
from ecom_assets.core.tables.conditions import EVERYTHING, columns_of
from ecom_assets.core.tables.days import (
    FIRST_DATE,
    Days,
    period_text,
    rows_between,
)
from ecom_assets.core.tables.portable import value_of
from ecom_assets.core.tables.queries import changes

MOST_ROWS: Final = 50_000
"""The most rows of an answer: values times periods."""


def _plain(value: Any) -> Any:  # noqa: ANN401 (an amount, a quantity, a count or a share)
    return money_text(value) if isinstance(value, Decimal) else value


Number = Annotated[
    Any,
    PlainSerializer(_plain),
    WithJsonSchema({"type": ["string", "number", "null"], "examples": ["1234.50"]}),
]
"""A number of any measure: money as a decimal string, others as numbers; null where not known."""
Numbers = dict[str, Number]


class MeasureInfo(BaseModel):
    """A measure that was asked for."""

    name: str = Field(description="Its name", examples=["revenue_amount"])
    label: str = Field(description="What people call it", examples=["Revenue"])
    meaning: str = Field(description="What it means")
    format: str = Field(description="How it is written: money, count, quantity or rate")
    adds_up: bool = Field(
        description="Whether the rows add up to the total; an order or a customer counts in each "
        "row that it is in"
    )


class SalesRow(BaseModel):
    """Numbers of order lines, by the names of their measures."""

    by: dict[str, str] = Field(
        {}, description="The value of each dimension; `(other)` of the rest", examples=[{}]
    )
    label: str = Field("", description="The names of these values, for people")
    start: PeriodStart | None = Field(
        None, description="The start of the period; null where all days are one"
    )
    is_complete: bool = Field(
        description="Whether all of its days are in the range and can no longer grow"
    )
    numbers: Numbers = Field(description="Of these days; null where they are not known")
    previous: Numbers = Field({}, description="Of the days that they are compared with")
    change: dict[str, float | None] = Field(
        {}, description="The change from these, if both are whole; null after a zero"
    )
    share: dict[str, float | None] = Field(
        {}, description="The part of the total of the same period, if asked; null of ratios"
    )


class CustomSalesAnswer(QuestionAnswer):
    """The answer to a question about sales."""

    total_count: int | None = Field(None, description="How many rows there are")
    visit_coverage_rate: float | None = Field(
        None,
        description=(
            "Share of the revenue of orders of whose buyers any visit is known, if the question "
            "is by what visits say; `(none)` has the rest, and below 20 % no value is known"
        ),
        examples=[0.62],
    )
    sales: list[SalesRow] = Field(
        description="By values, those with most of the first measure first, then by period"
    )
    measures: list[MeasureInfo] = Field(description="The measures that were asked for")
    values: list[SalesRow] = Field(
        description="By values over all days, if there are values and periods"
    )
    totals: list[SalesRow] = Field(description="Of all values by period, if there are both")
    total: SalesRow = Field(description="Of all values and days, exact in any case")


def compute(question: SalesQuestion, data: QuestionData) -> Answer:
    """Return the measures by dimensions and periods, and their totals.

    Raises:
        DefinitionError: The question does not fit the days or the order lines.
        NoSourceError: It needs events or costs, and there are none.
        QuestionTooLargeError: It has more values or periods than can be answered.
    """
    query = SalesQuery(question, data)
    query.check()
    if data.keep:
        data.keep(to_write(customers(query), question.measures))
    now = query.counted(query.range)
    now.check_size()
    shown = now.first_values(query.limit)
    if len(shown) * max(1, len(now.starts)) > MOST_ROWS:
        raise QuestionTooLargeError(
            f"{len(shown):,} values in {len(now.starts):,} periods are more than {MOST_ROWS:,} "
            "rows; ask for fewer values, fewer days or longer periods."
        )
    before = None
    if question.compare:
        earlier = query.range.compared(query.calendar)
        then = query.counted(earlier, "before")
        if now.others not in shown and then.has_more(shown):
            shown.append(now.others)
        before = _Result(query, earlier, then.with_other(shown))
    rows = _ResultRows(query, _Result(query, query.range, now.with_other(shown)), before)
    labels = query.labels(shown)
    named = {values: _named(question, values, labels) for values in query.in_order(shown)}
    has_both = bool(question.by and question.over)
    return {
        "definition": query.definition,
        "sales": [
            {**name, **row} for values, name in named.items() for row in rows.by_period(values)
        ],
        "measures": [measure_info(name, question) for name in question.measures],
        "values": [{**name, **rows.row(values)} for values, name in named.items()]
        if has_both
        else [],
        "totals": rows.by_period(None) if has_both else [],
        "total": rows.row(None),
        "visit_coverage_rate": query.visit_coverage.rate,
        "warnings": query.warnings(shown),
    }


def check(question: SalesQuestion, source: EventSource) -> None:
    """Refuse far more combinations of values than can be counted, before order lines are read.

    Raises:
        QuestionTooLargeError: It says which dimensions these are.
    """
    columns = [COLUMNS[name] for name in question.by if name in COLUMNS]
    if len(question.by) <= 1 or not columns or not COLUMNS.keys() >= {*columns_of(question.where)}:
        return  # other conditions are not on what is received
    if source.has_more_groups(columns, counting.MOST_GROUPS, partial(_asked_about, question)):
        raise too_many_groups(question.by)


def _asked_about(question: SalesQuestion, lines: ir.Table) -> ir.Table:
    """Return, of order lines as they were received, those of the days and conditions."""
    newest = FIRST_DATE
    if question.time_range or question.last:
        newest = value_of(lines.order_date.max()) or newest
    lines = rows_between(lines, "order_date", question.ends(newest))
    if question.where == EVERYTHING:
        return lines
    named = lines.mutate(
        **{name: lines[column].fill_null(NONE) for name, column in COLUMNS.items()}
    )
    return named.filter(holds(named, question.where))


def _named(question: SalesQuestion, values: Values, labels: Mapping[Values, str]) -> Row:
    """Return the fields of a row that say which values it is of."""
    return {"by": dict(zip(question.by, values, strict=True)), "label": labels[values]}


@dataclass(frozen=True)
class _Result:
    """The numbers of the lines of a range."""

    query: SalesQuery
    days: TrendRange
    counted: CountedLines

    @cached_property
    def of_values(self) -> dict[Values, ByPeriod]:
        """The numbers by value and period."""
        if not self.counted.by:
            return self.in_total
        return self.counted.by_period(in_total=False)

    @cached_property
    def in_total(self) -> dict[Values, ByPeriod]:
        """The numbers of all values by period."""
        return self.counted.by_period(in_total=True)

    def numbers(self, values: Values | None, start: date | None) -> Row:
        """Return the measures of a value, or in total, in a period, or over all days."""
        if values is not None and self.has_too_few_visits:
            return dict.fromkeys(self.counted.names)
        of_value = self.in_total.get((), {}) if values is None else self.of_values.get(values, {})
        is_known = (
            self.is_known if start is None else self.days.is_known(start, self.query.calendar)
        )
        return completed_numbers(of_value.get(start), self.counted.names, is_known=is_known)

    def is_complete(self, start: date | None) -> bool:
        """Return whether the range and the data have all days of a period."""
        return self.is_whole if start is None else self.days.is_whole(start, self.query.calendar)

    @cached_property
    def has_too_few_visits(self) -> bool:
        """Whether too few orders of the range have visits to say what brought them, if the
        question is by what visits say.
        """
        query, is_asked = self.query, self.days == self.query.range
        met = query.visit_coverage if is_asked else query.visit_coverage_of(self.days)
        return met.is_too_low

    @property
    def _known_days(self) -> set[date]:
        days = self.days
        first, last = max(days.first, days.known_first), min(days.last, days.known_last)
        if first > last:
            return set()
        return set(Days.through(first, last).dates) - days.missing

    @cached_property
    def is_known(self) -> bool:
        """Whether the data hold a day of the range."""
        return bool(self._known_days)

    @cached_property
    def is_whole(self) -> bool:
        """Whether the data hold all days of the range."""
        return len(self._known_days) == (self.days.last - self.days.first).days + 1


@dataclass(frozen=True)
class _ResultRows:
    """The rows of an answer, of a range and perhaps another one that it is compared with."""

    query: SalesQuery
    result: _Result
    before: _Result | None

    def by_period(self, values: Values | None) -> list[Row]:
        """Return a row for each period, of some values or in total; one row without periods."""
        if not self.result.counted.starts:
            return [self.row(values)]
        starts: Sequence[date] = self.result.counted.starts
        earlier: list[date | None] = list(self.before.counted.starts) if self.before else []
        # The two ranges can overlap different numbers of weeks or months: they are aligned at their
        # first periods.
        earlier += [None] * (len(starts) - len(earlier))
        timezone = self.result.days.timezone
        return [
            {"start": period_text(start, timezone), **self.row(values, (start, earlier_start))}
            for start, earlier_start in zip(starts, earlier, strict=False)
        ]

    def row(self, values: Values | None, starts: tuple[date, date | None] | None = None) -> Row:
        """Return the numbers of some values or in total, in a period or over all days.

        Args:
            values: The values; None for the total.
            starts: The start of the period, and of that which it is compared with; None for all
                days.
        """
        start, earlier_start = starts or (None, None)
        numbers = self.result.numbers(values, start)
        is_complete = self.result.is_complete(start)
        row: Row = {"is_complete": is_complete, "numbers": numbers}
        if self.before is not None and (starts is None or earlier_start is not None):
            previous = self.before.numbers(values, earlier_start)
            are_whole = is_complete and self.before.is_complete(earlier_start)
            row |= {
                "previous": previous,
                "change": changes(numbers, previous, numbers)
                if are_whole
                else dict.fromkeys(numbers),
            }
        if self.query.question.share:
            row["share"] = shares(numbers, self.result.numbers(None, start))
        return row


def measure_info(name: str, question: SalesQuestion) -> Row:
    """Return what an answer says of a measure."""
    measure = MEASURES[name]
    return {
        "name": name,
        "label": measure.label,
        "meaning": measure.description,
        "format": measure.shown_as,
        "adds_up": _adds_up(name, question),
    }


def _adds_up(name: str, question: SalesQuestion) -> bool:
    """Return whether the rows of a measure add up to its total: those of sums, unless a line is in
    several rows.
    """
    if not question.by and not question.over:
        return True
    return is_sum(name) and DISCOUNT_CODE not in question.by and not question.cumulative


SALES: Final = Kind(
    "sales",
    SalesQuestion,
    CustomSalesAnswer,
    compute,
    "Any measure of orders by any dimension",
    tool="custom_sales",
    lists=("sales",),
    without="there are no sales",
    writes=("--who", "Write the customers of these sales to this .parquet or .csv file."),
    only_orders=True,
    compares_itself=True,
    lines=text_lines,
    check=check,
)
