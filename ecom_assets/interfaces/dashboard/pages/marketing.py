"""Marketing: what ads cost and bring, beside what platforms claim; and what customers are worth.

For keys that may see costs.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from pydantic import Field

from ecom_assets.commerce.attribution.contracts import MODELS
from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.commerce.marketing import queries
from ecom_assets.commerce.marketing.contracts import (
    DEFAULT_MODEL,
    CustomerCohortValue,
    MarketingDaily,
)
from ecom_assets.commerce.marketing.queries import Cut, Dimension, Model
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, Row
from ecom_assets.interfaces.api.routes import marketing
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    Custom,
    DataTable,
    Nothing,
    Notice,
    Several,
    TableColumn,
    Tile,
    Tiles,
    Why,
    compared_tile,
    meaning,
)
from ecom_assets.interfaces.dashboard.page import (
    DashboardPage,
    Filters,
    PageParameters,
    Section,
    View,
)
from ecom_assets.interfaces.weeks.wording import campaign_label

OF_ADS: Final = (
    "spend_amount",
    "credited_revenue_amount",
    "roas",
    "platform_roas",
    "cost_per_new_customer",
    "break_even_roas",
    "contribution_after_ads_amount",
)
OF_SHOP: Final = (
    "mer",
    "spend_share",
    "acquisition_mer",
    "new_customer_count",
    "cost_per_new_customer",
    "payback_months",
    "contribution_after_ads_amount",
)
RENEWALS: Final = ("renewal_order_count", "renewal_revenue_amount")
"""What only shops with subscriptions have; pages of others do not show it."""
MOST_PARTS: Final = 50
MOST_ZONES: Final = 5
DIMENSIONS: Final = {"campaign": "Campaign", "platform": "Platform", "channel": "Channel"}
PART_NUMBERS: Final = (
    "spend_amount",
    "click_count",
    "session_count",
    "credited_order_count",
    "credited_revenue_amount",
    "roas",
    "platform_roas",
    "break_even_roas",
    "new_customer_count",
    "cost_per_new_customer",
    "contribution_after_ads_amount",
)
SHARED: Final = (
    "credited_order_count",
    "renewal_order_count",
    "new_customer_count",
    "platform_conversion_count",
    "touched_order_count",
    "overclaimed_order_count",
)
"""Counts of which campaigns have parts; one decimal is enough to read."""


SHORT: Final = {
    "platform_roas": "Claimed ROAS",
    "break_even_roas": "Break-even",
    "credited_order_count": "Orders",
    "credited_revenue_amount": "Revenue",
    "cost_per_new_customer": "For each",
    "contribution_after_ads_amount": "Left after ads",
    "renewal_revenue_amount": "Of renewals",
}
"""What columns of campaigns are called, which are many."""


def _readable(columns: tuple[TableColumn, ...]) -> tuple[TableColumn, ...]:
    return tuple(
        replace(column, kind="decimal") if column.name in SHARED else column for column in columns
    )


def _with_short_label(column: TableColumn) -> TableColumn:
    return replace(column, label=SHORT.get(column.name, column.label))


BY_MODEL: Final = (
    "label",
    "credited_order_count",
    "credited_revenue_amount",
    "roas",
    "new_customer_count",
    "cost_per_new_customer",
)
LONE: Final = TableColumn.from_fields(
    marketing.LoneCampaign,
    "platform",
    "campaign_name",
    "spend_amount",
    "click_count",
    "session_count",
    "credited_revenue_amount",
)
CLAIMS: Final = TableColumn.from_fields(
    marketing.ClaimedCampaign, "platform", "campaign_name", *queries.CLAIMS
)
ZONES: Final = "Days of {} are of another time zone than the shop's; they are shown as they are."
ChosenCut = Literal["all", "first_channel", "item_category", "discount_code", "country"]
CUTS: Final = {
    "all": "All customers",
    "first_channel": "Channel of the first paid order",
    "item_category": "Category of the first paid order",
    "discount_code": "Code of the first paid order",
    "country": "Country of the first paid order",
}
MOST_LINES: Final = 24
"""Cohorts of more months are in the table alone."""


class MarketingFilters(Filters):
    """The choices of the page."""

    model: Model = Field(
        DEFAULT_MODEL,
        title="Model",
        json_schema_extra={"labels": {name: MODELS[name] for name in MODELS if name != "markov"}},
    )
    dimension: Dimension = Field(
        "campaign", title="By", json_schema_extra={"labels": dict(DIMENSIONS)}
    )


def _renewals(*numbers: Row | None) -> tuple[str, ...]:
    """Return the names of renewals; none where all numbers have none."""
    has_any = any(row and any(row[name] for name in RENEWALS) for row in numbers)
    return RENEWALS if has_any else ()


def ads(view: View) -> Block:
    """Return what ads cost and brought by the model."""
    answer = _answer(view)
    tiles = [
        compared_tile(answer, "ads", marketing.AdNumbers, name, table=MarketingDaily)
        for name in (*OF_ADS[:-1], *_renewals(answer["ads"], answer["previous"]))
    ]
    after = OF_ADS[-1]
    tiles.append(
        Tile.from_field(
            marketing.AdNumbers,
            after,
            answer["ads"][after],
            previous=(answer["previous"] or {}).get(after),
            change=answer["change"].get(after),
        )
    )
    blocks: list[Block] = [Tiles(tiles)]
    if met := coverage_sentence(answer["visit_coverage_rate"]):
        blocks.append(Notice(met, "info"))
    if answer["other_zones"]:
        # Which accounts have days of another time zone.
        zones = [
            f"{row['platform']} {row['account_id']} ({row['account_time_zone']})"
            for row in answer["other_zones"]
        ]
        shown = zones[:MOST_ZONES] + [f"{len(zones) - MOST_ZONES} more"] * (len(zones) > MOST_ZONES)
        blocks.append(Notice(ZONES.format(", ".join(shown)), "info"))
    return Several(tuple(blocks)) if len(blocks) > 1 else blocks[0]


def whole_shop(view: View) -> Block:
    """Return all revenue beside all spend, and what a new customer costs."""
    numbers = _answer(view)["shop"]
    tiles = Tiles.from_fields(marketing.ShopNumbers, numbers, (*OF_SHOP, *_renewals(numbers)))
    if numbers["contribution_after_ads_amount"] is not None:
        return tiles
    # There each part that is not known leads to where it is filled in.
    links = [("See which costs are not known", view.link("profit"))]
    return Several((tiles, Custom("onward.html", {"links": links})))


def by_model(view: View) -> Block:
    """Return what each model credits to ads."""
    answer = _answer(view)
    names = (*BY_MODEL, *_renewals(*answer["models"]))
    return DataTable(
        answer["models"],
        _readable(TableColumn.from_fields(marketing.AdModel, *names)),
        definition=meaning(answer, "roas"),
        note="Platforms count each order that any of their ads was seen or clicked before.",
    )


def parts(view: View) -> Block:
    """Return campaigns, platforms or channels, the most spend first."""
    dimension: Dimension = view.filters.dimension
    answer = _answer(view)
    names = (*PART_NUMBERS, *_renewals(*answer["parts"]))
    rows = [_part(view, dimension, row) for row in answer["parts"][:MOST_PARTS]]
    left = len(answer["parts"]) - len(rows)
    columns = (
        TableColumn("label", DIMENSIONS[dimension], is_on_one_line=True),
        *_readable(
            tuple(
                _with_short_label(
                    TableColumn.from_field(marketing.AdPart, name, href=f"why_{name}")
                )
                for name in names
            )
        ),
    )
    return DataTable(
        rows,
        columns,
        csv=view.csv("/analytics/marketing.csv", model=view.filters.model, dimension=dimension),
        definition=meaning(answer, "roas", "break_even_roas"),
        note=f"And {left} more; the CSV has all." if left > 0 else "",
    )


def _part(view: View, dimension: Dimension, row: Row) -> Answer:
    """Return a part with its label, and the address of what each of its numbers is made of."""
    where = {"model": view.filters.model}
    if dimension == "campaign":
        label = campaign_label(row)
        names = ("platform", "account_id", "campaign_key")
        where |= {name: str(row[name]) for name in names}
    else:
        label = str(row[dimension])
        where |= {"platform": label} if dimension == "platform" else {}
    traced = () if dimension == "channel" else TRACED
    whys = {f"why_{name}": view.why(Why(MarketingDaily, name, where)) for name in traced}
    return {**row, "label": label, **dict.fromkeys(_HREFS, ""), **whys}


TRACED: Final = (*PART_NUMBERS[:-1], *RENEWALS)
"""The numbers of a part that are of its rows."""
_HREFS: Final = tuple(f"why_{name}" for name in (*PART_NUMBERS, *RENEWALS))


def lone(view: View) -> Block:
    """Return spend without visits, and visits without spend."""
    answer = _answer(view)
    lists = [answer[name] for name in ("spend_without_visits", "visits_without_spend")]
    if not any(lists):
        return Nothing()
    notes = (
        "Spend without visits: the addresses of these ads have no tags, or others.",
        "Visits without spend: what they say meets no campaign of these days.",
    )
    return Several(
        tuple(
            DataTable(rows, LONE, note=note)
            for rows, note in zip(lists, notes, strict=True)
            if rows
        )
    )


def claims(view: View) -> Block:
    """Return what platforms say of campaigns, beside what the shop knows of them."""
    return DataTable(
        _answer(view)["claims"],
        _readable(CLAIMS),
        note="Both on the day of the click. Clicks without a visit are of people who left before "
        "the page was there, who refuse to be measured, or whose address has no tag; platforms "
        "claim orders of people who only saw an ad, too.",
        empty="Nothing was spent on these days.",
    )


def _answer(view: View) -> Answer:
    return view.answer(
        marketing.marketing, model=view.filters.model, dimension=view.filters.dimension
    )


class CohortFilters(PageParameters):
    """The choices of the page."""

    cut: ChosenCut = Field("all", title="By", json_schema_extra={"labels": dict(CUTS)})

    @property
    def dimension(self) -> Cut | None:
        """Return the cut that is asked for; None for all customers."""
        return None if self.cut == "all" else self.cut


CELLS: Final = (
    "months_since_count",
    "customer_count",
    "order_count",
    "revenue_amount",
    "contribution_before_ads_amount",
    "revenue_per_customer",
    "contribution_per_customer",
)
COHORT: Final = TableColumn("series", "Customers of", is_on_one_line=True)
OVER: Final = TableColumn("state", "The month is")
EARLIER: Final = (
    "Customers before: {}. Their first known order is a renewal, so that they are in no month."
)


def _columns(cells: Sequence[Row]) -> tuple[TableColumn, ...]:
    """Return the columns of months since."""
    names = (*CELLS, *_renewals(*cells))
    return (COHORT, *TableColumn.from_fields(marketing.CohortCell, *names), OVER)


def curves(view: View) -> Block:
    """Return what customers of each month are worth as curves over the months since."""
    cells, met = _cells(view), coverage_sentence(_cohorts(view)["visit_coverage_rate"])
    has_value = any(row["contribution_per_customer"] is not None for row in cells)
    number = "contribution_per_customer" if has_value else "revenue_per_customer"
    series = list(dict.fromkeys(row["series"] for row in cells))
    shown = set(series[-MOST_LINES:])
    rows = [
        row
        for row in cells
        if row["is_complete"] and row["series"] in shown and row[number] is not None
    ]
    return Chart(
        charts.curves("months_since_count", number, "series"),
        rows,
        _columns(cells),
        "What a customer of each month is worth until the end of each month since, as lines.",
        note=" ".join(filter(None, [met, "Months that are not over are in the table alone."])),
        why=Why(CustomerCohortValue, number),
    )


def cohort_table(view: View) -> Block:
    """Return every month since of every cohort."""
    cells, answer = _cells(view), _cohorts(view)
    count, met = answer["earlier_customer_count"], coverage_sentence(answer["visit_coverage_rate"])
    return DataTable(
        cells,
        _columns(cells),
        note=" ".join(filter(None, [met, EARLIER.format(count) if count else ""])),
        csv=view.csv(
            "/analytics/customers/cohort-value.csv",
            with_days=False,
            **({"dimension": view.filters.dimension} if view.filters.dimension else {}),
        ),
    )


EXPECTED: Final = TableColumn.from_fields(
    marketing.ExpectedCohort,
    "cohort_month_date",
    "customer_count",
    "contribution_rate",
    "expected_contribution_amount",
)


def expected(view: View) -> Block:
    """Return what customers of each month are expected to leave."""
    answer = view.answer(marketing.cohort_value, dimension=None)
    rows = answer["expected"]
    if not rows:
        return Nothing()
    note = f"Of the {rows[0]['horizon_days']} days after the newest day."
    return DataTable(rows, EXPECTED, note=note)


def _cohorts(view: View) -> Answer:
    return view.answer(marketing.cohort_value, dimension=view.filters.dimension)


def _cells(view: View) -> list[Row]:
    return [
        {
            **row,
            "series": f"{row['cohort_month_date']:%Y-%m}"
            + (f" {row['value']}" if view.filters.dimension else ""),
            "state": "over" if row["is_complete"] else "not over",
        }
        for row in _cohorts(view)["cohorts"]
    ]


PAGES: Final = (
    DashboardPage(
        "marketing",
        "Marketing",
        position=27,
        summary="What ads cost and bring, beside what platforms claim.",
        asks=MarketingFilters,
        scope=Scope.COSTS,
        sections=(
            Section("Ads", ads, is_titled=False),
            Section("The whole shop", whole_shop),
            Section("By model", by_model),
            Section("Campaigns", parts),
            Section("Clicks and claims", claims),
            Section("What does not meet", lone),
        ),
    ),
    DashboardPage(
        "cohort-value",
        "Customer value by month",
        position=28,
        summary="What customers of each month have ordered and left since their first paid order.",
        asks=CohortFilters,
        scope=Scope.COSTS,
        has_comparison=False,
        sections=(
            Section("Value per customer", curves),
            Section("By month", cohort_table),
            Section("Expected", expected),
        ),
    ),
)
