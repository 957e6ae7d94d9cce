"""The view of popular and profitable categories: beside its table on each engine that has views,
and beside what is published of it.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.commerce.costs.contracts import CategoryProfitability, RawCosts
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.migration import migrate
from ecom_assets.outputs.serving.postgres import publish
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import cost, sale
from ecom_assets_tests.commerce.costs.test_engines import hold, run, sell
from ecom_assets_tests.commerce.costs.test_profit import DAYS, FIRST

NEXT_WEEK = FIRST + timedelta(days=5)
SALES = [
    sale("a-1", str(FIRST), "hat", "1", "100", item_category="hats"),
    sale("b-1", str(NEXT_WEEK), "hat", "1", "80", customer="bob", item_category="hats"),
    sale("c-1", str(NEXT_WEEK), "sock", "2", "20"),
]
"""Two orders of hats in two weeks, and one of socks, which have no category."""
WITHOUT_COSTS = [("hats", 2, 180, None, None, 1), ("sock", 1, 20, None, None, 2)]
WITH_COSTS = [("hats", 2, 180, -20, 1, 1), ("sock", 1, 20, None, None, 2)]
"""A hat costs 100: category, orders, net sales, gross profit, place by profit and by orders."""


def ranking(engine: Engine) -> list[tuple[object, ...]]:
    """Return what the view has."""
    columns = (
        "item_category, order_count, revenue_amount, gross_profit_amount, profit_rank, "
        "popularity_rank"
    )
    rows = engine.query(f"SELECT {columns} FROM mart.category_ranking ORDER BY popularity_rank")
    return [tuple(map(_number, row.values())) for row in rows]


def _number(value: object) -> object:
    return int(value) if isinstance(value, Decimal) else value


def sell_and_run(engine: Engine, *costs: Row) -> None:
    """Fill the tables of the shop."""
    sell(engine, SALES)
    for contract, rows in ((RawCosts, costs), (RawStock, ())):
        hold(engine, contract, rows, DAYS)
    run(engine, DAYS)


@pytest.fixture(params=["duckdb", "postgres"])
def engine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An empty warehouse."""
    url = f"duckdb://{tmp_path / 'shop.duckdb'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    with closing(new_engine(Settings(home=tmp_path, warehouse=url)).open()) as opened:
        yield opened


@pytest.mark.slow
def test_a_view_ranks_categories_with_costs_and_without_and_stays(engine: Engine) -> None:
    sell_and_run(engine)
    assert ranking(engine) == WITHOUT_COSTS
    engine.purge([CategoryProfitability])
    migrate(engine, CategoryProfitability)
    sell_and_run(engine, cost("hat", "100", "2026-01-01"))
    assert ranking(engine) == WITH_COSTS


@pytest.mark.slow
def test_it_is_published_beside_its_table_and_a_view_of_others_is_left_alone(
    tmp_path: Path, postgres_url: str
) -> None:
    settings = Settings(home=tmp_path, warehouse=f"duckdb://{tmp_path / 'shop.duckdb'}")
    target = PostgresEngine(Settings(home=tmp_path, warehouse=postgres_url))
    with closing(new_engine(settings).open()) as source, closing(target.open()):
        sell_and_run(source)
        publish(source, target, [CategoryProfitability], "run-1")
        assert ranking(target) == WITHOUT_COSTS
        target.execute("DROP VIEW mart.category_ranking")
        target.execute("CREATE VIEW mart.category_ranking AS SELECT 1 AS mine")
        sell_and_run(source, cost("hat", "100", "2026-01-01"))
        publish(source, target, [CategoryProfitability], "run-2")
        assert target.query("SELECT * FROM mart.category_ranking") == [{"mine": 1}]
