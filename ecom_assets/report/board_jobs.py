"""When a board is due by e-mail, and the job and the sensor that send it."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import dagster as dg

from ecom_assets.boards.model import BoardMail
from ecom_assets.boards.store import BoardStore
from ecom_assets.clock import Clock, now_utc
from ecom_assets.settings.settings import Settings

SEND: Final = "send_board"
INTERVAL_S: Final = 60
AGAIN: Final = dg.RetryPolicy(max_retries=2, delay=60)


def due_at(mail: BoardMail, now: datetime, timezone: str) -> datetime:
    """Return the newest instant at which a board was due, in UTC: each day, each Monday, or on the first of a month."""
    zone = ZoneInfo(timezone)
    hour, minute = map(int, mail.at.split(":"))
    day = now.astimezone(zone).date()
    while True:
        is_day = mail.every == "day" or (day.weekday() == 0 if mail.every == "week" else day.day == 1)
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

    @dg.op(name="send", retry_policy=AGAIN, description="Reads what is published, and sends the board.")
    def send(context: dg.OpExecutionContext, config: BoardConfig) -> None:
        from ecom_assets.report.board_mail import send_board  # noqa: PLC0415 (loads the dashboard)

        context.log.info(send_board(settings, config.mail, datetime.fromisoformat(config.due)))

    @dg.job(name=SEND, executor_def=dg.in_process_executor, description="Sends a board by e-mail.")
    def job() -> None:
        send()

    return job


def board_sensor(settings: Settings, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that requests each e-mail of a board when it is due; the cursor is when it looked last."""

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
        requests = [
            dg.RunRequest(
                run_key=f"{slug} {when.isoformat()}",
                run_config={"ops": {"send": {"config": {"mail": slug, "due": when.isoformat()}}}},
            )
            for slug, when in due
            if when > looked_at
        ]
        return dg.SensorResult(run_requests=requests, cursor=at.isoformat())

    return boards
