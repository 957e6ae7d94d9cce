"""The job and the schedule that send the report of the week that is over."""

from collections.abc import Iterable
from typing import Any, Final

import dagster as dg

from ecom_assets.automation.jobs import day_of
from ecom_assets.report.message import mail_server_of, send_report
from ecom_assets.report.report import build_report
from ecom_assets.report.week import Week
from ecom_assets.settings.settings import Settings

NAME: Final = "weekly_report"
AGAIN: Final = dg.RetryPolicy(max_retries=2, delay=60)
"""Once more after a minute, where the mail server does not answer."""


class ReportConfig(dg.Config):
    """Which week to report on."""

    week: str = ""
    """An ISO week such as 2026-W04; by default the newest that is over in the data."""


def report_job(settings: Settings, checks: Iterable[dg.AssetCheckKey]) -> dg.JobDefinition:
    """Return the job that sends the report.

    Raises:
        SettingError: Recipients are set without a mail server, or its address is none.
    """
    mail_server_of(settings)
    keys = list(checks)

    @dg.op(name="send_report", retry_policy=AGAIN, description="Reads what is published, and sends the report.")
    def sent(context: dg.OpExecutionContext, config: ReportConfig) -> str:
        week = Week.parse(config.week) if config.week else None
        line = send_report(settings, build_report(settings, week, context.instance, keys))
        context.log.info(line)
        return line

    @dg.job(
        name=NAME,
        executor_def=dg.in_process_executor,
        description="Sends the report of a week to ECOM_REPORT_EMAIL.",
    )
    def weekly_report() -> None:
        sent()

    return weekly_report


def report_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:  # noqa: ANN401 (a job of Dagster's)
    """Return the schedule that sends the report each Monday morning, when the nightly runs are over."""

    @dg.schedule(
        name=NAME,
        cron_schedule="0 7 * * 1",
        execution_timezone=settings.timezone,
        job=job,
        description="The report of the week that is over, by e-mail to ECOM_REPORT_EMAIL.",
    )
    def mondays(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        week = str(Week.of(day_of(context.scheduled_execution_time, settings)).before)
        return dg.RunRequest(run_key=week, run_config={"ops": {"send_report": {"config": {"week": week}}}})

    return mondays
