"""One e-mail a day about held days, and one about a run that could not begin, through a real SMTP server."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.automation import alerts as alerting
from ecom_assets.automation import mail
from ecom_assets_tests.automation.alert_daemon import ANN, Daemon, settings_of
from ecom_assets_tests.cli.test_run_orders import orders_csv
from ecom_assets_tests.command import FEW_SALES, CommandResult, ecom
from ecom_assets_tests.mail_server import HOST, Mailbox, free_port, mail_server

BAD = "2026-03-03"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "RETRY_PAUSES_S", (0.0,))


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as served:
        yield served


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two reports, of four customers and of two."""
    for day, customers in (("2026-03-02", "abcd"), (BAD, "ef")):
        path = tmp_path / "reports" / f"increment_date={day}" / "user_order_log_inc.csv"
        orders_csv(path, day, customers)
    return tmp_path / "reports"


def run(home: Path, reports: Path, port: int, *words: str) -> CommandResult:
    smtp = {"ECOM_SMTP_URL": f"smtp://{HOST}:{port}", "ECOM_ALERT_EMAIL": ANN, "ECOM_ORDER_CUSTOMERS_OVER": "3"}
    return ecom("run", *FEW_SALES, "--orders", reports, *words, home=home, env=smtp)


@pytest.mark.slow
def test_held_days_are_one_message_a_day_however_many_runs_see_them(
    tmp_path: Path, mailbox: Mailbox, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    first = run(home, reports, mailbox.port)
    assert first.exit_code == 1
    assert f"Notified {ANN} of 1 day held back." in first.err
    run(home, reports, mailbox.port)
    assert run(home, reports, mailbox.port, "--from", "2026-03-02", "--to", "2026-03-02").exit_code == 0
    [message] = mailbox.messages
    assert message["Subject"] == "[ecom] 1 day held back"
    assert f"Held back: orders of {BAD} (2 customers, 3 or fewer are too few)" in message.get_content()
    assert f"`ecom release orders {BAD}`" in message.get_content()
    monkeypatch.setattr(alerting, "today_in", lambda _timezone: date(2031, 1, 1))
    run(home, reports, mailbox.port, "--from", "2026-03-02", "--to", "2026-03-02")
    assert len(mailbox.messages) == 2, "the day after, also by a run over another day"


@pytest.mark.slow
def test_a_message_about_held_days_that_could_not_be_sent_is_sent_by_the_daemon(
    tmp_path: Path, mailbox: Mailbox, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert "did not take the message" in run(home, reports, free_port()).err
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance, settings_of(mailbox, home))
        assert daemon.look() == f"Notified {ANN} of 1 day held back."
        assert daemon.look() == "Nothing failed."
    assert len(mailbox.messages) == 1


def test_a_run_that_finds_a_file_missing_sends_a_message_where_alerts_are_set(tmp_path: Path, mailbox: Mailbox) -> None:
    missing = tmp_path / "user_order_log_inc.csv"
    result = run(tmp_path / "home", missing, mailbox.port)
    assert result.exit_code == 1
    assert f"Notified {ANN} of the run that did not begin." in result.err
    [message] = mailbox.messages
    assert message["Subject"] == "[ecom] run did not begin"
    assert str(missing) in message.get_content()
    assert result.sentence in message.get_content()


def test_a_mistyped_option_is_for_who_typed_it(tmp_path: Path, mailbox: Mailbox) -> None:
    smtp = {"ECOM_SMTP_URL": f"smtp://{HOST}:{mailbox.port}", "ECOM_ALERT_EMAIL": ANN}
    assert ecom("run", "--from", "soon", home=tmp_path / "home", env=smtp).exit_code == 2
    assert mailbox.messages == []
