"""The sensor that sees which uploads are asked for, and the job that loads or takes them back.

What the job does is in `upload_runs.py`: it reads files, so only the run of the job loads it.
"""

from typing import TYPE_CHECKING, Final

import dagster as dg

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.operations.steps import last_look, note_look
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.orchestration.automation.instance.location import NO_RETRY
from ecom_assets.orchestration.automation.reloading import reload_location
from ecom_assets.orchestration.automation.requested_runs import UNFINISHED

if TYPE_CHECKING:
    from ecom_assets.orchestration.automation.upload_runs import Reset

UPLOADS: Final = "uploads"
REQUESTED: Final = "ecom/uploads"
"""The tag of a run with the numbers of the requests that it was started for."""
EVERY_S: Final = 10
MOST_TRIES: Final = 3
"""Runs that are started for a request while each of them is killed."""


def upload_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that starts the job for uploads that somebody asks to load or to undo."""

    @dg.sensor(
        name=UPLOADS,
        job_name=UPLOADS,
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for uploads that somebody loads, or takes back.",
    )
    def uploads(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from ecom_assets.ingestion.uploads.asking import waiting_requests  # noqa: PLC0415 (reads files)

        _remove_old(settings)
        waiting = waiting_requests(settings.home)
        if not waiting:
            note_look(settings.home)
            return dg.SkipReason("Nobody asks for an upload.")
        filters = dg.RunsFilter(job_name=UPLOADS, statuses=list(UNFINISHED))
        if unfinished := context.instance.get_run_records(filters, limit=1):
            run_id = unfinished[0].dagster_run.run_id
            note_look(settings.home, run_id)
            return dg.SkipReason(f"Run {run_id} is at uploads.")
        note_look(settings.home)
        numbers = ",".join(str(request.number) for request in waiting)
        tried = context.instance.get_runs_count(dg.RunsFilter(tags={REQUESTED: numbers}))
        if tried >= MOST_TRIES:
            from ecom_assets.orchestration.automation.upload_runs import give_up  # noqa: PLC0415 (as above)

            give_up(settings.home, waiting)
            return dg.SkipReason(f"{tried} runs for requests {numbers} were killed.")
        # A run that is killed is started again by this sensor, and not by Dagster too.
        tags = {REQUESTED: numbers, **NO_RETRY}
        return dg.RunRequest(run_key=f"{numbers}-{tried}", tags=tags)

    return uploads


def _remove_old(settings: Settings) -> None:
    """Remove files that are kept for long enough, at the first look of an hour."""
    before = last_look(settings.home)
    hour = now_utc_without_zone().replace(minute=0, second=0, microsecond=0)
    if before is None or before.looked_at < hour:
        from ecom_assets.ingestion.uploads.landed import note_what_lies  # noqa: PLC0415 (reads files)
        from ecom_assets.ingestion.uploads.store import Uploads  # noqa: PLC0415 (as above)

        uploads = Uploads(settings.home)
        note_what_lies(uploads)
        uploads.remove_old(settings.upload_keep_days)


def upload_job(settings: Settings, reset: "Reset") -> dg.JobDefinition:
    """Return the job that loads uploads and takes them back, in one step."""

    @dg.op(name="uploads_run", description="Loads uploads, or takes them back.")
    def uploads_run(context: dg.OpExecutionContext) -> None:
        from ecom_assets.ingestion.uploads.asking import waiting_requests  # noqa: PLC0415 (reads files)
        from ecom_assets.orchestration.automation.upload_runs import UploadRun, run_days  # noqa: PLC0415 (as above)

        home = settings.home
        sentences = UploadRun(home, context.run_id, run_days, reset).do(waiting_requests(home))
        reload_location(load_settings(home=home), context.log.info)
        if sentences:
            raise dg.Failure(" ".join(sentences))

    # Of the platform's resources none: one that has the warehouse open keeps `ecom run` out.
    @dg.job(
        name=UPLOADS,
        description="Uploads that somebody loads, or takes back.",
        executor_def=dg.in_process_executor,
        resource_defs={"io_manager": dg.mem_io_manager},
    )
    def job() -> None:
        uploads_run()

    return job
