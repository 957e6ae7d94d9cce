"""The route of what to look at: numbers beyond chance, stock that runs out, late sources and
failing checks.
"""

from datetime import date
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import AnswerFields, definition_of
from ecom_assets.commerce.findings import queries
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.core.clock import today_in
from ecom_assets.core.rows import Answer, Row
from ecom_assets.interfaces.api import visible_checks
from ecom_assets.interfaces.api.auth.callers import may_see_costs
from ecom_assets.interfaces.api.parameters import Context, SlicedChosenDays, row_of, total_of
from ecom_assets.interfaces.boards.decisions import distance_of, finding_id, with_decisions
from ecom_assets.interfaces.boards.model import Decision

router = APIRouter(tags=["behaviour"])
PAGES: Final = {
    "visits": "attribution",
    "conversion": "funnel",
    "refunds": "sales-explorer?by=product&measures=refunded_amount,refund_count",
    "stock": "products#what-to-reorder",
    "ads": "marketing",
    "meeting": "quality",
}
"""The page of the dashboard that shows more of each kind, below `/dashboard/`."""


class FoundNumber(row_of(ShopFindings.columns)):  # type: ignore[misc]  # a model of a function
    """A number that is not what the weeks before let expect, or stock that runs out."""

    id: str = Field(
        description="What it is about, in one text",
        examples=["conversion (checkout) 2 device mobile"],
    )
    title: str = Field(
        description="What it says",
        examples=["Fewer went from checkout start to purchase on mobile"],
    )
    reason: str = Field(
        description="The number beside what is usual, and how far chance lets it go",
        examples=[
            "41.0% on Saturday, 2026-03-14; usually 63.0%, and chance alone goes no lower than 47%."
        ],
    )
    address: str = Field(
        description="The page of the dashboard that shows more, below /dashboard/",
        examples=["products"],
    )
    distance: float = Field(
        description="How far it is from what is usual, as a share of that; of stock, how many "
        "products",
        examples=[0.63],
    )
    decision: Decision | None = Field(
        description="What was decided on it; null where it is to be looked at, as it is new, worse "
        "than it was then, or put off until today or earlier"
    )


class LateSource(BaseModel):
    """A source whose newest day is before that of others."""

    source: str = Field(description="The source", examples=["orders"])
    newest_date: date = Field(description="Its newest day", examples=["2026-11-20"])


class FindingsAnswer(AnswerFields):
    """What to look at: first what makes other numbers wrong, then by the money at stake."""

    late_sources: list[LateSource] = Field(
        description="Sources that end before the newest day of the data"
    )
    failing_check_count: int = Field(
        description="Checks that failed when they were evaluated last", examples=[0]
    )
    compared_kinds: list[queries.FoundKind] = Field(
        description="What has five weeks of days to be compared, or stock at all; of other kinds "
        "it is not known whether there is anything",
        examples=[["refunds", "stock"]],
    )
    total_count: int | None = total_of("rows", 2)
    findings: list[FoundNumber] = Field(description="The most money at stake first")


@router.get("/analytics/findings", response_model=FindingsAnswer, summary="What to look at")
def findings(context: Context, parameters: SlicedChosenDays) -> Answer:
    """Return what is worth a look: numbers of the newest week that are not what the weeks before
    let expect, stock that runs out, late sources, and failing checks.
    """
    context.do_not_keep()  # decisions and checks change between publications
    reading, settings = context.reading, context.settings
    late = queries.late_sources(reading.known, reading.newest_date, today_in(settings.timezone))
    with_costs = may_see_costs(context.request.scope)
    period = context.chosen_period(parameters, "events", "sales")
    found = queries.findings(reading, period, with_costs=with_costs)
    rows = [_shown(row) for row in with_decisions(found, settings)]
    checks = visible_checks.failing_checks(settings.home, with_costs=with_costs)
    published = today_in(settings.timezone, lambda: reading.published.published_at)
    compared: list[queries.FoundKind] = [*queries.compared_kinds(reading.known, period, published)]
    if with_costs and queries.compares_ads(reading, period):
        compared.append("ads")
    result = {
        "late_sources": [{"source": source, "newest_date": last} for source, last in late.items()],
        "compared_kinds": compared,
        "failing_check_count": sum(not check["is_warning"] for check in checks["checks"]),
        "total_count": len(rows) if rows or compared or period is None else None,
        "findings": rows,
    }
    definition = definition_of(
        FindingsAnswer, "findings", "late_sources", "failing_check_count", "compared_kinds"
    ) | {
        "time_range": "The newest seven whole days of the data; with days, those of them. Late "
        "sources and failing checks are of now, whatever days are asked for",
    }
    cut = parameters.cut(result, "findings")
    return context.answer(parameters, definition, cut, period or "events")


def _shown(row: Row) -> Row:
    """Return a row with its id, its page, and how far its number is off."""
    return {
        **row,
        "id": finding_id(row),
        "address": PAGES[row["kind"]],
        "distance": distance_of(row),
    }
