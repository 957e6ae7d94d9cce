"""Boards by e-mail: when each is due, what the message has, and that it is requested once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from pydantic import SecretStr

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.model import Board, BoardMail
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.report.board_mail import MOST_ROWS, board_page, send_board
from ecom_assets.interfaces.report.jobs import board_sensor, due_at
from ecom_assets_tests.each import each
from ecom_assets_tests.mail_server import mail_server

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)


@each(
    "every, now, due",
    [
        ("day", "2026-03-02T06:30+00:00", "2026-03-02T06:00+00:00"),  # 07:00 in Berlin
        ("day", "2026-03-02T05:59+00:00", "2026-03-01T06:00+00:00"),
        ("week", "2026-03-04T12:00+00:00", "2026-03-02T06:00+00:00"),
        ("month", "2026-03-31T12:00+00:00", "2026-03-01T06:00+00:00"),
        ("month", "2026-04-01T05:30+00:00", "2026-04-01T05:00+00:00"),  # summer time has begun
    ],
)
def test_a_board_is_due_at_its_hour_in_the_shops_zone(every: Any, now: str, due: str) -> None:
    mail = BoardMail(board="shop", every=every, emails=("a@shop.example",))
    assert due_at(mail, datetime.fromisoformat(now), "Europe/Berlin") == datetime.fromisoformat(due)


@pytest.mark.slow
def test_a_board_is_sent_as_html_with_its_numbers_and_pictures(own: Settings) -> None:
    tiles = [
        {"measure": "revenue_amount", "show": "number"},
        {"measure": "session_count"},
        {"measure": "order_count", "show": "table"},
    ]
    board = Board.from_mapping({"name": "Shop <now>", "tiles": tiles})
    slug = BoardStore(own).save_new(board, "anna").slug
    mail = BoardMail(board=slug, emails=("owner@shop.example",))
    kept = BoardStore(own).save_new(mail, "anna")
    with mail_server() as mailbox:
        settings = own.model_copy(
            update={"smtp_url": SecretStr(f"smtp://127.0.0.1:{mailbox.port}")}
        )
        assert (
            send_board(settings, kept.slug, MONDAY)
            == "Sent the board 'shop-now' to owner@shop.example."
        )
        send_board(settings, kept.slug, MONDAY)
    first, again = mailbox.messages
    assert first["Message-ID"] == again["Message-ID"]
    html = first.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<h1>Shop &lt;now&gt;</h1>" in html
    assert 'class="number"' in html
    assert 'src="cid:chart-1"' in html
    assert "<th>Orders</th>" in html
    assert [part.get_content_type() for part in first.walk()].count("image/png") == 1


def test_a_board_on_paper_has_its_pictures_inside_and_cuts_long_tables(own: Settings) -> None:
    tiles = [
        {"measure": "revenue_amount", "show": "number"},
        {"measure": "session_count"},
        {"measure": "order_count", "show": "table"},
    ]
    days = {"time_range": "custom", "start_date": "2026-01-01", "end_date": "2026-01-14"}
    board = Board.from_mapping({"name": "Shop", "tiles": tiles, **days})
    page = board_page(own, BoardStore(own).save_new(board, "anna").slug)
    html = page.html(page.embedded_pictures, "https://shop.example/?board=shop&x=1")
    assert html.count("<img ") == html.count('src="data:image/png;base64,') == 1
    assert html.count("<tr>") == 1 + MOST_ROWS
    assert "<p>2 more in the dashboard.</p>" in html
    assert '<a href="https://shop.example/?board=shop&amp;x=1">' in html
    assert (html.count('<section class="alone">'), html.count("<section><h2>")) == (1, 2)


def test_sending_without_a_mail_server_says_which_setting_is_missing(own: Settings) -> None:
    with pytest.raises(SettingError, match="ECOM_SMTP_URL"):
        send_board(own, "any", MONDAY)


def test_each_due_board_is_requested_once_and_none_that_was_due_before_the_first_look(
    own: Settings,
) -> None:
    BoardStore(own).save_new(
        BoardMail(board="shop", every="week", emails=("a@shop.example",)), "anna"
    )
    at = datetime(2026, 3, 2, 6, 59, tzinfo=UTC)
    sensor = board_sensor(own, now=lambda: at)

    with dg.DagsterInstance.ephemeral() as instance:

        def look(cursor: str | None) -> dg.SensorResult:
            result = sensor(dg.build_sensor_context(instance, cursor=cursor))
            assert isinstance(result, dg.SensorResult)
            return result

        first = look(None)
        assert not first.run_requests
        at = datetime(2026, 3, 2, 7, 1, tzinfo=UTC)
        second = look(first.cursor)
        (request,) = second.run_requests or ()
        assert request.run_key == "shop-by-week 2026-03-02T07:00:00+00:00"
        run = instance.create_run_for_job(sending, tags=request.tags)
        assert not look(second.cursor).run_requests, "its run goes on"
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
        )
        third = look(second.cursor)
        assert not third.run_requests
        assert third.cursor == at.isoformat()


@dg.job
def sending() -> None:
    """Send nothing."""


def test_a_board_whose_run_is_killed_is_requested_again_and_one_that_was_refused_is_not(
    own: Settings,
) -> None:
    began_at = datetime.now(UTC)
    hour = (began_at - timedelta(hours=3)).astimezone(ZoneInfo(own.timezone)).hour
    mail = BoardMail(board="shop", every="day", at=f"{hour:02}:00", emails=("a@shop.example",))
    BoardStore(own).save_new(mail, "anna")
    at = began_at
    sensor = board_sensor(own, now=lambda: at)
    cursor: str | None = (due_at(mail, at, own.timezone) - timedelta(seconds=1)).isoformat()
    with dg.DagsterInstance.ephemeral() as instance:

        def look() -> list[dg.RunRequest]:
            nonlocal cursor
            result = sensor(dg.build_sensor_context(instance, cursor=cursor))
            assert isinstance(result, dg.SensorResult)
            cursor = result.cursor
            return list(result.run_requests or ())

        (request,) = look()
        lost = instance.create_run_for_job(
            sending, tags=request.tags, status=dg.DagsterRunStatus.STARTED
        )
        instance.report_run_failed(lost)
        at = datetime.now(UTC) + timedelta(minutes=4)
        assert look() == []
        at += timedelta(minutes=2)
        (again,) = look()
        assert again.run_key == f"{request.run_key} 2"
        refused = {**again.tags, "dagster/failure_reason": "STEP_FAILURE"}
        run = instance.create_run_for_job(sending, tags=refused, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run)
        at += timedelta(hours=1)
        assert look() == []
