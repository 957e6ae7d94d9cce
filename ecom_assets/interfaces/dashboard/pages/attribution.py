"""Attribution: the revenue of channels under each model, side by side;
and with every choice of the command.
"""

from typing import Final

from pydantic import Field

from ecom_assets.commerce.attribution.answer import CreditedChannel
from ecom_assets.commerce.attribution.contracts import MODELS, ChannelAttribution
from ecom_assets.commerce.attribution.queries import DEFAULT_MODEL, Model, coverage_sentence
from ecom_assets.core.rows import Answer, Row
from ecom_assets.ingestion.sources.site_lists import ATTRIBUTION
from ecom_assets.interfaces.api.routes import sales
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    TableColumn,
    Ways,
    Why,
    meaning,
)
from ecom_assets.interfaces.dashboard.forms import Builder, answered, question_page
from ecom_assets.interfaces.dashboard.page import (
    DashboardPage,
    Filters,
    Section,
    View,
    csv_address,
)

CHANNELS = TableColumn.from_fields(
    sales.Channel,
    "channel",
    "order_count",
    "previous_revenue_amount",
    "revenue_change",
    "revenue_share",
    "revenue_amount",
    bars=("revenue_share",),
)
CHANNEL, REVENUE = CHANNELS[0], CHANNELS[-1]


OF_ORDERS, OF_PURCHASES = "attribution", "credit"
"""The paths of the two parts of the page."""
PARTS: Final = {
    OF_ORDERS: "Orders, by eight models",
    OF_PURCHASES: "Purchases, by rules of your own",
}


def parts(view: View) -> Block:
    """Return the links between the two parts, which keep the days."""
    if view.page.path == OF_ORDERS:
        _by_model(view)  # which says what the days are
    ways = [
        (path, label, view.here() if path == view.page.path else view.link(path))
        for path, label in PARTS.items()
    ]
    return Ways(None, ways, view.page.path, "Parts of Attribution")


class AttributionFilters(Filters):
    """The choices of the page."""

    model: Model = Field(DEFAULT_MODEL, title="Model", json_schema_extra={"labels": {**MODELS}})


def side_by_side(view: View) -> Block:
    """Return the revenue of each channel under each model as dots."""
    result = _by_model(view)
    order = {
        row["channel"]: position for position, row in enumerate(result[DEFAULT_MODEL]["channels"])
    }
    rows = [
        {"channel": row["channel"], "model": MODELS[model], "revenue_amount": row["revenue_amount"]}
        for model, answer in result.items()
        for row in sorted(
            answer["channels"], key=lambda channel: order.get(channel["channel"], len(order))
        )
    ]
    return Chart(
        charts.dots("channel", "revenue_amount", "model"),
        rows,
        (CHANNEL, TableColumn("model", "Model"), REVENUE),
        "Revenue of each channel under each model, a dot per model.",
        csv=csv_address({"channels": rows}, "channels"),
        height=max(160, 34 * len(order)),
        note="Dots far apart: the models disagree about this channel.",
        why=Why(ChannelAttribution, "revenue_amount"),
    )


def compared(view: View) -> Block:
    """Return the same as a table, a column per model."""
    channels: dict[str, Row] = {}
    result = _by_model(view)
    for model in (DEFAULT_MODEL, *result):
        for row in result[model]["channels"]:
            channels.setdefault(
                row["channel"], {"channel": row["channel"], **dict.fromkeys(MODELS)}
            )
            channels[row["channel"]][model] = row["revenue_amount"]
    columns = [
        CHANNEL,
        *(TableColumn(name, MODELS[name], "money", fills="revenue_amount") for name in MODELS),
    ]
    rows = list(channels.values())
    csv = csv_address({"channels": rows}, "channels")
    return DataTable(rows, columns, csv=csv, note="Each model shares out the same revenue.")


def chosen(view: View) -> Block:
    """Return the channels under the chosen model, against the period before."""
    answer = view.answer(sales.revenue_by_channel, model=view.filters.model)
    return DataTable(
        answer["channels"],
        CHANNELS,
        csv=view.csv("/analytics/revenue/by-channel", model=view.filters.model),
        definition=meaning(answer),
        note=coverage_sentence(answer["visit_coverage_rate"]),
        why=Why(ChannelAttribution, "revenue_amount", {"model": view.filters.model}),
    )


def _by_model(view: View) -> dict[str, Answer]:
    return {model: view.answer(sales.revenue_by_channel, model=model) for model in MODELS}


MODELS_PAGE: Final = DashboardPage(
    OF_ORDERS,
    "Attribution",
    position=50,
    summary="Which channel is credited with which revenue, under each of eight models.",
    asks=AttributionFilters,
    sections=(
        Section("Parts", parts, is_titled=False),
        Section("Models side by side", side_by_side),
        Section("The chosen model", chosen),
        Section("Revenue by channel and model", compared),
    ),
)


def credited(answer: Answer) -> Block:
    """Return the purchases that each channel is credited with, as bars."""
    counted = f"{answer['conversions']:,} purchases, by {MODELS[answer['model']]}."
    before = (
        {row["channel"]: row["credit"] for row in answer["before"]["channels"]}
        if answer["before"]
        else {}
    )
    compared = (TableColumn("credit_before", "Purchases before", "decimal"),) if before else ()
    return Chart(
        charts.ranking("channel", "credit", kind="decimal", title="Purchases"),
        [{**row, "credit_before": before.get(row["channel"], 0)} for row in answer["channels"]],
        (*TableColumn.from_fields(CreditedChannel, "channel", "credit", "revenue"), *compared),
        "Bars: the purchases that each channel is credited with.",
        csv=csv_address(answer, "channels"),
        height=max(120, 28 * len(answer["channels"])),
        note=" ".join([counted, *answer["notes"]]),
        empty=" ".join(answer["notes"]),
        definition=(
            "Each purchase event is shared out among the visits before it; the parts add up to one."
        ),
    )


BUILDER: Final = Builder(ATTRIBUTION, {"last": "90d"})
BUILDER_PAGE: Final = question_page(
    BUILDER,
    (Section("Channels", answered(BUILDER, credited)),),
    path=OF_PURCHASES,
    title="Attribution",
    is_listed=False,
    under=OF_ORDERS,
    lead=Section("Parts", parts, is_titled=False),
    summary=(
        "Which channels purchase events are credited to, by a model and with choices of your own."
    ),
)
PAGES: Final = (MODELS_PAGE, BUILDER_PAGE)
