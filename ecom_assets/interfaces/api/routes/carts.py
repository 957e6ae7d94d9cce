"""Routes for carts that were left, one by one: for keys of scope `personal`."""

from collections.abc import Callable
from typing import Annotated, Final

import ibis.expr.types as ir
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ecom_assets.behaviour.events.recorded import CARTS, not_recorded
from ecom_assets.behaviour.funnels.carts import CartRule
from ecom_assets.behaviour.funnels.left_carts import (
    CartOrder,
    changed_carts,
    left_carts,
    left_sessions,
)
from ecom_assets.behaviour.questions.answer import AnswerFields, InUtc, Money, definition_of, number
from ecom_assets.commerce.sales.contracts import Item
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.queries import EVENTS, Page, of_period, require
from ecom_assets.interfaces.api.auth.callers import require_personal
from ecom_assets.interfaces.api.csv_files import FileParameters, file_of_table
from ecom_assets.interfaces.api.csv_files import router as files
from ecom_assets.interfaces.api.parameters import (
    Context,
    DaysParameters,
    PagedDaysParameters,
    RequestContext,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.store import PublishedTables

router = APIRouter(tags=["conversion"], responses=documented(403, 409, 413))
"""The routes, which read events: `app.py` has a process of its own answer each request."""


class LeftCart(BaseModel):
    """A cart that a visit filled and did not pay for."""

    session_id: str = Field(title="Visit", description="The session")
    visitor_id: str = Field(title="Visitor", description="Who")
    last_at: InUtc = Field(
        title="Left (UTC)", description="When the cart was changed, or taken to the checkout, last"
    )
    age_days_count: int = number(
        "Days ago", "count", "From the day of that to the newest day of events", examples=[3]
    )
    cart_amount: Money | None = number(
        "Value", "money", "What the cart was worth; null where no event says it"
    )
    product_ids: str | None = Field(
        title="Product ids", description="The products in it, in the order of their names"
    )
    product_names: str | None = Field(
        title="Products",
        description="Their names, in the order of the alphabet; null where no event names one",
        examples=["Black boots, Hat"],
    )
    has_checkout: bool = Field(title="At checkout", description="Whether the checkout was begun")
    has_bought_since: bool = Field(
        title="Bought since", description="Whether the visitor bought something afterwards"
    )


class LeftCartsAnswer(AnswerFields):
    """The carts that were left, one by one."""

    total_count: int | None = total_of("carts", 120)
    carts: list[LeftCart] = Field(
        description="Carts of visits that began in the period and bought nothing: as many as "
        "`abandoned_cart_count` of `/analytics/conversion`"
    )


class WhichCarts(BaseModel):
    """Which carts to return, in which order."""

    sort_by: CartOrder = Field("value", description="By value, or by when they were left")
    only_open: bool = Field(
        default=False, description="Whether visitors who bought something since are left out"
    )


class LeftCartsParameters(WhichCarts, PagedDaysParameters):
    """Which carts to return, in which order."""


class LeftCartsFileParameters(WhichCarts, FileParameters, DaysParameters):
    """Which carts a file has, in which order."""


DEFINED: Final = ("carts", "cart_amount", "last_at", "age_days_count", "has_bought_since")


def rows_of_carts(
    context: RequestContext, parameters: WhichCarts, page: Page | None = None
) -> Callable[[PublishedTables], ir.Table]:
    """Return the carts of a question, all or a page, as an expression over tables."""
    reading = context.reading
    newest = reading.known[EVENTS].last or reading.newest_date

    def rows(tables: PublishedTables) -> ir.Table:
        return left_carts(
            tables,
            reading.events_in(tables.con),
            tables.table(Item).select("item_id", "item_name"),
            CartRule(cart_value=context.settings.cart_value),
            newest,
            sort_by=parameters.sort_by,
            only_open=parameters.only_open,
            page=page,
        )

    return rows


@router.get(
    "/analytics/carts", response_model=LeftCartsAnswer, summary="Carts that were left, one by one"
)
def carts_left(context: Context, parameters: Annotated[LeftCartsParameters, Query()]) -> Answer:
    """Return the carts that visits filled and did not pay for, with value, products and age; it
    needs the scope `personal`.
    """
    require_personal(context.request.scope, ["visitor_id"])
    require(context.reading, EVENTS)
    period = context.period(parameters, "events")
    with context.reading.adhoc() as con:
        tables = PublishedTables(context.reading, con)
        events = context.reading.events_in(con)
        counted = (
            changed_carts(tables, events, only_open=True)
            if parameters.only_open
            else left_sessions(tables)
        )
        (count,) = tables.rows(of_period(counted.agg(n=counted.count()), period))
        listed = tables.rows(
            of_period(rows_of_carts(context, parameters, parameters.page)(tables), period)
        )
    is_known = CARTS not in not_recorded(context.reading)
    result = {"total_count": int(count["n"]) if is_known else None, "carts": listed}
    return context.answer(parameters, definition_of(LeftCartsAnswer, *DEFINED), result, period)


@files.get(
    "/analytics/carts.csv",
    response_class=Response,
    summary="Every cart that was left, as CSV",
)
def every_left_cart(
    context: Context, parameters: Annotated[LeftCartsFileParameters, Query()]
) -> Response:
    """Return all carts that were left in a period, without a limit, as a CSV file that is sent
    block by block; it needs the scope `personal`.
    """
    require_personal(context.request.scope, ["visitor_id"])
    require(context.reading, EVENTS)
    period = context.period(parameters, "events")
    rows = rows_of_carts(context, parameters)
    return file_of_table(context, "carts.csv", LeftCart, rows, period=period)
