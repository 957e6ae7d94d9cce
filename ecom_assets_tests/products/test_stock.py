"""Whose stock needs attention, by story. Not here: where stock comes from (`sources/test_stock_source.py`)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from ecom_assets.errors import DefinitionError
from ecom_assets.products import stock as inventory
from ecom_assets.products.contracts import ProductPerformance
from ecom_assets.products.stock import InventoryRule
from ecom_assets.sources.stock import stock_rows
from ecom_assets.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, as_table

ONE_DAY = timedelta(days=1)
LAST = DAY_ONE + 200 * ONE_DAY
"""The day that the stock is of."""


@cache
def warehouse() -> Backend:
    """A DuckDB in memory whose tables the tests exchange."""
    con = connect()
    con.con.register("stock", stock_rows((), LAST, "test").to_pyarrow())
    con.con.register("products", as_table([], ProductPerformance))
    return con


@cache
def alerts_sql() -> str:
    """Compile once."""
    con = warehouse()
    return str(con.compile(inventory.inventory_alerts(con.table("stock"), con.table("products"), InventoryRule())))


def alerts(
    sold: Mapping[str, Mapping[int, int]], *lines: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()
) -> dict[str, tuple[Any, ...]]:
    """Return alerts where items were sold so many days before the stock's day."""
    answer = [
        {"event_date": LAST - ago * ONE_DAY, "product_id": product, "sold_item_count": count}
        for product, counts in sold.items()
        for ago, count in counts.items()
    ]
    stock = [
        stock_rows(reported_then, day, "test").to_pyarrow()
        for reported_then, day in ((earlier, DAY_ONE), (lines, LAST))
    ]
    con = warehouse().con
    con.register("products", as_table(answer, ProductPerformance))
    con.register("stock", pa.concat_tables(stock))
    actual = con.sql(alerts_sql()).to_arrow_table().to_pylist()
    return {row["product_id"]: (row["alert"], row["days_of_cover"]) for row in actual}


LONG_AGO = {"ancient": {199: 1}}
"""So that sales reach back far enough to show what sells no more."""


def test_who_has_none_left_is_out_of_stock_below_zero_too() -> None:
    actual = alerts(LONG_AGO, {"product_id": "a", "stock": 0}, {"product_id": "b", "stock": "-3"})
    assert actual == {"a": ("out_of_stock", None), "b": ("out_of_stock", None)}


def test_stock_is_low_below_the_reorder_point() -> None:
    lines = [{"product_id": f"{n}", "stock": n, "reorder_point": 5} for n in (4, 5)]
    assert alerts({"4": {0: 1}, "5": {0: 1}}, *lines) == {"4": ("low", 4.0)}


def test_stock_is_low_if_it_lasts_less_long_than_a_delivery_takes() -> None:
    # 56 in 28 days are two a day: 14 last a week.
    lines = [{"product_id": f"{n}", "stock": 14, "lead_time_days": n} for n in (7, 8)]
    sold = {"7": {27: 56}, "8": {27: 56}}
    assert alerts(sold, *lines) == {"8": ("low", 7.0)}


def test_stock_that_lasts_more_than_180_days_is_too_much() -> None:
    # 28 in 28 days are one a day.
    lines = [{"product_id": f"{n}", "stock": n} for n in (180, 181)]
    sold = {"180": {27: 28}, "181": {0: 28}, **LONG_AGO}
    assert alerts(sold, *lines) == {"181": ("overstock", 181.0)}


def test_what_was_not_sold_in_90_days_is_dead() -> None:
    sold = {"89": {89: 1}, "90": {90: 1}, **LONG_AGO}
    lines = [{"product_id": name, "stock": 1} for name in ("89", "90", "never")]
    assert alerts(sold, *lines) == {"90": ("dead", None), "never": ("dead", None)}


@pytest.mark.parametrize(("first", "dead"), [(88, False), (89, True)])
def test_nothing_is_dead_while_sales_reach_back_less_than_90_days(first: int, *, dead: bool) -> None:
    assert bool(alerts({"other": {first: 1}}, {"product_id": "never", "stock": 1})) is dead


def test_where_sales_reach_back_ten_days_the_mean_is_of_ten() -> None:
    actual = alerts({"a": {9: 5, 0: 5}}, {"product_id": "a", "stock": 3, "lead_time_days": 4})
    assert actual == {"a": ("low", 3.0)}


def test_sales_after_the_stock_s_day_do_not_count() -> None:
    assert alerts({"a": {-1: 100}}, {"product_id": "a", "stock": 1, "lead_time_days": 9}) == {}


def test_of_several_lines_the_last_good_one_counts_and_only_the_newest_day() -> None:
    old = [{"product_id": "old", "stock": 0}]
    lines: list[Row] = [
        {"product_id": "a", "stock": 0},
        {"product_id": "a", "stock": 5},
        {"product_id": "a", "stock": "many"},
    ]
    assert alerts({"a": {0: 1}}, *lines, {"product_id": "b", "stock": 0}, earlier=old) == {"b": ("out_of_stock", None)}


def test_without_stock_there_are_no_alerts() -> None:
    assert alerts({"a": {0: 1}}) == {}


def test_a_rule_of_no_days_is_refused() -> None:
    with pytest.raises(DefinitionError, match="dead_days of 0 says nothing about stock; give 1 or more"):
        InventoryRule(dead_days=0)
