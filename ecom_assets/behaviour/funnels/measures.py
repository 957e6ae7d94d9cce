"""The measures of the daily funnel, and of carts and checkouts that were left behind."""

from ecom_assets.behaviour.events.recorded import CARTS, CHECKOUTS, PURCHASES
from ecom_assets.core.tables.contract import Ratio, amount, count, rate


class ConversionMeasures:
    """How many of those who began a funnel came to its end."""

    conversion_rate = rate(
        "The share of the visits, or visitors, at the first step that came to the last",
        "Funnel conversion",
        nullable=True,
        example=0.028,
    )


class CartMeasures:
    """Carts and checkouts, and those of them without a purchase."""

    cart_count = count(
        "Visits that put something into the cart",
        "Carts",
        needs=(CARTS,),
        unit="carts",
        example=1101,
    )
    abandoned_cart_count = count(
        "Carts that were not paid for in time",
        "Carts left behind",
        needs=(CARTS, PURCHASES),
        unit="carts",
        better="down",
        example=777,
    )
    cart_abandonment_rate = rate(
        "The share of carts that were not paid for in time",
        "Share of carts left behind",
        Ratio("abandoned_cart_count", "cart_count"),
        nullable=True,
        better="down",
        example=0.706,
    )
    checkout_count = count(
        "Visits that began to check out",
        "Checkouts",
        needs=(CHECKOUTS,),
        unit="checkouts",
        example=536,
    )
    abandoned_checkout_count = count(
        "Checkouts that were not paid for in time",
        "Checkouts left behind",
        needs=(CHECKOUTS, PURCHASES),
        unit="checkouts",
        better="down",
        example=212,
    )
    checkout_abandonment_rate = rate(
        "The share of checkouts that were not paid for in time",
        "Share of checkouts left behind",
        Ratio("abandoned_checkout_count", "checkout_count"),
        nullable=True,
        better="down",
        example=0.396,
    )


class CartAmounts:
    """What carts were worth; not known where none of them says it."""

    cart_amount = amount("What all carts were worth", "Worth of carts", nullable=True, at_least=0)
    abandoned_cart_amount = amount(
        "What the carts left behind were worth",
        "Left behind, worth",
        nullable=True,
        at_least=0,
        better="down",
    )
