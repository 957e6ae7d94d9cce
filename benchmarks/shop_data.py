"""The simulated shop's events that benchmarks read, made once and kept in `benchmarks/data`.

One shop of 91 days serves them all, so that "the next day" is the same day whatever the history
before it.
"""

# ruff: noqa: PLC0415  # the shop's libraries must not weigh on a process whose children's memory is
# measured

import json
import os
import shutil
import sys
from datetime import date, timedelta
from pathlib import Path

DATA = Path(__file__).parent / "data"
FIRST_DAY = date(2026, 1, 1)
HISTORY_DAYS = 90
DAYS = HISTORY_DAYS + 1
NEXT_DAY = FIRST_DAY + timedelta(days=HISTORY_DAYS)
VISITORS = {"quick": 3_000, "million": 11_000, "full": 110_000, "huge": 1_070_000}
"""About 300 thousand, and 1, 10 and 100 million events."""


def shop(size: str) -> Path:
    """The landing folders of the shop of this size, made if they are not there."""
    return _made(DATA / f"shop_{size}", DAYS, VISITORS[size])


def made_shop(days: int, visitors: int) -> Path:
    """The landing folders of a shop of these days and visitors, made if they are not there."""
    return _made(DATA / f"shop_{days}_days_{visitors}", days, visitors)


def in_day_folders(file: Path, folder: Path, first_user: int = 1) -> Path:
    """Events of a file with integer ids from a first one on, a folder for each day of arrival; made
    once.
    """
    import duckdb

    if not folder.exists():
        part = folder.with_suffix(".part")
        duckdb.connect().execute(f"""
            COPY (
                SELECT * REPLACE (substr(user_id, 2)::BIGINT + {first_user} AS user_id),
                    event_timestamp::DATE AS received_date
                FROM '{file}'
            ) TO '{part}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (received_date),
              OVERWRITE)
        """)
        part.rename(folder)
    return folder


def _made(folder: Path, days: int, visitors: int) -> Path:
    if not (folder / "truth.json").exists():
        from ecom_sandbox.shop.shop import generate

        print(f"Making {folder.name}, once.", file=sys.stderr)
        DATA.mkdir(parents=True, exist_ok=True)
        generate(folder, days=days, visitors=visitors, first_day=FIRST_DAY)
    return folder / "events"


def truth(size: str) -> dict[str, int]:
    """What the shop planted: rows, clean events and surplus copies."""
    events = json.loads((shop(size).parent / "truth.json").read_text())["events"]
    return {name: int(events[name]) for name in ("rows", "clean", "duplicates")}


def landed(size: str, first: date, last: date, into: Path) -> Path:
    """A folder that holds the landing folders from `first` to `last` only,
    by hard links where that can be.
    """
    for folder in sorted(shop(size).iterdir()):
        if first.isoformat() <= folder.name.removeprefix("received_date=") <= last.isoformat():
            copied = into / folder.name
            if not copied.exists():
                shutil.copytree(folder, copied, copy_function=_link)
    return into


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy(source, target)
