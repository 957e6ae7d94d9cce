"""The published schema in a real Postgres gives the answers that the snapshot gives."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
import requests
from fastapi import FastAPI

from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.store.postgres import PublishedPostgresStore
from ecom_assets.interfaces.api.store.store import NothingPublishedError
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.api.test_http import FUNNEL, GETS
from ecom_assets_tests.patience import wait_until

LONG = [f"p{number}" for number in range(2, 90)]
QUESTIONS = (
    ("/analytics/funnel", FUNNEL),
    ("/analytics/funnel", {**FUNNEL, "per": "session", "time_range": "week"}),
    ("/analytics/funnel", {**FUNNEL, "by": "product_category"}),
    (
        "/analytics/funnel",
        {**FUNNEL, "by": ["product_category", "product_id"], "where": ["product_id != p1"]},
    ),
    (
        "/analytics/funnel",
        {**FUNNEL, "over": "day", "time_to_convert": {"from": 1, "to": 2, "bins": 5}},
    ),
    ("/analytics/funnel", {**FUNNEL, "over": "hour", "last": "2d", "order": "any"}),
    (
        "/analytics/funnel",
        {**FUNNEL, "where": [{"column": "product_id", "operator": "one_of", "value": LONG}]},
    ),
    ("/analytics/retention", {"period": "week", "start": "purchase"}),
    ("/analytics/retention", {"period": "day", "clock": "rolling", "last_period": 3}),
)
OF_THE_STORE = ("data_version", "published_at")


@pytest.fixture(scope="module")
def over_postgres(in_postgres: Settings) -> Iterator[Api]:
    app: FastAPI = build_app(in_postgres)
    with served(app) as answer:
        yield answer
    app.state.store.close()


def reported(result: requests.Response) -> dict[str, object]:
    """Return an answer without what differs between stores."""
    assert result.status_code == 200, result.text
    return {name: value for name, value in result.json().items() if name not in OF_THE_STORE}


@pytest.mark.slow
@each("path", GETS)
def test_marts_give_the_same_answers(api: Api, over_postgres: Api, path: str) -> None:
    assert reported(over_postgres.get(path)) == reported(api.get(path))


def test_hours_and_dimensions_do_too(api: Api, over_postgres: Api) -> None:
    for path in (
        "/analytics/revenue/trend?granularity=hour&time_range=week",
        "/analytics/conversion?by=device",
        "/analytics/products/top?sort_by=conversion&limit=50",
    ):
        assert reported(over_postgres.get(path)) == reported(api.get(path))


@pytest.mark.slow
@each("path, body", QUESTIONS)
def test_custom_questions_give_the_same(
    api: Api, over_postgres: Api, path: str, body: dict[str, object]
) -> None:
    assert reported(over_postgres.post(path, body)) == reported(api.post(path, body))


@pytest.mark.parametrize("changed", [{"by": "properties.plan"}, {"hold": ["session_id"]}])
def test_columns_that_are_not_published_are_refused(
    over_postgres: Api, changed: dict[str, object]
) -> None:
    result = over_postgres.post("/analytics/funnel", {**FUNNEL, **changed})
    assert result.status_code == 422
    assert "The events published in Postgres have no" in result.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/analytics/attribution", {}), ("/analytics/funnel", {**FUNNEL, "by": "channel"})],
)
def test_what_would_be_computed_from_them_is_refused_too(
    over_postgres: Api, path: str, body: dict[str, object]
) -> None:
    result = over_postgres.post(path, body)
    assert result.status_code == 422
    assert (
        "The question needs referrer_url, which the events published in Postgres do not have"
        in result.text
    )


def test_an_explanation_names_the_publication(over_postgres: Api) -> None:
    explained = over_postgres.json("/analytics/sales", explain="true")["explain"]
    (table,) = explained["tables"]
    assert (table["table"], table["run_id"]) == ("mart.revenue_daily", "run-1")


def test_a_lost_connection_is_replaced(in_postgres: Settings, postgres_warehouse: str) -> None:
    with closing(PublishedPostgresStore(in_postgres)) as store:
        with store.reading() as reading:
            version = reading.published.data_version
        with psycopg.connect(postgres_warehouse, autocommit=True) as con:
            con.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                "pg_backend_pid()"
            )
        with store.reading() as reading:
            assert reading.published.data_version == version


def test_a_question_that_takes_too_long_is_ended(in_postgres: Settings) -> None:
    hasty = in_postgres.model_copy(update={"adhoc_timeout_s": 0.2})
    with closing(PublishedPostgresStore(hasty)) as store, store.reading() as reading:
        result = pytest.raises(QuestionTooLargeError, match=r"takes more than 0\.2 s")
        with result, reading.adhoc() as con:
            con.con.execute("SELECT pg_sleep(30)")


SLEEPS = """
import sys
from ecom_assets.interfaces.api.store.postgres import PublishedPostgresStore
from ecom_assets.core.settings.settings import Settings
store = PublishedPostgresStore(Settings(home=sys.argv[1], postgres_url=sys.argv[2]))
with store.reading() as reading, reading.adhoc() as con:
    con.con.execute("SELECT pg_sleep(600)")
"""


@pytest.mark.slow
def test_the_server_ends_the_question_of_a_process_that_is_gone(
    in_postgres: Settings, postgres_warehouse: str
) -> None:
    with psycopg.connect(postgres_warehouse, autocommit=True) as con:

        def sleeping() -> int:
            sql = (
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND "
                "state = 'active'"
            )
            return int(con.execute(sql).fetchall()[0][0])

        command = [sys.executable, "-c", SLEEPS, str(in_postgres.home), postgres_warehouse]
        with subprocess.Popen(command) as process:
            wait_until(lambda: sleeping() == 1)
            process.kill()
        wait_until(lambda: sleeping() == 0)


def test_an_empty_database_is_reported_with_what_to_do(
    settings: Settings, postgres_url: str
) -> None:
    empty_settings = settings.model_copy(
        update={"postgres_url": type(settings.postgres_url)(postgres_url)}
    )
    result = pytest.raises(NothingPublishedError, match="Nothing is published yet in the Postgres")
    with closing(PublishedPostgresStore(empty_settings)) as store, result, store.reading():
        pass


def test_requests_side_by_side_have_connections_of_their_own(over_postgres: Api) -> None:
    actual: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: actual.append(over_postgres.get("/analytics/categories").status_code)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert actual == [200] * 8
