"""Visitor segments over all days: when each visitor entered and left a segment.

METRICS "Visitor segments".

Whether a visitor is in a segment can change on two kinds of days only: those with an event of the
visitor, and those on which such an event falls out of a window of the definition (`within`). So
only these days are evaluated, by running sums over each visitor's days, instead of every visitor on
every day. All segments are counted in one pass over the events.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments, VisitorSegmentsDaily
from ecom_assets.behaviour.visitor_segments.segment import (
    Did,
    FirstSeen,
    Latest,
    Leaf,
    VisitorSegment,
    is_met,
    leaves_of,
)
from ecom_assets.core.tables.days import add_days, number_table
from ecom_assets.core.tables.portable import union_all

MOST_DAYS = 100_000
"""More than the days between any two plausible events."""
SO_FAR: Final[Mapping[type[Leaf], str]] = {Did: "sum", FirstSeen: "min", Latest: "max"}
"""How what a part counts on each day becomes what it counts until a day."""
PER_VISITOR = {"group_by": "visitor_id", "order_by": "day"}


def stays(events: ir.Table, segments: Sequence[VisitorSegment]) -> ir.Table:
    """Return one row per segment (at least one), visitor and stay in it,
    in the columns of `VisitorSegments`.
    """
    newest = events.agg(as_of_date=events.event_date.max())
    days = _visitor_days(events, segments)
    return union_all(
        *(_stays(days, position, segment, newest) for position, segment in enumerate(segments))
    )


def daily_counts(
    entered_and_left: ir.Table, events: ir.Table, segments: Sequence[VisitorSegment]
) -> ir.Table:
    """Return the visitors of each segment at the end of each day,
    in the columns of `VisitorSegmentsDaily`.

    `entered_and_left` are all rows of `VisitorSegments`, and `events` of `CleanEvents`; there is at
    least one segment.
    """
    rows = entered_and_left
    left = rows.filter(rows.left_date.notnull())
    zero, one = ibis.literal(0, "int64"), ibis.literal(1, "int64")
    moves = union_all(
        _every_day(events, segments).mutate(entered=zero, left=zero),
        rows.select("segment", day="entered_date", entered=one, left=zero),
        left.select("segment", day="left_date", entered=zero, left=one),
    )
    sums = moves.group_by("segment", "day").agg(
        entered_count=moves.entered.sum().cast("int64"), left_count=moves.left.sum().cast("int64")
    )
    so_far = ibis.window(group_by="segment", order_by="day", preceding=None, following=0)
    return sums.mutate(
        as_of_date=sums.day,
        visitor_count=(sums.entered_count - sums.left_count).sum().over(so_far).cast("int64"),
    ).select(*VisitorSegmentsDaily.columns)


def _every_day(events: ir.Table, segments: Sequence[VisitorSegment]) -> ir.Table:
    ends = events.agg(first=events.event_date.min(), last=events.event_date.max())
    days = ends.filter(ends.first.notnull()).cross_join(number_table(MOST_DAYS))
    days = days.mutate(day=add_days(days["first"], days.number))
    days = days.filter(days.day <= days["last"]).select("day")
    return days.cross_join(
        union_all(*(ibis.literal(segment.name).name("segment").as_table() for segment in segments))
    )


def _visitor_days(events: ir.Table, segments: Sequence[VisitorSegment]) -> ir.Table:
    """Return one row per visitor and day with an event,
    with what each part of each segment counts on the day.
    """
    columns = {
        name: value
        for position, segment in enumerate(segments)
        for number, leaf in enumerate(leaves_of(segment.rule))
        for name, value in zip(_names(position, number, leaf), leaf.columns(events), strict=True)
    }
    return events.group_by("visitor_id", day=events.event_date).agg(**columns)


def _names(position: int, number: int, leaf: Leaf) -> list[str]:
    return [
        f"part_{position}_{number}_{column}"
        for column in range(2 if isinstance(leaf, Latest) else 1)
    ]


def _stays(days: ir.Table, position: int, segment: VisitorSegment, newest: ir.Table) -> ir.Table:
    leaves = list(leaves_of(segment.rule))
    names = [_names(position, number, leaf) for number, leaf in enumerate(leaves)]
    points = _points(days, leaves, names)
    points = points.cross_join(newest)
    points = points.filter(points.day <= points.as_of_date)
    so_far = ibis.window(**PER_VISITOR, preceding=None, following=0)
    seen = points.mutate(
        **{
            name: getattr(points[name], SO_FAR[type(leaf)])().over(so_far)
            for leaf, own in zip(leaves, names, strict=True)
            for name in own
        }
    )
    values = [[seen[name] for name in own] for own in names]
    memberships = seen.select(
        "visitor_id", "day", "as_of_date", is_in=is_met(segment.rule, values, seen.day).ifelse(1, 0)
    )
    before = memberships.is_in.lag().over(ibis.window(**PER_VISITOR)).fill_null(0)
    changed = memberships.mutate(before=before).filter(lambda rows: rows.is_in != rows.before)
    ends = changed.mutate(left_date=changed.day.lead().over(ibis.window(**PER_VISITOR)))
    return (
        ends.filter(ends.is_in == 1)
        .mutate(segment=ibis.literal(segment.name), entered_date=ends.day)
        .mutate(is_current=lambda rows: rows.left_date.isnull())
        .select(*VisitorSegments.columns)
    )


def _points(days: ir.Table, leaves: Sequence[Leaf], names: Sequence[Sequence[str]]) -> ir.Table:
    """Return each visitor's days with an event, and the days on which one falls out of a window,
    with what changes.
    """
    counted = [
        name
        for leaf, own in zip(leaves, names, strict=True)
        for name in own
        if isinstance(leaf, Did)
    ]
    other_names = [name for own in names for name in own if name not in counted]
    parts = [days.select("visitor_id", "day", *counted, *other_names)]
    for within in sorted(
        {leaf.within_days for leaf in leaves if not isinstance(leaf, Latest) and leaf.within_days}
    ):
        ending = [
            leaf.within_days == within
            for leaf, own in zip(leaves, names, strict=True)
            for _ in own
            if isinstance(leaf, Did)
        ]
        gone = {
            name: -days[name] if ends else ibis.literal(0, "int64")
            for name, ends in zip(counted, ending, strict=True)
        }
        nothing = {name: ibis.null(days[name].type().copy(nullable=True)) for name in other_names}
        parts.append(
            days.select(
                "visitor_id",
                day=add_days(days.day, ibis.literal(within, "int64")),
                **gone,
                **nothing,
            )
        )
    points = union_all(*parts)
    sums = {name: points[name].sum() for name in counted} | {
        name: points[name].max() for name in other_names
    }
    return points.group_by("visitor_id", "day").agg(**sums)
