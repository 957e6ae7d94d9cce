"""The job that extracts from shops' APIs, and its nightly schedule."""

import re
from pathlib import Path

import dagster as dg

from ecom_assets.automation.jobs import schedule_status
from ecom_assets.errors import EcomError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.extraction.extraction import extracts_of, run_extract

EXTRACTION = "extraction"


def extraction_job(settings: Settings) -> dg.JobDefinition:
    """Return the job, with a step per extract of ECOM_EXTRACTS; one that fails keeps no other from running.

    Raises:
        SettingError: ECOM_EXTRACTS is wrong.
    """
    steps = [_step(settings, source, folder) for source, folder in extracts_of(settings).items()]

    @dg.job(
        name=EXTRACTION,
        description="Lands what changed in the APIs of ECOM_EXTRACTS since the last time, for the job of orders.",
        executor_def=dg.in_process_executor,
    )
    def extraction() -> None:
        for step in steps:
            step()

    return extraction


def _step(settings: Settings, source: str, folder: Path) -> dg.OpDefinition:
    name = re.sub(r"[^A-Za-z0-9]+", "_", f"extract_{source.removesuffix('.yaml').removesuffix('.yml')}").strip("_")

    @dg.op(name=name, description=f"What changed in the API of {source}, into {folder}.")
    def extract(context: dg.OpExecutionContext) -> None:
        try:
            _, landed = run_extract(source, folder, settings)
        except EcomError as error:
            raise dg.Failure(str(error), metadata={"folder": str(folder)}, allow_retries=False) from error
        for resource, each in landed.items():
            context.log.info(f"{resource}: {each.new_count:,} new, {each.changed_count:,} in a newer version")
        counts = {
            f"{resource}/{kind}": value
            for resource, each in landed.items()
            for kind, value in (
                ("new_count", each.new_count),
                ("changed_count", each.changed_count),
                ("read_up_to", "" if each.cursor is None else str(each.cursor)),
            )
        }
        context.add_output_metadata({"folder": str(folder), **counts})

    return extract


def extraction_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the nightly schedule, which is before that of orders, and on where ECOM_SCHEDULES says so."""
    return dg.ScheduleDefinition(
        name="daily_extraction",
        job_name=EXTRACTION,
        cron_schedule="10 0 * * *",
        execution_timezone=settings.timezone,
        default_status=schedule_status(settings, auto=False),
        description="What changed in shops' APIs, so that it lies in its folder before orders are loaded.",
    )
