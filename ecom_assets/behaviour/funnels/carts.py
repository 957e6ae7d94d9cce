"""Abandoned carts: those that nobody paid for in time, and what they were worth.

A cart counts twice, as METRICS "Carts left behind" defines: as one of its session, which is paid
for within the session or not at all (`horizon_s` 0); and as one of its visitor and day, once for
each horizon of the `CartRule`, which is paid for within so many seconds.

`cart_terms` returns a row per cart or checkout and horizon, 1 or 0 in each column that is counted;
`cart_abandonment` adds them up for `mart.cart_abandonment`. Another number of carts is a column of
both. `left_carts.py` lists the carts one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.contracts import CartAbandonment
from ecom_assets.behaviour.funnels.measures import CartMeasures
from ecom_assets.behaviour.sessions.sessions import UNIT, is_inside
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days, days_after
from ecom_assets.core.tables.measures import with_ratios
from ecom_assets.core.tables.portable import NO, union_all

CART, CHECKOUT, PURCHASE, REMOVE = "add_to_cart", "checkout_start", "purchase", "remove_from_cart"
VALUED: Final = (CART, REMOVE, CHECKOUT)
"""The types of events that say what a cart is worth."""


@dataclass(frozen=True)
class CartRule:
    """The rule by which a cart is abandoned, and by which its value is computed.

    Attributes:
        horizons_s: The most seconds from an add_to_cart to a purchase, both ends included: an hour
            for visitors who look something up, a day for those who think about it overnight, a week
            for those who return after a reminder.
        cart_value: The meaning of `cart_value` in events: `cart`, the value of the whole cart after
            the event, so the last one counts (the platform's own layout, Snowplow); `item`, the
            value of what was added or removed, so the values are added up (REES46).
    """

    horizons_s: tuple[int, ...] = (3_600, 86_400, 604_800)
    cart_value: str = "cart"

    def __post_init__(self) -> None:
        """Refuse invalid horizons.

        Raises:
            DefinitionError: There are none, or one is not positive.
        """
        if not self.horizons_s or min(self.horizons_s) <= 0:
            raise DefinitionError(
                f"The horizons of a cart cannot be {self.horizons_s}; give seconds, more than 0."
            )

    @property
    def longest_days(self) -> int:
        """Return the number of days after a cart's day that the longest horizon can reach."""
        return days_after(max(self.horizons_s))


def cart_abandonment(
    session_events: ir.Table, sessions: ir.Table, days: Days, cart_rule: CartRule
) -> ir.Table:
    """Return one row per day of `days` with a cart or checkout, unit and horizon.

    Args:
        session_events: All rows of `SessionEvents`.
        sessions: All rows of `Sessions`.
        days: Days on which sessions started, or visitors filled their carts.
        cart_rule: Horizons and values.
    """
    terms = cart_terms(session_events, sessions, days, cart_rule)
    sums = terms.group_by("cart_date", "unit", "horizon_s").agg(
        cart_count=terms.is_cart.sum(),
        converted_cart_count=(terms.is_cart * terms.is_converted).sum(),
        recovered_cart_count=(terms.is_cart * terms.is_recovered).sum(),
        checkout_count=terms.is_checkout.sum(),
        abandoned_checkout_count=(terms.is_checkout * (1 - terms.is_converted)).sum(),
        valued_cart_count=terms.worth.count(),
        cart_amount=_sum_of_worths(terms, terms.is_cart == 1),
        abandoned_cart_amount=_sum_of_worths(terms, terms.is_converted == 0),
        recovered_cart_amount=_sum_of_worths(terms, terms.is_recovered == 1),
    )
    return with_ratios(_with_unknown_numbers(sums, cart_rule), CartMeasures).select(
        *CartAbandonment.columns
    )


def cart_terms(events: ir.Table, sessions: ir.Table, days: Days, rule: CartRule) -> ir.Table:
    """Return one row per cart or checkout and horizon: `unit_id` is its session, or its visitor.

    The arguments are those of `cart_abandonment`.
    """
    events = events.filter(days.from_first(events.event_date))
    return union_all(
        _terms_of_sessions(events, sessions, days, rule),
        _terms_of_visitors(events, sessions, days, rule),
    )


def _with_unknown_numbers(sums: ir.Table, rule: CartRule) -> ir.Table:
    has_horizon, is_valued = sums.horizon_s > 0, sums.valued_cart_count > 0
    final = {
        horizon_s: (sums.cart_date + ibis.interval(days=days_after(horizon_s) + 1)).cast("date")
        for horizon_s in (0, *rule.horizons_s)
    }
    return sums.mutate(
        abandoned_cart_count=sums.cart_count - sums.converted_cart_count,
        recovered_cart_count=has_horizon.ifelse(sums.recovered_cart_count, ibis.null("int64")),
        cart_amount=is_valued.ifelse(sums.cart_amount, ibis.null(MONEY)),
        abandoned_cart_amount=is_valued.ifelse(sums.abandoned_cart_amount, ibis.null(MONEY)),
        recovered_cart_amount=(has_horizon & is_valued).ifelse(
            sums.recovered_cart_amount, ibis.null(MONEY)
        ),
        final_from_date=ibis.cases(
            *((sums.horizon_s == horizon_s, day) for horizon_s, day in final.items())
        ),
    )


def _sum_of_worths(terms: ir.Table, where: ir.BooleanValue) -> ir.DecimalValue:
    return (
        where.ifelse(terms.worth, ibis.null(MONEY))
        .sum()
        .fill_null(ibis.literal(0, MONEY))
        .cast(MONEY)
    )


def _terms_of_sessions(
    events: ir.Table, sessions: ir.Table, days: Days, rule: CartRule
) -> ir.Table:
    cart_sessions = sessions.filter(
        days.contain(sessions.started_date),
        (sessions.add_to_cart_count > 0) | (sessions.checkout_start_count > 0),
    )
    cart_events = events.filter(events.event_type.isin(VALUED), events.cart_amount.notnull())
    cart_events = cart_events.join(cart_sessions, is_inside(cart_events, cart_sessions)).select(
        cart_events, cart_sessions.session_id
    )
    cart_worths = worths(cart_events, ["session_id"], rule)
    rows = cart_sessions.left_join(cart_worths, "session_id").select(
        cart_sessions, cart_worths.worth
    )
    has_cart = rows.add_to_cart_count > 0
    return rows.select(
        cart_date="started_date",
        unit=ibis.literal("session"),
        unit_id="session_id",
        horizon_s=ibis.literal(0, "int64"),
        is_cart=has_cart.ifelse(1, 0),
        is_checkout=(rows.checkout_start_count > 0).ifelse(1, 0),
        is_converted=(rows.purchase_count > 0).ifelse(1, 0),
        is_recovered=ibis.literal(0),
        worth=has_cart.ifelse(rows.worth, ibis.null(MONEY)),
    )


def _terms_of_visitors(
    events: ir.Table, sessions: ir.Table, days: Days, rule: CartRule
) -> ir.Table:
    """Return the carts and checkouts of each visitor and day, once per horizon."""
    unit = ["visitor_id", "event_date"]
    purchases = _purchases(events, sessions, days, rule)
    cart_events = events.filter(
        events.event_type.isin(VALUED),
        events.cart_amount.notnull(),
        days.contain(events.event_date),
    )
    carts = _with_purchase(events, purchases, CART, days, rule)
    carts = carts.left_join(worths(cart_events, unit, rule), unit).select(carts, "worth")
    checkouts = _with_purchase(events, purchases, CHECKOUT, days, rule)
    carts_and_checkouts = union_all(
        carts.mutate(is_cart=ibis.literal(1), is_checkout=ibis.literal(0)),
        checkouts.mutate(
            worth=ibis.null(MONEY), is_cart=ibis.literal(0), is_checkout=ibis.literal(1)
        ).select(*carts.columns, "is_cart", "is_checkout"),
    )
    # Without explicit types, engines give small literals small integer types, which overflow when
    # multiplied.
    horizons = (
        ibis.literal(horizon_s, "int64").name("horizon_s").as_table()
        for horizon_s in rule.horizons_s
    )
    micros = (ibis.literal(horizon_s * 1_000_000, "int64") for horizon_s in rule.horizons_s)
    rows = carts_and_checkouts.cross_join(
        union_all(
            *(horizon.mutate(horizon_us=us) for horizon, us in zip(horizons, micros, strict=True))
        )
    )
    in_time = (rows.wait_us <= rows.horizon_us).fill_null(NO)
    return rows.select(
        cart_date="event_date",
        unit=ibis.literal("visitor"),
        unit_id="visitor_id",
        horizon_s="horizon_s",
        is_cart="is_cart",
        is_checkout="is_checkout",
        is_converted=in_time.ifelse(1, 0),
        is_recovered=(in_time & (rows.paid_in_session == 0)).ifelse(1, 0),
        worth="worth",
    )


def _purchases(events: ir.Table, sessions: ir.Table, days: Days, rule: CartRule) -> ir.Table:
    """Return the purchases that can pay for carts of `days`, each with the start of its session."""
    near = days.widened(after=rule.longest_days)
    bought = events.filter(events.event_type == PURCHASE, near.contain(events.event_date))
    buying_sessions = sessions.filter(
        sessions.purchase_count > 0, days.from_first(sessions.ended_date)
    )
    return bought.join(buying_sessions, is_inside(bought, buying_sessions)).select(
        *(bought[name] for name in UNIT),
        bought.event_date,
        bought.event_at,
        bought.event_id,
        session_started_at=buying_sessions.started_at,
    )


def _with_purchase(
    events: ir.Table, purchases: ir.Table, kind: str, days: Days, rule: CartRule
) -> ir.Table:
    """Return one row per visitor and day with an event of a kind.

    `wait_us` is the shortest time from such an event of the day to a purchase at or after it, null
    without one. `paid_in_session` is 1 if a purchase at or after such an event is in the same
    session.
    """
    starts = events.filter(events.event_type == kind, days.contain(events.event_date))
    last = starts.group_by("visitor_id", "event_date").agg(last_at=starts.event_at.max())
    pairs = union_all(
        _pairs_of_same_day(starts, purchases, days), _pairs_of_later_days(last, purchases, rule)
    )
    paid = pairs.group_by("visitor_id", "event_date").agg(
        wait_us=pairs.event_at.delta(pairs.start_at, unit="microsecond").cast("int64").min()
    )
    in_session = [
        *(starts[name] == purchases[name] for name in UNIT),
        starts.event_at.between(purchases.session_started_at, purchases.event_at),
    ]
    at_once = starts.semi_join(purchases, in_session).select("visitor_id", "event_date").distinct()
    waits = last.left_join(paid, ["visitor_id", "event_date"]).select(
        last.visitor_id, last.event_date, paid.wait_us
    )
    at_once = at_once.mutate(paid_in_session=ibis.literal(1))
    rows = waits.left_join(at_once, ["visitor_id", "event_date"])
    return rows.select(waits, paid_in_session=rows.paid_in_session.fill_null(0))


def _pairs_of_same_day(starts: ir.Table, purchases: ir.Table, days: Days) -> ir.Table:
    """Return each purchase with the last start at or before it on the same day."""
    columns = ("visitor_id", "event_date", "event_at", "event_id")
    timeline = union_all(
        starts.select(*columns, start_at="event_at", order=ibis.literal(0)),
        purchases.filter(days.contain(purchases.event_date)).select(
            *columns, start_at=ibis.null("timestamp(6)"), order=ibis.literal(1)
        ),
    )
    until = ibis.cumulative_window(
        group_by=["visitor_id", "event_date"], order_by=["event_at", "order", "event_id"]
    )
    timeline = timeline.mutate(start_at=timeline.start_at.max().over(until))
    return timeline.filter(timeline.order == 1, timeline.start_at.notnull()).select(
        "visitor_id", "event_date", "event_at", "start_at"
    )


def _pairs_of_later_days(last: ir.Table, purchases: ir.Table, rule: CartRule) -> ir.Table:
    """Return the last start of each day with each purchase of later days
    within the longest horizon.
    """
    closes_at = last.last_at + ibis.interval(seconds=max(rule.horizons_s))
    later = [
        last.visitor_id == purchases.visitor_id,
        purchases.event_date > last.event_date,
        purchases.event_at <= closes_at,
    ]
    return last.join(purchases, later).select(
        last.visitor_id, last.event_date, event_at=purchases.event_at, start_at=last.last_at
    )


def worths(cart_events: ir.Table, unit: Sequence[str], rule: CartRule) -> ir.Table:
    """Return the value of each unit's cart, computed from its events with an amount."""
    result = worth_events(cart_events, unit, rule)
    if rule.cart_value == "item":
        changes = result.mutate(change=result.cart_amount * result.sign)
        sums = changes.group_by(*unit).agg(total=changes.change.sum().cast(MONEY))
        nothing = ibis.literal(0, MONEY)
        return sums.select(
            *unit, worth=(sums.total < nothing).ifelse(nothing, sums.total).cast(MONEY)
        )
    return result.select(*unit, worth=result.cart_amount.cast(MONEY))


def worth_events(cart_events: ir.Table, unit: Sequence[str], rule: CartRule) -> ir.Table:
    """Return the events that say what each unit's cart is worth, with the `sign` of their amount.

    Args:
        cart_events: Events of `VALUED` types with an amount.
        unit: The columns that identify a cart.
        rule: What the amount of an event is.
    """
    if rule.cart_value == "item":
        changes = cart_events.filter(cart_events.event_type != CHECKOUT)
        return changes.mutate(sign=(changes.event_type == REMOVE).ifelse(-1, 1))
    newest_first = ibis.window(
        group_by=list(unit), order_by=[ibis.desc("event_at"), ibis.desc("event_id")]
    )
    ranked = cart_events.mutate(rank=ibis.row_number().over(newest_first), sign=ibis.literal(1))
    return ranked.filter(ranked.rank == 0)
