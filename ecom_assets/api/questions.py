"""The common part of ad-hoc queries by POST: the days that they cover, and the limit on the events that they read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis.expr.types as ir
from fastapi import APIRouter
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.parameters import RequestContext, Sliced
from ecom_assets.api.problems import documented
from ecom_assets.api.store.store import PublishedTables
from ecom_assets.attribution.contracts import Touches
from ecom_assets.errors import DefinitionError
from ecom_assets.questions.source import QuestionTooLargeError
from ecom_assets.sales.coverage import known_days
from ecom_assets.sessions.contracts import Sessions
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sources.visitor_segments import visitor_segment
from ecom_assets.tables.breakdown import MAX_BY
from ecom_assets.tables.days import ONE_DAY, Days, day_of
from ecom_assets.tables.queries import EVENTS, NOTHING, Extent, KnownDays, Period, TimeRange, cut, require, within
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
    "channels",
)
"""The lists of answers that come a page at a time; of two the first that has rows."""
Count = Callable[[SQLBackend, ir.Table, Extent], dict[str, Any]]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Name = Annotated[str, Field(min_length=1, max_length=500)]
NUMBERS: Final = (int, float, int | None, float | None, dict[Name, float] | None)
Breakdown = Name | Annotated[list[Name], Field(max_length=MAX_BY)]
"""A column, or several."""
Conditions = Annotated[
    list[StrictStr | dict[str, Any]],
    Field(
        default_factory=list,
        max_length=50,
        description="What must hold of an event, such as `cart_amount > 20` or {column, operator, value}",
        examples=[["product_category = shoes"]],
    ),
]


def question_router() -> APIRouter:
    """Return a router of ad-hoc questions, with the errors that each of them can return."""
    return APIRouter(tags=["ad hoc"], responses=documented(400, 409, 413))


class RequestBody(BaseModel):
    """A body or a part of it: unknown names are refused, and `true` where a number is expected."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_a_number(cls, value: object, field: ValidationInfo) -> object:
        """Refuse what Pydantic reads as 1 or 0."""
        is_number = field.field_name and cls.model_fields[field.field_name].annotation in NUMBERS
        values = value.values() if isinstance(value, dict) else [value]
        if is_number and any(isinstance(one, bool) for one in values):
            raise PydanticCustomError("number_type", "Input should be a valid number")
        return value


class Body(RequestBody):
    """The days that a definition covers."""

    OF_DAYS: ClassVar[frozenset[str]] = frozenset({"time_range", "start_date", "end_date", "timezone"})
    """The fields that are no part of the definition."""

    time_range: TimeRange | None = Field(None, description="Days whose events are looked at; default all")
    start_date: date | None = Field(None, description="First of them, for custom")
    end_date: date | None = Field(None, description="Last of them, for custom")
    timezone: str | None = Field(None, max_length=60, description="Time zone of the days; default as set")
    segment: Name | dict[str, Any] | None = Field(
        None,
        exclude=True,
        description="Only visitors of this segment as of the last day: a declared name, or a definition",
        examples=[{"did": "purchase", "at_least": 3, "within": "30d"}],
    )

    def as_definition(self) -> dict[str, Any]:
        """Return the definition in the body, in the format of a definition file."""
        names = self.model_fields_set - self.OF_DAYS
        return self.model_dump(include=names, exclude_none=True, by_alias=True)

    def covered(self, newest: date) -> Period | None:
        """Return the days; None for all days."""
        if self.time_range is None and self.start_date is None and self.end_date is None:
            return None
        return Period.of(newest, self.time_range, self.start_date, self.end_date)

    def as_of(self, newest: date) -> date:
        """Return the last day, as of which a visitor segment is."""
        covered = self.covered(newest)
        return covered.end_date if covered else newest


class SessionBody(Body):
    """A definition that cuts events into sessions."""

    session_rule: str | None = Field(None, max_length=30, description="When a session ends; default as set")
    where: Conditions
    preset: Literal["posthog", "amplitude", "mixpanel", "ga4"] | None = Field(
        None, description="What this tool would do wherever the body says nothing"
    )

    def with_session_rule(self, context: RequestContext) -> dict[str, Any]:
        """Return the definition; the session rule of the settings is the default."""
        own = {} if self.session_rule or self.preset else {"session_rule": context.settings.session_rule}
        return self.as_definition() | own


def check_zone(timezone: str) -> str:
    """Return the name of a time zone.

    Raises:
        DefinitionError: There is no such zone.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DefinitionError(f"{timezone!r} is not an IANA time zone; write one such as Europe/Berlin.") from error
    return timezone


def check_session_ids(context: RequestContext, rule: SessionRule) -> None:
    """Refuse a session rule whose session ids are not published.

    Raises:
        DefinitionError: The rule needs the session ids of the source, and there are none.
    """
    if rule.trust_source_session_id and "source_session_id" in context.reading.lacking:
        raise DefinitionError("The events published in Postgres have no session ids of the source; use another rule.")


@dataclass(frozen=True)
class QuestionEvents:
    """The events of a question by POST, with their days in the time zone of its body."""

    context: RequestContext
    body: Body

    @cached_property
    def timezone(self) -> str:
        """Return the time zone in which days begin."""
        return check_zone(self.body.timezone or self.context.reading.timezone)

    @cached_property
    def known(self) -> KnownDays:
        """Return the known days of events."""
        known = known_days(self.context.reading, [EVENTS]).get(EVENTS, NOTHING)
        if self._is_elsewhere and known.first is not None:
            events = self.all(self.context.reading.events())
            days = events.event_date
            (row,) = self.context.reading.state(events.agg(first=days.min(), last=days.max()))
            # Nobody knows which days of this zone the missing days of the reporting zone leave without any event.
            known = replace(known, first=row["first"], last=row["last"], missing=())
        return known

    @property
    def newest(self) -> date:
        """Return the newest known day of events."""
        return self.known.last or self.context.reading.newest_date

    @property
    def covered(self) -> Period | None:
        """Return the requested days; None for all days."""
        return self.body.covered(self.newest)

    @property
    def days(self) -> tuple[date, date] | tuple[None, None]:
        """Return the first and the last requested day; None for all days."""
        return (self.covered.start_date, self.covered.end_date) if self.covered else (None, None)

    @property
    def newest_at(self) -> datetime | None:
        """Return the time of the newest event, in UTC; None without events."""
        events = self.context.reading.events()
        (row,) = self.context.reading.state(events.agg(newest_at=events.event_at.max()))
        newest: datetime | None = row["newest_at"]
        return newest

    @property
    def segment(self) -> VisitorSegment | None:
        """Return the named or defined visitor segment; None for all visitors."""
        name = self.body.segment
        return None if name is None else visitor_segment(name, self.context.settings.visitor_segments)

    def reach(self, extent: Extent) -> tuple[date, date]:
        """Return the first and the last day that is known of events."""
        days = extent.period(self.context.reading.newest_date)
        return self.known.first or days.start_date, self.known.last or days.end_date

    def all(self, events: ir.Table) -> ir.Table:
        """Return events with their days in the time zone."""
        own = known_days(self.context.reading, [EVENTS]).get(EVENTS, NOTHING)
        if not self._is_elsewhere or own.first is None or own.last is None:
            return events
        # Two zones are up to 26 hours apart.
        days = Days.between(own.first - 2 * ONE_DAY, own.last + 3 * ONE_DAY)
        return events.mutate(event_date=day_of(events.event_at, days, self.timezone))

    def seen(self, con: SQLBackend) -> ir.Table:
        """Return the events of the requested visitors on all days, on a connection."""
        events, segment = self.all(self.context.reading.events_in(con)), self.segment
        return events if segment is None else in_segment(events, segment, self.body.as_of(self.newest))

    def stored(self, con: SQLBackend, rule: SessionRule) -> PublishedTables | None:
        """Return the published tables if their sessions follow this rule and include all events; None otherwise."""
        tables, own = PublishedTables(self.context.reading, con), SessionRule.preset(self.context.settings.session_rule)
        is_own = rule == own and self.segment is None and not self._is_elsewhere
        return tables if is_own and tables.has(Sessions) and tables.has(Touches) else None

    @property
    def _is_elsewhere(self) -> bool:
        return self.timezone != self.context.reading.timezone

    def answer(self, parameters: Sliced, count: Count, *, reads_all: bool = False) -> dict[str, Any]:
        """Return the answer, or raise if the question covers too many events.

        `count` computes the answer from a connection, the events and their extent. With `reads_all` it receives the
        events of all days, not only of those of the body.
        """
        reading, segment = self.context.reading, self.segment
        require(reading, EVENTS)
        require_personal(self.context.request.scope, columns_named(segment) if segment else [])
        read = None if reads_all else self.covered
        extent = Extent.of(reading, within(self.all(reading.events()), read))
        most = self.context.settings.adhoc_most_events
        if extent.event_count > most:
            raise QuestionTooLargeError(
                f"The question is of {extent.event_count:,} events, more than the {most:,} of ECOM_ADHOC_MOST_EVENTS; "
                "ask about fewer days."
            )
        with reading.adhoc() as con:
            result = count(con, within(self.seen(con), read), extent)
        definition = result.pop("definition") | ({"segment": segment.to_mapping()} if segment else {})
        names = [name for name in PAGED if name in result]
        numbers = {"event_count": extent.event_count, **result}
        if names:
            rows = next((name for name in names if result[name]), names[0])
            numbers = cut(numbers, rows, parameters.limit, parameters.offset)
        period = replace(self.covered or extent.period(reading.newest_date), known={EVENTS: self.known})
        return self.context.answer(parameters, definition, numbers, period, self.timezone)
