"""The files in `ECOM_HOME`: their permissions, as they hold customers, keys and logs,
and Dagster's history.
"""

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from ecom_assets.core.errors import WorkError

RIGHTS_OF_OTHERS = 0o077
"""The rights of the group and of everybody else."""
WRITTEN = (
    "ad_spend",
    "api.log*",
    "api_audit.jsonl*",
    "api_keys*",
    "boards.sqlite*",
    "collector",
    "collector.log*",
    "costs",
    "dagster",
    "dagster.log*",
    "dashboard_secret",
    "dry_run",
    "ended_sessions",
    "erasure.key",
    "erasures",
    "exports",
    "http_cache",
    "landing.lock",
    "ledger.sqlite*",
    "operations.sqlite*",
    "order_reports",
    "own_data.json",
    "reading.tmp",
    "realtime.tmp",
    "row_checks.sqlite*",
    "samples",
    "sandbox*",
    "serving",
    "statements.sqlite*",
    "ui_address",
    "uploads",
)
"""What the platform writes into `ECOM_HOME` whatever the engine; a folder means everything in it.
"""


def keep_private() -> None:
    """Let this process, and those that it starts, make files for their owner only."""
    os.umask(RIGHTS_OF_OTHERS)


def close_to_others(folders: Iterable[Path], home: Path) -> None:
    """Remove the rights of others from files that an earlier release,
    or another program, has left open.

    A file of another user is not changed; `ecom doctor` names it.
    """
    for path in [*open_to_others(folders), *([home] if _is_ours_alone(home) else [])]:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~RIGHTS_OF_OTHERS)


def open_to_others(folders: Iterable[Path]) -> list[Path]:
    """Return the files and folders at or in some places that others than their
    owner can read or change.
    """
    return [
        path for folder in folders for path in _walked(folder) if _mode(path) & RIGHTS_OF_OTHERS
    ]


def written() -> tuple[str, ...]:
    """Return the patterns of all that the platform and its engines write into `ECOM_HOME`."""
    from ecom_assets.core.settings.subjects import engine_kinds  # noqa: PLC0415 (loads Pydantic, unlike `ecom --version`)

    return (*WRITTEN, *(pattern for kind in engine_kinds() for pattern in kind.own_files))


def platform_files_in(home: Path) -> list[Path]:
    """Return what there is of the platform in a folder that it may share
    with a person's own files.
    """
    return sorted({path for pattern in written() for path in home.glob(pattern)})


def _walked(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.exists():
        return
    yield path
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names)
        if Path(folder) != path:
            yield Path(folder)


def _mode(path: Path) -> int:
    try:
        result = path.lstat()
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(result.st_mode) else stat.S_IMODE(result.st_mode)


def _is_ours_alone(home: Path) -> bool:
    """Return whether a folder holds nothing but what the platform wrote,
    so that no other user needs access to it.
    """
    if not home.is_dir() or not _mode(home) & RIGHTS_OF_OTHERS:
        return False
    ours = set(platform_files_in(home))
    return bool(ours) and all(path in ours for path in home.iterdir())


FILES: Final = {
    "history/runs.db": "the list of earlier runs",
    "history/runs/index.db": "the list of earlier runs",
    "schedules/schedules.db": "which schedules and sensors are switched on",
}
"""The SQLite files that each of Dagster's processes opens, below `DAGSTER_HOME`,
and what is lost without them.
"""
MOST_BYTES: Final = 500_000_000
"""A larger file is not read as a whole: that would take seconds."""
DAMAGED: Final = ("malformed", "not a database")
"""What SQLite says of a damaged file; its other errors are of locks, rights or the disk."""


def damage_of(home: Path, *, thorough: bool) -> str:
    """Return a sentence about the first damaged file of Dagster's history, with the remedy;
    empty if there is none.

    Args:
        home: The folder `DAGSTER_HOME`.
        thorough: Read every page of the files, instead of their beginning only.
    """
    for name, lost in FILES.items():
        path = home / name
        trouble = _trouble(path, thorough=thorough) if path.exists() else ""
        if trouble:
            folder = home / Path(name).parts[0]
            return (
                f"Dagster's history is damaged: {path}: {trouble}; move it away (mv {folder} "
                f"{folder}.damaged), and Dagster begins a new one. Only {lost} is lost: tables "
                "and deliveries are kept elsewhere."
            )
    return ""


def is_of_dagster_dev() -> bool:
    """Return whether `dagster dev` started this process:
    it sets a variable for all of its processes.
    """
    return os.environ.get("DAGSTER_IS_DEV_CLI") == "1"


def damage_in_use() -> str:
    """Return what `damage_of` says of the history that this process uses,
    after an error of SQLite.
    """
    home = os.environ.get("DAGSTER_HOME")
    return damage_of(Path(home), thorough=True) if home else ""


def require_history(home: Path, *, thorough: bool = False) -> None:
    """Refuse to begin with a damaged history; the arguments are those of `damage_of`.

    Raises:
        WorkError: A file of it is damaged.
    """
    if damage := damage_of(home, thorough=thorough):
        raise WorkError(damage)


def _trouble(path: Path, *, thorough: bool) -> str:
    """Return what SQLite says of a damaged file; empty if it finds nothing, or cannot look now."""
    size = path.stat().st_size
    try:
        with closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as con:
            (pages,), (page,) = (
                con.execute("PRAGMA page_count").fetchone(),
                con.execute("PRAGMA page_size").fetchone(),
            )
            con.execute("SELECT count(*) FROM sqlite_master").fetchone()
            # What the write-ahead log has is not yet in the file.
            if pages * page > size and not Path(f"{path}-wal").exists():
                return f"it has {size:,} of {pages * page:,} bytes"
            if not thorough or size > MOST_BYTES:
                return ""
            (result,) = con.execute("PRAGMA quick_check(1)").fetchone()
            return "" if result == "ok" else str(result).splitlines()[0]
    except sqlite3.DatabaseError as error:
        return str(error) if any(word in str(error) for word in DAMAGED) else ""
