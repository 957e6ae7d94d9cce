"""The clock: code that needs the time takes a function such as `now_utc`,
so that a test can set the time.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
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


def have_same_days(zone: str, other_zone: str, first: date, last: date) -> bool:
    """Return whether days of two zones, from the first to the last, begin at the same times; if one
    of them is not known, whether it is called as the other.
    """
    if zone == other_zone or not (is_zone(zone) and is_zone(other_zone)):
        return zone == other_zone
    zones = ZoneInfo(zone), ZoneInfo(other_zone)
    midnight = datetime.combine(first, time())
    for number in range((last - first).days + 2):  # a day ends where the next one begins
        at = midnight + timedelta(days=number)
        begun, begun_there = (at.replace(tzinfo=each).astimezone(UTC) for each in zones)
        if begun != begun_there:
            return False
    return True


def is_zone(name: str) -> bool:
    """Return whether there is a time zone of this name, which engines know too."""
    if name in OF_SYSTEM or name.startswith(("posix/", "right/")):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
