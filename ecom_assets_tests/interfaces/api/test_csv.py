"""Answers as CSV: the list of each as rows, over HTTP and in a few answers by hand."""

import csv
import io
from typing import Any

import pytest

from ecom_assets.interfaces.api.parameters import SHARES, csv_of
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.shop_files import PRODUCTS
from ecom_assets_tests.interfaces.api.test_every_number import CASES

Row = dict[str, Any]
LISTS = {
    "/analytics/revenue/trend": "points",
    "/analytics/revenue/by-channel": "channels",
    "/analytics/discounts": "discounts",
    "/analytics/geographic": "places",
    "/analytics/customers/segments": "segments",
    "/analytics/customers/profiles": "profiles",
    "/analytics/customers/due-again": "customers",
    "/analytics/products/top": "products",
    "/analytics/products/p0": "trend",
    "/analytics/categories": "categories",
    "/analytics/inventory/alerts": "alerts",
    "/analytics/engagement": "days",
    "/analytics/journeys": "transitions",
    "/analytics/searches": "searches",
    "/analytics/cohorts": "cohorts",
    "/analytics/customers/retention": "weeks",
    "/analytics/reconciliation": "days",
    "/analytics/conversion": "steps",
    "/analytics/visitor-segments": "segments",
    "/analytics/visitor-segments/daily": "days",
}
"""The list of each answer that has one."""
WITHOUT = {"/analytics/sales", "/analytics/customers"}
FORMULA = "'=1+1"
AD_HOC = (
    "/funnel",
    "/retention",
    "analytics/trend",
    "/experiment",
    "/correlation",
    "/sessions",
    "/attribution",
)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def as_text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_every_get_route_is_asked_for_csv_here() -> None:
    paths = {
        path
        for path in CASES.values()
        if not path.partition("?")[0].endswith((*AD_HOC, "/who")) or "customers" in path
    }
    assert paths - {"/analytics/products/p7"} == {*LISTS, *WITHOUT}


@pytest.mark.slow
@each("path", LISTS)
def test_the_list_of_an_answer_comes_as_rows(api: Api, path: str) -> None:
    answer, result = api.json(path), api.get(path, format="csv")
    assert result.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    listed = answer[LISTS[path]]
    assert listed
    rows = rows_of(result.text)
    shares = {name: answer[name] for name in SHARES if name in answer}
    listed = [row | shares for row in listed]
    assert [list(row) for row in rows] == [list(row) for row in listed]
    is_counted = path != "/analytics/conversion"  # whose `total_count` is of the breakdown
    assert result.headers["x-total-count"] == str(
        answer["total_count"] if is_counted else len(listed)
    )
    for row, expected in zip(rows, listed, strict=True):
        assert [cell.removeprefix("'") for cell in row.values()] == [
            as_text(value) for value in expected.values()
        ]
    assert result.content.count(b"\r\n") == len(listed) + 1
    assert api.get(f"/v1{path}", format="csv").text == result.text


@pytest.mark.parametrize("path", sorted(WITHOUT))
def test_an_answer_without_a_list_is_one_row(api: Api, path: str) -> None:
    answer = api.json(path)
    (row,) = rows_of(api.get(path, format="csv").text)
    name = path.rpartition("/")[2]
    assert not row["currency"], "nobody said which one"
    assert row[f"{name}.{next(iter(answer[name]))}"] == as_text(next(iter(answer[name].values())))
    assert "range.start_date" not in row


def test_a_breakdown_is_a_row_for_each_step_of_each_value(api: Api) -> None:
    parts = api.json("/analytics/conversion", by="device")["breakdown"]
    rows = rows_of(api.get("/analytics/conversion", by="device", format="csv").text)
    steps = [(part["value"], step) for part in parts for step in part["steps"]]
    answer = [(row["value"], row["event_type"], row["unit_count"], row["step"]) for row in rows]
    assert answer == [
        (value, step["event_type"], str(step["unit_count"]), str(step["step"]))
        for value, step in steps
    ]


def test_questions_of_one_s_own_come_as_csv_too(api: Api) -> None:
    body = {"steps": ["product_view", "add_to_cart"]}
    steps = rows_of(api.post("/analytics/funnel", body, format="csv").text)
    assert [row["event_type"] for row in steps] == body["steps"]
    answer = api.post("/analytics/retention", {"period": "week"}).json()["cohorts"]
    rows = rows_of(api.post("/analytics/retention", {"period": "week"}, format="csv").text)
    assert [(row["cohort"], row["period"], row["returned"]) for row in rows] == [
        (row["cohort"], str(period), str(count))
        for row in answer
        for period, count in enumerate(row["returned"])
    ]


@pytest.mark.parametrize("by", ["product_category", ["product_category", "page_url"]])
def test_a_part_of_a_funnel_by_columns_has_each_step_once(api: Api, by: str | list[str]) -> None:
    body = {"steps": ["product_view", "add_to_cart"], "by": by, "limit": 2}
    parts = api.post("/analytics/funnel", body).json()["breakdown"]
    response = api.post("/analytics/funnel", body, format="csv")
    rows = rows_of(response.text)
    assert [(row["value"], row["step"], row["count"]) for row in rows] == [
        (part["value"], str(step["step"]), str(step["count"]))
        for part in parts
        for step in part["steps"]
    ]
    assert response.headers["x-total-count"] == str(len(parts))
    several = set() if isinstance(by, str) else {"values.1", "values.2"}
    assert {name for name in rows[0] if name == "period" or name.startswith("values")} == several
    if several:
        whole = [row for row in rows if row["value"] != "Other"]
        assert whole
        assert {f"{row['values.1']} / {row['values.2']}" == row["value"] for row in whole} == {True}
        assert {row["values.1"] for row in rows if row["value"] == "Other"} == {""}


def test_a_header_counts_the_list_that_the_rows_are_of(api: Api) -> None:
    funnel = {"steps": ["product_view", "add_to_cart"], "over": "week"}
    retention = {"period": "week", "by": "event_type"}
    responses = [
        (
            api.get("/analytics/conversion", format="csv"),
            len(api.json("/analytics/conversion")["steps"]),
        ),
        (api.post("/analytics/funnel", funnel, format="csv"), 2),
        (
            api.post("/analytics/retention", retention, format="csv"),
            len(api.post("/analytics/retention", retention).json()["breakdown"]),
        ),
    ]
    assert [int(response.headers["x-total-count"]) for response, _ in responses] == [
        count for _, count in responses
    ]


@pytest.mark.slow
def test_who_was_counted_says_how_many_the_whole_list_has(api: Api) -> None:
    funnel, retention = {"steps": ["product_view", "add_to_cart"]}, {"period": "week"}
    cohort = api.post("/analytics/retention", retention).json()["cohorts"][0]
    for path, body, cell in (
        ("funnel", funnel, {"step": 1}),
        ("retention", retention, {"cohort": cohort["cohort"]}),
    ):
        for offset in (0, 2):
            page = {**cell, "limit": 2, "offset": offset}
            answer = api.post(f"/analytics/{path}/who", body, **page).json()
            assert (len(answer["who"]), answer["total_count"]) == (2, answer["count"])
            response = api.post(f"/analytics/{path}/who", body, **page, format="csv")
            assert response.headers["x-total-count"] == str(answer["count"])
    assert cohort["size"] == answer["count"] > 4


@pytest.mark.slow
def test_a_trend_names_its_days_and_a_breakdown_of_cohorts_its_values(api: Api) -> None:
    body = {"series": ["*", "purchase"], "time_range": "week", "compare": True}
    answer = api.post("/analytics/trend", body).json()
    rows = rows_of(api.post("/analytics/trend", body, format="csv").text)
    assert [(row["name"], row["period"], row["values"], row["previous"]) for row in rows] == [
        (series["name"], day, f"{value}", f"{before}")
        for series in answer["series"]
        for day, value, before in zip(
            answer["periods"], series["values"], series["previous"], strict=True
        )
    ]
    sticky = {"series": ["*"], "time_range": "week", "kind": "stickiness"}
    (series,) = api.post("/analytics/trend", sticky).json()["stickiness"]
    rows = rows_of(api.post("/analytics/trend", sticky, format="csv").text)
    assert [(int(row["period_count"]), int(row["exactly"])) for row in rows] == [
        (row["period_count"], row["exactly"]) for row in series["visitors"]
    ]
    lives = rows_of(
        api.post("/analytics/trend", {**sticky, "kind": "lifecycle"}, format="csv").text
    )
    assert [row["period"] for row in lives] == answer["periods"]
    assert {"new", "returning", "resurrecting", "dormant"} <= set(lives[0])
    values = {"period": "week", "by": "event_type", "sum_of": "cart_amount"}
    parts = api.post("/analytics/retention", values).json()["breakdown"]
    rows = rows_of(api.post("/analytics/retention", values, format="csv").text)
    assert [
        (row["value"], row["cohort"], row["period"], row["returned"], row["sum"]) for row in rows
    ] == [
        (part["value"], cohort["cohort"], str(period), str(count), str(cohort["sum"][period]))
        for part in parts
        for cohort in part["cohorts"]
        for period, count in enumerate(cohort["returned"])
    ]
    assert rows


def test_a_page_behind_the_last_cohort_is_empty(api: Api) -> None:
    response = api.post("/analytics/retention", {"period": "week"}, format="csv", offset=1_000)
    assert (response.status_code, response.text) == (200, "")


def test_a_page_says_how_many_rows_the_whole_has(api: Api) -> None:
    response = api.get(
        "/analytics/products/top", format="csv", limit=2, offset=1, time_range="year"
    )
    assert len(rows_of(response.text)) == 2
    assert response.headers["x-total-count"] == str(len(PRODUCTS))


def test_what_a_visitor_searched_runs_as_no_formula_in_a_spreadsheet(api: Api) -> None:
    assert "=1+1" in {
        search["search_term"] for search in api.json("/analytics/searches")["searches"]
    }
    assert FORMULA in {
        row["search_term"] for row in rows_of(api.get("/analytics/searches", format="csv").text)
    }


@each(
    "value, cell",
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\uff1d1", "'\uff1d1"),
        ("-79.80", "-79.80"),
        (-3, "-3"),
        ("-", "'-"),
        ("-1+cmd|x", "'-1+cmd|x"),
        ("a=b", "a=b"),
        ("1e-5", "1e-5"),
        ("", ""),
        (None, ""),
        (True, "true"),
        ([], "[]"),
        ('a,"b"\r\nc', 'a,"b"\r\nc'),
    ],
)
def test_cells_are_what_they_say(value: object, cell: str) -> None:
    written = csv_of({"cells": [{"one": "x", "cell": value}]}, ["cells"])
    (row,) = rows_of(written)
    assert row["cell"] == cell


def test_an_empty_list_is_an_empty_file(api: Api) -> None:
    response = api.get("/analytics/products/top", format="csv", category="nothing")
    assert (response.status_code, response.text, response.headers["x-total-count"]) == (
        200,
        "",
        "0",
    )


def test_rows_with_other_columns_stand_under_all_of_them() -> None:
    rows = rows_of(
        csv_of({"windows": [{"n": 1, "types": {"a": 1}}, {"n": 2, "types": {"b": 2}}]}, ["windows"])
    )
    assert rows == [
        {"n": "1", "types.a": "1", "types.b": ""},
        {"n": "2", "types.a": "", "types.b": "2"},
    ]


def test_each_row_says_of_what_part_it_is_known() -> None:
    rows = [{"channel": "Email", "revenue_amount": "9.00"}, {"channel": "(none)"}]
    answer = {"channels": rows, "visit_coverage_rate": 0.56, "other": 1}
    assert csv_of(answer, ("channels",)) == (
        "channel,revenue_amount,visit_coverage_rate\r\nEmail,9.00,0.56\r\n(none),,0.56\r\n"
    )


def test_a_refusal_stays_a_problem_document_and_an_unknown_format_is_one(api: Api) -> None:
    for wrong in ({"format": "csv", "limit": 0}, {"format": "xml"}):
        response = api.get("/analytics/categories", None, **wrong)
        assert (response.status_code, response.headers["content-type"]) == (
            422,
            "application/problem+json",
        )


def test_csv_has_a_mark_of_its_own_and_saves_the_answer(api: Api) -> None:
    plain, csv_ = api.get("/analytics/sales"), api.get("/analytics/sales", format="csv")
    assert plain.headers["etag"] != csv_.headers["etag"]
    again = api.get("/analytics/sales", {"If-None-Match": csv_.headers["etag"]}, format="csv")
    assert (again.status_code, again.content) == (304, b"")
