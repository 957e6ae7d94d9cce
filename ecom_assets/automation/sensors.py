"""Sensors. Not here: what a landing file holds (`sources/event_files.py`)."""

import hashlib
import json
from datetime import date

import dagster as dg
import duckdb

from ecom_assets.automation.jobs import EVERYTHING
from ecom_assets.automation.schedules import run_request
from ecom_assets.errors import SourceError
from ecom_assets.settings import Settings
from ecom_assets.sources.event_files import EventFiles
from ecom_assets.sources.event_mapping import load_mapping
from ecom_assets.sources.event_source import events_place, mapping_name
from ecom_assets.transforms.days import Days

INTERVAL_S = 60


def landing_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that sees new or changed landing files and asks for the days that they touch."""

    @dg.sensor(
        name="landing_files",
        job_name=EVERYTHING,
        minimum_interval_seconds=INTERVAL_S,
        description="New or changed event files: materializes the days that their rows belong to.",
    )
    def landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            files = _open(settings, events_place(settings))
        except SourceError as error:
            return dg.SkipReason(str(error))
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        now = {file.path: f"{file.size}-{file.modified_at.isoformat()}" for file in files.files()}
        fresh = sorted(path for path, state in now.items() if seen.get(path) != state)
        if not fresh:
            return dg.SkipReason("No new event files.")
        touched = _touched_days(_open(settings, fresh))
        state = hashlib.sha256(json.dumps([now[path] for path in fresh]).encode()).hexdigest()[:16]
        requests = [run_request(*touched, run_key=f"{touched[0]}-{touched[1]}-{state}")] if touched else []
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(now))

    return landing_files


def _open(settings: Settings, paths: list[str]) -> EventFiles:
    mapping = load_mapping(mapping_name(settings))
    return EventFiles.open(duckdb.connect(), paths, mapping, settings.timezone)


def _touched_days(files: EventFiles) -> tuple[date, date] | None:
    """Return the first and last day to compute: the arrival days of the files, and the event days of their rows."""
    received = files.received_days()
    if received is None:
        return None
    days = Days.between(*received).dates + received[1:]
    touched = files.touched_event_days(days) or received
    return min(*received, *touched), max(*received, *touched)
