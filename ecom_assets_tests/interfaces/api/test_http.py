"""How answers are carried: marks, compression, explanations, problem documents."""

import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.patience import PATIENCE_S

GETS = (
    "/",
    "/analytics/sales",
    "/analytics/customers",
    "/analytics/conversion",
    "/analytics/products/top",
    "/analytics/products/p1",
    "/analytics/categories",
    "/analytics/revenue/trend",
    "/analytics/revenue/by-channel",
    "/analytics/customers/segments",
    "/analytics/geographic",
    "/analytics/inventory/alerts",
    "/analytics/engagement",
    "/analytics/journeys",
    "/analytics/searches",
    "/analytics/cohorts",
    "/analytics/customers/retention",
    "/analytics/reconciliation",
)
FUNNEL = {"steps": ["page_view", "product_view"]}


@pytest.mark.slow
@each("path", GETS)
def test_both_prefixes_answer_alike_and_the_mark_saves_the_answer(api: Api, path: str) -> None:
    plain, versioned = api.get(path), api.get(f"/v1{path}")
    assert plain.status_code == 200, plain.text
    assert versioned.json() == plain.json()
    mark = plain.headers["ETag"]
    assert versioned.headers["ETag"] == mark
    again = api.get(path, headers={"If-None-Match": f'"another", {mark}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", mark)
    assert api.get(path, headers={"If-None-Match": '"another"'}).status_code == 200


def test_another_question_has_another_mark(api: Api) -> None:
    values: list[dict[str, Any]] = [
        {},
        {"time_range": "week"},
        {"time_range": "today"},
        {"explain": "true"},
    ]
    assert len({api.get("/analytics/sales", **value).headers["ETag"] for value in values}) == len(
        values
    )


@each("path", GETS[1:])
def test_every_answer_says_what_it_is_of(api: Api, path: str) -> None:
    answer = api.json(path)
    assert answer["data_as_of"] == answer["range"]["end_date"] == "2026-02-09"
    assert answer["currency"] is None, "nobody said which one"
    assert answer["definition"]
    assert answer["explain"] is None


@each("path", GETS[1:])
def test_an_explanation_has_sql_that_runs_and_tables_with_their_runs(
    api: Api, settings: Settings, path: str
) -> None:
    answer = api.json(path, explain="true")["explain"]
    (stored,) = (settings.home / "serving").glob("marts-*.duckdb")
    with duckdb.connect(str(stored), read_only=True) as con:
        for sql in answer["sql"]:
            con.execute(sql).fetchall()
    assert answer["tables"]
    for table in answer["tables"]:
        assert table["run_id"] == "run-1"
        assert table["data_version"]
        assert (
            table["dagster_url"]
            == f"http://127.0.0.1:3000/assets/{table['table'].replace('.', '/')}"
        )


def test_a_question_of_one_s_own_is_explained_too(api: Api) -> None:
    answer = api.post("/analytics/funnel", FUNNEL, explain="true").json()["explain"]
    assert [table["table"] for table in answer["tables"]] == ["staging.events"]
    assert len(answer["sql"]) > 1


def test_long_answers_are_compressed(api: Api) -> None:
    response = api.get("/analytics/revenue/trend", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.json()["points"]


def test_the_index_lists_every_path(api: Api) -> None:
    listed = {(endpoint["method"], endpoint["path"]) for endpoint in api.json("/")["endpoints"]}
    answer = api.json("/openapi.json")
    described = {
        (method.upper(), path.removeprefix("/v1"))
        for path, methods in answer["paths"].items()
        for method in methods
    }
    assert listed == described
    assert {("GET", path) for path in GETS} - {("GET", "/analytics/products/p1")} <= listed


def test_fields_that_are_columns_are_described_by_their_contracts(api: Api) -> None:
    schemas = api.json("/openapi.json")["components"]["schemas"]
    sold = schemas["SalesNumbers"]["properties"]["shipped_amount"]
    assert (sold["title"], sold["description"]) == (
        "Gross revenue",
        "What customers paid, before refunds [money]",
    )
    assert [row["type"] for row in sold["anyOf"]] == ["string", "null"]
    for name, schema in schemas.items():
        for field, field_schema in schema.get("properties", {}).items():
            assert field_schema.get("description") or "$ref" in field_schema, f"{name}.{field}"


WRONG = {
    "dates reversed": (
        "/analytics/sales?start_date=2026-02-01&end_date=2026-01-01",
        422,
        "swap them",
    ),
    "custom without dates": (
        "/analytics/sales?time_range=custom",
        422,
        "needs both start_date and end_date",
    ),
    "half of custom": ("/analytics/sales?start_date=2026-02-01", 422, "needs both"),
    "dates for a week": (
        "/analytics/sales?time_range=week&start_date=2026-02-01",
        422,
        "has its own days",
    ),
    "unknown range": ("/analytics/sales?time_range=fortnight", 422, "'today', 'week', 'month'"),
    "no day": ("/analytics/sales?start_date=2026-02-30&end_date=2026-03-01", 422, "start_date"),
    "seconds": (
        "/analytics/sales?start_date=0&end_date=86400",
        422,
        "query.start_date: It is not a date; use YYYY-MM-DD",
    ),
    "a time": (
        "/analytics/sales?start_date=2026-01-10T00:00:00&end_date=2026-01-11",
        422,
        "It is not a date; use",
    ),
    "digits": (
        "/analytics/sales?start_date=20260101&end_date=20260102",
        422,
        "It is not a date; use YYYY-MM-DD",
    ),
    "first day there is": (
        "/analytics/sales?start_date=0001-01-01&end_date=0001-01-02",
        422,
        "1900-01-01",
    ),
    "last day there is": (
        "/analytics/sales?start_date=9999-12-30&end_date=9999-12-31",
        422,
        "2200-12-31",
    ),
    "too many days": (
        "/analytics/sales?start_date=1900-01-01&end_date=2200-01-01",
        422,
        "ask for fewer",
    ),
    "unknown sort": (
        "/analytics/products/top?sort_by=price",
        422,
        "'revenue', 'units', 'conversion', 'views', 'profit', 'margin' or 'loss'",
    ),
    "limit 0": ("/analytics/products/top?limit=0", 422, "greater than or equal to 1"),
    "limit a million": ("/analytics/products/top?limit=1000000", 422, "less than or equal to 1000"),
    "negative offset": ("/analytics/categories?offset=-1", 422, "greater than or equal to 0"),
    "misspelt parameter": (
        "/analytics/sales?time_rang=week",
        422,
        "query.time_rang: Nothing of this name",
    ),
    "near to a parameter": (
        "/analytics/products/top?limt=3",
        422,
        "given here (did you mean 'limit'?)",
    ),
    "near to a range": ("/analytics/sales?time_range=wek", 422, "(did you mean 'week'?)"),
    "hours of a year": (
        "/analytics/revenue/trend?granularity=hour&time_range=year",
        422,
        "at most 31 days",
    ),
    "a range given twice": (
        "/analytics/sales?time_range=week&time_range=month",
        422,
        "time_range is given 2 times",
    ),
    "unknown funnel": ("/analytics/conversion?funnel=defalt", 422, "did you mean 'default'"),
    "visitors by device": ("/analytics/conversion?by=device&unit=visitor", 422, "per session"),
    "unknown product": (
        "/analytics/products/nothing",
        404,
        "No event and no order has the product",
    ),
    "unicode": ("/analytics/products/%F0%9F%91%A2%00", 404, "No event and no order"),
    "sql in a path": (
        "/analytics/products/p1'%20OR%201=1;%20DROP%20TABLE%20mart.sales",
        404,
        "No event and no order",
    ),
    "nothing there": ("/analytics/saless", 404, "There is nothing at /analytics/saless"),
}


@each("case", WRONG)
def test_what_is_wrong_is_reported_in_a_problem_document(api: Api, case: str) -> None:
    path, status, message = WRONG[case]
    response = api.get(path)
    answer = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (
        status,
        "application/problem+json",
    )
    assert message in answer["detail"], answer
    assert (answer["status"], answer["type"]) == (status, "about:blank")
    assert answer["instance"]


def test_sql_in_a_parameter_is_a_word_like_any_other(api: Api) -> None:
    answer = api.json("/analytics/products/top", category="Hats' OR '1'='1")
    assert (answer["total_count"], answer["products"]) == (0, [])


def test_a_method_that_is_not_taken_is_reported(api: Api) -> None:
    response = api.post("/analytics/products/top", {})
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
    assert "does not take POST" in response.json()["detail"]
    other = requests.options(f"{api.address}/analytics/journeys", timeout=PATIENCE_S)
    assert (other.status_code, other.headers["Allow"]) == (405, "GET, HEAD, POST")


BODIES = {
    "no step": ({"steps": []}, 422, "at least 1"),
    "too many steps": ({"steps": ["page_view"] * 65}, 422, "at most 64"),
    "too many steps to plan": (
        {"steps": ["page_view"] * 17, "by": "product_id"},
        413,
        "at most 16 steps",
    ),
    "unknown column": (
        {"steps": ["page_view", "purchase"], "by": "colour"},
        422,
        "no column 'colour'",
    ),
    "a window of days or seconds": ({**FUNNEL, "within": "7"}, 422, "write a number and a unit"),
    "unknown key": ({**FUNNEL, "witin": "7d"}, 422, "witin"),
    "unknown order": ({**FUNNEL, "order": "sorted"}, 422, "'ordered'"),
    "dates reversed": (
        {**FUNNEL, "start_date": "2026-02-01", "end_date": "2026-01-01"},
        422,
        "swap them",
    ),
    "no object": ([1], 422, "A funnel definition maps steps"),
    "a misspelt part of a step": (
        {"steps": [{"event_type": "page_view", "were": {}}, "purchase"]},
        422,
        "Unknown key 'were' in a funnel step; did you mean 'where'?",
    ),
    "a step that is a number": ({"steps": [5, "purchase"]}, 422, "A funnel step maps event_type"),
}


@each("case", BODIES)
def test_a_definition_that_cannot_be_counted_is_refused(api: Api, case: str) -> None:
    body, status, message = BODIES[case]
    response = api.post("/analytics/funnel", body)
    assert (response.status_code, response.headers["Content-Type"]) == (
        status,
        "application/problem+json",
    )
    assert message in response.json()["detail"], response.text


def test_an_event_type_that_no_event_has_counts_0_with_a_warning(api: Api) -> None:
    funnel = api.post("/analytics/funnel", {"steps": ["page_view", "purchas"]}).json()
    assert [step["count"] > 0 for step in funnel["steps"]] == [True, False]
    sentence = "No event has the type 'purchas', so it counts 0; did you mean 'purchase'?"
    assert funnel["warnings"] == [sentence]
    assert (
        api.post("/analytics/funnel", {"steps": ["page_view", "purchase"]}).json()["warnings"] == []
    )
    retention = api.post("/analytics/retention", {"start": "purchas"}).json()
    assert (retention["cohorts"], retention["warnings"]) == ([], [sentence])


def test_retention_by_the_hour_of_starts_in_a_range(api: Api) -> None:
    """Of starts: who came before the 9th of February is in no cohort; of events,
    everybody of the day begins then.
    """
    day = {"start_date": "2026-02-09", "end_date": "2026-02-09", "period": "hour", "last_period": 1}
    of_events, of_starts = (
        api.post("/analytics/retention", {**day, "range_of": source}).json()
        for source in ("events", "starts")
    )
    assert of_events["cohorts"][0]["cohort"].startswith("2026-02-09T")
    sizes = [
        sum(cohort["size"] for cohort in actual["cohorts"]) for actual in (of_events, of_starts)
    ]
    assert sizes[0] > sizes[1]
    assert of_starts["definition"]["first_date"] == "2026-02-09"
    assert of_starts["event_count"] > of_events["event_count"]


def test_retention_in_odd_brackets_is_refused(api: Api) -> None:
    for body, message in (
        ({"mode": "bracket", "brackets": [[3, 1]]}, "overlap, go backwards"),
        ({"mode": "bracket", "brackets": [[-1, 1]]}, "counted from 0"),
    ):
        response = api.post("/analytics/retention", body)
        assert response.status_code == 422
        assert message in response.json()["detail"], response.text


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (
            "text/plain",
            b'{"steps": ["page_view", "purchase"]}',
            "add the header Content-Type: application/json",
        ),
        (
            "application/json",
            b'{"steps": ',
            "body: It is not JSON at character 10: Expecting value",
        ),
        ("application/json", b"", "body: Field required"),
    ],
)
def test_a_body_that_is_no_json_gets_an_example(
    api: Api, kind: str, body: bytes, message: str
) -> None:
    response = requests.post(
        f"{api.address}/analytics/funnel", body, headers={"Content-Type": kind}, timeout=PATIENCE_S
    )
    assert response.status_code == 422
    assert message in response.json()["detail"], response.text


def test_a_body_that_is_no_text_is_refused(api: Api) -> None:
    address = urlsplit(api.address)
    body = b"\xff\x0f\xfeZ"
    head = (
        "POST /analytics/funnel HTTP/1.1\r\n"
        "Host: x\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}"
    )
    with socket.create_connection(
        (address.hostname, address.port), timeout=PATIENCE_S
    ) as connection:
        connection.sendall(
            f"{head}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n".encode() + body
        )
        result = b"".join(iter(lambda: connection.recv(65536), b""))
    assert result.startswith(b"HTTP/1.1 400")
    detail = json.loads(result.partition(b"\r\n\r\n")[2])["detail"]
    assert detail == "The body is not JSON in UTF-8, or nests too deeply; correct it."


@each("page", ["/docs", "/redoc", "/v1/docs", "/v1/redoc"])
def test_the_pages_that_describe_the_api_come_from_it_alone(api: Api, page: str) -> None:
    answer = api.get(page)
    named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert named
    assert {api.get(name).status_code for name in named} == {200}


def test_the_document_of_the_api_has_its_version_in_its_path_too(api: Api) -> None:
    assert api.json("/v1/openapi.json") == api.json("/openapi.json")
    assert api.get("/v1/docs/oauth2-redirect").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/analytics/customers/segments", "/analytics/inventory/alerts", "/analytics/realtime"],
)
def test_days_change_nothing_in_an_answer_about_one_moment(api: Api, path: str) -> None:
    """Old clients send `time_range` to every route; these answers say what it means for them."""
    custom = {"time_range": "custom", "start_date": "2026-01-01", "end_date": "2026-01-02"}
    answers = [api.json(path, **query) for query in ({}, {"time_range": "week"}, custom)]
    assert "whatever days are asked for" in answers[0]["definition"]["time_range"]
    lists = [
        {name: answer.get(name) for name in ("segments", "alerts", "funnel")} for answer in answers
    ]
    assert lists[0] == lists[1] == lists[2]
    assert api.get(path, time_range="fortnight").status_code == 422
