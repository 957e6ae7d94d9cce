"""Contracts of days that are held back, and of the releases that let them in.

A source that can hold days has a table of its own that extends `HeldDays`. Not here: which days are held
(`transforms/held_days.py`).
"""

from ecom_assets.contracts.table import Table, count, day, instant, text

HOLD_REASONS = ("report_missing", "too_few_customers")
"""Why a day of orders can be held; the first that applies."""


class HeldDays(Table):
    """One row per day of arrival that is held back: nothing is built on its rows until it is released or mended."""

    layer = "staging"
    key = ("held_date",)
    day_column = "held_date"

    held_date = day("The day of arrival that is held back")
    reason = text("Why it is held")
    observed_count = count("What was observed", unit="as limit_count")
    limit_count = count("What it had to exceed", unit="as observed_count")
    held_row_count = count("Rows of the day that would be clean, and are held back", unit="rows")
    held_at = instant("When a run first held it")


class HeldOrderDays(HeldDays):
    """One row per day of arrival whose order lines are held back: too few customers, or no report at all."""

    group = "sales"

    reason = text("Why it is held", one_of=HOLD_REASONS)
    observed_count = count("Customers of the day's lines", unit="customers")
    limit_count = count("ECOM_ORDER_CUSTOMERS_OVER: how many there had to be more than", unit="customers")


class DayReleases(Table):
    """One row per source and day that somebody has let in although it was held; no run computes or removes it."""

    layer = "staging"
    group = "trust"
    key = ("released_date", "source")
    day_column = "released_date"

    released_date = day("The day of arrival that was let in")
    source = text("Whose day it is, such as `orders`")
    reason = text("Why it had been held")
    observed_count = count("What had been observed then", unit="as limit_count")
    limit_count = count("What it had to exceed", unit="as observed_count")
    released_by = text("Who let it in", pii=True)
    released_at = instant("When")
