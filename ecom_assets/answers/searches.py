"""Search terms: how often they were searched, and what came of it. Not here: what a term is."""

from typing import Any, Final

from ecom_assets.answers.change import share
from ecom_assets.answers.paging import Page, page_of
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.contracts.performance import SearchPerformance

COUNTS: Final = (
    "search_count",
    "session_count",
    "clicked_search_count",
    "unclicked_search_count",
    "cart_search_count",
)
SEARCH_DEFINITION: Final = {name: one.description for name, one in SearchPerformance.columns.items()} | {
    "searches": "The most searched first, ties by term",
}


def searches(reading: Reading, period: Period, page: Page) -> dict[str, Any]:
    """Return the terms that were searched in sessions of a period, and how many there are."""
    table = reading.table(SearchPerformance)
    rows = table.filter(in_period(table.started_date))
    terms = rows.group_by("search_term").agg(**{name: rows[name].sum().cast("int64") for name in COUNTS})
    order = [terms.search_count.desc(), terms.search_term]
    found, total = page_of(reading, terms, order, page, period)
    return {"total_count": total, "searches": [_term(row) for row in found]}


def _term(row: Row) -> Row:
    counts: Row = {name: int(row[name]) for name in COUNTS}
    rates = {
        "click_rate": share(counts["clicked_search_count"], counts["search_count"]),
        "cart_rate": share(counts["cart_search_count"], counts["search_count"]),
    }
    return {"search_term": row["search_term"], **counts, **rates}
