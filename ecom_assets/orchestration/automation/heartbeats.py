"""The sensor that notes for the API how Dagster's daemon does: when it, its sensors and its
schedules looked last, and which publications they owe. It alerts of those that did not come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.errors import EcomError, MailError
from ecom_assets.core.operations.heartbeats import Heartbeat, heartbeats_of, note_heartbeats
from ecom_assets.core.operations.publications import (
    WITHIN,
    OverduePublication,
    dues_of,
    forget_dues,
    note_alerted,
    note_due,
    overdue_publications,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.formats import counted
from ecom_assets.ingestion.sources.presence import CUSTOMERS, EVENTS, ORDERS, STOCK
from ecom_assets.orchestration.automation.alerts import Alerts
from ecom_assets.orchestration.automation.instance import (
    InstigatorState,
    InstigatorTick,
    TickStatus,
    cron_string_iterator,
)
from ecom_assets.outputs.serving.places import last_published_at

NAME: Final = "heartbeats"
INTERVAL_S: Final = 60
LATE_AFTER: Final = timedelta(minutes=10)
"""How long after its last look the daemon or a sensor is late; a sensor that looks seldom, after
ten times as long as between two looks.
"""
PUBLISHING: Final = frozenset((EVENTS, ORDERS, CUSTOMERS, STOCK))
"""The jobs of schedules after which the marts are published."""
SLACK_S: Final = 1.0


def heartbeat_sensor(
    settings: Settings, alerts: Alerts | None, *, now: Clock = now_utc
) -> dg.SensorDefinition:
    """Return the sensor that notes heartbeats and the publications that are due, and sends one
    message for each that did not come.
    """

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Notes when the daemon, its sensors and schedules looked last, for /health, and which "
            "publications are overdue."
        ),
    )
    def heartbeats(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        at = now()
        repository = context.repository_def
        assert repository is not None  # noqa: S101 (Dagster gives it where sensors are evaluated)
        states = {state.instigator_name: state for state in context.instance.all_instigator_state()}
        schedules = [each for each in repository.schedule_defs if _is_on(each, states)]
        sensors = [each for each in repository.sensor_defs if _is_on(each, states)]
        found = [
            *_of_daemon(context.instance, at),
            *(_of_sensor(each, states.get(each.name), at) for each in sensors),
            *(
                _of_schedule(context.instance, each, states.get(each.name), at)
                for each in schedules
            ),
        ]
        try:
            found = _since_noted(settings.home, found)
            note_heartbeats(settings.home, found)
            for schedule in schedules:
                if schedule.job_name in PUBLISHING:
                    _note_owed(
                        settings.home, context.instance, schedule, states.get(schedule.name), at
                    )
            names = [each.name for each in schedules] + [each.name for each in sensors]
            forget_dues(settings.home, kept=names)
            overdue = overdue_publications(settings.home, last_published_at(settings), at)
            lines = _alerted(settings.home, alerts, overdue)
        except EcomError as error:
            return dg.SkipReason(str(error))
        late = sum(each.is_late(at) for each in found)
        said = [f"{counted(len(found), 'heartbeat')}, {late:,} late.", *lines]
        return dg.SkipReason(" ".join([*said, *(each.sentence for each in overdue)]))

    return heartbeats


def _since_noted(home: Path, heartbeats: Sequence[Heartbeat]) -> list[Heartbeat]:
    """Return heartbeats where one that never came is late since it was first missed."""
    missed = {
        (each.kind, each.name): each.late_at for each in heartbeats_of(home) if each.beat_at is None
    }
    return [
        each
        if each.beat_at
        else replace(each, late_at=missed.get((each.kind, each.name), each.late_at))
        for each in heartbeats
    ]


def _alerted(home: Path, alerts: Alerts | None, overdue: Sequence[OverduePublication]) -> list[str]:
    """Send a message about what is overdue and was not reported yet; return lines about that."""
    reported = {due.source: due.alerted_for for due in dues_of(home)}
    fresh = [each for each in overdue if reported.get(each.source) != each.due_at]
    if not fresh or alerts is None:
        return []
    try:
        line = alerts.report_overdue([each.sentence for each in fresh])
    except MailError as error:
        return [f"{error} It is sent at the next look."]
    for each in fresh:
        note_alerted(home, each)
    return [line]


def _is_on(
    definition: dg.SensorDefinition | dg.ScheduleDefinition,
    states: dict[str, InstigatorState],
) -> bool:
    """Return whether a sensor or a schedule is on: as somebody has switched it, else as it is by
    default.
    """
    state = states.get(definition.name)
    is_default = definition.default_status in {
        dg.DefaultSensorStatus.RUNNING,
        dg.DefaultScheduleStatus.RUNNING,
    }
    if state is None or state.status.value == "DECLARED_IN_CODE":
        return is_default
    return state.is_running


def _of_daemon(instance: dg.DagsterInstance, at: datetime) -> Iterator[Heartbeat]:
    beats = instance.get_daemon_heartbeats()
    for kind in sorted(instance.get_required_daemon_types()):
        beat = _instant(beats[kind].timestamp) if kind in beats else None
        yield Heartbeat("daemon", kind, beat, (beat or at) + LATE_AFTER)


def _of_sensor(
    sensor: dg.SensorDefinition, state: InstigatorState | None, at: datetime
) -> Heartbeat:
    data = state.instigator_data if state else None
    instants = [
        getattr(data, name, None)
        for name in (
            "last_tick_timestamp",
            "last_tick_start_timestamp",
            "last_sensor_start_timestamp",
        )
    ]
    known = [instant for instant in instants if instant]
    beat = at if sensor.name == NAME else _instant(max(known)) if known else None
    every = timedelta(seconds=sensor.minimum_interval_seconds or INTERVAL_S)
    return Heartbeat("sensor", sensor.name, beat, (beat or at) + max(LATE_AFTER, 10 * every))


def _of_schedule(
    instance: dg.DagsterInstance,
    schedule: dg.ScheduleDefinition,
    state: InstigatorState | None,
    at: datetime,
) -> Heartbeat:
    tick = _newest_tick(instance, state)
    beat = _instant(tick.timestamp) if tick else None
    # Where it was switched on after its last time, it owes the next one only.
    since = max(filter(None, (beat, _started_at(state))), default=at)
    return Heartbeat("schedule", schedule.name, beat, _next_time(schedule, since) + WITHIN)


def _note_owed(
    home: Path,
    instance: dg.DagsterInstance,
    schedule: dg.ScheduleDefinition,
    state: InstigatorState | None,
    at: datetime,
) -> None:
    """Note what a schedule owes, and when it is due the next time."""
    last, started_at = _time(schedule, at, is_next=False), _started_at(state)
    next_at = _next_time(schedule, at)
    if started_at is None or last < started_at:
        note_due(home, schedule.name, None, next_at=next_at)
        return
    tick = _newest_tick(instance, state)
    if tick is None or tick.timestamp < last.timestamp() - SLACK_S:
        sentence = "the daemon has not begun it; see that Dagster's daemon runs."
    elif tick.status == TickStatus.SKIPPED:
        note_due(home, schedule.name, None, next_at=next_at)
        return
    else:
        sentence = _trouble_of_runs(instance, tick)
    note_due(home, schedule.name, last, sentence, next_at)


def _trouble_of_runs(instance: dg.DagsterInstance, tick: InstigatorTick) -> str:
    """Return why the runs of a look have not succeeded, in a part of a sentence; empty if they
    have, also by a retry.
    """
    if tick.status == TickStatus.FAILURE:
        return "it could not be begun; its page in Dagster says why."
    for run_id in tick.run_ids:
        attempts = [
            *instance.get_run_records(dg.RunsFilter(run_ids=[run_id])),
            *instance.get_run_records(dg.RunsFilter(tags={"dagster/root_run_id": run_id})),
        ]
        statuses = {record.dagster_run.status for record in attempts}
        if dg.DagsterRunStatus.SUCCESS in statuses:
            continue
        if statuses <= {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}:
            return f"run {run_id} has failed; its page in Dagster says why."
        return f"run {run_id} has not ended yet."
    return ""


def _newest_tick(
    instance: dg.DagsterInstance, state: InstigatorState | None
) -> InstigatorTick | None:
    if state is None:
        return None
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    return ticks[0] if ticks else None


def _started_at(state: InstigatorState | None) -> datetime | None:
    since = getattr(state.instigator_data, "start_timestamp", None) if state else None
    return _instant(since) if since else None


def _next_time(schedule: dg.ScheduleDefinition, at: datetime) -> datetime:
    return _time(schedule, at + timedelta(seconds=SLACK_S), is_next=True)


def _time(schedule: dg.ScheduleDefinition, at: datetime, *, is_next: bool) -> datetime:
    """Return the schedule's next time from an instant on, or the last one before it."""
    cron = schedule.cron_schedule
    assert isinstance(cron, str)  # noqa: S101 (as ours are)
    times = cron_string_iterator(
        at.timestamp(), cron, schedule.execution_timezone, ascending=is_next
    )
    return next(time for time in times if is_next or time <= at).astimezone(UTC)


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
