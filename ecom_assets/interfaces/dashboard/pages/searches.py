"""Searches: what visitors look for, and which searches lead to no product."""

from typing import Final

from pydantic import Field

from ecom_assets.behaviour.journeys.contracts import SearchPerformance
from ecom_assets.behaviour.journeys.queries import SearchOrder
from ecom_assets.interfaces.api.routes import behaviour
from ecom_assets.interfaces.dashboard.blocks import Block, DataTable, TableColumn, Why, meaning
from ecom_assets.interfaces.dashboard.list_pages import ListPages
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Offset, Section, View

TERMS: Final = TableColumn.from_fields(
    behaviour.Search,
    "search_term",
    "unclicked_search_count",
    "search_count",
    "click_rate",
    "cart_search_count",
    "cart_rate",
    "session_count",
    bars=("click_rate",),
)
EMPTY: Final = TableColumn.from_field(behaviour.Search, "empty_search_count")
MOST: Final = 50


class SearchFilters(Filters):
    """The choices of the page."""

    sort_by: SearchOrder = Field(
        "nowhere", title="Order by", json_schema_extra={"labels": {"nowhere": "Led nowhere"}}
    )
    offset: Offset = None


def terms(view: View) -> Block:
    """Return the terms, those of which most searches led nowhere first."""
    sort_by: SearchOrder = view.filters.sort_by
    answer, pages = ListPages.asked(
        view, behaviour.searches, "offset", MOST, "terms", sort_by=sort_by
    )
    # Most shops' events do not say how many results a search found.
    say_so = any(row["empty_search_count"] is not None for row in answer["searches"])
    term, nowhere, *others = TERMS
    return pages.around(
        DataTable(
            answer["searches"],
            (term, nowhere, *((EMPTY,) if say_so else ()), *others),
            csv=view.csv("/analytics/searches.csv", sort_by=sort_by),
            note=pages.note,
            empty="Nobody searched on these days, or no event says so.",
            definition=meaning(answer, "unclicked_search_count", "click_rate", "cart_rate"),
            why=Why(SearchPerformance, "unclicked_search_count"),
        )
    )


PAGE: Final = DashboardPage(
    "searches",
    "Searches",
    group="Behaviour",
    position=75,
    has_comparison=False,
    summary="What visitors look for, and which searches lead to no product.",
    asks=SearchFilters,
    sections=(Section("Search terms", terms),),
)
