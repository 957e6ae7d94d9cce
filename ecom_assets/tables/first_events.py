"""Which of a visitor's events count: each, or the first of a kind in all data. METRICS "First time and first ever".

Which event is first does not depend on the days of a question: events before these days count.
"""

from __future__ import annotations

from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean

FIRST: Final = "is_first_"
"""The prefix of the columns of `with_first`, before a number."""


def with_first(events: ir.Table, name: str, is_one: ir.BooleanValue) -> ir.Table:
    """Return the events with a boolean column: whether each is the first of its visitor among some.

    Of simultaneous events the one with the smallest id is first. `events` has all days; `is_one` is never null.
    """
    ones = events.filter(is_one).select("visitor_id", "event_at", "event_id")
    times = ones.group_by("visitor_id").agg(first_at=ones.event_at.min())
    earliest = ones.join(times, "visitor_id")
    earliest = earliest.filter(earliest.event_at == earliest.first_at)
    ids = earliest.group_by("visitor_id").agg(first_id=earliest.event_id.min())
    ids = ids.select("first_id", first_visitor_id="visitor_id")
    joined = events.left_join(ids, events.visitor_id == ids.first_visitor_id)
    is_first = (joined.event_id == joined.first_id).fill_null(ibis.literal(value=False))
    return joined.select(*events.columns, **{name: is_first})


EVERY, FIRST_TIME, FIRST_EVER = "every", "first_time", "first_ever"
OCCURRENCES: Final = {
    EVERY: "Every such event",
    FIRST_TIME: "A visitor's first that meets the conditions",
    FIRST_EVER: "A visitor's first ever, if it meets them",
}
"""Each; the first that meets the conditions; or the first of its type, if that one meets the conditions."""
MAX_TIMES: Final = 1_000
"""How often something can be demanded to happen in a period."""


def check_occurrence(place: str, value: Any) -> None:  # noqa: ANN401 (any value of a file)
    """Raise if a value does not say which of a visitor's events count; `place` begins the error message.

    Raises:
        DefinitionError: It is none of `OCCURRENCES`.
    """
    if value not in OCCURRENCES:
        raise DefinitionError(f"{place} has the unknown occurrence {value!r}; {did_you_mean(value, OCCURRENCES)}.")
