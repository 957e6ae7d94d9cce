"""Trends by their definition, in plain Python: every event is looked at for every period."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

import pyarrow as pa

from ecom_assets.behaviour.trends.question import (
    COUNTS,
    PER_VISITOR,
    PERCENTILES,
    TrendQuestion,
    TrendSeries,
)

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("visitor_id", pa.string()),
        ("event_type", pa.string()),
        ("event_date", pa.date32()),
        ("event_at", pa.timestamp("us")),
        ("product_category", pa.string()),
        ("cart_amount", pa.decimal128(18, 2)),
        ("properties", pa.string()),
    ]
)


def make_series(
    event_type: str | None, measure: str = "count", of: str | None = None, **more: Any
) -> TrendSeries:
    """Return a series of events of a type; None for any."""
    return TrendSeries(event_type=event_type, measure=measure, of=of, **more)


def make_trend(series: Sequence[TrendSeries], period: str = "day", **more: Any) -> TrendQuestion:
    """Return a trend of some series."""
    return TrendQuestion(series=tuple(series), period=period, **more)


@dataclass(frozen=True)
class Deed:
    """Who did what on which day, with what."""

    visitor_id: str
    event_type: str
    event_date: date
    product_category: str | None = None
    cart_amount: Decimal | None = None
    properties: str | None = None


def as_events(deeds: Sequence[Deed]) -> pa.Table:
    """Return deeds as clean events."""
    rows = [
        {name: getattr(deed, name, None) for name in SCHEMA.names}
        | {"event_id": f"e{number:03}", "event_at": datetime.combine(deed.event_date, time())}
        for number, deed in enumerate(deeds)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def start_of(day: date, period: str) -> date:
    """Return the Monday, or the first of the month, quarter or year, of a day."""
    month = day.replace(day=1)
    quarter = day.replace(month={1: 1, 2: 4, 3: 7, 4: 10}[-(-day.month // 3)], day=1)
    monday = day - timedelta(days=day.weekday())
    return {
        "day": day,
        "week": monday,
        "month": month,
        "quarter": quarter,
        "year": date(day.year, 1, 1),
    }[period]


def by_definition(
    deeds: Sequence[Deed], trend: TrendQuestion, first: date, last: date
) -> list[dict[str, Any]]:
    """Return the lines of each series and value of the breakdown, as an answer has them,
    but for unknown days.
    """
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    starts = list(dict.fromkeys(start_of(day, trend.period) for day in days))
    options = {series.counted_type for series in trend.series}
    actual = [
        deed
        for deed in deeds
        if first <= deed.event_date <= last and (None in options or deed.event_type in options)
    ]
    actual = [
        row for row in actual if "hats" not in str(trend.where) or row.product_category == "hats"
    ]
    sizes: dict[str | None, int] = {}
    for row in actual:
        sizes[_group(row, trend)] = sizes.get(_group(row, trend), 0) + 1
    kept = sorted(sizes, key=lambda name: (-sizes[name], name or ""))[: trend.limit]
    groups = kept + (["(other)"] if len(sizes) > len(kept) else []) if trend.by else [None]
    answer = []
    for series in trend.series:
        for group in groups:
            firsts = _firsts(deeds, series, trend)
            own = [
                row
                for row in actual
                if _written_as(row, trend, kept) == group and _is_of(row, series)
            ]
            own = [row for row in own if firsts is None or any(row is first for first in firsts)]
            values = [
                _value([row for row in own if _counts_in(row, start, trend, own)], series)
                for start in starts
            ]
            answer.append({"breakdown": group, "values": values, "total": _value(own, series)})
    return answer


def _group(deed: Deed, trend: TrendQuestion) -> str | None:
    return (deed.product_category or "(none)") if trend.by else None


def _written_as(deed: Deed, trend: TrendQuestion, kept: Sequence[str | None]) -> str | None:
    name = _group(deed, trend)
    return name if name in kept or not trend.by else "(other)"


def _is_of(deed: Deed, series: TrendSeries) -> bool:
    return series.counted_type in {None, deed.event_type}


def _firsts(deeds: Sequence[Deed], series: TrendSeries, trend: TrendQuestion) -> list[Deed] | None:
    """Return the first deed of each visitor, of those of one day the first that came;
    None where every one counts.
    """
    if series.occurrence == "every":
        return None
    is_hats = "hats" in str(trend.where) and series.occurrence == "first_time"
    options = [
        deed
        for deed in deeds
        if _is_of(deed, series) and (not is_hats or deed.product_category == "hats")
    ]
    firsts: dict[str, Deed] = {}
    for option in sorted(options, key=lambda deed: deed.event_date):
        firsts.setdefault(option.visitor_id, option)
    return list(firsts.values())


def _counts_in(deed: Deed, start: date, trend: TrendQuestion, _own: Sequence[Deed]) -> bool:
    own_start = start_of(deed.event_date, trend.period)
    return own_start <= start if trend.cumulative else own_start == start


def _value(deeds: Sequence[Deed], series: TrendSeries) -> float | None:
    if series.measure in COUNTS:
        return len(deeds) if series.measure == "count" else len({deed.visitor_id for deed in deeds})
    if series.measure == "distinct":
        return len({deed.cart_amount for deed in deeds} - {None})
    if series.measure in PER_VISITOR:
        numbers = [_of_visitor(deeds, who, series) for who in {deed.visitor_id for deed in deeds}]
        return _statistic(
            [number for number in numbers if number is not None], PER_VISITOR[series.measure]
        )
    amounts = [deed.cart_amount for deed in deeds if deed.cart_amount is not None]
    if deeds and not amounts:  # of things without any amount the sum is not known
        return None
    return _statistic(amounts, series.measure)


def _of_visitor(deeds: Sequence[Deed], who: str, series: TrendSeries) -> Decimal | None:
    own = [deed for deed in deeds if deed.visitor_id == who]
    if series.of is None:
        return Decimal(len(own))
    amounts = [row.cart_amount for row in own if row.cart_amount is not None]
    value = _statistic(amounts, series.each or "sum") if amounts else None
    return None if value is None else Decimal(value).quantize(Decimal("0.000001"))


def _statistic(values: Sequence[Decimal], name: str) -> float | None:
    numbers = sorted(values)
    if not numbers:
        return 0 if name == "sum" else None
    if name in PERCENTILES:
        return float(numbers[ceil(len(numbers) * PERCENTILES[name] / 100) - 1])
    of: dict[str, Callable[[], Decimal]] = {
        "sum": lambda: sum(numbers, Decimal(0)),
        "mean": lambda: Decimal(float(sum(numbers)) / len(numbers)),
        "min": lambda: numbers[0],
        "max": lambda: numbers[-1],
    }
    return float(of[name]())
