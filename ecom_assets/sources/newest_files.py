"""Which files of a landing place changed lately, without opening any. Not here: reading them (`record_files.py`)."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from ecom_assets.errors import SourceError
from ecom_assets.sources.landing_places import is_ignored

_LANDING_DAY = re.compile(r"(?:received_date|increment_date)=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class NewestFiles:
    """Files that changed lately, the newest first, as many as the bounds allow.

    `left_out_count` is how many more changed; `changed_at` is when the newest of all files looked at changed.
    """

    paths: tuple[str, ...]
    left_out_count: int
    changed_at: datetime | None


def newest_files(
    places: Iterable[str], since: datetime, first_day: date, *, most_files: int, most_bytes: int
) -> NewestFiles:
    """Find the files that changed at or after an instant.

    Args:
        places: Files, folders and globs.
        since: The instant.
        first_day: Landing folders of days before it are not looked into.
        most_files: How many files to return at most.
        most_bytes: How large they may be together.

    Raises:
        SourceError: A place does not exist.
    """
    seen = {os.path.realpath(path): (path, stat) for place in places for path, stat in _in(place, first_day)}
    by_age = sorted(seen.values(), key=lambda one: (-one[1].st_mtime_ns, one[0]))
    changed_at = datetime.fromtimestamp(by_age[0][1].st_mtime, UTC) if by_age else None
    fresh = [one for one in by_age if one[1].st_mtime >= since.timestamp()]
    taken: list[str] = []
    room = most_bytes
    for path, stat in fresh[:most_files]:
        room -= stat.st_size
        if room < 0:
            break
        if stat.st_size:
            taken.append(path)
    empty = sum(1 for _, stat in fresh if not stat.st_size)
    return NewestFiles(tuple(taken), max(0, len(fresh) - len(taken) - empty), changed_at)


def _in(place: str, first_day: date) -> Iterator[tuple[str, os.stat_result]]:
    if Path(place).is_dir():
        yield from _newest_in_folder(place, first_day)
    elif glob.has_magic(place):
        for match in glob.iglob(place, recursive=True):  # noqa: PTH207 (absolute globs too)
            yield from _in(match, first_day)
    elif Path(place).is_file():
        yield place, Path(place).stat()
    else:
        raise SourceError(f"{place} does not exist; check the path in ECOM_EVENTS.")


def _newest_in_folder(folder: str, first_day: date) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_ignored(entry.name) or entry.name.startswith((".", "_")):
                continue
            if entry.is_dir():
                if not _is_older(entry.name, first_day):
                    yield from _newest_in_folder(entry.path, first_day)
            elif entry.is_file():
                yield entry.path, entry.stat()


def _is_older(folder: str, first_day: date) -> bool:
    landed = _LANDING_DAY.fullmatch(folder)
    try:
        return landed is not None and date.fromisoformat(landed[1]) < first_day
    except ValueError:  # no day of any calendar; `ecom run` complains about it
        return False
