"""The job that merges small landing files, and its hourly schedule."""

import dagster as dg

from ecom_assets.settings.settings import Settings
from ecom_assets.sources.compaction import compact

COMPACTION = "compaction"


def compaction_job(settings: Settings) -> dg.JobDefinition:
    """Return the job; it fails if rows do not add up, and then nothing was replaced."""

    @dg.op(name="merge_landing_files", description="Merge landing files of the stream and the collector.")
    def merge_landing_files(context: dg.OpExecutionContext) -> None:
        context.add_output_metadata(compact(settings).as_json())

    @dg.job(
        name=COMPACTION,
        description="Merges small landing files; readers see each event once before, while and after it runs.",
        executor_def=dg.in_process_executor,
    )
    def compaction() -> None:
        merge_landing_files()

    return compaction


def compaction_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the hourly schedule; it is on unless ECOM_SCHEDULES is off, as a merge changes no number."""
    is_on = settings.schedules != "off" and bool(settings.events)
    return dg.ScheduleDefinition(
        name="hourly_compaction",
        job_name=COMPACTION,
        cron_schedule="20 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        description="Merges small landing files of the stream and the collector.",
    )
