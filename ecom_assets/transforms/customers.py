"""From received records to customers with their history: METRICS "Customer (cleaned)".

A version is what the API told from one day to the next change. What follows from behaviour is told as of the end of one
day, never of the clock: of the newest fetch for the current version, of its last day for one that has ended. See
docs/adr/0012. Not here: how a first touch tells a channel (`first_touch.py`), which market an address is
(`market_segments.py`).
"""

from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.customers import (
    SCORED_FIELDS,
    UNKNOWN_DOMAIN,
    Customers,
    DuplicateCustomers,
    QuarantinedCustomers,
)
from ecom_assets.contracts.table import MONEY
from ecom_assets.transforms.customer_rule import MONTH_DAYS, YEAR_DAYS, CustomerRule
from ecom_assets.transforms.days import NO, Days, day_start
from ecom_assets.transforms.first_touch import first_touch_ever
from ecom_assets.transforms.market_segments import MarketSegments

VERSIONED = ("email", "first_name", "last_name", "city", "region", "country", "created_timestamp")
"""What makes a new version if it changes; the times of the last change and sign-in alone do not."""
VALID_EMAIL = "^[^@ ]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+$"
POINTS_PER_FLAW = 10
BANDS = ((90, "high"), (70, "medium"))
LONG_AGO = ibis.timestamp("0001-01-01 00:00:00")


def quarantined_customers(raw: ir.Table) -> ir.Table:
    """Return the records that are no customers."""
    return raw.filter(raw.reject_reason.notnull()).select(*QuarantinedCustomers.columns)


def duplicate_customers(raw: ir.Table) -> ir.Table:
    """Return the customers who came more than once in a fetch, with how many copies were left out."""
    good = raw.filter(raw.reject_reason.isnull())
    copies = good.group_by("received_date", "customer_id").agg(copy_count=good.count())
    surplus = copies.filter(copies.copy_count > 1)
    return surplus.mutate(surplus_count=surplus.copy_count - 1).select(*DuplicateCustomers.columns)


def customers(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw: ir.Table,
    sessions: ir.Table,
    conversions: ir.Table,
    touches: ir.Table,
    rule: CustomerRule,
    markets: MarketSegments,
    days: Days,
) -> ir.Table:
    """Return every version of every customer.

    Args:
        raw: All rows of `RawCustomers`.
        sessions: All rows of `Sessions`.
        conversions: All rows of `Conversions`.
        touches: All rows of `FirstTouches`.
        rule: Thresholds, fields of the score, and the reporting time zone.
        markets: Which market an address is in.
        days: The days of the fetches, for daylight saving.
    """
    versions = customer_versions(raw)
    behaviour, spent = _behaviour(versions, sessions), _spent(versions, conversions)
    keys = ["customer_id", "valid_from"]
    joined = versions.left_join(behaviour, keys).select(versions, *(behaviour[name] for name in _BEHAVIOUR))
    joined = joined.left_join(spent, keys).select(joined, spent.year_revenue_amount, spent.bought_count)
    first = first_touch_ever(touches)
    known = [joined.customer_id == first.visitor_id, joined.as_of_date >= first.touched_date]
    joined = joined.left_join(first, known).select(joined, first.acquisition_channel, first.default_channel_group)
    return _judged(_described(joined, rule, markets, days), rule).select(*Customers.columns)


def customer_versions(raw: ir.Table) -> ir.Table:
    """Return one row per customer and version, with what the API told last while it held.

    A customer whom a fetch lacks keeps the version that there is: an API forgets for many reasons.
    """
    told = latest_copies(raw)
    told = told.mutate(newest_date=told.received_date.max().over(ibis.window()))
    in_order = ibis.window(group_by="customer_id", order_by="received_date")
    before = {f"{name}_before": told[name].lag().over(in_order) for name in ("received_date", *VERSIONED)}
    told = told.mutate(**before)
    changed = [told[name].fill_null("") != told[f"{name}_before"].fill_null("") for name in VERSIONED]
    told = told.mutate(begins=told.received_date_before.isnull() | reduce(or_, changed))
    so_far = ibis.cumulative_window(group_by="customer_id", order_by="received_date")
    begun = told.begins.ifelse(told.received_date, ibis.null("date"))
    told = told.mutate(valid_from=begun.max().over(so_far), next_begins=told.begins.lead().over(in_order))
    told = told.mutate(valid_to=told.received_date.lead().over(in_order))
    last = told.filter(told.next_begins.fill_null(ibis.literal(value=True)))
    day_before = (last.valid_to - ibis.interval(days=1)).cast("date")
    return last.mutate(
        last_received_date=last.received_date,
        is_current=last.valid_to.isnull(),
        as_of_date=last.valid_to.isnull().ifelse(last.newest_date, day_before),
    )


def latest_copies(raw: ir.Table) -> ir.Table:
    """Return each customer once per fetch: the copy changed last; of several of one time, the greatest payload."""
    good = raw.filter(raw.reject_reason.isnull())
    changed_at = good.updated_at.fill_null(LONG_AGO)
    in_order = ibis.window(
        group_by=["received_date", "customer_id"],
        order_by=[ibis.desc(changed_at), ibis.desc(good.payload), good.record_number],
    )
    numbered = good.mutate(place=ibis.row_number().over(in_order))
    return numbered.filter(numbered.place == 0).drop("place")


_BEHAVIOUR = ("last_event_at", "recent_session_count", "recent_engaged_us")


def _behaviour(versions: ir.Table, sessions: ir.Table) -> ir.Table:
    """Add up each version's sessions until its day."""
    versions = versions.select("customer_id", "valid_from", "as_of_date")
    until = [versions.customer_id == sessions.visitor_id, versions.as_of_date >= sessions.started_date]
    joined = versions.join(sessions, until)
    month_ago = (joined.as_of_date - ibis.interval(days=MONTH_DAYS)).cast("date")
    is_recent = joined.started_date > month_ago
    # A sum of floats depends on the order of rows, a sum of whole microseconds does not.
    length_us = joined.ended_at.delta(joined.started_at, unit="microsecond").cast("int64")
    return joined.group_by("customer_id", "valid_from").agg(
        last_event_at=joined.ended_at.max(),
        recent_session_count=is_recent.ifelse(1, 0).sum(),
        recent_engaged_us=length_us.sum(where=is_recent & joined.is_engaged),
    )


def _spent(versions: ir.Table, conversions: ir.Table) -> ir.Table:
    """Add up each version's orders less refunds until its day; where there is not a single order, its purchases.

    Null of who bought or was paid back where none of these tells an amount.
    """
    conversions = conversions.mutate(first_unit=conversions.unit.min().over(ibis.window()))  # "order" < "purchase"
    counted = conversions.filter(conversions.unit == conversions.first_unit)
    versions = versions.select("customer_id", "valid_from", "as_of_date")
    until = [versions.customer_id == counted.visitor_id, versions.as_of_date >= counted.converted_date]
    joined = versions.join(counted, until)
    year_ago = (joined.as_of_date - ibis.interval(days=YEAR_DAYS)).cast("date")
    of_year = joined.filter(joined.converted_date > year_ago)
    return of_year.group_by("customer_id", "valid_from").agg(
        year_revenue_amount=of_year.revenue_amount.sum(), bought_count=of_year.count()
    )


def _described(told: ir.Table, rule: CustomerRule, markets: MarketSegments, days: Days) -> ir.Table:
    """Add names, domain, valid times and numbers; `now_at` is the end of the day that the row is of."""
    day_after = (told.as_of_date + ibis.interval(days=1)).cast("date")
    now_at = day_start(day_after, days.widened(before=1, after=1), rule.timezone)
    is_valid = told.email.re_search(VALID_EMAIL).fill_null(NO)
    domain = told.email.substr(told.email.find("@") + 1).lower()
    times = {name: (told[name] < now_at).ifelse(told[name], ibis.null("timestamp(6)")) for name in _TIMES}
    both = told.first_name.concat(" ").concat(told.last_name)
    told = told.mutate(
        now_at=now_at,
        is_number_id=told.is_number_id.fill_null(ibis.literal(value=True)),  # all were, before it was kept
        full_name=ibis.coalesce(both, told.first_name, told.last_name),
        email_domain=is_valid.ifelse(domain, UNKNOWN_DOMAIN),
        market_segment=markets.segment_of(told.country, told.region, told.city),
        **times,
    )
    # A session of the last evening may go on after midnight.
    last_event_at = (told.last_event_at < told.now_at).ifelse(told.last_event_at, told.now_at)
    last_event_at = told.last_event_at.isnull().ifelse(ibis.null("timestamp(6)"), last_event_at)
    seen = ibis.coalesce(told.last_login_at, last_event_at), ibis.coalesce(last_event_at, told.last_login_at)
    # Who did nothing has zero only where somebody would have told of it.
    visits = {name: told[name].fill_null(0) if rule.has_visits else told[name] for name in _OF_VISITS}
    nothing = ibis.literal(0, MONEY) if rule.has_sales else ibis.null(MONEY)
    spent = told.bought_count.isnull().ifelse(nothing, told.year_revenue_amount)
    return told.mutate(
        seen_at=ibis.greatest(*seen),
        recent_session_count=visits["recent_session_count"],
        recent_engaged_s=visits["recent_engaged_us"].cast("float64") / 1e6,
        year_revenue_amount=spent.cast(MONEY),
    )


_OF_VISITS = ("recent_session_count", "recent_engaged_us")
_TIMES = ("created_at", "updated_at", "last_login_at")


def _judged(told: ir.Table, rule: CustomerRule) -> ir.Table:
    """Add levels, tier and quality."""
    flaws = [
        (told.email_domain == UNKNOWN_DOMAIN if name == "email" else told[name].isnull(), name)
        for name in SCORED_FIELDS
        if name in rule.expected_fields
    ]
    listed = reduce(
        lambda left, right: left.concat(right),
        (is_flaw.ifelse(f",{name}", "") for is_flaw, name in flaws),
        ibis.literal(""),
    )
    flaw_count = reduce(
        lambda left, right: left + right, (is_flaw.ifelse(1, 0) for is_flaw, _ in flaws), ibis.literal(0)
    )
    score = quality_score(flaw_count)
    is_active = told.seen_at >= told.now_at - ibis.interval(days=rule.active_days)
    source = ibis.cases(
        (told.last_event_at.notnull(), "sessions"),
        (told.engagement_score.notnull(), "api"),
        else_=ibis.null("string"),
    )
    by_sessions = rule.engagement_level(told.recent_session_count, told.recent_engaged_s)
    by_api = rule.level_of_score(told.engagement_score)
    level = ibis.cases((told.last_event_at.isnull() & told.engagement_score.notnull(), by_api), else_=by_sessions)
    return told.mutate(
        activity_status=ibis.cases((told.seen_at.isnull(), "unknown"), (is_active, "active"), else_="inactive"),
        engagement_source=source,
        engagement_level=level,
        customer_tier=rule.customer_tier(told.year_revenue_amount),
        flawed_fields=listed.substr(1).nullif(""),
        data_quality_score=score,
        quality_band=ibis.cases(*((score >= least, band) for least, band in BANDS), else_="low"),
    )


def quality_score(flaw_count: ir.IntegerValue) -> ir.IntegerValue:
    """Return 100 less 10 per missing or invalid field, never below 0."""
    left = 100 - POINTS_PER_FLAW * flaw_count
    return (left < 0).ifelse(0, left)
