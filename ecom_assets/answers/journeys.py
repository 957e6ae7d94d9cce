"""Journeys: from which step sessions go to which. Not here: what a step is (`transforms/journeys.py`)."""

from typing import Any, Final, Literal

import ibis

from ecom_assets.answers.change import share
from ecom_assets.answers.paging import Page, page_of
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.contracts.journeys import JourneyTransitions

Dimension = Literal["page_type", "category"]
JOURNEY_DEFINITION: Final = {name: one.description for name, one in JourneyTransitions.columns.items()} | {
    "step_share": "transition_count among all transitions from that step",
    "conversion_rate": "converted_transition_count among transition_count",
    "transitions": "The most frequent first, ties by their steps; of all places, unless one is asked for",
}


def journeys(reading: Reading, period: Period, dimension: Dimension, place: int | None, page: Page) -> dict[str, Any]:
    """Return the transitions of sessions that started in a period, and how many pairs of steps there are."""
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
    found, total = page_of(reading, pairs, order, page, period)
    return {
        "dimension": dimension,
        "place": place,
        "total_count": total,
        "transitions": [_transition(row) for row in found],
    }


def _transition(row: Row) -> Row:
    count, converted = int(row["transition_count"]), int(row["converted_transition_count"])
    return {
        "from_step": row["from_step"],
        "to_step": row["to_step"],
        "transition_count": count,
        "converted_transition_count": converted,
        "step_share": share(count, int(row["from_step_count"])),
        "conversion_rate": share(converted, count),
    }
