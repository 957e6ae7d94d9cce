"""The parameters that every route with numbers takes, found in the API's own document."""

from collections.abc import Iterator
from typing import Any

import pytest

from ecom_assets_tests.interfaces.api.api_document import api_document
from ecom_assets_tests.interfaces.api.conftest import Api

Row = dict[str, Any]
LEFT_OUT = {"range", "definition", "explain"}
NEEDS_A_BODY = {"steps": ["page_view", "purchase"]}
WHOLE = {"windows", "minutes", "steps"}
"""Lists whose rows belong together: those of a funnel's breakdown come a page at a time."""
CONFLICT = 409


def routes() -> Iterator[str]:
    """Yield the path of every GET route of numbers, with a product where it needs one.

    Files are left out: they have all rows and nothing else.
    """
    for path, methods in api_document()["paths"].items():
        is_of_numbers = path.startswith(("/v1/analytics/", "/v1/operations/"))
        if "get" in methods and is_of_numbers and not path.endswith(".csv"):
            yield path.replace("{product_id}", "p1")


ROUTES = [*routes()]
NOT_THERE = (
    "There is no ledger of deliveries here",
    "There are no costs to count profit from",
    "There is no ad spend",
    "What customers are worth needs costs or ad spend",
)
"""What answers say of what the small shop does not have."""


def test_every_route_takes_a_limit_from_1_to_1000_and_has_no_more_rows(
    api: Api, subtests: pytest.Subtests
) -> None:
    for path in ROUTES:
        with subtests.test(path=path):
            answers = {limit: api.get(path, limit=limit) for limit in (0, 1, 1000, 1001)}
            assert answers[0].status_code == answers[1001].status_code == 422
            assert answers[1].status_code == answers[1000].status_code in {200, CONFLICT}
            answer = answers[1]
            if answer.status_code == CONFLICT:
                assert answer.json()["detail"].startswith(NOT_THERE)
                continue
            body: Row = answer.json()
            of_windows = [
                window[name]
                for window in body.get("windows", ())
                for name in ("top_products", "top_pages")
            ]
            lists = [
                value
                for name, value in body.items()
                if isinstance(value, list) and name not in WHOLE
            ]
            main = next((part for part in lists if part and isinstance(part[0], dict)), [])
            assert all(len(rows) <= 1 for rows in [main, *of_windows])
            if "total_count" in body and lists:
                assert body["total_count"] is None or body["total_count"] >= len(main)


@pytest.mark.slow
def test_numbers_alone_are_those_of_the_whole_answer(api: Api, subtests: pytest.Subtests) -> None:
    for path in (route for route in ROUTES if "realtime" not in route):
        with subtests.test(path=path):
            whole, short = api.get(path), api.get(path, fields="numbers")
            assert short.status_code == whole.status_code
            if whole.status_code != CONFLICT:
                expected = {
                    name: value for name, value in whole.json().items() if name not in LEFT_OUT
                }
                assert short.json() == expected
                assert list(short.json()) == list(expected)
                assert (
                    short.headers["etag"] != whole.headers["etag"]
                    if "etag" in whole.headers
                    else True
                )


def test_numbers_alone_of_real_time_and_of_a_question(api: Api) -> None:
    assert not api.json("/analytics/realtime", fields="numbers").keys() & LEFT_OUT
    answer = api.post("/analytics/funnel", NEEDS_A_BODY, fields="numbers").json()
    assert not answer.keys() & LEFT_OUT
    assert answer["steps"] == api.post("/analytics/funnel", NEEDS_A_BODY).json()["steps"]
    assert api.get("/analytics/sales", fields="few").status_code == 422
