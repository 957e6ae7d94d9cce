"""The files that a path matches, their formats,
and a check that their content matches their extension.

Only paths, extensions, landing folders and the first and last bytes of a file are read.
"""

import glob
import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ecom_assets.core.errors import MissingFileError, SourceError, UsageError
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.tables.values import is_plausible
from ecom_assets.ingestion.sources.files.manifest import (
    LANDED,
    is_generated,
    is_merged,
    is_uploaded,
    read_manifest,
)

_SEPARATOR = re.compile(r"(?<!\\),")


def split_paths(setting: str) -> list[str]:
    r"""Return the paths that a setting names.

    >>> split_paths(r"landing, more/a\,b.csv")
    ['landing', 'more/a,b.csv']
    """
    parts = (part.strip().replace("\\,", ",") for part in _SEPARATOR.split(setting))
    return [part for part in parts if part]


def named_paths(setting: str) -> dict[str, list[str]]:
    r"""Return the paths that a setting names by the mappings that are written before them.

    >>> named_paths(r"google_ads=google, meta=meta/a\,b.csv, google_ads=more")
    {'google_ads': ['google', 'more'], 'meta': ['meta/a,b.csv']}

    Raises:
        UsageError: A path has no mapping before it.
    """
    result: dict[str, list[str]] = {}
    for part in split_paths(setting):
        name, equals, path = part.partition("=")
        if equals and not path.strip():
            raise UsageError(f"{part!r} names no file; write {name.strip() or 'NAME'}=PATH")
        if not (equals and name.strip()):
            raise UsageError(
                f"{part!r} does not say by which mapping it is read; write NAME={part}, where NAME "
                "is a mapping, such as native, google_ads or meta."
            )
        result.setdefault(name.strip(), []).append(path.strip())
    return result


def join_paths(paths: Iterable[str]) -> str:
    """Return paths as one setting, which `split_paths` splits again."""
    return ",".join(path.replace(",", "\\,") for path in paths)


IGNORED: dict[str, str] = {
    "_SUCCESS": "Spark and Hadoop: the folder is complete",
    "_committed_*": "Databricks: the folder is complete",
    "_started_*": "Databricks: a write has begun",
    "_temporary": "Spark and Hadoop: files that are still being written",
    **dict.fromkeys(
        ("_metadata", "_common_metadata"), "Parquet writers: a summary of the files beside it"
    ),
    "*.crc": "Spark and Hadoop: checksums",
    **dict.fromkeys((".DS_Store", "._*"), "macOS"),
    **dict.fromkeys(("Thumbs.db", "desktop.ini"), "Windows"),
    "lost+found": "file systems",
    **dict.fromkeys((".snapshot", ".nfs*"), "network storage"),
    ".Trash*": "desktops",
    **dict.fromkeys((".gitkeep", ".gitignore", ".keep"), "Git"),
    **dict.fromkeys(("*~", ".*.sw?"), "editors"),
    **dict.fromkeys(("*.tmp", "*.temp"), "a file that is still being written"),
    **dict.fromkeys(
        ("*.part", "*.partial", "*.filepart", "*.crdownload"), "a file that is still being written"
    ),
    "*manifest.json": "PostHog's batch exports: a list of the files beside it",
    "__MACOSX": "macOS: a folder in zip archives",
    "extract_state.sqlite*": "`ecom extract`: what of an API has landed",
}
"""Patterns of file and folder names that are skipped in landing places,
with the software that creates them.
"""
_HIDDEN = (".", "_")


def is_ignored(name: str) -> bool:
    """Return whether a file or folder with this name is skipped."""
    return any(fnmatchcase(name, pattern) for pattern in IGNORED)


def files_below(folder: Path, _above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield every file in a folder and its subfolders, sorted by name; links are followed.

    Raises:
        SourceError: A folder cannot be read, a link is broken or circular, an entry is neither a
            file nor a folder, or a hidden name is not in `IGNORED`.
    """
    real = os.path.realpath(folder)
    if real in _above:
        raise SourceError(f"{folder} is a link to a folder that it lies in; remove the link")
    for path in _listed(folder):
        if is_ignored(path.name):
            continue
        if path.name.startswith(_HIDDEN):
            raise SourceError(
                f"{path} has a name that begins with {path.name[0]!r}, as names of unfinished "
                "files do, and is neither read nor ignored; rename it if it holds records, or "
                "move it away (docs/mappings.md lists what is)"
            )
        if _is_folder(path):
            yield from files_below(path, (*_above, real))
        else:
            yield path


def require_readable_globs(pattern: str) -> None:
    """Check that every folder that a glob visits is readable,
    because a glob silently skips unreadable folders.

    Raises:
        SourceError: A folder cannot be read.
    """
    parts = Path(pattern).parts
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    for number in range(first, len(parts)):
        for match in glob.iglob(str(Path(*parts[:number])), recursive=True):  # noqa: PTH207 (absolute globs too)
            if not is_ignored(Path(match).name) and os.path.isdir(match):  # noqa: PTH112 (raises nothing)
                list(_listed(Path(match)))


def current_entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder, sorted by name, each event in one of them, whatever
    compaction does meanwhile.

    The manifest is read before the folder is listed: what it calls merged is there by then, and
    what it does not yet call replaced stays for the grace time. Every listing of landing files goes
    through here.
    """
    manifest = read_manifest(folder)
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if manifest.is_current(entry.name)),
            key=lambda entry: entry.name,
        )


def _listed(folder: Path) -> list[Path]:
    try:
        result = [folder / entry.name for entry in current_entries(folder)]
        if result:
            with suppress(
                FileNotFoundError
            ):  # what is being written has its name by now, or was removed
                result[0].lstat()  # listing a folder does not need the permission to enter it
    except OSError as error:
        raise SourceError(
            f"the folder {folder} may not be read by this user ({error.strerror}); change its "
            "permissions, or its rows would be taken for withdrawn"
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
        raise SourceError(
            f"{path} may not be read by this user ({error.strerror}); change its permissions"
        ) from error
    problem = "is a link that leads nowhere" if linked else "is neither a file nor a folder"
    raise SourceError(f"{path} {problem}; fix it or move it away")


Format = Literal["csv", "ndjson", "parquet", "zip", "workbook"]
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".zip": "zip",
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "workbook"),
}
_PACKED_INSIDE = (".parquet.zst", ".parquet.gz", ".parquet.sz", ".parquet.lz4", ".parquet.br")
"""Names that PostHog's batch exports give to Parquet files,
by how the columns in them are compressed.
"""
_KNOWN_FORMATS = (
    ".csv, .tsv, .txt, .ndjson, .jsonl, .json (each also with .gz), .parquet, .xlsx, .xls, .ods, "
    "and .zip of these"
)
_LANDING = re.compile(r"(received_date|increment_date)=(.*)")
_HEAD_BYTES = 1 << 18
_GZIP_MAGIC, _PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"


class NoFilesError(SourceError):
    """A folder is empty, or no file matches a glob."""


class NoMatchError(NoFilesError, MissingFileError):
    """No file matches a glob."""


@dataclass(frozen=True)
class InputFile:
    """A file of records: its path, its format, and its arrival day if it is in a landing folder."""

    path: str
    name: str  # the path below the folder or glob that was given
    format: Format
    is_gzip: bool
    received_date: date | None
    size: int
    modified_at: datetime
    placed_at: (
        datetime  # ctime: the latest time at which it was put here; archives restore older mtimes
    )
    encoding: str | None = None  # None: UTF-8, unless its lines say otherwise
    packed_in: str | None = None  # the file that this is a copy of, or of a part of
    is_sheet: bool = (
        False  # whether it is the table of a workbook, with cells as the program stores them
    )
    note: str = field(default="", compare=False)  # what people should know of how it is read

    @property
    def stored_name(self) -> str:
        """Return the name that rows carry: one for all generated files of a folder,
        which compaction merges, and one for all days of a file that was uploaded.
        """
        folder, _, name = self.name.rpartition("/")
        if is_uploaded(name):
            return name
        return f"{folder}/{LANDED}".lstrip("/") if is_generated(name) else self.name


def find_files(paths: Sequence[str | Path]) -> list[InputFile]:
    """Return every file that the paths (files, folders, globs) match, without duplicates,
    sorted by path.
    """
    if not paths:
        raise SourceError("no path of event files was given; give a file, a folder or a glob")
    for address in (str(path) for path in paths if "://" in str(path)):
        raise UsageError(
            f"Events cannot come from {without_secrets(address)}; name files, or for `ecom run` a "
            "table as snowflake://USER@ACCOUNT/DATABASE/SCHEMA/TABLE."
        )
    values: dict[Path, InputFile] = {}
    for file in (file for path in paths for file in _files_of(str(path))):
        values.setdefault(Path(file.path).resolve(), file)
    return sorted(values.values(), key=lambda file: file.path)


def in_landing_folders(path: str) -> bool:
    """Return whether a path (file, folder or glob) is in or contains landing folders,
    even empty ones.
    """
    names = [child.name for child in Path(path).iterdir()] if Path(path).is_dir() else []
    return any(_LANDING.fullmatch(part) for part in (*Path(path).absolute().parts, *names))


def head_of(file: InputFile) -> bytes:
    """Return the first bytes of a text file, decompressed.

    Raises:
        SourceError: The file is empty, damaged, or does not match its extension.
    """
    if file.size == 0:
        raise SourceError(f"{file.name} is empty (0 bytes); deliver it again or remove it")
    return _head(file.path, file.name, file.size, file.modified_at, is_gzip=file.is_gzip)


@lru_cache(maxsize=2)  # a file is looked at several times before it is read
def _head(path: str, file_name: str, _size: int, _modified_at: datetime, *, is_gzip: bool) -> bytes:
    with Path(path).open("rb") as opened:
        start = opened.read(4)
    if start.startswith(_GZIP_MAGIC) != is_gzip:
        result, name = ("not gzip", "without .gz") if is_gzip else ("gzip", "with .gz at the end")
        raise SourceError(f"{file_name} is {result} inside; name it {name}")
    try:
        with gzip.open(path) if is_gzip else Path(path).open("rb") as opened:
            head: bytes = opened.read(_HEAD_BYTES)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(
            f"{file_name} is a damaged or cut-off gzip file; deliver it again"
        ) from error
    if not head:
        raise SourceError(f"{file_name} is empty once unpacked; deliver it again or remove it")
    return head


def require_text(file: InputFile, head: bytes) -> None:
    """Raise SourceError if the beginning of a text file, as UTF-8, is not text."""
    if head.startswith(_PARQUET_MAGIC) or _is_binary(head[:4096], file.format):
        raise SourceError(
            f"{file.name} is not text, as its ending says; deliver UTF-8 {file.format.upper()}"
        )


def _is_binary(start: bytes, kind: Format) -> bool:
    """Return whether a file is binary; a NUL in one line only makes that line malformed."""
    is_dense = 8 * start.count(b"\x00") > len(start)
    return is_dense or (
        kind == "csv" and b"\x00" in start.lstrip(b"\r\n").replace(b"\r", b"\n").partition(b"\n")[0]
    )


def check_parquet(file: InputFile) -> None:
    """Raise SourceError unless the file begins and ends like a Parquet file."""
    with Path(file.path).open("rb") as opened:
        start = opened.read(4)
        opened.seek(max(0, file.size - 4))
        end = opened.read(4)
    if start != _PARQUET_MAGIC:
        raise SourceError(
            f"{file.name} is not a Parquet file, as its ending says; check what wrote it"
        )
    if end != _PARQUET_MAGIC or file.size <= len(_PARQUET_MAGIC) * 2:
        raise SourceError(
            f"{file.name} is a cut-off Parquet file (its end is missing); deliver it again"
        )


def _files_of(path: str) -> Iterator[InputFile]:
    location = Path(path)
    try:
        is_folder, is_file = location.is_dir(), location.is_file()
    except OSError as error:
        raise SourceError(
            f"{path} may not be read by this user ({error.strerror}); change its permissions"
        ) from error
    if is_folder:
        files = list(files_below(location))
        if not files:
            raise NoFilesError(
                f"the folder {path} holds no files; put {_KNOWN_FORMATS} files there"
            )
        yield from (_input_file(file, location) for file in files)
    elif is_file:
        yield _input_file(location, location.parent)
    elif glob.has_magic(path):
        yield from _in_glob(path)
    else:
        raise MissingFileError(f"{path} does not exist; check the path")


def _in_glob(pattern: str) -> Iterator[InputFile]:
    root = Path(pattern)
    while glob.has_magic(str(root)):
        root = root.parent
    require_readable_globs(pattern)
    matches = current_matches(pattern)
    if not matches:
        raise NoMatchError(f"no file matches {pattern}; check the pattern")
    for match in (
        path for path in matches if not any(map(is_ignored, path.relative_to(root).parts))
    ):
        for path in files_below(match) if match.is_dir() else [match]:
            yield _input_file(path, root)


def current_matches(pattern: str) -> list[Path]:
    """Return what a glob matches, sorted, without files that compaction replaced."""
    folders = {Path(match).parent for match in glob.iglob(pattern, recursive=True)}  # noqa: PTH207 (absolute globs too)
    manifests = {
        folder: read_manifest(folder) for folder in folders
    }  # before the names, as in `current_entries`
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (as above)
    return [
        path
        for path in matches
        if path.parent not in manifests or manifests[path.parent].is_current(path.name)
    ]


def _input_file(path: Path, root: Path) -> InputFile:
    try:
        str(path).encode()
    except (
        UnicodeEncodeError
    ) as error:  # Python represents the bytes of such a name as lone surrogates
        shown = os.fsencode(path).decode("utf-8", errors="backslashreplace")
        raise SourceError(f"the name of the file {shown} is not UTF-8; rename it") from error
    kind, is_gzip = format_of(path)
    if kind is None:
        raise SourceError(
            f"{path} is of a kind that is not read here; known are {_KNOWN_FORMATS}; convert it "
            "or move it away"
        )
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise SourceError(f"{path} may not be read by this user; change its permissions")
    stat = path.stat()
    modified_at = datetime.fromtimestamp(stat.st_mtime, UTC)
    changed_at = datetime.fromtimestamp(stat.st_ctime, UTC)
    return InputFile(
        path=str(path),
        name=path.relative_to(root).as_posix(),
        format=kind,
        is_gzip=is_gzip,
        received_date=_landing_date(path),
        size=stat.st_size,
        modified_at=modified_at
        if is_plausible(modified_at.date()) and modified_at <= changed_at
        else changed_at,
        # The time of a merged file is that of the newest of its rows' files: compaction is no
        # arrival.
        placed_at=modified_at if is_merged(path.name) else changed_at,
    )


def format_of(path: Path) -> tuple[Format | None, bool]:
    """Return the format of a file by its name, and whether it is packed by gzip;
    None if it is of no known kind.
    """
    name = path.name.lower()
    if name.endswith(_PACKED_INSIDE):
        return "parquet", False
    is_gzip = name.endswith(".gz")
    name = name.removesuffix(".gz")
    kind = _ENDINGS.get(Path(name).suffix)
    if kind is None and is_gzip and _holds_json(path):
        kind = "ndjson"
    return (
        (None, is_gzip) if is_gzip and kind in {"parquet", "zip", "workbook"} else (kind, is_gzip)
    )


def _holds_json(path: Path) -> bool:
    """Return whether a gzip file whose name does not say what is in it begins with a JSON object,
    as Segment's do.
    """
    try:
        with gzip.open(path) as opened:
            return opened.read(64).lstrip().startswith(b"{")
    except (EOFError, OSError, zlib.error):
        return False


def _landing_date(path: Path) -> date | None:
    for part in reversed(path.absolute().parts[:-1]):
        if match := _LANDING.fullmatch(part):
            try:
                landed = date.fromisoformat(match[2])
            except ValueError as error:
                raise SourceError(
                    f"the folder {part} of {path} has no date like {match[1]}=2026-01-31; rename it"
                ) from error
            # The date of a folder of 1970 or 2999 is ignored; its rows have their own days.
            return landed if is_plausible(landed) else None
    return None


LANDING_DAY = re.compile(r"(?:received_date|increment_date)=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class FreshFile:
    """A file that changed lately; two of one path are equal unless it was written again."""

    path: str
    inode: int
    modified_ns: int
    size: int


@dataclass(frozen=True)
class NewestFiles:
    """Recently changed files, newest first;
    `changed_at` is when the newest of all files changed.
    """

    files: tuple[FreshFile, ...] = ()
    changed_at: datetime | None = None


def newest_files(patterns: Iterable[str], since: datetime, first_day: date) -> NewestFiles:
    """Return the files that changed at or after an instant, empty ones left out.

    Args:
        patterns: Files, folders and globs.
        since: The instant.
        first_day: Landing folders of earlier days are skipped.

    Raises:
        SourceError: A file or folder does not exist.
    """
    seen = {
        os.path.realpath(path): (path, stat)
        for pattern in patterns
        for path, stat in _in(pattern, first_day)
    }
    files = [
        FreshFile(path, stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in seen.values()
    ]
    by_age = sorted(files, key=lambda file: (-file.modified_ns, file.path))
    changed_at = datetime.fromtimestamp(by_age[0].modified_ns / 1e9, UTC) if by_age else None
    fresh = [file for file in by_age if file.size and file.modified_ns / 1e9 >= since.timestamp()]
    return NewestFiles(tuple(fresh), changed_at)


def _in(pattern: str, first_day: date) -> Iterator[tuple[str, os.stat_result]]:
    if Path(pattern).is_dir():
        yield from _newest_in_folder(pattern, first_day)
    elif glob.has_magic(pattern):
        for match in current_matches(pattern):
            yield from _in(str(match), first_day)
    elif Path(pattern).is_file():
        yield pattern, Path(pattern).stat()
    else:
        raise SourceError(f"{pattern} does not exist; check the path in ECOM_EVENTS.")


def _newest_in_folder(folder: str, first_day: date) -> Iterator[tuple[str, os.stat_result]]:
    for entry in current_entries(Path(folder)):
        landed = LANDING_DAY.fullmatch(entry.name)
        is_older = landed is not None and landed[1] < first_day.isoformat()
        if is_older or is_ignored(entry.name) or entry.name.startswith(_HIDDEN):
            continue
        if entry.is_dir():
            yield from _newest_in_folder(entry.path, first_day)
        elif entry.is_file():
            yield entry.path, entry.stat()
