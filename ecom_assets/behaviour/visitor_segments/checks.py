"""Checks of visitor segments: stays follow each other,
and the newest day counts those who are in a segment.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments, VisitorSegmentsDaily
from ecom_assets.core.tables.check import BrokenRows, check
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO


@check(VisitorSegments, reads=(VisitorSegments,))
def stays_follow_each_other(_days: Days | None, stays: ir.Table) -> BrokenRows:
    """A stay ends after it began, the next one begins later,
    and only the last one of a visitor can be current.
    """
    in_order = ibis.window(group_by=["segment", "visitor_id"], order_by="entered_date")
    rows = stays.mutate(next_date=stays.entered_date.lead().over(in_order))
    is_backwards = (rows.left_date <= rows.entered_date) | (rows.next_date <= rows.left_date)
    goes_on = rows.left_date.isnull() & rows.next_date.notnull()
    is_late = (rows.entered_date > rows.as_of_date) | (rows.left_date > rows.as_of_date)
    broken = is_backwards | goes_on | is_late | (rows.is_current != rows.left_date.isnull())
    return BrokenRows(rows.filter(broken.fill_null(NO)), rows)


@check(VisitorSegmentsDaily, reads=(VisitorSegments, VisitorSegmentsDaily))
def newest_day_counts_current_visitors(
    _days: Days | None, stays: ir.Table, daily: ir.Table
) -> BrokenRows:
    """Per segment, the newest day has as many visitors as are in it;
    each day continues the day before.
    """
    current = (
        stays.filter(stays.is_current)
        .group_by("segment")
        .agg(current_count=lambda rows: rows.count())
    )
    in_order = ibis.window(group_by="segment", order_by="as_of_date")
    days = daily.mutate(
        expected_count=daily.visitor_count.lag().over(in_order).fill_null(0)
        + daily.entered_count
        - daily.left_count,
        next_date=daily.as_of_date.lead().over(in_order),
    )
    joined = days.left_join(current, "segment").drop("segment_right")
    is_newest = joined.next_date.isnull()
    differs = (joined.visitor_count != joined.expected_count) | (
        is_newest & (joined.visitor_count != joined.current_count.fill_null(0))
    )
    return BrokenRows(joined.filter(differs), joined)


SEGMENT_CHECKS = [stays_follow_each_other, newest_day_counts_current_visitors]
