"""Pending records: read the warehouse rows that are due at a destination, in chunks,
and write them in a dry run.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.contracts import ConversionFunnel, FunnelEntries
from ecom_assets.behaviour.identity.contracts import IdentityLinks, SharedIds
from ecom_assets.behaviour.identity.links import first_sign_ins, may_link
from ecom_assets.behaviour.identity.visitors import visitor_of_user
from ecom_assets.behaviour.questions.source import identity_rule
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments
from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.commerce.customers.contracts import Customers, CustomerSegments, LifetimeValue
from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import Database
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import NO, batches_of, rows_of, union_all, value_of
from ecom_assets.core.tables.spellings import KeyKind
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.outputs.delivery.destination import Destination
from ecom_assets.outputs.delivery.ledger.known import KnownRecords
from ecom_assets.outputs.delivery.ledger.sent_ids import SentIds
from ecom_assets.outputs.delivery.ledger.sent_sessions import SentSessions
from ecom_assets.outputs.delivery.payloads import EVENT_COLUMNS, USER_COLUMNS
from ecom_assets.outputs.delivery.totals import (
    due_events,
    latest_of_visitors,
    user_properties,
    visitor_segment_names,
)

CHUNK_ROWS = 50_000
WHO_AND_WHEN = ("event_id", "event_at", "event_type", "visitor_id", "user_id", "device_id")
"""What a record has that only says who signed in."""


@dataclass(frozen=True)
class Due:
    """Due records by the day that they belong to."""

    rows: ir.Table
    day_column: str
    columns: tuple[str, ...]
    order: tuple[str, ...]
    """By what the records of a day are sorted: the order in which they must arrive."""
    is_whole: bool
    """Whether the ledger may have a record under any day,
    because the records do not belong to a day.
    """
    has_sessions: bool = False
    """Whether each record gets the start of its source session."""

    def counts(self, days: Days) -> dict[date, int]:
        """Return the number of due records of each day that has any."""
        due = self.rows if self.is_whole else self._of_days(days)
        counts = due.group_by(day=self.day_column).agg(n=due.count())
        return {row["day"]: int(row["n"]) for row in rows_of(counts)}

    def newest_day(self) -> date | None:
        """Return the newest day with due records."""
        result: date | None = value_of(self.rows[self.day_column].max())
        return result

    def chunks(self, day: date) -> Iterator[pa.Table]:
        """Yield the records of a day, in the order in which they must arrive."""
        rows = self._of_days(Days((day,)))
        if self.has_sessions:
            # Events with the start of their source session; `around` are those of their day and of
            # the day before.
            around = self._of_days(Days((day - ONE_DAY, day)))
            with_session = around.filter(around.source_session_id.notnull())
            starts = with_session.group_by("source_session_id").agg(
                session_started_at=with_session.event_at.min()
            )
            joined = rows.drop("session_started_at").left_join(starts, "source_session_id")
            rows = joined.drop("source_session_id_right")
        rows = rows.order_by(*self.order).select(*self.columns)
        held: list[pa.RecordBatch] = []
        with batches_of(rows, CHUNK_ROWS) as batches:
            for batch in batches:
                held.append(batch)
                if sum(map(len, held)) >= CHUNK_ROWS:
                    yield pa.Table.from_batches(held)
                    held = []
        if held:
            yield pa.Table.from_batches(held)

    def _of_days(self, days: Days) -> ir.Table:
        return self.rows.filter(days.contain(self.rows[self.day_column]))


def events_due(
    engine: Engine,
    settings: Settings,
    *,
    with_sign_ins: bool = False,
    with_sessions: bool = False,
) -> Due:
    """Return the clean events without bots, by the day on which they happened.

    An event joins nobody if too many share its user or its device, if it lacks the consent to link
    them, or if the identity rule gave it to somebody else than its user. `with_sign_ins` adds, for
    each device, a record of the first event by which it joins its user, and `with_sessions` the
    start of each event's source session.
    """
    rule = identity_rule(settings)
    rows = due_events(engine.readable(CleanEvents))
    is_own = (rows.joined_by == "user") | (rows.visitor_id == visitor_of_user(rows.user_id))
    is_of_other = rows.user_id.notnull() & ~is_own.fill_null(NO)
    # Whether the user or the device of an event is shared by too many.
    # As a list: they are few, and events may be read past the engine.
    listed = engine.rows_of(engine.table(SharedIds)) if engine.has(SharedIds) else []
    by_kind = [
        (ids, [row["id_value"] for row in listed if row["id_kind"] == kind])
        for kind, ids in (("user", rows.user_id), ("device", rows.device_id))
    ]
    is_of_user, is_of_device = (ids.fill_null("").isin(shared) for ids, shared in by_kind)
    result: ir.BooleanValue = is_of_user | is_of_device
    joins_nobody = result | ~may_link(rows, rule) | is_of_other
    no_start = ibis.null(rows.event_at.type().copy(nullable=True))
    rows = rows.mutate(joins_nobody=joins_nobody, is_sign_in=NO, session_started_at=no_start)
    if with_sign_ins:
        rows = union_all(rows, _sign_ins(rows, engine))
    return Due(
        rows,
        "event_date",
        EVENT_COLUMNS,
        order=("event_at", "event_id", "is_sign_in"),
        is_whole=False,
        has_sessions=with_sessions,
    )


def _sign_ins(events: ir.Table, engine: Engine) -> ir.Table:
    """Return the events by which each device first joins a user, with nothing but who,
    where and when.
    """
    links = first_sign_ins(engine.readable(IdentityLinks), engine.readable(SharedIds))
    first = links.select("event_date", event_id="first_event_id")
    sign_ins = events.filter(~events.joins_nobody).semi_join(first, ["event_date", "event_id"])
    nothing = {
        name: ibis.null(sign_ins[name].type()) for name in EVENT_COLUMNS if name not in WHO_AND_WHEN
    }
    return sign_ins.mutate(**nothing).mutate(joins_nobody=NO, is_sign_in=~NO)


def due_at(destination: Destination, engine: Engine, settings: Settings) -> Due:
    """Return what is due at a destination."""
    if destination.name.endswith("_users"):
        return users_due(engine, settings)
    return events_due(
        engine,
        settings,
        with_sign_ins=destination.takes_sign_ins,
        with_sessions=destination.takes_sessions,
    )


def users_due(engine: Engine, settings: Settings) -> Due:
    """Return the properties of every customer with an order, all under their as-of day;
    earlier days are outdated.

    Where visitor segments are declared, or further properties chosen, of every known visitor too.
    """
    segments = None
    if settings.visitor_segments is not None:
        segments = visitor_segment_names(
            engine.readable(VisitorSegments), engine.readable(Sessions)
        )
    latest = None
    if settings.delivery_user_properties:
        of_visits = (
            engine.readable(table) for table in (Sessions, Touches, FunnelEntries, ConversionFunnel)
        )
        latest = latest_of_visitors(settings.delivery_user_properties, *of_visits)
    customers = (
        engine.readable(CustomerSegments),
        engine.readable(Customers),
        engine.readable(LifetimeValue),
    )
    return Due(
        user_properties(*customers, segments, latest),
        "as_of_date",
        USER_COLUMNS,
        order=("customer_id",),
        is_whole=True,
    )


@dataclass
class DryRun:
    """The result of a dry run for one destination: what would have been sent,
    and the file with it.
    """

    folder: Path
    due: int = 0
    would_send: int = 0
    would_refuse: int = 0
    known: int = 0
    """Due records that need not be sent, according to the ledger."""
    byte_count: int = 0
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many cannot go, by reason and by what is said of it."""


@dataclass(frozen=True)
class DryDestination:
    """A destination and its ledger, if there is one."""

    destination: Destination
    due: Due
    store: Database | None
    sent_at: datetime
    key: KeyKind | None = None
    """What the id of a person is by the mapping."""

    def write(self, days: Days, folder: Path) -> DryRun:
        """Write the payloads of some days, one file per day."""
        result = DryRun(folder / self.destination.name)
        result.folder.mkdir(parents=True, exist_ok=True)
        for old in result.folder.glob("*.ndjson"):
            old.unlink()
        for day in sorted(self.due.counts(days)):
            self._write_day(day, result)
        return result

    def _write_day(self, day: date, result: DryRun) -> None:
        identity = _identity(self.store, self.destination)
        sent_ids = SentIds.read(
            self.store if identity else None, self.destination.account, self.key
        )
        sent_sessions = SentSessions(self.store, identity)
        around = (None, None) if self.due.is_whole else (day - ONE_DAY, day + ONE_DAY)
        with ExitStack() as stack:
            known_records = stack.enter_context(
                closing(KnownRecords(self.store if identity else None, identity, *around))
            )
            files = {
                name: stack.enter_context(
                    (result.folder / f"{day}{end}.ndjson").open("w", encoding="utf-8")
                )
                for name, end in (("send", ""), ("refuse", "_refused"))
            }
            for due_rows in self.due.chunks(day):
                chunk = sent_ids.as_sent(due_rows)
                if self.destination.takes_sessions:
                    chunk = sent_sessions.as_sent(chunk)
                payloads = self.destination.payloads(chunk, self.sent_at)
                plan = known_records.plan(
                    payloads, self.destination, self.sent_at, retry_rejected=False
                )
                going = payloads.filter(pc.equal(plan["decision"], "send"))
                refused = payloads.filter(pc.equal(plan["decision"], "refuse"))
                files["send"].writelines(f"{payload}\n" for payload in going["payload"].to_pylist())
                refusals = refused.select(["record_id", "reason", "words"]).to_pylist()
                files["refuse"].writelines(json_text(row) + "\n" for row in refusals)
                result.refused.update((row["reason"], row["words"] or "") for row in refusals)
                result.due += len(chunk)
                result.would_send += len(going)
                result.would_refuse += len(refused)
                result.known += len(chunk) - len(going) - len(refused)
                result.byte_count += pc.sum(pc.binary_length(going["payload"])).as_py() or 0


def _identity(store: Database | None, destination: Destination) -> int | None:
    key = (destination.name, destination.account)
    rows = (
        store.rows("SELECT id FROM destinations WHERE name = ? AND account = ?", key)
        if store
        else []
    )
    return int(rows[0][0]) if rows else None
