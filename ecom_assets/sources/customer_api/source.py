"""The source of customers: the configured API, the sandbox's API, or none.

The API lists current customers, not past ones, so a fetch belongs to the day on which it is made. A run over other days
keeps what was received on them.
"""

from datetime import date

from ecom_assets.clock import Clock, now_utc, today_in
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.api import CustomerFetch, fetch_customers
from ecom_assets.sources.customer_api.records import customer_rows
from ecom_assets.tables.days import Days
from ecom_assets.tables.received import SliceOutput


def no_customers(reason: str) -> SliceOutput:
    """Return no rows for no days, with a reason; the table is not changed."""
    return SliceOutput.nothing(customer_rows((), date.min, ""), reason)


def customers_received(fetched: CustomerFetch, today: date, source: str) -> SliceOutput:
    """Return rows of `RawCustomers` that replace an earlier fetch of the same day."""
    metadata = {"fetched": True, **fetched.metrics(), "shortfall": fetched.shortfall or "none"}
    return SliceOutput(customer_rows(fetched.records, today, source), Days((today,)), metadata)


class NoCustomers:
    """The source of a shop without a customer API."""

    def received(self, _days: Days) -> SliceOutput:
        """Return no rows for no days."""
        return no_customers("ECOM_CUSTOMER_API_URL is not set")


class ApiCustomers:
    """The customers of the configured API."""

    def __init__(self, settings: Settings, now: Clock = now_utc) -> None:
        """Store the settings, and the clock that returns the current day."""
        self._settings = settings
        self._now = now

    def received(self, days: Days) -> SliceOutput:
        """Fetch the customers if today is one of the days; else return no rows for no days.

        Raises:
            SourceError: The API cannot be reached, returns an error, or does not match the mapping.
        """
        today = today_in(self._settings.timezone, self._now)
        if today not in days.dates:
            return no_customers(f"a fetch belongs to the day on which it is made, {today}")
        return customers_received(fetch_customers(self._settings), today, self._settings.customer_api_url)


def has_customers(settings: Settings) -> bool:
    """Return whether there are customers to fetch: a configured API, or the sandbox's if no own data are configured."""
    return bool(settings.customer_api_url) or not settings.has_own_data
