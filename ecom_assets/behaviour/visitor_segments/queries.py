"""Numbers of visitor segments: the visitors of each declared segment, and its history by day."""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegmentsDaily
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.queries import (
    END,
    NoSourceError,
    Page,
    Period,
    Reading,
    in_period,
    page_of,
)

COUNTS: Final = ("visitor_count", "entered_count", "left_count")


def visitor_segments(reading: Reading, period: Period, page: Page) -> Answer:
    """Return the visitors of each declared segment at the end of a period,
    and who entered and left during it.

    Raises:
        NoSourceError: No segment is declared.
    """
    daily = _declared(reading)
    days = daily.filter(in_period(daily.as_of_date))
    at_end = ibis.cases((days.as_of_date == END, days.visitor_count), else_=ibis.null("int64"))
    numbers = days.group_by("segment").agg(
        visitor_count=at_end.max(),
        entered_count=days.entered_count.sum(),
        left_count=days.left_count.sum(),
    )
    segments = daily.select("segment").distinct()
    rows = segments.left_join(numbers, "segment").drop("segment_right")
    result, total = page_of(reading, rows, [rows.segment], page, period)
    segments_counted = [
        {
            "segment": row["segment"],
            **{name: row[name] if row[name] is None else int(row[name]) for name in COUNTS},
        }
        for row in result
    ]
    return {"total_count": total, "segments": segments_counted}


def visitor_segments_daily(
    reading: Reading, period: Period, segment: str | None, page: Page
) -> Answer:
    """Return the visitors of each declared segment, or of one, at the end of each day of a period.

    Raises:
        NoSourceError: No segment is declared, or none by that name.
    """
    daily = _declared(reading, segment)
    rows = daily.filter(in_period(daily.as_of_date))
    result, total = page_of(reading, rows, [rows.as_of_date, rows.segment], page, period)
    return {"segment": segment, "total_count": total, "days": result}


def _declared(reading: Reading, segment: str | None = None) -> ir.Table:
    table = reading.table(VisitorSegmentsDaily)
    names = [
        row["segment"]
        for row in reading.state(table.select("segment").distinct().order_by("segment"))
    ]
    if not names:
        raise NoSourceError(
            "No visitor segment is declared; set ECOM_VISITOR_SEGMENTS to a file, and run `ecom "
            "run`."
        )
    if segment is None:
        return table
    if segment not in names:
        raise NoSourceError(
            f"No visitor segment {segment!r} is computed, only {', '.join(names)}; run `ecom run`."
        )
    return table.filter(table.segment == segment)
