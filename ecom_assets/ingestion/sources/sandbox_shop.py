"""The days of the sandbox shop, from its `truth.json`; `ecom_sandbox/shop/living.py` makes them."""

import json
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days

COSTS: Final = "costs.csv"
"""The file with what the shop's products cost; shops of earlier versions have none."""
AD_SPEND: Final = "ad_spend"
"""The folder with what the shop spends on ads; shops of earlier versions have none."""
Truth = Mapping[str, Any]
"""Read once for all who ask, so nobody changes it."""
DAYS_BEFORE = 60
"""A new shop has at least this many days before its last one,
so that a month has a month before it.
"""


def truth_of(folder: Path) -> Truth | None:
    """Return the ground truth of the shop in a folder; None if it has none yet."""
    path = folder / "truth.json"
    try:
        stat = path.stat()
        return _read(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=4)
def _read(path: Path, *_version: int) -> Truth:
    # Stand-ins of the shop ask for its last day with each request.
    truth: Truth = json.loads(path.read_text(encoding="utf-8"))
    return truth


def has_costs_file(folder: Path) -> bool:
    """Return whether the sandbox shop in a folder has, or will have, the costs of its products."""
    return truth_of(folder) is None or (folder / COSTS).exists()


def has_ad_spend_file(folder: Path) -> bool:
    """Return whether the sandbox shop in a folder has, or will have, spend on ads."""
    return truth_of(folder) is None or (folder / AD_SPEND).is_dir()


def first_day(truth: Truth) -> date:
    """Return the first day of a shop."""
    return date.fromisoformat(truth["settings"]["first_day"])


def last_day(truth: Truth) -> date:
    """Return the last day of a shop."""
    days: int = truth["settings"]["days"]
    return first_day(truth) + (days - 1) * ONE_DAY


def is_living(truth: Truth) -> bool:
    """Return whether a shop grows; one that `ecom sandbox data` has simulated has all its days."""
    return "until" in truth["settings"]


def opening_day(until: date, days_before: int = DAYS_BEFORE) -> date:
    """Return the first day of a new shop: the first of a month,
    at least `days_before` days before its last day.
    """
    return (until - days_before * ONE_DAY).replace(day=1)


def last_day_in(folder: Path) -> date:
    """Return the last day of the sandbox shop in a folder.

    Raises:
        SourceError: There is none.
    """
    truth = truth_of(folder)
    if truth is None:
        raise SourceError(f"{folder} holds no sandbox shop yet; `ecom run` makes one.")
    return last_day(truth)


def sandbox_until(settings: Settings, now: Clock = now_utc) -> date:
    """Return the last day of the sandbox shop: yesterday,
    unless it is set or the shop is closed.
    """
    truth = truth_of(settings.sandbox_folder)
    if truth is not None and not is_living(truth):
        return last_day(truth)
    return settings.sandbox_until or today_in(settings.timezone, now) - ONE_DAY


def sandbox_days(settings: Settings) -> Days:
    """Return the days of the sandbox shop that are over."""
    truth = truth_of(settings.sandbox_folder)
    return Days(()) if truth is None else Days.between(first_day(truth), last_day(truth) + ONE_DAY)


def is_made(settings: Settings) -> bool:
    """Return whether somebody has chosen the sandbox shop here, by `ecom run` or on a page."""
    return not settings.has_own_data and truth_of(settings.sandbox_folder) is not None


def grows(settings: Settings) -> bool:
    """Return whether the platform runs over a sandbox shop that grows,
    so that a day of it is in progress; it may not be made yet.
    """
    if settings.has_own_data or settings.sandbox_until:
        return False
    truth = truth_of(settings.sandbox_folder)
    return truth is None or is_living(truth)
