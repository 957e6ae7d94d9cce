"""What the daemon notes of itself, of its sensors and schedules, and of publications that are due;
and what health, metrics, doctor and a message say of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from ecom_assets.cli.doctor import Problem, _daemon
from ecom_assets.core.operations.heartbeats import Heartbeat, heartbeats_of, note_heartbeats
from ecom_assets.core.operations.publications import dues_of, note_due, overdue_publications
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import build_definitions
from ecom_assets.interfaces.api.daemon_state import DaemonMetrics, daemon_state
from ecom_assets.orchestration.automation.alerts import Alerts
from ecom_assets.orchestration.automation.heartbeats import heartbeat_sensor
from ecom_assets.outputs.serving.places import serving_folder
from ecom_assets.outputs.serving.snapshot import POINTER
from ecom_assets_tests.mail_server import HOST, Mailbox, mail_server

NIGHT = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)
"""When `daily_orders` is due."""


NO_SERVER = SerializableErrorInfo("Unable to reach the user code server", [], None)


@dg.job
def nothing() -> None:
    """Do nothing."""


@cache
def repository() -> dg.RepositoryDefinition:
    """Return the sensors and schedules of a shop with orders; the home is not looked at."""
    settings = Settings(home=Path("never written"), orders="orders.csv", first_day=date(2026, 3, 1))
    return build_definitions(settings).get_repository_def()


class Platform:
    """An instance with the schedule of orders switched on, and its daemon's sensor."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance = instance
        self.settings = settings
        self.now = NIGHT
        self.repository = repository()
        self.state = self.switch_on("daily_orders", NIGHT - timedelta(days=3))

    def switch_on(self, name: str, at: datetime) -> InstigatorState:
        """Switch a schedule on, as somebody does in Dagster's UI."""
        origin = RemoteRepositoryOrigin(
            RegisteredCodeLocationOrigin("ecom_assets"), "__repository__"
        )
        state = InstigatorState(
            RemoteInstigatorOrigin(origin, name),
            InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING,
            ScheduleInstigatorData("0 1 * * *", at.timestamp()),
        )
        return self.instance.add_instigator_state(state)

    def tick(self, at: datetime, status: TickStatus, *runs: dg.DagsterRun) -> None:
        """Let the schedule begin what it begins at an instant."""
        state = self.state
        self.instance.create_tick(
            TickData(
                state.instigator_origin_id,
                state.instigator_name,
                InstigatorType.SCHEDULE,
                status,
                at.timestamp(),
                run_ids=[run.run_id for run in runs],
                selector_id=state.selector_id,
                error=NO_SERVER if status == TickStatus.FAILURE else None,
            )
        )

    def run(self, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """Return a run that has come so far."""
        return self.instance.create_run_for_job(nothing, status=status)

    def look(self, **later: float) -> str:
        """Let the sensor look, so much later than the night's run was due."""
        self.now = NIGHT + timedelta(**later)
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository)
        sensor = heartbeat_sensor(
            self.settings, Alerts.from_settings(self.settings), now=lambda: self.now
        )
        return sensor.evaluate_tick(context).skip_message or ""

    def publish(self, at: datetime) -> None:
        """Publish what the API reads."""
        folder = serving_folder(self.settings.home)
        folder.mkdir(parents=True, exist_ok=True)
        pointer = {
            "file": "x.duckdb",
            "data_version": "v",
            "published_at": at.replace(tzinfo=None).isoformat(),
            "run_id": "r",
            "tables": {},
        }
        (folder / POINTER).write_text(json.dumps(pointer))

    def overdue(self, published_at: datetime | None = None, **later: float) -> list[str]:
        """Return what the API says is overdue."""
        at = NIGHT + timedelta(**later)
        found = overdue_publications(self.settings.home, published_at, at)
        return [each.sentence for each in found]


@contextmanager
def platform_of(folder: Path, **settings: Any) -> Iterator[Platform]:
    own = Settings(
        home=folder / "home",
        orders=str(folder / "orders.csv"),
        first_day=date(2026, 3, 1),
        **settings,
    )
    (folder / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
        yield Platform(instance, own)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with platform_of(tmp_path) as made:
        yield made


def test_a_night_whose_run_fails_is_overdue_after_two_hours_until_it_is_published(
    platform: Platform,
) -> None:
    failed = platform.run(dg.DagsterRunStatus.FAILURE)
    platform.tick(NIGHT, TickStatus.SUCCESS, failed)
    assert "overdue" not in platform.look(minutes=30)
    assert platform.overdue(minutes=30) == []
    sentence = (
        "What daily_orders began at 2026-03-10 01:00 UTC is not published: run "
        f"{failed.run_id} has failed; its page in Dagster says why."
    )
    assert platform.look(minutes=121).endswith(sentence)
    assert platform.overdue(minutes=121) == [sentence]
    retried = platform.instance.create_run_for_job(
        nothing, status=dg.DagsterRunStatus.SUCCESS, tags={"dagster/root_run_id": failed.run_id}
    )
    assert retried
    platform.look(minutes=125)
    assert "none has published since" in platform.overdue(minutes=125)[0]
    assert platform.overdue(NIGHT + timedelta(minutes=124), minutes=125) == []


@pytest.mark.parametrize(
    ("status", "says"), [(None, "has not begun it"), (TickStatus.FAILURE, "could not be begun")]
)
def test_a_night_that_never_began_is_overdue(
    platform: Platform, status: TickStatus | None, says: str
) -> None:
    platform.tick(NIGHT - timedelta(days=1), TickStatus.SUCCESS)
    if status:
        platform.tick(NIGHT, status)
    platform.look(minutes=121)
    (sentence,) = platform.overdue(NIGHT - timedelta(hours=22), minutes=121)
    assert says in sentence


def test_a_night_that_is_skipped_or_before_the_schedule_was_on_owes_nothing(
    platform: Platform,
) -> None:
    platform.tick(NIGHT, TickStatus.SKIPPED)
    platform.look(hours=3)
    assert platform.overdue(hours=3) == []
    platform.state = platform.switch_on("daily_events", NIGHT + timedelta(hours=2))
    platform.look(hours=5)
    assert platform.overdue(hours=5) == []


def test_a_daemon_that_is_away_is_seen_by_what_it_had_noted(platform: Platform) -> None:
    platform.tick(NIGHT, TickStatus.SKIPPED)
    platform.look(hours=1)
    day = timedelta(days=1)
    assert platform.overdue(hours=25) == []
    (sentence,) = platform.overdue(NIGHT, hours=26.1)
    assert sentence.startswith("What daily_orders began at 2026-03-11 01:00 UTC is not published")
    assert platform.overdue(NIGHT + day, hours=26.1) == []  # `ecom run` in a cron job did it


def test_heartbeats_are_those_of_what_is_on_and_late_ten_minutes_after_the_last(
    platform: Platform,
) -> None:
    platform.look(minutes=1)
    noted = {(each.kind, each.name): each for each in heartbeats_of(platform.settings.home)}
    assert ("schedule", "daily_orders") in noted
    assert ("sensor", "alerts") not in noted, "no mail server is set"
    own = noted["sensor", "heartbeats"]
    assert own.beat_at == NIGHT + timedelta(minutes=1)
    assert not own.is_late(NIGHT + timedelta(minutes=10))
    assert own.is_late(NIGHT + timedelta(minutes=12))
    schedule = noted["schedule", "daily_orders"]
    assert schedule.late_at == NIGHT - timedelta(days=2) + timedelta(hours=2)


def test_what_never_looks_is_late_ten_minutes_after_it_was_first_missed(
    platform: Platform,
) -> None:
    for minutes in range(0, 12, 3):
        platform.look(minutes=minutes)
    noted = {each.name: each for each in heartbeats_of(platform.settings.home)}
    assert noted["following"].beat_at is None
    assert not noted["following"].is_late(NIGHT + timedelta(minutes=9))
    assert noted["following"].is_late(NIGHT + timedelta(minutes=10))


def test_a_sensor_s_heartbeat_is_its_newest_look(platform: Platform) -> None:
    origin = platform.state.origin
    looked_at = (NIGHT - timedelta(minutes=20)).timestamp()
    platform.instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(origin.repository_origin, "requests"),
            InstigatorType.SENSOR,
            InstigatorStatus.DECLARED_IN_CODE,
            SensorInstigatorData(last_tick_timestamp=looked_at),
        )
    )
    assert ", 0 late" not in platform.look()
    state = daemon_state(platform.settings.home, None, lambda: NIGHT)
    assert state is not None
    assert "the sensor requests since 2026-03-10 00:40 UTC" in state.complaint


# What is said of it


def test_health_has_no_opinion_where_no_daemon_notes_anything(tmp_path: Path) -> None:
    assert daemon_state(tmp_path, None) is None
    metrics = list(DaemonMetrics(tmp_path, lambda: None).collect())
    assert [each.samples for each in metrics] == [[], [], []]


def test_metrics_are_ages_and_what_is_overdue(tmp_path: Path) -> None:
    note_heartbeats(
        tmp_path,
        [
            Heartbeat("daemon", "SENSOR", NIGHT - timedelta(seconds=90), NIGHT),
            Heartbeat("sensor", "uploads", None, NIGHT + timedelta(minutes=1)),
        ],
    )
    note_due(tmp_path, "daily_orders", NIGHT - timedelta(hours=3), "run 1 has failed.")
    age, late, overdue = DaemonMetrics(tmp_path, lambda: None, lambda: NIGHT).collect()
    values = {tuple(each.labels.values()): each.value for each in age.samples}
    assert values["daemon", "SENSOR"] == 90
    assert values["sensor", "uploads"] != values["sensor", "uploads"], "never is not a number"
    assert [each.value for each in late.samples] == [1, 0]
    assert [(each.labels["source"], each.value) for each in overdue.samples] == [
        ("daily_orders", 3 * 3600)
    ]


def test_one_message_is_sent_for_each_publication_that_did_not_come(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    mail = {"smtp_url": f"smtp://{HOST}:{mailbox.port}", "alert_email": "ann@shop.example"}
    with platform_of(tmp_path, **mail) as platform:
        platform.tick(NIGHT, TickStatus.SUCCESS, platform.run(dg.DagsterRunStatus.FAILURE))
        for minutes in (60, 121, 180, 240):
            platform.look(minutes=minutes)
        (message,) = mailbox.messages
        assert "1 publication did not come" in str(message["Subject"])
        assert "daily_orders" in message.get_content()
        platform.tick(NIGHT + timedelta(days=1), TickStatus.SUCCESS)
        platform.publish(NIGHT)
        platform.look(hours=26.1)
        assert len(mailbox.messages) == 2


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


def test_doctor_names_the_run_that_failed_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert _daemon(settings) == "none has looked yet; `ecom ui` starts it"
    sentence = "Run 1 over new events (2026-03-10 to 2026-03-10) has failed at attempt 2."
    note_due(tmp_path, "landing_files", datetime.now(UTC), sentence)
    found = _daemon(settings)
    assert isinstance(found, Problem)
    assert found.detail == sentence


def test_a_schedule_that_is_switched_off_owes_nothing_any_more(platform: Platform) -> None:
    note_due(platform.settings.home, "daily_stock", NIGHT - timedelta(days=1), "run 1 has failed.")
    platform.look(minutes=1)
    assert [due.source for due in dues_of(platform.settings.home)] == ["daily_orders"]
