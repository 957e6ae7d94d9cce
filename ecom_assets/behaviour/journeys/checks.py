"""Checks of journeys: every session has them, starts and exits are the sessions,
and searches add up.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.journeys.contracts import (
    DIMENSIONS,
    CategoryPerformance,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
)
from ecom_assets.behaviour.journeys.journeys import EXIT, START
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.tables.received import side_by_side


@check(Journeys, reads=(Sessions, Journeys))
def every_session_has_its_journeys(
    days: Days | None, sessions: ir.Table, journeys: ir.Table
) -> BrokenRows:
    """Per day and dimension there are as many journeys as sessions."""
    per_day = sessions.group_by("started_date").agg(expected=sessions.count())
    expected = union_all(*(per_day.mutate(dimension=ibis.literal(name)) for name in DIMENSIONS))
    counts = journeys.group_by("started_date", "dimension").agg(found=journeys.count())
    return _compared(days, expected, counts)


@check(JourneyTransitions, reads=(Journeys, JourneyTransitions))
def starts_and_exits_are_the_sessions(
    days: Days | None, journeys: ir.Table, transitions: ir.Table
) -> BrokenRows:
    """Per day and dimension, starts and exits are the journeys, and all transitions their steps."""
    stored = journeys.group_by("started_date", "dimension").agg(
        starts=journeys.count(), steps=(journeys.step_count + 1).sum()
    )
    count = transitions.transition_count
    result = transitions.group_by("started_date", "dimension").agg(
        starts=count.sum(where=transitions.from_step == START).fill_null(0),
        exits=count.sum(where=transitions.to_step == EXIT).fill_null(0),
        steps=count.sum(),
    )
    names = {"starts": "starts", "exits": "starts", "steps": "steps"}
    sides = [
        rows.select(
            "started_date", dimension=rows.dimension.concat(f" {name}"), **{side: rows[column]}
        )
        for name, own in names.items()
        for side, rows, column in (("expected", stored, own), ("found", result, name))
    ]
    return _compared(days, *sides)


@check(SearchPerformance, reads=(Sessions, SearchPerformance))
def searches_are_the_sessions_searches(
    days: Days | None, sessions: ir.Table, searches: ir.Table
) -> BrokenRows:
    """Per day, the searches of all terms are those of the sessions."""
    return _compared(
        days,
        sessions.select(
            "started_date", dimension=ibis.literal("searches"), expected="search_count"
        ),
        searches.select("started_date", dimension=ibis.literal("searches"), found="search_count"),
    )


@check(CategoryPerformance, reads=(Sessions, CategoryPerformance))
def no_category_is_seen_more_than_all(
    days: Days | None, sessions: ir.Table, categories: ir.Table
) -> BrokenRows:
    """Per day, the views and carts of categories are no more than those of the sessions."""
    names = ("category_view_count", "product_view_count", "add_to_cart_count")
    sides = [
        rows.select("started_date", dimension=ibis.literal(name), **{side: name})
        for name in names
        for side, rows in (("expected", sessions), ("found", categories))
    ]
    sums = _summed(days, *sides)
    return BrokenRows(sums.filter(sums.found > sums.expected), sums)


def _compared(days: Days | None, *sides: ir.Table) -> BrokenRows:
    sums = _summed(days, *sides)
    return BrokenRows(sums.filter(sums.expected != sums.found), sums)


def _summed(days: Days | None, *sides: ir.Table) -> ir.Table:
    """Add up the expected and the found counts, per day and dimension;
    a day missing on one side differs, too.
    """
    return side_by_side(
        ["started_date", "dimension"], *(rows_on_days(side, "started_date", days) for side in sides)
    )


JOURNEY_CHECKS = [
    every_session_has_its_journeys,
    starts_and_exits_are_the_sessions,
    searches_are_the_sessions_searches,
    no_category_is_seen_more_than_all,
]
"""All checks of journeys, search performance and category performance,
in addition to the contracts.
"""
