"""Numbers of journeys: transitions, the most frequent paths, and searches."""

from functools import partial
from typing import Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.recorded import PURCHASES, SEARCHES, not_recorded
from ecom_assets.behaviour.journeys.contracts import Journeys, JourneyTransitions, SearchPerformance
from ecom_assets.behaviour.journeys.journeys import steps_of, top_paths
from ecom_assets.behaviour.journeys.measures import SearchMeasures
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.measures import completed, sums, unknown_measures
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import (
    Fetch,
    Page,
    Period,
    Reading,
    in_period,
    page_of,
    rows_in_period,
    share,
)

Dimension = Literal["page_type", "category"]


def journeys(
    reading: Reading, period: Period, dimension: Dimension, place: int | None, page: Page
) -> Answer:
    """Return the transitions in sessions that started in a period,
    and the number of distinct pairs of steps.
    """
    table = reading.table(JourneyTransitions)
    rows = table.filter(in_period(table.started_date), table.dimension == dimension)
    rows = rows if place is None else rows.filter(rows.place == place)
    pairs = rows.group_by("from_step", "to_step").agg(
        transition_count=rows.transition_count.sum().cast("int64"),
        converted_transition_count=rows.converted_transition_count.sum().cast("int64"),
    )
    from_here = pairs.transition_count.sum().over(ibis.window(group_by="from_step")).cast("int64")
    pairs = pairs.mutate(from_step_count=from_here)
    order = [pairs.transition_count.desc(), pairs.from_step, pairs.to_step]
    result, total = page_of(reading, pairs, order, page, period)
    knows_purchases = PURCHASES not in not_recorded(reading)
    return {
        "dimension": dimension,
        "place": place,
        "total_count": total,
        "transitions": [_transition(row, knows_purchases=knows_purchases) for row in result],
    }


def _transition(row: Row, *, knows_purchases: bool) -> Row:
    count = int(row["transition_count"])
    stored = row["converted_transition_count"]  # null in what an older release published
    converted = int(stored) if knows_purchases and stored is not None else None
    return {
        "from_step": row["from_step"],
        "to_step": row["to_step"],
        "transition_count": count,
        "converted_transition_count": converted,
        "step_share": share(count, int(row["from_step_count"])),
        "conversion_rate": share(converted, count),
    }


SearchOrder = Literal["searches", "nowhere"]


def searches(
    reading: Reading, period: Period, page: Page, sort_by: SearchOrder = "searches"
) -> Answer:
    """Return the terms searched in sessions that started in a period, the most searched first or
    those of which most searches led nowhere, and the number of terms.
    """
    rows = rows_in_period(reading, SearchPerformance)
    terms = rows.group_by("search_term").agg(**sums(rows, SearchMeasures))
    nowhere = [terms.unclicked_search_count.desc()] if sort_by == "nowhere" else []
    order = [*nowhere, terms.search_count.desc(), terms.search_term]
    result, total = page_of(reading, terms, order, page, period)
    lacks = not_recorded(reading)
    return {
        "total_count": None if SEARCHES in lacks else total,
        "searches": [row | completed(row, SearchMeasures, lacks) for row in result],
    }


def search_totals(reading: Reading, period: Period) -> Row:
    """Return the searches of a period, those followed by a product view, and their share, which is
    null without a search; all are null where events record none.
    """
    names = ("search_count", "clicked_search_count", "click_rate")
    rows = rows_in_period(reading, SearchPerformance)
    sums = rows.agg(
        search_count=rows.search_count.sum(), clicked_search_count=rows.clicked_search_count.sum()
    )
    (result,) = reading.rows(sums, period)
    searched, clicked = (
        int(result[name] or 0) for name in ("search_count", "clicked_search_count")
    )
    rate = clicked / searched if searched else None
    unknown = unknown_measures(SearchMeasures, not_recorded(reading))
    return {
        name: None if name in unknown else number
        for name, number in zip(names, (searched, clicked, rate), strict=True)
    }


def journey_totals(reading: Reading, period: Period, top: int) -> Answer:
    """Return the sessions of a period, those with a purchase, and the most frequent paths of page
    types; how many end in a purchase is null where events record none.
    """
    table, fetch = reading.table(Journeys), partial(reading.rows, period=period)
    period_journeys = table.filter(in_period(table.started_date), table.dimension == "page_type")
    counted = period_journeys.agg(
        sessions=period_journeys.count(),
        converted_sessions=period_journeys.is_converted.ifelse(1, 0).sum().fill_null(0),
    )
    (row,) = fetch(counted)
    totals: Answer = {
        **{name: int(count) for name, count in row.items()},
        "top_paths": path_rows(period_journeys, top, fetch),
    }
    if PURCHASES in not_recorded(reading):
        unknown = dict.fromkeys(("converted_sessions", "conversion_rate"))
        paths = [path | unknown for path in totals["top_paths"]]
        totals |= {"converted_sessions": None, "top_paths": paths}
    return totals


def path_rows(paths: ir.Table, top: int, fetch: Fetch = rows_of) -> list[Row]:
    """Return the most frequent paths in rows of `Journeys` of one dimension."""
    (counted,) = fetch(paths.agg(n=paths.count()))
    total = int(counted["n"])
    return [path_row(row, total) for row in fetch(top_paths(paths, top))]


def path_row(row: NamedValues, total: int) -> Row:
    """Return a row of `top_paths` as part of an answer;
    `total` is how many sessions there are with any path.
    """
    count, converted = int(row["session_count"]), int(row["converted_session_count"])
    return {
        "path": steps_of(row["path"]),
        "is_cut": row["is_cut"],
        "sessions": count,
        "share": count / total,
        "converted_sessions": converted,
        "conversion_rate": converted / count,
    }
