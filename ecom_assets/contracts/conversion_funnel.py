"""Contract of the daily funnels. Not here: funnel definitions (`transforms/funnel.py`)."""

from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.table import Table, count, day, rate, text


class ConversionFunnel(Table):
    """One row per funnel, day, unit, category and step; category `(all)` holds the totals."""

    layer = "mart"
    group = "behaviour"
    key = ("funnel_name", "cohort_date", "unit", "product_category", "step")
    day_column = "cohort_date"
    counted_from = (CleanEvents,)

    funnel_name = text("The funnel's name, `default` where none are declared")
    cohort_date = day("The day on which the session, or the visitor's try, started")
    unit = text("What is counted", one_of=("session", "visitor"))
    product_category = text("First category seen in the try, `(none)` without one, `(all)` for the total")
    step = count("Place of the step, from 1", unit="place")
    event_type = text("The step's event type")
    unit_count = count("Sessions or visitors that reached the step", unit="units")
    conversion_from_start_rate = rate("Share of those at step 1", nullable=True)
    conversion_from_previous_rate = rate("Share of those at the step before", nullable=True)
