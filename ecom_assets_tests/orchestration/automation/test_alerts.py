"""Alerts by mail: each failed run and check once, in words that say what to do;
from the sensor and from `ecom run`.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ecom_assets.core.errors import SettingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation import alerts as alerting
from ecom_assets.orchestration.automation import mail
from ecom_assets.orchestration.automation.alerts import (
    ALERT_TAG,
    MOST_RUNS,
    Alerts,
    FailedCheck,
    RunReport,
)
from ecom_assets_tests.cli.test_run_orders import orders_csv
from ecom_assets_tests.command import (
    FEW_SALES,
    FEW_TABLES,
    CommandResult,
    ecom,
    environment,
    page_views,
    small_shop,
)
from ecom_assets_tests.mail_server import HOST, Mailbox, mail_server
from ecom_assets_tests.orchestration.automation.alert_daemon import ANN, Daemon, settings_of
from ecom_assets_tests.ports import free_port

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

COMPUTED = {"ECOM_CACHE": "off"}
"""What is spoiled by hand is computed from only so: nobody noted it."""


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "RETRY_PAUSES_S", (0.0,))


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as served:
        yield served


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@dg.asset
def orders() -> None:
    """Fail as our own code does."""
    try:
        int("no number")
    except ValueError as error:
        raise SourceError("orders.csv has no column 'id'; give another file.") from error


@dg.asset
def customers() -> None:
    """Compute nothing."""


def check_of_customers(*, passed: bool, blocking: bool) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=customers, name="enough", blocking=blocking)
    def enough() -> dg.AssetCheckResult:
        answer: dict[str, Any] = {
            "observed": 2,
            "limit": 3,
            "examples": dg.MetadataValue.json([{"city": "Riga"}, {"city": "Rom"}]),
        }
        return dg.AssetCheckResult(
            passed=passed, description="There are more than three customers.", metadata=answer
        )

    return enough


def run(
    instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, tags: dict[str, str] | None = None
) -> str:
    """Run a job over some assets and checks; return the run's id."""
    plain = [asset for asset in assets if not isinstance(asset, dg.AssetChecksDefinition)]
    checks = [asset for asset in assets if isinstance(asset, dg.AssetChecksDefinition)]
    job = dg.Definitions(
        assets=plain,
        asset_checks=checks,
        jobs=[dg.define_asset_job("nightly", "*")],
        executor=dg.in_process_executor,
    ).resolve_job_def("nightly")
    done = job.execute_in_process(
        instance=instance, raise_on_error=False, run_config=QUIET, tags=tags
    )
    return done.run_id


DAYS = {
    "dagster/asset_partition_range_start": "2026-03-01",
    "dagster/asset_partition_range_end": "2026-03-08",
}


def test_a_failed_run_is_one_message_however_often_one_looks(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    daemon = Daemon(instance, settings_of(mailbox, dagster_url="https://dagster.shop.example/"))
    assert daemon.look() == "Nothing failed."
    run_id = run(instance, orders, customers, tags=DAYS)
    assert daemon.look() == f"Notified {ANN} of run {run_id}."
    assert daemon.look() == "Nothing failed."
    (message,) = mailbox.messages
    assert (message["To"], message["From"]) == (ANN, ANN)
    assert message["Subject"] == "[ecom] run failed: nightly, 2026-03-01 to 2026-03-08"
    assert message["Message-ID"] == f"<{run_id}.alert@ecom-assets>"
    assert message.get_content() == (
        "Run failed: nightly, 2026-03-01 to 2026-03-08.\n"
        "\n"
        "Job:  nightly\n"
        "Days: 2026-03-01 to 2026-03-08\n"
        f"Run:  https://dagster.shop.example/runs/{run_id}\n"
        "\n"
        "Failed steps\n"
        "  orders: orders.csv has no column 'id'; give another file.\n"
    )


def test_a_daemon_that_forgot_where_it_was_sends_nothing_again(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    run(instance, orders)
    for _ in range(3):
        Daemon(instance, settings_of(mailbox)).look()
    assert len(mailbox.messages) == 1


def test_a_run_that_went_well_gives_none(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
    run(instance, customers, check_of_customers(passed=True, blocking=True))
    assert Daemon(instance, settings_of(mailbox)).look() == "Nothing failed."
    assert mailbox.messages == []


def test_a_failing_check_without_blocking_is_reported(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    run_id = run(instance, customers, check_of_customers(passed=False, blocking=False))
    Daemon(instance, settings_of(mailbox)).look()
    (message,) = mailbox.messages
    assert message["Subject"] == "[ecom] 1 check failed: nightly"
    assert message.get_content() == (
        "1 check failed: nightly.\n"
        "\n"
        "Job:  nightly\n"
        "Days: whole tables\n"
        f"Run:  http://127.0.0.1:3000/runs/{run_id}\n"
        "\n"
        "Failed checks\n"
        "  customers, enough: There are more than three customers.\n"
        "    observed 2, limit 3; 2 examples in the run\n"
    )
    assert "Riga" not in message.get_content(), "examples stay where their readers have a login"


def test_what_checks_of_costs_say_is_for_those_only_who_may_see_costs() -> None:
    """Margin fell from 41 % to 12 %, and a day of events has no rows; Ann may not see costs."""
    margin = FailedCheck("mart/profit_daily", "margin_is_steady", "", 0.1234, 0.2)
    events = FailedCheck("staging/events", "rows_are_there", "There are rows", 0, 1)
    server, owner = mail.MailServer("mail.example", 25), "owner@shop.example"
    alerts = Alerts(
        server, owner, (owner, ANN), "https://dagster.example", costs_recipients=(owner,)
    )
    for checks, kinds in (((margin, events), 2), ((events,), 1)):
        report = RunReport(
            "r1",
            "everything",
            "2026-05-01",
            has_failed=False,
            is_tried_again=False,
            failed_checks=checks,
        )
        messages = {message["To"]: message.get_content() for message in alerts.messages(report)}
        assert len(messages) == kinds
        assert all("rows_are_there" in text for text in messages.values())
        if kinds > 1:
            assert "0.1234" in messages[owner]
            assert "0.1234" not in messages[ANN]
            assert "margin" not in messages[ANN]
            assert "1 check of costs, which only ECOM_COSTS_EMAIL gets" in messages[ANN]


def test_a_blocking_check_and_the_run_it_fails_are_one_message(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    run(instance, customers, orders, check_of_customers(passed=False, blocking=True))
    Daemon(instance, settings_of(mailbox)).look()
    (message,) = mailbox.messages
    assert message["Subject"] == "[ecom] run failed and 1 check failed: nightly"
    steps, checks = message.get_content().split("Failed steps\n")[1].split("\nFailed checks\n")
    assert steps == "  orders: orders.csv has no column 'id'; give another file.\n"
    assert checks.startswith("  customers, enough: There are more")


def test_a_mail_server_that_is_down_is_one_line_and_messages_come_when_it_is_back(
    instance: dg.DagsterInstance,
) -> None:
    port = free_port()
    daemon = Daemon(instance, settings_of(Mailbox(port)))
    first = run(instance, orders)
    second = run(instance, orders)
    run(instance, customers)
    down = (
        f"The mail server smtp://{HOST}:{port} did not take the message: Connection refused; "
        "start it or correct ECOM_SMTP_URL, ECOM_ALERT_EMAIL or ECOM_ALERT_SENDER. 2 messages to "
        "be sent at the next look."
    )
    assert daemon.look() == down
    daemon.clock += timedelta(days=3)
    assert daemon.look() == down
    with mail_server() as mailbox:
        daemon.settings = settings_of(mailbox)
        assert daemon.look() == f"Notified {ANN} of run {first}. Notified {ANN} of run {second}."
        assert daemon.look() == "Nothing failed."
    assert [message["Message-ID"] for message in mailbox.messages] == [
        f"<{run_id}.alert@ecom-assets>" for run_id in (first, second)
    ]


def test_the_next_attempt_of_a_run_is_reported_too(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    daemon = Daemon(instance, settings_of(mailbox))
    first = run(instance, orders, tags={"dagster/will_retry": "true"})
    daemon.look()
    inherited = instance.get_run_by_id(first)
    assert inherited is not None
    second = run(instance, orders, tags={ALERT_TAG: inherited.tags[ALERT_TAG]})
    assert daemon.look() == f"Notified {ANN} of run {second}."
    assert [
        "It is tried again by itself." in message.get_content() for message in mailbox.messages
    ] == [True, False]
    run(instance, customers, tags={ALERT_TAG: "unsent"})
    assert [daemon.look(), daemon.look()] == ["Nothing failed.", "Nothing failed."]
    assert not list(instance.get_run_records(dg.RunsFilter(tags={ALERT_TAG: "unsent"})))


def test_a_run_without_a_failed_step_has_dagster_s_words(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    lost = instance.create_run_for_job(dg.job(name="nightly")(lambda: None))
    instance.report_run_failed(
        lost, message="The code location was restarted and has it no longer."
    )
    Daemon(instance, settings_of(mailbox)).look()
    (message,) = mailbox.messages
    assert "  The code location was restarted and has it no longer.\n" in message.get_content()


def test_a_run_that_a_person_stopped_is_no_failure(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    stopped = instance.create_run_for_job(dg.job(name="nightly")(lambda: None))
    instance.report_run_canceled(stopped)
    assert Daemon(instance, settings_of(mailbox)).look() == "Nothing failed."
    assert mailbox.messages == []


def test_failures_while_the_daemon_was_away_come_later(
    instance: dg.DagsterInstance, mailbox: Mailbox
) -> None:
    daemon = Daemon(instance, settings_of(mailbox))
    daemon.look()
    run(instance, orders)
    daemon.clock += timedelta(days=2)
    daemon.look()
    assert len(mailbox.messages) == 1


@pytest.mark.slow
def test_more_runs_than_one_look_takes_are_reported_in_the_next(
    instance: dg.DagsterInstance, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecom_assets.orchestration.automation.alerts.MOST_RUNS", 2)
    assert MOST_RUNS > 2
    daemon = Daemon(instance, settings_of(mailbox))
    answer = [run(instance, orders) for _ in range(5)]
    for _ in range(4):
        daemon.look()
    assert sorted(message["Message-ID"] for message in mailbox.messages) == sorted(
        f"<{run_id}.alert@ecom-assets>" for run_id in answer
    )


def broken_shop(home: Path) -> CommandResult:
    """Run a small shop, then spoil a table and run what is built on it."""
    small_shop(home, days=1, visitors=20)
    assert ecom("run", *FEW_TABLES, home=home).exit_code == 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("UPDATE mart.session_days SET event_count = -1")
    return ecom("run", "--select", "mart/sessions", home=home, env=COMPUTED)


@pytest.mark.slow
def test_the_sensor_reports_a_broken_contract(
    home: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broken_shop(home).exit_code == 1
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance, settings_of(mailbox, home))
        daemon.look()
        daemon.look()
    (message,) = mailbox.messages
    assert message["Subject"].startswith("[ecom] run failed and ")
    assert "Days: 2026-01-01\n" in message.get_content()
    assert (
        "  mart/sessions, contract_holds: Keys are unique, every column of mart.sessions is "
        "within its" in (message.get_content())
    )


@pytest.mark.slow
def test_the_command_sends_its_own_message_and_the_sensor_leaves_it_at_that(
    home: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {
        "ECOM_SMTP_URL": f"smtp://{HOST}:{mailbox.port}",
        "ECOM_ALERT_EMAIL": f"{ANN}, bob@shop.example",
    }
    events = page_views(tmp_path / "events.csv", "2026-03-01")
    assert ecom("run", "--events", events, *FEW_TABLES, home=home, env=env).exit_code == 0
    assert mailbox.messages == []
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("UPDATE mart.session_days SET event_count = -1")
    result = ecom(
        "run", "--events", events, "--select", "mart/sessions", home=home, env=env | COMPUTED
    )
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
    result = ecom(
        "run", "--events", events, "--select", "mart/sessions", home=home, env=env | COMPUTED
    )
    assert result.exit_code == 1
    assert "did not take the message: Connection refused;" in result.err
    assert "s3cret" not in result.err + result.out
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        assert (
            Daemon(instance, settings_of(mailbox, home))
            .look()
            .startswith(f"Notified {ANN} of run ")
        )
    assert len(mailbox.messages) == 1


def test_the_sensor_is_there_and_on_where_alerts_are_set_and_else_not(mailbox: Mailbox) -> None:
    sensor = build_definitions(settings_of(mailbox)).resolve_sensor_def("alerts")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    without = build_definitions(Settings(home=Path("never written")))
    names = [sensor.name for sensor in without.sensors or ()]
    assert "alerts" not in names
    assert names == [
        "landing_files",
        "following",
        "requests",
        "uploads",
        "heartbeats",
        "watched_numbers",
        "board_mails",
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            {"smtp_url": "smtp://u:s3cret@mail.example"},
            "ECOM_SMTP_URL is set without ECOM_ALERT_EMAIL",
        ),
        ({"alert_email": ANN}, "ECOM_ALERT_EMAIL is set without ECOM_SMTP_URL"),
        (
            {"alert_email": ANN, "smtp_url": "http://u:s3cret@x"},
            "ECOM_SMTP_URL is not an address of a mail server",
        ),
    ],
)
def test_half_a_setting_is_refused_at_start(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingError, match=why) as refused:
        build_definitions(Settings(**options))
    assert "s3cret" not in str(refused.value)


def test_doctor_tries_the_mail_server_without_sending(home: Path, mailbox: Mailbox) -> None:
    def finding(**env: str) -> dict[str, object]:
        result = ecom(
            "doctor",
            "--json",
            home=home,
            env={f"ECOM_{name.upper()}": value for name, value in env.items()},
        )
        (actual,) = [row for row in result.json if row["subject"] == "alerts"]
        return {"ok": actual["ok"], "found": actual["found"]}

    url = f"smtp://{HOST}:{mailbox.port}"
    assert finding()["ok"] is True
    assert finding(smtp_url=url, alert_email=ANN) == {
        "ok": True,
        "found": f"{url} answers; for {ANN}",
    }
    down = finding(smtp_url=f"smtp://ann:s3cret@{HOST}:{free_port()}", alert_email=ANN)
    assert (down["ok"], "Connection refused" in str(down["found"])) == (False, True)
    assert "s3cret" not in str(down["found"])
    assert (mailbox.messages, mailbox.session_count) == ([], 1)


@contextmanager
def daemon_process(home: Path, env: dict[str, str]) -> Iterator[None]:
    """Run Dagster's daemon over the platform."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "ecom_assets.definitions"]
    root = Path(__file__).parents[3]
    with (home / "daemon.log").open("w") as log:
        env = environment(home, {"DAGSTER_HOME": str(home / "dagster"), **env})
        with subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log) as process:
            try:
                yield
            finally:
                process.terminate()


@pytest.mark.slow
def test_the_real_daemon_sends_one_message_and_none_after_a_restart(
    home: Path, mailbox: Mailbox
) -> None:
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


BAD = "2026-03-03"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two reports, of four customers and of two."""
    for day, customers in (("2026-03-02", "abcd"), (BAD, "ef")):
        path = tmp_path / "reports" / f"increment_date={day}" / "user_order_log_inc.csv"
        orders_csv(path, day, customers)
    return tmp_path / "reports"


def run_orders(home: Path, reports: Path, port: int, *arguments: str) -> CommandResult:
    smtp = {
        "ECOM_SMTP_URL": f"smtp://{HOST}:{port}",
        "ECOM_ALERT_EMAIL": ANN,
        "ECOM_ORDER_CUSTOMERS_OVER": "3",
    }
    return ecom("run", *FEW_SALES, "--orders", reports, *arguments, home=home, env=smtp)


@pytest.mark.slow
def test_held_days_are_one_message_a_day_however_many_runs_see_them(
    tmp_path: Path, mailbox: Mailbox, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    first = run_orders(home, reports, mailbox.port)
    assert first.exit_code == 1
    assert f"Notified {ANN} of 1 day held back." in first.err
    run_orders(home, reports, mailbox.port)
    assert (
        run_orders(
            home, reports, mailbox.port, "--from", "2026-03-02", "--to", "2026-03-02"
        ).exit_code
        == 0
    )
    [message] = mailbox.messages
    assert message["Subject"] == "[ecom] 1 day held back"
    assert (
        f"Held back: orders of {BAD} (its order report has 2 customers, and 3 or fewer are too few)"
        in message.get_content()
    )
    assert f"`ecom release orders {BAD}`" in message.get_content()
    monkeypatch.setattr(alerting, "today_in", lambda _timezone: date(2031, 1, 1))
    run_orders(home, reports, mailbox.port, "--from", "2026-03-02", "--to", "2026-03-02")
    assert len(mailbox.messages) == 2, "the day after, also by a run over another day"


@pytest.mark.slow
def test_a_message_about_held_days_that_could_not_be_sent_is_sent_by_the_daemon(
    tmp_path: Path, mailbox: Mailbox, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert "did not take the message" in run_orders(home, reports, free_port()).err
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        daemon = Daemon(instance, settings_of(mailbox, home))
        assert daemon.look() == f"Notified {ANN} of 1 day held back."
        assert daemon.look() == "Nothing failed."
    assert len(mailbox.messages) == 1


def test_a_run_that_finds_a_file_missing_sends_a_message_where_alerts_are_set(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    missing = tmp_path / "user_order_log_inc.csv"
    result = run_orders(tmp_path / "home", missing, mailbox.port)
    assert result.exit_code == 2
    assert f"Notified {ANN} of the run that did not begin." in result.err
    [message] = mailbox.messages
    assert message["Subject"] == "[ecom] run did not begin"
    assert str(missing) in message.get_content()
    assert result.sentence in message.get_content()


def test_a_mistyped_option_is_for_who_typed_it(tmp_path: Path, mailbox: Mailbox) -> None:
    smtp = {"ECOM_SMTP_URL": f"smtp://{HOST}:{mailbox.port}", "ECOM_ALERT_EMAIL": ANN}
    assert ecom("run", "--from", "soon", home=tmp_path / "home", env=smtp).exit_code == 2
    assert mailbox.messages == []
