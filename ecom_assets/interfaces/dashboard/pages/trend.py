"""Trend builder: counts, visitors, sums and percentiles over time; formulas,
stickiness and lifecycle.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from ecom_assets.behaviour.events.names import event_name
from ecom_assets.behaviour.trends.answer import TREND, StickyVisitors, TrendAnswer
from ecom_assets.behaviour.trends.question import ACTIVE, COUNTS, DISTINCT, MEASURE
from ecom_assets.behaviour.trends.trend import OTHER, STATES
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.days import next_start
from ecom_assets.interfaces.api.parameters import declared_lists
from ecom_assets.interfaces.boards.model import WAYS
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import Block, Chart, TableColumn, Ways
from ecom_assets.interfaces.dashboard.form_inputs import FormInput
from ecom_assets.interfaces.dashboard.formats import Kind, formatted, in_words
from ecom_assets.interfaces.dashboard.forms import (
    Builder,
    answered_in,
    break_down_by,
    context,
    question_page,
)
from ecom_assets.interfaces.dashboard.page import Section, View, address_of, csv_address
from ecom_assets.interfaces.dashboard.trend_ways import (
    ALL_OTHERS,
    WAY_OF,
    ShownTrend,
    TrendLine,
    adds_up,
)
from ecom_assets.interfaces.dashboard.value_names import names_of

PERIOD, SERIES = TableColumn("start", "Period"), TableColumn("series", "Series")
UNITS: Final[dict[str, Kind]] = {"_amount": "money", "_s": "seconds", "_rate": "rate"}
"""How values of a column are written, by the end of its name."""
BY_CLOCK: Final = {"hour", "minute"}


def chart(view: View, answer: Answer) -> Block:
    """Return the answer as the chart of its kind."""
    if answer.get("stickiness"):
        return _stickiness(answer, view.labels)
    if answer.get("lifecycle"):
        return _lifecycle(answer)
    return _values(view, answer)


WAY: Final = FormInput("chart", "Drawn as", options=(("", "What fits"), *WAYS.items()))


def _values(view: View, answer: Answer) -> Block:
    """Return the values in the way that the address names, or else that fits what is asked."""
    shown = shown_trend(view, answer)
    way = view.filters.chart if view.filters.chart in WAY_OF else shown.way
    ways = [(name, label, view.here(chart=name)) for name, label in WAYS.items()]
    return Ways(WAY_OF[way](shown), ways, way)


def shown_trend(view: View, answer: Answer) -> ShownTrend:
    """Return the answer by the names that people read, for each of its ways."""
    formula = answer.get("formula") or []
    parts, definition = formula or answer["series"], answer["definition"]
    is_only = (
        len({(line["name"], line["event_type"], line["measure"]) for line in answer["series"]}) == 1
    )
    values = {line["breakdown"] for line in parts if isinstance(line["breakdown"], str)}
    called = names_of(view, definition["by"], values)
    lines, rows = [], []
    for part in parts:
        value = part["breakdown"]
        shown_value = ALL_OTHERS if value == OTHER else called.get(value, value)
        name = _name(
            {**part, "breakdown": shown_value},
            view.labels,
            is_formula=bool(formula),
            is_only=is_only or bool(formula),
        )
        kind = _kind_of(answer) if formula else _kind_of_series(part)
        lines.append(
            TrendLine(
                name,
                part["values"],
                part.get("previous") or (),
                part["total"],
                adds_up=not formula and adds_up(part, definition),
                is_rest=value == OTHER,
                kind=kind,
            )
        )
        rows += _rows_of(view, answer, name, part, _kind_of(answer))
    return ShownTrend(
        lines,
        [_start_of(start) for start in answer["periods"]],
        rows,
        any(part["breakdown"] is not None for part in parts),
        csv_address(answer, *declared_lists(TrendAnswer)),
        view.currency,
        {"links": _next_questions(answer)},
    )


def _rows_of(view: View, answer: Answer, name: str, line: Row, kind: Kind) -> list[Row]:
    """Return a row for each period of a line, with the next one,
    to which its part of the line leads.
    """
    previous = line.get("previous") or [None] * len(line["values"])
    rows = [
        {
            "start": _start_of(start),
            "series": name,
            "value": value,
            "before": earlier,
            "state": "whole" if is_whole or _is_over(view, answer, start) else "not over yet",
            "shown": formatted(value, kind, view.currency),
            "shown_before": formatted(earlier, kind, view.currency),
            "onward": _narrower(view, start),
        }
        for start, value, earlier, is_whole in zip(
            answer["periods"], line["values"], previous, answer["complete"], strict=True
        )
    ]
    for row, following in pairwise(rows):
        row |= {
            "next_start": following["start"],
            "next_value": following["value"],
            "next_before": following["before"],
        }
        row["is_open"] = "not over yet" in {row["state"], following["state"]}
    return rows


def _start_of(start: str) -> date:
    """Return the start of a period; of an hour the time on the shop's clocks,
    which the browser shows as it is.
    """
    day = charts.day_of(start)
    return day if isinstance(day, date) else datetime.fromisoformat(start).replace(tzinfo=None)


def _is_over(view: View, answer: Answer, start: str) -> bool:
    """Return whether all days of a period are in the range, known,
    and were over when the data were published.
    """
    covered, period = answer["range"], context(view, BUILDER).question.period
    first = datetime.fromisoformat(start).date()
    last = first if period in BY_CLOCK else next_start(first, period) - timedelta(days=1)
    if covered["known_to"] is None or not covered["start_date"] <= first <= last <= min(
        covered["end_date"], covered["known_to"]
    ):
        return False
    is_missing = any(first <= day <= last for day in covered["missing_days"])
    return not is_missing and not (
        covered["provisional_from"] and last >= covered["provisional_from"]
    )


def _kind_of(answer: Answer) -> Kind:
    """Return how values are written, if those of all series are alike;
    shares of a formula are rates.
    """
    if answer.get("formula"):
        values = [
            value for line in answer["formula"] for value in line["values"] if value is not None
        ]
        is_share = "/" in answer["definition"]["formula"] and all(
            0 <= value <= 1 for value in values
        )
        return "rate" if is_share else "decimal"
    kinds = {_kind_of_series(line) for line in answer["series"]}
    return kinds.pop() if len(kinds) == 1 else "decimal"


def _kind_of_series(line: Row) -> Kind:
    if line["measure"] in {*COUNTS, *ACTIVE, DISTINCT}:
        return "count"
    return next(
        (kind for end, kind in UNITS.items() if str(line["of"] or "").endswith(end)), "decimal"
    )


def _name(line: Row, labels: Mapping[str, str], *, is_formula: bool, is_only: bool) -> str:
    """Return what the legend calls a line."""
    values = line["breakdown"]
    if is_formula:
        label = "Formula"
    else:
        measured = f" of {in_words(line['of']).lower()}" if line.get("of") else ""
        measure = MEASURE.labels[line["measure"]].lower()
        label = f"{line['name']} · {_called(line['event_type'], labels)} ({measure}{measured})"
    if values is None:
        return label
    return str(values) if is_only else f"{label}, {values}"


def _called(event_type: str | None, labels: Mapping[str, str]) -> str:
    return event_name(event_type, labels) if event_type else "anything"


def _narrower(view: View, start: Any) -> str:  # noqa: ANN401 (a day, or the start of an hour)
    """Return the address of the same trend within a period: its days, or the hours of a day;
    none within an hour.
    """
    period, first = context(view, BUILDER).question.period, charts.day_of(start)
    if period in BY_CLOCK or not isinstance(first, date) or isinstance(first, datetime):
        return ""
    last = next_start(first, period) - timedelta(days=1)
    inner = "hour" if period == "day" else "day"
    return view.here(start_date=first, end_date=last, last=None, compare=None, period=inner)


def _next_questions(answer: Answer) -> Sequence[tuple[str, str]]:
    """Return what can be asked next about the same events and days."""
    days = {name: answer["range"][name] for name in ("start_date", "end_date")}
    types = list(
        dict.fromkeys(line["event_type"] for line in answer["series"] if line["event_type"])
    )
    steps = {
        f"step{number}": name
        for number, name in enumerate(["*", *types] if len(types) == 1 else types, start=1)
    }
    return [
        *([("As a funnel", address_of("funnel", {**steps, **days}))] if types else []),
        *[
            (f"Who comes back after {name}", address_of("retention", {"start": name, **days}))
            for name in types[:1]
        ],
    ]


def _stickiness(answer: Answer, labels: Mapping[str, str]) -> Block:
    rows = [
        {"series": f"{series['name']} · {_called(series['event_type'], labels)}", **visitors}
        for series in answer["stickiness"]
        for visitors in series["visitors"]
    ]
    columns = (
        SERIES,
        *TableColumn.from_fields(StickyVisitors, "period_count", "exactly", "at_least"),
    )
    periods = charts.names("period_count", title="In so many periods", axis={"labelAngle": 0})
    visitors, series = charts.number("exactly", "count"), charts.names("series")
    spec = charts.coloured_bars(periods, visitors, series, columns, xOffset={"field": "series"})
    return Chart(
        spec,
        rows,
        columns,
        "Bars: visitors by the number of periods in which they did it.",
        csv=csv_address(answer, *declared_lists(TrendAnswer)),
    )


def _lifecycle(answer: Answer) -> Block:
    rows = [
        {
            "start": charts.day_of(period),
            "series": series["name"],
            "state": state,
            "visitors": -value if state == "dormant" else value,
        }
        for series in answer["lifecycle"]
        for state in STATES
        for period, value in zip(answer["periods"], series[state], strict=True)
        if value is not None
    ]
    columns = (SERIES, TableColumn("state", "State"), TableColumn("visitors", "Visitors", "count"))
    start = {"field": "start", "type": "temporal", "title": None}
    visitors, state = charts.number("visitors", "count"), charts.names("state", sort=list(STATES))
    spec = charts.coloured_bars(start, visitors, state, columns)
    return Chart(
        spec,
        rows,
        (PERIOD, *columns),
        "Bars: visitors by state and period; those who left are below zero.",
        csv=csv_address(answer, *declared_lists(TrendAnswer)),
        height=340,
    )


def by_hour_of_a_day(definition: dict[str, Any], fields: Any) -> Answer:  # noqa: ANN401 (the choices are made from the form)
    """Return the definition of the form, for a single day by the hour if it names no period."""
    is_one_day = fields.last == "1d" or (fields.start_date and fields.start_date == fields.end_date)
    has_hours = not any(series.get("measure") in ACTIVE for series in definition.get("series", ()))
    return {"period": "hour", **definition} if is_one_day and has_hours else definition


BUILDER: Final = Builder(
    TREND,
    {"series1": "purchase", "series2": "purchase:visitors", "last": "90d"},
    extra={"what": (WAY,)},
    make=by_hour_of_a_day,
)
PAGE = question_page(
    BUILDER,
    (Section("Trend", answered_in(BUILDER, chart)), Section("Breakdown", break_down_by)),
    path="trend",
    title="Trends",
    position=40,
    summary="Events, visitors and sums over time, compared by any column.",
)
