"""Alerts over the small shop: one message per incident, by a real mail server and real webhooks,
whatever fails.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from ecom_assets.commerce.sales.queries import revenue_trend
from ecom_assets.core.errors import WorkError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import Period
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.boards.incidents import IncidentLog
from ecom_assets.interfaces.boards.model import NumberAlert, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.watching import messages
from ecom_assets.interfaces.watching.jobs import watch_sensor
from ecom_assets.interfaces.watching.watch import back_test, has_unsent, is_quiet, watch
from ecom_assets_tests.mail_server import Mailbox, mail_server

NIGHT = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
MORNING = datetime(2026, 3, 2, 7, tzinfo=UTC)


def mailed(settings: Settings, mailbox: Mailbox, **more: Any) -> Settings:
    changes = {
        "smtp_url": SecretStr(f"smtp://127.0.0.1:{mailbox.port}"),
        "alert_email": ("owner@shop.example",),
    }
    return settings.model_copy(update={**changes, **more})


def save(settings: Settings, **fields: Any) -> str:
    fields = {
        "name": "Orders",
        "measure": "order_count",
        "when": "above",
        "limit": -1,
        "is_on": True,
        **fields,
    }
    return BoardStore(settings).save_new(NumberAlert.from_mapping(fields), "anna").slug


def revenue_by_day(settings: Settings) -> dict[str, float]:
    with closing(open_store(settings)) as store, store.reading() as reading:
        period = Period("custom", reading.newest_date - timedelta(days=90), reading.newest_date)
        return {
            str(row["start_date"]): float(row["revenue_amount"] or 0)
            for row in revenue_trend(reading, period, "day")
        }


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content


@pytest.mark.slow
def test_an_incident_is_one_message_however_often_one_looks(own: Settings) -> None:
    with mail_server() as mailbox:
        settings = mailed(own, mailbox)
        save(settings, name="Orders <b>", description="Ring up Ben")
        first, second = watch(settings), watch(settings)
    assert first.failures == second.failures == []
    (message,) = mailbox.messages
    assert message["Subject"].startswith("[ecom] Orders <b>: ")
    text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "above the bound of -1" in text
    assert "Ring up Ben" in text
    assert "http://127.0.0.1:8000/dashboard/alert?alert=orders-b" in text
    assert "<h2" in html_of(message)
    assert "Orders &lt;b&gt;" in html_of(message)
    assert [part.get_content_type() for part in message.walk()][-1] == "image/png"


def test_an_incident_goes_on_and_is_over_without_another_message(own: Settings) -> None:
    """The log is written as runs of other days would: a second bad day, then a good one,
    then a bad one again.
    """
    log, days = (
        IncidentLog(own),
        [datetime.fromisoformat(f"2026-03-0{day}") for day in (1, 2, 3, 4)],
    )
    finding = {"value": "3"}
    log.record("orders", [(days[0], finding)], "bad")
    log.record("orders", [(days[1], finding)], "bad")
    log.record("orders", [(days[1], finding)], "bad")  # the same again: as if two had looked
    log.record("orders", [(days[2], None), (days[3], finding)], "bad")
    newest, before = log.incidents("orders")
    assert (newest.first_period, newest.over_in) == (days[3], None)
    assert (before.first_period, before.last_period, before.over_in) == (days[0], days[1], days[2])
    state = log.state("orders")
    assert state is not None
    assert state.last_period == days[3]


@pytest.mark.slow
def test_a_mail_server_that_is_down_gets_the_message_later(own: Settings) -> None:
    with mail_server() as mailbox:
        settings = mailed(own, mailbox)
        save(settings)
        mailbox.answers += ["451 try later"] * 3
        outcome = watch(settings)
        assert "did not take the message" in outcome.failures[0]
        with pytest.raises(WorkError, match="Orders"):
            outcome.raise_failures()
        assert has_unsent(settings)
        assert watch(settings).failures == []
        assert len(mailbox.messages) == 1
        assert not has_unsent(settings)


@pytest.mark.slow
def test_what_happens_in_quiet_hours_is_sent_when_they_are_over(own: Settings) -> None:
    with mail_server() as mailbox:
        settings = mailed(own, mailbox)
        save(settings, quiet="22:00-07:00")
        watch(settings, lambda: NIGHT)
        assert mailbox.messages == []
        assert not has_unsent(settings, lambda: NIGHT)
        assert has_unsent(settings, lambda: MORNING)
        watch(settings, lambda: MORNING)
        assert len(mailbox.messages) == 1


def test_quiet_hours_may_pass_midnight_and_do_not_include_their_end() -> None:
    assert [is_quiet("22:00-07:00", NIGHT.time()), is_quiet("22:00-07:00", MORNING.time())] == [
        True,
        False,
    ]
    assert [is_quiet("12:00-13:00", MORNING.time()), is_quiet(None, NIGHT.time())] == [False, False]


class _Webhook(BaseHTTPRequestHandler):
    received: list[dict[str, Any]]
    status: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).received.append(json.loads(body))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    received: list[dict[str, Any]] = []
    handler = type("Webhook", (_Webhook,), {"received": received, "status": status})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret-path", received
    finally:
        server.shutdown()
        server.server_close()


def test_slack_teams_and_programs_get_the_message_in_their_form(own: Settings) -> None:
    with webhook() as (url, received):
        webhooks = f"team=slack+{url}, office=teams+{url}, own={url}"
        settings = own.model_copy(update={"webhooks": SecretStr(webhooks)})
        save(settings, name="Orders & <more>", webhooks=["team", "office", "own"])
        assert watch(settings).failures == []
    slack, teams, plain = received
    assert slack["blocks"][0]["text"]["text"].startswith("Orders & <more>: ")
    assert "&amp;" not in slack["blocks"][0]["text"]["text"]  # a plain text is not escaped
    assert slack["blocks"][2]["text"]["text"].endswith("|Open in the dashboard>")
    card = teams["attachments"][0]["content"]
    assert (card["type"], card["actions"][0]["type"]) == ("AdaptiveCard", "Action.OpenUrl")
    assert plain["alert"] == "orders-more"
    assert plain["is_over"] is False


def test_a_webhook_that_refuses_is_a_failure_that_does_not_name_its_address(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "PAUSES_S", (0.0,))
    with webhook(status=500) as (url, received):
        settings = own.model_copy(update={"webhooks": SecretStr(f"team=slack+{url}")})
        save(settings, webhooks=["team", "typo"])
        failures = " ".join(watch(settings).failures)
    assert len(received) == 2  # once more, as it may have been busy
    assert "The webhook answered 500" in failures
    assert "ECOM_WEBHOOKS has no webhook 'typo'" in failures
    assert "secret-path" not in failures


def test_an_alert_of_a_question_that_is_gone_stops_no_other(own: Settings) -> None:
    with mail_server() as mailbox:
        settings = mailed(own, mailbox)
        save(settings, name="Gone", measure=None, question="gone")
        save(settings)
        outcome = watch(settings)
    assert "There is no saved question 'gone'" in outcome.failures[0]
    assert len(mailbox.messages) == 1


def test_the_back_test_of_a_bound_names_the_days_that_are_beyond_it(own: Settings) -> None:
    """The revenue of each day is read by the query that the dashboard has;
    days in a row are one incident.
    """
    days = revenue_by_day(own)
    limit = sorted(days.values())[-3]
    test = back_test(
        own,
        NumberAlert.from_mapping(
            {"name": "x", "measure": "revenue_amount", "when": "above", "limit": limit}
        ),
    )
    beyond = {day for day, value in days.items() if value > limit}
    assert {str(found.point.day) for found in test.found if found.is_breach} == beyond
    assert 1 <= len(test.incidents) <= len(beyond)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "definition", "number"),
    [
        ("trend", {"series": ["purchase"]}, ""),
        (
            "funnel",
            {"steps": ["page_view", "purchase"], "within": "1h", "by": "product_category"},
            "",
        ),
        ("retention", {"period": "week"}, "returned[1]"),
        ("sessions", {}, "sessions"),
    ],
)
def test_any_saved_question_can_be_watched(
    own: Settings, kind: str, definition: dict[str, Any], number: str
) -> None:
    question = SavedQuestion.from_mapping(
        {"name": "Watched", "kind": kind, "definition": definition}
    )
    slug = BoardStore(own).save_new(question, "anna").slug
    every = "week" if kind == "retention" else "day"
    fields = {
        "name": "x",
        "question": slug,
        "number": number,
        "every": every,
        "when": "above",
        "limit": -1,
        "least_count": 0,
    }
    test = back_test(own, NumberAlert.from_mapping(fields))
    assert test.found
    assert len(test.incidents) == 1  # every day is above -1
    few = back_test(own, NumberAlert.from_mapping({**fields, "least_count": 30}))
    # of fewer than 30 people a day, a share says nothing
    assert len(few.incidents) == (0 if kind == "funnel" else 1)


@pytest.mark.slow
def test_the_causes_of_a_falling_sum_are_the_categories_that_lost_most(own: Settings) -> None:
    """A trend of purchases: its causes are differences of counts, the largest in the
    direction of the change first.
    """
    question = SavedQuestion.from_mapping(
        {"name": "Views", "kind": "trend", "definition": {"series": ["product_view"]}}
    )
    slug = BoardStore(own).save_new(question, "anna").slug
    with webhook() as (url, received):
        settings = own.model_copy(update={"webhooks": SecretStr(f"own={url}")})
        save(settings, measure=None, question=slug, by=["product_category"], webhooks=["own"])
        watch(settings)
    (message,) = received
    changes = [float(cause["change"]) for cause in message["causes"]]
    assert changes
    assert changes == sorted(changes, key=abs, reverse=True)
    for cause in message["causes"]:
        assert float(cause["change"]) == float(cause["now"]) - float(cause["before"])


@dg.job
def looking() -> None:
    """Look at nothing."""


def test_a_look_whose_run_dies_is_asked_for_again(own: Settings) -> None:
    save(own)
    at = datetime.now(UTC)
    sensor = watch_sensor(own, now=lambda: at)
    cursor: str | None = None
    with dg.DagsterInstance.ephemeral() as instance:

        def look() -> list[dg.RunRequest]:
            nonlocal cursor
            result = sensor(dg.build_sensor_context(instance, cursor=cursor))
            assert isinstance(result, dg.SensorResult)
            cursor = result.cursor or cursor
            return list(result.run_requests or ())

        (request,) = look()
        run = instance.create_run_for_job(
            looking, tags=request.tags, status=dg.DagsterRunStatus.STARTED
        )
        assert look() == [], "it goes on"
        instance.report_run_failed(run)
        at = datetime.now(UTC) + timedelta(minutes=4)
        assert look() == []
        at += timedelta(minutes=2)
        (again,) = look()
        assert again.run_key != request.run_key
        run = instance.create_run_for_job(looking, tags=again.tags)
        done = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
        instance.report_dagster_event(done, run.run_id)
        at += timedelta(hours=7)
        assert look() == []
