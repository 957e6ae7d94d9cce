"""Where the events of a question come from: files, or published tables;
and which visitors they are of by settings.

Nothing else knows the difference between files and tables.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Protocol

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.events.missing import SourceNames
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment, columns_named
from ecom_assets.core.errors import EcomError
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings, about_setting
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Ends
from ecom_assets.core.tables.queries import Extent, KnownDays, Period


class QuestionTooLargeError(EcomError):
    """The question needs more time or memory than is allowed."""


IDENTITY_BOUNDS: Final = (
    "days_back",
    "days_ahead",
    "one_user_days",
    "device_users",
    "session_users",
    "user_devices",
    "user_devices_days",
    "group_users",
    "consent",
)
"""The fields of an identity rule that settings have, as `ECOM_IDENTITY_…`."""


def identity_rule(settings: Settings, name: str | None = None) -> IdentityRule:
    """Return a rule, by default that of ECOM_IDENTITY, with the bounds of the settings.

    Raises:
        SettingError: There is no rule of this name.
    """
    name = name or settings.identity
    with about_setting("identity"):
        rule = IdentityRule.preset(name)
    bounds: dict[str, Any] = {
        bound: getattr(settings, f"identity_{bound}") for bound in IDENTITY_BOUNDS
    }
    return replace(rule, name=name, late_days=settings.late_days, **bounds)


Keep = Callable[[ir.Table], ir.Table]
"""A function that receives the rows behind an answer,
and returns the same from where they are kept.
"""


Describe = Callable[[ir.Table], ir.Table]
"""A function that adds columns of their sessions to some of the events."""
Narrowed = Callable[[ir.Table], ir.Table]
"""A function that keeps some of the rows."""
Described = tuple[ir.Table, Describe]
"""Events without these columns, and that function."""


class StoredTables(Protocol):
    """Tables that were computed before from the same events."""

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""

    def rows(self, question: ir.Table) -> list[Row]:
        """Return the rows of a small result."""


class OrderTables(StoredTables, Protocol):
    """The tables of order lines, and those beside them that there are: published, or made from
    files.
    """

    @property
    def remedy(self) -> str:
        """What to do for one that is not there, as the end of a sentence."""

    @property
    def of_purchases(self) -> bool:
        """Whether its order lines are purchase events, as there is not a single order line."""

    def has(self, contract: Contract) -> bool:
        """Return whether there is a table."""


class OpenEvents(Protocol):
    """Events that are open in an engine, with their days in one time zone."""

    @property
    def con(self) -> SQLBackend:
        """The engine."""

    @property
    def timezone(self) -> str:
        """The time zone that days begin in."""

    @property
    def known(self) -> KnownDays:
        """The known days of events."""

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest event, in UTC; None without events."""

    def events(self) -> ir.Table:
        """Return clean events of all days."""

    def without_sessions(self, used: Iterable[str]) -> Described | None:
        """Return the events without the columns of their sessions, and what adds these to some.

        Args:
            used: Columns that conditions name.

        Returns:
            None where one of them is of a session, or it is no less work.
        """

    def extent(self, period: Period | None) -> Extent:
        """Return how many events of all visitors a period has, or all days.

        Raises:
            EcomError: They are more than a question may read.
        """

    def missing(self, first: date, last: date) -> frozenset[date]:
        """Return the days between two of which nothing was received."""

    def warnings(self) -> list[str]:
        """Return a sentence for each named column that says the same of all events,
        as it is not known.
        """

    def stored(self, session_rule: str) -> StoredTables | None:
        """Return the tables of sessions by a rule that include all events, as published;
        None without them.
        """

    @property
    def order_tables(self) -> OrderTables | None:
        """The tables that order lines are joined to; None of events in files."""

    def in_zone(self, rows: ir.Table) -> ir.Table:
        """Return rows that have `event_at` with their `event_date` in the time zone."""


class EventSource(Protocol):
    """The events that a question is asked of."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def source_names(self) -> SourceNames | None:
        """The source's own names of event types, if they differ from the platform's."""

    @property
    def of_orders(self) -> bool:
        """Whether its events are the purchases and refunds of order lines,
        each with its `amount`.
        """

    @property
    def has_kernel(self) -> bool:
        """Whether its engine has the kernels, which count what would be too long a statement."""

    @property
    def not_recorded(self) -> frozenset[str]:
        """What its events do not record; see `behaviour/events/recorded.py`."""

    @property
    def is_bounded(self) -> bool:
        """Whether other people ask it, so that no question may take too much."""

    @property
    def may_see_people(self) -> bool:
        """Whether who asks may see what may name single people."""

    @property
    def known_at(self) -> datetime:
        """When the data were read or published, in UTC."""

    @property
    def newest_date(self) -> date | None:
        """The newest day in all data; None for that of the events."""

    @property
    def lacking(self) -> Sequence[str]:
        """The columns of events that it never has values of."""

    def translate(self, event_type: str) -> str:
        """Return the platform's word for an event type."""

    def allow(self, columns: Iterable[str]) -> None:
        """Refuse columns that the caller may not see, or that are not there.

        Raises:
            EcomError: It names the first of them.
        """

    def segment(self, named: Any) -> VisitorSegment | None:  # noqa: ANN401 (a name, or a definition of any form)
        """Return the visitor segment that is named or defined.

        Raises:
            DefinitionError: There is none of this name, or the definition is wrong.
        """

    def open(
        self,
        columns: Sequence[str] | None,
        timezone: str | None,
        identity: IdentityRule | None = None,
    ) -> AbstractContextManager[OpenEvents]:
        """Open the events with the columns that a question names, None for all,
        and their days in a time zone.

        With `identity`, their visitors are found by that rule.

        Raises:
            EcomError: The events lack what the rule needs.
        """

    def nothing(self) -> str:
        """Return what to say more where no row counts as an event, after the sentence."""

    def has_more_groups(self, columns: Sequence[str], most: int, narrowed: Narrowed) -> bool:
        """Return whether some columns of order lines surely have more than so many combinations of
        values, if that takes far less than to read the lines.

        `narrowed` keeps, of order lines as they were received, those that are asked about.
        """

    def facts(self) -> dict[str, Any]:
        """Return what an answer says of its data, besides their days: version, currency, rows."""


@dataclass(frozen=True)
class QuestionData:
    """What an answer is computed from.

    Attributes:
        con: The engine.
        events: Clean events of the visitors and the days that are asked about; of all days if the
            question reads all.
        all_events: Those of the same visitors on all days.
        days: The first and the last day that are asked about; None for no limit.
        extent: How many events are looked at, and their first and last day.
        source: Where they come from.
        opened: The same, open.
        segment: The visitor segment; None for all visitors.
        keep: Receives the rows behind the answer, if they are to be kept.
    """

    con: SQLBackend
    events: ir.Table
    all_events: ir.Table
    days: Ends
    extent: Extent
    source: EventSource
    opened: OpenEvents
    segment: VisitorSegment | None
    keep: Keep | None
    narrowed: Narrowed
    """Keeps, of the events of all days, those that are asked about."""

    def without_sessions(self, used: Iterable[str]) -> Described | None:
        """Return `events` without the columns of their sessions, as `OpenEvents` does."""
        of_segment = columns_named(self.segment) if self.segment else []
        result = self.opened.without_sessions([*used, *of_segment])
        return result and (self.narrowed(result[0]), result[1])

    @property
    def event_days(self) -> tuple[date, date]:
        """The first and the last day that is known of events;
        of the events themselves where nothing is noted.
        """
        known_days, newest = self.opened.known, date.min
        first = known_days.first or self.extent.first_date or newest
        return first, known_days.last or self.extent.last_date or newest
