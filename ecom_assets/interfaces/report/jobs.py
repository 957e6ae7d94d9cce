"""The jobs that send the report and boards by e-mail, and what knows when one is due.

What they send is made by `report.py` and `board_mail.py`, which only the run of a job loads.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import dagster as dg

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.model import BoardMail
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.automation.jobs import day_of, job_of_steps, schedule_status
from ecom_assets.orchestration.automation.mail import mail_server_of
from ecom_assets.orchestration.automation.requested_runs import (
    REQUESTED_FOR,
    again_at,
    outcome_of,
)

NAME: Final = "weekly_report"
AGAIN: Final = dg.RetryPolicy(max_retries=2, delay=60)
"""Once more after a minute, where the mail server does not answer."""


class ReportConfig(dg.Config):
    """Which week to report on."""

    week: str = ""
    """An ISO week such as 2026-W04; by default the newest that is over in the data."""


def report_job(settings: Settings) -> dg.JobDefinition:
    """Return the job that sends the report.

    Raises:
        SettingError: Recipients are set without a mail server, or its address is wrong.
    """
    mail_server_of(settings)

    @dg.op(
        name="send_report",
        retry_policy=AGAIN,
        description="Reads what is published, and sends the report.",
    )
    def sent(context: dg.OpExecutionContext, config: ReportConfig) -> str:
        from ecom_assets.interfaces.report.report import send_report  # noqa: PLC0415 (loads the API)
        from ecom_assets.interfaces.weeks.weekly import Week  # noqa: PLC0415 (as above)

        week = Week.parse(config.week, settings.week_start) if config.week else None
        line = send_report(settings, week)
        context.log.info(line)
        return line

    return job_of_steps(NAME, "Sends the report of a week to ECOM_REPORT_EMAIL.", sent)


def report_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that sends the report each Monday morning,
    when the nightly runs are over.
    """

    @dg.schedule(
        name=NAME,
        cron_schedule="0 7 * * 1",
        execution_timezone=settings.timezone,
        default_status=schedule_status(settings.schedules, auto=False),
        job_name=NAME,  # not the job itself: a second object of that name would be a second job
        description="The report of the week that is over, by e-mail to ECOM_REPORT_EMAIL.",
    )
    def mondays(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        from ecom_assets.interfaces.weeks.weekly import Week  # noqa: PLC0415 (loads the API)

        today = day_of(context.scheduled_execution_time, settings)
        week = str(Week.containing(today, settings.week_start).before)
        return dg.RunRequest(
            run_key=week, run_config={"ops": {"send_report": {"config": {"week": week}}}}
        )

    return mondays


SEND: Final = "send_board"
INTERVAL_S: Final = 60
MOMENT: Final = timedelta(microseconds=1)


def due_at(mail: BoardMail, now: datetime, timezone: str) -> datetime:
    """Return the newest instant at which a board was due, in UTC: each day, each Monday,
    or on the first of a month.
    """
    zone = ZoneInfo(timezone)
    hour, minute = map(int, mail.at.split(":"))
    day = now.astimezone(zone).date()
    while True:
        is_day = mail.every == "day" or (
            day.weekday() == 0 if mail.every == "week" else day.day == 1
        )
        due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
        if is_day and due <= now:
            return due
        day -= timedelta(days=1)


class BoardConfig(dg.Config):
    """Which e-mail of a board to send, and when it was due."""

    mail: str
    due: str


def board_job(settings: Settings) -> dg.JobDefinition:
    """Return the job that sends a board."""

    @dg.op(
        name="send", retry_policy=AGAIN, description="Reads what is published, and sends the board."
    )
    def send(context: dg.OpExecutionContext, config: BoardConfig) -> None:
        from ecom_assets.interfaces.report.board_mail import send_board  # noqa: PLC0415 (loads the dashboard)

        context.log.info(send_board(settings, config.mail, datetime.fromisoformat(config.due)))

    return job_of_steps(SEND, "Sends a board by e-mail.", send)


def board_sensor(settings: Settings, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that requests each e-mail of a board when it is due; the cursor is when it
    looked last.

    It stays before an e-mail whose run goes on. One whose run was lost, with its process, is
    requested again, later each time; one that the mail server refused is not, since others have it.
    """

    @dg.sensor(
        name="board_mails",
        job_name=SEND,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Boards that are due by e-mail: sends each once.",
    )
    def boards(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        at = now()
        looked_at = datetime.fromisoformat(context.cursor) if context.cursor else at
        mails = [kept for kept in BoardStore(settings).newest(BoardMail) if kept.item.is_on]
        due = [(kept.slug, due_at(kept.item, at, settings.timezone)) for kept in mails]
        requests, reached = list[dg.RunRequest](), at
        for slug, when in due:
            if when <= looked_at:
                continue
            purpose = f"{SEND} {slug} {when.isoformat()}"
            outcome = outcome_of(context.instance, purpose, at)
            if outcome.run_count and not (outcome.is_open or outcome.was_lost):
                continue  # it is sent, or cannot be
            reached = min(reached, when - MOMENT)
            next_at = again_at(outcome.ended_at or at, max(outcome.run_count, 1))
            if outcome.is_open or (outcome.run_count and at < next_at):
                continue
            tries = f" {outcome.run_count + 1}" if outcome.run_count else ""
            config = {"ops": {"send": {"config": {"mail": slug, "due": when.isoformat()}}}}
            requests.append(
                dg.RunRequest(
                    run_key=f"{slug} {when.isoformat()}{tries}",
                    run_config=config,
                    tags={REQUESTED_FOR: purpose},
                )
            )
        return dg.SensorResult(run_requests=requests, cursor=reached.isoformat())

    return boards
