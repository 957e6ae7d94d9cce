"""The sensor on landing files: what is new is materialized, what is not is left alone."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets.core.clock import now_utc
from ecom_assets.core.operations.publications import dues_of
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.core.tables.check import PARTS
from ecom_assets.definitions import build_definitions
from ecom_assets.ingestion.sources.compaction import compact
from ecom_assets.ingestion.sources.first_partition import with_first_partition
from ecom_assets.orchestration.automation.run_end import FIRST_DATA, end_run
from ecom_assets.orchestration.automation.sensors import landing_sensor
from ecom_assets_tests.command import page_views
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.bound_files import BOUND_FILES
from ecom_assets_tests.memory_of_processes import peak_memory

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class Landing:
    """A folder of landing files, and the sensor that watches it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, **settings: Any) -> None:
        self.folder = folder
        bound = {"landing_every_s": 0.0, **settings}
        self.settings = Settings(home=folder.parent / "home", events=str(folder), **bound)
        self.cursor: str | None = None
        self.instance = instance
        self.now = NOON

    def receive(self, day: str, *event_days: str, name: str = "part.csv") -> Path:
        """Let a file arrive on a day, with a page view of each of the event days."""
        landed = self.folder / f"received_date={day}"
        landed.mkdir(parents=True, exist_ok=True)
        return page_views(landed / name, *event_days)

    def look(self) -> dg.SensorResult:
        """Let the sensor look, as the daemon does every minute."""
        context = dg.build_sensor_context(self.instance, cursor=self.cursor)
        actual = landing_sensor(self.settings, now=lambda: self.now)(context)
        assert isinstance(actual, dg.SensorResult)
        self.cursor = actual.cursor or self.cursor
        return actual

    def days(self) -> tuple[str, str]:
        """Return the first and last day that the sensor asks for."""
        (request,) = self.look().run_requests or ()
        return request.tags[RANGE_START], request.tags[RANGE_END]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def landing(tmp_path: Path, instance: dg.DagsterInstance) -> Landing:
    return Landing(tmp_path / "landing", instance)


def reason(actual: dg.SensorResult) -> str:
    assert not actual.run_requests
    skip = actual.skip_reason
    return skip.skip_message or "" if isinstance(skip, dg.SkipReason) else str(skip)


def test_a_new_file_asks_for_its_day_and_its_events_days_and_the_day_whose_visitors_they_name(
    landing: Landing,
) -> None:
    landing.receive("2026-03-05", "2026-03-05", "2026-03-03")
    assert landing.days() == ("2026-03-02", "2026-03-05")


def test_without_a_new_file_it_says_so(landing: Landing) -> None:
    landing.receive("2026-03-05", "2026-03-05")
    landing.days()
    assert reason(landing.look()) == "No new event files."


def test_only_the_new_file_s_days_are_asked_for(landing: Landing) -> None:
    landing.receive("2026-03-05", "2026-03-05")
    landing.days()
    landing.receive("2026-03-08", "2026-03-08")
    assert landing.days() == ("2026-03-07", "2026-03-08")


def test_an_old_file_asks_for_the_days_after_it_too_whose_rows_may_now_be_copies(
    landing: Landing,
) -> None:
    landing.receive("2026-03-09", "2026-03-09")
    landing.days()
    landing.receive("2026-03-05", "2026-03-05")
    assert landing.days() == ("2026-03-04", "2026-03-09")


def test_a_file_that_changed_is_taken_again_with_every_day_it_may_have_held_rows_of(
    landing: Landing,
) -> None:
    landing.receive("2026-03-05", "2026-03-05")
    first = landing.look().run_requests or []
    landing.receive("2026-03-05", "2026-03-05", "2026-03-04")
    second = landing.look().run_requests or []
    assert second[0].tags[RANGE_START] == "2026-02-26"
    assert first[0].run_key != second[0].run_key


def test_an_event_that_is_too_late_does_not_drag_its_own_day_in(landing: Landing) -> None:
    # Such a row counts for the day it arrived: the day before yesterday is in time, last year is
    # not.
    landing.receive("2026-03-05", "2026-03-03", "2025-03-03", "1970-01-01")
    assert landing.days() == ("2026-03-02", "2026-03-05")


def test_days_without_a_partition_are_not_asked_for(landing: Landing) -> None:
    landing.receive("2026-03-09", "2026-03-09")
    landing.receive("2026-03-12", "2026-03-12")
    assert landing.days() == ("2026-03-08", "2026-03-10")
    landing.receive("2026-03-13", "2026-03-13")
    assert reason(landing.look()) == "New event files, but of days without a partition."


def test_a_folder_that_is_missing_or_empty_is_a_reason_to_wait(landing: Landing) -> None:
    assert "does not exist" in reason(landing.look())
    landing.folder.mkdir()
    assert "holds no files" in reason(landing.look())


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOUND_FILES)
def test_a_file_that_would_take_gigabytes_is_a_reason_and_the_rest_goes_on(
    landing: Landing, kind: str
) -> None:
    landing.receive("2026-03-09", "2026-03-09")
    path = BOUND_FILES[kind](landing.folder / "received_date=2026-03-09")
    with peak_memory() as peak:
        said = reason(landing.look())
    assert path.name in said
    assert "more than can be read here" in said
    assert peak.mb < 700
    path.unlink()
    assert landing.days()[0] == "2026-03-08"  # with the day whose visitors the views may name


def test_a_file_without_rows_is_news_of_its_day(landing: Landing) -> None:
    landing.receive("2026-03-05")
    assert landing.days() == ("2026-03-04", "2026-03-05")


def test_the_sandbox_is_watched_where_nothing_else_is_set(tmp_path: Path) -> None:
    sensor = landing_sensor(Settings(home=tmp_path / "home"))
    actual = sensor(dg.build_sensor_context())
    assert isinstance(actual, dg.SensorResult)
    assert "does not exist" in reason(actual)


@pytest.mark.slow
def test_what_the_sensor_asks_for_runs(landing: Landing) -> None:
    landing.receive("2026-03-05", "2026-03-05", "2026-03-04")
    (request,) = landing.look().run_requests or ()
    definitions = build_definitions(landing.settings)
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("everything")
        result = job.execute_in_process(instance=instance, tags=dict(request.tags))
        assert result.success
        key = dg.AssetKey(["mart", "sessions"])
        assert instance.get_materialized_partitions(key) == {
            "2026-03-03",
            "2026-03-04",
            "2026-03-05",
        }


def test_a_stray_row_is_a_run_of_its_own_without_years_between(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    landing = Landing(tmp_path / "landing", instance)
    landing.receive("2026-03-09", "2026-03-09")
    landing.receive("2022-01-01", "2022-01-01", name="stray.csv")
    requests = landing.look().run_requests or []
    values = [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in requests]
    # A day before the rows, and the days after in which they may make others copies; up to today at
    # most.
    assert values == [("2021-12-31", "2022-01-10"), ("2026-03-08", "2026-03-09")]
    # Each run knows the days of all, so that a few bad rows far away do not count as all of the
    # rows.
    assert {request.tags[PARTS] for request in requests} == {
        "2021-12-31/2022-01-10,2026-03-08/2026-03-09"
    }
    landing.receive("2026-03-10", "2026-03-10")
    (request,) = landing.look().run_requests or ()
    assert PARTS not in request.tags


@pytest.mark.slow
def test_a_bad_row_alone_in_its_file_and_far_away_stops_no_run(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    landing = Landing(tmp_path / "landing", instance)
    landing.receive("2026-03-09", *["2026-03-09"] * 30)
    stray = landing.receive("2022-01-01", "2022-01-01", name="stray.csv")
    stray.write_text(stray.read_text().replace("page_view", ""))
    early, _late = landing.look().run_requests or ()
    job = build_definitions(landing.settings).resolve_job_def("everything")
    assert job.execute_in_process(instance=instance, tags=dict(early.tags)).success


def test_a_span_that_nobody_can_mean_asks_for_no_run_and_says_so_until_it_is_gone(
    landing: Landing,
) -> None:
    landing.receive("2026-03-09", "2026-03-09")
    stray = landing.receive("2014-01-01", "2014-01-01", name="stray.csv")
    for _ in range(2):
        result = landing.look()
        assert not result.run_requests
        assert "1 row of stray.csv of 2014-01-01 is far from all others" in str(result.skip_reason)
    stray.unlink()
    assert len(landing.look().run_requests or []) == 1


# What is on before anybody decides


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({"ECOM_EVENTS": "landing"}, dg.DefaultSensorStatus.RUNNING),
        (
            {"ECOM_EVENTS": "landing", "ECOM_AMPLITUDE_API_KEY": "key"},
            dg.DefaultSensorStatus.STOPPED,
        ),  # would deliver
        ({}, dg.DefaultSensorStatus.STOPPED),  # the sandbox shop's schedules take its days in
    ],
)
def test_it_is_on_where_files_are_the_source_and_reach_no_tool(
    environment: dict[str, str], status: dg.DefaultSensorStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert landing_sensor(load_settings()).default_status is status


def test_what_a_run_took_in_before_the_sensor_first_looked_is_not_asked_for_again(
    landing: Landing,
) -> None:
    @dg.asset(key=["raw", "events"])
    def raw_events() -> None:
        """Take in what there is."""

    landing.receive("2026-03-05", "2026-03-05")
    assert dg.materialize([raw_events], instance=landing.instance).success
    landing.receive("2026-03-08", "2026-03-08")
    assert landing.days() == ("2026-03-07", "2026-03-08")
    assert reason(landing.look()) == "No new event files."


def test_a_file_that_is_still_being_copied_is_waited_for(landing: Landing) -> None:
    copied = landing.receive("2026-03-05", "2026-03-05")
    at = datetime.fromtimestamp(copied.stat().st_ctime, UTC)
    landing.now = at + timedelta(seconds=29)
    result = reason(landing.look())
    assert result == "1 event files changed within the last 30 s; they may not be complete."
    landing.now = at + timedelta(seconds=31)
    assert landing.days() == ("2026-03-04", "2026-03-05")


def test_a_file_of_days_before_the_partitions_waits_until_they_begin_with_it(
    landing: Landing,
) -> None:
    landing.receive("2026-03-05", "2026-03-05")
    loaded = landing.settings = with_first_partition(landing.settings)
    assert loaded.first_day == date(2026, 2, 1), "events of 5 March may be late by a week"
    landing.days()
    landing.receive("2026-01-09", "2026-01-09")
    for _ in range(2):
        assert reason(landing.look()).startswith(
            "New event files have rows of 2026-01-08, before the first partition"
        )
    unset = Settings(home=loaded.home, events=loaded.events, landing_every_s=0)
    landing.settings = with_first_partition(unset)
    assert landing.settings.first_day == date(2026, 1, 1)
    assert landing.days() == ("2026-01-08", "2026-01-18")


def test_the_run_over_the_first_data_lets_the_definitions_begin_with_them(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert with_first_partition(landing.settings).first_day == date(2009, 12, 1), "6,000 partitions"
    landing.receive("2026-03-05", "2026-03-05")
    (request,) = landing.look().run_requests or ()
    assert request.tags[FIRST_DATA] == "2026-03-04"
    assert with_first_partition(landing.settings).first_day == date(2026, 2, 1)
    landing.receive("2026-03-06", "2026-03-06")
    (later,) = landing.look().run_requests or ()
    assert FIRST_DATA not in later.tags

    reloaded: list[str] = []
    monkeypatch.setattr(
        "ecom_assets.orchestration.automation.run_end.reload_location",
        lambda settings, _say: reloaded.append(str(settings.home)),
    )
    for tags in (request.tags, later.tags):
        run = dg.DagsterRun(job_name="events", run_id="r", tags=dict(tags))
        end_run(landing.settings, landing.instance, run, print)
    assert reloaded == [str(landing.settings.home)]


def test_generated_files_leave_one_instant_in_the_cursor_and_merging_them_asks_for_nothing(
    landing: Landing,
) -> None:
    landing.now = now_utc() + timedelta(hours=1)
    day = landing.now.date().isoformat()
    folder = landing.folder / f"received_date={day}"
    folder.mkdir(parents=True)
    others = (
        "product_id",
        "product_category",
        "session_id",
        "page_url",
        "referrer_url",
        "cart_value",
    )
    columns = f"'page_view' AS event_type, 'u' AS user_id, '{day}T00:00:01Z' AS event_timestamp, "
    columns += ", ".join(f"'' AS {name}" for name in others)
    with fresh_duckdb() as con:
        for number in range(50):
            path = folder / f"kafka-topic-0-{number:020}.parquet"
            con.execute(f"COPY (SELECT '{number}' AS event_id, {columns}) TO '{path}'")
    found = landing.look()
    assert found.run_requests, found.skip_reason
    assert landing.cursor
    assert len(landing.cursor) < 400, "and what was asked for names no file of the platform"
    assert reason(landing.look()) == "No new event files."
    three_hours_later = landing.now + timedelta(hours=3)
    assert compact(landing.settings, now=three_hours_later.timestamp).merged_count == 50
    assert reason(landing.look()) == "No new event files."


def test_runs_are_so_far_apart_and_files_that_wait_are_not_forgotten(landing: Landing) -> None:
    landing.settings = landing.settings.model_copy(update={"landing_every_s": 300.0})
    landing.receive("2026-03-05", "2026-03-05")
    landing.days()
    landing.receive("2026-03-06", "2026-03-06", name="later.csv")
    assert (
        reason(landing.look()) == "New event files wait until 12:05:00 UTC (ECOM_LANDING_EVERY_S)."
    )
    landing.now += timedelta(seconds=300)
    assert landing.days()[1] == "2026-03-06"


def test_no_two_runs_are_requested_over_the_same_days(
    landing: Landing, instance: dg.DagsterInstance
) -> None:
    tags = {RANGE_START: "2026-03-04", RANGE_END: "2026-03-05"}
    run = instance.create_run_for_job(_nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
    landing.receive("2026-03-05", "2026-03-05")
    assert (
        reason(landing.look()) == f"New event files wait for run {run.run_id}, over the same days."
    )
    instance.report_run_canceled(run)
    assert landing.days()[1] == "2026-03-05"


@dg.job
def _nothing() -> None:
    pass


# What becomes of the runs that were requested


class History:
    """The runs of an instance, as the daemon starts them for what the sensor requests."""

    def __init__(self, landing: Landing) -> None:
        self.landing = landing
        self.instance = landing.instance

    def start(self, *requests: dg.RunRequest) -> list[dg.DagsterRun]:
        """Start runs for requests."""
        return [
            self.instance.create_run_for_job(
                _nothing, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED
            )
            for request in requests
        ]

    def look(self) -> list[dg.DagsterRun]:
        """Let the sensor look, and start what it requests."""
        return self.start(*(self.landing.look().run_requests or ()))

    def wait(self, **time: float) -> None:
        """Let time go by."""
        self.landing.now += timedelta(**time)


@pytest.fixture
def history(landing: Landing) -> History:
    landing.now = now_utc() + timedelta(minutes=2)
    day = landing.now.date()
    landing.receive(day.isoformat(), day.isoformat())
    return History(landing)


def succeed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
    )


def test_files_whose_run_dies_are_asked_for_again_without_another_file_and_later_each_time(
    landing: Landing, history: History
) -> None:
    first_asked_at = landing.now
    (run,) = history.look()
    assert reason(landing.look()) == "No new event files.", "it goes on"
    keys = {run.tags["ecom/requested_for"]}
    for minutes in (5, 10, 20, 40, 80, 160, 320, 360, 360):
        landing.instance.report_run_failed(run)
        ended_at = now_utc()
        landing.now = ended_at + timedelta(minutes=minutes - 1)
        assert run.run_id in reason(landing.look())
        landing.now = ended_at + timedelta(minutes=minutes)
        (run,) = history.look()
        keys.add(run.tags["ecom/requested_for"])
    assert len(keys) == 10, "each attempt is a run of its own for Dagster"
    assert reason(landing.look()) == "No new event files.", "the tenth goes on"
    (due,) = dues_of(landing.settings.home)
    assert (due.source, due.due_at) == ("landing_files", first_asked_at.replace(microsecond=0))
    assert "attempt 10 goes on" in due.sentence
    succeed(landing.instance, run)
    history.wait(hours=12)
    assert reason(landing.look()) == "No new event files."
    (done,) = dues_of(landing.settings.home)
    assert done.sentence == "", "a publication is due, and nothing failed"


def test_files_that_came_meanwhile_do_not_wait_for_those_whose_run_failed(
    landing: Landing, history: History
) -> None:
    (poisoned,) = history.look()
    landing.instance.report_run_failed(poisoned)
    landing.receive("2026-03-05", "2026-03-05", name="other.csv")
    (other,) = history.look()
    assert other.tags[RANGE_START] == "2026-03-04"
    succeed(landing.instance, other)
    history.wait(minutes=9)
    (again,) = history.look()
    assert again.tags[RANGE_END] == poisoned.tags[RANGE_END]
    succeed(landing.instance, again)
    history.wait(hours=12)
    assert reason(landing.look()) == "No new event files."


def test_a_retry_by_dagster_counts_and_is_waited_for(landing: Landing, history: History) -> None:
    (run,) = history.look()
    landing.instance.report_run_failed(run)
    landing.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    landing.now = now_utc() + timedelta(minutes=6)
    assert reason(landing.look()) == "No new event files."
    retried = landing.instance.create_run_for_job(
        _nothing, tags={"ecom/requested_for": run.tags["ecom/requested_for"]} | day_tags(run)
    )
    succeed(landing.instance, retried)
    history.wait(hours=12)
    assert reason(landing.look()) == "No new event files."
    assert "//requested" not in (landing.cursor or "")


def day_tags(run: dg.DagsterRun) -> dict[str, str]:
    return {name: run.tags[name] for name in (RANGE_START, RANGE_END)}


def test_generated_files_whose_run_dies_are_asked_for_again_and_no_later_ones(
    landing: Landing,
) -> None:
    landing.now = now_utc() + timedelta(hours=1)
    history, day = History(landing), landing.now.date().isoformat()
    for number in (1, 2):
        landing.receive(day, day, name=f"kafka-topic-0-{number:020}.csv")
    if not (runs := history.look()):
        pytest.fail(str(landing.look().skip_reason))
    landing.instance.report_run_failed(runs[0])
    history.wait(minutes=6)
    (again,) = history.look()
    assert day_tags(again) == day_tags(runs[0])
    succeed(landing.instance, again)
    history.wait(hours=12)
    assert reason(landing.look()) == "No new event files."


def test_a_cursor_of_an_earlier_release_goes_on(landing: Landing) -> None:
    path = landing.receive("2026-03-05", "2026-03-05")
    landing.look()
    stat = path.stat()
    state = f"{stat.st_size}-{datetime.fromtimestamp(stat.st_mtime, UTC).isoformat()}"
    landing.cursor = json.dumps({str(path): state, "//came_until": ""})
    assert reason(landing.look()) == "No new event files."
    landing.receive("2026-03-08", "2026-03-08")
    assert landing.days() == ("2026-03-07", "2026-03-08")
