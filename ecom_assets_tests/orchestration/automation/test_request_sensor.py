"""The sensor that starts a run for each request, once for each time that it was made."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.core.operations.requests import RELEASE, RETRY, Requests
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation.sensors import request_sensor

MONDAY, TUESDAY = date(2026, 3, 9), date(2026, 3, 10)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dg.Definitions]:
    home = tmp_path_factory.mktemp("home")
    return home, build_definitions(Settings(home=home))


def test_a_run_starts_over_the_days_and_tables_of_a_request(
    definitions: tuple[Path, dg.Definitions],
) -> None:
    home, made = definitions
    sensor, requests = made.resolve_sensor_def("requests"), Requests(home)

    def started() -> list[dg.RunRequest]:
        with dg.DagsterInstance.ephemeral(str(home)) as instance:
            context = dg.build_sensor_context(
                instance=instance, repository_def=made.get_repository_def()
            )
            return list(sensor.evaluate_tick(context).run_requests or [])

    assert started() == []
    released = requests.make(RELEASE, "orders", (MONDAY, MONDAY), "key:1")
    requests.make(RETRY, "heap_events", (MONDAY, TUESDAY), "key:1")
    release, retry = started()
    days = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    assert [[run.tags[day] for day in days] for run in (release, retry)] == [
        ["2026-03-09", "2026-03-09"],
        ["2026-03-09", "2026-03-10"],
    ]
    selected = {key.to_user_string() for key in release.asset_selection or []}
    assert {
        "staging/held_order_days",
        "staging/user_order_log",
        "mart/sales",
        "serving/marts",
    } <= selected
    assert "staging/events" not in selected
    exported = {key.to_user_string() for key in retry.asset_selection or []}
    assert {"export/heap_events", "export/dead_letters"} <= exported
    assert "export/heap_users" not in exported
    assert release.run_key == "request-1-1", (
        "Dagster starts one run for it however often the sensor looks"
    )
    requests.make(RELEASE, "orders", (MONDAY, MONDAY), "key:1")
    assert started()[0].run_key == "request-1-2", (
        "asked once more, a run that failed is tried again"
    )
    requests.take([released])
    assert [run.run_key for run in started()] == ["request-2-1"]


@dg.job
def nothing() -> None:
    """Do nothing."""


def test_a_request_whose_run_dies_has_another_one_later_each_time(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    at = datetime.now(UTC)
    sensor = request_sensor(settings.home, (), (), now=lambda: at)
    repository = build_definitions(settings).get_repository_def()
    Requests(tmp_path).make(RETRY, "heap_events", (MONDAY, TUESDAY), "key:1")
    with dg.DagsterInstance.ephemeral() as instance:

        def look() -> list[dg.RunRequest]:
            context = dg.build_sensor_context(instance=instance, repository_def=repository)
            return list(sensor.evaluate_tick(context).run_requests or [])

        keys = list[str | None]()
        for minutes in (5, 10, 20):
            (request,) = look()
            keys.append(request.run_key)
            run = instance.create_run_for_job(
                nothing, tags=request.tags, status=dg.DagsterRunStatus.STARTED
            )
            assert look() == [], "it goes on"
            instance.report_run_failed(run)
            ended_at = datetime.now(UTC)
            at = ended_at + timedelta(minutes=minutes - 1)
            assert look() == []
            at = ended_at + timedelta(minutes=minutes)
        assert keys == ["request-1-1", "request-1-1-2", "request-1-1-3"]
        at = datetime.now(UTC)
        Requests(tmp_path).make(RETRY, "heap_events", (MONDAY, TUESDAY), "key:1")
        assert [request.run_key for request in look()] == ["request-1-2"], "asked for by a person"
