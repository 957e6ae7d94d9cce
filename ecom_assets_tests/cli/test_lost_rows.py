"""Rows of a raw table do not go unnoticed: a part of a day, rows that something deleted,
and what is declared.
"""

from pathlib import Path

import duckdb
import pytest

from ecom_assets_tests.cli.test_lost_days import DAYS, land, run
from ecom_assets_tests.command import copy_of_shop, ecom

pytestmark = pytest.mark.xdist_group("cli_lost_days")
STAGED_ALONE = 'key:"staging/events"'


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what has landed, and the home of a run over it."""
    folder = tmp_path_factory.mktemp("loaded")
    for day in DAYS:
        land(folder / "landing", day, rows=10)
    assert run(folder / "landing", folder / "home").exit_code == 0
    return folder


@pytest.fixture
def landing(loaded: Path, tmp_path: Path) -> Path:
    """What has landed, in a copy of that folder, whose home was run."""
    return copy_of_shop(loaded, tmp_path) / "landing"


def count(home: Path, table: str) -> int:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def delete(home: Path, day: str, ids: str) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute(
            "DELETE FROM raw.events WHERE received_date = ? AND event_id LIKE ?", [day, ids]
        )


@pytest.mark.slow
def test_a_part_of_a_day_that_its_file_no_longer_has_ends_the_run(
    landing: Path, home: Path
) -> None:
    land(landing, "2026-01-02", rows=7)
    land(landing, "2026-01-03", rows=12)
    ended = run(landing, home)
    assert ended.exit_code == 1
    assert (
        "raw.events would lose 3 of the 10 rows of 2026-01-02, since its source no longer has "
        "them, so nothing of it was replaced; put them back, or let them go with `ecom run --from "
        "2026-01-02 --to 2026-01-02 --allow-withdrawal`."
    ) in ended.err
    assert (count(home, "raw.events"), count(home, "staging.events")) == (30, 30)
    assert run(landing, home, "--allow-withdrawal").exit_code == 0
    assert (count(home, "raw.events"), count(home, "staging.events")) == (29, 29)
    assert run(landing, home).exit_code == 0


@pytest.mark.slow
def test_rows_that_something_deleted_end_what_is_computed_from_them(
    landing: Path, home: Path
) -> None:
    delete(home, "2026-01-01", "%")
    delete(home, "2026-01-02", "%-3")
    for arguments in (("--to", "2026-01-02", "--from", "2026-01-02"), ()):
        ended = run(landing, home, *arguments, select=STAGED_ALONE)
        assert ended.exit_code == 1
        assert (
            "raw.events has lost 10 of the 10 rows of 2026-01-01, 1 of the 10 rows of 2026-01-02, "
            "which no erasure, limit or allowed withdrawal took; load these days again with "
            "`ecom run --from 2026-01-01 --to 2026-01-02`"
        ) in ended.err
        assert count(home, "staging.events") == 30
    (found,) = [
        row for row in ecom("doctor", "--json", home=home).json if row["subject"] == "warehouse"
    ]
    assert not found["ok"]
    assert found["found"].startswith("raw.events has lost 10 of the 10 rows of 2026-01-01")
    assert run(landing, home, "--from", "2026-01-01", "--to", "2026-01-02").exit_code == 0
    assert (count(home, "raw.events"), count(home, "staging.events")) == (30, 30)


@pytest.mark.slow
def test_a_loss_of_days_outside_the_run_ends_it_too(landing: Path, home: Path) -> None:
    delete(home, "2026-01-01", "%")
    land(landing, "2026-01-04", rows=10)
    ended = run(landing, home, "--from", "2026-01-04", "--to", "2026-01-04")
    assert (
        ended.exit_code,
        "raw.events has lost 10 of the 10 rows of 2026-01-01" in ended.err,
    ) == (1, True)
    assert (count(home, "raw.events"), count(home, "staging.events")) == (30, 30)


@pytest.mark.slow
@pytest.mark.usefixtures("landing")
def test_doctor_knows_it_in_a_home_without_notes(home: Path) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:  # as an earlier version left it
        con.execute("DROP TABLE raw.stored_rows")
    delete(home, "2026-01-02", "%")
    (found,) = [
        row for row in ecom("doctor", "--json", home=home).json if row["subject"] == "warehouse"
    ]
    assert found["found"] == (
        "staging.events has 10 rows that arrived from 2026-01-02 to 2026-01-02, and raw.events "
        "has none of them any more"
    )
    assert (
        found["fix"] == "load these days again with `ecom run --from 2026-01-02 --to 2026-01-02`."
    )


@pytest.mark.slow
def test_rows_that_move_to_other_days_of_their_file_are_no_loss(home: Path, tmp_path: Path) -> None:
    for day in DAYS:
        land(tmp_path / "by_day", day, rows=10)
    lines = [
        line.replace("T10:00", "T23:00" if number % 2 else "T10:00")
        for path in sorted((tmp_path / "by_day").glob("*/*.csv"))
        for number, line in enumerate(path.read_text().splitlines()[1:])
    ]
    header = next((tmp_path / "by_day").glob("*/*.csv")).read_text().splitlines()[0]
    (tmp_path / "all.csv").write_text("\n".join([header, *lines]) + "\n")
    assert run(tmp_path / "all.csv", home).exit_code == 0
    moved = ecom(
        "run",
        "--json",
        "--events",
        tmp_path / "all.csv",
        "--select",
        '+key:"staging/events"',
        home=home,
        env={"ECOM_TIMEZONE": "Asia/Tokyo"},
    )
    assert moved.exit_code == 0, moved.err
    assert count(home, "raw.events") == 30
