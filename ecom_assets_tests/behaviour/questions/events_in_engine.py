"""Clean events in any engine as the source of a question: without files,
rights or publication around them.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.questions.answer import Kind, answer
from ecom_assets.behaviour.questions.source import Narrowed
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import has_kernels
from ecom_assets.core.tables.queries import Extent, KnownDays, Period, events_in_period
from ecom_assets.ingestion.sources.visitor_segments import visitor_segment


@dataclass(frozen=True)
class EventsInEngine:
    """Both the source and its open events; see `EventSource` and `OpenEvents`."""

    con: SQLBackend
    table: ir.Table
    timezone: str = "UTC"
    settings: Settings = field(default_factory=Settings)
    source_names: None = None
    of_orders: bool = False
    is_bounded: bool = False
    not_recorded: frozenset[str] = frozenset()
    may_see_people: bool = True
    order_tables: None = None
    newest_date: None = None
    known_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    lacking: Sequence[str] = ()

    @property
    def has_kernel(self) -> bool:
        """Whether the engine has the kernels."""
        return has_kernels(self.con)

    def translate(self, event_type: str) -> str:
        """Return the event type: the words are the platform's."""
        return event_type

    def allow(self, columns: Iterable[str]) -> None:
        """Refuse nothing."""

    def segment(self, named: Any) -> VisitorSegment | None:
        """Return a declared or defined segment."""
        return visitor_segment(named, self.settings.visitor_segments)

    @contextmanager
    def open(
        self,
        columns: Sequence[str] | None,  # noqa: ARG002
        timezone: str | None,  # noqa: ARG002
        identity: IdentityRule | None = None,  # noqa: ARG002
    ) -> Iterator["EventsInEngine"]:
        """Open the events."""
        yield self

    def has_more_groups(self, columns: Sequence[str], most: int, narrowed: Narrowed) -> bool:  # noqa: ARG002
        """Return that it is not known."""
        return False

    def nothing(self) -> str:
        """Return nothing."""
        return ""

    def facts(self) -> dict[str, Any]:
        """Return that there is no version."""
        return {"data_version": None, "currency": None}

    def events(self) -> ir.Table:
        """Return all events."""
        return self.table

    def in_zone(self, rows: ir.Table) -> ir.Table:
        """Return the rows: their days are in the time zone."""
        return rows

    @property
    def known(self) -> KnownDays:
        """The first and the last day of events."""
        return KnownDays(self.extent(None).first_date, self.extent(None).last_date)

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest event."""
        newest: datetime | None = self.con.to_pyarrow(self.table.event_at.max()).as_py()
        return newest if newest is None or newest.tzinfo else newest.replace(tzinfo=UTC)

    def extent(self, period: Period | None) -> Extent:
        """Return how many events a period has."""
        events = events_in_period(self.table, period)
        days = events.event_date
        ends = events.agg(event_count=events.count(), first_date=days.min(), last_date=days.max())
        (row,) = self.con.to_pyarrow(ends).to_pylist()
        return Extent(**row)

    def missing(self, first: date, last: date) -> frozenset[date]:  # noqa: ARG002
        """Return no days."""
        return frozenset()

    def warnings(self) -> list[str]:
        """Return nothing: all columns are there."""
        return []

    def without_sessions(self, used: Iterable[str]) -> None:
        """Return nothing: what they have of their sessions is not joined."""

    def stored(self, session_rule: str) -> None:
        """Return nothing: there are no tables."""


def answered(
    kind: Kind[Any, Any], con: SQLBackend, events: ir.Table, question: Any
) -> dict[str, Any]:
    """Return the whole answer to a question about clean events in an engine,
    as commands and routes print it.
    """
    result = answer(kind, question, EventsInEngine(con, events))
    document: dict[str, Any] = result.model_dump(mode="json", by_alias=True)
    return document
