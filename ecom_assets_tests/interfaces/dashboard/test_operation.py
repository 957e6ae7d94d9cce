"""Data quality and Deliveries: what the API answers, and forms that leave requests for runs."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest
import requests

from ecom_assets.commerce.orders.contracts import HeldOrderDays
from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.outputs.serving.assets import SERVED
from ecom_assets.outputs.serving.snapshot import publish_snapshot
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of
from ecom_assets_tests.patience import PATIENCE_S

BAD = date(2026, 2, 3)


def section(actual: Node, title: str) -> Node:
    return next(element for element in actual.all("section") if element.one("h2").text == title)


def test_the_tiles_of_data_quality_add_up_to_the_received_rows(client: Client) -> None:
    days = "start_date=2026-01-01&end_date=2026-02-09"
    actual = read(client.get(f"/dashboard/quality?{days}").text)
    response = client.get(f"/analytics/quality?{days}").json()
    tiles = {name: int(value) for name, value in tiles_of(actual).items()}
    assert tiles["Received"] == sum(source["received_count"] for source in response["sources"])
    assert tiles["Received"] == sum(
        tiles[name] for name in ("Counted", "Refused", "Copies left out", "Held")
    )
    assert tiles["Lost"] == 0
    rows = section(actual, "Refused rows by reason").one("table").all("tr")[1:]
    assert {row.all("td")[0].text for row in rows} == {"Malformed event type", "Missing event id"}


def test_a_reason_leads_to_its_rows(client: Client) -> None:
    page = read(client.get("/dashboard/quality?time_range=year").text)
    address = section(page, "Refused rows by reason").all("a")[0].attributes["href"]
    actual = section(read(client.get(address.partition("#")[0]).text), "Sample rows")
    assert len(actual.one("table").all("tr")) == 2, "a header and the row"


def test_without_a_ledger_the_page_says_what_to_set(client: Client) -> None:
    actual = read(client.get("/dashboard/deliveries").text).one("main").text
    assert actual.count("There is no ledger of deliveries here; set a tool's key") == 1


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Client]:
    """A shop of which one day is held, published from a warehouse of nothing else."""
    engine = DuckDBEngine(tmp_path / "warehouse.duckdb")
    row = {
        "held_date": BAD,
        "reason": "too_few_customers",
        "observed_count": 2,
        "limit_count": 3,
        "held_row_count": 5,
        "held_at": datetime.combine(BAD, datetime.min.time()),
    }
    settings = Settings(home=tmp_path)
    with closing(engine.open()):
        engine.con.con.register("landed", as_table([row], HeldOrderDays))
        engine.replace(HeldOrderDays, engine.con.table("landed"), Days((BAD,)))
        publish_snapshot(engine, tmp_path / "serving", SERVED, {}, "run-1")
    with served(build_dashboard_app(settings, open_store(settings))) as answer:
        yield Client(answer.address)


@pytest.mark.slow
def test_a_held_day_is_released_by_its_form_and_by_no_other_page_s(
    held: Client, tmp_path: Path
) -> None:
    page = held.get("/dashboard/quality")
    form = section(read(page.text), "Held days").one("form")
    fields = {field.attributes["name"]: field.attributes["value"] for field in form.all("input")}
    address = held.address + form.attributes["action"]
    forged = held.session.post(address, data={**fields, "token": "guessed"}, timeout=PATIENCE_S)
    assert forged.status_code == 403
    elsewhere = held.session.post(
        address, data=fields, headers={"Origin": "https://elsewhere.example"}, timeout=PATIENCE_S
    )
    assert (elsewhere.status_code, Requests(tmp_path).waiting()) == (403, [])
    result = held.session.post(
        address, data=fields, headers={"Origin": held.address}, timeout=PATIENCE_S
    )
    assert result.status_code == 200, result.text
    assert re.search(r"The release of 2026-02-03 is recorded", result.text)
    [request] = Requests(tmp_path).waiting()
    assert (request.kind, request.first_day, request.asked_by) == (
        "release",
        BAD,
        "somebody on this machine",
    )
    again = section(
        read(requests.get(f"{held.address}/dashboard/quality", timeout=PATIENCE_S).text),
        "Held days",
    )
    assert "Asked by somebody on this machine" in again.text
