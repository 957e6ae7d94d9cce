"""The ways to show a trend: lines, bars, a ranking with totals, a number or a table.

What is asked chooses one: a line over many periods, bars over few, a ranking of more values than
lines can be told apart, and of a single period its number. The reader may choose another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ecom_assets.behaviour.trends.question import ADDITIVE
from ecom_assets.core.rows import NamedValues
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    TableColumn,
    Tile,
    first_tiles,
    sparkline,
)
from ecom_assets.interfaces.dashboard.formats import Kind, formatted

MOST_LINES: Final = 6
"""More values of a breakdown cross each other as lines: they are a ranking."""
FEW_PERIODS: Final = 4
"""Up to so many periods are bars: a line needs days between its ends."""
MOST_POINTS: Final = 100
"""Periods up to which each is drawn as a point on its line."""
COLOURS: Final = 12
"""The colours of the theme: more lines differ by their dashes, which then mean nothing else."""
DIGIT_WIDTH: Final = 7
"""The width of a digit in pixels."""
MOST_COLUMNS: Final = 12
"""The most columns of numbers in a table."""
ALL_OTHERS: Final = "All others"


@dataclass(frozen=True)
class TrendLine:
    """A line of a trend by the name that people read.

    Attributes:
        name: The name of it: of its series, or of a value of the breakdown.
        values: By period; None where it is not known.
        previous: The same of the days that it is compared with; empty without.
        total: The same over all days; visitors are distinct there.
        adds_up: Whether the values of its periods add up to the total.
        is_rest: Whether it is of all other values of the breakdown.
        kind: How its values are written.
    """

    name: str
    values: Sequence[float | None]
    previous: Sequence[float | None]
    total: float | None
    adds_up: bool
    is_rest: bool
    kind: Kind

    @property
    def total_before(self) -> float | None:
        """The total of the days that it is compared with, where it is the sum of its values."""
        values = [value for value in self.previous if value is not None]
        is_whole = 0 < len(values) == len(self.previous)
        return sum(values) if self.adds_up and is_whole else None


@dataclass(frozen=True)
class ShownTrend:
    """An answer as its ways show it.

    Attributes:
        lines: Its lines, the most frequent first.
        starts: The first day of each period, or its first minute.
        rows: A row per line and period, as the chart of lines has them.
        is_broken_down: Whether lines are values of a breakdown.
        csv: The address of all of it as CSV.
        currency: The currency of its amounts.
        more: What else its charts have, such as their links.
    """

    lines: Sequence[TrendLine]
    starts: Sequence[Any]
    rows: Sequence[NamedValues]
    is_broken_down: bool
    csv: str
    currency: str
    more: NamedValues = field(default_factory=dict)

    @property
    def way(self) -> str:
        """The way that fits what is asked."""
        if len(self.starts) <= 1:
            return "ranking" if self.is_broken_down else "number"
        if self.is_broken_down and len(self.lines) > MOST_LINES:
            return "ranking"
        return "bars" if len(self.starts) <= FEW_PERIODS else "lines"

    @property
    def kind(self) -> Kind:
        """How values are written, if those of all lines are alike."""
        kinds = {line.kind for line in self.lines}
        return kinds.pop() if len(kinds) == 1 else "decimal"

    @property
    def has_time(self) -> bool:
        """Whether its periods are parts of a day."""
        return any(isinstance(start, datetime) for start in self.starts)

    @property
    def has_before(self) -> bool:
        """Whether it stands beside the days that it is compared with."""
        return any(row["before"] is not None for row in self.rows)

    @property
    def is_open(self) -> bool:
        """Whether some of its periods are not over, or not whole in its days."""
        return any(row["state"] != "whole" for row in self.rows)


def adds_up(line: NamedValues, definition: NamedValues) -> bool:
    """Return whether the values of periods add up to the total: visitors do not, as one may come in
    several.
    """
    is_plain = not definition.get("cumulative") and definition.get("moving_average", 1) == 1
    return is_plain and line["measure"] in ADDITIVE and line["measure"] != "visitors"


def lines(shown: ShownTrend) -> Block:
    """Return a line per series over time."""
    has_points = len(shown.starts) <= MOST_POINTS
    notes = (
        ["Dashed: periods that are not over, or not whole in these days."] if shown.is_open else []
    )
    notes += ["Dotted: the days that they are compared with."] if shown.has_before else []
    if len(shown.lines) > COLOURS:
        spec = charts.lines("start", "value", "series", kind=shown.kind, has_points=has_points)
    else:
        spec = charts.period_lines(
            has_time=shown.has_time,
            kind=shown.kind,
            has_points=has_points,
            has_before=shown.has_before,
        )
    return Chart(
        spec,
        shown.rows,
        columns_of_periods(shown),
        "A line per series over time.",
        csv=shown.csv,
        height=340,
        note=" ".join(notes),
        **shown.more,
    )


def bars(shown: ShownTrend) -> Block:
    """Return bars over periods: values of a breakdown that add up upon each other, others side by
    side.
    """
    is_stacked = shown.is_broken_down and all(line.adds_up for line in shown.lines)
    periods: charts.Spec = charts.days_of_bars("start")
    if shown.has_time:
        axis = {**charts.DAY_AXIS, "format": "%-d %b %H:%M"}
        periods |= {"timeUnit": "yearmonthdatehoursminutes", "axis": axis}
    beside = {} if is_stacked else {"xOffset": {"field": "series", "sort": None}}
    value, colour = charts.number("value", shown.kind), charts.names("series")
    tips = [charts.tip("series", "text", "Series"), charts.day_tip("start")]
    tips.append(charts.tip("shown", "text", "Value"))
    pale = {"condition": {"test": "datum.state != 'whole'", "value": 0.55}, "value": 1}
    return Chart(
        {
            "mark": {"type": "bar"},
            "encoding": {
                "x": periods,
                "y": value,
                "color": colour,
                "opacity": pale,
                "tooltip": tips,
                "href": {"field": "onward"},
                **beside,
            },
        },
        shown.rows,
        columns_of_periods(shown),
        "Bars over time, a colour per series.",
        csv=shown.csv,
        height=340,
        note="Pale: periods that are not over, or not whole in these days."
        if shown.is_open
        else "",
        **shown.more,
    )


def columns_of_periods(shown: ShownTrend) -> tuple[TableColumn, ...]:
    """Return the columns of a row per line and period."""
    before = (TableColumn("before", "Before", shown.kind),) if shown.has_before else ()
    return (
        TableColumn("start", "Period", "text", href="onward"),
        TableColumn("series", "Series"),
        TableColumn("value", "Value", shown.kind),
        *before,
        TableColumn("state", "Period is"),
    )


def ranking(shown: ShownTrend) -> Block:
    """Return a bar per line with its total, the highest first; the rest of the values is last."""
    ranked = sorted(
        shown.lines, key=lambda line: (line.is_rest, line.total is None, -(line.total or 0))
    )
    rows = [
        {
            "series": line.name,
            "value": line.total,
            "before": line.total_before,
            "shown": formatted(line.total, line.kind, shown.currency),
            "is_rest": line.is_rest,
        }
        for line in ranked
    ]
    has_before = any(row["before"] is not None for row in rows)
    before = [TableColumn("before", "Before", shown.kind)] if has_before else []
    columns = (
        TableColumn("series", "Value" if shown.is_broken_down else "Series"),
        TableColumn("value", "All days", shown.kind),
        *before,
    )
    name = charts.names("series", axis={"labelLimit": 260, "grid": False})
    tips = [charts.tip("series", "text", "Name"), charts.tip("shown", "text", "All days")]
    number_at = {"field": "bar", "type": "quantitative"}
    spec = {
        "transform": [{"calculate": "datum.is_rest ? 0 : datum.value", "as": "bar"}],
        "encoding": {"y": name},
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 2},
                "encoding": {
                    "x": charts.number("bar", shown.kind, scale=_with_room(rows)),
                    "tooltip": tips,
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {"x": number_at, "text": {"field": "shown"}, "tooltip": tips},
            },
        ],
    }
    overlap = shown.is_broken_down and not all(line.adds_up for line in shown.lines)
    notes = ["One may be in several rows, so they do not add up."] if overlap else []
    notes += ["All other values are one row, without a bar."] if ranked[-1].is_rest else []
    return Chart(
        spec,
        rows,
        columns,
        "A bar per value with its number over all days, the highest first.",
        csv=shown.csv,
        height=max(120, 30 * len(rows) + 40),
        note=" ".join(notes),
        **shown.more,
    )


def _with_room(rows: Sequence[NamedValues]) -> charts.Spec:
    """Return a scale that leaves room for the numbers behind the bars."""
    drawn = [float(row["value"]) for row in rows if not row["is_rest"] and row["value"] is not None]
    most, least = max([*drawn, 0.0]), min([*drawn, 0.0])
    room = 12 + DIGIT_WIDTH * max(len(row["shown"]) for row in rows)
    end = f"{least!r} + {most - least!r} * width / max(width - {room}, 60)"
    return {"domainMin": least, "domainMax": {"expr": end}, "nice": False}


def number(shown: ShownTrend) -> Block:
    """Return the number of each line over all days."""
    has_before = any(line.total_before is not None for line in shown.lines)
    return first_tiles([_tile(line) for line in shown.lines], compared=has_before)


def _tile(line: TrendLine) -> Tile:
    now, before = line.total, line.total_before
    how = "Added up over all days." if line.adds_up else "Over all days; a visitor counts once."
    return Tile(
        line.name,
        now,
        line.kind,
        how,
        previous=before,
        change=(now - before) / before if now is not None and before else None,
        better=None,
        trend=sparkline(line.values),
    )


def table(shown: ShownTrend) -> Block:
    """Return a row per period and a column per line; of many lines, a row per line."""
    names = [line.name for line in shown.lines]
    if len(names) > MOST_COLUMNS:
        rows = [
            {"series": name, "value": line.total}
            for name, line in zip(names, shown.lines, strict=True)
        ]
        columns = [TableColumn("series", "Value"), TableColumn("value", "All days", shown.kind)]
        return DataTable(rows, columns, csv=shown.csv, note="By period: in the CSV.")
    over_all = {f"line{n}": line.total for n, line in enumerate(shown.lines)}
    by_period = [
        {
            "start": str(start),
            **{f"line{n}": line.values[position] for n, line in enumerate(shown.lines)},
        }
        for position, start in enumerate(shown.starts)
    ]
    columns = [TableColumn("start", "Period")]
    columns += [
        TableColumn(f"line{n}", name, line.kind)
        for n, (name, line) in enumerate(zip(names, shown.lines, strict=True))
    ]
    cut = by_period[-Chart.MOST_SHOWN :]
    note = f"The newest {len(cut)} of {len(by_period):,} periods; the CSV has all."
    return DataTable(
        [{"start": "All days", **over_all}, *cut],
        columns,
        csv=shown.csv,
        note=note if len(cut) < len(by_period) else "",
    )


WAY_OF: Final[Mapping[str, Callable[[ShownTrend], Block]]] = {
    "lines": lines,
    "bars": bars,
    "ranking": ranking,
    "number": number,
    "table": table,
}
"""What shows a trend in each way."""
