"""Every route that takes days: days that end before they start are refused, and an answer is about
those that were asked for, or says of which moment it is.
"""

from collections.abc import Iterator
from typing import Final

import pytest
import requests

from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.parameters import ANY_DAYS
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets_tests.interfaces.api.api_document import api_document
from ecom_assets_tests.interfaces.api.conftest import Api, Row, published_shop, served
from ecom_assets_tests.test_who_may_see import BODIES, QUERIES, save, with_path

DOCUMENT: Final = api_document()
DAYS: Final = {"start_date": "2026-01-20", "end_date": "2026-01-24"}
TURNED: Final = {"start_date": "2026-01-24", "end_date": "2026-01-20"}
RETRY: Final[Row] = {"destination": "amplitude"}
"""The body of the request to send again what a tool refused."""
WITHOUT_DATA: Final = {"profit", "marketing", "cohort-value", "deliveries", "dead-letters"}
"""What the small shop has no data for; its days are refused all the same."""


def parameters_of(operation: Row) -> dict[str, Row]:
    return {parameter["name"]: parameter for parameter in operation.get("parameters", ())}


def by_days() -> Iterator[tuple[str, str]]:
    """Yield the method and path of each route whose query or body has a first day."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
            body = DOCUMENT["components"]["schemas"].get(reference.rpartition("/")[2], {})
            if "start_date" in {*parameters_of(operation), *body.get("properties", ())}:
                yield method, path


ROUTES: Final = [*by_days()]
OF_MOMENTS: Final = [
    path
    for method, path in ROUTES
    if parameters_of(DOCUMENT["paths"][path][method]).get("start_date", {}).get("description", "")
    == ANY_DAYS
]
OF_PERIODS: Final = [
    path
    for method, path in ROUTES
    if method == "get" and path not in OF_MOMENTS and not path.endswith(".csv")
]


def ask(api: Api, method: str, path: str, days: dict[str, str]) -> requests.Response:
    """Ask a route for days, with what else it needs."""
    query = {"column": "event_type"} if path.endswith("/values") else QUERIES.get(path, [{}])[0]
    if method == "get":
        return api.get(with_path(path), None, **{**query, **days})
    body = BODIES[path][0] if path in BODIES else RETRY
    return api.post(with_path(path), {**body, **days}, **query)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API over the small shop, in a home with a saved question."""
    shop = published_shop(tmp_path_factory.getbasetemp() / "api")
    home = tmp_path_factory.mktemp("days") / "home"
    home.mkdir()
    (home / "serving").symlink_to(shop.home / "serving")
    settings = shop.model_copy(update={"home": home})
    save(BoardStore(settings))
    with served(build_app(settings)) as running:
        yield running


def test_days_that_end_before_they_start_are_refused(api: Api, subtests: pytest.Subtests) -> None:
    for method, path in ROUTES:
        with subtests.test(method=method, path=path):
            answer = ask(api, method, path, TURNED)
            assert answer.status_code == 422, answer.text
            assert "2026-01-24" in answer.json()["detail"]


def test_there_are_routes_of_each_kind() -> None:
    assert len(OF_MOMENTS) >= 6
    assert len(OF_PERIODS) >= 20


def test_an_answer_is_about_the_days_that_were_asked_for(
    api: Api, subtests: pytest.Subtests
) -> None:
    for path in OF_PERIODS:
        with subtests.test(path=path):
            answer = ask(api, "get", path, DAYS)
            if answer.status_code == 409:
                assert path.rpartition("/")[2] in WITHOUT_DATA
                continue
            assert answer.status_code in {200, 404}, answer.text
            if answer.status_code == 200:
                covered = answer.json()["range"]
                assert {name: covered[name] for name in DAYS} == DAYS


@pytest.mark.slow
def test_an_answer_about_one_moment_says_so_and_is_the_same(
    api: Api, subtests: pytest.Subtests
) -> None:
    for path in (path for path in OF_MOMENTS if not path.endswith(".csv")):
        with subtests.test(path=path):
            answers = [ask(api, "get", path, days) for days in ({}, DAYS)]
            assert "whatever days are asked for" in answers[0].json()["definition"]["time_range"]
            if "realtime" not in path:
                assert answers[0].json() == answers[1].json()


def test_findings_are_those_of_the_days(api: Api) -> None:
    """The newest week of the small shop ends on 9 February; nothing is known of the days before."""
    whole = api.json("/analytics/findings")
    assert whole["total_count"] == len(whole["findings"])
    last = max((row["last_date"] for row in whole["findings"]), default="2026-02-09")
    on_last = api.json("/analytics/findings", start_date=last, end_date=last)
    assert on_last["findings"] == [
        row for row in whole["findings"] if row["first_date"] <= last <= row["last_date"]
    ]
    before = api.json("/analytics/findings", **DAYS)
    assert (before["findings"], before["compared_kinds"]) == ([], [])
    assert before["total_count"] is None, "not 0: nobody looked"
    assert before["range"]["start_date"] == DAYS["start_date"]
    assert "with days, those of them" in before["definition"]["time_range"]
