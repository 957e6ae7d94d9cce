"""Whom to write to: addresses of customers who agreed to it, as a file and for the dashboard.

There is no answer as JSON: neither a cache nor an assistant ever has an address.
"""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Final

import ibis.expr.types as ir
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import InUtc, Money, number
from ecom_assets.behaviour.questions.whole_lists import BLOCK_ROWS
from ecom_assets.commerce.customers.contracts import SegmentName
from ecom_assets.commerce.customers.due_again import due_customers, due_state
from ecom_assets.commerce.customers.recipients import (
    ListName,
    RecipientOrder,
    cart_recipients,
    due_recipients,
    in_order,
    segment_recipients,
)
from ecom_assets.commerce.sales.coverage import sales_source
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.portable import batches_of
from ecom_assets.core.tables.queries import EVENTS, NoSourceError, of_period, require
from ecom_assets.interfaces.api.auth.callers import require_personal
from ecom_assets.interfaces.api.csv_files import FileParameters, file_of_table
from ecom_assets.interfaces.api.csv_files import router as files
from ecom_assets.interfaces.api.parameters import (
    Context,
    DaysParameters,
    PagedDaysParameters,
    RequestContext,
)
from ecom_assets.interfaces.api.people import note_people
from ecom_assets.interfaces.api.routes.carts import WhichCarts, rows_of_carts
from ecom_assets.interfaces.api.store.store import PublishedTables
from ecom_assets.outputs.serving.email_consents import are_published, consents_of

NOT_PUBLISHED: Final = (
    "Addresses are not published here; set ECOM_PUBLISH_EMAIL_ADDRESSES=on, and run `ecom run`."
)
router = APIRouter(tags=["customers"])
"""No routes: what there is beside the file is for pages."""


class Recipient(BaseModel):
    """A customer of a list who agreed to be written to."""

    customer_id: str = Field(title="Customer", description="The customer")
    email: str = Field(title="Address", description="The address of the newest record")
    email_consent_at: InUtc | None = Field(
        title="Agreed (UTC)", description="Since when; null if the shop does not say it"
    )
    last_date: date = Field(title="Day", description="The day of the last order, or of the cart")
    days_since_count: int = number(
        "Days ago", "count", "From that day to the newest day of its source", examples=[75]
    )
    worth_amount: Money | None = number(
        "Worth",
        "money",
        "What the customer has brought, or what the cart is worth; null if not known",
    )
    product_names: str | None = Field(
        title="Products", description="What they bought, or what is in the cart, by name"
    )


class RecipientCounts(BaseModel):
    """How many people a list has, and how many of them may be written to."""

    listed_count: int = number("On the list", "count", "People on the list", examples=[40])
    agreed_count: int = number(
        "Agreed", "count", "Of these, who agreed, with an address", examples=[12]
    )
    refused_count: int = number(
        "Refused e-mails", "count", "Of these, who refused, or agree no more", examples=[5]
    )
    unknown_count: int = number(
        "Not asked", "count", "Of these, of whom no record says it, or no address", examples=[23]
    )


class WhichRecipients(BaseModel):
    """Which list of people, in which order."""

    people: ListName = Field(
        "due_again",
        title="People",
        description="Who bought once and is due again, who left a cart in these days and bought "
        "nothing since, or the customers of a segment",
    )
    segment: SegmentName = Field(
        "At Risk", title="Segment", description="Which one, where `people` is `segment`"
    )
    sort_by: RecipientOrder = Field(
        "worth", title="Order by", description="What they are worth, or the day"
    )


class RecipientsParameters(WhichRecipients, PagedDaysParameters):
    """Which list, and which rows of those who agreed."""


class RecipientsFileParameters(WhichRecipients, FileParameters, DaysParameters):
    """Which list a file has those of who agreed."""


Rows = Callable[[PublishedTables], ir.Table]


def _rows_of(context: RequestContext, parameters: WhichRecipients) -> Rows:
    """Return the list, of all who agreed or not, as an expression over tables."""
    reading = context.reading
    if parameters.people == "carts":
        require(reading, EVENTS)
        carts = rows_of_carts(context, WhichCarts(only_open=True))
        return lambda tables: in_order(cart_recipients(carts(tables)), parameters.sort_by)
    if parameters.people == "segment":
        source = sales_source(reading)
        return lambda tables: in_order(
            segment_recipients(tables, source, parameters.segment), parameters.sort_by
        )
    state = due_state(reading)
    return lambda tables: in_order(
        due_recipients(due_customers(tables, state["source"], state, "revenue")), parameters.sort_by
    )


def recipients(context: RequestContext, parameters: RecipientsParameters) -> Answer:
    """Return how many people of a list agreed to be written to, and a page of these; for the
    dashboard, whose pages no cache keeps. It needs the scope `personal`.
    """
    require_personal(context.request.scope, ["customer_id"])
    period = context.period(parameters, "events" if parameters.people == "carts" else "sales")
    rows_of = _rows_of(context, parameters)
    listed = refused = 0
    agreed: list[Row] = []
    first, last = parameters.offset, parameters.most
    count = 0
    with context.reading.adhoc() as con:
        rows = of_period(rows_of(PublishedTables(context.reading, con)), period)
        with batches_of(rows, BLOCK_ROWS) as batches:
            for batch in batches:
                block = batch.to_pylist()
                listed += len(block)
                of_block, refused_of_block = _agreed(context, block)
                refused += refused_of_block
                agreed += of_block[max(0, first - count) : max(0, last - count)]
                count += len(of_block)
    result = {
        "counts": {
            "listed_count": listed,
            "agreed_count": count,
            "refused_count": refused,
            "unknown_count": listed - count - refused,
        },
        "is_published": are_published(context.settings),
        "total_count": count,
        "recipients": agreed,
    }
    defined = {
        name: field.description
        for model in (RecipientCounts, Recipient)
        for name, field in model.model_fields.items()
    }
    note_people(context.request.scope, Recipient.model_fields, len(agreed))
    return context.answer(parameters, defined, result, period)


def _agreed(context: RequestContext, block: list[Row]) -> tuple[list[Row], int]:
    """Return the rows of those who agreed, with address, and how many refused."""
    consents = consents_of(context.settings, [row["customer_id"] for row in block])
    agreed = [
        {
            **row,
            "email": consents.agreed[row["customer_id"]].email,
            "email_consent_at": consents.agreed[row["customer_id"]].since,
        }
        for row in block
        if row["customer_id"] in consents.agreed
    ]
    return agreed, consents.refused_count


@files.get(
    "/analytics/customers/to-write-to.csv",
    response_class=Response,
    summary="Everybody of a list who agreed to be written to, as CSV",
)
def every_recipient(
    context: Context, parameters: Annotated[RecipientsFileParameters, Query()]
) -> Response:
    """Return all people of a list who agreed to be written to, with their addresses, as a CSV file
    that is sent block by block; it needs the scope `personal`.
    """
    require_personal(context.request.scope, ["customer_id"])
    if not are_published(context.settings):
        raise NoSourceError(NOT_PUBLISHED)
    period = context.period(parameters, "events" if parameters.people == "carts" else "sales")
    return file_of_table(
        context,
        f"to_write_to_{parameters.people}.csv",
        Recipient,
        _rows_of(context, parameters),
        period=period,
        kept=lambda block: _agreed(context, block)[0],
    )
