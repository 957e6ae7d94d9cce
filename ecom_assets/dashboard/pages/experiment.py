"""Experiment builder: how variants compare, with intervals and the check of the split."""

from typing import Any, Final

from ecom_assets.api.routes import experiments
from ecom_assets.dashboard import builder
from ecom_assets.dashboard.blocks import Block, Chart, Column, Notice, Several
from ecom_assets.dashboard.builder import Group, Input, Question, given, plain, question_page, split
from ecom_assets.dashboard.page import Section, View, csv_address

GROUPS: Final = (
    Group(
        "Variants",
        (
            Input("variant", "Variant in", "properties.variant", suggests="columns"),
            Input("control", "Control", "control"),
            Input("exposure", "Exposed by", "any event that has one", suggests="types"),
            Input("goal", "Goal", "purchase", suggests="types"),
            Input("within", "Within", "to the last day"),
            Input("amount", "Also compare mean of", "cart_amount", suggests="columns"),
        ),
    ),
    Group(
        "More",
        (
            Input("goal_where", "Goals where", "cart_amount > 20"),
            Input("exposure_where", "Exposures where", "properties.experiment = checkout"),
            Input("shares", "Planned shares", "control=50, test=50"),
            *builder.DAYS,
            builder.WHERE,
            Input("multiple", "Who saw several", options=(("", "are left out"), ("first", "count for the first"))),
            Input("confidence", "Confidence", "0.95"),
            Input("planned_units", "Planned visitors", "5000", kind="number"),
            builder.SEGMENT,
        ),
        is_more=True,
    ),
)
COLUMNS: Final = (
    Column("variant", "Variant"),
    Column("unit_count", "Visitors", "count"),
    Column("converted_count", "Converted", "count"),
    Column("conversion", "Conversion", "rate"),
    Column("difference", "Against control", "change"),
    Column("interval", "Sequential interval"),
    Column("p_value", "p (always valid)", "score"),
    Column("probability_best", "Probability best", "rate"),
    Column("mean", "Mean", "decimal"),
)


def body_of(fields: Any) -> dict[str, Any]:  # noqa: ANN401 (the choices are made from the groups)
    """Return the body of the route from the fields of the form."""
    own = ("goal", "goal_where", "exposure", "exposure_where", "shares")
    shares = (one.rpartition("=") for one in split(fields.shares))
    return given(
        {
            **plain(fields, GROUPS, *own),
            "goal": _events(fields.goal, fields.goal_where),
            "exposure": _events(fields.exposure, fields.exposure_where),
            "shares": {name.strip(): part.strip() for name, _, part in shares},
        }
    )


def _events(event_type: str, where: str) -> Any:  # noqa: ANN401 (an event type, or one with its conditions)
    if not where.strip():
        return event_type.strip()
    return {"event_type": event_type.strip() or None, "where": builder.lines_of(where)}


def variants(view: View) -> Block:
    """Return the conversion of each variant with its interval, and whether the split is the planned one."""
    if not view.filters.variant.strip():
        return Notice("Name the column or properties.key that has the variant, such as properties.variant.", "info")
    answer = builder.context(view, QUESTION).answer
    if not answer:
        return builder.correct_first()
    ratio = answer["sample_ratio"]
    notes = [Notice(one, "bad") for one in answer["warnings"]]
    if ratio is not None and not ratio["is_mismatch"]:
        notes.append(Notice(f"The split is as planned (p = {ratio['p_value']:.3g}).", "good"))
    chart = Chart(
        _spec(),
        [_row(one) for one in answer["variants"]],
        COLUMNS,
        "A point per variant: its conversion, with the Bayesian interval as a line.",
        csv=csv_address(answer),
        height=max(120, 44 * len(answer["variants"])),
        note=f"{answer['mixed_count']:,} visitors saw several variants.",
        empty="No event has a variant.",
    )
    return Several((*notes, chart))


def _row(one: dict[str, Any]) -> dict[str, Any]:
    conversion, mean = one["conversion"], one["mean"]
    against = conversion["against_control"] or {}
    credible, sequential = conversion["credible"] or {}, against.get("sequential")
    return {
        **{name: one[name] for name in ("variant", "unit_count", "converted_count")},
        "conversion": conversion["value"],
        "low": credible.get("low"),
        "high": credible.get("high"),
        "difference": against.get("relative_difference"),
        "interval": f"{sequential['low']:+.2%} to {sequential['high']:+.2%}" if sequential else "",
        "p_value": against.get("p_value"),
        "probability_best": conversion["probability_best"],
        "mean": mean["value"] if mean else None,
    }


def _spec() -> dict[str, Any]:
    y = {"field": "variant", "type": "nominal", "title": None, "sort": None}
    x = {"type": "quantitative", "title": None, "axis": {"format": ".1%"}, "scale": {"zero": False}}
    tips = [{"field": name, "type": "quantitative", "format": ".2%"} for name in ("conversion", "low", "high")]
    return {
        "layer": [
            {
                "mark": {"type": "rule", "size": 3},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90},
                "encoding": {"y": y, "x": {**x, "field": "conversion"}, "tooltip": tips},
            },
        ]
    }


QUESTION: Final = Question(experiments.experiment, body_of, GROUPS, "ecom experiment", ("variant",))
PAGE = question_page(
    QUESTION,
    (Section("Variants", variants),),
    {"goal": "purchase"},
    path="experiment",
    title="Experiments",
    place=60,
    summary="How variants compare, and whether the difference is more than chance.",
)
