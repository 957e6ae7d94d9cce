"""Files that people uploaded, to look at or to load, which name a person: each is removed, with
its copies. The rows of uploads are landing files, from which the person is taken.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecom_assets.core.errors import SourceError
from ecom_assets.core.reading_child import ReadingChild
from ecom_assets.core.settings.uploaded import FOLDER as UPLOADS
from ecom_assets.ingestion.uploads.store import ORIGINALS, Uploads
from ecom_assets.orchestration.privacy.file_search import SEARCH, Found, search
from ecom_assets.orchestration.privacy.person_pattern import PersonPattern

FOLDER: Final = "samples"
"""The folder in `ECOM_HOME` with a folder for each sample."""
PLACES: Final = (FOLDER, f"{UPLOADS}/{ORIGINALS}")
"""The folders in `ECOM_HOME` with a folder for each file as it was sent."""
UNREADABLE_PREFIX: Final = "unreadable: "
"""Leads the addresses of folders whose files nobody could search, among those that were removed."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class SearchedFolder:
    """A folder of a sample or an upload that has to go."""

    path: Path
    found: Found

    @property
    def address(self) -> str:
        """Return its path, with a prefix if it could not be searched."""
        prefix = UNREADABLE_PREFIX if self.found is Found.UNREADABLE else ""
        return f"{prefix}{self.path}"


def samples_naming(home: Path, pattern: PersonPattern, say: Say) -> list[SearchedFolder]:
    """Return the folders of samples and of uploads that name a person, or that cannot be searched.

    Args:
        home: `ECOM_HOME`.
        pattern: What finds the person.
        say: Reports how far the search of a large file is.
    """
    folders = sorted(path for place in PLACES for path in (home / place).glob("*") if path.is_dir())
    with ReadingChild(SEARCH) as child:
        searched = [
            SearchedFolder(folder, _search_folder(folder, pattern, child, say))
            for folder in folders
        ]
    return [folder for folder in searched if folder.found is not Found.ABSENT]


def remove(home: Path, folder: Path) -> None:
    """Remove a sample, whose owner is asked to upload it again, or an upload as it was sent, which
    the list of uploads says.
    """
    if folder.parent.name == ORIGINALS:
        # First, or a kill between the two leaves a list that offers what is gone.
        Uploads(home).forget_original(folder.name)
    shutil.rmtree(folder, ignore_errors=True)


def _search_folder(folder: Path, pattern: PersonPattern, child: ReadingChild, say: Say) -> Found:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = _search_file(path, pattern, child, say)
        if found is not Found.ABSENT:
            return found
    return Found.ABSENT


def _search_file(path: Path, pattern: PersonPattern, child: ReadingChild, say: Say) -> Found:
    steps = child.steps(path.name, search, path, pattern)
    while True:
        try:
            searched = next(steps)
        except StopIteration as end:
            found: Found = end.value
            return found
        except FileNotFoundError:  # its owner has just removed it
            return Found.ABSENT
        except SourceError:  # also where the process that read it has ended
            return Found.UNREADABLE
        say(f"  {path}: {searched / 1e6:,.0f} MB searched")
