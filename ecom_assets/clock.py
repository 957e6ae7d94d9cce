"""The clock. What needs the time takes a function such as `now_utc`, so that a test can set it."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    """Return this instant, with its zone."""
    return datetime.now(UTC)


def now_utc_without_zone() -> datetime:
    """Return this instant as tables hold instants: UTC, without its zone."""
    return now_utc().replace(tzinfo=None)


def today_in(timezone: str, now: Clock = now_utc) -> date:
    """Return the day that is on in a time zone."""
    return now().astimezone(ZoneInfo(timezone)).date()
