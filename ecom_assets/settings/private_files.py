"""File permissions: what the platform writes can be read by its owner only, as it holds customers, keys and logs."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

OTHERS = 0o077
"""The rights of the group and of everybody else."""
WRITTEN = (
    "api.log*", "api_audit.jsonl*", "api_keys*", "dagster", "dashboard_secret", "dry_run", "ended_sessions",
    "erasure.key", "erasures", "exports", "http_cache", "ledger.sqlite*", "operations.sqlite*", "order_reports",
    "own_data.json", "reading.tmp", "realtime.tmp", "sandbox*", "serving", "spark", "statements.sqlite*",
    "ui_address", "warehouse.duckdb*",
)  # fmt: skip
"""What the platform writes into `ECOM_HOME`; a folder means everything in it."""


def keep_private() -> None:
    """Let this process, and those that it starts, make files for their owner only."""
    os.umask(OTHERS)


def close_to_others(places: Iterable[Path], home: Path) -> None:
    """Remove the rights of others from files that an earlier release, or another program, has left open.

    A file of another user is not changed; `ecom doctor` names it.
    """
    for path in [*open_to_others(places), *([home] if _is_ours_alone(home) else [])]:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHERS)


def open_to_others(places: Iterable[Path]) -> list[Path]:
    """Return the files and folders at or in some places that others than their owner can read or change."""
    return [path for place in places for path in _walked(place) if _mode(path) & OTHERS]


def places_in(home: Path) -> list[Path]:
    """Return what there is of the platform in a folder that it may share with a person's own files."""
    return sorted({path for pattern in WRITTEN for path in home.glob(pattern)})


def _walked(place: Path) -> Iterator[Path]:
    if place.is_symlink() or not place.exists():
        return
    yield place
    for folder, _, names in os.walk(place):
        yield from (Path(folder, name) for name in names)
        if Path(folder) != place:
            yield Path(folder)


def _mode(path: Path) -> int:
    try:
        result = path.lstat()
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(result.st_mode) else stat.S_IMODE(result.st_mode)


def _is_ours_alone(home: Path) -> bool:
    """Return whether a folder holds nothing but what the platform wrote, so that no other user needs access to it."""
    if not home.is_dir() or not _mode(home) & OTHERS:
        return False
    ours = set(places_in(home))
    return bool(ours) and all(path in ours for path in home.iterdir())
