"""The check about funnels by dimension: rows that add up pass, and the one wrong row is found."""

from typing import Any

from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.commerce.conversion.checks import dimensions_add_up_to_the_totals
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, as_table
from ecom_assets_tests.each import each

Rows = list[dict[str, Any]]
FUNNELS: Rows = [
    {
        "funnel_name": "default",
        "unit": "session",
        "product_category": "(all)",
        "step": 1,
        "unit_count": 5,
    },
    {
        "funnel_name": "default",
        "unit": "session",
        "product_category": "Hats",
        "step": 1,
        "unit_count": 4,
    },
    {
        "funnel_name": "default",
        "unit": "visitor",
        "product_category": "(all)",
        "step": 1,
        "unit_count": 9,
    },
]
CART: Rows = [
    {
        "unit": "session",
        "cart_count": 3,
        "abandoned_cart_count": 1,
        "checkout_count": 0,
        "abandoned_checkout_count": 0,
    }
]


def part(funnel: str, dimension: str, value: str, step: int, count: int) -> dict[str, Any]:
    return {
        "funnel_name": funnel,
        "dimension": dimension,
        "value": value,
        "step": step,
        "unit_count": count,
    }


GOOD: Rows = [
    part("default", "device", "mobile", 1, 3),
    part("default", "device", "desktop", 1, 2),
    part("default", "channel", "Email", 1, 5),
    part("(cart)", "device", "mobile", 1, 3),
    part("(cart)", "device", "mobile", 2, 2),
]
BAD = {
    "a session too many": [*GOOD, part("default", "device", "tablet", 1, 1)],
    "a session too few": [{**GOOD[2], "unit_count": 4}, *GOOD[:2], *GOOD[3:]],
    "a cart that was paid for and is left": [*GOOD[:4], {**GOOD[4], "unit_count": 3}],
    "a funnel that there is not": [*GOOD, part("another", "device", "mobile", 1, 1)],
    "a step that is missing": GOOD[:4],
}


def broken(parts: Rows) -> int:
    """How many places the check finds wrong."""
    con = connect()
    inputs: list[tuple[type[Table], Rows, str]] = [
        (ConversionByDimension, parts, "cohort_date"),
        (ConversionFunnel, FUNNELS, "cohort_date"),
        (CartAbandonment, CART, "cart_date"),
    ]
    tables = []
    for contract, rows, day in inputs:
        con.con.register(contract.name, as_table([{**row, day: DAY_ONE} for row in rows], contract))
        tables.append(con.table(contract.name))
    result = dimensions_add_up_to_the_totals.evaluate(Days((DAY_ONE,)), *tables)
    return result.broken_count


def test_parts_that_add_up_pass() -> None:
    assert broken(GOOD) == 0


@each("case", BAD)
def test_parts_that_do_not_are_found(case: str) -> None:
    assert broken(BAD[case]) == 1
