"""Alerts of the platform's own runs: from the sensor, from the real daemon, and from `ecom run` itself."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ecom_assets.automation import mail
from ecom_assets.definitions import build_definitions
from ecom_assets.errors import SettingError
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.automation.alert_daemon import ANN, Daemon, settings_of
from ecom_assets_tests.command import FEW_TABLES, CommandResult, ecom, environment, page_views, small_shop
from ecom_assets_tests.mail_server import HOST, Mailbox, free_port, mail_server


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "RETRY_PAUSES_S", (0.0,))


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as served:
        yield served


def broken_shop(home: Path) -> CommandResult:
    """Run a small shop, then spoil a table and run what is built on it."""
    small_shop(home, days=1, visitors=20)
    assert ecom("run", *FEW_TABLES, home=home).exit_code == 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("UPDATE mart.session_days SET event_count = -1")
    return ecom("run", "--select", "mart/sessions", home=home)


@pytest.mark.slow
def test_the_sensor_reports_a_broken_contract(home: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken_shop(home).exit_code == 1
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance, settings_of(mailbox, home))
        daemon.look()
        daemon.look()
    (message,) = mailbox.messages
    assert message["Subject"].startswith("[ecom] run failed and ")
    assert "Days: 2026-01-01\n" in message.get_content()
    assert "  mart/sessions, contract_holds: Keys are unique, every column of mart.sessions is within its" in (
        message.get_content()
    )


@pytest.mark.slow
def test_the_command_sends_its_own_message_and_the_sensor_leaves_it_at_that(
    home: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {"ECOM_SMTP_URL": f"smtp://{HOST}:{mailbox.port}", "ECOM_ALERT_EMAIL": f"{ANN}, bob@shop.example"}
    events = page_views(tmp_path / "events.csv", "2026-03-01")
    assert ecom("run", "--events", events, *FEW_TABLES, home=home, env=env).exit_code == 0
    assert mailbox.messages == []
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("UPDATE mart.session_days SET event_count = -1")
    result = ecom("run", "--events", events, "--select", "mart/sessions", home=home, env=env)
    assert result.exit_code == 1
    assert f"Notified {ANN}, bob@shop.example of run " in result.err
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        assert Daemon(instance, settings_of(mailbox, home)).look() == "Nothing failed."
    assert mailbox.recipients == [[ANN, "bob@shop.example"]]


@pytest.mark.slow
def test_a_message_that_the_command_could_not_send_is_sent_by_the_daemon(
    home: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {"ECOM_SMTP_URL": f"smtp://ann:s3cret@{HOST}:{free_port()}", "ECOM_ALERT_EMAIL": ANN}
    events = page_views(tmp_path / "events.csv", "2026-03-01")
    assert ecom("run", "--events", events, *FEW_TABLES, home=home).exit_code == 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("UPDATE mart.session_days SET event_count = -1")
    result = ecom("run", "--events", events, "--select", "mart/sessions", home=home, env=env)
    assert result.exit_code == 1
    assert "did not take the message: Connection refused;" in result.err
    assert "s3cret" not in result.err + result.out
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        assert Daemon(instance, settings_of(mailbox, home)).look().startswith(f"Notified {ANN} of run ")
    assert len(mailbox.messages) == 1


def test_the_sensor_is_there_and_on_where_alerts_are_set_and_else_not(mailbox: Mailbox) -> None:
    sensor = build_definitions(settings_of(mailbox)).resolve_sensor_def("alerts")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    without = build_definitions(Settings(home=Path("never written")))
    assert [one.name for one in without.sensors or ()] == ["landing_files", "following", "requests"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"smtp_url": "smtp://u:s3cret@mail.example"}, "ECOM_SMTP_URL is set without ECOM_ALERT_EMAIL"),
        ({"alert_email": ANN}, "ECOM_ALERT_EMAIL is set without ECOM_SMTP_URL"),
        ({"alert_email": ANN, "smtp_url": "http://u:s3cret@x"}, "ECOM_SMTP_URL is not an address of a mail server"),
    ],
)
def test_half_a_setting_is_refused_at_start(given: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingError, match=why) as refused:
        build_definitions(Settings(**given))
    assert "s3cret" not in str(refused.value)


def test_doctor_tries_the_mail_server_without_sending(home: Path, mailbox: Mailbox) -> None:
    def finding(**env: str) -> dict[str, object]:
        result = ecom("doctor", "--json", home=home, env={f"ECOM_{name.upper()}": value for name, value in env.items()})
        (actual,) = [one for one in result.json if one["subject"] == "alerts"]
        return {"ok": actual["ok"], "found": actual["found"]}

    url = f"smtp://{HOST}:{mailbox.port}"
    assert finding()["ok"] is True
    assert finding(smtp_url=url, alert_email=ANN) == {"ok": True, "found": f"{url} answers; for {ANN}"}
    down = finding(smtp_url=f"smtp://ann:s3cret@{HOST}:{free_port()}", alert_email=ANN)
    assert (down["ok"], "Connection refused" in str(down["found"])) == (False, True)
    assert "s3cret" not in str(down["found"])
    assert (mailbox.messages, mailbox.session_count) == ([], 1)


@contextmanager
def daemon_process(home: Path, env: dict[str, str]) -> Iterator[None]:
    """Run Dagster's daemon over the platform."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "ecom_assets.definitions"]
    root = Path(__file__).parents[2]
    with (home / "daemon.log").open("w") as log:
        env = environment(home, {"DAGSTER_HOME": str(home / "dagster"), **env})
        with subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log) as process:
            try:
                yield
            finally:
                process.terminate()


@pytest.mark.slow
def test_the_real_daemon_sends_one_message_and_none_after_a_restart(home: Path, mailbox: Mailbox) -> None:
    env = {"ECOM_SMTP_URL": f"smtp://{HOST}:{mailbox.port}", "ECOM_ALERT_EMAIL": ANN}
    assert broken_shop(home).exit_code == 1
    with daemon_process(home, env):
        wait_until(lambda: mailbox.messages, home)
    with daemon_process(home, env):
        wait_until(lambda: has_looked(home), home)
    (message,) = mailbox.messages
    assert "mart/sessions, contract_holds: " in message.get_content()


def has_looked(home: Path) -> bool:
    """Return whether the daemon that runs now has looked to the end."""
    return "Sensor alerts skipped: " in (home / "daemon.log").read_text()


def wait_until(happened: Callable[[], object], home: Path) -> None:
    """Wait; beside much other work a daemon took two minutes until its first look."""
    for _ in range(2400):
        if happened():
            return
        time.sleep(0.1)
    pytest.fail((home / "daemon.log").read_text()[-3000:])
