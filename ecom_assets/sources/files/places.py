"""The files in a landing place; an entry that can be neither read nor ignored is an error.

A folder that is silently skipped looks like a folder without rows, and missing rows are withdrawn from the tables. So
only the names in `IGNORED` are skipped.
"""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from ecom_assets.errors import SourceError

_SEPARATOR = re.compile(r"(?<!\\),")


def split_places(setting: str) -> list[str]:
    r"""Return the paths that a setting names.

    >>> split_places(r"landing, more/a\,b.csv")
    ['landing', 'more/a,b.csv']
    """
    parts = (part.strip().replace("\\,", ",") for part in _SEPARATOR.split(setting))
    return [part for part in parts if part]


def joined_places(paths: Iterable[str]) -> str:
    """Return paths as one setting, which `split_places` splits again."""
    return ",".join(path.replace(",", "\\,") for path in paths)


IGNORED: dict[str, str] = {
    "_SUCCESS": "Spark and Hadoop: the folder is complete",
    "_committed_*": "Databricks: the folder is complete",
    "_started_*": "Databricks: a write has begun",
    "_temporary": "Spark and Hadoop: files that are still being written",
    "_metadata": "Parquet writers: a summary of the files beside it",
    "_common_metadata": "Parquet writers: a summary of the files beside it",
    "*.crc": "Spark and Hadoop: checksums",
    ".DS_Store": "macOS",
    "._*": "macOS",
    "Thumbs.db": "Windows",
    "desktop.ini": "Windows",
    "lost+found": "file systems",
    ".snapshot": "network storage",
    ".nfs*": "network storage",
    ".Trash*": "desktops",
    ".gitkeep": "Git",
    ".gitignore": "Git",
    ".keep": "Git",
    "*~": "editors",
    ".*.sw?": "editors",
    "*.tmp": "a file that is still being written",
    "*.temp": "a file that is still being written",
    "*.part": "a file that is still being written",
    "*.partial": "a file that is still being written",
    "*.filepart": "a file that is still being written",
    "*.crdownload": "a file that is still being written",
}
"""Patterns of file and folder names that are skipped in landing places, with the software that creates them."""
_HIDDEN = (".", "_")


def is_ignored(name: str) -> bool:
    """Return whether a file or folder with this name is skipped."""
    return any(fnmatchcase(name, pattern) for pattern in IGNORED)


def files_below(folder: Path, _above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield every file in a folder and its subfolders, sorted by name; links are followed.

    Raises:
        SourceError: A folder cannot be read, a link is broken or circular, an entry is neither a file nor a folder, or
            a hidden name is not in `IGNORED`.
    """
    real = os.path.realpath(folder)
    if real in _above:
        raise SourceError(f"{folder} is a link to a folder that it lies in; remove the link")
    for path in _listed(folder):
        if is_ignored(path.name):
            continue
        if path.name.startswith(_HIDDEN):
            raise SourceError(
                f"{path} has a name that begins with {path.name[0]!r}, as names of unfinished files do, and is neither "
                "read nor ignored; rename it if it holds records, or move it away (docs/mappings.md lists what is)"
            )
        if _is_folder(path):
            yield from files_below(path, (*_above, real))
        else:
            yield path


def require_readable_globs(pattern: str) -> None:
    """Check that every folder that a glob visits is readable, because a glob silently skips unreadable folders.

    Raises:
        SourceError: A folder cannot be read.
    """
    parts = Path(pattern).parts
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    for number in range(first, len(parts)):
        for match in glob.iglob(str(Path(*parts[:number])), recursive=True):  # noqa: PTH207 (absolute globs too)
            if not is_ignored(Path(match).name) and _is_folder_or_gone(Path(match)):
                list(_listed(Path(match)))


def _listed(folder: Path) -> list[Path]:
    try:
        result = sorted(folder.iterdir())
        if result:
            result[0].lstat()  # listing a folder does not need the permission to enter it
    except OSError as error:
        raise SourceError(
            f"the folder {folder} may not be read by this user ({error.strerror}); change its permissions, or its rows "
            "would be taken for withdrawn"
        ) from error
    return result


def _is_folder(path: Path) -> bool:
    try:
        if path.is_dir():
            return True
        if path.is_file():
            return False
        linked = path.is_symlink()
    except OSError as error:
        raise SourceError(f"{path} may not be read by this user ({error.strerror}); change its permissions") from error
    what = "is a link that leads nowhere" if linked else "is neither a file nor a folder"
    raise SourceError(f"{path} {what}; fix it or move it away")


def _is_folder_or_gone(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
