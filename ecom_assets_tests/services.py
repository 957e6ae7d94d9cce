"""The sandbox's stand-ins as tests use them, and settings that reach them without waiting."""

from pathlib import Path
from typing import Any

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.customer_api.api import CustomerFetch, fetch_customers
from ecom_sandbox.services.orders import COHORT, NICKNAME, OrderService
from ecom_sandbox.services.pages import CustomerService
from ecom_sandbox.services.service import Faults

SIX = tuple(range(1, 7))
"""The customers of most tests: three pages of two."""
BASE_S = 0.01
"""Seconds before the first retry: 10, 20 and 40 ms, where a shop waits 1, 2 and 4 s."""


def settings_for(
    home: Path,
    customers: CustomerService | None = None,
    orders: OrderService | None = None,
    **options: Any,
) -> Settings:
    """Return settings that use these services; `given` wins."""
    answer: dict[str, Any] = {
        "home": home,
        "source_retry_base_s": BASE_S,
        "order_api_poll_s": BASE_S,
    }
    if customers:
        answer |= {"customer_api_url": customers.api_url, "customer_api_key": customers.key}
    if orders:
        answer |= {"order_api_url": orders.api_url, "order_api_key": orders.key}
        answer |= {"order_api_nickname": NICKNAME, "order_api_cohort": COHORT}
    return Settings(**(answer | options))


def people(*ids: int) -> list[dict[str, Any]]:
    """Return a customer for each id: their name is their id, and they last
    changed on New Year's Day.
    """
    return [
        {
            "id": id_,
            "email": f"{id_}@example.com",
            "first_name": f"N{id_}",
            "last_name": "Doe",
            "city": "Berlin",
            "country": "DE",
            "updated_at": "2026-01-01T00:00:00Z",
        }
        for id_ in ids
    ]


def customers_fetched(
    service: CustomerService, home: Path, faults: Faults | None = None, **options: Any
) -> CustomerFetch:
    """Fetch from a service that these faults happen to, two customers a page."""
    service.faults = faults or Faults()
    return fetch_customers(settings_for(home, service, **({"customer_api_page_size": 2} | options)))


def ids_of(fetched: CustomerFetch) -> list[int]:
    """Return who came, in their order."""
    return [int(customer.id) for customer in fetched.customers]
