"""The first daily partition in Dagster's UI, where ECOM_FIRST_DAY is not set: the month in which the data begin.

Nothing is read for it but names of files: it is asked for whenever Dagster loads the code. It may become earlier, as
older data come in, and then everything computed before still has its partition.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final

from ecom_assets.atomic_files import replace_bytes
from ecom_assets.errors import EcomError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import events_place, is_table
from ecom_assets.sources.files.formats import find_files
from ecom_assets.sources.order_reports.source import has_events, orders_place
from ecom_assets.sources.sandbox_shop import first_day, opening_day, sandbox_until, truth_of
from ecom_assets.tables.days import ONE_DAY

REMEMBERED: Final = "first_day"
"""The file in `ECOM_HOME` with the first day that a run over the shop's own data was about."""


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
    """Note the first day of a run over the shop's own data; only an earlier one than before is noted."""
    known = _remembered(settings)
    if known is None or first < known:
        settings.home.mkdir(parents=True, exist_ok=True)
        replace_bytes(settings.home / REMEMBERED, f"{first}\n".encode())


def _remembered(settings: Settings) -> date | None:
    try:
        return date.fromisoformat((settings.home / REMEMBERED).read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
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
