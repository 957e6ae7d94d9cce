"""Correlation builder: which events and properties go with the conversion of a funnel."""

from typing import Final

from ecom_assets.behaviour.correlation.answer import CORRELATION, Correlated
from ecom_assets.behaviour.correlation.text import times_as_often
from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import CHANCE, Block, Chart, TableColumn
from ecom_assets.interfaces.dashboard.formats import formatted
from ecom_assets.interfaces.dashboard.forms import Builder, answered_in, question_page, readable
from ecom_assets.interfaces.dashboard.page import Section, View, csv_address

COLUMNS: Final = (
    TableColumn("label", "Event or property"),
    TableColumn("often", "Convert", is_on_one_line=True),
    CHANCE,
    *TableColumn.from_fields(Correlated, "converted_count", "other_count", "odds_ratio"),
    TableColumn("enough", "Data", is_on_one_line=True),
)
NO_CAUSE: Final = (
    "This does not say that it makes anybody convert: those who meant to anyway may do it more "
    "often. An experiment can say that."
)


def factors(view: View, answer: Answer) -> Block:
    """Return how many times as often those with each thing convert, on a logarithmic scale."""
    rows = [
        {
            **row,
            "label": view.event(row["value"])
            if row["property"] is None
            else f"{row['value']} ({readable(row['property']).lower()})",
            "often": times_as_often(row["factor"]),
            "short": f"{formatted(row['factor'], 'score')}\N{MULTIPLICATION SIGN}",
            "chance": " to ".join(
                formatted(row[name], "score") for name in ("factor_low", "factor_high")
            ),
            "low": row["factor_low"],
            "high": row["factor_high"],
            "enough": "enough" if row["is_enough"] else "too few",
        }
        for row in answer["correlations"]
    ]
    converted, other = answer["converted_count"], answer["other_count"]
    left_out = ", ".join(view.event(step) for step in answer["on_the_way"])
    last = view.event(answer["definition"]["funnel"]["steps"][-1]["event_type"])
    notes = [
        f"{converted:,} visitors converted and {other:,} did not.",
        NO_CAUSE,
        *([f"Left out, as it lies on the way to {last}: {left_out}."] if left_out else []),
    ]
    return Chart(
        _spec(),
        rows,
        COLUMNS,
        "A point per event type or value: how many times as often visitors with it convert, with "
        "the interval as a line.",
        csv=csv_address(answer, "correlations"),
        height=max(160, 30 * len(rows)),
        note=" ".join(notes),
        is_table_open=True,
        definition=(
            "The share of visitors with it who convert, divided by that of those without it, with "
            "its 95% interval. At 1 there is no difference."
        ),
    )


def _spec() -> Answer:
    y = charts.names("label", axis={"labelLimit": 220})
    scale = {"type": "log"}
    colour = charts.names("enough", scale={"domain": ["enough", "too few"]})
    axis = {
        "labelExpr": "format(datum.value, datum.value < 1 ? '~g' : '~s') + '\u00d7'",
        "values": [step * 10.0**power for power in range(-4, 5) for step in (1, 2, 5)],
        "grid": False,
        "labelOverlap": True,
    }
    x = {"field": "factor", "type": "quantitative", "title": None, "scale": scale, "axis": axis}
    no_difference = {
        "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.5},
        "encoding": {"x": {"datum": 1, "scale": scale, "title": None, "axis": axis}},
    }
    texts = {
        "mark": {"type": "text", "align": "left", "dx": 10, "dy": -9, "fontSize": 11},
        "encoding": {"y": y, "x": x, "text": {"field": "short"}},
    }
    return {
        "layer": [no_difference, *charts.intervals(y, x, COLUMNS[1:], color=colour), texts],
    }


BUILDER: Final = Builder(
    CORRELATION,
    {"step1": "product_view", "step2": "purchase", "properties": "product_category", "last": "90d"},
)
PAGE = question_page(
    BUILDER,
    (Section("What goes with converting", answered_in(BUILDER, factors)),),
    path="correlation",
    title="Correlation",
    position=50,
    summary="What those who convert do, and others do not.",
)
