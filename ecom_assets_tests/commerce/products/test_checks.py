"""The checks about journeys, searches, products and stock: good rows pass,
and the one wrong row is found.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ecom_assets.behaviour.journeys.checks import JOURNEY_CHECKS
from ecom_assets.behaviour.journeys.contracts import (
    CategoryPerformance,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
)
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.products.checks import PRODUCT_CHECKS
from ecom_assets.commerce.products.contracts import InventoryAlerts, ProductPerformance, RawStock
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.stock import stock_rows
from ecom_assets_tests.builders import DAY_ONE, as_table
from ecom_assets_tests.each import each

Rows = Sequence[Mapping[str, Any]]
DAYS = Days((DAY_ONE,))
LATER = DAY_ONE + timedelta(days=5)
CHECKS = {check.name: check for check in (*JOURNEY_CHECKS, *PRODUCT_CHECKS)}
SHARED: dict[str, Any] = {
    "started_date": DAY_ONE,
    "event_date": DAY_ONE,
    "order_date": DAY_ONE,
    "as_of_date": DAY_ONE,
}


def journey(dimension: str, step_count: int) -> dict[str, Any]:
    return {"dimension": dimension, "step_count": step_count}


def step(
    from_step: str, to_step: str, dimension: str = "page_type", count: int = 1
) -> dict[str, Any]:
    return {
        "dimension": dimension,
        "from_step": from_step,
        "to_step": to_step,
        "transition_count": count,
    }


GOOD: dict[type[Table], Rows] = {
    Sessions: [
        {
            "search_count": 2,
            "category_view_count": 1,
            "product_view_count": 1,
            "add_to_cart_count": 1,
        }
    ],
    Journeys: [journey("page_type", 1), journey("category", 0)],
    JourneyTransitions: [
        step("(start)", "page_view"),
        step("page_view", "(exit)"),
        step("(start)", "(exit)", "category"),
    ],
    SearchPerformance: [
        {"search_term": "a", "search_count": 1},
        {"search_term": "b", "search_count": 1},
    ],
    CategoryPerformance: [
        {"category_view_count": 1, "product_view_count": 0, "add_to_cart_count": 1}
    ],
    Sales: [
        {"quantity": 2, "revenue_amount": Decimal("10.00")},
        {"quantity": -1, "revenue_amount": Decimal("-5.00")},
    ],
    ProductPerformance: [
        {
            "sales_source": "orders",
            "sold_item_count": 2,
            "refunded_item_count": 1,
            "revenue_amount": Decimal("5.00"),
        }
    ],
    RawStock: [{"product_id": "a", "stock": 0}, {"product_id": "b", "stock": 5}],
    InventoryAlerts: [
        {"product_id": "a", "alert": "out_of_stock", "stock_count": 0},
        {"product_id": "b", "alert": "low", "stock_count": 5},
    ],
}

WRONG: dict[str, tuple[str, type[Table], Rows]] = {
    "a journey is lost": ("every_session_has_its_journeys", Journeys, [journey("page_type", 1)]),
    "a day's journeys are lost": ("every_session_has_its_journeys", Journeys, []),
    "a session that is none has a journey": ("every_session_has_its_journeys", Sessions, []),
    "an exit is lost": (
        "starts_and_exits_are_the_sessions",
        JourneyTransitions,
        [
            step("(start)", "page_view"),
            step("page_view", "search"),
            step("(start)", "(exit)", "category"),
        ],
    ),
    "a transition is counted twice": (
        "starts_and_exits_are_the_sessions",
        JourneyTransitions,
        [*GOOD[JourneyTransitions], step("page_view", "page_view")],
    ),
    "a day's transitions are lost": ("starts_and_exits_are_the_sessions", JourneyTransitions, []),
    "a search is counted twice": (
        "searches_are_the_sessions_searches",
        SearchPerformance,
        [{"search_term": "a", "search_count": 3}],
    ),
    "a category is seen twice": (
        "no_category_is_seen_more_than_all",
        CategoryPerformance,
        [{"category_view_count": 2, "product_view_count": 0, "add_to_cart_count": 0}],
    ),
    "a cent is lost": (
        "products_add_up_to_sales",
        ProductPerformance,
        [{**GOOD[ProductPerformance][0], "revenue_amount": Decimal("4.99")}],
    ),
    "an item is lost": (
        "products_add_up_to_sales",
        ProductPerformance,
        [{**GOOD[ProductPerformance][0], "sold_item_count": 1}],
    ),
    "an alert is about older stock": (
        "alerts_are_about_the_newest_stock",
        RawStock,
        [{"product_id": "a", "stock": 0}, {"product_id": "b", "stock": 6}],
    ),
    "who has none left is only low": (
        "alerts_are_about_the_newest_stock",
        InventoryAlerts,
        [{"product_id": "a", "alert": "low", "stock_count": 0}, GOOD[InventoryAlerts][1]],
    ),
    "a product without stock is not listed": (
        "alerts_are_about_the_newest_stock",
        InventoryAlerts,
        [GOOD[InventoryAlerts][1]],
    ),
}


def broken(name: str, tables: Mapping[type[Table], Rows], days: Days | None = DAYS) -> int:
    """Return how many things break a check over these tables."""
    check, con = CHECKS[name], connect()
    for contract in check.tables:
        rows = [{**SHARED, **row} for row in tables[contract]]
        is_stock = contract is RawStock
        con.con.register(
            contract.__name__,
            stock_rows(rows, DAY_ONE, "test").to_pyarrow()
            if is_stock
            else as_table(rows, contract),
        )
    result = check.evaluate(days, *(con.table(contract.__name__) for contract in check.tables))
    assert (result.broken_count > 0) is bool(result.examples)
    return result.broken_count


@each("name", CHECKS)
def test_good_rows_pass(name: str) -> None:
    assert (broken(name, GOOD), broken(name, GOOD, None)) == (0, 0)


@each("case", WRONG)
def test_the_one_wrong_row_is_found(case: str) -> None:
    name, contract, rows = WRONG[case]
    assert broken(name, {**GOOD, contract: rows}) > 0


def test_days_that_are_not_the_run_s_are_not_looked_at() -> None:
    assert broken("every_session_has_its_journeys", {**GOOD, Journeys: []}, Days((LATER,))) == 0


def test_a_shop_whose_events_say_what_was_sold_need_not_agree_with_its_orders() -> None:
    of_events = [
        {**GOOD[ProductPerformance][0], "sales_source": "events", "revenue_amount": Decimal("1.00")}
    ]
    assert broken("products_add_up_to_sales", {**GOOD, ProductPerformance: of_events}) == 0
