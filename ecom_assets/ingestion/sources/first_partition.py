"""The first daily partition in Dagster's UI if ECOM_FIRST_DAY is not set:
that of the month in which the data begin.

Only names of files are read, because it is needed whenever Dagster loads the code. It can only
become earlier, when older data arrive, so everything that was computed keeps its partition.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Final

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import EcomError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.settings import PREFIX, Settings
from ecom_assets.core.settings.uploaded import NATIVE_OF, is_of_uploads, rows_folder
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.ingestion.sources.events import event_paths, is_table
from ecom_assets.ingestion.sources.files.formats import (
    find_files,
    join_paths,
    named_paths,
    split_paths,
)
from ecom_assets.ingestion.sources.home_notes import (
    REMEMBERED,
    SOURCE_OF,
    noted_paths,
    notes_of,
    remembered_paths,
)
from ecom_assets.ingestion.sources.mapping_file import is_path
from ecom_assets.ingestion.sources.order_reports.source import has_events, order_paths
from ecom_assets.ingestion.sources.sandbox_shop import (
    first_day,
    opening_day,
    sandbox_until,
    truth_of,
)
from ecom_assets.ingestion.sources.uploaded_rows import stand_beside

SOURCES: Final = ("events", "orders")
"""Those of them that alone are data to run over."""


def with_first_partition(settings: Settings) -> Settings:
    """Return the settings with the first day of the data as `first_day`,
    unless it is set or the data are unknown.
    """
    if "first_day" in settings.model_fields_set:
        return settings
    if settings.has_own_data:
        earliest = min(_own_days(settings), default=None)
    elif truth := truth_of(settings.sandbox_folder):
        earliest = first_day(truth)
    else:
        earliest = opening_day(sandbox_until(settings), settings.sandbox_days)
    if earliest is None or earliest <= settings.first_day:
        return settings
    derived = settings.model_copy(update={"first_day": earliest.replace(day=1)})
    derived.model_fields_set.discard("first_day")  # nobody has set it: older files move it
    return derived


def is_derived(settings: Settings) -> bool:
    """Return whether the first partition follows from the data,
    so that older files may change it.
    """
    default: date = Settings.model_fields["first_day"].default
    return "first_day" not in settings.model_fields_set and settings.first_day > default


def is_without_data(settings: Settings) -> bool:
    """Return whether these settings, and what is loaded by them, are of a shop that has no data of
    its own yet, so that partitions begin years before any.
    """
    default: date = Settings.model_fields["first_day"].default
    return (
        settings.has_own_data
        and "first_day" not in settings.model_fields_set
        and settings.first_day == default
        and remembered_first_day(settings) is None
    )


def remember_first_day(settings: Settings, first: date) -> bool:
    """Note the first day of the shop's own data, if it is earlier than the one noted before;
    return whether it is.
    """
    remembered = remembered_first_day(settings)
    if remembered is not None and first >= remembered:
        return False
    _note(settings, first_day=str(first))
    return True


def remember_paths(settings: Settings) -> None:
    """Record which files the last run over each source read,
    so that they are found from any folder.
    """
    # Rows of uploads are found without a note.
    paths_of = {name: getattr(settings, name) for name in NATIVE_OF}
    renewed = {
        name: bool(paths) and not is_of_uploads(settings.home, paths)
        for name, paths in paths_of.items()
    }
    renewed["orders"] |= bool(settings.order_api_url)
    renewed["customers"] |= bool(settings.customer_api_url)
    renewed["catalogue"] = bool(settings.catalogue)
    set_here = {
        name: str(getattr(settings, name))
        for name in SOURCE_OF
        if name in settings.model_fields_set
    }
    # A source that this run was not given keeps what is noted of it.
    paths = {
        name: path for name, path in noted_paths(settings).items() if not renewed[SOURCE_OF[name]]
    }
    paths |= {
        name: _from_anywhere(name, paths_set)
        for name, paths_set in set_here.items()
        if paths_set and renewed[SOURCE_OF[name]]
    }
    _note(settings, paths=paths)


def remember_sources(settings: Settings, stored: Iterable[str]) -> None:
    """Record the names of the sources with rows in the warehouse."""
    _note(settings, sources=sorted(stored))


def remembered_sources(settings: Settings) -> frozenset[str]:
    """Return the names of the sources that had rows in the warehouse when the last run began."""
    noted = notes_of(settings).get("sources")
    return frozenset(map(str, noted)) if isinstance(noted, list) else frozenset()


def loaded_before(settings: Settings) -> frozenset[str]:
    """Return the names of the sources that the last run found stored,
    or that it or earlier ones read from files.
    """
    return remembered_sources(settings).union(
        name for name in SOURCES if name in noted_paths(settings)
    )


def remembers_own_data(settings: Settings) -> bool:
    """Return whether runs over the shop's own data have left a note of them in the home."""
    return remembered_first_day(settings) is not None or bool(noted_paths(settings))


def remember_left_days(settings: Settings, days: Iterable[date]) -> None:
    """Record the first and the last day that lost events outside of a run,
    until one has computed them again.
    """
    _note(settings, left_days=[str(day) for day in days])


def left_days(settings: Settings) -> list[date]:
    """Return the first and the last day that the next run has to compute again;
    none if there are none.
    """
    noted = notes_of(settings).get("left_days")
    return [date.fromisoformat(str(day)) for day in noted] if isinstance(noted, list) else []


def _from_anywhere(name: str, value: str) -> str:
    if name == "ad_spend":
        return join_paths(
            f"{_from_anywhere('ad_spend_mapping', mapping)}="
            f"{path if '://' in path else Path(path).absolute()}"
            for mapping, paths in named_paths(value).items()
            for path in paths
        )
    if "://" in value:
        return value
    if name.endswith("_mapping"):
        return str(Path(value).absolute()) if is_path(value) else value
    if name == "catalogue":  # one file, whatever characters its name has
        return str(Path(value).absolute())
    return join_paths(str(Path(path).absolute()) for path in split_paths(value))


def catalogue_of(settings: Settings) -> Path | None:
    """Return the file whose categories order lines get: the one that is set,
    else that of the last run with one.

    Without it, lines that are loaded again would lose the categories that they had.
    """
    if settings.catalogue or not settings.has_own_data:
        return settings.catalogue
    noted = noted_paths(settings).get("catalogue")
    return Path(noted) if noted else None


def names_own_data(settings: Settings) -> bool:
    """Return whether settings name data of the shop that no upload brought."""
    named = (settings.events, settings.orders, settings.customers)
    return bool(settings.order_api_url or settings.customer_api_url) or any(
        paths and not is_of_uploads(settings.home, paths) for paths in named
    )


def paths_of_last_run(settings: Settings) -> dict[str, str]:
    """Return what `remembered_paths` does if the settings name no own data and it has a
    path of some, else nothing.
    """
    paths = {} if names_own_data(settings) else remembered_paths(settings)
    return paths if any(f"{PREFIX}{name.upper()}" in paths for name in SOURCES) else {}


def _note(settings: Settings, **values: object) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    body = json_text({**notes_of(settings), **values}, indent=1)
    replace_bytes(settings.home / REMEMBERED, f"{body}\n".encode(), 0o600)


def remembered_first_day(settings: Settings) -> date | None:
    """Return the first day of the shop's own data that runs have noted; None without a note."""
    try:
        return date.fromisoformat(notes_of(settings)["first_day"])
    except (KeyError, TypeError, ValueError):
        return None


def _own_days(settings: Settings) -> list[date]:
    """Return the first day that runs have recorded,
    and the first landing folder if all data are in such folders.
    """
    try:
        landed = list(_landing_days(settings))
    except EcomError:  # the run that reads the files reports the error
        landed = [None]
    candidates = [remembered_first_day(settings), *(landed if None not in landed else [])]
    # Runs over a day also compute days before it: their visitors may be known now, and events
    # arrive late.
    margin = max(settings.late_days, 1) * ONE_DAY
    return [day - margin for day in candidates if day]


def _landing_days(settings: Settings) -> Iterator[date | None]:
    """Yield the day of each file,
    and None for a source whose names do not contain the days of its rows.
    """
    if settings.order_api_url or is_table(settings):
        yield None
        return
    paths = [*(event_paths(settings) if has_events(settings) else []), *order_paths(settings)]
    paths += [
        str(rows_folder(settings.home, kind)) for kind in SOURCES if stand_beside(settings, kind)
    ]
    for file in find_files(paths) if paths else ():
        yield file.received_date
