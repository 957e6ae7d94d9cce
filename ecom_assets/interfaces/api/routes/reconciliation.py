"""Routes for reconciliation: orders compared with events, and the outcomes of deliveries."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from ecom_assets.behaviour.questions.answer import AnswerFields, definition_of, field_of
from ecom_assets.commerce.reconciliation import queries as reconciliation_queries
from ecom_assets.commerce.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
)
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.queries import if_known
from ecom_assets.interfaces.api.auth.callers import require_personal
from ecom_assets.interfaces.api.csv_files import add_file
from ecom_assets.interfaces.api.parameters import (
    Context,
    PagedDaysParameters,
    row_of,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.outputs.delivery import queries as delivery_queries
from ecom_assets.outputs.delivery.contracts import ReconciliationDaily

router = APIRouter(tags=["reconciliation"], responses=documented(409))


class ReconciledNumbers(
    row_of(  # type: ignore[misc]  # a model of a function
        OrderEventReconciliationDaily.columns, only=reconciliation_queries.NUMBERS, are_known=False
    )
):
    """Orders and refunds beside purchase and refund events, and their differences by cause."""


class DeliveredCounts(
    row_of(ReconciliationDaily.columns, only=delivery_queries.COUNTS, are_known=False)  # type: ignore[misc]  # a model of a function
):
    """What became of records that were due."""


class ReconciledDay(ReconciledNumbers):
    """The orders of a day compared with its events."""

    reconciled_date: date = field_of(OrderEventReconciliationDaily.reconciled_date)


class ReconciliationAnswer(AnswerFields):
    """Orders compared with purchase and refund events."""

    reconciliation: ReconciledNumbers = Field(description="Sums over the days of the period")
    sent_sums: str | None = Field(
        description="What senders send beside the items as the amount of a purchase or refund: "
        "what `other_parts` comes from; null where they send the items",
        examples=["purchase + shipping"],
    )
    total_count: int | None = total_of("days", 30)
    days: list[ReconciledDay] = Field(
        description="Days with an order or a purchase or refund event, in order"
    )


Cause = Literal[
    "missing_event",
    "missing_order",
    "amount_differs",
    "other_parts",
    "duplicate",
    "refund",
    "time_zone_shift",
]


class OrderEventDifference(
    row_of(  # type: ignore[misc]  # a model of a function
        OrderEventReconciliation.columns, only=reconciliation_queries.OF_DIFFERENCE
    )
):
    """An order or an event that makes the totals of its day differ."""


class DifferencesAnswer(AnswerFields):
    """What makes orders and events differ, one by one."""

    total_count: int | None = total_of("differences", 118)
    differences: list[OrderEventDifference] = Field(
        description="Those that make most of the difference first; one of two days has a row each"
    )


class DifferencesParameters(PagedDaysParameters):
    """Which differences to return."""

    cause: Cause | None = Field(None, description="Only those of this cause")


class DeliveredDay(DeliveredCounts):
    """The outcomes of a day's records at one destination."""

    reconciled_date: date = field_of(ReconciliationDaily.reconciled_date)
    destination: str = field_of(ReconciliationDaily.destination)
    account: str = field_of(ReconciliationDaily.account)
    newest_batch_number: int = field_of(ReconciliationDaily.newest_batch_number)


class DeliveriesParameters(PagedDaysParameters):
    """Which deliveries to return."""

    destination: str | None = Field(
        None, max_length=200, description="Only this one, such as amplitude_events"
    )


class DeliveriesAnswer(AnswerFields):
    """The outcomes of deliveries."""

    totals: DeliveredCounts = Field(
        description="Sums over the days of the period and over destinations"
    )
    total_count: int | None = total_of("rows", 60)
    deliveries: list[DeliveredDay] = Field(
        description="A row per day, destination and account, in this order"
    )


@router.get(
    "/analytics/reconciliation",
    response_model=ReconciliationAnswer,
    summary="Orders against purchase events",
)
def reconciliation(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> Answer:
    """Return the totals of orders and of events for each day, and their differences by cause."""
    period = context.period(parameters, "sales", "events")
    result = reconciliation_queries.reconciliation(context.reading, period, parameters.page)
    definition = definition_of(
        ReconciliationAnswer, *ReconciledDay.model_fields, "reconciliation", "days"
    )
    return context.answer(parameters, definition, result, period)


@router.get(
    "/analytics/reconciliation/differences",
    response_model=DifferencesAnswer,
    summary="Orders and events that differ, one by one",
    responses=documented(403),
)
def reconciliation_differences(
    context: Context, parameters: Annotated[DifferencesParameters, Query()]
) -> Answer:
    """Return the orders and events that make their totals differ; it needs the scope `personal`."""
    require_personal(context.request.scope, ["customer_id"])
    period = context.period(parameters, "sales", "events")
    result = reconciliation_queries.differences(
        context.reading, period, parameters.cause, parameters.page
    )
    definition = definition_of(DifferencesAnswer, *OrderEventDifference.model_fields, "differences")
    return context.answer(parameters, definition, result, period)


@router.get(
    "/analytics/deliveries",
    response_model=DeliveriesAnswer,
    summary="What was delivered to other tools",
)
def deliveries(context: Context, parameters: Annotated[DeliveriesParameters, Query()]) -> Answer:
    """Return the outcomes of each day's records, as the ledger has them now."""
    context.do_not_keep()  # the ledger changes between publications
    period = context.period(parameters, "events")
    result = delivery_queries.deliveries(context.settings, period, parameters.destination)
    if not result["deliveries"]:
        result["totals"] = if_known(result["totals"], period)
    definition = definition_of(DeliveriesAnswer, *DeliveredDay.model_fields, "totals", "deliveries")
    return context.answer(parameters, definition, parameters.cut(result, "deliveries"), period)


add_file("/analytics/reconciliation", reconciliation, ReconciliationAnswer, "days")
add_file(
    "/analytics/reconciliation/differences",
    reconciliation_differences,
    DifferencesAnswer,
    "differences",
)
add_file("/analytics/deliveries", deliveries, DeliveriesAnswer, "deliveries")
