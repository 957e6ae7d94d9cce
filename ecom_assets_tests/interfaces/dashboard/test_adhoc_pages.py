"""Which requests are ad-hoc questions, which processes of their own compute:
those that read in one, and no others.
"""

from collections.abc import Iterator

import pytest
import requests

from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.adhoc.questions import AdHocQuestions
from ecom_assets.interfaces.api.store.store import SnapshotReading
from ecom_assets.interfaces.dashboard.app import build_dashboard_app, build_dashboard_stack
from ecom_assets.interfaces.dashboard.page import DashboardPage, all_pages
from ecom_assets.interfaces.dashboard.sessions import PREFIX
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.api.test_http import GETS
from ecom_assets_tests.interfaces.api.test_questions import QUESTIONS
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.test_pages import NEEDS as OF_PAGES
from ecom_assets_tests.patience import PATIENCE_S

NUMBER = "table=mart.revenue_daily&column=order_count&order_date=2026-01-20"
WHY = "/v1/explain/mart/revenue_daily?where=order_date = 2026-01-20"
UNASKED = {"alert", "experiment", "board-tile"}
"""Pages that ask nothing before a form is filled in, and for a number of the shop."""
READ_LINKS = ("/dashboard/live", "/v1/analytics/realtime")
"""What reads links of earlier runs on a connection of its own, and is no question."""
NEEDS = OF_PAGES | {"why": NUMBER}


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    """The API and the dashboard, of which nobody has asked anything yet:
    the Live page reads links once.
    """
    with served(build_dashboard_app(settings)) as answer:
        yield Client(answer.address)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[SnapshotReading]:
    """The ad-hoc questions that began; each is refused."""
    questions: list[SnapshotReading] = []

    def refused(reading: SnapshotReading) -> None:
        questions.append(reading)
        raise QuestionTooLargeError("This question is not answered here.")

    monkeypatch.setattr(SnapshotReading, "adhoc", refused)
    return questions


@pytest.mark.slow
@each("page", all_pages())
def test_a_page_that_asks_questions_says_so(
    client: Client, begun: list[SnapshotReading], page: DashboardPage
) -> None:
    begun.clear()
    assert client.get(f"{page.address}?{NEEDS.get(page.path, '')}").status_code == 200
    is_asked = (page.is_ad_hoc and page.path not in UNASKED) or page.address in READ_LINKS
    assert bool(begun) == is_asked


@each("path", [*GETS, *QUESTIONS, WHY])
def test_a_route_that_asks_questions_is_known(
    client: Client, settings: Settings, begun: list[SnapshotReading], path: str
) -> None:
    begun.clear()
    app = build_dashboard_app(settings)
    middleware = AdHocQuestions(app, app.state.ad_hoc, settings)
    if path in QUESTIONS:
        requests.post(client.address + path, json=QUESTIONS[path], timeout=PATIENCE_S)
    else:
        client.get(path)
    plain = path.partition("?")[0]
    is_asked = middleware.is_question("POST" if path in QUESTIONS else "GET", plain)
    assert bool(begun) == (is_asked or plain in READ_LINKS)


AGAIN = '<meta http-equiv="refresh" content="'


def test_a_page_that_has_to_wait_says_so_as_a_page_and_asks_again(settings: Settings) -> None:
    """One request a minute is the least that a rate can be; an answer in 0.1 ms is none."""
    often = settings.model_copy(update={"rate_limit_address": "1/minute"})
    with served(build_dashboard_stack(often)) as answer:  # type: ignore[arg-type]  # any ASGI application
        assert answer.get("/dashboard/sales").status_code == 200
        waiting(answer.get("/dashboard/sales"), 429, "This address may ask 1 per minute; come")
        number = answer.get("/v1/analytics/sales")
        assert (number.status_code, number.json()["status"]) == (429, 429)
        form = requests.post(answer.address + "/dashboard/sales", timeout=PATIENCE_S)
        assert (form.status_code, AGAIN in form.text) == (429, False), "nothing is sent twice"
    late = settings.model_copy(update={"api_timeout_s": 0.0001})
    with served(build_dashboard_stack(late)) as answer:  # type: ignore[arg-type]  # as above
        waiting(answer.get("/dashboard/sales"), 503, "The answer took longer than 0.0001 s; ask")


def test_who_may_not_ask_learns_of_no_page(settings: Settings) -> None:
    """Neither who has no key and asks too often, nor a web page that sends another name here."""
    keys = type(settings.api_keys)("admin:a-key-that-may-do-everything")
    kept = settings.model_copy(update={"api_keys": keys, "rate_limit_address": "1/minute"})
    with served(build_dashboard_stack(kept)) as answer:  # type: ignore[arg-type]  # any ASGI application
        login = "/dashboard/login"
        assert answer.get(login).status_code == 200
        waiting(page := answer.get(login), 429, "This address may ask 1 per minute; come")
        assert f'href="{PREFIX}/overview' not in page.text
    with served(build_dashboard_stack(settings)) as answer:  # type: ignore[arg-type]  # as above
        foreign = answer.get("/dashboard/sales", headers={"host": "shop.example"})
        assert (foreign.status_code, foreign.json()["status"]) == (421, 421)


def waiting(page: requests.Response, status: int, sentence: str) -> None:
    """Check that a page says why it waits, and asks again once it may."""
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert sentence in page.text
    assert f'{AGAIN}{page.headers["retry-after"]}">' in page.text


@pytest.mark.slow
def test_a_page_whose_question_is_not_answered_says_why_as_a_page(settings: Settings) -> None:
    hasty = settings.model_copy(update={"adhoc_timeout_s": 0.01})
    with served(build_dashboard_stack(hasty)) as answer:  # type: ignore[arg-type]  # any ASGI application
        page = answer.get("/dashboard/funnel")
        assert (page.status_code, page.headers["content-type"]) == (413, "text/html; charset=utf-8")
        assert "takes more than 0.01 s; ask about fewer days" in page.text
        assert answer.get("/dashboard/").status_code == 200
