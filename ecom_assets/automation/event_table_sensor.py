"""The sensor that sees new rows in the table that events come from."""

import hashlib
import json
from contextlib import closing
from datetime import date

import dagster as dg

from ecom_assets.automation.jobs import run_request
from ecom_assets.clock import Clock, now_utc
from ecom_assets.errors import WorkError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.event_table import EventTable, observations
from ecom_assets.sources.presence import EVENTS
from ecom_assets.tables.days import ONE_DAY

INTERVAL_S = 300
"""Each query wakes a suspended warehouse, which is paid for by the minute."""


def event_table_sensor(settings: Settings, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that reports the versions of the last days to Dagster, and requests a run if one changed.

    The cursor holds the version of each day as it was at its last look.
    """

    @dg.sensor(
        name="event_table",
        job_name=EVENTS,
        minimum_interval_seconds=INTERVAL_S,
        description="New rows in the table of events: materializes the days that they can belong to.",
    )
    def event_table(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        try:
            with closing(EventTable(settings, now=now)) as table:
                states, today = table.states(table.newest_days), table.today
        except WorkError as error:
            return dg.SensorResult(skip_reason=str(error))
        result = {a_day.isoformat(): state.version for a_day, state in states.items()}
        changed = [date.fromisoformat(a_day) for a_day in sorted(result) if seen.get(a_day) != result[a_day]]
        if not changed:
            return dg.SensorResult(skip_reason="No new events.", cursor=json.dumps(result))
        # Rows that arrive on a day belong to it, or to one of the days before that are not yet too late.
        first = max(changed[0] - settings.late_days * ONE_DAY, settings.first_day)
        key = hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()[:16]
        return dg.SensorResult(
            run_requests=[run_request(first, today, run_key=f"{first}-{today}-{key}")],
            asset_events=list(observations(states)),
            cursor=json.dumps(result),
        )

    return event_table
