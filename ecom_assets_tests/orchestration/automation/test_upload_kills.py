"""A run about uploads that is killed at any of its steps: the next one begins anew, and all is as
if nothing had happened. Numbers are those of the landed rows in plain SQL; that tables follow from
them is in `test_upload_runs`.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.reading_child import ReadingChild
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import choose_shop
from ecom_assets.ingestion.uploads import landed
from ecom_assets.ingestion.uploads.asking import ask_load, ask_undo, waiting_requests
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.orchestration.automation import upload_runs
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    WEEK_2,
    WEEK_3,
    chosen,
    export,
    revenue_of,
)

STEPS: tuple[tuple[Any, str], ...] = (
    (ReadingChild, "run"),  # in which rows are written
    (landed, "remove_landed"),
    (landed, "sync_folder"),
    (upload_runs, "keep_beside"),
    (upload_runs, "empty_landed"),
    (upload_runs, "forget_beside"),
    (Uploads, "note"),
    (Requests, "take"),
)
"""What a run does about uploads besides computing days: it is killed before each of them, and after
the last.
"""


class Killed(BaseException):
    """What ends a process from outside; nothing handles it."""


@dataclass
class Kills:
    """Kills a run at its step of a number, and counts the steps."""

    at: int
    steps: list[str] = field(default_factory=list)
    seen: list[dict[str, int]] = field(default_factory=list)
    """The numbers that the run of days has seen, if it came so far."""

    def step(self, name: str) -> None:
        """Count a step, and kill the run at its own."""
        self.steps.append(name)
        if len(self.steps) == self.at:
            raise Killed

    @contextmanager
    def of_steps(self) -> Iterator[None]:
        """Let `STEPS` count meanwhile."""
        with pytest.MonkeyPatch.context() as patch:
            for holder, name in STEPS:
                patch.setattr(holder, name, self.around(name, getattr(holder, name)))
            yield

    def around(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return a step that counts before what it does, the last one after it, too."""

        @wraps(step)
        def killed(*arguments: Any, **options: Any) -> Any:
            self.step(f"before {name}")
            result = step(*arguments, **options)
            if name == STEPS[-1][1]:
                self.step(f"after {name}")
            return result

        return killed


def landed_revenue(home: Path) -> dict[str, int]:
    """Return what the landed rows come to by day: of each order, the rows that were sent last."""
    files = home / "uploads" / "orders" / "*" / "received_date=*" / "*.parquet"
    rows = (
        "SELECT date_time, status, payment_amount::DECIMAL(18, 2) AS amount, "
        "rank() OVER (PARTITION BY order_id ORDER BY source_name DESC) AS version FROM "
        f"(SELECT *, parse_filename(filename) AS source_name FROM read_parquet('{files}', "
        "hive_partitioning = false, filename = true))"
    )
    with fresh_duckdb() as con:
        found = con.execute(
            "SELECT left(date_time, 10), sum(if(status = 'refunded', -amount, amount)) FROM "
            f"({rows}) WHERE version = 1 GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return {day: int(amount) for day, amount in found if amount}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two weeks, in which the third is to be loaded, and the first to be taken back."""
    folder = tmp_path_factory.mktemp("asked")
    home = folder / "home"
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    first, second, third = (
        chosen(home, export(folder / f"week{number}.csv", orders))
        for number, orders in enumerate((WEEK_1, WEEK_2, WEEK_3), 1)
    )
    for upload in (first, second):
        ask_load(home, upload, "ann")
    kills = Kills(0)
    work_off(home, kills)
    assert kills.seen == [revenue_of(WEEK_1, WEEK_2)]
    ask_undo(home, Uploads(home).numbered(first.number), "ann")
    ask_load(home, third, "ann")
    return home


def work_off(home: Path, kills: Kills) -> None:
    """Do what is asked for."""

    def run(settings: Settings, _first: date, _last: date | None) -> RunEnd:
        kills.step("before the run")
        kills.seen.append(landed_revenue(settings.home))
        return RunEnd(is_published=True)

    def reset(settings: Settings, *, keeps_sample: bool = False) -> bool:
        raise AssertionError(settings.home, keeps_sample)

    with kills.of_steps():
        assert UploadRun(home, "a-run", run, reset).do(waiting_requests(home)) == []


def left_aside(home: Path) -> list[Path]:
    """Return what is left of the work on uploads beside their rows."""
    return [path for path in (home / "uploads" / "landing").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_step_is_begun_anew(asked: Path, tmp_path: Path) -> None:
    right = revenue_of(WEEK_2, WEEK_3)
    whole = Kills(0)
    work_off(Path(shutil.copytree(asked, tmp_path / "whole")), whole)
    assert whole.seen == [right]
    assert {name.partition(" ")[2] for name in whole.steps} >= {name for _, name in STEPS}
    for number, name in enumerate(whole.steps, 1):
        home = Path(shutil.copytree(asked, tmp_path / f"home-{number}"))
        killed, again = Kills(number), Kills(0)
        with pytest.raises(Killed):
            work_off(home, killed)
        work_off(home, again)
        assert [*killed.seen, *again.seen][-1] == landed_revenue(home) == right, name
        states = [upload.state for upload in reversed(Uploads(home).every())]
        assert states == ["undone", "loaded", "loaded"], name
        assert waiting_requests(home) == [], name
        assert left_aside(home) == [], name
        shutil.rmtree(home)
