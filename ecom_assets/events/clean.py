"""From received rows to clean events: reasons to reject a row, surplus copies, and the clean rows.

Definitions: METRICS "Clean event". Every row received is accounted to exactly one day, as clean, quarantined or
surplus. Who the visitor is, `events/identity.py` says.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from ecom_assets.events.contracts import EVENT_TYPES, CleanEvents
from ecom_assets.tables.bounds import LONGEST_EVENT_TYPE, MAX_AMOUNT, NOT_IN_EVENT_TYPES
from ecom_assets.tables.contract import AMOUNT
from ecom_assets.tables.days import FIRST_PLAUSIBLE, NO, Days, day_start, is_implausible
from ecom_assets.tables.portable import union_all

NULL_LIKE_IDS = (
    "", "0", "-1", "null", "(null)", "none", "nil", "nan", "n/a", "na", "undefined", "unknown", "anonymous",
    "anon", "test", "testuser", "test_user", "test-user", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
"""Ids that stand for nobody, or for a tester; compared in lower case."""
NEEDS_PRODUCT = ("product_view", "add_to_cart", "remove_from_cart")
ROBOT_WORDS = ("bot", "crawl", "spider", "slurp", "headless")
ARRIVAL_ORDER = (
    "received_date", "received_at", "event_at", "event_type", "user_id", "session_id", "product_id",
    "product_category", "page_url", "referrer_url", "cart_value", "anonymous_id", "user_agent",
    "properties", "source_file",
)  # fmt: skip
"""Which of several copies came first: by arrival, then by content, so that no two different rows tie."""


@dataclass(frozen=True)
class CleaningRule:
    """What makes a received row a clean event.

    `event_types`: the types outside of which a row is refused; None takes every well-formed one.
    `late_days` (days): an event that arrives later than so many days after its day is too late.
    `skew_s` (seconds): a clock may run ahead by so much; METRICS has one hour.
    `max_amount` (money): the most that one event may be worth, so that no visitor can spoil a total.
    `first_day`: the first day on which anything can have arrived.
    """

    event_types: tuple[str, ...] | None = None
    late_days: int = 7
    skew_s: int = 3600
    max_amount: Decimal = MAX_AMOUNT
    timezone: str = "UTC"
    first_day: date = FIRST_PLAUSIBLE
    null_like_ids: tuple[str, ...] = field(default=NULL_LIKE_IDS)


def classify(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Add `reject_reason` (null for a clean row) and `accounted_date` to received rows.

    Args:
        raw: Rows in the layout of the contract `RawEvents`.
        rule: What is clean.
        days: Bounds of `received_date` in `raw`, for daylight saving.
    """
    day_after = (raw.received_date + ibis.interval(days=1)).cast("date")
    received_end = day_start(day_after, days.widened(after=1), rule.timezone)
    known_by = raw.received_at.fill_null(received_end) + ibis.interval(seconds=rule.skew_s)
    in_time = _is_in_time(raw, rule.late_days)
    reason = ibis.cases(
        (raw.malformed_row.notnull(), "malformed_row"),
        (is_implausible(raw.received_at, rule.first_day), "implausible_date"),
        (raw.event_id.isnull(), "missing_event_id"),
        (raw.event_at.isnull(), "unparseable_timestamp"),
        ((raw.event_at > known_by) | (raw.event_date > day_after), "future_timestamp"),
        (_has_no_identity(raw, rule), "missing_identity"),
        *_refused_types(raw.event_type, rule),
        (raw.cart_amount < 0, "negative_cart_value"),
        (raw.cart_amount > ibis.literal(rule.max_amount, AMOUNT), "amount_too_large"),
        (raw.event_type.isin(NEEDS_PRODUCT) & raw.product_id.isnull(), "product_missing"),
        (raw.cart_value.notnull() & raw.cart_amount.isnull(), "unparseable_cart_value"),
        (~in_time, "too_late"),
        else_=ibis.null("string"),
    )
    return raw.mutate(reject_reason=reason, accounted_date=accounted_date(raw, rule.late_days))


def accounted_date(raw: ir.Table, late_days: int) -> ir.DateValue:
    """Return the one day that a row counts for: its own where it came in time, else the day it arrived."""
    return _is_in_time(raw, late_days).fill_null(NO).ifelse(raw.event_date, raw.received_date)


def quarantined_events(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Rows accounted to `days` that are not clean, each with its first reason."""
    classified = classify(raw, rule, days.widened(before=1, after=rule.late_days))
    return classified.filter(classified.reject_reason.notnull(), days.contain(classified.accounted_date))


def clean_copies(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Rows of `days` that are clean, surplus copies still among them."""
    classified = classify(raw, rule, days.widened(before=1, after=rule.late_days))
    clean = classified.filter(classified.reject_reason.isnull(), days.contain(classified.event_date))
    return clean.drop("reject_reason", "accounted_date")


def duplicate_events(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Ids of which surplus copies are accounted to `days`.

    A copy is surplus if another clean copy of its id came before it, at most `late_days` + 1 days earlier: the span in
    which copies of one day's event can be accepted at all. An id that comes again later was given twice. The rule looks
    at arrivals only, so the answer does not depend on which days are computed together.

    Args:
        raw: Received rows that arrived from `late_days` + 2 days before `days` to `late_days` after them.
        rule: What is clean.
        days: The event days asked for.
    """
    span = rule.late_days + 1
    near = days.widened(before=2 * span, after=span)
    per_day = surplus_copies(clean_copies(raw, rule, near), rule)
    return per_day.filter(days.contain(per_day.event_date))


def surplus_copies(copies: ir.Table, rule: CleaningRule) -> ir.Table:
    """The rows of `DuplicateEvents` for clean rows of which all copies are there.

    Which of several copies are surplus is told by those columns of `ARRIVAL_ORDER` that there are; how many, by any.
    """
    copies = copies.select("event_id", "event_date", *(name for name in ARRIVAL_ORDER if name in copies.columns))
    copies = copies.mutate(id_hash=copies.event_id.hash())
    # Equal ids have equal hashes, so nothing is missed; what only shares a hash is told apart below.
    repeated = copies.group_by("id_hash").agg(copy_count=lambda t: t.count())
    copies = copies.semi_join(repeated.filter(repeated.copy_count > 1), "id_hash")
    # The copy before it arrived so few days earlier that they are copies of one day's event.
    in_order = ibis.window(group_by="event_id", order_by=arrival_keys(copies))
    previous = copies.received_date.lag().over(in_order)
    last_date = (previous + ibis.interval(days=rule.late_days + 1)).cast("date")
    copies = copies.mutate(surplus=(copies.received_date <= last_date).fill_null(NO).ifelse(1, 0))
    per_day = copies.group_by("event_date", "event_id").agg(
        surplus_count=copies.surplus.sum(),
        has_kept_copy=copies.surplus.sum() < copies.count(),
        first_received_date=copies.received_date.min(),
        last_received_date=copies.received_date.max(),
    )
    return per_day.filter(per_day.surplus_count > 0)


def unique_copies(copies: ir.Table, duplicates: ir.Table) -> ir.Table:
    """Leave the surplus copies out of clean rows; of each id the first arrival stays.

    Args:
        copies: Clean rows of some days.
        duplicates: The rows of `DuplicateEvents` for the same days.
    """
    keys = ["event_date", "event_id"]
    single = copies.anti_join(duplicates, keys)
    repeated = copies.semi_join(duplicates.filter(duplicates.has_kept_copy), keys)
    in_order = ibis.window(group_by=keys, order_by=arrival_keys(repeated))
    first = repeated.mutate(place=ibis.row_number().over(in_order))
    return union_all(single, first.filter(first.place == 0))


def is_robot(user_agent: ir.StringColumn) -> ir.BooleanValue:
    """Whether a browser calls itself a robot."""
    words = user_agent.lower()
    return reduce(or_, [words.contains(word) for word in ROBOT_WORDS]).fill_null(NO)


def is_well_formed(event_type: ir.StringValue) -> ir.BooleanValue:
    """Whether a text can be an event type: 1 to 255 characters, no control characters, no space at either end."""
    has_length = event_type.length().between(1, LONGEST_EVENT_TYPE)
    has_space_at_an_end = event_type.startswith(" ") | event_type.endswith(" ")
    found: ir.BooleanValue = has_length & ~has_space_at_an_end & ~event_type.re_search(NOT_IN_EVENT_TYPES)
    return found.fill_null(NO)


def _refused_types(event_type: ir.StringValue, rule: CleaningRule) -> list[tuple[ir.BooleanValue, str]]:
    # The platform's own types come first, because looking at each character is the most expensive test of a row.
    malformed = event_type.isnull() | (event_type.notin(EVENT_TYPES) & ~is_well_formed(event_type))
    refused = [(malformed, "malformed_event_type")]
    return (
        refused if rule.event_types is None else [*refused, (event_type.notin(rule.event_types), "unknown_event_type")]
    )


def _is_in_time(raw: ir.Table, late_days: int) -> ir.BooleanValue:
    day_after = raw.received_date + ibis.interval(days=1)
    last_day = raw.event_date + ibis.interval(days=late_days)
    return (raw.event_date <= day_after.cast("date")) & (raw.received_date <= last_day.cast("date"))


def _has_no_identity(raw: ir.Table, rule: CleaningRule) -> ir.BooleanValue:
    identity = ibis.coalesce(raw.user_id, raw.session_id)
    return identity.isnull() | identity.lower().isin(rule.null_like_ids).fill_null(NO)


def arrival_keys(rows: ir.Table) -> list[ir.Value]:
    """Return the order in which copies arrived, in which no two different rows tie."""
    # Engines disagree on where nulls sort, so none takes part.
    keys: list[ir.Value] = []
    for name in ARRIVAL_ORDER:
        if name not in rows.columns:
            continue
        column = rows[name]
        keys.append(column.fill_null("") if column.type().is_string() else column)
        if name == "received_at":
            keys[-1] = column.fill_null(ibis.timestamp("1970-01-01 00:00:00"))
    return keys


def as_clean_events(copies: ir.Table) -> ir.Table:
    """Bring unique copies with their visitors into the layout of `CleanEvents`."""
    named = copies.rename(source_session_id="session_id").mutate(is_bot=is_robot(copies.user_agent))
    return named.select(*CleanEvents.columns)
