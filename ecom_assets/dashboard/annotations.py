"""Annotations on charts over time: a line on its day with the text, in every chart whose axis is days."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from ecom_assets.boards.model import Annotation
from ecom_assets.boards.store import BoardStore
from ecom_assets.dashboard.formats import formatted
from ecom_assets.settings.settings import Settings

Spec = dict[str, Any]
MOST_MARKED: Final = 12
"""The most annotations that a chart marks, the newest of its days."""


def annotations_of(settings: Settings) -> list[Annotation]:
    """Return what people noted on days, in the order of the days."""
    items = [version.item for version in BoardStore(settings).newest(Annotation)]
    return sorted(items, key=lambda noted: (noted.day, noted.text))


def marks_of(
    spec: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], noted: Sequence[Annotation]
) -> list[Annotation]:
    """Return the annotations on the days of a chart; none if its axis is not days."""
    axis = _axis(spec)
    if axis is None or not noted:
        return []
    days = [day for row in rows if (day := _day(row.get(axis["field"]))) is not None]
    if not days:
        return []
    first, last = min(days), max(days)
    # The last point of weeks or months stands for days after it.
    last += max((b - a for a, b in zip(sorted({*days}), sorted({*days})[1:], strict=False)), default=timedelta(1))
    is_bar = axis["type"] == "ordinal"  # which has a place for the days of its rows only
    return [note for note in noted if (note.day in days if is_bar else first <= note.day < last)][-MOST_MARKED:]


def marked(spec: Mapping[str, Any], marks: Sequence[Annotation]) -> Mapping[str, Any]:
    """Return a specification with a line for each annotation, whose text stands beside the pointer."""
    axis = _axis(spec)
    if not marks or axis is None:
        return spec
    values = [{"noted_on": f"{note.day}T00:00:00", "noted": note.text} for note in marks]
    x = {name: axis[name] for name in ("type", "timeUnit") if name in axis} | {"field": "noted_on"}
    tooltip = [
        {"field": "noted_on", "type": "temporal", "title": "Day", "format": "%a %-d %b %Y"},
        {"field": "noted", "type": "nominal", "title": "Noted"},
    ]
    line = {"type": "rule", "color": "theme.flag", "strokeDash": [4, 3], "strokeWidth": 1.5}
    head = {"type": "point", "shape": "triangle-down", "filled": True, "color": "theme.flag", "size": 90, "y": 2}
    layers = [{"mark": mark, "encoding": {"x": x, "tooltip": tooltip}} for mark in (line, {**head, "opacity": 1})]
    outer = {name: spec[name] for name in ("height", "description", "config") if name in spec}
    inner = {name: value for name, value in spec.items() if name not in outer}
    return {**outer, "layer": [inner, {"data": {"values": values}, "layer": layers}]}


def sentence_of_marks(marks: Sequence[Annotation]) -> str:
    """Return what the marks of a chart say, for those who cannot see them or point at them."""
    return "; ".join(f"{formatted(note.day, 'date')}: {note.text}" for note in marks)


def _axis(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the encoding of a chart's axis of days; None if it has none."""
    axis: Any = spec.get("encoding", {}).get("x", {})
    is_days = axis.get("type") == "temporal" or str(axis.get("timeUnit", "")).startswith("yearmonthdate")
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
