"""Every engine finds the same purchases of one order."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import DuplicateEvents, RawEvents
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.events.copies_reference import events_of
from ecom_assets_tests.behaviour.events.test_same_order import repeats, sale
from ecom_assets_tests.builders import DAY_ONE, Row, at
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    on_one_worker_each,
    opened,
    settings_of,
)

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=22))


def rows() -> list[Row]:
    """Return 72 purchases of two orders, of all that decides which of them count."""
    made = []
    for number in range(72):
        event_day = number * 5 % 14
        received_date = DAY_ONE + timedelta(days=event_day + (0, 0, 1, 7)[number % 4])
        row = sale(
            f"e{number:02}",
            f"+{event_day} {('09:00', '09:30', '10:00')[number % 3]}",
            ("o-1", "#o-1", "o-2", "null", None)[number % 5],
            user_id=("anna", "ben", None)[number // 2 % 3],
            anonymous_id=("phone", "desk", None)[number // 3 % 3],
            session_id="s",
            amount=("20.00", "20.00", "0.50")[number // 5 % 3],
            sent_by=(None, "key:1", "public-key:2")[number // 7 % 3],
            received_date=received_date,
            source_file=f"{number}.csv",
        )
        if number % 2:
            row["received_at"] = at("11:00", received_date)
        made.append(row)
    return made


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp(request.param)
    engine = opened(settings_of(request.param, request, home))
    yield engine
    engine.close()


def receive(engine: Engine, received: list[Row]) -> None:
    engine.drop(RawEvents)
    table = pa.Table.from_pylist(received, schema=arrow_schema_of(RawEvents))
    outside = connect()
    outside.con.register("received", table)
    engine.replace(RawEvents, outside.table("received"), DAYS)


@pytest.mark.slow
def test_every_engine_leaves_out_the_same_purchases(engine: Engine) -> None:
    received = rows()
    receive(engine, received)
    found: list[dict[str, Any]] = engine.rows_of(
        clean.duplicate_events(engine.table(RawEvents), CleaningRule(), DAYS)
    )
    # `#o-1` is `o-1`.
    plain = [
        row | {"properties": (row["properties"] or "").replace("#", "") or None} for row in received
    ]
    expected = [row["event_id"] for row in plain if any(repeats(row, other) for other in plain)]
    assert len(expected) > 10
    assert sorted(row["event_id"] for row in found) == expected
    assert {row["surplus_count"] for row in found} == {1}
    assert {row["has_kept_copy"] for row in found} == {False}
    assert {*found[0]} == {*DuplicateEvents.columns}


def copies_of_orders() -> list[Row]:
    """Return 60 purchases of three orders and of none in sessions, under two ids."""
    made = []
    for number in range(60):
        event_day = number * 5 % 14
        received_date = DAY_ONE + timedelta(days=event_day + (0, 0, 1, 7)[number % 4])
        row = sale(
            ("a", "b", "a~0123456789abcdef")[number % 3],
            f"+{event_day} 09:00",
            ("o-1", "o-2", "o-3", None)[number // 3 % 4],
            user_id=None,
            session_id=("anna", "ben")[number // 7 % 2],
            sent_by=(None, "key:1", "public-key:2")[number // 5 % 3],
            received_date=received_date,
            source_file=f"{number}.csv",
        )
        if number % 2:
            row["received_at"] = at("11:00", received_date)
        made.append(row)
    return made


@pytest.mark.slow
def test_every_engine_tells_copies_that_name_other_orders_apart(engine: Engine) -> None:
    received = copies_of_orders()
    receive(engine, received)
    raw, rule = engine.table(RawEvents), CleaningRule()
    engine.drop(DuplicateEvents)
    engine.replace(DuplicateEvents, clean.duplicate_events(raw, rule, DAYS), DAYS)
    copies = clean.clean_copies(raw, rule, DAYS)
    unique = clean.unique_copies(copies, engine.table(DuplicateEvents))
    found = engine.rows_of(unique.select("event_id", "event_date", "properties"))
    expected = [(event_id, day, row["properties"]) for event_id, day, row in events_of(received)]
    assert sorted((*map(str, row.values()),) for row in found) == sorted(
        (*map(str, event),) for event in expected
    )
    orders = {(event_id[:1], row["properties"]) for event_id, _, row in events_of(received)}
    assert len(orders) == 8, "of each id, three orders and purchases without one"


def test_a_machine_with_little_memory_finds_them_too(tmp_path: Path) -> None:
    """With joins of the values of lists, DuckDB takes more than 100 MB for 60 rows; 40 do."""
    with closing(DuckDBEngine(tmp_path / "shop.duckdb", memory_limit="80MB").open()) as engine:
        receive(engine, copies_of_orders())
        found = clean.duplicate_events(engine.table(RawEvents), CleaningRule(), DAYS)
        assert engine.replace(DuplicateEvents, found, DAYS).row_count > 10
