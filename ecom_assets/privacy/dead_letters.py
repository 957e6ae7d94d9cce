"""Dead letters beside landing folders: what was refused is kept as it came, so a person can be named anywhere in it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
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
    return [FileRecords(str(path), sum(names)) for path, _, names in _naming(settings, person)]


def remove_letters(settings: Settings, person: Person) -> None:
    """Take the letters that name the person out of their files."""
    for path, letters, names in _naming(settings, person):
        rest = letters.filter(pc.invert(pa.array(names)))
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


def _naming(settings: Settings, person: Person) -> Iterator[tuple[Path, pa.Table, list[bool]]]:
    """Yield each file that names the person, its letters, and which of them do."""
    pattern = pattern_of(person)
    if pattern is None:
        return
    for path, _ in letter_files(settings):
        letters = pq.read_table(path, partitioning=None)
        names = [bool(value and pattern.search(value)) for value in letters["value"].to_pylist()]
        if any(names):
            yield path, letters, names
