"""`ecom run` over a shop whose customer API has text ids, or another layout:
everybody comes through everywhere.

Four customers, `0b7c1f6e-1` to `-4`. On the day before today the first visits from a newsletter and
orders for 600, the second orders for 150; the others do nothing. Not here: reading the API
(`sources/`).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.cli.summary.run import unfilled_columns
from ecom_assets.commerce.customers.contracts import Customers, CustomerSegments, LifetimeValue
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets_tests.command import HEADER, CommandResult, ecom, page_views
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_assets_tests.ingestion.sources import customer_layouts as layouts
from ecom_assets_tests.ingestion.sources.customer_layouts import LayoutService, twelve
from ecom_assets_tests.services import people
from ecom_sandbox.services.pages import CustomerService
from ecom_sandbox.services.service import ServiceRequest, ServiceResponse

IDS = [f"0b7c1f6e-{n}" for n in (1, 2, 3, 4)]
TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
TABLES = (
    '+key:"staging/customers" or +key:"mart/customer_segments" or +key:"mart/lifetime_value" or '
    '+key:"export/customers_json" or +key:"export/amplitude_users"'
)
ORDERS = f"""{ORDER_HEADER}
1,l1,{YESTERDAY}T12:00:00Z,1,Ulm,{IDS[0]},A,B,i1,Hat,1,600,shipped
2,l2,{YESTERDAY}T13:00:00Z,1,Ulm,{IDS[1]},A,B,i1,Hat,1,150,shipped
"""


@dataclass(frozen=True)
class Shop:
    """What a run left."""

    home: Path
    result: CommandResult

    def rows(self, contract: type[Table]) -> list[dict[str, Any]]:
        """Return a table's rows in the order of its key."""
        engine = new_engine(Settings(home=self.home)).open()
        try:
            actual: list[dict[str, Any]] = (
                engine.table(contract).order_by([*contract.key]).to_pyarrow().to_pylist()
            )
        finally:
            engine.close()
        return actual

    @property
    def exported(self) -> dict[str, Any]:
        """Return what is in customers.json."""
        actual: dict[str, Any] = json.loads((self.home / "exports" / "customers.json").read_text())
        return actual


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("text_ids")
    (folder / "events.csv").write_text(
        f"{HEADER}\n"
        f"e1,{IDS[0]},page_view,{YESTERDAY}T10:00:00Z,,,s1,https://shop.example/?utm_medium=email,,\n"
    )
    (folder / "orders.csv").write_text(ORDERS)
    records = [person | {"id": key} for person, key in zip(people(1, 2, 3, 4), IDS, strict=True)]
    records += [
        {**records[0], "city": "Bonn", "updated_at": "2025-01-01T00:00:00Z"},
        {"id": None},
        {"id": " "},
    ]
    with CustomerService(records) as api:
        arguments = (
            "run",
            "--json",
            "--events",
            folder / "events.csv",
            "--orders",
            folder / "orders.csv",
        )
        env = {"ECOM_CUSTOMER_API_URL": api.api_url, "ECOM_CUSTOMER_API_KEY": api.key}
        days = ("--from", str(YESTERDAY), "--to", str(TODAY))
        result = ecom(*arguments, *days, "--select", TABLES, home=folder / "home", env=env)
    return Shop(folder / "home", result)


@pytest.mark.slow
def test_nobody_with_a_text_id_is_lost_and_the_summary_says_who_was_refused(shop: Shop) -> None:
    assert shop.result.exit_code == 0, shop.result.err
    answer = shop.result.json["customers"]
    assert (answer["count"], answer["received"], answer["duplicates"]) == (4, 7, 1)
    assert answer["quarantined"] == {"id: it is missing": 2}
    assert (
        answer["received"]
        == answer["count"] + sum(answer["quarantined"].values()) + answer["duplicates"]
    )
    tables = shop.result.json["tables"]
    assert [tables[f"staging.{name}_customers"] for name in ("quarantined", "duplicate")] == [2, 1]
    assert tables["raw.customers"] == 7


@pytest.mark.slow
def test_customers_whom_the_api_counts_and_does_not_list_are_warned_of(tmp_path: Path) -> None:
    class Boasting(CustomerService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            result = super().answer(request)
            return ServiceResponse.json(json.loads(result.body) | {"total": 6})

    events = page_views(tmp_path / "own.csv", str(TODAY))
    with Boasting(people(1, 2, 3, 4)) as api:
        env = {"ECOM_CUSTOMER_API_URL": api.api_url, "ECOM_CUSTOMER_API_KEY": api.key}
        arguments = ("run", "--events", events, "--select", '+key:"staging/customers"')
        result = ecom(*arguments, home=tmp_path / "home", env=env)
    assert result.exit_code == 0, result.err
    assert (
        "WARNING raw/customers: All 5 passes over the customer API's pages found the same 4 "
        "customers" in result.out
    )


@pytest.mark.slow
def test_what_text_ids_did_and_bought_is_theirs(shop: Shop) -> None:
    rows = {row["customer_id"]: row for row in shop.rows(Customers)}
    assert sorted(rows) == IDS
    first, second, third, _ = (rows[id_] for id_ in IDS)
    assert (first["acquisition_channel"], first["engagement_source"]) == (
        "email_campaign",
        "sessions",
    )
    assert (first["customer_tier"], second["customer_tier"], third["customer_tier"]) == (
        "enterprise",
        "premium",
        "basic",
    )
    assert [row["customer_id"] for row in shop.rows(CustomerSegments)] == IDS[:2]
    assert [row["customer_id"] for row in shop.rows(LifetimeValue)] == IDS[:2]


@pytest.mark.slow
def test_text_ids_are_texts_in_the_file_of_customers(shop: Shop) -> None:
    assert [customer["customer_id"] for customer in shop.exported["customers"]] == IDS
    assert all("email" not in customer for customer in shop.exported["customers"])


@pytest.mark.slow
def test_reqres_scores_a_hundred_and_its_numbers_stay_numbers(tmp_path: Path) -> None:
    home, events = tmp_path / "home", page_views(tmp_path / "own.csv", str(TODAY))
    with LayoutService(layouts.reqres, twelve()) as api:
        env = {
            "ECOM_CUSTOMER_API_URL": f"{api.url}/api/users",
            "ECOM_CUSTOMER_API_MAPPING": "reqres",
        }
        arguments = ("run", "--events", events, "--select", '+key:"export/customers_json"')
        result = ecom(*arguments, home=home, env=env)
    assert result.exit_code == 0, result.err
    assert "  quality bands  high 12, medium 0, low 0\n" in result.out
    assert "  mean score     100.00; missing or invalid: nothing\n" in result.out
    assert "Quarantined customers: 0 of 12 records; surplus copies left out: 0\n" in result.out
    exported = Shop(home, result).exported
    assert {customer["data_quality_score"] for customer in exported["customers"]} == {100}
    # Byron, Charles, Emma, Eve, two Georges by their last names, Janet, Lindsay, Michael, Rachel,
    # Tobias, Tracey.
    assert [customer["customer_id"] for customer in exported["customers"]] == [
        10,
        5,
        3,
        4,
        1,
        11,
        2,
        8,
        7,
        12,
        9,
        6,
    ]


@pytest.mark.slow
def test_an_api_of_names_and_addresses_alone_is_told_what_would_fill_the_rest(
    tmp_path: Path,
) -> None:
    with LayoutService(layouts.reqres, twelve()) as api:
        env = {
            "ECOM_CUSTOMER_API_URL": f"{api.url}/api/users",
            "ECOM_CUSTOMER_API_MAPPING": "reqres",
        }
        result = ecom("run", home=tmp_path / "home", env=env)
    assert result.exit_code == 0, result.err
    for line in (
        "activity status is unknown for all; filled by: last_login_at, ECOM_EVENTS",
        "engagement level is unknown for all; filled by: engagement_score, ECOM_EVENTS",
        "market segment is unknown for all; filled by: country, region, city",
        "acquisition channel is unknown for all; filled by: ECOM_EVENTS",
        "customer tier is unknown for all; filled by: ECOM_ORDERS, ECOM_EVENTS",
    ):
        assert f"  {line}\n" in result.out


def test_what_fills_a_column_is_not_asked_for() -> None:
    assert unfilled_columns(Settings()) == {}, "the sandbox has all"
    of_orders = Settings(
        orders="orders.csv", customer_api_url="https://shop.example", customer_api_mapping="reqres"
    )
    assert [*unfilled_columns(of_orders)] == [
        "activity_status",
        "engagement_level",
        "market_segment",
        "acquisition_channel",
    ]
    native = Settings(customer_api_url="https://shop.example")
    assert [*unfilled_columns(native)] == ["acquisition_channel", "customer_tier"]


@pytest.mark.slow
def test_the_native_mapping_says_that_an_api_lacks_fields_and_what_to_do(tmp_path: Path) -> None:
    events = page_views(tmp_path / "own.csv", str(TODAY))
    with LayoutService(layouts.reqres, twelve()) as api:
        env = {"ECOM_CUSTOMER_API_URL": f"{api.url}/api/users"}
        arguments = ("run", "--events", events, "--select", '+key:"staging/customers"')
        result = ecom(*arguments, home=tmp_path / "home", env=env)
    # Of the eight fields five are missing: 100 - 5 x 10.
    assert (
        "  mean score     50.00; missing or invalid: city 12, country 12, created_at 12, "
        "last_login_at 12, " in result.out
    )
    assert (
        "  No customer has a valid city or country or created_at or last_login_at or updated_at: "
        "if your API " in result.out
    )


def test_a_mapping_that_is_wrong_is_refused_before_anything_runs(tmp_path: Path) -> None:
    events = page_views(tmp_path / "own.csv", str(TODAY))
    env = {
        "ECOM_CUSTOMER_API_URL": "http://127.0.0.1:9/users",
        "ECOM_CUSTOMER_API_MAPPING": "reqress",
    }
    result = ecom("run", "--events", events, home=tmp_path / "home", env=env)
    assert result.exit_code == 2
    assert result.sentence.startswith(
        "there is no mapping 'reqress' (did you mean 'reqres'?); shipped are customers, "
    )
    assert not (tmp_path / "home" / "warehouse.duckdb").exists()


def test_the_doctor_names_the_mapping_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    env = {
        "ECOM_CUSTOMER_API_URL": "http://127.0.0.1:9/users",
        "ECOM_CUSTOMER_API_MAPPING": "reqres",
    }
    result = ecom("doctor", home=tmp_path / "home", env=env)
    assert (
        "ok   customers  come from http://127.0.0.1:9/users by the mapping reqres; the score "
        "expects email, " in result.out
    )
    result = ecom(
        "doctor", home=tmp_path / "home", env=env | {"ECOM_CUSTOMER_API_MAPPING": "reqress"}
    )
    assert result.exit_code == 1
    assert "FAIL customers  there is no mapping 'reqress' (did you mean 'reqres'?)" in result.out
    result = ecom(
        "doctor", home=tmp_path / "home", env=env | {"ECOM_MARKET_SEGMENTS": "nowhere.yaml"}
    )
    assert "FAIL customers  ECOM_MARKET_SEGMENTS: nowhere.yaml cannot be read" in result.out


@pytest.mark.slow
def test_a_mapping_that_does_not_fit_stops_what_is_built_on_customers(tmp_path: Path) -> None:
    home, events = tmp_path / "home", page_views(tmp_path / "own.csv", str(TODAY))
    with LayoutService(layouts.reqres, [{"uuid": id_} for id_ in IDS]) as api:
        env = {
            "ECOM_CUSTOMER_API_URL": f"{api.url}/api/users",
            "ECOM_CUSTOMER_API_MAPPING": "reqres",
        }
        result = ecom(
            "run",
            "--events",
            events,
            "--select",
            '+key:"export/customers_json"',
            home=home,
            env=env,
        )
    assert result.exit_code == 1
    assert (
        "does not fit the mapping reqres: no record has `id` (did you mean 'uuid'?), which is the "
        "field id" in result.sentence
    )
    assert not (home / "exports").exists()
