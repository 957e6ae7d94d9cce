"""CONTRIBUTING's endpoint, page and question, served as the platform's own."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from fastapi import APIRouter

from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.http_server.callers import VERSION_PREFIX
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.interfaces.api import csv_files, routes
from ecom_assets.interfaces.api.app import ROUTERS, build_app
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets_tests.command import HEADER
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.markdown import ROOT
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.recipes.endpoint import router
from ecom_assets_tests.recipes.page import PAGE


def test_an_endpoint_renders_what_its_query_returns(settings: Settings) -> None:
    app = build_app(settings)
    app.include_router(router, prefix=VERSION_PREFIX)
    with served(app) as answer:
        points = answer.json(
            "/v1/analytics/revenue/trend", time_range="year", granularity="day", limit=400
        )["points"]
        sold = [point for point in points if point["order_count"] or point["refund_count"]]
        sold_days = answer.json("/v1/analytics/sold-days", time_range="year")
        assert sold_days["day_count"] == len(sold) > 0
        assert sold_days["definition"] == {
            "day_count": "Days on which anything was sold or paid back"
        }


def test_every_file_of_routes_is_served() -> None:
    """A route in a router that is in no list would be a 404, whatever its own test says."""
    names = [file.name for file in iter_modules(routes.__path__)]
    declared = {
        (name, attribute)
        for name in names
        for attribute, value in vars(import_module(f"{routes.__name__}.{name}")).items()
        if isinstance(value, APIRouter) and value not in (*ROUTERS, csv_files.router)
    }
    assert declared == set()


def test_a_page_shows_what_the_api_answers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecom_assets.interfaces.dashboard.app.all_pages", lambda: (PAGE,))
    with served(build_dashboard_app(settings)) as answer:
        alerts = answer.json("/analytics/inventory/alerts", limit=20)["alerts"]
        page = answer.get("/dashboard/stock", time_range="week")
        csv = answer.get("/analytics/inventory/alerts", limit=1000, format="csv")
    assert page.status_code == csv.status_code == 200
    assert alerts
    assert [
        alert["product_id"]
        for alert in alerts
        if f">{alert['product_id']}<" not in page.text.replace("\n", "")
    ] == []
    assert "/analytics/inventory/alerts?limit=1000&amp;format=csv" in page.text


def test_a_page_at_the_address_of_another_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [replace(PAGE, title=title) for title in ("Stock", "Shelves")]
    monkeypatch.setattr("ecom_assets.interfaces.dashboard.pages.live.PAGES", pages, raising=False)
    with pytest.raises(DefinitionError) as refused:
        all_pages.__wrapped__()
    assert str(refused.value) == (
        "The pages 'Stock' and 'Shelves' are both at /dashboard/stock; give one of them another "
        "address."
    )


FOUR = """\
e1,ann,page_view,2026-03-02T09:10:00Z,,,s1,,,
e2,ann,purchase,2026-03-02T09:20:00Z,,,s1,,,25.50
e3,bob,purchase,2026-03-09T09:55:00Z,,,s2,,,10.00
e4,cid,page_view,2026-03-08T23:59:00Z,,,s3,,,
"""
"""Three events on Mondays after nine o'clock, two of them purchases,
and one on a Sunday before midnight.
"""


ORDERS = """\
id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,payment_amount
1,l1,2026-01-05T10:00:00,1,Berlin,ann,,,7,Hat,3,30
2,l2,2026-01-05T10:00:00,1,Berlin,ann,,,8,Scarf,1,10
3,l3,2026-01-05T11:00:00,1,Berlin,bob,,,8,Scarf,1,10
4,l4,2026-01-06T10:00:00,1,Berlin,ann,,,8,Scarf,1,10
5,l5,2026-01-06T11:00:00,1,Berlin,cid,,,7,Hat,1,10
"""
"""Ann's first order has two lines, and her second, Bob's and Cid's first one."""


@pytest.fixture(scope="module")
def asked(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both questions of recipes are answered."""
    folder = tmp_path_factory.mktemp("asked")
    events, orders = folder / "events.csv", folder / "orders.csv"
    events.write_text(f"{HEADER}\n{FOUR}")
    orders.write_text(ORDERS)
    paths = [str(path) for path in (events, orders, settings.home)]
    arguments = ["-m", "ecom_assets_tests.recipes.asked_hours", *paths]
    home = {"ECOM_HOME": str(folder / "home")}
    result = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
        cwd=ROOT,
        env=os.environ | home,
    )
    answers: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("name", ["week_hours", "basket_sizes"])
def test_a_question_is_three_files_beside_its_line_in_the_list_of_questions(name: str) -> None:
    folder = ROOT / "ecom_assets_tests" / "recipes" / name
    assert {path.stem for path in folder.glob("[!_]*.py")} == {"question", "answer", "text"}


@pytest.mark.slow
def test_a_question_over_orders_has_published_lines_as_files_have_them(
    settings: Settings, asked: dict[str, Any]
) -> None:
    assert asked["sizes"].splitlines() == [
        "   1 lines      3",
        "   2 lines      1",
        "Rows: 5 read, all counted",
    ]
    # From the second day on, Ann's order is the first of these days, and not her first.
    assert json.loads(asked["sizes from a day on"])["sizes"] == [
        {"line_count": 1, "order_count": 2, "first_order_count": 1}
    ]
    assert "Basket-sizes is asked of orders; give them with --orders PATH." in " ".join(
        asked["without orders"].split()
    )
    sizes = asked["basket sizes"]["sizes"]
    with closing(new_engine(settings, read_only=True).open()) as engine:
        lines = engine.some_rows(UserOrderLog, None, 100_000)
    sold = Counter(
        (line["order_date"], line["order_id"]) for line in lines if line["status"] == "shipped"
    )
    expected = sorted(Counter(sold.values()).items())
    assert [(size["line_count"], size["order_count"]) for size in sizes] == expected
    assert expected
    assert asked["of a segment"]["detail"] == (
        "`segment` is about what visitors did, which orders do not have; leave it out."
    )
    page = " ".join(asked["page of sizes"].split())
    assert [size for size in sizes if f">{size['order_count']:,}<" not in page] == []


@pytest.mark.slow
def test_a_question_of_four_files_has_a_command_a_route_and_a_page(
    api: Api, asked: dict[str, Any]
) -> None:
    actual = asked
    assert actual["text"].splitlines() == [
        f"monday    09:00      3 {'█' * 30}",
        f"sunday    23:00      1 {'█' * 10}",
        "Rows: 4 read, all counted",
    ]
    assert json.loads(actual["json"])["hours"] == [
        {"weekday": "monday", "hour": 9, "event_count": 2}
    ]
    assert "Count the events of each hour of the week." in " ".join(actual["help"].split())
    hours = actual["route"]["hours"]
    purchases = api.post("/analytics/trend", {"series": ["purchase"]}).json()["series"][0]["total"]
    assert sum(hour["event_count"] for hour in hours) == purchases > 0
    assert actual["csv"].startswith("weekday,hour,event_count")
    assert "did you mean 'event_type'" in actual["refused"]
    page = " ".join(actual["page"].split())
    assert [hour for hour in hours if f">{hour['weekday']}<" not in page] == []
    assert 'name="event_type" value="purchase"' in page
