"""The common part of ad-hoc queries by POST: the days that they cover, and the limit on the events that they read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from ecom_assets.api.auth.personal_data import require_personal
from ecom_assets.api.parameters import RequestContext, Sliced
from ecom_assets.api.store.store import QuestionTooLargeError
from ecom_assets.errors import DefinitionError
from ecom_assets.sales.coverage import known_days
from ecom_assets.sources.visitor_segments import visitor_segment
from ecom_assets.tables.days import ONE_DAY, Days, day_of
from ecom_assets.tables.queries import EVENTS, Extent, Period, TimeRange, cut, require, within
from ecom_assets.visitor_segments.segment import VisitorSegment, columns_named, in_segment

PAGED: Final = (
    "transitions",
    "cohorts",
    "breakdown",
    "series",
    "stickiness",
    "lifecycle",
    "variants",
    "correlations",
    "who",
)
"""The lists of answers that come a page at a time; of two the first that has rows."""
Count = Callable[[SQLBackend, ir.Table, Extent], dict[str, Any]]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Conditions = Annotated[
    list[StrictStr | dict[str, Any]],
    Field(
        default_factory=list,
        max_length=50,
        description="What must hold of an event, as text such as `cart_amount > 20` or as {column, operator, value}",
        examples=[["product_category = shoes"]],
    ),
]


class Body(BaseModel):
    """The days that a definition covers."""

    model_config = ConfigDict(extra="forbid")

    time_range: TimeRange | None = Field(None, description="Days whose events are looked at; default all")
    start_date: date | None = Field(None, description="First of them, for custom")
    end_date: date | None = Field(None, description="Last of them, for custom")
    segment: Name | dict[str, Any] | None = Field(
        None,
        exclude=True,
        description="Only visitors in this visitor segment as of the last day: a name that ECOM_VISITOR_SEGMENTS "
        "declares, or a definition; see docs/metrics.md",
        examples=[{"did": "purchase", "at_least": 3, "within": "30d"}],
    )

    def covered(self, newest: date) -> Period | None:
        """Return the days; None for all days."""
        if self.time_range is None and self.start_date is None and self.end_date is None:
            return None
        return Period.of(newest, self.time_range, self.start_date, self.end_date)

    def as_of(self, newest: date) -> date:
        """Return the last day, as of which a visitor segment is."""
        covered = self.covered(newest)
        return covered.end_date if covered else newest


def segment_of(context: RequestContext, body: Body) -> VisitorSegment | None:
    """Return the visitor segment that a query names or defines; None for all visitors."""
    return None if body.segment is None else visitor_segment(body.segment, context.settings.visitor_segments)


def named_by_segment(context: RequestContext, body: Body) -> list[str]:
    """Return the columns that the visitor segment of a query names."""
    segment = segment_of(context, body)
    return columns_named(segment) if segment else []


def segment_definition(context: RequestContext, body: Body) -> dict[str, Any]:
    """Return the visitor segment of a query as its definition says it; nothing for all visitors."""
    segment = segment_of(context, body)
    return {"segment": segment.to_mapping()} if segment else {}


def seen_events(context: RequestContext, body: Body, con: SQLBackend) -> ir.Table:
    """Return the events of all days of the visitors that a query is about, on a connection."""
    events, segment = context.reading.events_in(con), segment_of(context, body)
    if segment is None:
        return events
    return in_segment(events, segment, body.as_of(newest_known(context)))


def newest_known(context: RequestContext) -> date:
    """Return the newest day that is known of events."""
    return known_days(context.reading, [EVENTS])[EVENTS].last or context.reading.newest_date


def newest_event_at(context: RequestContext) -> datetime | None:
    """Return the time of the newest of all events, in UTC; None without events."""
    events = context.reading.events()
    (row,) = context.reading.state(events.agg(newest_at=events.event_at.max()))
    newest: datetime | None = row["newest_at"]
    return newest


def known_zone(timezone: str) -> str:
    """Return the name of a time zone.

    Raises:
        DefinitionError: There is no such zone.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DefinitionError(f"{timezone!r} is no IANA time zone; write one such as Europe/Berlin.") from error
    return timezone


def dated_in(events: ir.Table, timezone: str | None, extent: Extent) -> ir.Table:
    """Return events with their days in a time zone; None leaves those of the settings."""
    if timezone is None or extent.first_date is None or extent.last_date is None:
        return events
    days = Days.between(extent.first_date - 2 * ONE_DAY, extent.last_date + 3 * ONE_DAY)
    return events.mutate(event_date=day_of(events.event_at, days, timezone))


def asked_days(context: RequestContext, body: Body) -> tuple[date, date] | tuple[None, None]:
    """Return the first and the last day of a query; None for all days."""
    covered = body.covered(newest_known(context))
    return (covered.start_date, covered.end_date) if covered else (None, None)


def reach_of(context: RequestContext, extent: Extent) -> tuple[date, date]:
    """Return the first and the last day that is known of events."""
    known, days = known_days(context.reading, [EVENTS])[EVENTS], extent.period(context.reading.newest_date)
    return known.first or days.start_date, known.last or days.end_date


def answer_question(
    context: RequestContext, parameters: Sliced, body: Body, count: Count, *, reads_all: bool = False
) -> dict[str, Any]:
    """Return the answer to an ad-hoc query, or raise if it covers too many events.

    Args:
        context: The request.
        parameters: The parameters of the request.
        body: The definition.
        count: A function that computes the answer from a connection, the events and their extent.
        reads_all: Whether the function receives the events of all days, not only of those of the body.
    """
    reading = context.reading
    require(reading, EVENTS)
    require_personal(context.request.scope, named_by_segment(context, body))
    known = known_days(reading, [EVENTS])
    covered = body.covered(known[EVENTS].last or reading.newest_date)
    read = None if reads_all else covered
    events = within(reading.events(), read)
    extent = Extent.of(reading, events)
    most = context.settings.adhoc_most_events
    if extent.event_count > most:
        raise QuestionTooLargeError(
            f"The question is of {extent.event_count:,} events, more than the {most:,} of ECOM_ADHOC_MOST_EVENTS; ask "
            "about fewer days."
        )
    with reading.adhoc() as con:
        result = count(con, within(seen_events(context, body, con), read), extent)
    definition = result.pop("definition") | segment_definition(context, body)
    names = [name for name in PAGED if name in result]
    rows = next((name for name in names if result[name]), names[0])
    numbers = cut({"event_count": extent.event_count, **result}, rows, parameters.limit, parameters.offset)
    period = replace(covered or extent.period(reading.newest_date), known=known)
    return context.answer(parameters, definition, numbers, period)
