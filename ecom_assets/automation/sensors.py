"""Sensors: new files in the landing folder, and days that follow others."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg
import duckdb

from ecom_assets.automation.jobs import EVENTS, day_of, run_request
from ecom_assets.clock import Clock, now_utc
from ecom_assets.errors import SourceError, UsageError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.day_spans import GAP_DAYS, days_of_files, parts_of, require_span
from ecom_assets.sources.events import days_to_compute, events_place, open_events
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.sources.sandbox_shop import sandbox_days
from ecom_assets.tables.days import ONE_DAY, Days

INTERVAL_S = 60


def landing_sensor(settings: Settings, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that sees new or changed landing files and asks for the days that they touch.

    The cursor holds each file's size and time of modification, as they were when the sensor last asked.
    """

    @dg.sensor(
        name="landing_files",
        job_name=EVENTS,
        minimum_interval_seconds=INTERVAL_S,
        description="New or changed event files: materializes the days that their rows belong to.",
    )
    def landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        try:
            newest = _last_day(settings, now)
            result = _states(settings, newest)
            fresh = sorted(path for path, state in result.items() if seen.get(path) != state)
            if not fresh:
                return dg.SensorResult(skip_reason="No new event files.")
            first, last = _touched_days(settings, fresh, is_known=any(path in seen for path in fresh))
            last = min(last, newest)
            parts = _parts(settings, fresh, Days.between(first, last + ONE_DAY))
        except (SourceError, UsageError) as error:
            return dg.SensorResult(skip_reason=str(error))
        cursor = json.dumps(result)
        if first > last:
            return dg.SensorResult(skip_reason="New event files, but of days without a partition.", cursor=cursor)
        key = hashlib.sha256(json.dumps([(path, result[path]) for path in fresh]).encode()).hexdigest()[:16]
        spans = [(part.first, part.dates[-1]) for part in parts]
        requests = [run_request(*span, run_key=f"{span[0]}-{span[1]}-{key}") for span in spans]
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    return landing_files


def _last_day(settings: Settings, now: Clock) -> date:
    """Return the last day that the sensor asks for: today; of the sandbox shop, the last day that is over."""
    days = () if settings.has_own_data else sandbox_days(settings).dates
    return days[-1] if days else day_of(now(), settings)


def _states(settings: Settings, last: date) -> dict[str, str]:
    """Return the state of each file, but for those of the days after the last one of a sandbox shop."""
    with _opened(settings, events_place(settings)) as files:
        return {
            file.path: f"{file.size}-{file.modified_at.isoformat()}"
            for file in files.files()
            if settings.has_own_data or file.received_date is None or file.received_date <= last
        }


def _touched_days(settings: Settings, paths: list[str], *, is_known: bool) -> tuple[date, date]:
    """Return the first and last day that the files can change.

    They are the days that their rows count for; the day before, whose visitors may be known by them; of a file that was
    there before, every day that it may have held rows of; and the days after whose rows may now be surplus copies.
    """
    with _opened(settings, paths) as files:
        days = days_to_compute(files, settings.late_days)
        arrived = files.received_days() or (days.first, days.dates[-1])
    with _opened(settings, events_place(settings)) as files:
        newest = max((file.received_date for file in files.files() if file.received_date), default=days.dates[-1])
    first = days.first - ONE_DAY
    if is_known:
        first = min(first, arrived[0] - settings.late_days * ONE_DAY)
    last = min(newest, arrived[1] + (settings.late_days + 2) * ONE_DAY)
    return max(first, settings.first_day), max(last, days.dates[-1])


def _parts(settings: Settings, paths: list[str], days: Days) -> list[Days]:
    """Leave out long times in which the files have no rows, and refuse a span that nobody can mean.

    Raises:
        UsageError: The files span more than ECOM_MAX_DAYS.
    """
    if len(days.dates) <= GAP_DAYS:
        return [days]
    with _opened(settings, paths) as files:
        matches = [one for one in days_of_files(files, settings.late_days) if one.received >= settings.first_day]
    require_span(days.first, days.dates[-1], settings.max_days, matches)
    rows = Days.of(day for one in matches for day in one.days)
    return parts_of(days, rows.widened(before=1, after=settings.late_days + 2).dates)


@contextmanager
def _opened(settings: Settings, paths: list[str]) -> Iterator[RecordFiles]:
    with duckdb.connect() as con:
        yield open_events(con, settings, paths)


EVERY_S = 60


def following_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that asks for what is to follow."""
    return dg.AutomationConditionSensorDefinition(
        name="following",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Computes the weekly mart for days whose sales were computed without it, then publishes the marts.",
    )
