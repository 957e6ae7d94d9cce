"""The number that an alert watches, as a point for each hour, day or week: of the shop, or of the
answer to a saved question.

`Watched.points` is all that rules and back-tests see. Trends, funnels, retention and sales give all
periods by one question; any other kind is asked once for each (`_one_by_one`), of fewer days. A new
kind of question needs nothing here; one that knows periods itself is an entry in `points`.
`number_at` finds a number in an answer by a path such as `steps[-1].count`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ecom_assets.behaviour.funnels.queries import ENTERED, daily_conversion
from ecom_assets.behaviour.questions.answer import answer
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.behaviour.sessions.queries import engagement
from ecom_assets.behaviour.trends.question import ACTIVE, COUNTS, DISTINCT, TrendQuestion
from ecom_assets.commerce.conversion.queries import conversion
from ecom_assets.commerce.costs.queries import profit_over_time
from ecom_assets.commerce.custom_sales.measures import MEASURES
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.commerce.marketing.queries import marketing_over_time
from ecom_assets.commerce.sales.coverage import Source, known_days
from ecom_assets.commerce.sales.queries import revenue_trend
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.http_server.callers import Scope, without
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import MONEY, Column, Ratio
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.queries import Page, Period
from ecom_assets.interfaces.api.auth.callers import require_costs
from ecom_assets.interfaces.api.store.question_source import published_source
from ecom_assets.interfaces.api.store.store import StoreReading
from ecom_assets.interfaces.api.visible_saved import has_conditions_on_people, require_readable
from ecom_assets.interfaces.boards.model import (
    OF_COSTS,
    Every,
    NumberAlert,
    SavedQuestion,
    Subject,
    shop_numbers,
)
from ecom_assets.interfaces.watching.rule import ValueFormat, WatchedPoint

HISTORY: Final = {"hour": 62, "day": 91, "week": 371}
"""How many days are looked at, by the length of periods: for what is expected,
and for the back-test.
"""
ONE_BY_ONE: Final = 35
"""The same where each period is a question of its own."""
MOST_HOURLY: Final = 31
"""The most days that one question has by hours."""
COUNTED: Final = frozenset((*COUNTS, *ACTIVE, DISTINCT))
"""Measures of trends that are whole numbers."""
DEFAULT_NUMBERS: Final = {
    "funnel": "steps[-1].conversion_from_start",
    "trend": "",
    "retention": "returned[1]",
    "sales": "",
}
OF_THE_SHOP: Final = Request({"type": "http"})
"""The request of the shop's own process, which is nobody's key."""
_STEP: Final = re.compile(
    r"(?P<name>\w+)?(?:\[(?:(?P<index>-?\d+)|(?P<key>\w+)=(?P<value>[^\]]+))\])?"
)


@dataclass(frozen=True)
class Watched:
    """An alert with what it is about, over one published state.

    Attributes:
        alert: The alert.
        saved: The saved question of its number; None for a number of the shop.
        reading: The published state.
        settings: The settings.
        request: Whose rights count, by default those of the shop's own process.
    """

    alert: NumberAlert
    saved: SavedQuestion | None
    reading: StoreReading
    settings: Settings
    request: Request = OF_THE_SHOP

    @property
    def shown(self) -> ValueFormat:
        """How its values are written."""
        currency = self.reading.currency or ""
        if self.alert.measure is not None:
            return _format_of(shop_numbers()[self.alert.measure].measure, currency)
        path, question = self.path, self.saved.question if self.saved else None
        if isinstance(question, SalesQuestion):
            return _format_of(MEASURES.get(path) or MEASURES[question.measures[0]], currency)
        counts = isinstance(question, TrendQuestion) and all(
            series.measure in COUNTED for series in question.series
        )
        return ValueFormat(is_rate=is_rate(path), is_count=counts or path.endswith("count"))

    @property
    def name(self) -> str:
        """What people call the number, whichever value of a breakdown it is of."""
        if self.alert.measure is not None:
            return shop_numbers()[self.alert.measure].measure.label
        return self.saved.name if self.saved else ""

    @property
    def title(self) -> str:
        """What people call the number, with the value of a breakdown that it is of."""
        return title_of(self.name, self.alert.value)

    @property
    def path(self) -> str:
        """Where the number stands in the answer of a period."""
        assert self.saved is not None  # noqa: S101 (an alert has a question or a measure)
        path = self.alert.number or DEFAULT_NUMBERS.get(self.saved.kind)
        if path is None:
            raise DefinitionError(
                f"An alert of a question of the kind {self.saved.kind!r} needs `number`, such as "
                "`channels[channel=Email].credit`: where its number stands in the answer."
            )
        return path

    def points(self, days: int | None = None) -> list[WatchedPoint]:
        """Return the number of each period, in order, up to the newest day.

        Args:
            days: How many days to look at, by default those that the rule and its back-test need.

        Raises:
            EcomError: The question cannot be answered, or has no such number.
        """
        every, newest = self.alert.every, self.reading.newest_date
        count = days or HISTORY[every]
        first = newest - (count - 1) * ONE_DAY
        first -= first.weekday() * ONE_DAY if every == "week" else timedelta(0)
        if self.saved is None:
            return self._of_shop(first, newest)
        by_kind: Mapping[str, Callable[[date, date], list[WatchedPoint]]] = {
            "trend": self._of_trend,
            "funnel": self._of_funnel,
            "retention": self._of_retention,
            "sales": self._of_sales,
        }
        read = by_kind.get(self.saved.kind)
        return (
            read(first, newest)
            if read
            else self._one_by_one(max(first, newest - ONE_BY_ONE * ONE_DAY), newest)
        )

    def ask(self, first: date, last: date, **changed: Any) -> Answer:  # noqa: ANN401 (fields of a question)
        """Return the answer to the saved question about some days."""
        assert self.saved is not None  # noqa: S101 (callers look)
        question: Question = self.saved.question.changed(
            start_date=first, end_date=last, time_range=None, last=None, **changed
        )
        kind = self.saved.declared
        require_readable(self.saved, self.request.scope)
        source = published_source(kind, self.asks_as, self.reading, self.settings)
        result = answer(kind, question, source)
        document: Answer = result.model_dump(mode="json", by_alias=True)
        return document

    @property
    def asks_as(self) -> Request:
        """The request that its question is asked by: without `personal`, unless the question itself
        is about people. Nobody knows what the readers of a message may see.
        """
        assert self.saved is not None  # noqa: S101 (callers look)
        if has_conditions_on_people(self.saved):
            return self.request
        return Request(without(self.request.scope, Scope.PERSONAL))

    def _of_trend(self, first: date, last: date) -> list[WatchedPoint]:
        result: list[WatchedPoint] = []
        for start, end in _windows(first, last, self.alert.every):
            document = self.ask(start, end, period=self.alert.every)
            values = line_of(document, self.alert.number, self.alert.value)
            starts = zip(document["periods"], values, document["complete"], strict=True)
            result += [
                WatchedPoint(_start(text), _number(value), done) for text, value, done in starts
            ]
        return result

    def _of_funnel(self, first: date, last: date) -> list[WatchedPoint]:
        result: list[WatchedPoint] = []
        for start, end in _windows(first, last, self.alert.every):
            for cohort in self.ask(start, end, over=self.alert.every)["cohorts"]:
                part = part_of(cohort, cohort["breakdown"] or (), self.alert.value)
                value = number_at(part, self.path) if part and part["steps"] else None
                size = share_at(part["steps"], self.path)[1] if part and part["steps"] else None
                result.append(
                    WatchedPoint(_start(cohort["start"]), value, cohort["complete"], size)
                )
        return result

    def _of_retention(self, first: date, last: date) -> list[WatchedPoint]:
        document = self.ask(first, last, period=self.alert.every)
        part = part_of(document, document["breakdown"], self.alert.value)
        return [_retained(cohort, self.path) for cohort in (part["cohorts"] if part else ())]

    def _of_sales(self, first: date, last: date) -> list[WatchedPoint]:
        result: list[WatchedPoint] = []
        for start, end in _windows(first, last, self.alert.every):
            document = self.ask(start, end, over=self.alert.every, compare=None)
            for row in sales_rows(document, self.alert.value):
                value = measure_of(row["numbers"], self.alert.number)
                result.append(WatchedPoint(_start(row["start"]), value, row["is_complete"]))
        return result

    def _one_by_one(self, first: date, last: date) -> list[WatchedPoint]:
        """Return the number of each day or week by a question of its own."""
        if self.alert.every == "hour":
            raise DefinitionError(
                "Only trends, funnels, retention and sales are known by the hour; choose day or "
                "week."
            )
        result = []
        for start, end in _periods(first, last, self.alert.every):
            document = self.ask(start, end)
            days = document["range"]
            done = days["data"] == "whole" and days["provisional_from"] is None
            result.append(
                WatchedPoint(datetime.combine(start, time()), number_at(document, self.path), done)
            )
        return result

    def _of_shop(self, first: date, last: date) -> list[WatchedPoint]:
        """Return the points of a number of the shop, read as its subject can be read fastest.

        Raises:
            DefinitionError: It is not known by the hour.
        """
        name, every = self.alert.measure or "", self.alert.every
        subject = shop_numbers()[name].subject
        if shop_numbers()[name].is_cost:
            require_costs(self.request.scope, f"{self.title!r}")
        if every == "hour" and subject != "sales":
            raise DefinitionError(
                "Of the shop's numbers only those of sales are known by the hour; choose day or "
                "week."
            )
        period = Period("custom", first, last, known_days(self.reading, [source_of(subject)]))
        if subject == "sales":
            return self._of_revenue(name, period)
        parts = [
            replace(period, start_date=start, end_date=end)
            for start, end in _periods(first, last, every)
        ]
        if subject in OF_COSTS:
            return self._of_costs(name, subject, period, parts)
        if every == "day" and name in BY_DAY:
            by_day = {row["event_date"]: row for row in BY_DAY[name](self.reading, period)}
            rows = [by_day.get(part.start_date, {}) for part in parts]
        else:
            numbers_of = _of_sessions if subject == "sessions" else _of_conversion
            rows = [numbers_of(self.reading, part) for part in parts]
        return [
            self._watched_point(
                part.start_date, part.end_date, row.get(name), part.data, _size_of(row, name)
            )
            for part, row in zip(parts, rows, strict=True)
        ]

    def _of_revenue(self, name: str, period: Period) -> list[WatchedPoint]:
        every = self.alert.every
        windows = [
            replace(period, start_date=start, end_date=end)
            for start, end in _windows(period.start_date, period.end_date, every)
        ]
        return [
            self._watched_point(
                row["started_at"] or row["start_date"], row["end_date"], row[name], row["data"]
            )
            for window in windows
            for row in revenue_trend(self.reading, window, every)
        ]

    def _of_costs(
        self, name: str, subject: Subject, period: Period, parts: Sequence[Period]
    ) -> list[WatchedPoint]:
        over_time = profit_over_time if subject == "profit" else marketing_over_time
        by_start = over_time(self.reading, period, "week" if self.alert.every == "week" else "day")
        return [
            self._watched_point(
                part.start_date, part.end_date, by_start[part.start_date][name], part.data
            )
            for part in parts
        ]

    def _watched_point(
        self,
        start: date | datetime,
        end: date,
        value: Any,  # noqa: ANN401 (as an engine returns it)
        data: str,
        size: float | None = None,
    ) -> WatchedPoint:
        starts_at = _start(start.isoformat())
        is_whole = self.alert.every != "week" or end - starts_at.date() == 6 * ONE_DAY
        return WatchedPoint(
            starts_at, _number(value), data == "whole" and is_whole and end < self.unfinished, size
        )

    @property
    def unfinished(self) -> date:
        """The first day that was not over when the data were published."""
        return self.reading.published.published_at.astimezone(
            ZoneInfo(self.reading.timezone)
        ).date()


def is_rate(path: str) -> bool:
    """Return whether a number of an answer is a share, by its path."""
    return "conversion" in path or path.endswith("rate") or path.startswith("returned")


def watches_rate(question: SavedQuestion, number: str) -> bool:
    """Return whether a number of the answer to a saved question is a share; by default the one that
    an alert watches.
    """
    if question.kind == "sales":
        asked = question.question
        name = number or (asked.measures[0] if isinstance(asked, SalesQuestion) else "")
        return name in MEASURES and MEASURES[name].shown_as == "rate"
    return is_rate(number or DEFAULT_NUMBERS.get(question.kind, ""))


def title_of(name: str, value: str | None) -> str:
    """Return what people call a number, of a value of a breakdown if there is one."""
    return f"{name}: {value}" if value else name


def source_of(subject: Subject) -> Source:
    """Return which source's days say whether a number of the shop is known."""
    return "sales" if subject in {"sales", *OF_COSTS} else "events"


def _days_of_sessions(reading: StoreReading, period: Period) -> list[Row]:
    days: list[Row] = engagement(reading, period, Page(period.day_count))["days"]
    return days


BY_DAY: Final = {
    **dict.fromkeys(measures_of(SessionMeasures), _days_of_sessions),
    "conversion_rate": daily_conversion,
}
"""What is read for all days at once, 40 times as fast as day by day."""


def _of_sessions(reading: StoreReading, period: Period) -> Row:
    row: Row = engagement(reading, period, Page(1))["engagement"]
    return row


def _of_conversion(reading: StoreReading, period: Period) -> Row:
    result = conversion(reading, period, None, "session", None)
    entered = result["steps"][0]["unit_count"] if result["steps"] else None
    return {
        "conversion_rate": result["conversion_rate"],
        ENTERED: entered,
        **result["abandonment"],
    }


def _size_of(row: Row, name: str) -> float | None:
    """Return of how many a share of a row is; None if it is no share of a count."""
    if name == "conversion_rate":
        return _number(row.get(ENTERED))
    ratio = shop_numbers()[name].measure.counted_as
    return _number(row.get(ratio.whole)) if isinstance(ratio, Ratio) else None


def _windows(first: date, last: date, every: Every) -> Iterator[tuple[date, date]]:
    """Yield the days of each question: all of them,
    but no more by the hour than one question has.
    """
    length = MOST_HOURLY if every == "hour" else (last - first).days + 1
    while first <= last:
        yield first, min(last, first + (length - 1) * ONE_DAY)
        first += length * ONE_DAY


def _periods(first: date, last: date, every: Every) -> Iterator[tuple[date, date]]:
    """Yield the first and last day of each day or week."""
    length = 7 if every == "week" else 1
    while first + (length - 1) * ONE_DAY <= last:
        yield first, first + (length - 1) * ONE_DAY
        first += length * ONE_DAY


def _start(text: str) -> datetime:
    """Return the begin of a period on the clock of its zone."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _number(value: Any) -> float | None:  # noqa: ANN401 (a number of any type)
    return None if value is None else float(value)


def line_of(document: NamedValues, number: str, value: str | None) -> list[float | None]:
    """Return the values of a trend's series by its name, or of its formula,
    for a value of the breakdown.

    Raises:
        DefinitionError: It has no such series or value.
    """
    lines = document["formula"] if number == "formula" else document["series"]
    lines = [line for line in lines or () if not number or number in {"formula", line["name"]}]
    if value is not None:
        lines = [line for line in lines if line["breakdown"] == value]
    if not lines:
        raise DefinitionError(
            f"The trend has no series {number or 'A'!r}{f' of {value!r}' if value else ''}."
        )
    values: list[float | None] = lines[0]["values"]
    return values


def sales_rows(document: NamedValues, value: str | None) -> list[Row]:
    """Return the rows of an answer about sales by period: those of a value, or of all values."""
    rows: list[Row] = document["sales"]
    if value is not None:
        return [row for row in rows if value in {row["label"], *row["by"].values()}]
    return document["totals"] or rows


def measure_of(numbers: NamedValues, name: str) -> float | None:
    """Return a number of an answer about sales by the name of its measure, by default the first.

    Raises:
        DefinitionError: The question does not ask for it.
    """
    name = name or next(iter(numbers))
    if name not in numbers:
        raise DefinitionError(
            f"The question has no number {name!r}; {did_you_mean(name, numbers)}."
        )
    return _number(numbers[name])


def _format_of(measure: Column, currency: str) -> ValueFormat:
    return ValueFormat(
        is_rate=measure.shown_as == "rate",
        is_count=measure.type == "int64",
        currency=currency if measure.type == MONEY or measure.shown_as == "money" else "",
        is_quantity=measure.shown_as == "quantity",
    )


def part_of(
    whole: NamedValues, breakdown: Sequence[NamedValues], value: str | None
) -> NamedValues | None:
    """Return the part of an answer that is of a value of its breakdown, or the whole;
    None if nothing has the value.
    """
    if value is None:
        return whole
    return next((part for part in breakdown if part["value"] == value), None)


def number_at(document: Any, path: str) -> float | None:  # noqa: ANN401 (a part of an answer)
    """Return a number of an answer by its path, such as `steps[-1].count` or
    `channels[channel=Email].credit`.

    Returns None where the list has no such row, or the number is null.

    Raises:
        DefinitionError: There is no number of this path.
    """
    for text in path.split("."):
        step = _STEP.fullmatch(text)
        if document is None:
            return None
        if step is None or (
            step["name"] and (not isinstance(document, Mapping) or step["name"] not in document)
        ):
            raise DefinitionError(
                f"The answer has no number {path!r}: nothing is called {text!r} there."
            )
        document = document[step["name"]] if step["name"] else document
        document = _row_of(document, step, path)
    if document is None or (isinstance(document, str | int | float) and _is_number(document)):
        return _number(document)
    raise DefinitionError(
        f"{path!r} of the answer is not a number; name one, such as `steps[-1].count`."
    )


def share_at(steps: Sequence[NamedValues], path: str) -> tuple[float, float]:
    """Return the counts whose quotient a path such as `steps[-1].conversion_from_start` names."""
    step = number_at({"steps": steps}, f"{path.partition('.')[0]}.step")
    position = int(step or len(steps)) - 1
    base = max(position - 1, 0) if path.endswith("from_previous") else 0
    return float(steps[position]["count"]), float(steps[base]["count"])


def _row_of(document: Any, step: re.Match[str], path: str) -> Any:  # noqa: ANN401 (a part of an answer)
    if step["index"] is None and step["key"] is None:
        return document
    if not isinstance(document, list):
        raise DefinitionError(f"{path!r} names a row of what is not a list of the answer.")
    if step["index"] is not None:
        index = int(step["index"])
        return document[index] if -len(document) <= index < len(document) else None
    return next((row for row in document if str(row.get(step["key"])) == step["value"]), None)


def _is_number(value: str | float) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return not isinstance(value, bool)


def _retained(cohort: NamedValues, path: str) -> WatchedPoint:
    """Return the share of a cohort that came back in a period, as `returned[1]` names it,
    or another of its numbers.
    """
    step = _STEP.fullmatch(path)
    index = int(step["index"]) if step and step["name"] == "returned" and step["index"] else None
    value, done = number_at(cohort, path), all(cohort["complete"])
    if index is not None:
        done = (
            -len(cohort["complete"]) <= index < len(cohort["complete"])
            and cohort["complete"][index]
        )
        value = None if value is None or not cohort["size"] else value / cohort["size"]
    return WatchedPoint(_start(cohort["cohort"]), value, done, cohort["size"])
