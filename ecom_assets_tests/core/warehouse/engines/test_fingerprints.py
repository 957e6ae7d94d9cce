"""The fingerprint of a day's rows changes with every change of them, and with nothing else,
on every engine.
"""

from collections.abc import Iterator

import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ecom_assets.core.tables.contract import Column, Table, amount, day, flag, instant, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.serving.fingerprints import WHOLE, fingerprints
from ecom_assets_tests.builders import DAY_ONE, Row, at
from ecom_assets_tests.core.warehouse.engines.visits_table import ONE, TWO, Visits, from_outside
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    on_one_worker_each,
    opened,
    settings_of,
)


class Orders(Table):
    """One row per order."""

    layer = "mart"
    key = ("order_id",)

    order_id = text("Which")
    city = text("Where to", nullable=True)
    shop = text("Where from", nullable=True)
    ordered_at = instant("When", nullable=True)
    paid_date = day("When paid", nullable=True)
    paid_amount = amount("How much", nullable=True)
    weight_kg = Column("float64", "Weight", nullable=True)
    item_count = Column("int64", "Items", nullable=True)
    is_gift = flag("Whether a gift")


ORDER: Row = {
    "order_id": "o-1",
    "city": "Riga",
    "shop": "Rom",
    "ordered_at": at("09:00:00.000001"),
    "paid_date": DAY_ONE,
    "paid_amount": "19.90",
    "weight_kg": 0.1,
    "item_count": 3,
    "is_gift": False,
}
OTHERS: list[Row] = [
    {"city": "Rom", "shop": "Riga"},
    {"city": "RigaR", "shop": "om"},
    {"city": None},
    {"city": None, "shop": "Riga"},
    {"shop": None},
    {"city": "Riga", "shop": "Riga"},
    {"city": None, "shop": None},
    {"city": ""},
    {"ordered_at": at("09:00:00.000002")},
    {"ordered_at": None},
    {"paid_date": ONE},
    {"paid_amount": "19.91"},
    {"paid_amount": None},
    {"weight_kg": 0.1 + 2**-54},
    {"weight_kg": None},
    {"item_count": 4},
    {"is_gift": True},
]


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    engine = opened(settings_of(request.param, request, tmp_path_factory.mktemp(request.param)))
    yield engine
    engine.close()


def orders(*rows: Row) -> ir.Table:
    """Return orders as rows of another database."""
    schema = schema_of(Orders).to_pyarrow()
    text_amounts = pa.schema(
        [field.with_type(pa.string()) if field.name == "paid_amount" else field for field in schema]
    )
    con = connect()
    con.con.register("orders", pa.Table.from_pylist(list(rows), schema=text_amounts))
    return con.table("orders")


def fingerprint(engine: Engine, *rows: Row) -> tuple[int, str]:
    engine.replace(Orders, orders(*rows), None)
    actual = fingerprints(engine, Orders)
    assert list(actual) == [WHOLE]
    return actual[WHOLE].row_count, actual[WHOLE].hash_sum


@pytest.mark.slow
def test_every_value_counts_and_the_order_of_rows_does_not(engine: Engine) -> None:
    second = {**ORDER, "order_id": "o-2", "city": "Oslo"}
    answer = fingerprint(engine, ORDER, second)
    assert fingerprint(engine, second, ORDER) == answer
    actual = [fingerprint(engine, {**ORDER, **other}, second) for other in OTHERS]
    same = [other for other, value in zip(OTHERS, actual, strict=True) if value == answer]
    assert same == []
    assert len(set(actual)) == len(OTHERS)
    assert fingerprint(engine) == (0, "0")


def test_days_have_their_own_fingerprints(engine: Engine) -> None:
    engine.replace(Visits, from_outside((ONE, "ann"), (ONE, "bob"), (TWO, "eva")), None)
    before = fingerprints(engine, Visits)
    assert {name: value.row_count for name, value in before.items()} == {
        "2026-03-01": 2,
        "2026-03-02": 1,
    }
    engine.replace(Visits, from_outside((TWO, "kim")), Days((TWO,)))
    after = fingerprints(engine, Visits)
    assert [after[name] == before[name] for name in sorted(before)] == [True, False]
