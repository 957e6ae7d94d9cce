"""Touches, which are sessions with their source as in GA4, first touches of visitors, and conversions."""

import ibis
import ibis.expr.types as ir

from ecom_assets.attribution.channels import DIRECT, NO_MEDIUM, NOT_SET, ChannelRule, with_source, with_source_or_direct
from ecom_assets.attribution.contracts import Conversions, FirstTouches, SessionSources, Touches
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import NO, first_of_each, union_all

MAIL_WORDS = ("email", "e-mail", "e_mail", "newsletter")
"""Values of `utm_medium` or `utm_source` that mean e-mail, in any case."""
MAIL_HOSTS = "^https?://([a-z0-9-]+[.])*(mail|webmail|outlook)[.]"
"""Referrers of mail services: mail.google.com, outlook.live.com, webmail.example.org."""
APP_REFERRERS = "^(android|ios)-app://"
APP_AGENTS = "(okhttp|cfnetwork|dalvik|dart/|; wv[)])"
"""User agents of app libraries and of the Android web view, in lower case."""


def first_touches(events: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return the first event of each visitor and day, with its channels, from rows of `CleanEvents` of whole days.

    The rule gives `default_channel_group` of GA4; `acquisition_channel` does not need it.
    """
    first = first_of_each(events, ["event_date", "visitor_id"], ["event_at", "event_id"])
    # Not `with_source` and a join: engines take the first events for a few rows, and Postgres joins them row by row.
    sourced = with_source_or_direct(first, rule.lists, rule.own_domains)
    return sourced.mutate(
        acquisition_channel=acquisition_channel(sourced.page_url, sourced.referrer_url, sourced.user_agent),
        default_channel_group=rule.channel(sourced.source, sourced.medium, sourced.campaign),
        source_lists_version=ibis.literal(rule.lists.version),
    ).select(*FirstTouches.columns)


def first_touch_ever(touches: ir.Table) -> ir.Table:
    """Return the first day of each visitor in `FirstTouches`, as `touched_date`, with its channels."""
    first = first_of_each(touches, "visitor_id", ["event_date"])
    return first.select("visitor_id", "acquisition_channel", "default_channel_group", touched_date="event_date")


def acquisition_channel(
    page_url: ir.StringColumn, referrer_url: ir.StringColumn, user_agent: ir.StringColumn
) -> ir.StringColumn:
    """Return email_campaign if UTM parameters or referrer show e-mail, mobile_app for an app, else website."""
    medium, source = (page_url.re_extract(rf"[?&]utm_{name}=([^&#]*)", 1).lower() for name in ("medium", "source"))
    referrer, agent = referrer_url.lower(), user_agent.lower()
    is_mail = medium.isin(MAIL_WORDS).fill_null(NO) | source.isin(MAIL_WORDS).fill_null(NO)
    is_mail = is_mail | referrer.re_search(MAIL_HOSTS).fill_null(NO)
    is_app = referrer.re_search(APP_REFERRERS).fill_null(NO) | agent.re_search(APP_AGENTS).fill_null(NO)
    return ibis.cases((is_mail, "email_campaign"), (is_app, "mobile_app"), else_="website")


FRAGMENT = ["event_date", "visitor_id", "fragment_started_at"]
SOURCED = ("source", "medium", "campaign", "channel", "source_lists_version")


def session_sources(events: ir.Table, session_events: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return the first event with a source of each session fragment; sessions are split at midnight.

    The events are rows of `CleanEvents` and of `SessionEvents` of the same days.
    """
    sourced = with_source(
        events.select("event_id", "event_date", "page_url", "referrer_url"), rule.lists, rule.own_domains
    )
    sourced = sourced.select("event_id", "event_date", "source", "medium", "campaign")
    placed = session_events.select("event_id", *FRAGMENT, "event_at", "event_number")
    return _first(placed.join(sourced, ["event_date", "event_id"]), rule)


def sources_of_sessions(placed: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return the first event with a source of each whole session; its `event_date` is the first day of the session."""
    return _first(with_source(placed, rule.lists, rule.own_domains), rule)


def _first(sourced: ir.Table, rule: ChannelRule) -> ir.Table:
    first = first_of_each(sourced, FRAGMENT, ["event_number"])
    return first.mutate(
        channel=rule.channel(first.source, first.medium, first.campaign),
        source_lists_version=ibis.literal(rule.lists.version),
    ).select(*SessionSources.columns)


def touches(sessions: ir.Table, arrived: ir.Table, rule: ChannelRule, days: Days | None = None) -> ir.Table:
    """Return one row per session that started on `days` (all if None), except sessions with refunds only.

    The arguments are all rows of `Sessions` and `SessionSources`; sessions without a source get the version of the
    rule's lists.
    """
    sessions = sessions.filter(sessions.event_count > sessions.refund_count)
    if days is not None:
        sessions = sessions.filter(days.contain(sessions.started_date))
        arrived = arrived.filter(arrived.event_date >= ibis.literal(days.first)) if days.dates else arrived.limit(0)
    crosses = sessions.ended_date > sessions.started_date
    columns = ("session_id", "visitor_id", "started_at", "started_date", "is_bot", "ended_at")
    alone, crossing = (sessions.filter(one).select(*columns) for one in (~crosses, crosses))
    arrived = arrived.select("visitor_id", "fragment_started_at", *SOURCED)
    rows = union_all(_of_one_fragment(alone, arrived), _of_several(crossing, arrived))
    nothing = {"source": DIRECT, "medium": NO_MEDIUM, "campaign": NOT_SET, "channel": "Direct"}
    nothing["source_lists_version"] = rule.lists.version
    return rows.mutate(**{name: rows[name].fill_null(value) for name, value in nothing.items()}).select(
        *Touches.columns
    )


def _of_one_fragment(sessions: ir.Table, arrived: ir.Table) -> ir.Table:
    is_same = [sessions.visitor_id == arrived.visitor_id, sessions.started_at == arrived.fragment_started_at]
    return sessions.left_join(arrived, is_same).select(sessions, *(arrived[name] for name in SOURCED))


def _of_several(sessions: ir.Table, arrived: ir.Table) -> ir.Table:
    inside = (sessions.started_at <= arrived.fragment_started_at) & (arrived.fragment_started_at <= sessions.ended_at)
    joined = sessions.left_join(arrived, [sessions.visitor_id == arrived.visitor_id, inside])
    joined = joined.select(sessions, "fragment_started_at", *(arrived[name] for name in SOURCED))
    return first_of_each(joined, "session_id", ["fragment_started_at"]).select(*sessions.columns, *SOURCED)


def conversions(session_events: ir.Table, lines: ir.Table) -> ir.Table:
    """Return the purchases and refunds in `SessionEvents`, and the orders and refunds in rows of `UserOrderLog`."""
    return union_all(purchases(session_events), orders(lines))


def purchases(session_events: ir.Table) -> ir.Table:
    """Return one row per purchase and refund event; its revenue is `cart_amount`, null if the event has none."""
    events = session_events.filter(session_events.event_type.isin(["purchase", "refund"]))
    is_refund = events.event_type == "refund"
    worth = events.cart_amount
    events = events.mutate(
        unit=ibis.literal("purchase"), is_refund=is_refund, revenue_amount=is_refund.ifelse(-worth, worth).cast(MONEY)
    )
    events = events.rename(converted_date="event_date", conversion_id="event_id", converted_at="event_at")
    return events.select(*Conversions.columns)


def orders(lines: ir.Table) -> ir.Table:
    """Return one row per order and day, and per refund and day; the lines of one order id are one order."""
    is_refund = lines.status == "refunded"
    signed = is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(MONEY)
    lines = lines.select(
        converted_date="order_date",
        conversion_id="order_id",
        visitor_id="customer_id",
        is_refund=is_refund,
        ordered_at="ordered_at",
        revenue_amount=signed,
    )
    whole = lines.group_by("converted_date", "conversion_id", "visitor_id", "is_refund").agg(
        converted_at=lines.ordered_at.min(), revenue_amount=lines.revenue_amount.sum().cast(MONEY)
    )
    return whole.mutate(unit=ibis.literal("order")).select(*Conversions.columns)
