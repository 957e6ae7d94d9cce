"""Contract of daily cart abandonment. Not here: the events and sessions that it is made of."""

from ecom_assets.contracts.table import Column, Table, amount, count, day, rate, text

CART_UNITS = ("session", "visitor")


class CartAbandonment(Table):
    """One row per day, unit and horizon: carts, how many were left behind, and how many of those came back to be paid.

    A cart is a session, or a visitor's day, with an add_to_cart; a checkout is one with a checkout_start.
    """

    layer = "mart"
    group = "growth"
    key = ("cart_date", "unit", "horizon_s")
    day_column = "cart_date"

    cart_date = day("The day on which the session started, or on which the visitor filled the cart")
    unit = text("What a cart is: a session, or a visitor's day", one_of=CART_UNITS)
    horizon_s = Column(
        "int64", "How long a purchase may take after an add_to_cart; 0 is to the session's end", unit="s", at_least=0
    )
    cart_count = count("Carts", unit="carts")
    converted_cart_count = count("Carts with a purchase in time", unit="carts")
    abandoned_cart_count = count("Carts without", unit="carts")
    recovered_cart_count = Column(
        "int64",
        "Of those converted, the ones not paid for in the session that filled them; null for sessions",
        unit="carts",
        nullable=True,
        at_least=0,
    )
    cart_abandonment_rate = rate("abandoned_cart_count among cart_count", nullable=True)
    checkout_count = count("Checkouts", unit="checkouts")
    abandoned_checkout_count = count("Checkouts without a purchase in time", unit="checkouts")
    checkout_abandonment_rate = rate("abandoned_checkout_count among checkout_count", nullable=True)
    valued_cart_count = count("Carts that say what they are worth; only these are in the amounts", unit="carts")
    cart_amount = amount("Worth of all carts; null where none says it", nullable=True, at_least=0)
    abandoned_cart_amount = amount("Worth of the carts left behind; null likewise", nullable=True, at_least=0)
    recovered_cart_amount = amount(
        "Worth of the recovered carts; null likewise, and for sessions", nullable=True, at_least=0
    )
    final_from_date = day("The first day whose events change the row no more: it is final once the data hold that day")
