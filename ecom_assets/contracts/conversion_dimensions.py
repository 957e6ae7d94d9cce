"""Contract of the daily funnels of sessions by device, channel and category. Not here: their totals."""

from ecom_assets.contracts.table import Table, count, day, text

DIMENSIONS = ("category", "channel", "device")
DEVICES = ("desktop", "mobile", "tablet", "robot", "other")
CARTS = {"(cart)": "cart", "(checkout)": "checkout"}
"""The two funnels that are counted for every shop: what was put into the cart, or begun to pay, and bought."""


class ConversionByDimension(Table):
    """One row per funnel of sessions, day, dimension, its value and step; the values add up to the total.

    Beside the daily funnels there are `(cart)`, sessions with an add_to_cart and those of them with a purchase, and
    `(checkout)`, likewise with a checkout_start. Only these are counted by category, which mart.conversion_funnel has
    for the others.
    """

    layer = "mart"
    group = "behaviour"
    key = ("funnel_name", "cohort_date", "dimension", "value", "step")
    day_column = "cohort_date"

    funnel_name = text("The funnel's name, as in mart.conversion_funnel; or `(cart)`, `(checkout)`")
    cohort_date = day("The day on which the session started")
    dimension = text("What the sessions are told apart by", one_of=DIMENSIONS)
    value = text("The device (told by the browser), channel, or first category; `(none)` without one")
    step = count("Place of the step, from 1", unit="place")
    event_type = text("The step's event type")
    unit_count = count("Sessions that reached the step", unit="sessions")
