"""What the embedded engine does by itself: its file, its memory, its words for faults."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ecom_assets.core.errors import ContractError, WarehouseError
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse import local as embedded
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets_tests.core.warehouse.engines.visits_table import ONE, Visits, grown, stored

VISIT = "struct<visit_date: date, visitor_id: string>"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine(tmp_path / "warehouse.duckdb").open()
    yield opened
    opened.close()


def visits(*rows: tuple[date, str | None]) -> ir.Table:
    """Return rows of visits as an expression that needs no table, as assets give expressions."""
    structs = [{"visit_date": a_day, "visitor_id": who} for a_day, who in rows]
    return (
        ibis.literal(structs, type=f"array<{VISIT}>")
        .unnest()
        .name("visit")
        .as_table()
        .unpack("visit")
    )


def test_an_insert_that_fails_keeps_the_old_slice(engine: DuckDBEngine) -> None:
    engine.replace(Visits, visits((ONE, "ann")), Days((ONE,)))
    broken = visits((ONE, "bob")).mutate(
        visitor_id=ibis.literal("no number").cast("int64").cast("string")
    )
    with pytest.raises(WarehouseError, match=r"Conversion Error.*nothing was changed"):
        engine.replace(Visits, broken, Days((ONE,)))
    assert stored(engine) == [(ONE, "ann")]
    engine.replace(Visits, visits((ONE, "eva")), Days((ONE,)))
    assert stored(engine) == [(ONE, "eva")], "the engine goes on after a failure"


@pytest.mark.slow
def test_a_mart_lies_in_the_order_of_its_days(engine: DuckDBEngine) -> None:
    """Three days that come mixed, ten blocks of them: a reader of one day
    needs a third of the blocks.
    """
    numbers = ibis.range(10 * 122_880).unnest().name("n").as_table()
    mixed = numbers.select(
        visit_date=ibis.literal(ONE) + (numbers.n % 3).as_interval("D"),
        visitor_id=numbers.n.cast("string"),
    )
    engine.replace(Visits, mixed.mutate(visit_date=mixed.visit_date.cast("date")), None)
    blocks = engine.query(
        "SELECT rowid // 122880 AS block, count(DISTINCT visit_date) AS days FROM mart.visits "
        "GROUP BY block"
    )
    assert len(blocks) == 10
    assert sum(block["days"] for block in blocks) == 12, (
        "two blocks have the end of a day and the next day's begin"
    )


def test_a_missing_value_breaks_the_contract_in_a_sentence(engine: DuckDBEngine) -> None:
    engine.replace(Visits, visits((ONE, "ann")), Days((ONE,)))
    with pytest.raises(
        ContractError, match=r"NOT NULL constraint failed: visits.visitor_id.*old rows were kept"
    ):
        engine.replace(Visits, visits((ONE, None)), Days((ONE,)))
    assert stored(engine) == [(ONE, "ann")]


def test_columns_other_than_the_contract_s_are_refused(engine: DuckDBEngine) -> None:
    with pytest.raises(
        ContractError, match=r"mart.visits was computed without \['visitor_id'\] and with \['who'\]"
    ):
        engine.replace(Visits, visits((ONE, "ann")).rename(who="visitor_id"), Days((ONE,)))


def test_clearing_empties_the_tables_that_exist(engine: DuckDBEngine) -> None:
    engine.replace(Visits, visits((ONE, "ann")), Days((ONE,)))
    other = grown(name="others")
    engine.clear([Visits, other])
    assert stored(engine) == []
    assert not engine.has(other)


def test_two_that_create_the_file_at_once_end_with_one_file(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    code = f"from pathlib import Path; from {DuckDBEngine.__module__} import DuckDBEngine; "
    other = f"{code}DuckDBEngine(Path({str(path)!r})).open().close()"
    slow = DuckDBEngine(path)

    def let_the_other_be_faster(_step: str) -> None:
        subprocess.run([sys.executable, "-c", other], check=True)

    slow.on_step = let_the_other_be_faster
    slow.open().close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["warehouse.duckdb"]


def test_what_a_killed_process_left_while_it_created_the_file_is_removed(tmp_path: Path) -> None:
    dead, alive = tmp_path / "warehouse.duckdb.new-4194305", tmp_path / "warehouse.duckdb.new-1"
    dead.touch()
    alive.touch()
    DuckDBEngine(tmp_path / "warehouse.duckdb").open().close()
    assert not dead.exists()
    assert alive.exists()


def test_a_folder_may_have_a_quote_in_its_name(tmp_path: Path) -> None:
    """The engine is given the folder to spill to in SQL."""
    engine = DuckDBEngine(tmp_path / "Ann's shop" / "warehouse.duckdb", memory_limit="300MB").open()
    (row,) = engine.query("SELECT current_setting('temp_directory') AS spill")
    engine.close()
    assert row["spill"] == str(tmp_path / "Ann's shop" / "warehouse.duckdb.tmp")


def test_a_path_with_lock_in_its_name_is_no_lock(tmp_path: Path) -> None:
    folder = tmp_path / "could not set block"
    (folder / "warehouse.duckdb").mkdir(parents=True)
    with pytest.raises(
        WarehouseError, match="cannot be opened: IO Error: Could not read from file"
    ):
        DuckDBEngine(folder / "warehouse.duckdb").open()


def test_an_engine_that_was_never_opened_may_be_closed(tmp_path: Path) -> None:
    DuckDBEngine(tmp_path / "warehouse.duckdb").close()


def test_too_little_memory_is_said_with_the_setting_that_mends_it(engine: DuckDBEngine) -> None:
    engine.execute("SET memory_limit = '20MB'")
    engine.execute("SET max_temp_directory_size = '0B'")
    with pytest.raises(WarehouseError, match="set ECOM_MEMORY_LIMIT higher"):
        engine.execute(
            "CREATE TABLE big AS SELECT range AS i, md5(range::VARCHAR) AS s FROM range(3000000) "
            "ORDER BY s"
        )


def test_the_adapter_to_ibis_is_still_needed() -> None:
    """Remove `adapt_duckdb_2_to_ibis_12`, and this test, on the day that it fails."""
    names = [name for name in vars(duckdb.DuckDBPyConnection) if name.startswith("fetch_")]
    unadapted = (
        "import duckdb; print([n for n in dir(duckdb.DuckDBPyConnection) if n == "
        "'fetch_record_batch'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", unadapted], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]", "DuckDB has the name itself again"
    assert ibis.__version__ == "12.0.0", (
        "see whether this release of Ibis calls DuckDB 2's own names"
    )
    assert "fetch_record_batch" in names
    assert embedded.connect().sql("SELECT 1 AS one").to_pyarrow().to_pylist() == [{"one": 1}]


def test_tables_in_memory_share_no_names_and_are_in_utc() -> None:
    first, second = (
        embedded.arrow_in_memory("visits", pa.table({"visit_count": [number]})) for number in (1, 2)
    )
    assert [rows_of(table) for table in (first, second)] == [
        [{"visit_count": 1}],
        [{"visit_count": 2}],
    ]
    con = first.get_backend().con
    assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
