"""Trend builder: counts, visitors, sums and percentiles over time; formulas, stickiness and lifecycle."""

from typing import Any, Final

from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import Block, Chart, TableColumn
from ecom_assets.dashboard.forms import Answer, Builder, answered, question_page
from ecom_assets.dashboard.page import Section, csv_address
from ecom_assets.trends.answer import TREND, StickyVisitors
from ecom_assets.trends.trend import STATES

PERIOD, SERIES = TableColumn("start", "Period"), TableColumn("series", "Series")


def chart(answer: Answer) -> Block:
    """Return the answer as the chart of its kind."""
    if answer.get("stickiness"):
        return _stickiness(answer)
    if answer.get("lifecycle"):
        return _lifecycle(answer)
    return _values(answer)


MOST_POINTS: Final = 100
"""Periods up to which each is drawn as a point on its line."""


def _values(answer: dict[str, Any]) -> Block:
    formula = answer.get("formula") or []
    lines = formula or answer["series"]
    is_only = len({(line["name"], line["event_type"], line["measure"]) for line in answer["series"]}) == 1
    rows = [
        {
            "start": charts.day_of(period),
            "series": name,
            "value": value,
            "state": "whole" if is_whole else "not over yet",
        }
        for line in lines
        for name, values in _named(line, is_formula=bool(formula), is_only=is_only)
        for period, value, is_whole in zip(answer["periods"], values, answer["complete"], strict=True)
    ]
    columns = (PERIOD, SERIES, TableColumn("value", "Value", "decimal"), TableColumn("state", "Period is"))
    has_points = len(answer["periods"]) <= MOST_POINTS
    spec = charts.lines("start", "value", "series", kind="decimal", has_points=has_points)
    return Chart(
        spec,
        rows,
        columns,
        "A line per series over time.",
        csv=csv_address(answer),
        height=340,
    )


def _named(line: dict[str, Any], *, is_formula: bool, is_only: bool) -> list[tuple[str, list[Any]]]:
    """Return the lines of a series with their names: its own line, and the one of the range before."""
    what = "Formula" if is_formula else f"{line['name']} · {line['event_type'] or 'anything'} ({line['measure']})"
    values = line["breakdown"]
    name = what if values is None else str(values) if is_only else f"{what}, {values}"
    before = [(f"{name}, before", line["previous"])] if line.get("previous") else []
    return [(name, line["values"]), *before]


def _stickiness(answer: dict[str, Any]) -> Block:
    rows = [
        {"series": f"{series['name']} · {series['event_type'] or 'anything'}", **visitors}
        for series in answer["stickiness"]
        for visitors in series["visitors"]
    ]
    columns = (SERIES, *TableColumn.from_fields(StickyVisitors, "period_count", "exactly", "at_least"))
    periods = charts.names("period_count", title="In so many periods", axis={"labelAngle": 0})
    visitors, series = charts.number("exactly", "count"), charts.names("series")
    spec = charts.coloured_bars(periods, visitors, series, columns, xOffset={"field": "series"})
    return Chart(
        spec, rows, columns, "Bars: visitors by the number of periods in which they did it.", csv=csv_address(answer)
    )


def _lifecycle(answer: dict[str, Any]) -> Block:
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
        csv=csv_address(answer),
        height=340,
    )


BUILDER: Final = Builder(TREND, {"series1": "purchase", "series2": "purchase:visitors"})
PAGE = question_page(
    BUILDER,
    (Section("Trend", answered(BUILDER, chart)),),
    path="trend",
    title="Trends",
    position=40,
    summary="Events, visitors and sums over time, compared by any column.",
)
