"""Correlation builder: which events and properties go with the conversion of a funnel."""

from typing import Any, Final

from ecom_assets.behaviour.correlation.answer import CORRELATION, Correlated
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import Block, Chart, TableColumn
from ecom_assets.interfaces.dashboard.forms import (
    Answer,
    Builder,
    answered,
    question_page,
    readable,
)
from ecom_assets.interfaces.dashboard.page import Section, csv_address

COLUMNS: Final = (
    TableColumn("label", "Event or property"),
    *(
        TableColumn.from_field(Correlated, name)
        for name in ("odds_ratio", "low", "high", "converted_count", "other_count")
    ),
    TableColumn("enough", "Data"),
)


def ratios(answer: Answer) -> Block:
    """Return the odds ratios with their intervals, on a logarithmic scale."""
    rows = [
        {
            **row,
            "label": row["value"]
            if row["property"] is None
            else f"{row['value']} ({readable(row['property']).lower()})",
            "enough": "enough" if row["is_enough"] else "too few",
        }
        for row in answer["correlations"]
    ]
    converted, other = answer["converted_count"], answer["other_count"]
    return Chart(
        _spec(),
        rows,
        COLUMNS,
        "A point per event type or value: its odds ratio, with the interval as a line.",
        csv=csv_address(answer, "correlations"),
        height=max(160, 26 * len(rows)),
        note=(
            f"{converted:,} visitors converted and {other:,} did not. At 1 there is no difference."
        ),
        definition=(
            "How many times as high the odds to convert are with it as without it, with their "
            "95% interval."
        ),
    )


def _spec() -> dict[str, Any]:
    y = charts.names("label", axis={"labelLimit": 220})
    scale = {"type": "log"}
    colour = charts.names("enough", scale={"domain": ["enough", "too few"]})
    label = "format(datum.value, datum.value < 1 ? '~g' : '~s')"
    axis = {"labelExpr": label, "grid": False, "labelOverlap": True}
    x = {
        "field": "odds_ratio",
        "type": "quantitative",
        "title": "Odds ratio",
        "scale": scale,
        "axis": axis,
    }
    no_difference = {
        "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.5},
        "encoding": {"x": {"datum": 1, "scale": scale}},
    }
    return {"layer": [no_difference, *charts.intervals(y, x, COLUMNS[1:4], color=colour)]}


BUILDER: Final = Builder(
    CORRELATION,
    {"step1": "product_view", "step2": "purchase", "properties": "product_category", "last": "90d"},
)
PAGE = question_page(
    BUILDER,
    (Section("Odds ratios", answered(BUILDER, ratios)),),
    path="correlation",
    title="Correlation",
    position=50,
    summary="What those who convert do, and others do not.",
)
