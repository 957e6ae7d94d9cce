"""Compaction: few files instead of many, and each row once for every reader at every moment."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.errors import SourceError, WorkError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.compaction import compact, remove_replaced
from ecom_assets.ingestion.sources.files.formats import find_files, newest_files
from ecom_assets.ingestion.sources.files.manifest import NAME, read_manifest
from ecom_assets.ingestion.sources.files.mapping import EVENT_FIELDS
from ecom_assets.ingestion.sources.landing import changing_landing_files
from ecom_assets.orchestration.privacy.landing_files import landing_files, remove_records
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.fresh_duckdb import fresh_duckdb

DAY = "2026-03-05"
LANDED_AT = datetime(2026, 3, 5, 12, 0, tzinfo=UTC).timestamp()
NEXT_WEEK = LANDED_AT + 7 * 86_400


class Shop:
    """A landing folder of one day with files as the stream writes them."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.day = folder / "landing" / f"received_date={DAY}"
        self.day.mkdir(parents=True)
        self.settings = Settings(home=folder / "home", events=str(folder / "landing"), **settings)  # type: ignore[arg-type]

    def land(self, start: int, rows: int = 3, *, name: str = "", at: float = LANDED_AT) -> Path:
        """Write a file as the stream does, with rows e<start>, e<start+1> and so on."""
        path = self.day / (name or f"kafka-topic-0-{start:020}.parquet")
        columns = (
            "'e' || i AS event_id, 'page_view' AS event_type, 'u' || i AS user_id, (TIMESTAMP "
            f"'{DAY} 10:00:00' + i * INTERVAL 1 SECOND)::VARCHAR || 'Z' AS event_timestamp"
        )
        columns += "".join(
            f", NULL::VARCHAR AS {field}" for field in EVENT_FIELDS if f"AS {field}" not in columns
        )
        with fresh_duckdb() as con:
            con.execute(
                f"COPY (SELECT {columns} FROM range({start}, {start + rows}) t(i)) TO '{path}'"
            )
        os.utime(path, (at, at))
        return path

    def compact(self, now: float = NEXT_WEEK) -> dict[str, int]:
        """Compact at a moment, by default a week later."""
        return compact(self.settings, now=lambda: now).as_json()

    def files(self) -> list[str]:
        """Return the names of the files that count."""
        return [Path(file.path).name for file in find_files([str(self.day.parent)])]

    def ids(self) -> Counter[str]:
        """Return how often each event is in the files that count."""
        paths = [file.path for file in find_files([str(self.day.parent)])]
        with fresh_duckdb() as con:
            return Counter(
                row[0]
                for row in con.execute("SELECT event_id FROM read_parquet(?)", [paths]).fetchall()
            )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_an_erased_row_comes_back_neither_from_replaced_files_nor_by_the_next_compaction(
    shop: Shop,
) -> None:
    for number in range(3):
        shop.land(10 * number)
    shop.compact()
    assert len(list(shop.day.glob("kafka-*"))) == 3, "readers may still read what was replaced"
    with changing_landing_files(shop.settings.home), closing(duckdb.connect()) as con:
        remove_replaced(shop.settings)
        for files in landing_files(con, shop.settings):
            assert [
                file.record_count for file in remove_records(files, Person(users=("u11",)))
            ] == [1]
    shop.land(30, at=NEXT_WEEK)
    shop.compact(NEXT_WEEK + 7 * 86_400)
    shop.compact(NEXT_WEEK + 14 * 86_400)
    kept = {f"e{start + number}" for start in (0, 10, 20, 30) for number in range(3)} - {"e11"}
    assert shop.ids() == Counter(kept)
    with closing(duckdb.connect()) as con:
        sql = f"SELECT count(*) FROM '{shop.day}/*.parquet' WHERE user_id = 'u11'"
        assert con.execute(sql).fetchall() == [(0,)], (
            "in no file of the folder, whether it counts or not"
        )


def test_three_files_become_one_with_the_newest_time_and_go_after_the_grace(shop: Shop) -> None:
    for number in range(3):
        shop.land(10 * number, at=LANDED_AT + number)
    before = shop.ids()
    done = shop.compact()
    assert done | {"merged_count": 3, "made_count": 1, "row_count": 9, "removed_count": 0} == done
    (merged,) = shop.files()
    assert merged.startswith("compact-")
    assert (shop.day / merged).stat().st_mtime == LANDED_AT + 2
    assert shop.ids() == before
    assert len(list(shop.day.glob("kafka-*"))) == 3, "readers that listed them may still read them"
    assert shop.compact(NEXT_WEEK + 3601)["removed_count"] == 3
    assert sorted(path.name for path in shop.day.iterdir()) == sorted([merged, NAME])
    assert shop.ids() == before
    assert shop.compact(NEXT_WEEK + 9999)["merged_count"] == 0


def test_a_file_of_the_shop_stays_even_if_its_name_is_alike(shop: Shop) -> None:
    shop.land(0, name="compact-mine.parquet")
    shop.land(10, name="part-1.parquet")
    shop.land(20)
    assert shop.compact()["merged_count"] == 0
    assert len(shop.files()) == 3


def test_within_the_day_only_old_files_are_merged_and_when_it_is_over_all(shop: Shop) -> None:
    for number in range(4):
        shop.land(10 * number, at=LANDED_AT + 3600 * number)
    assert shop.compact(LANDED_AT + 3 * 3600)["merged_count"] == 2
    assert len(shop.files()) == 3
    assert shop.compact(LANDED_AT + 7 * 3600)["merged_count"] == 2, (
        "what was merged today is not merged again today"
    )
    done = shop.compact()
    assert (done["merged_count"], done["row_count"]) == (2, 12)
    assert sum(shop.ids().values()) == 12


def test_globs_and_the_live_view_see_what_folders_do(shop: Shop) -> None:
    for number in range(3):
        shop.land(10 * number)
    shop.compact()
    glob = str(shop.day.parent / "**" / "*.parquet")
    assert [Path(file.path).name for file in find_files([glob])] == shop.files()
    since = datetime.fromtimestamp(LANDED_AT, UTC) - timedelta(minutes=1)
    newest = newest_files([str(shop.day.parent)], since, since.date())
    assert [Path(file.path).name for file in newest.files] == shop.files()


def test_a_merged_file_without_a_manifest_counts_for_nobody_and_is_removed(shop: Shop) -> None:
    shop.land(0)
    shop.land(0, name=f"compact-{'a' * 32}.parquet")
    shop.land(0, name=f".compact-{'b' * 32}.parquet.{'c' * 32}.part")
    assert sum(shop.ids().values()) == 3
    assert remove_replaced(shop.settings) == 2


def test_rows_carry_the_same_name_before_and_after(shop: Shop) -> None:
    shop.land(0)
    shop.land(10)
    before = {file.stored_name for file in find_files([str(shop.day.parent)])}
    shop.compact()
    after = {file.stored_name for file in find_files([str(shop.day.parent)])}
    assert before == after == {f"received_date={DAY}/landed.parquet"}


def test_a_damaged_file_stops_the_merge_and_nothing_is_replaced(shop: Shop) -> None:
    shop.land(0)
    broken = shop.land(10)
    broken.write_bytes(broken.read_bytes()[:40])
    os.utime(broken, (LANDED_AT, LANDED_AT))
    with pytest.raises(SourceError, match="cannot be merged"):
        shop.compact()
    assert read_manifest(shop.day).merged == {}


def test_a_damaged_manifest_is_said_instead_of_guessed(shop: Shop) -> None:
    shop.land(0)
    (shop.day / NAME).write_text("{")
    with pytest.raises(SourceError, match="restore it from a backup"):
        shop.files()


def test_only_one_changes_landing_files_at_a_time(shop: Shop) -> None:
    with (
        changing_landing_files(shop.settings.home),
        pytest.raises(WorkError, match="try again later"),
    ):
        compact(shop.settings, waits=False)


def test_readers_see_each_row_once_while_files_come_and_are_merged(shop: Shop) -> None:
    for number in range(20):
        shop.land(10 * number)
    wanted = shop.ids()
    is_over = threading.Event()
    seen: list[Counter[str]] = []

    def read() -> None:
        while not is_over.is_set():
            seen.append(shop.ids())

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(6):
        shop.compact(NEXT_WEEK + step)
        first = 200 + 10 * step
        shop.land(
            first, rows=1, name=f"compact-{step:032x}.parquet"
        )  # what a killed compaction leaves
    is_over.set()
    reader.join()
    assert seen
    assert all(rows == wanted for rows in seen)


KILLED = """
import os
import signal
import sys
from pathlib import Path
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources import compaction

OWNERS = {"_copy": compaction, "write_manifest": compaction, "unlink": Path}
settings = Settings(home=sys.argv[1], events=sys.argv[2], compact_grace_s=0)


def die_there(when, name):
    work = getattr(OWNERS[name], name)

    def dying(*arguments, **more):
        if when == "after":
            work(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(OWNERS[name], name, dying)


for line in sys.stdin:
    moment, *place = line.split()
    child = os.fork()
    if not child and place:
        die_there(*place)
    while not child:
        compaction.compact(settings, now=lambda: float(moment))
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""
"""Compacts at a moment again and again until it is killed, or comes to a place; once per line that
it gets: a process loads the platform once for all of them.
"""
PLACES = [
    f"{when} {name}"
    for name in ("_copy", "write_manifest", "unlink")
    for when in ("before", "after")
]
"""Where a compaction dies of itself: rows are in a file that does not count yet, count, and are in
files that do not count any more.
"""


def test_kills_at_each_place_and_at_random_moments_lose_and_double_nothing(shop: Shop) -> None:
    """Files land, a compaction is killed, and readers see each row once, each time."""
    chance = random.Random(2)  # noqa: S311 (moments of kills)
    wanted: Counter[str] = Counter()
    command = [sys.executable, "-c", KILLED, str(shop.settings.home), str(shop.day.parent)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with process:
        assert process.stdin
        assert process.stdout
        for turn, place in enumerate([*PLACES, *[""] * 14]):
            for number in range(4):
                first = 1000 * turn + 10 * number
                shop.land(first)
                wanted.update(f"e{first + row}" for row in range(3))
            process.stdin.write(f"{NEXT_WEEK + turn} {place}\n")
            compacting = int(process.stdout.readline())
            if not place:
                time.sleep(chance.uniform(0, 0.08))
                os.kill(compacting, signal.SIGKILL)
            assert process.stdout.readline() == "ended\n"
            assert shop.ids() == wanted, f"after kill {turn}, {place}"
        process.stdin.close()
    shop.compact(NEXT_WEEK + 99_999)
    shop.compact(NEXT_WEEK + 999_999)
    assert shop.ids() == wanted
    assert len(list(shop.day.glob("*.parquet"))) == 1
