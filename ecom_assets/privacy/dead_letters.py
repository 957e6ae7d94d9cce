"""Dead letters beside landing folders: what was refused is kept as it came, so a person can be named anywhere in it."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.atomic_files import replacing
from ecom_assets.privacy.landing_files import FileRecords
from ecom_assets.privacy.other_files import pattern_of
from ecom_assets.privacy.person import Person
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import event_paths, is_table
from ecom_assets.sources.files.formats import LANDING_DAY
from ecom_assets.sources.landing import dead_letter_folder, stream_folders


def find_letters(settings: Settings, person: Person) -> list[FileRecords]:
    """Return the files with letters that name the person, and how many these are."""
    pattern = pattern_of(person)
    if pattern is None:
        return []
    result = []
    for path, _ in letter_files(settings):
        if count := sum(_naming(pq.read_table(path, partitioning=None), pattern)):
            result.append(FileRecords(str(path), count))
    return result


def remove_letters(settings: Settings, person: Person) -> None:
    """Take the letters that name the person out of their files."""
    pattern = pattern_of(person)
    if pattern is None:
        return
    for file in find_letters(settings, person):
        path = Path(file.path)
        table = pq.read_table(path, partitioning=None)
        rest = table.filter(pa.array([not names for names in _naming(table, pattern)]))
        if not len(rest):
            path.unlink()
            continue
        with replacing(path) as fresh:
            pq.write_table(rest, fresh, compression="zstd")


def letter_files(settings: Settings) -> Iterator[tuple[Path, date]]:
    """Yield the files of dead letters, with their day of arrival."""
    paths = [] if is_table(settings) else [Path(address) for address in event_paths(settings) if "://" not in address]
    for folder in map(dead_letter_folder, dict.fromkeys([*paths, *stream_folders(settings)])):
        if not folder.is_dir():
            continue
        for day_folder in sorted(folder.iterdir()):
            if LANDING_DAY.fullmatch(day_folder.name):
                day = date.fromisoformat(day_folder.name.partition("=")[2])
                yield from ((path, day) for path in sorted(day_folder.glob("*.parquet")))


def _naming(letters: pa.Table, pattern: re.Pattern[bytes]) -> list[bool]:
    return [bool(value and pattern.search(value)) for value in letters["value"].to_pylist()]
