"""Attribution builder: the channels that purchase events are credited to, with every choice of the command."""

from typing import Final

from ecom_assets.api.routes import attribution
from ecom_assets.dashboard import builder, charts
from ecom_assets.dashboard.blocks import Block, Chart, Column
from ecom_assets.dashboard.builder import Answer, Group, Input, Question, answered, question_page
from ecom_assets.dashboard.page import Section, csv_address
from ecom_assets.dashboard.pages.attribution import NAMES

GROUPS: Final = (
    Group(
        "Credit",
        (
            Input("model", "Model", options=(("", "Of the preset"), *NAMES.items())),
            Input("lookback", "Visits count for", "30d", about=("look-back", "duration")),
            *builder.DAYS,
        ),
    ),
    Group(
        "More",
        (
            *builder.OF_SESSIONS,
            Input("half_life", "Weight halves in", "7d", about=("half-life",)),
            Input(
                "two_touches",
                "Two visits of a shape",
                options=(("", "keep its proportion"), ("split", "split its middle")),
            ),
        ),
        is_more=True,
    ),
)
COLUMNS: Final = (
    Column("channel", "Channel"),
    Column("credit", "Purchases", "decimal"),
    Column("revenue", "Revenue", "decimal"),
)


def channels(answer: Answer) -> Block:
    """Return the purchases that each channel is credited with, as bars."""
    counted = f"{answer['conversions']:,} purchases, by {NAMES[answer['model']]}."
    return Chart(
        charts.ranking("channel", "credit", kind="decimal", title="Purchases"),
        answer["channels"],
        COLUMNS,
        "Bars: the purchases that each channel is credited with.",
        csv=csv_address(answer),
        height=max(120, 28 * len(answer["channels"])),
        note=" ".join([counted, *answer["notes"]]),
        empty=" ".join(answer["notes"]),
        definition="Each purchase event is shared out among the visits before it; the parts add up to one.",
    )


QUESTION: Final = Question(
    attribution.attribution, builder.body_from(GROUPS), GROUPS, "ecom attribution", is_file_of_body=True
)
PAGE = question_page(
    QUESTION,
    (Section("Channels", answered(QUESTION, channels)),),
    {"model": "last_non_direct"},
    path="credit",
    title="Custom attribution",
    place=70,
    summary="Which channels purchase events are credited to, by a model and with choices of your own.",
)
