"""Discounts: what was sold with them, in total and by code."""

from functools import partial
from typing import Final

from ecom_assets.commerce.sales.contracts import DiscountPerformance
from ecom_assets.commerce.sales.discounts import OF_FEW
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.api.routes import sales
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    DataTable,
    TableColumn,
    Tiles,
    Why,
    meaning,
)
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, View

NUMBERS: Final = (
    "discount_amount",
    "discount_rate",
    "gross_sales_amount",
    "shipped_amount",
    "order_count",
    "customer_count",
)
MOST_SHOWN: Final = 100
"""The most codes of the page; the CSV has all."""


def totals(view: View) -> Block:
    """Return what all discounts took off, each line once."""
    total = _answer(view)["total"]
    why = partial(Why, DiscountPerformance)
    return Tiles.from_fields(sales.DiscountNumbers, total, NUMBERS, why=why)


def by_code(view: View) -> Block:
    """Return what was sold with each code; each number leads to what it is made of."""
    answer = _answer(view)
    rows = [
        {**row, **{f"why_{name}": _why(view, row["discount_code"], name) for name in NUMBERS}}
        for row in answer["discounts"]
    ]
    left = (answer["total_count"] or 0) - len(rows)
    columns = (
        TableColumn.from_field(sales.Discount, "discount_code"),
        *(TableColumn.from_field(sales.Discount, name, href=f"why_{name}") for name in NUMBERS),
    )
    return DataTable(
        rows,
        columns,
        csv=view.csv("/analytics/discounts.csv"),
        note="A line with two codes counts for both."
        + (f" And {left} more; the CSV has all." if left > 0 else ""),
        definition=meaning(answer, "discount_code", "discount_rate"),
        empty="Nothing was sold with a discount in these days, or no order line says it.",
    )


def _why(view: View, code: str, name: str) -> str:
    """Return the address of what a number of a code is made of; empty for codes that are one row,
    and for keys that may not ask by codes, which can be names of people.
    """
    if code == OF_FEW or not view.may(Scope.PERSONAL):
        return ""
    return view.why(Why(DiscountPerformance, name, {"discount_code": code}))


def _answer(view: View) -> Answer:
    return view.answer(sales.discounts, limit=MOST_SHOWN)


PAGE = DashboardPage(
    "discounts",
    "Discounts",
    position=27,
    summary="What was sold with discounts, and with which codes.",
    has_comparison=False,
    sections=(
        Section("Totals", totals, is_titled=False),
        Section("By code", by_code),
    ),
)
