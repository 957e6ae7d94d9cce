"""Answers that nobody waits for any more: what the store does for them ends,
and the next ones come.

Ad-hoc questions end with their process: `test_adhoc.py`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import ibis
import pytest
from fastapi import FastAPI

from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.middleware.request_log import ApiMetrics
from ecom_assets.interfaces.api.parameters import Context
from ecom_assets.interfaces.api.problems import handle_errors
from ecom_assets.interfaces.api.store.store import Cancellation, PublishedStore, SnapshotStore
from ecom_assets_tests.interfaces.api.served import Running, Shop, serving, shop_served
from ecom_assets_tests.patience import wait_until

HASTY = {"api_timeout_s": 2.0}
"""The time of an answer, which is to end the question."""
MINUTES_S = 120
"""What the endless question would take at least."""


def endless(rows: int = 300_000) -> Any:
    """A question that an engine works on for minutes."""
    left_rows, right_rows = (ibis.range(rows).unnest().name(name).as_table() for name in ("n", "m"))
    pairs = left_rows.cross_join(right_rows)
    sevenths = pairs.filter((pairs.n * pairs.m) % 7 == 3)
    return sevenths.agg(count=sevenths.count())


class Queries:
    """The queries that began, and how they ended."""

    def __init__(self) -> None:
        self.ended: list[Exception] = []
        self.begun = threading.Event()


def slow_app(store: PublishedStore, settings: Settings, question: Queries) -> FastAPI:
    """An API with an endless route, and a quick one."""
    app, shop = FastAPI(), Shop()
    app.state.store, app.state.settings, app.state.served = store, settings, shop_served(shop)
    app.state.metrics = ApiMetrics(lambda: shop.age_s)
    handle_errors(app)

    @app.get("/analytics/slow")
    def slow(context: Context) -> int:
        question.begun.set()
        return _counted(question, lambda: len(context.reading.rows(endless())))

    @app.get("/analytics/quick")
    def quick(context: Context) -> int:
        return len(context.reading.rows(ibis.literal(1).name("n").as_table()))

    return app


def _counted(question: Queries, count: Any) -> int:
    try:
        actual: int = count()
    except Exception as error:
        question.ended.append(error)
        raise
    return actual


@pytest.fixture
def question() -> Queries:
    return Queries()


@pytest.fixture(params=["snapshot", "postgres"])
def slow(
    request: pytest.FixtureRequest, settings: Settings, question: Queries
) -> Iterator[Running]:
    """Each store behind all that stands in front of the API, with half a second for an answer."""
    hasty = settings.model_copy(update=HASTY)
    if request.param == "postgres":
        from ecom_assets.interfaces.api.store.postgres import PublishedPostgresStore  # noqa: PLC0415 (as it needs the extra)

        hasty = request.getfixturevalue("in_postgres").model_copy(update=HASTY)
        store: PublishedStore = PublishedPostgresStore(hasty)
    else:
        store = SnapshotStore(hasty)
    with closing(store), serving(hasty, slow_app(store, hasty, question)) as actual:
        yield actual


@pytest.mark.slow
def test_what_runs_out_of_time_ends_in_the_engine_not_the_next(
    slow: Running, question: Queries
) -> None:
    began = time.monotonic()
    answer = slow.get("/analytics/slow")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert question.begun.is_set()
    wait_until(lambda: question.ended)
    assert time.monotonic() - began < MINUTES_S / 4
    for _ in range(5):
        assert slow.get("/analytics/quick").json() == 1


def test_nothing_begins_once_the_time_is_over() -> None:
    cancellation = Cancellation()
    cancellation.end()
    with (
        pytest.raises(QuestionTooLargeError, match="The response took too long"),
        cancellation.during(print),
    ):
        pass
