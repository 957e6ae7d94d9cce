"""All stand-ins over one sandbox shop, and the settings to use them by."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ecom_assets.sandbox.services import orders as order_service
from ecom_assets.sandbox.services.catalogue import CatalogueService
from ecom_assets.sandbox.services.customers import CustomerService
from ecom_assets.sandbox.services.orders import OrderService
from ecom_assets.sandbox.services.service import Faults
from ecom_assets.sandbox.shop.customers import ShopCustomers, make_customers
from ecom_assets.sandbox.vendors.faults import NO_FAULTS
from ecom_assets.sandbox.vendors.running import Receivers, running_receivers, some_faults

TRUTH, SERVED = "services_truth.json", "served"


@dataclass(frozen=True)
class Ports:
    """Where each listens; 0 takes a free one. The receivers are Amplitude, Heap, Mixpanel and GA4."""

    customers: int = 0
    orders: int = 0
    catalogue: int = 0
    receivers: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class SandboxServices:
    """What runs, and what is true about its data."""

    folder: Path
    customers: CustomerService
    orders: OrderService
    catalogue: CatalogueService
    receivers: Receivers
    truth: dict[str, object]

    def environment(self) -> dict[str, str]:
        """Return the settings that make the platform use these services, and the events beside them."""
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
    """Serve the sandbox shop in `folder`, with faults or without; the truth goes to `services_truth.json` there.

    What the receivers get goes to `served/` there, and they go on from it the next time.

    Raises:
        UsageError: A port is in use.
    """
    ports, made = ports or Ports(), customers_of(folder)
    truth: dict[str, object] = {"customers": made.truth, "orders": _orders(folder)}
    (folder / TRUTH).write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    with (
        CustomerService(made.records, ports.customers, faults) as customers,
        OrderService(folder / "orders.parquet", ports.orders, faults) as orders,
        CatalogueService(folder / "catalogue.parquet", ports.catalogue, faults) as catalogue,
        running_receivers(
            ports=ports.receivers, journals=folder / SERVED, faults=some_faults() if faults else NO_FAULTS
        ) as receivers,
    ):
        yield SandboxServices(folder.absolute(), customers, orders, catalogue, receivers, truth)


def customers_of(folder: Path) -> ShopCustomers:
    """Return the customers of the sandbox shop in a folder."""
    settings = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["settings"]
    first_day = date.fromisoformat(settings["first_day"])
    return make_customers(
        seed=settings["seed"], visitors=settings["visitors"], first_day=first_day, days=settings["days"]
    )


def _orders(folder: Path) -> object:
    """What the shop counted while it made its orders."""
    return json.loads((folder / "truth.json").read_text(encoding="utf-8"))["orders"]
