"""Which day a fetch belongs to, what it leaves alone, and what it reports."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets.commerce.customers.contracts import (
    Customers,
    DuplicateCustomers,
    QuarantinedCustomers,
    RawCustomers,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import build_definitions
from ecom_assets.ingestion.sources.customer_api.api import (
    NO_CUSTOMERS,
    ApiCustomers,
    fetch_customers,
)
from ecom_assets_tests.command import page_views
from ecom_assets_tests.services import customers_fetched, ids_of, people, settings_for
from ecom_sandbox.services.pages import CustomerService
from ecom_sandbox.services.service import Faults

TODAY, BEFORE = date(2026, 3, 10), date(2026, 3, 9)
KEYS = [
    dg.AssetKey([contract.layer, contract.name])
    for contract in (RawCustomers, QuarantinedCustomers, DuplicateCustomers, Customers)
]


class Shop:
    """A shop with a customer API, whose clock a test sets."""

    def __init__(self, api: CustomerService, folder: Path) -> None:
        events = page_views(folder / "own.csv", str(TODAY))
        self.settings = settings_for(
            folder / "home", api, events=str(events), customer_api_page_size=2
        )
        self.today = TODAY

    def run(self, day: date) -> dict[str, Any]:
        """Materialize the customer tables of a day; return what was reported about the fetch."""
        source = ApiCustomers(
            self.settings, now=lambda: datetime(*self.today.timetuple()[:3], 12, tzinfo=UTC)
        )
        made = build_definitions(self.settings, resources={"customer_source": source})
        with dg.DagsterInstance.ephemeral() as instance:
            result = made.resolve_job_def("everything").execute_in_process(
                instance=instance,
                partition_key=day.isoformat(),
                asset_selection=KEYS,
                raise_on_error=True,
            )
            (event,) = result.asset_materializations_for_node("raw__customers")
            return {name: value.value for name, value in event.metadata.items()}

    def reported(self) -> dict[date, list[str | None]]:
        """Return who was received, by day of the fetch."""
        engine = new_engine(self.settings).open()
        try:
            rows = engine.table(RawCustomers).order_by("record_number").to_pyarrow().to_pylist()
        finally:
            engine.close()
        days: dict[date, list[str | None]] = {}
        for row in rows:
            days.setdefault(row["received_date"], []).append(row["customer_id"])
        return days


@pytest.fixture
def shop(customer_api: CustomerService, tmp_path: Path) -> Shop:
    return Shop(customer_api, tmp_path)


@pytest.mark.slow
def test_a_fetch_replaces_its_own_day_and_no_other(
    shop: Shop, customer_api: CustomerService
) -> None:
    shop.today = BEFORE
    shop.run(BEFORE)
    customer_api.records = people(1, 2, 3)
    shop.today = TODAY
    shop.run(TODAY)
    customer_api.records = people(1, 2, 3, 4)
    shop.run(TODAY)
    assert shop.reported() == {BEFORE: [*"123456"], TODAY: [*"1234"]}


@pytest.mark.slow
def test_an_older_day_that_is_run_again_keeps_what_was_received_then(
    shop: Shop, customer_api: CustomerService
) -> None:
    shop.today = BEFORE
    shop.run(BEFORE)
    customer_api.forget()
    shop.today = TODAY
    reported = shop.run(BEFORE)
    assert shop.reported() == {BEFORE: [*"123456"]}
    assert customer_api.counts.request_count == 0
    assert reported["fetched"] is False
    assert (
        reported["not_fetched_because"]
        == "a fetch belongs to the day on which it is made, 2026-03-10"
    )


@pytest.mark.slow
def test_what_the_fetch_cost_is_reported_with_the_materialization(
    shop: Shop, customer_api: CustomerService
) -> None:
    customer_api.faults = Faults(
        server_errors=1, duplicated_pages=1, malformed_pages=1, conflicting_pages=1
    )
    reported = shop.run(TODAY)
    assert reported["fetched"] is True
    assert reported["retry_counts"] == {"server_error": 1}
    counts = (
        "request_count",
        "record_count",
        "customer_count",
        "duplicate_count",
        "quarantined_count",
    )
    # Three pages, twice, and one more try; one page has an older copy, one of the same time, and a
    # record that is none.
    assert [reported[name] for name in counts] == [7, 9, 6, 2, 1]
    assert (reported["conflict_count"], reported["is_settled"], reported["shortfall"]) == (
        1,
        True,
        "none",
    )
    assert {"rate_limit_wait_s", "received_bytes", "took_s"} <= set(reported)


def test_today_is_a_day_of_the_reporting_zone(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, customer_api, timezone="Asia/Tokyo")
    source = ApiCustomers(settings, now=lambda: datetime(2026, 3, 9, 15, tzinfo=UTC))
    assert source.received(Days((BEFORE, TODAY))).days == Days((TODAY,))


def test_without_an_api_nothing_is_replaced() -> None:
    actual = NO_CUSTOMERS.received(Days((TODAY,)))
    assert (actual.days, actual.rows.count().to_pyarrow().as_py()) == (Days(()), 0)
    assert actual.metadata["not_fetched_because"] == "ECOM_CUSTOMER_API_URL is not set"


def test_pages_that_never_settle_leave_records_of_all_they_had(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    fetched = customers_fetched(
        customer_api, tmp_path, Faults(shift_every=1, shift_count=999), customer_api_passes=3
    )
    reported = [int(record.customer.id) for record in fetched.records if record.customer]
    assert not fetched.is_settled
    assert set(reported) == set(ids_of(fetched))
    assert {customer.payload for customer in fetched.customers} <= {
        record.payload for record in fetched.records
    }


def test_records_keep_their_places(customer_api: CustomerService, tmp_path: Path) -> None:
    customer_api.faults = Faults(malformed_pages=1)
    fetched = fetch_customers(settings_for(tmp_path, customer_api, customer_api_page_size=4))
    assert [(record.page, record.position) for record in fetched.records] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (1, 5),
        (2, 1),
        (2, 2),
    ]
