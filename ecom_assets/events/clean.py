"""Cleaning of received events: reasons to reject a row, surplus copies, clean rows, and accounting.

Definitions: METRICS "Clean events and reject reasons". Every received row counts for exactly one day, as clean,
quarantined or surplus. To which visitor a clean event belongs, `identity/` decides.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from ecom_assets.events.contracts import EVENT_TYPES, CleanEvents, RawEvents
from ecom_assets.tables.contract import AMOUNT
from ecom_assets.tables.days import Days, day_start, is_implausible
from ecom_assets.tables.portable import NO, first_of_each, union_all
from ecom_assets.tables.received import balance
from ecom_assets.tables.values import FIRST_PLAUSIBLE, LONGEST_EVENT_TYPE, MAX_AMOUNT, NOT_IN_EVENT_TYPES

NO_CONSENT = "(no consent)"
"""The id that a mapping writes for a visitor who did not consent to be recognized; compared in lower case."""
NULL_LIKE_IDS = (
    "", "0", "-1", "null", "(null)", "none", "nil", "nan", "n/a", "na", "undefined", "unknown", "anonymous",
    "anon", "test", "testuser", "test_user", "test-user", "00000000-0000-0000-0000-000000000000",
    NO_CONSENT,
)  # fmt: skip
"""Placeholder ids, and ids of testers; compared in lower case."""
NEEDS_PRODUCT = ("product_view", "add_to_cart", "remove_from_cart")
ROBOT_WORDS = ("bot", "crawl", "spider", "slurp", "headless")
ARRIVAL_ORDER = (
    "received_date", "received_at", "event_at", "event_type", "user_id", "session_id", "product_id",
    "product_category", "page_url", "referrer_url", "cart_value", "anonymous_id", "user_agent",
    "properties", "source_file",
)  # fmt: skip
"""The columns that define which copy came first: arrival, then content, so that different rows never tie."""


@dataclass(frozen=True)
class CleaningRule:
    """The conditions that make a received row a clean event.

    `event_types`: the accepted types; None accepts every well-formed type.
    `late_days` (days): an event that arrives more than this many days after its own day is too late.
    `skew_s` (seconds): how far a clock may run ahead; METRICS defines one hour.
    `max_amount` (money): the highest amount of one event, so that no visitor can distort a total.
    `first_day`: the first plausible day of arrival.
    """

    event_types: tuple[str, ...] | None = None
    late_days: int = 7
    skew_s: int = 3600
    max_amount: Decimal = MAX_AMOUNT
    timezone: str = "UTC"
    first_day: date = FIRST_PLAUSIBLE
    null_like_ids: tuple[str, ...] = field(default=NULL_LIKE_IDS)


def classify(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return received rows with `reject_reason` (null for a clean row) and `accounted_date`.

    Args:
        raw: Rows with the columns of `RawEvents`.
        rule: The cleaning rule.
        days: The range of `received_date` in `raw`, for daylight saving.
    """
    return raw.mutate(reject_reason=_reason(raw, rule, days), accounted_date=accounted_date(raw, rule.late_days))


def _reason(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.StringValue:
    reason: ir.StringValue = ibis.cases(*reject_rules(raw, rule, days), else_=ibis.null("string"))
    return reason


def reject_rules(raw: ir.Table, rule: CleaningRule, days: Days) -> list[tuple[ir.BooleanValue, str]]:
    """Return the reasons to reject a row, each with its condition; the first that applies counts.

    Takes what `classify` takes.
    """
    day_after = (raw.received_date + ibis.interval(days=1)).cast("date")
    received_end = day_start(day_after, days.widened(after=1), rule.timezone)
    known_by = raw.received_at.fill_null(received_end) + ibis.interval(seconds=rule.skew_s)
    in_time = _is_in_time(raw, rule.late_days)
    return [
        (raw.malformed_row.notnull(), "malformed_row"),
        (is_implausible(raw.received_at, rule.first_day), "implausible_date"),
        (raw.event_id.isnull(), "missing_event_id"),
        (raw.event_at.isnull(), "unparseable_timestamp"),
        ((raw.event_at > known_by) | (raw.event_date > day_after), "future_timestamp"),
        (_has_no_consent(raw, rule), "without_consent"),
        (_has_no_identity(raw, rule), "missing_identity"),
        *_refused_types(raw.event_type, rule),
        (raw.cart_amount < 0, "negative_cart_value"),
        (raw.cart_amount > ibis.literal(rule.max_amount, AMOUNT), "amount_too_large"),
        (raw.event_type.isin(NEEDS_PRODUCT) & raw.product_id.isnull(), "product_missing"),
        (raw.cart_value.notnull() & raw.cart_amount.isnull(), "unparseable_cart_value"),
        (~in_time, "too_late"),
    ]


def accounted_date(raw: ir.Table, late_days: int) -> ir.DateValue:
    """Return the one day that a row counts for: its event day if it came in time, else its arrival day."""
    return _is_in_time(raw, late_days).fill_null(NO).ifelse(raw.event_date, raw.received_date)


def quarantined_events(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return the rows that count for `days` and are not clean, each with the first reason that applies."""
    classified = classify(raw, rule, days.widened(before=1, after=rule.late_days))
    return classified.filter(classified.reject_reason.notnull(), days.contain(classified.accounted_date))


def clean_copies(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return the clean rows of `days`, including surplus copies."""
    # With the reason as a column, as in `classify`, DuckDB would look the lists of the rules up twice for each row.
    reason = _reason(raw, rule, days.widened(before=1, after=rule.late_days))
    return raw.filter(reason.isnull(), days.contain(raw.event_date))


def duplicate_events(raw: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return the event ids whose surplus copies count for `days`.

    A copy is surplus if another clean copy with the same id arrived before it, at most `late_days` + 1 days earlier.
    Copies of one event can only be accepted within this span. If an id comes again later, the source has used it for
    another event. The rule depends on arrivals only, so the result does not depend on which days are computed together.

    Args:
        raw: Rows that arrived from `late_days` + 2 days before `days` to `late_days` days after them.
        rule: The cleaning rule.
        days: The event days to compute.
    """
    span = rule.late_days + 1
    near = days.widened(before=2 * span, after=span)
    per_day = surplus_copies(clean_copies(raw, rule, near), rule)
    return per_day.filter(days.contain(per_day.event_date))


def surplus_copies(copies: ir.Table, rule: CleaningRule) -> ir.Table:
    """Return the rows of `DuplicateEvents` for clean rows that include all copies of each id.

    The columns of `ARRIVAL_ORDER` that are present decide which copies are surplus. The number of surplus copies does
    not depend on them.
    """
    copies = copies.select("event_id", "event_date", *(name for name in ARRIVAL_ORDER if name in copies.columns))
    copies = copies.mutate(id_hash=copies.event_id.hash())
    # Equal ids have equal hashes, so no copy is missed. Ids that only share a hash are separated below.
    repeated = copies.group_by("id_hash").agg(copy_count=lambda t: t.count())
    copies = copies.semi_join(repeated.filter(repeated.copy_count > 1), "id_hash")
    # A copy is surplus if the previous one arrived so few days earlier that both can be copies of the same event.
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
    """Return clean rows without surplus copies; the first arrival of each id is kept.

    Args:
        copies: Clean rows of some days.
        duplicates: The rows of `DuplicateEvents` for the same days.
    """
    return union_all(copies.anti_join(duplicates, ["event_date", "event_id"]), first_of_copies(copies, duplicates))


def first_of_copies(copies: ir.Table, duplicates: ir.Table) -> ir.Table:
    """Return, of each event with surplus copies, the copy that arrived first; as `unique_copies`."""
    keys = ["event_date", "event_id"]
    repeated = copies.semi_join(duplicates.filter(duplicates.has_kept_copy), keys)
    return first_of_each(repeated, keys, arrival_keys(repeated)).select(*copies.columns)


def is_robot(user_agent: ir.StringColumn) -> ir.BooleanValue:
    """Return whether a user agent identifies itself as a robot."""
    agent = user_agent.lower()
    return reduce(or_, [agent.contains(word) for word in ROBOT_WORDS]).fill_null(NO)


def is_well_formed(event_type: ir.StringValue) -> ir.BooleanValue:
    """Return whether text can be an event type: 1 to 255 characters, no control characters, no space at either end."""
    has_length = event_type.length().between(1, LONGEST_EVENT_TYPE)
    has_space_at_an_end = event_type.startswith(" ") | event_type.endswith(" ")
    result: ir.BooleanValue = has_length & ~has_space_at_an_end & ~event_type.re_search(NOT_IN_EVENT_TYPES)
    return result.fill_null(NO)


def _refused_types(event_type: ir.StringValue, rule: CleaningRule) -> list[tuple[ir.BooleanValue, str]]:
    # The platform's own types are tested first, because checking each character is the most expensive test of a row.
    malformed = event_type.isnull() | (event_type.notin(EVENT_TYPES) & ~is_well_formed(event_type))
    refused = [(malformed, "malformed_event_type")]
    if rule.event_types is not None:
        refused.append((event_type.notin(rule.event_types), "unknown_event_type"))
    return refused


def _is_in_time(raw: ir.Table, late_days: int) -> ir.BooleanValue:
    day_after = raw.received_date + ibis.interval(days=1)
    last_day = raw.event_date + ibis.interval(days=late_days)
    return (raw.event_date <= day_after.cast("date")) & (raw.received_date <= last_day.cast("date"))


def _has_no_identity(raw: ir.Table, rule: CleaningRule) -> ir.BooleanValue:
    identity = ibis.coalesce(raw.user_id, raw.session_id)
    is_nobody = identity.isnull() | identity.lower().isin(rule.null_like_ids).fill_null(NO)
    return is_nobody & ~_has_device(raw, rule)


def _has_no_consent(raw: ir.Table, rule: CleaningRule) -> ir.BooleanValue:
    is_refused = (ibis.coalesce(raw.user_id, raw.session_id).lower() == NO_CONSENT).fill_null(NO)
    return is_refused & ~_has_device(raw, rule)


def _has_device(raw: ir.Table, rule: CleaningRule) -> ir.BooleanValue:
    has_device: ir.BooleanValue = raw.anonymous_id.notnull() & raw.anonymous_id.lower().notin(rule.null_like_ids)
    return has_device


def arrival_keys(rows: ir.Table) -> list[ir.Value]:
    """Return the sort keys for the order of arrival; different rows never tie."""
    # Engines sort nulls differently, so nulls are replaced.
    keys: list[ir.Value] = []
    for name in ARRIVAL_ORDER:
        if name not in rows.columns:
            continue
        column = rows[name]
        keys.append(column.fill_null("") if column.type().is_string() else column)
        if name == "received_at":
            keys[-1] = column.fill_null(ibis.timestamp("1970-01-01 00:00:00"))
    return keys


def known_id(value: ir.StringValue, rule: CleaningRule) -> ir.StringValue:
    """Return an id of a user or device; null for a placeholder."""
    result: ir.StringValue = value.lower().isin(rule.null_like_ids).ifelse(ibis.null("string"), value)
    return result


OF_IDENTITY = ("visitor_id", "joined_by", "session_device_id")
"""The columns of `CleanEvents` that the identity rule adds."""


def as_clean_events(copies: ir.Table, rule: CleaningRule) -> ir.Table:
    """Return unique copies in those columns of `CleanEvents` that their columns suffice for, without `OF_IDENTITY`.

    Placeholder ids of users and devices are left out.
    """
    renamed = copies.rename(source_session_id="session_id", device_id="anonymous_id")
    renamed = renamed.mutate(**{name: known_id(renamed[name], rule) for name in ("user_id", "device_id")})
    if "user_agent" in renamed.columns:
        renamed = renamed.mutate(is_bot=is_robot(renamed.user_agent))
    return renamed.select(*(name for name in CleanEvents.columns if name in renamed.columns))


def clean_events(raw: ir.Table, duplicates: ir.Table, rule: CleaningRule, days: Days) -> ir.Table:
    """Return the clean events of `days`, each once, in the columns of `CleanEvents` without `OF_IDENTITY`.

    Args:
        raw: As in `clean_copies`.
        duplicates: The rows of `DuplicateEvents` for the same days.
        rule: The cleaning rule.
        days: The event days to compute.
    """
    return as_clean_events(unique_copies(clean_copies(raw, rule, days), duplicates), rule)


def accounting(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    days: Days | None, late_days: int, raw: ir.Table, clean: ir.Table, quarantined: ir.Table, surplus: ir.Table
) -> ir.Table:
    """Return one row per day, in `day`, with the four counts and their `residue`, which must be zero."""
    if days is not None:
        raw = raw.filter(days.widened(before=1, after=late_days).contain(raw[str(RawEvents.day_column)]))
    return balance(
        days,
        {
            "received_count": (raw.select(day=accounted_date(raw, late_days)), "day", None),
            "clean_count": (clean, "event_date", None),
            "quarantined_count": (quarantined, "accounted_date", None),
            "surplus_count": (surplus, "event_date", "surplus_count"),
        },
    )
