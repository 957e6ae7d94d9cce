"""Foreign keys of the star schema on Postgres: there, kept by every write,
and never in the way of one.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from ecom_assets.commerce.sales import contracts
from ecom_assets.core.errors import ContractError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.migration import migrate
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.builders import order_line
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=2))
HAT = order_line("a", MONDAY, "anna")
SHOE = order_line("b", MONDAY + timedelta(days=1), "ben", item_id="8", city_id="2")
STAR = (contracts.City, contracts.Item, contracts.Customer, contracts.Calendar, contracts.Sales)
FACTS = (*STAR, contracts.ProductSalesDaily)


@pytest.fixture
def engine(postgres_url: str) -> Iterator[PostgresEngine]:
    opened = PostgresEngine(Settings(warehouse=postgres_url)).open()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shop() -> Iterator[OrderPlatform]:
    platform = OrderPlatform()
    yield platform
    platform.close()


def write(
    engine: PostgresEngine,
    shop: OrderPlatform,
    tables: tuple[type[Table], ...],
    *lines: dict[str, object],
) -> None:
    """Let a shop have these order lines, and write its tables as its assets do."""
    shop.receive(lines, DAYS)
    shop.run(DAYS)
    for contract in tables:
        engine.replace(contract, shop.table(contract), DAYS if contract.day_column else None)


def lines_of(engine: PostgresEngine) -> list[str]:
    return sorted(row["uniq_id"] for row in engine.query("SELECT uniq_id FROM mart.sales"))


def references(engine: PostgresEngine) -> set[str]:
    actual = engine.query(
        "SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) AS said FROM "
        "pg_constraint WHERE contype = 'f'"
    )
    return {row["said"].removesuffix(" NOT VALID") for row in actual}


STAR_REFERENCES = {
    f"mart.{table} FOREIGN KEY ({column}) REFERENCES "
    f"mart.{target} DEFERRABLE INITIALLY DEFERRED".replace(
        f"mart.{target} ", f"mart.{target}({key}) "
    )
    for table, column, target, key in [
        ("customer", "city_id", "city", "city_id"),
        ("sales", "order_date", "calendar", "calendar_date"),
        ("sales", "customer_id", "customer", "customer_id"),
        ("sales", "city_id", "city", "city_id"),
        ("sales", "item_id", "item", "item_id"),
        ("product_sales_daily", "order_date", "calendar", "calendar_date"),
        ("product_sales_daily", "item_id", "item", "item_id"),
    ]
}


@pytest.mark.slow
def test_the_star_schema_has_its_foreign_keys(engine: PostgresEngine, shop: OrderPlatform) -> None:
    write(engine, shop, FACTS, HAT, SHOE)
    assert references(engine) == STAR_REFERENCES
    write(engine, shop, FACTS, HAT, SHOE)
    assert lines_of(engine) == ["a", "b"]


@pytest.mark.slow
def test_a_fact_of_nobody_is_refused(engine: PostgresEngine, shop: OrderPlatform) -> None:
    write(engine, shop, FACTS, HAT)
    with pytest.raises(
        ContractError, match=r"violates foreign key constraint .*; the old rows were kept"
    ):
        write(engine, shop, (contracts.Sales,), HAT, SHOE)
    assert lines_of(engine) == ["a"]


@pytest.mark.slow
def test_a_line_that_is_no_more_takes_its_dimensions_along(
    engine: PostgresEngine, shop: OrderPlatform
) -> None:
    write(engine, shop, FACTS, HAT, SHOE)
    write(engine, shop, STAR[:1], HAT)
    assert lines_of(engine) == ["a"], "its city is gone, and its sale would follow in the same run"
    write(engine, shop, FACTS, HAT)
    assert lines_of(engine) == ["a"]


@pytest.mark.slow
def test_a_table_that_is_migrated_is_still_referred_to(
    engine: PostgresEngine, shop: OrderPlatform
) -> None:
    write(engine, shop, FACTS, HAT, SHOE)
    engine.execute("ALTER TABLE mart.city ADD COLUMN surplus text")
    migrate(engine, contracts.City)
    assert references(engine) == STAR_REFERENCES
    with pytest.raises(ContractError, match="violates foreign key"):
        engine.execute("DELETE FROM mart.city")


def test_a_key_of_another_table_is_of_its_type_and_comes_after_it() -> None:
    for contract in ALL:
        for column, target in contract.references:
            (key,) = target.key
            assert contract.columns[column].type == target.columns[key].type
            assert ALL.index(target) < ALL.index(contract)
