"""A loaded upload that is said to be something else: what was landed of it is found by its note, by
Undo, by the next load and by a run that fails. Rows are counted in the landed files.
"""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import KINDS, choose_shop
from ecom_assets.ingestion.uploads.asking import ask_load, ask_undo, waiting_requests
from ecom_assets.ingestion.uploads.landed import empty_landed, note_what_lies
from ecom_assets.ingestion.uploads.store import LOADED, UNDONE, Upload, Uploads
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun, give_up
from ecom_assets_tests.ingestion.uploads.lists import written
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    WEEK_3,
    chosen,
    export,
    sent,
    settings_of,
)
from ecom_assets_tests.orchestration.automation.test_upload_kills import Killed, Kills, left_aside

AS_COSTS = (
    "name: own\nother_columns: ignore\nfields:\n  cost_id: {hash_of: [Name, Id]}\n"
    "  item_id: Name\n  unit_cost_amount: Total\n"
)
"""How somebody reads an export of orders who takes it for one of costs: a row each."""
ADMIN = Caller("root", frozenset({Scope.ADMIN}))
ANN, BOB = (Caller(name, frozenset({Scope.WRITE})) for name in ("ann", "bob"))


@dataclass
class Runs:
    """Runs of days that end as they are told, and what they saw."""

    home: Path
    ends: list[RunEnd] = field(default_factory=list)
    seen: list[tuple[dict[str, int], date, date | None]] = field(default_factory=list)

    def run(self, _settings: Settings, first: date, last: date | None) -> RunEnd:
        """Compute days."""
        self.seen.append((landed_rows(self.home), first, last))
        return self.ends.pop(0) if self.ends else RunEnd(is_published=True)

    def reset(self, settings: Settings, *, keeps_sample: bool = False) -> bool:
        """Leave an empty home."""
        return settings.home == self.home and not keeps_sample

    def work_off(self) -> list[str]:
        """Do what is asked for."""
        run = UploadRun(self.home, "a-run", self.run, self.reset)
        return run.do(waiting_requests(self.home))


def landed_rows(home: Path) -> dict[str, int]:
    """Return how many rows of each kind every run reads."""
    counts = {
        kind: sum(
            pq.read_metadata(path).num_rows
            for path in (home / "uploads" / kind).glob("*/received_date=*/*.parquet")
        )
        for kind in KINDS
    }
    return {kind: count for kind, count in counts.items() if count}


def as_costs(home: Path, number: int) -> Upload:
    """Say of an upload that it is one of costs."""
    uploads = Uploads(home)
    written(home / "uploads" / "mappings" / "costs-own.yaml", AS_COSTS)
    return uploads.choose(uploads.numbered(number), kind="costs", mapping="costs-own", answers={})


@pytest.fixture(scope="module")
def two_weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three orders of the first week, and one of the third."""
    folder = tmp_path_factory.mktemp("two_weeks")
    home = folder / "home"
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    for number, orders in enumerate((WEEK_1, WEEK_3), 1):
        ask_load(home, chosen(home, export(folder / f"week{number}.csv", orders)), "ann")
    assert Runs(home).work_off() == []
    assert landed_rows(home) == {"orders": 4}
    return home


@pytest.fixture
def runs(two_weeks: Path, tmp_path: Path) -> Runs:
    return Runs(Path(shutil.copytree(two_weeks, tmp_path / "home")))


@pytest.mark.slow
def test_what_was_landed_is_noted_with_the_upload(runs: Runs) -> None:
    first, _ = reversed(Uploads(runs.home).every())
    [landed] = first.landed
    assert (landed.kind, landed.folder, landed.row_count) == ("orders", "orders/000001", 3)
    assert landed.mapping == first.mapping
    assert landed.files == tuple(
        f"received_date=2026-03-0{day}/upload-000001-001.parquet" for day in (2, 3, 8)
    )
    assert landed.loaded_at is not None


@pytest.mark.slow
def test_undo_takes_the_rows_of_a_file_that_is_said_to_be_something_else(runs: Runs) -> None:
    upload = as_costs(runs.home, 1)
    assert (upload.kind, upload.kinds_with_rows) == ("costs", ("orders",))
    assert [one.number for one in Uploads(runs.home).with_rows("orders")] == [1, 2]
    ask_undo(runs.home, upload, "root")
    assert runs.work_off() == []
    assert runs.seen == [({"orders": 1}, date(2026, 3, 2), date(2026, 3, 17))]
    assert landed_rows(runs.home) == {"orders": 1}, "none of the first file is left"
    assert not (runs.home / "uploads" / "orders" / "000001").exists()
    assert left_aside(runs.home) == []
    ask_undo(runs.home, Uploads(runs.home).numbered(2), "root")
    assert runs.work_off() == []
    assert landed_rows(runs.home) == {}


@pytest.mark.slow
def test_a_file_that_is_loaded_again_as_another_kind_has_the_rows_of_that_one_only(
    runs: Runs,
) -> None:
    ask_load(runs.home, as_costs(runs.home, 1), "root")
    assert runs.work_off() == []
    [(seen, first, _)] = runs.seen
    assert seen == {"orders": 1, "costs": 3}
    assert first == date(2026, 3, 2), "from the first day that its orders had"
    now = Uploads(runs.home).numbered(1)
    assert (now.state, now.kinds_with_rows) == ("loaded", ("costs",))
    ask_undo(runs.home, now, "root")
    assert runs.work_off() == []
    assert landed_rows(runs.home) == {"orders": 1}


@pytest.mark.slow
def test_a_loaded_file_that_cannot_be_loaded_again_counts_as_before(runs: Runs) -> None:
    before = Uploads(runs.home).numbered(1)
    runs.ends = [RunEnd(is_published=False, sentence="The disk is full.")]
    ask_load(runs.home, as_costs(runs.home, 1), "root")
    assert runs.work_off() == ["The disk is full."]
    assert landed_rows(runs.home) == {"orders": 4}
    assert [seen for seen, *_ in runs.seen] == [{"orders": 1, "costs": 3}, {"orders": 4}]
    now = Uploads(runs.home).numbered(1)
    assert (now.state, now.kinds_with_rows) == ("loaded", ("orders",))
    assert now.sentence == "It is not loaded again: The disk is full."
    assert now.amount == before.amount == 210
    assert (now.counted_count, now.last_day) == (3, before.last_day)
    # Nor where it cannot be read so at all.
    written(runs.home / "uploads" / "mappings" / "costs-own.yaml", AS_COSTS.replace("Name", "No"))
    ask_load(runs.home, now, "root")
    assert "is not loaded" in runs.work_off()[0]
    assert landed_rows(runs.home) == {"orders": 4}
    assert left_aside(runs.home) == []


@pytest.mark.slow
def test_a_change_of_the_kind_that_is_killed_at_any_step_is_begun_anew(
    two_weeks: Path, tmp_path: Path
) -> None:
    def asked(name: str) -> Runs:
        home = Path(shutil.copytree(two_weeks, tmp_path / name))
        ask_load(home, as_costs(home, 1), "root")
        return Runs(home)

    whole, counting = asked("whole"), Kills(0)
    with counting.of_steps():
        whole.work_off()
    right = landed_rows(whole.home)
    assert right == {"orders": 1, "costs": 3}
    for number, name in enumerate(counting.steps, 1):
        runs, kills = asked(f"home-{number}"), Kills(number)
        with pytest.raises(Killed), kills.of_steps():
            runs.work_off()
        assert runs.work_off() == [], name
        assert [landed_rows(runs.home), runs.seen[-1][0]] == [right, right], name
        assert [one.state for one in Uploads(runs.home).every()] == ["loaded"] * 2, name
        assert left_aside(runs.home) == [], name
        shutil.rmtree(runs.home)


def forgotten(home: Path, *statements: str) -> None:
    """Make a home one of before, which had no notes of what was landed."""
    with sqlite3.connect(home / "uploads" / "uploads.sqlite") as con:
        for statement in ("DELETE FROM landed", *statements):
            con.execute(statement)


@pytest.mark.slow
@pytest.mark.parametrize(
    "left",
    [
        "UPDATE uploads SET state = 'undone', kind = 'customers' WHERE number = 1",
        "UPDATE uploads SET state = 'failed', kind = 'customers' WHERE number = 1",
        "DELETE FROM uploads WHERE number = 1",
    ],
)
def test_rows_that_an_earlier_version_left_are_found_and_can_be_taken_back(
    runs: Runs, left: str
) -> None:
    forgotten(runs.home, left)
    uploads = Uploads(runs.home)
    note_what_lies(uploads)
    note_what_lies(uploads)
    found = uploads.numbered(1)
    assert (found.state, found.kinds_with_rows) == (LOADED, ("orders",))
    assert "undo it to take them back" in found.sentence
    assert found in uploads.newest(ADMIN)
    assert (str(found.first_day), str(found.last_day)) == ("2026-03-02", "2026-03-08")
    ask_undo(runs.home, found, "root")
    assert runs.work_off() == []
    assert landed_rows(runs.home) == {"orders": 1}
    uploads.remove(uploads.numbered(1), ADMIN)
    assert [one.number for one in uploads.every()] == [2]


@pytest.mark.slow
def test_the_notes_of_a_home_of_before_are_filled_in_by_what_lies_there(runs: Runs) -> None:
    before = Uploads(runs.home).every()
    forgotten(runs.home)
    note_what_lies(Uploads(runs.home))
    for was, now in zip(before, Uploads(runs.home).every(), strict=True):
        [ours], [theirs] = now.landed, was.landed
        assert (ours.kind, ours.folder, ours.files) == (theirs.kind, theirs.folder, theirs.files)
        assert (ours.row_count, ours.mapping) == (theirs.row_count, theirs.mapping)
        assert now.was_loaded


@pytest.mark.slow
def test_rows_of_two_kinds_that_an_earlier_version_left_go_with_one_undo(runs: Runs) -> None:
    uploads = Uploads(runs.home)
    costs = runs.home / "uploads" / "costs" / "000001" / "received_date=2026-01-05"
    costs.mkdir(parents=True)
    one = next((runs.home / "uploads" / "orders" / "000001").rglob("*.parquet"))
    shutil.copy(one, costs / one.name)
    forgotten(runs.home)
    note_what_lies(uploads)
    assert uploads.numbered(1).kinds_with_rows == ("costs", "orders")
    ask_undo(runs.home, uploads.numbered(1), "root")
    assert runs.work_off() == []
    [(_, first, _)] = runs.seen
    assert first == date(2026, 1, 5), "the days of both kinds are computed again"
    assert landed_rows(runs.home) == {"orders": 1}


@pytest.mark.slow
def test_an_undo_that_was_killed_before_the_upgrade_still_has_its_rows(runs: Runs) -> None:
    uploads, folder = Uploads(runs.home), runs.home / "uploads"
    ask_undo(runs.home, uploads.numbered(1), "root")
    # As the version before kept them beside, and had emptied the files when it was killed.
    shutil.copytree(folder / "orders" / "000001", folder / "landing" / "000001.undo")
    empty_landed(uploads, uploads.numbered(1))
    forgotten(runs.home)
    runs.ends = [RunEnd(is_published=False, sentence="The disk is full.")]
    assert runs.work_off() == ["The disk is full."]
    assert (uploads.numbered(1).state, landed_rows(runs.home)) == ("loaded", {"orders": 4})
    assert left_aside(runs.home) == []


@pytest.mark.slow
def test_an_undo_whose_runs_are_killed_leaves_the_file_loaded(runs: Runs) -> None:
    ask_undo(runs.home, Uploads(runs.home).numbered(1), "root")

    def killed(_settings: Settings, _first: date, _last: date | None) -> RunEnd:
        raise Killed

    for _ in range(3):
        with pytest.raises(Killed):
            UploadRun(runs.home, "killed", killed, runs.reset).do(waiting_requests(runs.home))
    give_up(settings_of(runs.home).home, waiting_requests(runs.home))
    now = Uploads(runs.home).numbered(1)
    assert (now.state, landed_rows(runs.home)) == ("loaded", {"orders": 4})
    assert now.sentence.startswith("It is not undone")


Deletes = Callable[[Uploads, Upload], Upload]
MAY_DELETE: dict[str, tuple[Deletes, set[Caller]]] = {
    "not loaded": (lambda _, upload: upload, {ADMIN, ANN}),
    "failed, without any row": (
        lambda uploads, upload: uploads.note(upload, state="failed"),
        {ADMIN, ANN},
    ),
    "failed, after rows were landed": (
        lambda uploads, upload: uploads.note(upload, state="failed", first_day=date(2026, 3, 2)),
        {ADMIN},
    ),
    "taken back": (lambda uploads, upload: uploads.note(upload, state=UNDONE), {ADMIN}),
    "loaded": (lambda uploads, upload: uploads.note(upload, state=LOADED), set()),
    "being loaded": (lambda uploads, upload: uploads.note(upload, state="loading"), set()),
    "being taken back": (lambda uploads, upload: uploads.note(upload, state="undoing"), set()),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", MAY_DELETE)
def test_who_deletes_an_upload(what: str, tmp_path: Path) -> None:
    prepare, allowed = MAY_DELETE[what]
    uploads = Uploads(tmp_path / "home")
    path = export(tmp_path / "orders.csv", WEEK_1)
    for caller in (ADMIN, ANN, BOB):
        upload = prepare(uploads, sent(tmp_path / "home", path, owner="ann"))
        if caller in allowed:
            uploads.remove(upload, caller)
            continue
        with pytest.raises(UsageError):
            uploads.remove(upload, caller)
        assert uploads.numbered(upload.number) == upload


@pytest.mark.slow
def test_an_entry_with_rows_is_deleted_by_nobody_whatever_its_state_says(runs: Runs) -> None:
    uploads = Uploads(runs.home)
    upload = uploads.note(uploads.numbered(1), state="failed")
    for caller in (ADMIN, ANN, None):
        with pytest.raises(UsageError, match="undo it instead"):
            uploads.remove(upload, caller)
    assert landed_rows(runs.home) == {"orders": 4}
