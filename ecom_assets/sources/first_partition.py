"""The first daily partition in Dagster's UI, where ECOM_FIRST_DAY is not set: the month in which the data begin.

Nothing is read for it but names of files: it is asked for whenever Dagster loads the code. It may become earlier, as
older data come in, and then everything computed before still has its partition.
"""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from ecom_assets.atomic_files import replace_bytes
from ecom_assets.errors import EcomError
from ecom_assets.settings.settings import PREFIX, Settings
from ecom_assets.sources.events import events_place, is_table
from ecom_assets.sources.files.formats import find_files
from ecom_assets.sources.order_reports.source import has_events, orders_place
from ecom_assets.sources.sandbox_shop import first_day, opening_day, sandbox_until, truth_of
from ecom_assets.tables.days import ONE_DAY

REMEMBERED: Final = "own_data.json"
"""The file in `ECOM_HOME` with the first day of runs over the shop's own data, and the paths of the last one."""
PATHS: Final = ("events", "events_mapping", "orders", "orders_mapping")
"""The settings that options of `ecom run` can give instead of the environment."""


def with_first_partition(settings: Settings) -> Settings:
    """Return settings whose `first_day` is that of the data, unless one is set, or nothing is known of the data."""
    if "first_day" in settings.model_fields_set:
        return settings
    days = _own_days(settings) if settings.has_own_data else [_first_of_sandbox(settings)]
    known = min(days, default=None)
    if known is None or known <= settings.first_day:
        return settings
    derived = settings.model_copy(update={"first_day": known.replace(day=1)})
    derived.model_fields_set.discard("first_day")  # nobody has set it: older files move it
    return derived


def is_derived(settings: Settings) -> bool:
    """Return whether the first partition is that of the data, so that older files may move it."""
    default: date = Settings.model_fields["first_day"].default
    return "first_day" not in settings.model_fields_set and settings.first_day > default


def remember_first_day(settings: Settings, first: date) -> None:
    """Note the first day of the shop's own data; only an earlier one than before is noted."""
    known = _remembered(settings)
    if known is None or first < known:
        _note(settings, first_day=str(first))


def remember_paths(settings: Settings) -> None:
    """Note which files the last run over the shop's own data was over."""
    _note(settings, paths={name: str(getattr(settings, name)) for name in PATHS if name in settings.model_fields_set})


def remembered_paths(settings: Settings) -> dict[str, str]:
    """Return the settings with the paths of the last run over the shop's own data, by the names of their variables."""
    noted = _notes(settings).get("paths")
    paths = noted if isinstance(noted, dict) else {}
    return {f"{PREFIX}{name.upper()}": str(paths[name]) for name in PATHS if paths.get(name)}


def _note(settings: Settings, **values: object) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    body = json.dumps({**_notes(settings), **values}, indent=1)
    replace_bytes(settings.home / REMEMBERED, f"{body}\n".encode(), 0o600)


def _notes(settings: Settings) -> dict[str, Any]:
    try:
        noted = json.loads((settings.home / REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _remembered(settings: Settings) -> date | None:
    try:
        return date.fromisoformat(_notes(settings)["first_day"])
    except (KeyError, TypeError, ValueError):
        return None


def _first_of_sandbox(settings: Settings) -> date:
    truth = truth_of(settings.sandbox_folder)
    return first_day(truth) if truth else opening_day(sandbox_until(settings), settings.sandbox_days)


def _own_days(settings: Settings) -> list[date]:
    """Return the first day that runs have noted, and that of the landing folders if all data are in such folders."""
    try:
        landed = list(_landing_days(settings))
    except EcomError:  # whoever reads the files says what is wrong with them
        landed = [None]
    known = [_remembered(settings), *(landed if None not in landed else [])]
    # Runs over a day also compute days before it: their visitors may be known now, and events arrive late.
    margin = max(settings.late_days, 1) * ONE_DAY
    return [day - margin for day in known if day]


def _landing_days(settings: Settings) -> Iterator[date | None]:
    """Yield the day of each file, and None for what has rows of days that its name does not say."""
    if settings.order_api_url or is_table(settings):
        yield None
        return
    places = [*(events_place(settings) if has_events(settings) else []), *orders_place(settings)]
    for file in find_files(places) if places else ():
        yield file.received_date
