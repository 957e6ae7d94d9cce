"""Profit by public commands: files of orders and costs, `ecom run`, `ecom explain`, and the API,
which shows costs only to keys that may see them.

Two hats are sold in May for 20 each, when a hat costs 10, and one in June, when it costs 12; a
sock for 50 costs nobody knows what; a hat of May comes back in June. So net sales are
40 + 20 + 50 - 20 = 90, and gross profit is (40 - 20) + (20 - 12) - (20 - 10) = 18 of 40.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from csv import DictReader
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.interfaces.api.app import build_app, build_stack
from ecom_assets.outputs.serving.assets import IN_SNAPSHOT
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api, Row, served
from ecom_assets_tests.interfaces.api.small_run import run
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = pytest.mark.xdist_group("profit")
ORDERS = """uniq_id,order_id,date_time,customer_id,city_id,city_name,item_id,item_name,quantity,\
payment_amount,status,id,unit_cost_amount,payment_fee_amount,shipping_cost_amount
a1,A,2026-05-20T10:00:00,anna,1,Berlin,hat,Hat,2,40,shipped,1,,1.2377,3.4577
b1,B,2026-06-03T10:00:00,bob,1,Berlin,hat,Hat,1,20,shipped,2,,,
b2,B,2026-06-03T10:00:00,bob,1,Berlin,sock,Sock,1,50,shipped,3,,,
a2,A,2026-06-05T10:00:00,anna,1,Berlin,hat,Hat,1,20,refunded,4,,,
x1,X,soon,bob,1,Berlin,sock,Sock,1,50,shipped,5,5.5577,,
"""
COST_OF_A_LINE = re.compile(r"1\.2377|3\.4577|5\.5577")
"""What an order costs beside its items, and a sock in a line that is quarantined."""
COSTS = """item_id,unit_cost_amount,valid_from_date
hat,10,2026-01-01
hat,12,2026-06-01
glove,3,2026-01-01
glove,-3,2026-02-01
"""
KEYS = {
    "owner": "a-key-that-may-do-everything",
    "costs": "a-key-that-may-see-costs-too",
    "read": "a-key-that-reads-revenue-only",
    "people": "a-key-that-may-see-people-too",
    "writes": "a-key-that-saves-questions-too",
    "saves costs": "a-key-that-saves-what-costs",
}
SCOPES = {
    "owner": "admin",
    "costs": "read+costs",
    "read": "read",
    "people": "read+personal",
    "writes": "read+write",
    "saves costs": "read+write+costs",
}


def write_files(folder: Path) -> tuple[Path, Path]:
    """Write the orders and the costs."""
    orders, costs = folder / "orders.csv", folder / "costs.csv"
    orders.write_text(ORDERS)
    costs.write_text(COSTS)
    os.utime(costs, (1_780_000_000, 1_780_000_000))  # 28 May 2026
    return orders, costs


@contextmanager
def serving(home: Path) -> Iterator[Api]:
    """Serve what was published, with a key of each kind."""
    keys = ",".join(f"{SCOPES[name]}:{key}" for name, key in KEYS.items())
    # A busy machine may take long for an explanation.
    limits: dict[str, Any] = {"rate_limit_key": "none", "rate_limit_address": "none"}
    settings = Settings(home=home, api_keys=keys, api_timeout_s=300, adhoc_timeout_s=300, **limits)
    with served(build_stack(settings, build_app(settings))) as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with what the orders and costs come to."""
    home = tmp_path_factory.mktemp("profit") / "home"
    orders, costs = map(str, write_files(home.parent))
    shop = Settings(home=home, orders=orders, costs=costs, order_customers_over=0)
    run(shop, Days.between(MONDAY_BEFORE, LAST + ONE_DAY))  # tables by week have the day of Monday
    return home


@pytest.fixture(scope="module")
def api(computed: Path) -> Iterator[Api]:
    """The API over it."""
    with serving(computed) as running:
        yield running


def of(key: str) -> dict[str, str]:
    return {"X-API-Key": KEYS[key]}


MONDAY_BEFORE, FIRST, LAST = date(2026, 5, 18), date(2026, 5, 20), date(2026, 6, 5)
DAYS = {"start_date": str(FIRST), "end_date": str(LAST)}


def profit(api: Api, **parameters: str) -> Row:
    answer = api.get("/analytics/profit", of("costs"), **DAYS, **parameters)
    assert answer.status_code == 200, answer.text
    body: Row = answer.json()
    return body


def test_a_wrong_path_of_costs_ends_a_run_before_it_begins(tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(ORDERS)
    result = ecom("run", "--orders", orders, "--costs", tmp_path / "nope.csv", home=tmp_path / "h")
    assert result.exit_code == 2
    assert "nope.csv does not exist; check the path" in result.err
    assert "mart.sales" not in result.out + result.err


@pytest.mark.slow
def test_profit_is_of_the_sales_whose_cost_is_known(api: Api) -> None:
    numbers = profit(api)["profit"]
    assert numbers["revenue_amount"] == "90.00"
    assert numbers["cost_amount"] == "22.00"
    assert numbers["gross_profit_amount"] == "18.00"
    assert numbers["gross_margin_rate"] == 0.45
    assert numbers["cost_coverage_rate"] == pytest.approx(60 / 110, abs=1e-4)


def test_the_steps_from_gross_sales_to_gross_profit_add_up(api: Api) -> None:
    """Nothing is known of discounts and of shipping charged, which is not that there were none: so
    no contribution is known.
    """
    amounts = {row["step"]: row["step_amount"] for row in profit(api)["steps"]}
    unknown = {step for step, amount in amounts.items() if amount is None}
    assert unknown == {
        "discounts",
        "shipping",
        "commissions",
        "unknown_parts",
        "contribution_before_ads",
    }
    assert {step: float(amounts[step]) for step in amounts.keys() - unknown} == {
        "gross_sales": 110,
        "returns": -20,
        "net_sales": 90,
        "unknown_cost": -50,
        "cost": -22,
        "gross_profit": 18,
        "shipping_cost": -3.46,
        "payment_fees": -1.24,
        "goodwill": 0,
    }


def test_profit_by_a_dimension_adds_up_to_the_total(api: Api) -> None:
    parts = profit(api, dimension="customer_type")["parts"]
    assert {row["value"]: row["revenue_amount"] for row in parts} == {"new": "90.00"}


def test_csv_has_the_parts_where_there_are_some_and_else_the_steps(api: Api) -> None:
    def csv(**parameters: str) -> tuple[list[str], str]:
        answer = api.get("/analytics/profit", of("costs"), format="csv", **DAYS, **parameters)
        return answer.text.splitlines(), answer.headers["x-total-count"]

    steps, step_count = csv()
    assert steps[1] == "gross_sales,Gross sales,gross_sales_amount,true,false,110.00,"
    assert (len(steps) - 1, step_count) == (14, "14")
    parts, part_count = csv(dimension="city_id", limit="1")
    (city,) = DictReader(parts)
    assert (city["value"], city["revenue_amount"], part_count) == ("1", "90.00", "1")


@pytest.mark.slow
def test_a_key_without_costs_sees_revenue_only(api: Api) -> None:
    for key in ("owner", "costs", "read", "people"):  # who asked before changes nothing
        may = key in {"owner", "costs"}
        for path in ("/analytics/profit", "/explain/mart/profit_daily", "/explain/mart/item_costs"):
            answer = api.get(path, of(key))
            assert answer.status_code == (200 if may else 403), (key, path, answer.text)
        csv = api.get("/analytics/profit", of(key), format="csv", dimension="channel", **DAYS)
        assert csv.status_code == (200 if may else 403)
        assert api.get("/analytics/sales", of(key), **DAYS).status_code == 200
        for sort_by in ("profit", "margin"):
            top = api.get("/analytics/products/top", of(key), sort_by=sort_by, **DAYS)
            assert top.status_code == (200 if may else 403), (key, top.text)
    refusal = api.get("/analytics/profit", of("read")).json()
    assert "without the scope 'costs'" in refusal["detail"]


def asked_by_address() -> Iterator[tuple[str, Row]]:
    """Yield every question that is asked by an address alone, as JSON and as CSV: each route, and
    each published table down from one of its numbers.
    """
    for table in IN_SNAPSHOT:
        path = f"/explain/{table.layer}/{table.name}"
        yield path, {}
        yield path, {"format": "csv"}
    yield "/explain/mart/revenue_daily", {"column": "revenue_amount", "where": TOTAL_OF_A_DAY}
    for source in ("orders", "events"):
        yield "/analytics/quality/samples", {"source": source}
        yield "/analytics/quality/samples", {"source": source, "format": "csv"}
    for path, operations in build_app(Settings()).openapi()["paths"].items():
        if "get" in operations and "{" not in path:
            yield path.removeprefix("/v1"), DAYS
            yield path.removeprefix("/v1"), {**DAYS, "format": "csv"}


TOTAL_OF_A_DAY = """{"order_date": "2026-05-20", "channel": "(all)", "city_id": "(all)", \
"item_category": "(all)", "sales_channel": "(all)"}"""


SHOWS_COSTS = {
    "/analytics/quality/samples",
    "/explain/mart/category_profitability",
    "/explain/mart/profit_daily",
    "/explain/mart/profit_lines",
    "/explain/mart/quarantined_order_samples",
    "/explain/mart/revenue_daily",
    "/explain/mart/sales",
    "/explain/raw/user_order_log",
    "/explain/staging/user_order_log",
}
"""The addresses whose answers have a cost of this shop, for a key that may see it."""


def has_a_cost(api: Api, key: str, path: str, query: Row) -> bool:
    """Return whether the answer to a key has a cost of this shop."""
    return bool(COST_OF_A_LINE.search(api.get(path, of(key), **query).text))


@pytest.mark.slow
def test_what_shows_a_cost_shows_none_to_a_key_without_the_scope(api: Api) -> None:
    asked = [(path, query) for path, query in asked_by_address() if path in SHOWS_COSTS]
    assert {path for path, _ in asked} == SHOWS_COSTS
    for path, query in asked:
        assert not has_a_cost(api, "read", path, query), path
        assert not has_a_cost(api, "people", path, query), path


@pytest.mark.slow
def test_no_address_shows_a_cost_to_a_key_without_the_scope(api: Api) -> None:
    shown: dict[str, set[str]] = {"costs": set(), "read": set(), "people": set()}
    for path, query in asked_by_address():
        for key, paths in shown.items():
            if has_a_cost(api, key, path, query):
                paths.add(path)
    assert not shown["read"] | shown["people"]
    assert shown["costs"] == SHOWS_COSTS


@each(
    "query",
    [
        {"column": "payment_fee_amount", "where": "uniq_id = a1"},
        {"where": "payment_fee_amount > 1"},
        {"column": "quantity", "where": '["uniq_id = a1", "payment_fee_amount > 1"]'},
    ],
)
def test_nobody_without_the_scope_asks_for_rows_by_their_costs(api: Api, query: Row) -> None:
    for key in ("costs", "people"):
        answer = api.get("/explain/mart/sales", of(key), **query)
        assert answer.status_code == (200 if key == "costs" else 403), answer.text


def test_nobody_without_the_scope_saves_what_asks_about_costs(api: Api) -> None:
    definition = {"series": ["*"], "where": ["unit_cost_amount > 1"]}
    question: Row = {"name": "Dear items", "kind": "trend", "definition": definition}
    alert: Row = {"name": "Dear", "question": "dear-items", "when": "rises", "limit": 0.1}
    for kind, saved in (("questions", question), ("alerts", alert)):
        answers = {
            key: requests.post(
                f"{api.address}/v1/saved/{kind}", json=saved, headers=of(key), timeout=PATIENCE_S
            )
            for key in ("saves costs", "writes")
        }
        codes = {key: answer.status_code for key, answer in answers.items()}
        assert codes == {"saves costs": 201, "writes": 403}, answers["writes"].text
        assert "asks about costs" in answers["writes"].json()["detail"]
    for key, may_see in (("costs", True), ("read", False)):
        answer = api.get("/saved/alerts/dear", of(key)).json()
        assert (answer["is_withheld"], "limit" in answer["content"]) == (not may_see, may_see)


def test_a_number_goes_down_to_the_row_that_says_the_cost(computed: Path) -> None:
    shown = ecom(
        "explain",
        "mart.profit_lines",
        "--column",
        "cost_amount",
        "--where",
        "uniq_id = a1",
        "--json",
        home=computed,
    )
    (down,) = shown.json["number"]["down"]
    assert [level["table"] for level in down["levels"]] == [
        "mart.item_costs",
        "staging.cost_versions",
        "raw.costs",
    ]
    (row,) = down["received"]["rows"]
    assert row["received_unit_cost_amount"] == "10"


def number_of(api: Api, table: str, column: str, **query: str) -> Row:
    """Return why a number of a table is what it is."""
    answer = api.get(f"/explain/mart/{table}", of("costs"), column=column, **query)
    assert answer.status_code == 200, answer.text
    number: Row = answer.json()["number"]
    return number


def test_what_a_piece_cost_on_several_days_is_not_added_up(api: Api) -> None:
    """A hat costs 10, and later 12; no hat costs 22."""
    for table in ("item_costs", "profit_lines"):
        number = number_of(api, table, "unit_cost_amount", where="item_id = hat")
        assert (number["value"], number["down"]) == (None, []), table
        assert "they do not add up" in number["note"]
    both = '["item_id = hat", "valid_from_date = 2026-06-01"]'
    assert number_of(api, "item_costs", "unit_cost_amount", where=both)["value"] == "12.00"


def test_profit_of_several_days_goes_down_to_its_lines_and_costs(api: Api) -> None:
    """The two hats of May, the one of June, and the one that came back, at two costs."""
    number = number_of(api, "profit_daily", "gross_profit_amount")
    assert (number["value"], number["note"], number["adds_up"]) == ("18.00", None, None)
    lines, costs = (part["levels"] for part in number["down"])
    assert (lines[0]["table"], lines[0]["row_count"]) == ("mart.profit_lines", 3)
    assert (costs[0]["table"], costs[0]["row_count"]) == ("mart.item_costs", 2)


@pytest.mark.slow
def test_changes_of_profit_are_listed_for_keys_with_costs_only(home: Path) -> None:
    """A run says which costs are not read. Then a hat for 20 on 20 May comes late: that day had
    revenue of 40, profit of 20.
    """
    orders, costs = write_files(home.parent)
    first = ecom("run", "--orders", orders, "--costs", costs, home=home)
    assert first.exit_code == 0, first.out + first.err
    assert "Rows of costs that are not read: 1 with a cost below zero." in first.err
    late = orders.with_name("late.csv")
    late.write_text(
        ORDERS.splitlines()[0]
        + "\nc1,C,2026-05-20T11:00:00,cleo,1,Berlin,hat,Hat,1,20,shipped,6,,,\n"
    )
    again = ecom("run", "--orders", late, "--costs", costs, home=home)
    assert again.exit_code == 0, again.out + again.err
    with serving(home) as api:
        for key in KEYS:
            changed = {
                table: api.get(
                    "/explain/mart/restatements", of(key), where=f"table_name = {table}"
                ).json()["row_count"]
                for table in ("mart.profit_daily", "mart.revenue_daily")
            }
            assert changed["mart.revenue_daily"] > 0
            assert (changed["mart.profit_daily"] > 0) == ("costs" in SCOPES[key] or key == "owner")
