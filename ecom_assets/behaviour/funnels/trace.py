"""How daily funnels and abandoned carts are traced: to sessions, or to the events of visitors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.carts import (
    CART,
    CHECKOUT,
    VALUED,
    CartRule,
    cart_terms,
    worth_events,
)
from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel, FunnelEntries
from ecom_assets.behaviour.funnels.daily import (
    ALL_CATEGORIES,
    DailyFunnel,
    category_of,
    visitor_levels,
)
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.measures import CartMeasures
from ecom_assets.behaviour.journeys.trace import events_in_sessions
from ecom_assets.behaviour.sessions.contracts import SessionDays, Sessions
from ecom_assets.behaviour.sessions.sessions import SESSION, UNIT, with_search_terms
from ecom_assets.behaviour.sessions.trace import sessions_of_day
from ecom_assets.core.tables.rule_of_data import resolved_rule
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    Sum,
    TableTrace,
    TraceContext,
    ratios_of,
)


def _funnel(context: TraceContext) -> DailyFunnel:
    funnels = resolved_rule(context.rules["funnels"], context.table, context.ask)
    by_name: dict[str, DailyFunnel] = {funnel.name: funnel for funnel in funnels}
    return by_name[context.row["funnel_name"]]


def reaching_sessions(context: TraceContext) -> ir.Table:
    """Return the sessions of a row's day that reached its step."""
    daily, sessions = _funnel(context), sessions_of_day(context, "cohort_date")
    events = daily.events_of(with_search_terms(events_in_sessions(sessions, context)))
    levels = funnel_levels(events, daily.of_sessions, SESSION)
    reached = levels.filter(levels.level >= context.row["step"]).rename(
        started_at="session_started_at"
    )
    return sessions.semi_join(reached, [*UNIT, "started_at"])


def _sessions_of_funnel(context: TraceContext) -> ir.Table:
    result, category = reaching_sessions(context), context.row["product_category"]
    if category == ALL_CATEGORIES:
        return result
    return result.filter(category_of(result.first_product_category) == category)


def _visitors_of_funnel(context: TraceContext) -> ir.Table:
    """Return the events of a row's funnel by the visitors who began it on its
    day and reached its step.
    """
    daily, days, row = _funnel(context), context.days("cohort_date"), context.row
    events = context.table(CleanEvents)
    near = events.filter(days.widened(after=daily.window_days).contain(events.event_date))
    relevant = daily.events_of(with_search_terms(near))
    levels = visitor_levels(relevant, context.table(SessionDays), days, daily)
    reached = levels.filter(levels.level >= row["step"])
    if row["product_category"] != ALL_CATEGORIES:
        reached = reached.filter(reached.product_category == row["product_category"])
    return relevant.semi_join(reached, "visitor_id")


def _by_unit(sessions: Derivation, visitors: Derivation) -> ByRow:
    def derivation(context: TraceContext) -> Derivation:
        return sessions if context.row["unit"] == "session" else visitors

    return ByRow(derivation)


def _of_entry(context: TraceContext) -> ir.Table:
    """Return the events of a row's funnel by its session,
    or by its visitor while the attempt can last.
    """
    daily, row = _funnel(context), context.row
    if row["unit"] == "session":
        sessions = sessions_of_day(context, "cohort_date", session_id=row["unit_id"])
        return daily.events_of(with_search_terms(events_in_sessions(sessions, context)))
    near = context.days("cohort_date").widened(after=daily.window_days)
    events = context.where(CleanEvents, visitor_id=row["visitor_id"])
    return daily.events_of(with_search_terms(events.filter(near.contain(events.event_date))))


FUNNEL: Final = _by_unit(
    Count(Sessions, _sessions_of_funnel, day="cohort_date"),
    Count(CleanEvents, _visitors_of_funnel, unit="visitor_id"),
)


Met = Callable[[ir.Table], ir.BooleanValue]


def _units(context: TraceContext, met: Met) -> ir.Table:
    """Return the carts and checkouts of a row that meet a condition."""
    rule: CartRule = context.rules["cart_rule"]
    terms = cart_terms(
        context.table(CleanEvents), context.table(Sessions), context.days("cart_date"), rule
    )
    terms = terms.filter(
        terms.unit == context.row["unit"], terms.horizon_s == context.row["horizon_s"]
    )
    return terms.filter(met(terms))


def _sessions(context: TraceContext, met: Met) -> ir.Table:
    """Return the sessions that are these carts and checkouts."""
    units = _units(context, met).rename(session_id="unit_id")
    return sessions_of_day(context, "cart_date").semi_join(units, "session_id")


def _events(context: TraceContext, met: Met) -> ir.Table:
    """Return the events of the day of the visitors whose carts and checkouts these are."""
    day, units = context.row["cart_date"], _units(context, met).rename(visitor_id="unit_id")
    return context.within(CleanEvents, day, day).semi_join(units, "visitor_id")


def _carts(kind: str, met: Met) -> ByRow:
    """Return how a number of carts, or of checkouts, is traced: to sessions,
    or to the events of visitors.
    """

    def is_kind(terms: ir.Table) -> ir.BooleanValue:
        return ((terms.is_cart if kind == CART else terms.is_checkout) == 1) & met(terms)

    def events(context: TraceContext) -> ir.Table:
        rows = _events(context, is_kind)
        return rows.filter(rows.event_type == kind)

    def sessions(context: TraceContext) -> ir.Table:
        return _sessions(context, is_kind)

    return _by_unit(Count(Sessions, sessions), Count(CleanEvents, events, unit="visitor_id"))


def _valued(context: TraceContext, met: Met) -> ir.Table:
    """Return the events that say what the carts of a row are worth,
    of those that meet a condition.
    """

    def is_valued(terms: ir.Table) -> ir.BooleanValue:
        return terms.worth.notnull() & met(terms)

    key: Sequence[str] = SESSION
    if context.row["unit"] == "session":
        events = events_in_sessions(_sessions(context, is_valued), context)
    else:
        key, events = ("visitor_id", "event_date"), _events(context, is_valued)
    rows = events.filter(events.event_type.isin(VALUED), events.cart_amount.notnull())
    result = worth_events(rows, key, context.rules["cart_rule"])
    return result.mutate(
        counted_as=ibis.literal(" ").join([result[name].cast("string") for name in key])
    )


def _worth(met: Met) -> ByRow:
    def rows(context: TraceContext) -> ir.Table:
        return _valued(context, met).drop("counted_as")

    floor = Computed(
        "the amounts of the carts' items added up, a cart that comes to less than nothing as zero"
    )

    def derivation(context: TraceContext) -> Derivation:
        is_by_item = context.rules["cart_rule"].cart_value == "item"
        return floor if is_by_item else Sum(CleanEvents, rows, "cart_amount")

    return ByRow(derivation)


def _all(terms: ir.Table) -> ir.BooleanValue:
    return terms.is_converted >= 0


def _converted(terms: ir.Table) -> ir.BooleanValue:
    return terms.is_converted == 1


def _abandoned(terms: ir.Table) -> ir.BooleanValue:
    return terms.is_converted == 0


def _recovered(terms: ir.Table) -> ir.BooleanValue:
    return terms.is_recovered == 1


def _all_valued(context: TraceContext) -> ir.Table:
    return _valued(context, _all)


CARTS: Final[Mapping[str, Derivation]] = {
    "cart_count": _carts(CART, _all),
    "converted_cart_count": _carts(CART, _converted),
    "abandoned_cart_count": _carts(CART, _abandoned),
    "recovered_cart_count": _carts(CART, _recovered),
    "checkout_count": _carts(CHECKOUT, _all),
    "abandoned_checkout_count": _carts(CHECKOUT, _abandoned),
    **ratios_of(CartMeasures),
    "valued_cart_count": Count(CleanEvents, _all_valued),
    "cart_amount": _worth(_all),
    "abandoned_cart_amount": _worth(_abandoned),
    "recovered_cart_amount": _worth(_recovered),
}
SHARES: Final = {
    "conversion_from_start_rate": "step 1",
    "conversion_from_previous_rate": "the step before",
}
TRACES: Final = (
    TableTrace(CartAbandonment, "carts-left-behind", CARTS),
    TableTrace(
        FunnelEntries,
        "the-daily-funnel",
        {
            "last_step": Computed(
                "the last step that these events reach in time",
                inputs=Count(CleanEvents, _of_entry),
            )
        },
    ),
    TableTrace(
        ConversionFunnel,
        "the-daily-funnel",
        {
            "unit_count": FUNNEL,
            **{
                name: Computed(f"unit_count ÷ unit_count of the row of {other}", ("unit_count",))
                for name, other in SHARES.items()
            },
        },
    ),
)
