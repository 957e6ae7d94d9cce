"""Published tables as the source of the events, or of the order lines, of a question.

`published_source` is the one way to it, for routes, pages, alerts and tools. It returns a
`TableSource` (events), an `OrderTableSource` (order lines as purchases and refunds), or, for a shop
without orders, a `PurchaseSource` (purchase events in their place). Opened, each is an `OpenEvents`
with the columns that the question names and the caller may see. Files have the same in
`ingestion/sources/files/question_source.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, ClassVar, NoReturn

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from starlette.requests import Request

from ecom_assets.behaviour.events.clean import OF_IDENTITY
from ecom_assets.behaviour.events.contracts import CAMPAIGN
from ecom_assets.behaviour.events.recorded import NOT_BY_ORDERS
from ecom_assets.behaviour.identity.contracts import ERASED, MergedUsers, SharedIds
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import with_visitors_of_all
from ecom_assets.behaviour.questions.answer import ORDERS, Kind
from ecom_assets.behaviour.questions.source import Described, Narrowed, QuestionTooLargeError
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.commerce.attribution.session_columns import (
    direct_warnings,
    named_of,
    reads_of,
    with_stored_columns,
)
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.custom_sales.dimensions import OF_PLACE
from ecom_assets.commerce.custom_sales.purchases import (
    cities_of_purchases,
    customers_of_purchases,
    sales_of_purchases,
)
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import lines_as_events
from ecom_assets.commerce.sales.contracts import City, Customer, Item, Sales
from ecom_assets.commerce.sales.coverage import PURCHASES, find_sales_source, require_orders
from ecom_assets.commerce.sales.sales import PURCHASE, REFUND
from ecom_assets.core.clock import is_zone
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY, Days, day_of
from ecom_assets.core.tables.places import Places
from ecom_assets.core.tables.portable import dialect_of
from ecom_assets.core.tables.queries import (
    EVENTS,
    NOTHING,
    Extent,
    KnownDays,
    Period,
    events_in_period,
    require,
)
from ecom_assets.ingestion.sources.activities import not_recorded
from ecom_assets.ingestion.sources.files.places import known_places
from ecom_assets.ingestion.sources.site_lists import with_channels
from ecom_assets.ingestion.sources.visitor_segments import visitor_segment
from ecom_assets.interfaces.api.auth.callers import OTHER_NAMES, may_see_people, require_visible
from ecom_assets.interfaces.api.store.store import PublishedTables, StoreReading

SELDOM_READ = frozenset(
    (
        "user_agent",
        "properties",
        "referrer_url",
        "source_file",
        "received_date",
        "joined_by",
        *CAMPAIGN,
    )
)
"""Columns that no question reads unless it names them."""


@dataclass(frozen=True)
class TableSource:
    """The clean events of one published state, as a caller may see them; see `EventSource`."""

    request: Request
    reading: StoreReading
    settings: Settings
    explained: Callable[[], Answer] | None = None
    """Returns where the numbers come from, if that is asked."""
    source_names: None = None
    of_orders: bool = False
    is_bounded: bool = True

    @property
    def has_kernel(self) -> bool:
        """Whether the store's engine has the kernels."""
        return self.reading.has_kernel

    @property
    def not_recorded(self) -> frozenset[str]:
        """What the events of the settings, or of the last run, do not record."""
        return not_recorded(self.settings)

    @property
    def may_see_people(self) -> bool:
        """Whether the caller may see what may name single people."""
        return may_see_people(self.request.scope)

    @property
    def known_at(self) -> datetime:
        """When the tables were published."""
        return self.reading.published.published_at

    @property
    def newest_date(self) -> date | None:
        """The newest day of events or orders."""
        return self.reading.newest_date

    @property
    def lacking(self) -> Sequence[str]:
        """The columns that are not published."""
        return self.reading.lacking

    def translate(self, event_type: str) -> str:
        """Return the event type: tables have the platform's own words."""
        return event_type

    def allow(self, columns: Iterable[str]) -> None:
        """Refuse columns that the caller may not see, or that are not published.

        Raises:
            ScopeNeededError: The caller may not see a column.
            DefinitionError: A column is not published.
        """
        columns = list(columns)
        require_visible(self.request.scope, columns)
        for column in columns:
            name = OTHER_NAMES.get(column, column.partition(".")[0])
            if name in self.lacking:
                raise DefinitionError(
                    f"The events published in Postgres have no column {column!r}; ask without it."
                )

    def segment(self, named: Any) -> VisitorSegment | None:  # noqa: ANN401 (a name, or a definition of any form)
        """Return the visitor segment that is declared under a name, or defined."""
        return visitor_segment(named, self.settings.visitor_segments)

    @contextmanager
    def open(
        self,
        columns: Sequence[str] | None,
        timezone: str | None,
        identity: IdentityRule | None = None,
    ) -> Iterator["PublishedEvents"]:
        """Open the events on a connection of their own, and with `identity`,
        their visitors by that rule.

        Of the columns that a question names, only those of sessions matter: the others are there.
        """
        require(self.reading, EVENTS)
        zone = check_zone(timezone or self.reading.timezone)
        of_sessions = named_of(columns or ())
        read = [*(columns or ()), *reads_of(of_sessions)]
        for name in self.lacking:
            if name in read:
                raise DefinitionError(
                    f"The question needs {name}, which the events published in Postgres do not "
                    "have; ask the `ecom` command, or an API over the snapshot."
                )
        if identity is not None and "user_id" in self.lacking:
            raise DefinitionError(
                "The events published in Postgres have no users and devices, so that their "
                "visitors are those of ECOM_IDENTITY; leave `identity` out, or ask the `ecom` "
                "command."
            )
        with self.reading.adhoc() as con:
            yield PublishedEvents(self, con, zone, identity, tuple(read) if of_sessions else ())

    def has_more_groups(
        self,
        columns: Sequence[str],  # noqa: ARG002 (as below)
        most: int,  # noqa: ARG002
        narrowed: Narrowed,  # noqa: ARG002
    ) -> bool:
        """Return that this is not known: what is published is counted in a second."""
        return False

    def nothing(self) -> str:
        """Return nothing: without events, the source itself is refused."""
        return ""

    def facts(self) -> dict[str, Any]:
        """Return the version and the currency of the tables,
        and where the numbers come from if that is asked.
        """
        version, currency = self.reading.published.data_version, self.reading.currency or None
        return {
            "data_version": version,
            "currency": currency,
            "explain": self.explained and self.explained(),
        }


@dataclass(frozen=True)
class OrderTableSource(TableSource):
    """The clean order lines of one published state, as purchases and refunds."""

    of_orders: bool = True

    @property
    def not_recorded(self) -> frozenset[str]:
        """What order lines do not record."""
        return NOT_BY_ORDERS

    @property
    def lacking(self) -> Sequence[str]:
        """The columns that are not published: none of a line, if lines are published at all."""
        return ()

    def allow(self, columns: Iterable[str]) -> None:
        """Refuse columns that the caller may not see.

        Raises:
            ScopeNeededError: The caller may not see a column.
        """
        require_visible(self.request.scope, columns)

    def segment(self, named: Any) -> NoReturn:  # noqa: ANN401, ARG002 (as of events)
        """Refuse visitor segments.

        Raises:
            DefinitionError: Orders do not say what visitors did.
        """
        raise DefinitionError(
            "`segment` is about what visitors did, which orders do not have; leave it out."
        )

    @contextmanager
    def open(
        self,
        columns: Sequence[str] | None,  # noqa: ARG002 (all columns of a line are there)
        timezone: str | None,
        identity: IdentityRule | None = None,
    ) -> Iterator["PublishedOrders"]:
        """Open the order lines on a connection of their own.

        Raises:
            DefinitionError: An identity rule is asked for; orders have customers, and no devices.
            NoOrdersError: There are no order lines.
        """
        if identity is not None:
            raise DefinitionError(
                "`identity` is about devices, which orders do not have; leave it out."
            )
        require_orders(self.reading)
        zone = check_zone(timezone or self.reading.timezone)
        with self.reading.adhoc() as con:
            yield PublishedOrders(self, con, zone)


@dataclass(frozen=True)
class PurchaseSource(TableSource):
    """The purchase and refund events of one published state, in place of order lines."""

    @contextmanager
    def open(
        self,
        columns: Sequence[str] | None,
        timezone: str | None,
        identity: IdentityRule | None = None,  # noqa: ARG002 (questions about sales name none)
    ) -> Iterator["PublishedPurchases"]:
        """Open the events on a connection of their own.

        Of the columns that a question names, only places matter: the others are there.
        """
        require(self.reading, EVENTS)
        zone = check_zone(timezone or self.reading.timezone)
        with self.reading.adhoc() as con:
            yield PublishedPurchases(self, con, zone, read=tuple(columns or ()))


def published_source(
    kind: Kind[Any, Any] | None,
    request: Request,
    reading: StoreReading,
    settings: Settings,
    explained: Callable[[], Answer] | None = None,
) -> TableSource:
    """Return what a question is asked of: published events, or order lines if it is of orders only,
    or purchase events if there are none.

    Routes, pages, alerts and tools for assistants get their source here.

    Args:
        kind: What is asked; None for events as such.
        request: Who asks.
        reading: The published state.
        settings: The settings.
        explained: Returns where the numbers come from, if that is asked.
    """
    source: type[TableSource] = TableSource
    if kind is not None and kind.only_orders:
        is_of_purchases = find_sales_source(reading) == PURCHASES
        source = PurchaseSource if is_of_purchases else OrderTableSource
    return source(request, reading, settings, explained)


@dataclass(frozen=True)
class PublishedEvents:
    """Published events on a connection, with their days in a time zone; see `OpenEvents`."""

    source: TableSource
    con: SQLBackend
    timezone: str
    identity: IdentityRule | None = None
    read: tuple[str, ...] = ()
    """The columns that a question reads, with those of sessions; empty if it names none of these.
    """
    days_of: ClassVar[str] = EVENTS
    """The source whose known days are those of the rows."""

    def _published(self) -> ir.Table:
        """Return the rows of all days, for queries whose results are kept."""
        return self.source.reading.events()

    def _on_connection(self) -> ir.Table:
        """Return the same rows for queries on the connection."""
        return self.source.reading.events_in(self.con)

    @cached_property
    def known(self) -> KnownDays:
        """The known days of events."""
        known_days = self._reported
        if self._is_elsewhere and known_days.first is not None:
            events = self.in_zone(self._published())
            days = events.event_date
            (row,) = self.source.reading.state(events.agg(first=days.min(), last=days.max()))
            # Nobody knows which days of this zone the missing days of the reporting zone leave
            # without any event.
            known_days = replace(known_days, first=row["first"], last=row["last"], missing=())
        return known_days

    @cached_property
    def newest_at(self) -> datetime | None:
        """The time of the newest event, in UTC; None without events."""
        events = self._published()
        (row,) = self.source.reading.state(events.agg(newest_at=events.event_at.max()))
        newest: datetime | None = row["newest_at"]
        return newest

    def events(self) -> ir.Table:
        """Return clean events of all days."""
        return self._with_sessions

    @cached_property
    def _with_sessions(self) -> ir.Table:
        events, names = self._identified, named_of(self.read)
        if not names:
            return events
        if stored := self.stored(self.source.settings.session_rule):
            return with_stored_columns(events, stored, names, self.source.settings.landing_pages)
        read = {OTHER_NAMES.get(name, name.partition(".")[0]) for name in self.read}
        # They are written once for several queries, so that columns that no query reads would cost
        # most.
        events = events.select(
            *(name for name in events.columns if name in read or name not in SELDOM_READ)
        )
        return with_channels(self.con, events, names, self.source)

    def without_sessions(self, used: Iterable[str]) -> Described | None:
        """Return the events without the columns of their sessions, and what adds these to some;
        None where a condition names one, or their sessions are not stored.
        """
        names, stored = named_of(self.read), self.stored(self.source.settings.session_rule)
        if not names or named_of(used) or stored is None:
            return None
        add = partial(
            with_stored_columns,
            stored=stored,
            names=names,
            landing_pages=self.source.settings.landing_pages,
        )
        return self._identified, add

    @cached_property
    def _identified(self) -> ir.Table:
        events = self.in_zone(self._on_connection())
        if self.identity is None:
            return events
        tables, rule = PublishedTables(self.source.reading, self.con), self.identity
        if not tables.has(MergedUsers):  # as in a snapshot of an earlier release
            rule = replace(rule, joins_aliases=False)
        merged = tables.table(MergedUsers) if rule.joins_aliases else events
        shared = tables.table(SharedIds) if tables.has(SharedIds) else None
        unlinked = None if shared is None else shared.filter(shared.reason == ERASED)
        resolved = with_visitors_of_all(events.drop(*OF_IDENTITY), merged, rule, unlinked=unlinked)
        return dialect_of(self.con).kept(
            self.con, "identified_events", resolved.select(*events.columns)
        )

    def extent(self, period: Period | None) -> Extent:
        """Return how many events a period has.

        Raises:
            QuestionTooLargeError: They are more than ECOM_ADHOC_MOST_EVENTS.
        """
        reading = self.source.reading
        result = Extent.from_events(
            reading, events_in_period(self.in_zone(self._published()), period)
        )
        most = self.source.settings.adhoc_most_events
        if result.event_count > most:
            rows = "order lines" if self.days_of == ORDERS else "events"
            raise QuestionTooLargeError(
                f"The question is of {result.event_count:,} {rows}, more than the {most:,} of "
                "ECOM_ADHOC_MOST_EVENTS; ask about fewer days."
            )
        return result

    def missing(self, first: date, last: date) -> frozenset[date]:
        """Return the days between two of which nothing was received."""
        return frozenset(day for day in self.known.missing if first <= day <= last)

    def warnings(self) -> list[str]:
        """Return a sentence if the question names where sessions came from,
        and all came directly.
        """
        if not (names := named_of(self.read)):
            return []
        stored = self.stored(self.source.settings.session_rule)
        if stored is None:
            return direct_warnings(self.con, self.events(), names)
        touches = stored.table(Touches)
        return direct_warnings(self.con, touches.mutate(first_channel=touches.channel), names)

    def stored(self, session_rule: str) -> PublishedTables | None:
        """Return the published tables if their sessions follow this rule; None otherwise."""
        tables = PublishedTables(self.source.reading, self.con)
        if self.identity is not None:
            return None
        is_own = session_rule == self.source.settings.session_rule and not self._is_elsewhere
        return tables if is_own and tables.has(Sessions) and tables.has(Touches) else None

    @property
    def order_tables(self) -> "PublishedOrderTables":
        """The published tables, on the connection."""
        return PublishedOrderTables(self.source.reading, self.con)

    @property
    def _reported(self) -> KnownDays:
        return self.source.reading.known.get(self.days_of, NOTHING)

    @property
    def _is_elsewhere(self) -> bool:
        return self.timezone != self.source.reading.timezone

    def in_zone(self, rows: ir.Table) -> ir.Table:
        """Return rows that have `event_at` with their `event_date` in the time zone."""
        own = self._reported
        if not self._is_elsewhere or own.first is None or own.last is None:
            return rows
        # Two zones are up to 26 hours apart.
        days = Days.between(own.first - 2 * ONE_DAY, own.last + 3 * ONE_DAY)
        return rows.mutate(event_date=day_of(rows.event_at, days, self.timezone))


class PublishedOrderTables(PublishedTables):
    """The published tables, as questions about orders join them; see `OrderTables`."""

    remedy: ClassVar[str] = "add them to what `ecom run` reads, and run it"
    of_purchases: ClassVar[bool] = False


@dataclass(frozen=True)
class PurchaseTables(PublishedOrderTables):
    """The published tables, with purchase events in place of order lines."""

    of_purchases: ClassVar[bool] = True
    without: ClassVar[frozenset[Contract]] = frozenset({City, Item, ProfitLines})
    """The tables that follow from order lines only, but for places where these are asked for."""

    places: Places | None = None
    """The lists of places, if the question is about them, and events have the properties that say
    them.
    """

    def has(self, contract: Contract) -> bool:
        """Return whether purchase events make a table, or it is published."""
        made = {Sales, Customer, *([City] if self.places else [])}
        return contract in made or (contract not in self.without and super().has(contract))

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""
        if contract is Sales:
            return self._sold.select(*Sales.columns)
        if contract is City and self.places:
            return cities_of_purchases(self._sold)
        if contract is Customer:
            return customers_of_purchases(self._sold)
        return super().table(contract)

    @cached_property
    def _sold(self) -> ir.Table:
        lines = sales_of_purchases(self.reading.events_in(self.con), self.places)
        return dialect_of(self.con).kept(self.con, "purchases_as_sales", lines)


@dataclass(frozen=True)
class PublishedOrders(PublishedEvents):
    """Published order lines as purchases and refunds, with their days in a time zone."""

    days_of: ClassVar[str] = ORDERS

    def _published(self) -> ir.Table:
        return lines_as_events(self.source.reading.table(UserOrderLog))

    def _on_connection(self) -> ir.Table:
        return lines_as_events(PublishedTables(self.source.reading, self.con).table(UserOrderLog))

    def events(self) -> ir.Table:
        """Return the order lines of all days."""
        return self.in_zone(self._on_connection())

    def warnings(self) -> list[str]:
        """Return nothing: lines say nothing of sessions."""
        return []

    def stored(self, session_rule: str) -> None:
        """Return nothing: lines are no sessions."""


@dataclass(frozen=True)
class PublishedPurchases(PublishedEvents):
    """Published purchase and refund events, in place of order lines, with their days in a time
    zone.
    """

    def _published(self) -> ir.Table:
        return _bought(self.source.reading.events())

    def _on_connection(self) -> ir.Table:
        return _bought(self.source.reading.events_in(self.con))

    def events(self) -> ir.Table:
        """Return the purchases and refunds of all days."""
        return self.in_zone(self._on_connection())

    def warnings(self) -> list[str]:
        """Return nothing: no columns of sessions are read."""
        return []

    def stored(self, session_rule: str) -> None:
        """Return nothing: purchases are no sessions."""

    @cached_property
    def order_tables(self) -> PurchaseTables:
        """The published tables, on the connection, with purchases as sales."""
        reading = self.source.reading
        has_places = not OF_PLACE.isdisjoint(self.read) and "properties" not in reading.lacking
        places = known_places(self.source.settings.cities) if has_places else None
        return PurchaseTables(reading, self.con, places)


def _bought(events: ir.Table) -> ir.Table:
    return events.filter(events.event_type.isin([PURCHASE, REFUND]))


def check_zone(timezone: str) -> str:
    """Return the name of a time zone.

    Raises:
        DefinitionError: There is no such zone.
    """
    if not is_zone(timezone):
        raise DefinitionError(
            f"{timezone!r} is not an IANA time zone; write one such as Europe/Berlin."
        )
    return timezone
