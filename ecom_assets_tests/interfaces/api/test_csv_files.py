"""CSV files with every row of a list: the same as its answer, whose page has them all here."""

import csv
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.interfaces.api import csv_files
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop

FILES: dict[str, list[dict[str, str]]] = {
    "/analytics/carts": [
        {"time_range": "year"},
        {"time_range": "year", "sort_by": "oldest", "only_open": "true"},
        {"time_range": "week", "sort_by": "newest"},
    ],
    "/analytics/categories": [{"time_range": "year"}],
    "/analytics/customers/retention": [{"category": "Hats"}],
    "/analytics/deliveries": [],  # nothing is delivered here
    "/analytics/discounts": [{}],
    "/analytics/geographic": [{"level": "city"}],
    "/analytics/journeys": [{}, {"dimension": "category", "time_range": "week"}],
    "/analytics/products/top": [{"time_range": "year", "sort_by": "views", "search": "p1"}],
    "/analytics/profit": [],  # the shop states no costs
    "/analytics/marketing": [],  # and no ad spend
    "/analytics/customers/cohort-value": [],
    "/analytics/reconciliation": [{}, {"time_range": "week"}],
    "/analytics/reconciliation/differences": [{"time_range": "year"}],
    "/analytics/searches": [{"time_range": "year"}, {"sort_by": "nowhere"}],
    "/analytics/customers/due-again": [{}, {"sort_by": "longest"}, {"sort_by": "newest"}],
    "/analytics/inventory/alerts": [
        {},
        {"alert": "low"},
        {"to_reorder": "true", "sort_by": "money"},
    ],
}
"""The list of each file, and how it is asked for; the address of a file is that, and `.csv`."""
MOVES = {"add_to_cart": 1, "remove_from_cart": -1}
CART_EVENTS = {*MOVES, "checkout_start"}
STEPS = ["page_view", "add_to_cart", "purchase"]
OF_QUESTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "/analytics/funnel/who": (
        {"steps": STEPS, "within": "7d", "where": ["event_type != search"]},
        {"step": 2, "stopped": "true", "sort_by": "newest"},
    ),
    "/analytics/retention/who": (
        {"period": "week"},
        {"cohort": "2026-01-05", "period": "1", "returned": "false"},
    ),
    "/analytics/sales/lines": ({"measures": ["revenue_amount"], "where": ["item_id = p1"]}, {}),
    "/analytics/sales/who": ({"measures": ["order_count", "revenue_amount"]}, {}),
}
"""The lists of questions, each with its question and which list it is."""


WITHOUT_ANSWER = ("/analytics/customers/to-write-to",)
"""What comes as a file only, so that no cache has it: `test_recipients.py`."""


def test_every_file_is_compared(api: Api) -> None:
    paths = {path.removeprefix("/v1") for path in api.json("/openapi.json")["paths"]}
    files = {path for path in paths if path.endswith(".csv")}
    assert files == {f"{path}.csv" for path in (*FILES, *OF_QUESTIONS, *WITHOUT_ANSWER)}


@pytest.mark.slow
@each("path, asked", [(path, asked) for path, each in FILES.items() for asked in each])
def test_a_file_has_every_row_of_its_list(api: Api, path: str, asked: dict[str, Any]) -> None:
    listed = api.get(path, **asked, limit=1_000, format="csv")
    file = api.get(f"{path}.csv", **asked)
    assert file.status_code == 200, file.text
    assert file.headers["content-type"].startswith("text/csv")
    assert "attachment" in file.headers["content-disposition"]
    assert file.headers["cache-control"] == "no-store"
    assert int(file.headers["x-total-count"]) == len(file.text.splitlines()) - 1 > 0
    assert file.headers["x-total-count"] == listed.headers["x-total-count"]
    assert file.text == listed.text
    if asked == FILES[path][0]:
        assert len(api.get(path, **asked, limit=1, format="csv").text.splitlines()) == 2


@each("path", OF_QUESTIONS)
def test_a_file_has_every_row_of_the_list_of_a_question(api: Api, path: str) -> None:
    question, asked = OF_QUESTIONS[path]
    listed = api.post(path, question, **asked, limit=1_000, format="csv")
    assert listed.status_code == 200, listed.text
    file = api.get(f"{path}.csv", **asked, definition=json.dumps(question))
    assert file.status_code == 200, file.text
    assert int(file.headers["x-total-count"]) == len(file.text.splitlines()) - 1 > 1
    assert file.headers["x-total-count"] == listed.headers["x-total-count"]
    assert list(csv.DictReader(file.text.splitlines())) == list(
        csv.DictReader(listed.text.splitlines())
    )


def test_who_got_to_a_step_last_comes_first_if_asked_for(api: Api) -> None:
    question, _ = OF_QUESTIONS["/analytics/funnel/who"]
    listed = api.post("/analytics/funnel/who", question, step=2, limit=1_000).json()["who"]
    newest = api.post(
        "/analytics/funnel/who", question, step=2, limit=1_000, sort_by="newest"
    ).json()["who"]
    assert newest == sorted(listed, key=lambda row: row["event_at"], reverse=True)
    assert [row["visitor_id"] for row in listed] == sorted(row["visitor_id"] for row in listed)
    assert newest != listed


def test_a_file_has_the_rows_of_several_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's twelve products come by five at a time."""
    whole = api.get("/analytics/products/top.csv", time_range="year").text
    monkeypatch.setattr(csv_files, "MOST_ROWS", 5)
    assert api.get("/analytics/products/top.csv", time_range="year").text == whole
    assert len(whole.splitlines()) == 1 + 12


def test_a_file_takes_no_page_and_refuses_what_its_list_refuses(api: Api) -> None:
    assert api.get("/analytics/searches.csv", limit=10).status_code == 422
    assert api.get("/analytics/searches.csv", sort_by="luck").status_code == 422
    assert api.get("/analytics/products/top.csv", format="json").status_code == 422


def test_carts_add_up_to_those_that_were_abandoned(api: Api) -> None:
    for time_range in ("week", "year"):
        abandoned = api.json("/analytics/conversion", time_range=time_range)["abandonment"]
        rows = read(api.get("/analytics/carts.csv", time_range=time_range).text)
        assert len(rows) == abandoned["abandoned_cart_count"] > 0
        worth = sum(Decimal(row["cart_amount"] or 0) for row in rows)
        assert worth == Decimal(abandoned["abandoned_cart_amount"])
        open_ones = api.json("/analytics/carts", time_range=time_range, only_open=True, limit=1_000)
        still = [row for row in rows if row["has_bought_since"] == "false"]
        assert {row["session_id"] for row in still} == {
            row["session_id"] for row in open_ones["carts"]
        }


def test_carts_are_those_of_plain_python(api: Api, shop: PlainShop) -> None:
    """A cart has what was put in more often than taken out, and is as old as its last change."""
    rows = {row["session_id"]: row for row in read(api.get("/analytics/carts.csv").text)}
    span = shop.span(30)
    left = [
        session
        for session in shop.sessions
        if span.has(session.day) and session.has("add_to_cart") and not session.has("purchase")
    ]
    assert len(rows) == len(left) > 0
    newest = shop.known("events").last
    expected = []
    for session in left:
        moved = [event for event in session.events if event["event_type"] in MOVES]
        last = max(event["at"] for event in session.events if event["event_type"] in CART_EVENTS)
        kept = Counter[str]()
        for event in moved:
            kept[event["product_id"]] += MOVES[event["event_type"]]
        names = sorted(f"The {name}" for name, count in kept.items() if count > 0 and name)
        worth = session.cart_worth
        bought = any(
            event["event_type"] == "purchase" and event["at"] > last
            for event in shop.events
            if event["user_id"] == session.who
        )
        expected.append(
            (
                session.who,
                "" if worth is None else f"{worth:.2f}",
                ", ".join(names),
                str((newest - last.date()).days),
                str(session.has("checkout_start")).lower(),
                str(bought).lower(),
            )
        )
    columns = (
        "visitor_id",
        "cart_amount",
        "product_names",
        "age_days_count",
        "has_checkout",
        "has_bought_since",
    )
    assert Counter(tuple(row[name] for name in columns) for row in rows.values()) == Counter(
        expected
    )


def test_differences_add_up_to_those_of_their_days(api: Api) -> None:
    asked = {"time_range": "year", "limit": 1_000}
    answer = api.json("/analytics/reconciliation/differences", **asked)
    numbers = api.json("/analytics/reconciliation", **asked)["reconciliation"]
    amounts = [Decimal(row["difference_amount"]) for row in answer["differences"]]
    assert sum(amounts) == Decimal(numbers["difference_amount"])
    assert [abs(amount) for amount in amounts] == sorted(map(abs, amounts), reverse=True)
    assert answer["total_count"] == len(amounts) > 0
    for cause in {row["cause"] for row in answer["differences"]}:
        of_cause = api.json("/analytics/reconciliation/differences", cause=cause, **asked)
        found = sum(Decimal(row["difference_amount"]) for row in of_cause["differences"])
        assert found == Decimal(numbers[f"{cause}_amount"])


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))
