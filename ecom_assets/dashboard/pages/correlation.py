"""Correlation builder: which events and properties go with the conversion of a funnel."""

from typing import Any, Final

from ecom_assets.api.routes import correlation
from ecom_assets.dashboard import builder
from ecom_assets.dashboard.blocks import Block, Chart, Column
from ecom_assets.dashboard.builder import Answer, Group, Input, Question, answered, given, plain, question_page, split
from ecom_assets.dashboard.page import Section, csv_address
from ecom_assets.funnels.answer import MOST_COMPILED_STEPS

GROUPS: Final = (
    builder.steps_group("Funnel", MOST_COMPILED_STEPS, "cart_amount > 20"),
    Group(
        "How",
        (
            Input("within", "Window", "7d", about=("within", "duration")),
            Input("properties", "Properties", "product_category, properties.key", width=2),
            Input("limit", "At most", "20", kind="number"),
            *builder.DAYS,
        ),
    ),
    Group(
        "More",
        (
            Input("order", "Order", options=builder.ORDERS),
            builder.WHERE,
            Input("exclude", "Without, between steps", "remove_from_cart", suggests="types"),
            Input("exclusion_rule", "What comes between", options=builder.EXCLUDING),
            Input("confidence", "Confidence", "0.95"),
            builder.SEGMENT,
        ),
        is_more=True,
    ),
)
OF_FUNNEL: Final = ("within", "order", "exclude", "exclusion_rule")
COLUMNS: Final = (
    Column("label", "Event or property"),
    Column("odds_ratio", "Odds ratio", "score"),
    Column("low", "Low", "score"),
    Column("high", "High", "score"),
    Column("converted_count", "Converted with it", "count"),
    Column("other_count", "Did not", "count"),
    Column("enough", "Data"),
)


def body_of(fields: Any) -> dict[str, Any]:  # noqa: ANN401 (the choices are made from the groups)
    """Return the body of the route from the fields of the form."""
    steps = [one.name for one in GROUPS[0].inputs]
    own = plain(fields, GROUPS, *steps, *OF_FUNNEL, "where", "properties")
    funnel = {
        "steps": builder.steps_of(fields, MOST_COMPILED_STEPS),
        **{name: getattr(fields, name).strip() for name in OF_FUNNEL},
        "exclude": [builder.exclusion(one) for one in split(fields.exclude)],
        "where": builder.lines_of(fields.where),
    }
    return given({"funnel": given(funnel), "properties": split(fields.properties), **own})


def ratios(answer: Answer) -> Block:
    """Return the odds ratios with their intervals, on a logarithmic scale."""
    rows = [
        {
            **row,
            "label": row["value"] if row["property"] is None else f"{row['value']} ({row['property']})",
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
        csv=csv_address(answer),
        height=max(160, 26 * len(rows)),
        note=" ".join(
            [
                f"{converted:,} visitors converted and {other:,} did not. At 1 there is no difference.",
                *answer["warnings"],
            ]
        ),
        definition="How many times as high the odds to convert are with it as without it, with their 95% interval.",
    )


def _spec() -> dict[str, Any]:
    y = {"field": "label", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 220}}
    scale = {"type": "log"}
    colour = {"field": "enough", "type": "nominal", "title": None, "scale": {"domain": ["enough", "too few"]}}
    label = "format(datum.value, datum.value < 1 ? '~g' : '~s')"
    axis = {"labelExpr": label, "grid": False, "labelOverlap": True}
    x = {"field": "odds_ratio", "type": "quantitative", "title": "Odds ratio", "scale": scale, "axis": axis}
    tips = [{"field": name, "type": "quantitative", "format": ".3~g"} for name in ("odds_ratio", "low", "high")]
    return {
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.5},
                "encoding": {"x": {"datum": 1, "scale": scale}},
            },
            {
                "mark": "rule",
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {"y": y, "x": x, "color": colour, "tooltip": tips},
            },
        ]
    }


QUESTION: Final = Question(correlation.correlation, body_of, GROUPS, "ecom correlation")
PAGE = question_page(
    QUESTION,
    (Section("Odds ratios", answered(QUESTION, ratios)),),
    {"step1": "product_view", "step2": "purchase", "properties": "product_category"},
    days=90,
    path="correlation",
    title="Correlation",
    place=50,
    summary="What those who convert do, and others do not.",
)
