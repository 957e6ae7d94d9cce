"""The source of customers: the API that is set, the sandbox's, or none.

A fetch belongs to the day on which it is made: the API lists who is a customer now, not who was. So a run over other
days leaves what was received then as it is.
"""

from datetime import date

from ecom_assets.clock import Clock, now_utc, today_in
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.api import CustomerFetch, fetch_customers
from ecom_assets.sources.customer_api.records import customer_rows
from ecom_assets.tables.days import Days
from ecom_assets.tables.received import SliceOutput


def no_customers(reason: str) -> SliceOutput:
    """Leave all as it is."""
    return SliceOutput.nothing(customer_rows((), date.min, ""), reason)


def customers_received(fetched: CustomerFetch, today: date, source: str) -> SliceOutput:
    """Return rows of `RawCustomers`, in the place of what was fetched earlier on the same day."""
    told = {"fetched": True, **fetched.metrics(), "shortfall": fetched.shortfall or "none"}
    return SliceOutput(customer_rows(fetched.records, today, source), Days((today,)), told)


class NoCustomers:
    """For a shop that has set no customer API."""

    def received(self, _days: Days) -> SliceOutput:
        """Leave all as it is."""
        return no_customers("ECOM_CUSTOMER_API_URL is not set")


class ApiCustomers:
    """The customers of the API that is set."""

    def __init__(self, settings: Settings, now: Clock = now_utc) -> None:
        """Take the settings, and the clock that says what day it is."""
        self._settings = settings
        self._now = now

    def received(self, days: Days) -> SliceOutput:
        """Fetch, if today is among the days; else leave all as it is.

        Raises:
            SourceError: The API cannot be reached, refuses, or does not speak the protocol.
        """
        today = today_in(self._settings.timezone, self._now)
        if today not in days.dates:
            return no_customers(f"a fetch belongs to the day on which it is made, {today}")
        return customers_received(fetch_customers(self._settings), today, self._settings.customer_api_url)


def has_customers(settings: Settings) -> bool:
    """Tell whether there are customers to fetch: from an API, or the sandbox's where nothing own was given."""
    return bool(settings.customer_api_url) or not settings.has_own_data
