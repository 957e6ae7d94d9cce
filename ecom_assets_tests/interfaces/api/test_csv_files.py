"""CSV files with every row of a list: the same as its answer, whose page has them all here."""

import csv
import json
from typing import Any

import pytest

from ecom_assets.interfaces.api import csv_files
from ecom_assets_tests.interfaces.api.conftest import Api

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
    "/analytics/reconciliation": [{}, {"time_range": "week"}],
    "/analytics/searches": [{"time_range": "year"}, {"sort_by": "nowhere"}],
    "/analytics/customers/due-again": [{}, {"sort_by": "longest"}, {"sort_by": "newest"}],
    "/analytics/inventory/alerts": [
        {},
        {"alert": "low"},
        {"to_reorder": "true", "sort_by": "money"},
    ],
}
"""The list of each file, and how it is asked for; the address of a file is that, and `.csv`."""
STEPS = ["page_view", "add_to_cart", "purchase"]
OF_QUESTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "/analytics/funnel/who": (
        {"steps": STEPS, "within": "7d", "where": ["event_type != search"]},
        {"step": 2, "stopped": "true"},
    ),
    "/analytics/retention/who": (
        {"period": "week"},
        {"cohort": "2026-01-05", "period": "1", "returned": "false"},
    ),
    "/analytics/sales/lines": ({"measures": ["revenue_amount"], "where": ["item_id = p1"]}, {}),
    "/analytics/sales/who": ({"measures": ["order_count", "revenue_amount"]}, {}),
}
"""The lists of questions, each with its question and which list it is."""


def test_every_file_is_compared(api: Api) -> None:
    paths = {path.removeprefix("/v1") for path in api.json("/openapi.json")["paths"]}
    files = {path for path in paths if path.endswith(".csv")}
    assert files == {f"{path}.csv" for path in (*FILES, *OF_QUESTIONS)}


@pytest.mark.parametrize(
    ("path", "asked"),
    [(path, asked) for path, each in FILES.items() for asked in each],
)
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
    assert len(api.get(path, **asked, limit=1, format="csv").text.splitlines()) == 2


@pytest.mark.parametrize("path", OF_QUESTIONS)
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
