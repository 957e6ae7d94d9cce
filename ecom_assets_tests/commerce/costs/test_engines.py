"""Costs and profit are the same on Postgres, also where late costs change other days.

`core/warehouse/engines/test_parity.py` has them on every engine.
"""

import random
from collections.abc import Iterable
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ecom_assets.commerce.costs import profit
from ecom_assets.commerce.costs.assets import COST_ASSETS
from ecom_assets.commerce.costs.contracts import RawCosts
from ecom_assets.commerce.costs.contribution import CostRules
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.sales.contracts import Calendar, City, Customer, Item, Sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.cost_rules import (
    CommissionRule,
    OtherCostRule,
    PaymentFeeRule,
    ShippingCostRule,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import CITIES, CUSTOMER, stock_of
from ecom_assets_tests.commerce.costs.test_profit import (
    DAYS,
    FIRST,
    random_catalogue,
    random_costs,
    random_sales,
)

SECOND, THIRD = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
CITY = dict.fromkeys(City.columns, "(none)")
PLACES = [CITY | {"city_id": name, "country": name} for name in CITIES]
ITEM = {"item_name": "unknown", "item_category": "(none)"}
CALENDAR: Row = {
    **dict.fromkeys(Calendar.columns, 1),
    **dict.fromkeys(("month_start_date", "week_start_date"), FIRST),
    "is_weekend": False,
}
"""What the tables have that those of sales refer to."""
COST_RULES: Final = CostRules(
    payment_fees=(
        PaymentFeeRule(percent=Decimal("1.4"), per_order=Decimal("0.25")),
        PaymentFeeRule(percent=Decimal("2.9"), valid_from_date=SECOND, payment_method="Card"),
    ),
    shipping_costs=(
        ShippingCostRule(per_order=Decimal("4.2"), per_piece=Decimal("0.333"), country="Spain"),
        ShippingCostRule(per_order=Decimal(3), country="Spain", valid_from_date=THIRD),
    ),
    commissions=(
        CommissionRule(percent=Decimal(12), sales_channel="marketplace", valid_until_date=THIRD),
    ),
)
"""Rules of all days, and of some: from a day on, and up to one."""
RENT: Final = (
    OtherCostRule(name="Tool", per_month=Decimal("9.99")),
    OtherCostRule(name="Tool", per_month=Decimal("12.50"), valid_from_date=SECOND),
)
Tables = dict[str, list[tuple[Any, ...]]]


def hold(engine: Engine, contract: type[Table], rows: Iterable[Row], days: Days | None) -> None:
    """Let these be the rows of some days of a table, or of all of it."""
    full = [dict.fromkeys(contract.columns) | dict(row) for row in rows]
    engine.replace(contract, in_memory(full, contract), days)


def run(engine: Engine, days: Days) -> None:
    """Compute the tables of costs over some days."""
    for asset in COST_ASSETS[1:]:
        engine.ensure(asset.contract)
        tables = {name: engine.table(reads.contract) for name, reads in asset.reads.items()}
        parameters = {
            **tables,
            "warehouse": engine,
            "cost_rules": COST_RULES,
            "other_cost_rules": RENT,
        }
        output = asset.output(days, parameters, engine)
        rows, written = (
            (output.rows, output.days) if isinstance(output, SliceOutput) else (output, days)
        )
        engine.replace(asset.contract, rows, written if asset.contract.day_column else None)


def sell(engine: Engine, sales: Iterable[Row]) -> None:
    """Let these be the sales of a shop of two customers."""
    customers = [
        CUSTOMER | {"customer_id": name, "first_paid_date": FIRST} for name in ("anna", "bob")
    ]
    for contract in (City, Item, Calendar, Customer, Sales, RawCosts, RawStock):
        engine.ensure(contract)
    hold(engine, City, PLACES, None)
    hold(engine, Item, [ITEM | {"item_id": name} for name in ("hat", "sock")], None)
    hold(engine, Calendar, [CALENDAR | {"calendar_date": on} for on in DAYS.dates], DAYS)
    hold(engine, Customer, customers, None)
    hold(engine, Sales, sales, DAYS)


def filled(engine: Engine, *, in_pieces: bool) -> Tables:
    """Fill the tables of a random shop, whose costs change after a first run, and return them."""
    dice = random.Random(7)  # noqa: S311 (stories, not secrets)
    sales, first, second = random_sales(dice), random_costs(dice), random_costs(dice)
    sell(engine, sales)
    for costs in (first, second):
        hold(engine, RawCosts, costs, DAYS)
        hold(engine, RawStock, stock_of(*random_catalogue(dice)), DAYS)
        run(engine, DAYS if costs is first or not in_pieces else Days((FIRST,)))
    return stored_rows(engine)


def stored_rows(engine: Engine) -> Tables:
    """Return the rows of the tables of costs, as all engines have them."""
    return {
        asset.contract.name: sorted(
            (
                tuple(_value(row[name]) for name in asset.contract.columns)
                for row in engine.rows_of(engine.table(asset.contract))
            ),
            key=repr,
        )
        for asset in COST_ASSETS[1:]
    }


def _value(value: object) -> object:
    """Return a value as all engines have it: rates rounded, dates without a time."""
    if isinstance(value, float):
        return round(value, 9)
    return value.date() if hasattr(value, "date") and not isinstance(value, date) else value


def in_duckdb(folder: Path, *, in_pieces: bool = False) -> Tables:
    """Return the tables of the shop in DuckDB."""
    settings = Settings(home=folder, warehouse=f"duckdb://{folder / 'shop.duckdb'}")
    with closing(new_engine(settings).open()) as engine:
        return filled(engine, in_pieces=in_pieces)


def at(url: str, folder: Path) -> Tables:
    """Return the tables of the shop in a warehouse."""
    with closing(new_engine(Settings(home=folder, warehouse=url)).open()) as engine:
        return filled(engine, in_pieces=True)


@pytest.mark.slow
def test_a_late_cost_changes_days_that_no_run_names(tmp_path: Path) -> None:
    pieces, whole = tmp_path / "pieces", tmp_path / "whole"
    for folder in (pieces, whole):
        folder.mkdir()
    tables = in_duckdb(pieces, in_pieces=True)
    assert tables == in_duckdb(whole)
    assert all(tables[name] for name in ("item_costs", "profit_lines", "profit_daily"))
    assert DAYS.dates[-1] - FIRST == timedelta(days=5)


@pytest.mark.slow
def test_without_a_cost_nothing_is_computed_and_costs_that_come_and_go_change_all_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody says what anything costs; then a file does, and is taken back."""
    dice = random.Random(7)  # noqa: S311 (stories, not secrets)
    sales = [row | {"unit_cost_amount": None} for row in random_sales(dice)]
    costs = random_costs(dice)
    settings = Settings(home=tmp_path, warehouse=f"duckdb://{tmp_path / 'shop.duckdb'}")
    with closing(new_engine(settings).open()) as engine:
        sell(engine, sales)
        with monkeypatch.context() as stopped:
            stopped.setattr(profit, "profit_lines", None)
            run(engine, DAYS)
        nothing = stored_rows(engine)
        assert {name for name, rows in nothing.items() if rows} == {
            "category_profitability",  # what was sold is known
            "other_costs_daily",
        }
        hold(engine, RawCosts, costs, DAYS)
        run(engine, Days((FIRST,)))
        assert len(stored_rows(engine)["profit_lines"]) == len(sales)
        hold(engine, RawCosts, [], DAYS)
        run(engine, Days((FIRST,)))
        assert stored_rows(engine) == nothing


@pytest.mark.slow
def test_postgres_has_the_same(tmp_path: Path, postgres_warehouse: str) -> None:
    assert at(postgres_warehouse, tmp_path) == in_duckdb(tmp_path)
