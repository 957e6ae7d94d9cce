"""The clock: code that needs the time takes a function such as `now_utc`, so that a test can set the time."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    """Return the current time as a zone-aware UTC datetime."""
    return datetime.now(UTC)


def now_utc_without_zone() -> datetime:
    """Return the current time as tables store it: UTC, as a naive datetime."""
    return now_utc().replace(tzinfo=None)


def today_in(timezone: str, now: Clock = now_utc) -> date:
    """Return the current day in a time zone."""
    return now().astimezone(ZoneInfo(timezone)).date()


def is_zone(name: str) -> bool:
    """Return whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
