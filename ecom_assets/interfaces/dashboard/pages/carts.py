"""Carts that were left: how many and what they are worth, and each one with its products."""

from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from pydantic import Field

from ecom_assets.behaviour.funnels.contracts import CartAbandonment
from ecom_assets.behaviour.funnels.left_carts import CartOrder
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.interfaces.api.routes import carts, funnels
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    DataTable,
    TableColumn,
    Tiles,
    compared_tile,
)
from ecom_assets.interfaces.dashboard.list_pages import ListPages
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Offset, Section, View
from ecom_assets.interfaces.dashboard.pages.person import columns_of_people, people
from ecom_assets.interfaces.dashboard.pages.write_to import AGREED, write_to

LEFT: Final = (
    "cart_count",
    "abandoned_cart_count",
    "abandoned_cart_amount",
)
"""What is said of all carts of the days."""
MOST: Final = 50


class CartFilters(Filters):
    """The choices of the page."""

    sort_by: CartOrder = Field("value", title="Order by")
    carts: Literal["all", "open"] = Field(
        "all", title="Carts", json_schema_extra={"labels": {"open": "Not bought since"}}
    )
    offset: Offset = None


def numbers(view: View) -> Block:
    """Return how many carts there were, and how many of them were left."""
    answer = view.answer(funnels.conversion)
    before = answer["previous"]
    shown = {**answer, "previous": before and before["abandonment"]}
    tile = partial(compared_tile, shown, "abandonment", funnels.Abandonment, table=CartAbandonment)
    share = replace(tile("cart_abandonment_rate"), label="Share left behind")
    return Tiles([*(tile(name) for name in LEFT), share])


def left(view: View) -> Block:
    """Return the carts that were left, for callers who may see people."""
    chosen: CartFilters = view.filters
    asked: dict[str, Any] = {"sort_by": chosen.sort_by}
    if chosen.carts == "open":
        asked["only_open"] = True
    answer, pages = ListPages.asked(
        view, carts.carts_left, "offset", MOST, "carts", ONE_BY_ONE.anchor, **asked
    )
    texts = {True: "yes", False: "no"}
    rows = [
        {**row, **{name: texts[row[name]] for name in ("has_checkout", "has_bought_since")}}
        for row in people(view, answer["carts"])
    ]
    columns = (
        *TableColumn.from_fields(carts.LeftCart, "cart_amount", "age_days_count", "product_names"),
        *columns_of_people(carts.LeftCart, "has_checkout", "has_bought_since"),
    )
    return pages.around(
        DataTable(
            rows,
            columns,
            csv=view.csv("/analytics/carts.csv", **asked),
            note=f"Of visits that bought nothing. {pages.note}".strip(),
            empty="No cart was left on these days.",
        ),
        *write_to(view, AGREED, people="carts"),
    )


ONE_BY_ONE: Final = Section(
    "Carts left, one by one", left, needs=(Scope.PERSONAL, "Which carts these are")
)
PAGE: Final = DashboardPage(
    "carts",
    "Carts left",
    position=32,
    summary="Carts that were filled and not paid for: what they are worth, and each one.",
    asks=CartFilters,
    is_ad_hoc=True,
    sections=(
        Section("Carts of these days", numbers, is_titled=False),
        ONE_BY_ONE,
    ),
)
