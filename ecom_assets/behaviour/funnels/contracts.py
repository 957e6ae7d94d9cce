"""Contracts of funnels: the daily funnels, in total and by category, and abandoned carts."""

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.measures import CartAmounts, CartMeasures
from ecom_assets.core.tables.contract import Column, Table, amount, count, day, rate, text

CART_UNITS = ("session", "visitor")


class CartAbandonment(CartMeasures, CartAmounts, Table):
    """One row per day, unit and horizon: carts, how many were abandoned,
    and how many were recovered.

    A cart is a session, or a visitor's day, with an add_to_cart; a checkout is one with a
    checkout_start.
    """

    layer = "mart"
    key = ("cart_date", "unit", "horizon_s")
    day_column = "cart_date"
    counted_from = (CleanEvents,)

    cart_date = day("The day on which the session started, or on which the visitor filled the cart")
    unit = text("What a cart is: a session, or a visitor's day", one_of=CART_UNITS)
    horizon_s = Column(
        "int64",
        "How long a purchase may take after an add_to_cart; 0 is to the session's end",
        unit="s",
        at_least=0,
    )
    converted_cart_count = count("Carts with a purchase in time", unit="carts")
    recovered_cart_count = Column(
        "int64",
        (
            "Of the converted carts, those not paid for in the session that filled them; null for "
            "sessions"
        ),
        unit="carts",
        nullable=True,
        at_least=0,
    )
    valued_cart_count = count(
        "Carts that say what they are worth; only these are in the amounts", unit="carts"
    )
    recovered_cart_amount = amount(
        "Worth of the recovered carts; null as cart_amount, and for sessions",
        nullable=True,
        at_least=0,
    )
    final_from_date = day(
        "The first day whose events no longer change the row: it is final once the data hold that "
        "day"
    )


class FunnelEntries(Table):
    """One row per daily funnel and session, or visitor and day, that took its first step:
    how far it got.
    """

    layer = "mart"
    key = ("funnel_name", "cohort_date", "unit", "unit_id")
    day_column = "cohort_date"

    funnel_name = text("The funnel's name, as in mart.conversion_funnel", example="default")
    cohort_date = day("The day on which the session, or the visitor's attempt, started")
    unit = text("What the row is", one_of=CART_UNITS)
    unit_id = text("The session's id, or the visitor's", pii=True)
    visitor_id = text("Who", pii=True)
    product_category = text("First category seen in the attempt, `(none)` without one")
    last_step = count("Place of the last step that was reached, from 1", unit="place", example=2)
    definition_hash = text(
        "Which definition of the funnel the row follows; it differs if the definition does"
    )


class ConversionFunnel(Table):
    """One row per funnel, day, unit, category and step; category `(all)` holds the totals."""

    layer = "mart"
    key = ("funnel_name", "cohort_date", "unit", "product_category", "step")
    day_column = "cohort_date"
    counted_from = (CleanEvents,)

    funnel_name = text("The funnel's name, `default` where none are declared", example="default")
    cohort_date = day("The day on which the session, or the visitor's attempt, started")
    unit = text("What is counted", one_of=("session", "visitor"))
    product_category = text(
        "First category seen in the attempt, `(none)` without one, `(all)` for the total"
    )
    step = count("Place of the step, from 1", unit="place", example=1)
    event_type = text("The step's event type", example="page_view")
    unit_count = count(
        "Sessions, or visitors who started on the day, that reached the step",
        unit="units",
        example=10985,
    )
    conversion_from_start_rate = rate("Share of those at step 1", nullable=True, example=1.0)
    conversion_from_previous_rate = rate(
        "Share of those at the step before", nullable=True, example=1.0
    )


CARTS = {"(cart)": "cart", "(checkout)": "checkout"}
"""The two-step funnels that are counted for every shop,
by what their columns in `CartAbandonment` begin with.
"""
