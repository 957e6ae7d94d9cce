"""Publishing reads only the days that were written since, because each writer of a day notes it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.errors import ContractError, WarehouseError
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.day_notes import (
    Computations,
    LoadedDays,
    Writes,
    WrittenSlices,
    run_writes,
    writes_of,
)
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.core.warehouse.migration import migrate
from ecom_assets.outputs.serving.fingerprints import Fingerprint, fingerprints, state_of
from ecom_assets.outputs.serving.snapshot import Snapshot, publish_snapshot
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    THREE,
    TWO,
    Visits,
    from_outside,
    stored,
)
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.outputs.serving.published_tables import TABLES, Cities, fill, published, seen
from ecom_assets_tests.postgres_server import fresh_database

BEHIND_THE_BACK = (
    "UPDATE mart.visits SET visitor_id = 'not ' || visitor_id WHERE visit_date = DATE '2026-03-01'"
)
"""A change that the platform did not make and nobody noted: who sees it
has read the first of March.
"""


@pytest.fixture(params=["duckdb", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return f"duckdb:///{tmp_path}/source.duckdb"
    return fresh_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
def source(address: str) -> Iterator[Engine]:
    """A warehouse as the factory makes it, with two days of visits and two cities."""
    engine = new_engine(Settings(warehouse=address)).open()
    fill(engine, {ONE: ["ann", "bob"], TWO: ["eva"]}, "Riga", "Rom")
    yield engine
    engine.close()


def snapshot(source: Engine, folder: Path) -> Snapshot:
    return publish_snapshot(source, folder, TABLES, {}, "run")


def test_one_more_day_is_read_and_the_days_before_are_not(
    source: Engine, target: PostgresEngine
) -> None:
    published(source, target)
    source.execute(BEHIND_THE_BACK)
    fill(source, {THREE: ["kim"]}, "Riga", "Rom")
    assert published(source, target).written_row_counts == {"mart.visits": 1}
    assert seen(target) == (
        2,
        "2026-03-01 ann, 2026-03-01 bob, 2026-03-02 eva, 2026-03-03 kim",
        "Riga, Rom",
    )


@pytest.mark.slow
def test_a_snapshot_reads_only_days_that_were_written_since(source: Engine, tmp_path: Path) -> None:
    first = snapshot(source, tmp_path / "serving")
    source.execute(BEHIND_THE_BACK)
    assert snapshot(source, tmp_path / "serving").data_version == first.data_version
    fill(source, {THREE: ["kim"]}, "Riga", "Rom")
    assert snapshot(source, tmp_path / "serving").written_row_count == 1


@pytest.mark.slow
@pytest.mark.parametrize(("many_rows", "written"), [(4, 3), (3, 6)])
def test_where_many_rows_changed_the_snapshot_begins_as_a_copy_of_the_warehouse(
    many_rows: int, written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day with three rows changes; there are six rows."""
    monkeypatch.setattr("ecom_assets.outputs.serving.snapshot.MANY_ROWS", many_rows)
    with closing(
        new_engine(Settings(warehouse=f"duckdb:///{tmp_path}/source.duckdb")).open()
    ) as source:
        fill(source, {ONE: ["ann"], TWO: ["eva"]}, "Riga", "Rom")
        snapshot(source, tmp_path / "serving")
        fill(source, {ONE: ["ann", "bob", "kim"]}, "Riga", "Rom")
        published = snapshot(source, tmp_path / "serving")
    with closing(
        DuckDBEngine(tmp_path / "serving" / published.file, read_only=True).open()
    ) as copy:
        visits = [(ONE, "ann"), (ONE, "bob"), (ONE, "kim"), (TWO, "eva")]
        assert stored(copy) == visits
        assert stored(copy, Cities) == [("Riga",), ("Rom",)]
    assert published.written_row_count == written


def test_a_day_that_was_rewritten_with_the_same_rows_is_read_once_more(
    source: Engine, target: PostgresEngine
) -> None:
    published(source, target)
    fill(source, {ONE: ["bob", "ann"]}, "Riga", "Rom")
    assert published(source, target).written == 0
    source.execute(BEHIND_THE_BACK)
    assert published(source, target).written == 0


def test_without_notes_of_writes_every_day_is_read(source: Engine, target: PostgresEngine) -> None:
    published(source, target)
    source.execute(BEHIND_THE_BACK)
    source.notes_writes = False
    assert published(source, target).written_row_counts == {"mart.visits": 2}


def test_the_run_that_wrote_a_table_last_is_noted_whichever_of_its_days(source: Engine) -> None:
    assert run_writes(source) == {}, "what no run wrote is of none"
    source.run_id = "first"
    fill(source, {THREE: ["kim"]}, "Riga", "Ulm")
    source.run_id = "second"
    source.replace(Visits, from_outside((ONE, "ann")), Days.from_dates([ONE]))
    runs = run_writes(source)
    assert {table: run for table, (_, run) in runs.items()} == {
        "mart.visits": "second",
        "mart.cities": "first",
    }
    assert runs["mart.visits"] > runs["mart.cities"]


def test_a_write_that_fails_notes_nothing(source: Engine) -> None:
    before = writes_of(source, Visits)
    with pytest.raises(ContractError):
        source.replace(Visits, from_outside((ONE, None)), Days.from_dates([ONE]))
    assert writes_of(source, Visits) == before


def test_how_rows_were_computed_is_noted_with_them_or_not_at_all(
    source: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(run_id: str) -> None:
        source.run_id = run_id
        rows, upstream = from_outside((ONE, run_id)), {"raw.events": ["user_id"]}
        source.replace(Visits, rows, Days.from_dates([ONE]), upstream=upstream)

    def killed(_step: str) -> None:
        raise WarehouseError("killed")

    write("first")
    write("second")
    monkeypatch.setattr(source, "on_step", killed)
    with pytest.raises(WarehouseError, match="killed"):
        write("third")
    (noted,) = source.noted_rows(Computations)
    assert noted["run_id"] == run_writes(source)["mart.visits"][1] == "second"
    assert (noted["table_name"], noted["upstream_columns"]) == (
        "mart.visits",
        '{"raw.events": ["user_id"]}',
    )
    assert noted["sql"].startswith("SELECT")
    numbers = [
        row["write_number"]
        for row in source.noted_rows(WrittenSlices)
        if row["table_name"] == "mart.visits"
    ]
    assert sorted(numbers) == [1, 3], "the first of March was written three times, the second once"


def test_what_is_there_is_asked_once(
    source: Engine, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two tables: one statement for their columns, one for their rows, one for their writes,
    one for their fingerprints.
    """
    source.close()
    reader = new_engine(Settings(warehouse=address)).open()
    asked: list[str] = []
    query, get_schema = reader.query, reader.con.get_schema

    def noted(sql: str) -> list[Row]:
        asked.append(sql)
        return query(sql)

    def described(name: str, **where: str) -> Any:
        asked.append(name)
        return get_schema(name, **where)

    monkeypatch.setattr(reader, "query", noted)
    monkeypatch.setattr(reader.con, "get_schema", described)
    tables: tuple[type[Table], ...] = (*TABLES, WrittenSlices, *TABLES)
    for contract in tables:
        reader.ensure(contract)
        assert reader.has(contract)
        assert [*reader.table(contract).columns] == [*contract.columns]
    assert len(asked) == 1
    assert reader.row_counts(TABLES) == {"mart.visits": 3, "mart.cities": 2}
    assert len(asked) == 2
    state = state_of(reader, TABLES, {})
    assert len(asked) == 4
    assert state == {table.qualified_name(): fingerprints(reader, table) for table in TABLES}
    loaded = LoadedDays(reader)
    days = Days.from_dates([ONE, TWO, THREE])
    before = loaded.among(Visits, days)
    del asked[:]
    assert loaded.among(Visits, days) == before == Days((ONE, TWO))
    assert asked == []
    reader.close()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["cleared", "dropped", "migrated"])
def test_emptied_dropped_or_migrated_tables_are_read_whole(
    source: Engine, target: PostgresEngine, change: str
) -> None:
    published(source, target)
    if change == "cleared":
        source.clear([Visits])
    elif change == "dropped":
        source.drop(Visits)
    else:
        _lose_a_column(source)
    source.replace(Visits, from_outside((THREE, "kim")), Days.from_dates([THREE]))
    published(source, target)
    kept = "2026-03-01 ann, 2026-03-01 bob, 2026-03-02 eva, " if change == "migrated" else ""
    assert seen(target) == (2, f"{kept}2026-03-03 kim", "Riga, Rom")


def _lose_a_column(source: Engine) -> None:
    """Give the table a column that its contract has not, and bring it back to its contract."""
    source.execute("ALTER TABLE mart.visits ADD COLUMN extra integer")
    migrate(source, Visits)


def test_a_column_that_a_contract_gained_is_a_change_of_every_day(source: Engine) -> None:
    grown = type(
        "Visits",
        (Visits,),
        {"__doc__": Visits.__doc__, "name": "visits", "city": text("C", nullable=True)},
    )
    assert writes_of(source, grown).version(ONE) != writes_of(source, Visits).version(ONE)


def test_an_earlier_release_noted_no_versions(source: Engine, target: PostgresEngine) -> None:
    published(source, target)
    target.execute("ALTER TABLE mart.published_slices DROP COLUMN version")
    fill(source, {ONE: ["kim"]}, "Riga", "Rom")
    assert published(source, target).written_row_counts == {"mart.visits": 1}


def test_the_newest_write_that_covers_a_day_is_its_version() -> None:
    writes = Writes([(TWO, THREE, "third"), (ONE, THREE, "second"), (date.min, date.max, "first")])
    assert [writes.version(day) for day in (ONE, TWO, THREE, None)] == [
        "second",
        "third",
        "first",
        "third",
    ]
    assert Writes().version(ONE) == ""


DAYS = st.sets(st.integers(0, 9), min_size=1).map(
    lambda found: Days.from_dates(ONE + timedelta(days=n) for n in found)
)


@examples(40)
@given(st.lists(st.tuples(DAYS | st.none(), st.integers(0, 2)), max_size=8))
def test_fingerprints_from_notes_are_those_of_all_rows_whatever_happened(
    plan: list[tuple[Days | None, int]],
) -> None:
    """Each write puts 0, 1 or 2 visitors on its days, or on the second of March where it
    replaces the whole table.
    """
    engine = _in_memory()
    noted: dict[str, Fingerprint] = {}
    for days, count in plan:
        rows = [(day, f"v{n}") for day in (days.dates if days else [TWO]) for n in range(count)]
        engine.replace(Visits, from_outside(*rows), days)
        noted = fingerprints(engine, Visits, noted)
        assert noted == fingerprints(engine, Visits)
    is_noted = engine.has(WrittenSlices) and engine.row_count(WrittenSlices) > 0
    assert is_noted == any(count for _, count in plan), "a write that changes no row is none"
    engine.close()


def _in_memory() -> DuckDBEngine:
    engine = DuckDBEngine(Path("never_created.duckdb")).noting_writes()
    engine.con = connect()
    for contract in (Visits, Cities):
        engine.ensure(contract)
    return engine
