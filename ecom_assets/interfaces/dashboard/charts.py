"""Vega-Lite specifications of charts that pages share: no data, no colours and no fonts,
which the theme adds.

A specification is a plain dictionary: https://vega.github.io/vega-lite/docs/. Its data are the rows
of the `Chart`, and named colours of the theme are in `static/dashboard.js`. The map has the names
of countries of its shapes. Annotations are lines on their days with their texts, in every chart
whose axis is days.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.currencies import digits_of
from ecom_assets.core.tables.intervals import FEW
from ecom_assets.interfaces.boards.model import Annotation
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.blocks import TableColumn
from ecom_assets.interfaces.dashboard.formats import formatted
from ecom_assets.interfaces.dashboard.static_files import all_files

Spec = dict[str, Any]
AXIS_FORMATS: Final = {
    "count": "~s",
    "quantity": "~s",
    "rate": "~%",
    "decimal": "~s",
    "times": "~f",
    "seconds": "~s",
}
EXACT: Final = {
    "count": ",",
    "quantity": ",.4~f",
    "rate": ".2%",
    "decimal": ",.1f",
    "times": ",.2f",
    "seconds": ",.0f",
    "money": ",.2f",
    "score": ".3~g",
}
DAY_LABEL: Final = (
    "timeFormat(datum.value, hours(datum.value) ? '%H:%M' "
    ": month(datum.value) == 0 && date(datum.value) == 1 ? '%-d %b %Y' : '%-d %b')"
)
"""The label of a day: the first of a year says which one; of an hour its time."""
NAME_AXIS: Final = {"labelLimit": 160}
DAY_AXIS: Final = {
    "format": "%-d %b",
    "grid": False,
    "labelAngle": 0,
    "labelOverlap": True,
    "labelSeparation": 8,
}


def in_digits(part: Any, currency: str) -> Any:  # noqa: ANN401 (a specification, or a part of it)
    """Return a specification whose amounts are written in the digits of their currency."""
    if isinstance(part, Mapping):
        return {name: in_digits(value, currency) for name, value in part.items()}
    if isinstance(part, list):
        return [in_digits(value, currency) for value in part]
    return f",.{digits_of(currency)}f" if part == EXACT["money"] else part


def line(x: str, y: str, *, kind: str = "count", area: bool = False, title: str = "") -> Spec:
    """Return a line of the number `y` over the days `x`, with a point under the pointer.

    `kind` is what the number is, as of `formats.Kind`; `area` fills the area below the line.
    """
    mark: Spec = {"type": "area", "line": True, "opacity": 0.12} if area else {"type": "line"}
    # A line needs two days that follow each other: a day alone is drawn as a point.
    alone = {
        "window": [
            {"op": "lag", "field": y, "as": "before"},
            {"op": "lead", "field": y, "as": "after"},
        ]
    }
    is_alone = f"isValid(datum['{y}']) && !isValid(datum.before) && !isValid(datum.after)"
    hover = {
        "name": "hover",
        "select": {"type": "point", "on": "pointermove", "nearest": True, "encodings": ["x"]},
    }
    is_pointed = {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 0}
    pointed = {"opacity": is_pointed, "tooltip": [day_tip(x), tip(y, kind, title)]}
    point, height = {"type": "point", "filled": True, "size": 60}, {"y": number(y, kind)}
    return {
        "encoding": {"x": day_axis(x)},
        "layer": [
            {"mark": {**mark, "interpolate": "linear"}, "encoding": height},
            {"transform": [alone, {"filter": is_alone}], "mark": point, "encoding": height},
            {"params": [hover], "mark": point, "encoding": {**height, **pointed}},
        ],
    }


def lines(x: str, y: str, series: str, *, kind: str = "count", has_points: bool = True) -> Spec:
    """Return a line per series over days; `series` is the field with its name.

    Points show a day that stands alone; where there are hundreds, they hide the line and answer to
    the pointer only.
    """
    return {
        "mark": {"type": "line", "point": {"size": 18, "opacity": 1 if has_points else 0}},
        "encoding": {
            "x": day_axis(x),
            "y": number(y, kind),
            "color": names(series),
            "tooltip": [tip(series, "text", "Series"), day_tip(x), tip(y, kind, "")],
        },
    }


def shares(x: str, y: str, whole: str, series: str, *, has_days: bool = True) -> Spec:
    """Return a line of a share over days, or over numbered periods, or one per series, pale where
    it is of few.

    The rows have the share `y`, how many it is of as `whole`, and the range that chance allows as
    `low`, `high` and, written, `chance`. A line of its own is in a band of that range.
    """
    colour: Spec = {"color": names(series)} if series else {}
    height = {"y": number(y, "rate")}
    few = {"condition": {"test": f"datum['{whole}'] < {FEW}", "value": 0.3}, "value": 1}
    tooltip = [
        *([tip(series, "text", "Series")] if series else []),
        day_tip(x) if has_days else tip(x, "text", "Period"),
        tip(y, "rate", "Share"),
        tip(whole, "count", "Of"),
        tip("chance", "text", "By chance"),
    ]
    band = {
        "mark": {"type": "area", "opacity": 0.13},
        "encoding": {"y": {**number("low", "rate")}, "y2": {"field": "high"}},
    }
    line: Spec = {"mark": {"type": "line"}, "encoding": {**height, **colour}}
    points = {
        "mark": {"type": "point", "filled": True, "size": 40},
        "encoding": {**height, **colour, "opacity": few, "tooltip": tooltip},
    }
    layers = [line, points] if series else [band, line, points]
    numbered = names(x, axis={"labelAngle": 0, "grid": False})
    return {"encoding": {"x": day_axis(x) if has_days else numbered}, "layer": layers}


def curves(x: str, y: str, series: str) -> Spec:
    """Return a line of money per series over a count, such as months since."""
    return {
        "mark": {"type": "line", "point": {"size": 18}},
        "encoding": {
            "x": {
                "field": x,
                "type": "quantitative",
                "axis": {"tickMinStep": 1, "format": "d", "title": None},
            },
            "y": number(y, "money"),
            "color": names(series),
            "tooltip": [tip(series, "text", "Series"), tip(x, "count", ""), tip(y, "money", "")],
        },
    }


def period_lines(*, has_time: bool, kind: str, has_points: bool, has_before: bool) -> Spec:
    """Return a line per series over periods: dashed where one is not over,
    and dotted for the days before.

    The rows have `start`, `series`, `value` and `before`, the same of the next period as
    `next_start`, `next_value` and `next_before`, `is_open` for a part of a line that is dashed, and
    the address that a point leads to as `onward`.
    """
    colour, top = names("series"), number("value", kind)
    ahead = {"x2": {"field": "next_start"}, "color": colour}
    dashes = {"condition": {"test": "datum.is_open", "value": [5, 4]}, "value": [1, 0]}
    is_known = "isValid(datum.value) && isValid(datum.next_value)"
    was_known = "isValid(datum.before) && isValid(datum.next_before)"
    tooltip = [
        tip("series", "text", "Series"),
        {
            **day_tip("start"),
            **({"title": "At", "format": "%a %-d %b %Y, %H:%M"} if has_time else {}),
        },
        tip("shown", "text", "Value"),
        *([tip("shown_before", "text", "Before")] if has_before else []),
    ]
    rule = {"type": "rule", "strokeWidth": 2, "strokeCap": "round"}
    layers = [
        {
            "transform": [{"filter": was_known}],
            "mark": {**rule, "strokeDash": [1, 4], "opacity": 0.75},
            "encoding": {**ahead, "y": {**top, "field": "before"}, "y2": {"field": "next_before"}},
        },
        {
            "transform": [{"filter": is_known}],
            "mark": rule,
            "encoding": {**ahead, "y": top, "y2": {"field": "next_value"}, "strokeDash": dashes},
        },
        {
            "mark": {
                "type": "point",
                "filled": True,
                "size": 22,
                "opacity": 1 if has_points else 0,
            },
            "encoding": {
                "y": top,
                "color": colour,
                "tooltip": tooltip,
                "href": {"field": "onward"},
            },
        },
    ]
    return {"encoding": {"x": day_axis("start")}, "layer": layers if has_before else layers[1:]}


def ranking(
    name: str, value: str, *, kind: str = "count", title: str = "", sort: str | None = "-x"
) -> Spec:
    """Return horizontal bars, one per name; `sort` None keeps the order of the rows."""
    return {
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "encoding": {
            "y": names(name, sort=sort, axis=NAME_AXIS),
            "x": number(value, kind),
            "tooltip": [tip(name, "text", "Name"), tip(value, kind, title)],
        },
    }


def waterfall(
    name: str, start: str, end: str, amount: str, columns: Sequence["TableColumn"]
) -> Spec:
    """Return horizontal bars from the amount in `start` to that in `end`, in the order of the rows.

    Rows with `is_total` have the colour of charts; others that of their sign.
    """
    colour = {
        "condition": [
            {"test": "datum.is_total", "value": "theme.c1"},
            {"test": f"datum.{amount} < 0", "value": "theme.bad"},
        ],
        "value": "theme.good",
    }
    return {
        "transform": [{"filter": f"isValid(datum.{end})"}],
        "mark": {"type": "bar", "cornerRadius": 2},
        "encoding": {
            "y": names(name, axis=NAME_AXIS | {"labelLimit": 220}),
            "x": number(start, "money"),
            "x2": {"field": end},
            "color": colour,
            "tooltip": tips(columns),
        },
    }


def coloured_bars(
    x: Spec, y: Spec, colour: Spec, columns: Sequence["TableColumn"], **more: Spec
) -> Spec:
    """Return bars whose parts are coloured by a field;
    beside the pointer stand some columns of the chart's table.
    """
    return {
        "mark": {"type": "bar"},
        "encoding": {"x": x, "y": y, "color": colour, "tooltip": tips(columns), **more},
    }


def intervals(y: Spec, x: Spec, columns: Sequence["TableColumn"], **more: Spec) -> list[Spec]:
    """Return the layers of a point per name and a line from the field
    `low` of its row to `high`.
    """
    reach = {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, **more}
    return [
        {"mark": {"type": "rule", "size": 3}, "encoding": reach},
        {
            "mark": {"type": "point", "filled": True, "size": 80},
            "encoding": {"y": y, "x": x, "tooltip": tips(columns), **more},
        },
    ]


def stacked_weeks(parts: Sequence[str], labels: Sequence[str]) -> Spec:
    """Return stacked bars over weeks; each part is a field of the rows."""
    cases = (
        f"datum.label == '{name}' ? '{label}' : " for name, label in zip(parts, labels, strict=True)
    )
    legend = f"{''.join(cases)}datum.label"
    return {
        "transform": [{"fold": list(parts), "as": ["part", "value"]}],
        "mark": {"type": "bar"},
        "encoding": {
            "x": days_of_bars("week_start_date"),
            "y": number("value", "count"),
            "color": {
                "field": "part",
                "type": "nominal",
                "sort": list(parts),
                "legend": {"labelExpr": legend},
            },
            "order": {"field": "part", "sort": "descending"},
            "tooltip": [day_tip("week_start_date"), tip("value", "count", "Number")],
        },
    }


def world(rows: Sequence[NamedValues], shapes: str, value: str) -> Spec:
    """Return a map of the world's countries, darker where an amount is higher.

    In the rows, `shape` is the name of the country in the shapes, whose address is `shapes`.
    """
    result = {"data": {"values": plain(rows)}, "key": "shape", "fields": ["country", value]}
    countries: Spec = {"url": shapes, "format": {"type": "topojson", "feature": "countries"}}
    outline = {"stroke": "theme.panel", "strokeWidth": 0.5}
    scale = {"type": "sqrt", "domainMin": 0}
    return {
        "data": countries,
        "projection": {"type": "naturalEarth1"},
        "transform": [{"filter": "datum.id != '010'"}],
        "layer": [
            {"mark": {"type": "geoshape", "fill": "theme.grid", **outline}},
            {
                "transform": [
                    {"lookup": "properties.name", "from": result},
                    {"filter": f"isValid(datum.{value})"},
                ],
                "mark": {"type": "geoshape", **outline},
                "encoding": {
                    "color": {
                        "field": value,
                        "type": "quantitative",
                        "scale": scale,
                        "legend": None,
                    },
                    "tooltip": [tip("country", "text", "Country"), tip(value, "money", "Revenue")],
                },
            },
        ],
    }


def dots(name: str, value: str, series: str) -> Spec:
    """Return a row of dots per name, a colour per series: how far apart the series are."""
    x, colour = number(value, "money"), {"field": series, "type": "nominal", "sort": None}
    tooltip = [
        tip(name, "text", "Channel"),
        tip(series, "text", "Model"),
        tip(value, "money", "Revenue"),
    ]
    span = {"x": {**x, "aggregate": "min"}, "x2": {"field": value, "aggregate": "max"}}
    return {
        "encoding": {"y": names(name, axis=NAME_AXIS)},
        "layer": [
            {"mark": {"type": "rule", "color": "theme.line", "strokeWidth": 3}, "encoding": span},
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.9},
                "encoding": {"x": x, "color": colour, "tooltip": tooltip},
            },
        ],
    }


def number(field: str, kind: str, **more: Any) -> Spec:  # noqa: ANN401 (any Vega-Lite property)
    """Return the encoding of a number without a title: the section's heading says what it is."""
    # Each label by itself: an axis would write 0 and 200 as "0k" and "0.2k" beside 1k.
    written = AXIS_FORMATS.get(kind, "~s")
    label = f"format(datum.value, '{written}')"
    if kind == "money":  # the sign of what is below zero stands before the currency's
        minus = "datum.value < 0 ? '\u2212' : ''"
        label = f"({minus}) + currencySign + format(abs(datum.value), '{written}')"
    axis = {"tickCount": 4, "labelExpr": label}
    return {"field": field, "type": "quantitative", "title": None, "axis": axis, **more}


def names(field: str, **more: Any) -> Spec:  # noqa: ANN401 (as above)
    """Return the encoding of names without a title, in the order of the rows."""
    return {"field": field, "type": "nominal", "title": None, "sort": None, **more}


def tip(field: str, kind: str, title: str) -> Spec:
    """Return a field of the text beside the pointer."""
    if kind == "text":
        return {"field": field, "type": "nominal", "title": title}
    return {
        "field": field,
        "type": "quantitative",
        "title": title or field,
        "format": EXACT.get(kind, ","),
    }


def tips(columns: Sequence[TableColumn]) -> list[Spec]:
    """Return the text beside the pointer that says what the columns of the chart's table say."""
    return [
        day_tip(column.name)
        if column.kind == "date"
        else tip(column.name, column.kind, column.label)
        for column in columns
    ]


def day_tip(field: str) -> Spec:
    """Return the day in the text beside the pointer."""
    return {"field": field, "type": "temporal", "title": "Day", "format": "%a %-d %b %Y"}


def days_of_bars(field: str) -> Spec:
    """Return the axis of days, each with a bar."""
    return {**day_axis(field), "type": "ordinal", "timeUnit": "yearmonthdate", "axis": DAY_AXIS}


def day_axis(field: str) -> Spec:
    """Return the axis of days or hours, named as people write them."""
    axis = {
        "labelFlush": True,
        "tickCount": 6,
        "grid": False,
        "labelExpr": DAY_LABEL,
        "labelOverlap": True,
    }
    return {"field": field, "type": "temporal", "title": None, "axis": axis}


def day_of(start: Any) -> Any:  # noqa: ANN401 (a day, or the start of an hour)
    """Return the start of a period as a day if it is the text of one; else as it is."""
    return (
        date.fromisoformat(start)
        if isinstance(start, str) and len(start) == len("2026-01-31")
        else start
    )


def plain(rows: Sequence[NamedValues]) -> list[Row]:
    """Return rows as JSON has them: days as text, amounts as numbers."""
    return [{name: _json_value(value) for name, value in row.items()} for row in rows]


def _json_value(value: Any) -> Any:  # noqa: ANN401 (any cell of an answer)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        # without a zone: the browser's own midnight, so no day moves
        return f"{value.isoformat()}T00:00:00"
    return value


SHAPES: Final = "vendor/countries.json"
OTHER_NAMES: Final = {
    "United States": "United States of America",
    "USA": "United States of America",
    "US": "United States of America",
    "UK": "United Kingdom",
    "Great Britain": "United Kingdom",
    "The Netherlands": "Netherlands",
    "Czech Republic": "Czechia",
    "Bosnia and Herzegovina": "Bosnia and Herz.",
    "Dominican Republic": "Dominican Rep.",
    "Democratic Republic of the Congo": "Dem. Rep. Congo",
    "North Macedonia": "Macedonia",
    "Russian Federation": "Russia",
    "Republic of Korea": "South Korea",
    "Viet Nam": "Vietnam",
    "T\u00fcrkiye": "Turkey",
    "Ivory Coast": "C\u00f4te d'Ivoire",
}


def shape_of(country: str) -> str | None:
    """Return the name of a country in the shapes; None if the map does not have it,
    such as a very small one.
    """
    name = OTHER_NAMES.get(country, country)
    return name if name in _names() else None


@cache
def _names() -> frozenset[str]:
    shapes = json.loads(all_files()[SHAPES].content)["objects"]["countries"]["geometries"]
    return frozenset(shape["properties"]["name"] for shape in shapes)


MOST_MARKED: Final = 12
"""The most annotations that a chart marks, the newest of its days."""


def annotations_of(settings: Settings) -> list[Annotation]:
    """Return what people noted on days, in the order of the days."""
    items = [version.item for version in BoardStore(settings).newest(Annotation)]
    return sorted(items, key=lambda noted: (noted.day, noted.text))


def marks_of(
    spec: NamedValues, rows: Sequence[NamedValues], noted: Sequence[Annotation]
) -> list[Annotation]:
    """Return the annotations on the days of a chart; none if its axis is not days."""
    axis = _axis(spec)
    if axis is None or not noted:
        return []
    starts = [_day(row.get(axis["field"])) for row in rows]
    days = [day for day in starts if day is not None]
    if not days:
        return []
    first, last = min(days), max(days)
    # The last point of weeks or months stands for days after it.
    last += max(
        (b - a for a, b in zip(sorted({*days}), sorted({*days})[1:], strict=False)),
        default=timedelta(1),
    )
    is_bar = axis["type"] == "ordinal"  # which has a place for the days of its rows only
    return [note for note in noted if (note.day in days if is_bar else first <= note.day < last)][
        -MOST_MARKED:
    ]


def marked(spec: NamedValues, marks: Sequence[Annotation]) -> NamedValues:
    """Return a specification with a line for each annotation,
    whose text stands beside the pointer.
    """
    axis = _axis(spec)
    if not marks or axis is None:
        return spec
    values = [{"noted_on": f"{note.day}T00:00:00", "noted": note.text} for note in marks]
    x = {name: axis[name] for name in ("type", "timeUnit") if name in axis} | {"field": "noted_on"}
    tooltip = [day_tip("noted_on"), tip("noted", "text", "Noted")]
    line = {"type": "rule", "color": "theme.flag", "strokeDash": [4, 3], "strokeWidth": 1.5}
    head = {
        "type": "point",
        "shape": "triangle-down",
        "filled": True,
        "color": "theme.flag",
        "size": 90,
        "y": 2,
    }
    layers = [
        {"mark": mark, "encoding": {"x": x, "tooltip": tooltip}}
        for mark in (line, {**head, "opacity": 1})
    ]
    outer = {name: spec[name] for name in ("height", "description", "config") if name in spec}
    inner = {name: value for name, value in spec.items() if name not in outer}
    return {**outer, "layer": [inner, {"data": {"values": values}, "layer": layers}]}


def sentence_of_marks(marks: Sequence[Annotation]) -> str:
    """Return what the marks of a chart say, for those who cannot see them or point at them."""
    return "; ".join(f"{formatted(note.day, 'date')}: {note.text}" for note in marks)


def _axis(spec: NamedValues) -> dict[str, Any] | None:
    """Return the encoding of a chart's axis of days; None if it has none."""
    axis: Any = spec.get("encoding", {}).get("x", {})
    is_days = axis.get("type") == "temporal" or str(axis.get("timeUnit", "")).startswith(
        "yearmonthdate"
    )
    return axis if is_days and axis.get("field") else None


def _day(value: Any) -> date | None:  # noqa: ANN401 (any cell of a row)
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
