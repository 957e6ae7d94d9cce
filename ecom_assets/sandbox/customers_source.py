"""The sandbox shop's customers, over its customer API with faults on, in this process. Not here: the API."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from ecom_assets.sandbox.customer_service import CustomerService
from ecom_assets.sandbox.service_faults import Faults
from ecom_assets.sandbox.services import customers_of
from ecom_assets.settings import Settings
from ecom_assets.sources.customer_api import CustomerFetch, fetch_customers
from ecom_assets.sources.customer_source import customers_received, no_customers
from ecom_assets.sources.event_source import SANDBOX
from ecom_assets.sources.received import Received
from ecom_assets.transforms.days import Days

RETRY_BASE_S = 0.1
"""Nobody needs to be spared by a stand-in."""


def bad_customer_day() -> Faults:
    """Return faults of every kind; the one shift comes first, so that the same records are told every time."""
    return Faults(
        latency_s=0.002, retry_after="0", every=9, shift_every=1, shift_count=1, duplicated_pages=2,
        conflicting_pages=1, malformed_pages=2,
    )  # fmt: skip


class SandboxCustomers:
    """The sandbox shop's customers; its today is the last day of the shop."""

    def __init__(self, settings: Settings, prepare: Callable[[Settings], None]) -> None:
        """Take the settings; `prepare` makes the shop where it is missing."""
        self._settings = settings
        self._prepare = prepare

    def received(self, days: Days) -> Received:
        """Fetch, if the shop's last day is among the days; else leave all as it is."""
        self._prepare(self._settings)
        folder = self._settings.sandbox_folder
        today = last_day(folder)
        if today not in days.dates:
            return no_customers(f"a fetch belongs to the day on which it is made, {today} in the sandbox")
        with CustomerService(customers_of(folder).records, faults=bad_customer_day()) as service:
            return customers_received(self._fetched_from(service), today, SANDBOX)

    def _fetched_from(self, service: CustomerService) -> CustomerFetch:
        # Each time the service has another port, so nothing of its answers is worth keeping.
        with TemporaryDirectory() as home:
            there = {"customer_api_url": service.api_url, "customer_api_key": SecretStr(service.key)}
            return fetch_customers(
                self._settings.model_copy(update={**there, "home": Path(home), "source_retry_base_s": RETRY_BASE_S})
            )


def last_day(folder: Path) -> date:
    """Return the last day of the sandbox shop in a folder."""
    settings = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["settings"]
    return date.fromisoformat(settings["first_day"]) + timedelta(days=settings["days"] - 1)
