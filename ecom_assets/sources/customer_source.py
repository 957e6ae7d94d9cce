"""The customers that the platform is set to take in: from the API that is set, from the sandbox's, or none.

A fetch belongs to the day on which it is made: the API tells who is a customer now, not who was. So a run over other
days leaves what was received then as it is. Not here: how the API is asked (`customer_api.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import ibis.expr.types as ir

from ecom_assets.settings import Settings
from ecom_assets.sources.customer_api import CustomerFetch, fetch_customers
from ecom_assets.sources.customer_rows import customer_rows
from ecom_assets.transforms.days import Days

NO_DAYS = Days(())


@dataclass(frozen=True)
class ReceivedCustomers:
    """Rows of `RawCustomers`, the days whose rows they replace, and what to tell about the fetch."""

    rows: ir.Table
    days: Days
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def nothing(cls, reason: str) -> "ReceivedCustomers":
        """Return no rows for no days: what the table has stays."""
        return cls(customer_rows((), date.min, ""), NO_DAYS, {"fetched": False, "not_fetched_because": reason})

    @classmethod
    def of(cls, fetched: CustomerFetch, today: date, source: str) -> "ReceivedCustomers":
        """Return what was fetched, in the place of what was fetched earlier on the same day."""
        told = {"fetched": True, **fetched.metrics(), "shortfall": fetched.shortfall or "none"}
        return cls(customer_rows(fetched.records, today, source), Days((today,)), told)


class CustomerSource(Protocol):
    """Who is a customer now."""

    def received(self, days: Days) -> ReceivedCustomers:
        """Fetch, if today is among the days; else leave all as it is."""


class NoCustomers:
    """For a shop that has set no customer API."""

    def received(self, _days: Days) -> ReceivedCustomers:
        """Leave all as it is."""
        return ReceivedCustomers.nothing("ECOM_CUSTOMER_API_URL is not set")


def _now() -> datetime:
    return datetime.now(UTC)


class ApiCustomers:
    """The customers of the API that is set."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = _now) -> None:
        """Take the settings, and the clock that says what day it is."""
        self._settings = settings
        self._now = now

    def received(self, days: Days) -> ReceivedCustomers:
        """Fetch, if today is among the days; else leave all as it is.

        Raises:
            SourceError: The API cannot be reached, refuses, or does not speak the protocol.
        """
        today = self._now().astimezone(ZoneInfo(self._settings.timezone)).date()
        if today not in days.dates:
            return ReceivedCustomers.nothing(f"a fetch belongs to the day on which it is made, {today}")
        return ReceivedCustomers.of(fetch_customers(self._settings), today, self._settings.customer_api_url)


def has_customers(settings: Settings) -> bool:
    """Tell whether there are customers to fetch: from an API, or the sandbox's where nothing own was given."""
    return bool(settings.customer_api_url) or not (settings.events or settings.orders)
