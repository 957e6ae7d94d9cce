"""Contract of conversion: the daily funnels of sessions, and carts, by device,
channel and category.
"""

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.core.tables.contract import Table, count, day, text

DIMENSIONS = ("category", "channel", "device")
DEVICES = ("desktop", "mobile", "tablet", "robot", "other")


class ConversionByDimension(Table):
    """One row per funnel of sessions, day, dimension, its value and step;
    the values add up to the total.

    In addition to the daily funnels there are `(cart)`, from sessions with an add_to_cart to those
    of them with a purchase, and `(checkout)`, the same from a checkout_start. Only these two are
    counted by category, because mart.conversion_funnel counts the daily funnels by category.
    """

    layer = "mart"
    key = ("funnel_name", "cohort_date", "dimension", "value", "step")
    day_column = "cohort_date"
    counted_from = (CleanEvents,)

    funnel_name = text("The funnel's name, as in mart.conversion_funnel; or `(cart)`, `(checkout)`")
    cohort_date = day("The day on which the session started")
    dimension = text("What the sessions are compared by", one_of=DIMENSIONS)
    value = text(
        "The device (from the browser's user agent), channel, or first category; `(none)` without "
        "one"
    )
    step = count("Place of the step, from 1", unit="place")
    event_type = text("The step's event type")
    unit_count = count("Sessions that reached the step", unit="sessions")
