"""The clock: code that needs the time takes a function such as `now_utc`,
so that a test can set the time.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Clock = Callable[[], datetime]
OF_SYSTEM: Final = frozenset({"localtime", "posixrules"})
"""Files beside the time zones, which Python opens as zones;
the folders posix and right have copies of all zones.
"""


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
    """Return whether there is a time zone of this name, which engines know too."""
    if name in OF_SYSTEM or name.startswith(("posix/", "right/")):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
