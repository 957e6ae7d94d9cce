"""Watching in Dagster: a job that looks at the watched numbers, and the sensor that starts it."""

from contextlib import closing

import dagster as dg

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.automation.jobs import job_of_steps
from ecom_assets.orchestration.automation.requested_runs import (
    REQUESTED_FOR,
    again_at,
    outcome_of,
)

WATCH = "watch_numbers"
INTERVAL_S = 60


def watch_job(settings: Settings) -> dg.JobDefinition:
    """Return the job that evaluates the alerts on numbers, and sends what is owed."""

    @dg.op(
        name="look",
        description=(
            "Evaluates the new periods of each alert, and sends a message for each incident."
        ),
    )
    def look(context: dg.OpExecutionContext) -> None:
        from ecom_assets.interfaces.watching.watch import watch  # noqa: PLC0415 (loads the API)

        outcome = watch(settings)
        for line in outcome.lines:
            context.log.info(line)
        outcome.raise_failures()

    return job_of_steps(WATCH, "Looks at the numbers that people watch.", look)


def watch_sensor(settings: Settings, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that requests a look after each publication, and while a message is owed;
    again where the run of the last look has failed, later each time.
    """

    @dg.sensor(
        name="watched_numbers",
        job_name=WATCH,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="New published numbers: looks at those that people watch.",
    )
    def published(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from ecom_assets.interfaces.api.store.served_data import open_store  # noqa: PLC0415 (loads the API, as the others)
        from ecom_assets.interfaces.api.store.store import NothingPublishedError  # noqa: PLC0415
        from ecom_assets.interfaces.watching.watch import alerts_on, has_unsent  # noqa: PLC0415

        if not (alerts := alerts_on(settings)):
            return dg.SensorResult(skip_reason="No number is watched.")
        versions = ", ".join(f"{kept.slug} {kept.number}" for kept in alerts)
        try:
            with closing(open_store(settings)) as store, store.reading() as reading:
                state = (
                    f"{reading.published.data_version} "
                    f"{reading.published.published_at.timestamp()} {versions}"
                )
        except NothingPublishedError:
            return dg.SensorResult(skip_reason="Nothing is published yet.")
        purpose = f"{WATCH} {state}"
        if state == context.cursor and not has_unsent(settings, now):
            outcome = outcome_of(context.instance, purpose, now())
            if not outcome.failed_run:
                return dg.SensorResult(skip_reason="Nothing was published since the last look.")
            next_at = again_at(outcome.ended_at or now(), outcome.run_count)
            if now() < next_at:
                return dg.SensorResult(
                    skip_reason=f"Run {outcome.failed_run} has failed; another look is asked for "
                    f"at {next_at:%H:%M} UTC."
                )
        key = state if state != context.cursor else f"{state} {now().isoformat(timespec='minutes')}"
        request = dg.RunRequest(run_key=key, tags={REQUESTED_FOR: purpose})
        return dg.SensorResult(run_requests=[request], cursor=state)

    return published
