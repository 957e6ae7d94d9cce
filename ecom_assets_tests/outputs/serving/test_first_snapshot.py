"""The first snapshot of a DuckDB warehouse: the file's blocks, without a byte of other tables."""

from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import shake_256
from pathlib import Path

import pyarrow as pa
import pytest

from ecom_assets.core.tables.contract import Table, text
from ecom_assets.core.warehouse.engines.duckdb import file_copy
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.serving.snapshot import Snapshot, publish_snapshot
from ecom_assets_tests.core.warehouse.engines.visits_table import Visits, stored

PEOPLE = 20_000
FIRST = date(2026, 3, 1)


class Letters(Table):
    """What people wrote, which is not published."""

    layer = "raw"

    email = text("Who wrote", pii=True)
    letter = text("What they wrote")


class Members(Table):
    """Who is a member, which is published without their names."""

    layer = "mart"
    key = ("visitor_id",)

    visitor_id = text("The member")
    first_name = text("Their first name", pii=True, nullable=True)


PUBLISHED: tuple[type[Table], ...] = (Visits, Members)


def email(number: int) -> str:
    """Return an address whose first eight characters, which statistics keep, are those of one
    person only.
    """
    return f"{number:05}mail.writer-{number}@letters.example"


def name(number: int) -> str:
    return f"{number:05}name of member {number}"


def visitor(number: int) -> str:
    return f"v{number}-{random_text(number)}"


def random_text(number: int) -> str:
    """Return a text that compresses badly, so that 20,000 of them fill some ten blocks."""
    return shake_256(str(number).encode()).hexdigest(128)


def fill(engine: DuckDBEngine, table: type[Table], rows: list[dict[str, object]]) -> None:
    con = connect()
    con.con.register("rows", pa.Table.from_pylist(rows))
    engine.replace(table, con.table("rows"), None)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBEngine]:
    """2,000 visits on each of ten days, 20,000 letters, and 20,000 members with names."""
    engine = DuckDBEngine(tmp_path / "warehouse.duckdb").open()
    numbers = range(PEOPLE)
    fill(
        engine,
        Letters,
        [{"email": email(number), "letter": random_text(number)} for number in numbers],
    )
    fill(
        engine,
        Members,
        [{"visitor_id": visitor(number), "first_name": name(number)} for number in numbers],
    )
    visits: list[dict[str, object]] = [
        {"visit_date": FIRST + timedelta(days=number % 10), "visitor_id": visitor(number)}
        for number in numbers
    ]
    fill(engine, Visits, visits)
    yield engine
    engine.close()


def published(warehouse: DuckDBEngine, folder: Path, *, is_rewritten: bool = False) -> Snapshot:
    return publish_snapshot(warehouse, folder, PUBLISHED, {}, "run-1", is_rewritten=is_rewritten)


def rows_in(path: Path) -> dict[str, list[tuple[object, ...]]]:
    engine = DuckDBEngine(path, read_only=True).open()
    try:
        return {table.name: stored(engine, table) for table in PUBLISHED}
    finally:
        engine.close()


def traces(path: Path) -> list[str]:
    """Return what a file has of the first, the last and every hundredth letter and name."""
    content = path.read_bytes()
    looked_for = {0, PEOPLE - 1, *range(0, PEOPLE, 100)}
    texts = [form(number) for number in looked_for for form in (email, name)]
    return [each for each in texts if each[:8].encode() in content]


@pytest.mark.slow
def test_a_copy_of_blocks_has_the_rows_of_the_tables_and_no_byte_of_others(
    warehouse: DuckDBEngine, tmp_path: Path
) -> None:
    copied = published(warehouse, tmp_path / "copied")
    written = published(warehouse, tmp_path / "written", is_rewritten=True)
    assert copied.data_version == written.data_version
    assert copied.written_row_count == written.written_row_count == 2 * PEOPLE
    of_copy, of_rows = tmp_path / "copied" / copied.file, tmp_path / "written" / written.file
    assert rows_in(of_copy) == rows_in(of_rows)
    assert {row[1] for row in rows_in(of_copy)["members"]} == {None}
    assert len(traces(tmp_path / "warehouse.duckdb")) >= 4
    assert traces(of_copy) == traces(of_rows) == []


@pytest.mark.slow
def test_the_next_snapshot_writes_only_the_day_that_changed(
    warehouse: DuckDBEngine, tmp_path: Path
) -> None:
    published(warehouse, tmp_path / "serving")
    warehouse.execute("DELETE FROM mart.visits WHERE starts_with(visitor_id, 'v7-')")
    after = published(warehouse, tmp_path / "serving")
    assert after.written_row_count == PEOPLE / 10 - 1
    of_visits = rows_in(tmp_path / "serving" / after.file)["visits"]
    assert of_visits == stored(warehouse, Visits)


@pytest.mark.slow
@pytest.mark.parametrize(
    "constants",
    [
        pytest.param({"ROWS_PER_BLOCK": 1, "METADATA_OF_WIDE": 1_000_000}, id="blocks stay free"),
        pytest.param({"METADATA_OF_WIDE": 1_000_000}, id="metadata stay free"),
        pytest.param({"MOST_FREE": 0.0}, id="most of the file is free"),
    ],
)
def test_what_cannot_be_overwritten_is_written_by_its_rows(
    warehouse: DuckDBEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    constants: dict[str, float],
) -> None:
    for constant, value in constants.items():
        monkeypatch.setattr(file_copy, constant, value)
    assert not warehouse.copied_file(tmp_path / "copy.duckdb", [Visits])
    snapshot = published(warehouse, tmp_path / "serving")
    assert traces(tmp_path / "serving" / snapshot.file) == []
