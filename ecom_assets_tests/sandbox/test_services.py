"""The stand-ins of the customer and order report APIs: what they serve is the sandbox shop's,
and faults are as asked.

Not here: the platform's sources against them (`sources/`).
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from ecom_assets.core.errors import UsageError
from ecom_assets.ingestion.sources.customer_api.api import fetch_customers
from ecom_assets.ingestion.sources.order_reports.api import fetch_increments
from ecom_assets_tests.each import each
from ecom_assets_tests.services import people, settings_for
from ecom_sandbox.running import SandboxServices, running_services
from ecom_sandbox.services.orders import COHORT, NICKNAME
from ecom_sandbox.services.pages import CustomerService
from ecom_sandbox.services.service import KINDS, FaultPlan, Faults, read_fields
from ecom_sandbox.shop.customers import FLAWS, FUTURE, make_customers
from ecom_sandbox.shop.shop import generate

pytestmark = pytest.mark.xdist_group("sandbox_services")
FIRST_DAY = date(2026, 1, 1)
DAYS, VISITORS = 30, 600
TIMEOUT_S = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("services") / "sandbox"
    generate(out, days=DAYS, visitors=VISITORS)
    return out


@pytest.fixture(scope="module")
def services(folder: Path) -> Iterator[SandboxServices]:
    with running_services(folder) as running:
        yield running


@pytest.fixture
def api() -> Iterator[CustomerService]:
    with CustomerService(people(*range(1, 11))) as service:
        yield service


def page(
    api: CustomerService, number: int = 1, size: int = 2, headers: dict[str, str] | None = None
) -> requests.Response:
    with requests.Session() as session:
        params, sent = {"page": number, "per_page": size}, {"X-API-KEY": api.key, **(headers or {})}
        return session.get(api.api_url, params=params, headers=sent, timeout=TIMEOUT_S)


def step(services: SandboxServices, path: str, **params: str) -> requests.Response:
    headers = {"X-Nickname": NICKNAME, "X-Cohort": COHORT, "X-API-KEY": services.orders.key}
    with requests.Session() as session:
        return session.get(
            f"{services.orders.url}{path}", params=params, headers=headers, timeout=TIMEOUT_S
        )


# Customers


@pytest.mark.slow
def test_the_customers_are_the_people_of_events_and_orders(
    services: SandboxServices, folder: Path
) -> None:
    by_id = {record["id"]: record for record in reversed(services.customers.records)}
    assert sorted(by_id) == [*range(1_000_001, 1_000_001 + VISITORS)]
    con = duckdb.connect()
    users = con.execute(
        f"SELECT DISTINCT user_id::BIGINT FROM '{folder}/events/*/*.parquet' WHERE user_id "
        f"SIMILAR TO '1[0-9]{{6}}'"
    ).fetchall()
    scrapers = json.loads((folder / "truth.json").read_text())["visitors"]["scrapers"]
    assert len({user for (user,) in users} - by_id.keys()) == scrapers
    buyers = con.execute(
        f"SELECT customer_id, first_name, city_name FROM '{folder}/orders.parquet'"
    ).fetchall()
    assert len(buyers) > 20
    names = Counter(
        (by_id[buyer]["first_name"], by_id[buyer]["city"]) == (name, city)
        for buyer, name, city in buyers
    )
    # Unicode and empty names are flaws of the list; the order report keeps the plain ones.
    assert names[True] > 0.85 * len(buyers)


def test_every_flaw_is_there_as_often_as_the_truth_says(services: SandboxServices) -> None:
    records, truth = services.customers.records, services.truth["customers"]
    assert isinstance(truth, dict)
    first = records[: truth["customers"]]
    counted = {
        "missing_email": sum(not record["email"] for record in first),
        "future_date": sum(record["last_login_at"] == FUTURE for record in first),
        "missing_date": sum(record["last_login_at"] is None for record in first),
        "empty_name": sum(not (record["first_name"] or "").strip() for record in first),
        "unicode_name": sum(
            not (record["first_name"] or "").isascii() or "Å" in (record["last_name"] or "")
            for record in first
        ),
        "older_copy": len(records) - truth["customers"],
    }
    assert {name: truth["flaws"][name] for name in counted} == counted
    assert set(truth["flaws"]) == set(FLAWS)
    assert all(count >= 1 for count in truth["flaws"].values())
    assert sum(truth["by_country"].values()) == VISITORS == truth["customers"]
    assert truth["records"] == len(records)


def test_an_older_copy_is_older(services: SandboxServices) -> None:
    by_id: dict[int, list[dict[str, Any]]] = {}
    for record in services.customers.records:
        by_id.setdefault(record["id"], []).append(record)
    twice = [copies for copies in by_id.values() if len(copies) == 2]
    assert twice
    for newer, older in twice:
        assert datetime.fromisoformat(newer["updated_at"]) - datetime.fromisoformat(
            older["updated_at"]
        ) == timedelta(days=30)
        assert older["city"] == "Bremen"


def test_the_same_seed_gives_the_same_customers_and_another_gives_others() -> None:
    first, same, other = (
        make_customers(seed=s, visitors=50, first_day=FIRST_DAY, days=3) for s in (1, 1, 2)
    )
    assert first == same
    assert first != other


@pytest.mark.parametrize("visitors", [1, 2, 5])
def test_a_tiny_shop_has_customers_too(visitors: int) -> None:
    made = make_customers(seed=7, visitors=visitors, first_day=FIRST_DAY, days=1)
    assert made.truth["customers"] == visitors
    assert sum(made.truth["flaws"].values()) == visitors


def test_a_page_is_like_those_of_reqres_and_says_whether_it_has_changed(
    api: CustomerService,
) -> None:
    result = page(api, 4, 3)
    assert {name: result.json()[name] for name in ("page", "per_page", "total", "total_pages")} == {
        "page": 4,
        "per_page": 3,
        "total": 10,
        "total_pages": 4,
    }
    assert [record["id"] for record in result.json()["data"]] == [10]
    again = page(api, 4, 3, {"If-None-Match": result.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert page(api, 5, 3).json()["data"] == []
    assert [page(api, 0).status_code, page(api, headers={"X-API-KEY": "other"}).status_code] == [
        400,
        403,
    ]


# Orders


def test_the_files_hold_every_order_of_the_shop_once(services: SandboxServices) -> None:
    truth = services.truth["orders"]
    assert isinstance(truth, dict)
    rows: list[dict[str, str]] = []
    for day in (FIRST_DAY + timedelta(days=n) for n in range(DAYS)):
        body = step(services, "/get_increment", report_id="report-1", date=f"{day}T00:00:00").json()
        if body["status"] == "NOT FOUND":
            continue
        path = body["data"]["s3_path"]["user_order_log_inc"].removeprefix(services.orders.url)
        text = step(services, path).content.decode()
        of_day = list(csv.DictReader(io.StringIO(text, newline="")))
        assert len(of_day) == body["data"]["row_count"] > 0
        assert {row["date_time"][:10] for row in of_day} == {str(day)}
        rows += of_day
    amounts = {status: Decimal(0) for status in ("shipped", "refunded")}
    for row in rows:
        amounts[row["status"]] += Decimal(row["payment_amount"])
    assert truth["refunds"] > 0
    assert (
        len({row["uniq_id"] for row in rows})
        == len(rows)
        == truth["order_lines"] + truth["refund_lines"]
    )
    assert [f"{amounts[status]:.2f}" for status in amounts] == [
        truth["shipped_amount"],
        truth["refunded_amount"],
    ]


def test_a_day_without_orders_has_no_increment(services: SandboxServices) -> None:
    body = step(services, "/get_increment", report_id="report-1", date="2027-01-01T00:00:00").json()
    nothing = {"report_id": "report-1", "increment_id": None, "s3_path": None}
    assert body == {"status": "NOT FOUND", "data": nothing}
    assert step(services, "/increment-2027-01-01/user_order_log_inc.csv").status_code == 404


def test_the_truth_lies_beside_the_shop(services: SandboxServices, folder: Path) -> None:
    assert json.loads((folder / "services_truth.json").read_text()) == services.truth


# Faults


@pytest.mark.slow
def test_with_some_of_all_faults_everything_still_comes(folder: Path, tmp_path: Path) -> None:
    days = [FIRST_DAY + timedelta(days=n) for n in range(DAYS)]
    with running_services(folder, faults=Faults.some_of_all()) as running:
        settings = settings_for(
            tmp_path, running.customers, running.orders, customer_api_page_size=50
        )
        customers = fetch_customers(settings)
        increments = list(fetch_increments(settings, days))
    truth = json.loads((folder / "truth.json").read_text())["orders"]
    assert (len(customers.customers), customers.is_settled, len(customers.quarantined)) == (
        VISITORS,
        True,
        2,
    )
    assert (
        sum(increment.row_count for increment in increments)
        == truth["order_lines"] + truth["refund_lines"]
    )
    retries = Counter(customers.costs.retry_counts) + Counter(increments[-1].costs.retry_counts)
    assert set(retries) == {"rate_limited", "server_error", "dropped", "truncated"}


def test_each_fault_is_what_it_says(api: CustomerService) -> None:
    api.faults = Faults(
        rate_limited=1, retry_after="7", server_errors=1, dropped=1, truncated=1, unfinished=1
    )
    limited = page(api)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    assert page(api).status_code == 500
    with pytest.raises(requests.ConnectionError):
        page(api)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        page(api)
    unfinished = page(api)
    assert (unfinished.status_code, "Content-Length" in unfinished.headers) == (200, False)
    with pytest.raises(requests.JSONDecodeError):
        unfinished.json()
    assert (page(api).status_code, api.faults) == (200, Faults(retry_after="7"))


def test_a_date_to_come_back_at_is_in_the_near_future(api: CustomerService) -> None:
    api.faults = Faults(rate_limited=1, retry_after="date")
    at = parsedate_to_datetime(page(api).headers["Retry-After"])
    assert timedelta(seconds=-1) <= at - datetime.now(UTC) <= timedelta(seconds=1)


def test_pages_with_copies_conflicts_and_records_that_are_none(api: CustomerService) -> None:
    api.faults = Faults(duplicated_pages=2, conflicting_pages=1, malformed_pages=1)
    first, second, third = (page(api, number).json()["data"] for number in (1, 2, 3))
    assert [record.get("id") for record in first] == [1, 2, 1, 1, None]
    assert [record["updated_at"] for record in first[2:4]] == [
        "2025-12-31T00:00:00Z",
        "2026-01-01T00:00:00Z",
    ]
    assert ([record["id"] for record in second], [record["id"] for record in third]) == (
        [3, 4, 3],
        [5, 6],
    )


def test_a_shift_moves_the_first_customer_to_the_end(api: CustomerService) -> None:
    api.faults = Faults(shift_every=2, shift_count=1)
    assert [page(api, number).json()["data"][0]["id"] for number in (1, 2, 3, 5)] == [1, 3, 6, 10]
    assert page(api, 5).json()["data"][1]["id"] == 1


def test_simultaneous_requests_are_counted(api: CustomerService) -> None:
    api.faults = Faults(latency_s=0.2)
    with ThreadPoolExecutor(3) as pool:
        assert [
            result.status_code for result in pool.map(lambda number: page(api, number), (1, 2, 3))
        ] == [200] * 3
    assert (api.counts.most_at_once, api.counts.request_count) == (3, 3)
    api.forget()
    assert api.counts.request_count == 0


def test_recurring_faults_take_turns_and_never_hit_the_second_try() -> None:
    plan = FaultPlan(Faults(every=2))
    first_tries = [plan.take_for(f"page {number}") for number in range(10)]
    assert first_tries == [kind for pair in zip([""] * 5, KINDS, strict=True) for kind in pair]
    assert [plan.take_for(f"page {number}") for number in range(10)] == [""] * 10


@each("answer", [{"lateness": 1}, {"dropped": "1"}, {"dropped": True}, {"retry_after": 1}])
def test_what_is_no_fault_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is not a fault; the faults are latency_s, rate_limited"):
        read_fields(Faults, answer)


def test_faults_are_set_over_http(api: CustomerService) -> None:
    control = f"{api.url}/control/faults"
    with requests.Session() as session:
        assert (
            session.put(control, json={"latency_s": 0, "dropped": 2}, timeout=TIMEOUT_S).json()[
                "dropped"
            ]
            == 2
        )
        assert session.put(control, data=b"[", timeout=TIMEOUT_S).status_code == 400
        assert session.get(control, timeout=TIMEOUT_S).json()["dropped"] == 2
        counts = session.get(f"{api.url}/control/counts", timeout=TIMEOUT_S).json()
        assert session.get(f"{api.url}/control/other", timeout=TIMEOUT_S).status_code == 404
    assert counts == {"request_count": 0, "most_at_once": 0, "by_path": {}}
