"""All stand-ins for one sandbox shop, and the settings that connect the platform to them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ecom_assets.ingestion.sources.sandbox_shop import is_living
from ecom_sandbox.services import orders as order_service
from ecom_sandbox.services.orders import OrderService
from ecom_sandbox.services.pages import CatalogueService, CustomerService
from ecom_sandbox.services.service import Faults
from ecom_sandbox.shop.customers import ShopCustomers, make_customers
from ecom_sandbox.shop.living import living_customers
from ecom_sandbox.vendors.faults import NO_FAULTS
from ecom_sandbox.vendors.running import Receivers, running_receivers, some_faults

TRUTH, SERVED = "services_truth.json", "served"


@dataclass(frozen=True)
class Ports:
    """The port of each stand-in; 0 means a free one.

    `receivers` has those of the tools, by name.
    """

    customers: int = 0
    orders: int = 0
    catalogue: int = 0
    receivers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SandboxServices:
    """The running stand-ins, and the ground truth of their data."""

    folder: Path
    customers: CustomerService
    orders: OrderService
    catalogue: CatalogueService
    receivers: Receivers
    truth: dict[str, object]

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make the platform use these
        services and the shop's events.
        """
        return {
            "ECOM_EVENTS": str(self.folder / "events"),
            "ECOM_CUSTOMER_API_URL": self.customers.api_url,
            "ECOM_CUSTOMER_API_KEY": self.customers.key,
            "ECOM_ORDER_API_URL": self.orders.api_url,
            "ECOM_ORDER_API_NICKNAME": order_service.NICKNAME,
            "ECOM_ORDER_API_COHORT": order_service.COHORT,
            "ECOM_ORDER_API_KEY": self.orders.key,
            "ECOM_CATALOGUE_API_URL": self.catalogue.api_url,
            "ECOM_CATALOGUE_API_KEY": self.catalogue.key,
            **self.receivers.environment(),
        }


@contextmanager
def running_services(
    folder: Path, *, ports: Ports | None = None, faults: Faults | None = None
) -> Iterator[SandboxServices]:
    """Serve the sandbox shop in `folder`,
    and write the ground truth to `services_truth.json` there.

    The vendor stand-ins keep their request logs in `served/` there, and continue from them the next
    time.

    Raises:
        UsageError: A port is in use.
    """
    ports, made = ports or Ports(), customers_of(folder)
    shop = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    by_month = {month: counts["orders"] for month, counts in shop.get("months", {}).items()}
    truth: dict[str, object] = {
        "customers": made.truth,
        "orders": by_month if is_living(shop) else shop["orders"],
    }
    (folder / TRUTH).write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    with (
        CustomerService(made.records, ports.customers, faults) as customers,
        OrderService(folder / "orders.parquet", ports.orders, faults) as orders,
        CatalogueService(folder / "catalogue.parquet", ports.catalogue, faults) as catalogue,
        running_receivers(
            ports=ports.receivers,
            request_logs=folder / SERVED,
            faults=some_faults() if faults else NO_FAULTS,
        ) as receivers,
    ):
        yield SandboxServices(folder.absolute(), customers, orders, catalogue, receivers, truth)


def customers_of(folder: Path) -> ShopCustomers:
    """Return the customers of the sandbox shop in a folder."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    if is_living(truth):
        return living_customers(truth)
    settings = truth["settings"]
    first_day = date.fromisoformat(settings["first_day"])
    return make_customers(
        seed=settings["seed"],
        visitors=settings["visitors"],
        first_day=first_day,
        days=settings["days"],
    )
