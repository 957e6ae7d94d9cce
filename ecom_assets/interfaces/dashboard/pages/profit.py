"""Profit: what is left of sales, step by step and by part, for keys that may see costs."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Final, Literal

from pydantic import Field

from ecom_assets.commerce.costs.contracts import ProfitDaily, ProfitLines
from ecom_assets.commerce.costs.queries import (
    TIMES,
    UNKNOWN_COST,
    UNKNOWN_PARTS,
    Dimension,
    Order,
)
from ecom_assets.commerce.marketing.contracts import AdSpendDaily
from ecom_assets.commerce.marketing.queries import AFTER
from ecom_assets.commerce.orders.orders import NONE
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.interfaces.api.routes import profit
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    Several,
    TableColumn,
    Tiles,
    Why,
    compared_tile,
    meaning,
)
from ecom_assets.interfaces.dashboard.formats import day_range
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Section, View
from ecom_assets.interfaces.dashboard.pages.mapping import COSTS, PATH

OF_ITEMS: Final = "cost"
"""The step of what items cost; all others after it are of whole orders."""
TILES: Final = (
    "gross_profit_amount",
    "gross_margin_rate",
    "cost_coverage_rate",
    "contribution_before_ads_amount",
    "contribution_coverage_rate",
    "revenue_amount",
)
MOST_PARTS: Final = 25
WEEK_DAYS: Final = 7
LABELS: Final = {
    "item_category": "Category",
    "item_id": "Product",
    "channel": "Channel",
    "city_id": "City",
    "sales_channel": "Sales channel",
    "customer_type": "New or returning",
    "week": "Week",
    "day": "Day",
}
"""What people call the dimensions."""
STEPS: Final = (
    TableColumn("label", "Step"),
    TableColumn.from_field(profit.ProfitStep, "step_amount", href="why", named_by="measure"),
    TableColumn.from_field(profit.ProfitStep, "estimated_amount"),
)
OTHER_COSTS: Final = TableColumn.from_fields(profit.OtherCost, "cost_name", "estimated_amount")
IN_NO_STEP: Final = "What rules say is paid whatever is ordered; it is in no step."
BY_ITEM: Final = "Order lines without a category have that of their item."
SHARED: Final = "Shipping, fees and goodwill of an order are shared over its lines by net sales."
NUMBERS: Final = (
    "order_count",
    "revenue_amount",
    "gross_profit_amount",
    "gross_margin_rate",
    "cost_coverage_rate",
    "cost_amount",
    "estimated_cost_amount",
    "contribution_before_ads_amount",
    "contribution_coverage_rate",
)
"""The numbers of a part; each leads to what it is made of."""


class ProfitFilters(Filters):
    """The choices of the page."""

    dimension: Dimension = Field(
        "item_category", title="By", json_schema_extra={"labels": dict(LABELS)}
    )
    first: Literal["losses", "profit", "loss"] = Field(
        "losses",
        title="First",
        json_schema_extra={
            "labels": {
                "losses": "Losses, if any",
                "profit": "Highest profit",
                "loss": "Lowest profit",
            }
        },
    )


def totals(view: View) -> Block:
    """Return profit, margin, and how much of what was sold has a cost."""
    answer = _answer(view)
    tile = partial(compared_tile, answer, "profit", profit.ProfitNumbers, table=ProfitDaily)
    return Tiles([tile(name) for name in TILES])


def waterfall(view: View) -> Block:
    """Return the steps from gross sales down to what is left."""
    answer = _answer(view)
    rows = [{**row, "why": _why(view, row["measure"])} for row in bars(answer["steps"])]
    unknown = [row["label"] for row in rows if row["step_amount"] is None]
    estimated = [row["label"] for row in rows if row["estimated_amount"]]
    notes = [
        f"Not known: {', '.join(unknown)}." if unknown else "",
        f"Partly estimated: {', '.join(estimated)}." if estimated else "",
    ]
    chart = Chart(
        charts.waterfall("label", "start", "end", "step_amount", STEPS),
        rows,
        STEPS,
        "From gross sales to what is left of them, as bars that begin where the bar before ends.",
        csv=view.csv("/analytics/profit"),
        height=max(120, 40 * len(rows)),
        definition=meaning(answer, "steps"),
        note=" ".join(filter(None, notes)),
        links=_ways_to_known(view, rows),
    )
    other = answer["other_costs"]
    if not other:
        return chart
    return Several((chart, DataTable(other, OTHER_COSTS, note=IN_NO_STEP)))


def _ways_to_known(view: View, rows: list[Row]) -> list[tuple[str, str]]:
    """Return where admins fill in what is not known of the steps, or is by rules."""
    if not view.may(Scope.ADMIN):
        return []
    amounts = {row["step"]: row["step_amount"] for row in rows}
    is_by_rules = any(row["estimated_amount"] for row in rows if row["step"] != OF_ITEMS)
    ways = []
    if amounts.get(UNKNOWN_COST) or amounts.get(OF_ITEMS) is None:
        ways.append(("Bring what items cost", view.link(PATH)))
    if amounts.get(UNKNOWN_PARTS) or None in amounts.values() or is_by_rules:
        ways.append(("Say what orders cost", view.link(COSTS)))
    return ways


def _why(view: View, measure: str) -> str:
    """Return the address of what a step is made of; empty for what is left after ad spend."""
    if measure == AFTER:
        return ""
    return view.why(Why(AdSpendDaily if measure == "spend_amount" else ProfitDaily, measure))


def bars(steps: list[Row]) -> list[Row]:
    """Return steps with the `start` and `end` of their bars, null where nothing is known.

    A total begins at zero, and every other step where the one before it ends.
    """
    level = Decimal(0)
    result = []
    for step in steps:
        amount = step["step_amount"]
        start = end = None
        if amount is not None:
            start = Decimal(0) if step["is_total"] else level
            end = level = start + amount
        result.append({**step, "start": start, "end": end})
    return result


def by_part(view: View) -> Block:
    """Return the profit of each value of the chosen dimension."""
    dimension: Dimension = view.filters.dimension
    answer, sort_by = _parts_of(view, dimension)
    is_by_item = answer["category_source"] == "items"
    rows = [
        _category(view, row) if is_by_item else _part(view, dimension, row)
        for row in answer["parts"]
    ]
    left = (answer["total_count"] or 0) - len(rows)
    columns = (
        TableColumn("label", LABELS[dimension], href="href", is_on_one_line=True),
        *(TableColumn.from_field(profit.ProfitPart, name, href=f"why_{name}") for name in NUMBERS),
    )
    return Chart(
        charts.ranking(
            "label", "gross_profit_amount", kind="money", title="Gross profit", sort=None
        ),
        rows,
        columns,
        f"Gross profit of each {LABELS[dimension].lower()} as bars.",
        csv=view.csv("/analytics/profit.csv", dimension=dimension, sort_by=sort_by),
        height=max(120, 26 * len(rows)),
        definition=meaning(answer, "gross_profit_amount", "gross_margin_rate", *COVERAGE),
        note=" ".join(
            filter(
                None,
                [
                    BY_ITEM if is_by_item else "",
                    SHARED,
                    f"And {left} more; the CSV has all." if left > 0 else "",
                ],
            )
        ),
        is_table_open=True,
    )


def _parts_of(view: View, dimension: Dimension) -> tuple[Answer, Order]:
    """Return the parts in the chosen order, and the order: by default losses first, where there are
    some.
    """
    first: Order = "profit" if view.filters.first == "profit" else "loss"
    answer = _ordered(view, dimension, first)
    lowest = answer["parts"][0]["gross_profit_amount"] if answer["parts"] else None
    if view.filters.first != "losses" or (lowest is not None and lowest < 0):
        return answer, first
    return _ordered(view, dimension, "profit"), "profit"


def _ordered(view: View, dimension: Dimension, sort_by: Order) -> Answer:
    return view.answer(profit.profit, dimension=dimension, limit=MOST_PARTS, sort_by=sort_by)


COVERAGE: Final = ("cost_coverage_rate", "estimated_cost_amount")


def _answer(view: View) -> Answer:
    return view.answer(profit.profit)


def _part(view: View, dimension: Dimension, row: Row) -> Answer:
    """Return a part with its label, and the address of what each of its numbers is made of."""
    value = str(row["value"])
    table, where = _rows_of(view, dimension, value)
    label = row["name"] or value
    if dimension in TIMES:
        label = day_range(*(date.fromisoformat(where[name]) for name in ("start_date", "end_date")))
    return {
        **row,
        "label": label,
        "href": view.link("product", product=value) if dimension == "item_id" else "",
        **{f"why_{name}": view.why(Why(table, name, where)) for name in NUMBERS},
    }


def _category(view: View, row: Row) -> Answer:
    """Return a category that lines without one have of their item, with the address of its
    products: no stored row has its numbers.
    """
    value = str(row["value"])
    where = json.dumps([{"column": "category", "operator": "equals", "value": value}])
    measures = "revenue_amount, gross_profit_amount"
    href = view.link("sales-explorer", by="product", measures=measures, where=where)
    return {
        **row,
        "label": value,
        "href": "" if value == NONE else href,
        **{f"why_{name}": "" for name in NUMBERS},
    }


def _rows_of(view: View, dimension: Dimension, value: str) -> tuple[Contract, Mapping[str, str]]:
    """Return the table that a part is counted from, and which of its rows."""
    if dimension == "item_id":
        return ProfitLines, {dimension: value}
    if dimension not in TIMES:
        return ProfitDaily, {dimension: value}
    start = date.fromisoformat(value)
    end = start + (WEEK_DAYS - 1) * ONE_DAY if dimension == "week" else start
    first, last = max(start, view.ranges[0]["start_date"]), min(end, view.ranges[0]["end_date"])
    return ProfitDaily, {"start_date": str(first), "end_date": str(last)}


PAGE = DashboardPage(
    "profit",
    "Profit",
    position=25,
    summary="What is left of sales after discounts, returns and the cost of what was sold.",
    asks=ProfitFilters,
    scope=Scope.COSTS,
    sections=(
        Section("Totals", totals, is_titled=False),
        Section("From gross sales to profit", waterfall),
        Section("Profit by part", by_part),
    ),
)
