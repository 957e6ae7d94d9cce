"""One message for each run in which something failed: on a real instance, over a real SMTP server."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets.automation import mail
from ecom_assets.automation.alerts import ALERT_TAG, MOST_RUNS
from ecom_assets.errors import SourceError
from ecom_assets_tests.automation.alert_daemon import ANN, Daemon, settings_of
from ecom_assets_tests.mail_server import HOST, Mailbox, free_port, mail_server

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


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
        return dg.AssetCheckResult(passed=passed, description="There are more than three customers.", metadata=answer)

    return enough


def run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, tags: dict[str, str] | None = None) -> str:
    """Run a job over some assets and checks; return the run's id."""
    plain = [one for one in assets if not isinstance(one, dg.AssetChecksDefinition)]
    checks = [one for one in assets if isinstance(one, dg.AssetChecksDefinition)]
    job = dg.Definitions(
        assets=plain, asset_checks=checks, jobs=[dg.define_asset_job("nightly", "*")], executor=dg.in_process_executor
    ).resolve_job_def("nightly")
    done = job.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET, tags=tags)
    return done.run_id


DAYS = {
    "dagster/asset_partition_range_start": "2026-03-01",
    "dagster/asset_partition_range_end": "2026-03-08",
}


def test_a_failed_run_is_one_message_however_often_one_looks(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
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


def test_a_daemon_that_forgot_where_it_was_sends_nothing_again(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
    run(instance, orders)
    for _ in range(3):
        Daemon(instance, settings_of(mailbox)).look()
    assert len(mailbox.messages) == 1


def test_a_run_that_went_well_gives_none(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
    run(instance, customers, check_of_customers(passed=True, blocking=True))
    assert Daemon(instance, settings_of(mailbox)).look() == "Nothing failed."
    assert mailbox.messages == []


def test_a_failing_check_without_blocking_is_reported(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
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


def test_a_blocking_check_and_the_run_it_fails_are_one_message(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
    run(instance, customers, orders, check_of_customers(passed=False, blocking=True))
    Daemon(instance, settings_of(mailbox)).look()
    (message,) = mailbox.messages
    assert message["Subject"] == "[ecom] run failed and 1 check failed: nightly"
    steps, checks = message.get_content().split("Failed steps\n")[1].split("\nFailed checks\n")
    assert steps == "  orders: orders.csv has no column 'id'; give another file.\n"
    assert checks.startswith("  customers, enough: There are more")


def test_a_mail_server_that_is_down_is_one_line_and_messages_come_when_it_is_back(instance: dg.DagsterInstance) -> None:
    port = free_port()
    daemon = Daemon(instance, settings_of(Mailbox(port)))
    first = run(instance, orders)
    second = run(instance, orders)
    run(instance, customers)
    down = (
        f"The mail server smtp://{HOST}:{port} did not take the message: Connection refused; start it or correct "
        "ECOM_SMTP_URL, ECOM_ALERT_EMAIL or ECOM_ALERT_SENDER. 2 messages to be sent at the next look."
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


def test_the_next_attempt_of_a_run_is_reported_too(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
    daemon = Daemon(instance, settings_of(mailbox))
    first = run(instance, orders, tags={"dagster/will_retry": "true"})
    daemon.look()
    inherited = instance.get_run_by_id(first)
    assert inherited is not None
    second = run(instance, orders, tags={ALERT_TAG: inherited.tags[ALERT_TAG]})
    assert daemon.look() == f"Notified {ANN} of run {second}."
    assert ["It is tried again by itself." in message.get_content() for message in mailbox.messages] == [True, False]
    run(instance, customers, tags={ALERT_TAG: "unsent"})
    assert [daemon.look(), daemon.look()] == ["Nothing failed.", "Nothing failed."]
    assert not list(instance.get_run_records(dg.RunsFilter(tags={ALERT_TAG: "unsent"})))


def test_a_run_without_a_failed_step_has_dagster_s_words(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
    lost = instance.create_run_for_job(dg.job(name="nightly")(lambda: None))
    instance.report_run_failed(lost, message="The code location was restarted and has it no longer.")
    Daemon(instance, settings_of(mailbox)).look()
    (message,) = mailbox.messages
    assert "  The code location was restarted and has it no longer.\n" in message.get_content()


def test_a_run_that_a_person_stopped_is_no_failure(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
    stopped = instance.create_run_for_job(dg.job(name="nightly")(lambda: None))
    instance.report_run_canceled(stopped)
    assert Daemon(instance, settings_of(mailbox)).look() == "Nothing failed."
    assert mailbox.messages == []


def test_failures_while_the_daemon_was_away_come_later(instance: dg.DagsterInstance, mailbox: Mailbox) -> None:
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
    monkeypatch.setattr("ecom_assets.automation.alerts.MOST_RUNS", 2)
    assert MOST_RUNS > 2
    daemon = Daemon(instance, settings_of(mailbox))
    answer = [run(instance, orders) for _ in range(5)]
    for _ in range(4):
        daemon.look()
    assert sorted(message["Message-ID"] for message in mailbox.messages) == sorted(
        f"<{run_id}.alert@ecom-assets>" for run_id in answer
    )
