"""Tables that are computed for few days at a time are those that are computed at once."""

from datetime import date
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import Batch
from ecom_assets.core.warehouse.engines.duckdb import engine as duckdb_engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets_tests.core.warehouse.engines.graph import run_everything, stored_tables
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    TWO,
    Visits,
    from_within,
    stored,
)
from ecom_sandbox.shop.shop import generate

FIRST = date(2026, 3, 27)
RANGES = [(FIRST, date(2026, 4, 1)), (date(2026, 3, 31), date(2026, 4, 1))]


def test_a_slice_in_batches_has_the_rows_of_all(tmp_path: Path) -> None:
    """Ann comes on the first of March, Bob and Eva on the second; the slice is written twice."""
    visits = [(ONE, "ann"), (TWO, "bob"), (TWO, "eva")]
    engine = DuckDBEngine(tmp_path / "warehouse.duckdb").open()
    try:
        rows = from_within(engine, *visits)
        batches = [
            Batch(rows.filter(rows.visit_date == day), Days.from_dates([day])) for day in (ONE, TWO)
        ]
        for _ in range(2):
            written = engine.replace(Visits, rows, Days.from_dates([ONE, TWO]), batches=batches)
            assert written.row_count == 3
            assert stored(engine) == visits
    finally:
        engine.close()


@pytest.mark.slow
def test_batches_of_one_day_leave_the_tables_of_whole_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all days, and once more over the last ones."""
    generate(tmp_path / "shop", days=6, visitors=150, seed=11, first_day=FIRST)
    events = str(tmp_path / "shop" / "events")
    whole = Settings(home=tmp_path / "whole", events=events)
    checks = run_everything(whole, RANGES)
    batched = Settings(home=tmp_path / "batched", events=events)
    batches: list[str] = []
    insert, of_size = DuckDBEngine._insert_batch, Days.batches  # noqa: SLF001 (which way was taken shows nowhere else)

    def counting(engine: DuckDBEngine, contract: type[Table], batch: Batch) -> int:
        batches.append(contract.qualified_name())
        return insert(engine, contract, batch)

    monkeypatch.setattr(DuckDBEngine, "_insert_batch", counting)
    monkeypatch.setattr(Days, "batches", lambda days, _size: of_size(days, 1))
    monkeypatch.setattr(duckdb_engine, "BATCHED_FROM_ROWS", 0)
    assert run_everything(batched, RANGES) == checks
    assert set(batches) == {"staging.events", "mart.session_events"}
    actual, expected = stored_tables(batched), stored_tables(whole)
    assert [name for name, rows in expected.items() if actual[name] != rows] == []


@pytest.mark.parametrize(
    ("size", "expected"), [(2, [(1, 2), (3, 5), (6,)]), (5, [(1, 2, 3, 5, 6)])]
)
def test_days_in_batches_are_all_days_in_order(size: int, expected: list[tuple[int, ...]]) -> None:
    days = Days(tuple(date(2026, 3, number) for number in (1, 2, 3, 5, 6)))
    assert [tuple(day.day for day in batch.dates) for batch in days.batches(size)] == expected
