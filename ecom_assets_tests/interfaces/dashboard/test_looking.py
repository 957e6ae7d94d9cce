"""Looks at uploads: one of a caller at a time, large files alone, and each in a process of its own
whose end is told.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

from ecom_assets.core.reading_child import ReadingLimits, start_server
from ecom_assets.ingestion.uploads.look import LARGE_LOOK, LOOK, UploadLook
from ecom_assets.ingestion.uploads.store import Upload
from ecom_assets.interfaces.dashboard import looking
from ecom_assets.interfaces.dashboard.looking import LookPlaces, Looks, limits_of
from ecom_assets_tests.ingestion.sources.bound_files import far_cell
from ecom_assets_tests.ingestion.uploads.shop_exports import WEEK_1, export, sent, settings_of
from ecom_assets_tests.memory_of_processes import peak_memory
from ecom_assets_tests.patience import wait_until


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    start_server("ecom_assets.interfaces.dashboard.looking")


class Turns:
    """Looks that wait for their places, each in a thread."""

    def __init__(self) -> None:
        self.places = LookPlaces()
        self.begun: list[str] = []
        self.ends: dict[str, ExitStack] = {}

    def wait(self, name: str, caller: str, limits: ReadingLimits) -> None:
        """Let a look of a caller wait for its place, and take it."""

        def take() -> None:
            stack = ExitStack()
            stack.enter_context(self.places.place(caller, limits.memory_mb))
            self.ends[name] = stack
            self.begun.append(name)

        waiting = self.places._waiting  # noqa: SLF001 (the order is what is tested)
        before = len(waiting)
        Thread(target=take, daemon=True).start()
        wait_until(lambda: name in self.begun or len(waiting) > before)

    def end(self, name: str) -> None:
        """Let a look end."""
        self.ends[name].close()


def test_a_caller_has_one_look_at_a_time_and_a_large_file_is_looked_at_alone() -> None:
    turns = Turns()
    turns.wait("ann 1", "ann", LOOK)
    wait_until(lambda: turns.begun == ["ann 1"])
    turns.wait("ann 2", "ann", LOOK)
    turns.wait("bob large", "bob", LARGE_LOOK)
    turns.wait("cid", "cid", LOOK)
    time.sleep(0.1)
    assert turns.begun == ["ann 1"], "cid waits behind the large file, or it would wait for ever"
    turns.end("ann 1")
    wait_until(lambda: len(turns.begun) == 2)
    assert turns.begun[1] == "ann 2", "it has waited longest"
    turns.end("ann 2")
    wait_until(lambda: turns.begun[2:] == ["bob large"])
    turns.end("bob large")
    wait_until(lambda: turns.begun[3:] == ["cid"])
    turns.end("cid")


def looked(looks: Looks, home: Path, upload: Upload) -> UploadLook:
    """Return the look at an upload, once it is there."""
    found: list[UploadLook] = []

    def is_there() -> bool:
        found.extend(filter(None, [looks.of(settings_of(home), upload)]))
        return bool(found)

    wait_until(is_there)
    return found[0]


@pytest.mark.slow
def test_a_look_that_takes_too_much_is_told_and_kept_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, looks = tmp_path / "home", Looks()
    bound = sent(home, far_cell(tmp_path), owner="eve")
    usual = sent(home, export(tmp_path / "orders.csv", WEEK_1), owner="ann")
    with peak_memory() as peak:
        looks.of(settings_of(home), bound)
        assert looked(looks, home, usual).rows["counted"] == 3
        assert "far.xlsx has cells as far as row 100,000" in looked(looks, home, bound).refusal
    assert peak.mb < 700  # beside the 300 that the API takes itself
    tiny = ReadingLimits(memory_mb=5, cpu_s=60, time_s=60)
    monkeypatch.setattr(looking, "LOOK", tiny)
    monkeypatch.setattr(looking, "LARGE_LOOK", tiny)
    again = sent(home, export(tmp_path / "again.csv", WEEK_1), owner="ann")
    refusal = looked(looks, home, again).refusal
    assert refusal.startswith("again.csv takes more than 5 MB of memory to read")
    assert looked(Looks(), home, again).refusal == refusal, "nobody tries once more"


def test_a_large_workbook_has_more_memory_from_the_beginning(tmp_path: Path) -> None:
    for name, size, expected in (
        ("small.xlsx", 10_000, (LOOK, LARGE_LOOK)),
        ("large.xlsx", 2_000_000, (LARGE_LOOK,)),
        ("large.json.gz", 2_000_000, (LARGE_LOOK,)),
        ("large.csv.gz", 2_000_000, (LOOK, LARGE_LOOK)),
        ("large.parquet", 2_000_000, (LOOK, LARGE_LOOK)),
    ):
        (tmp_path / name).write_bytes(b"x" * size)
        assert limits_of(tmp_path / name) == expected
