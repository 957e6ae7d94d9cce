"""Attribution builder: the channels that purchase events are credited to, with every choice of the command."""

from typing import Final

from ecom_assets.attribution.answer import CreditedChannel
from ecom_assets.attribution.contracts import MODELS
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import Block, Chart, TableColumn
from ecom_assets.dashboard.forms import Answer, Builder, answered, question_page
from ecom_assets.dashboard.page import Section, csv_address
from ecom_assets.sources.site_lists import ATTRIBUTION


def channels(answer: Answer) -> Block:
    """Return the purchases that each channel is credited with, as bars."""
    counted = f"{answer['conversions']:,} purchases, by {MODELS[answer['model']]}."
    before = {row["channel"]: row["credit"] for row in answer["before"]["channels"]} if answer["before"] else {}
    compared = (TableColumn("credit_before", "Purchases before", "decimal"),) if before else ()
    return Chart(
        charts.ranking("channel", "credit", kind="decimal", title="Purchases"),
        [{**row, "credit_before": before.get(row["channel"], 0)} for row in answer["channels"]],
        (*TableColumn.from_fields(CreditedChannel, "channel", "credit", "revenue"), *compared),
        "Bars: the purchases that each channel is credited with.",
        csv=csv_address(answer),
        height=max(120, 28 * len(answer["channels"])),
        note=" ".join([counted, *answer["notes"]]),
        empty=" ".join(answer["notes"]),
        definition="Each purchase event is shared out among the visits before it; the parts add up to one.",
    )


BUILDER: Final = Builder(ATTRIBUTION, {"last": "90d"})
PAGE = question_page(
    BUILDER,
    (Section("Channels", answered(BUILDER, channels)),),
    path="credit",
    title="Custom attribution",
    position=70,
    summary="Which channels purchase events are credited to, by a model and with choices of your own.",
)
