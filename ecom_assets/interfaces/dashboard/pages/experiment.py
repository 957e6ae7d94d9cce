"""Experiment builder: how variants compare, with intervals and the check of the split."""

import re
from typing import Final

from ecom_assets.behaviour.experiments.answer import EXPERIMENT, Comparison, Metric, VariantCounts
from ecom_assets.core.rows import Answer, Row
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    Custom,
    Notice,
    Several,
    TableColumn,
)
from ecom_assets.interfaces.dashboard.forms import (
    Builder,
    answered,
    keys_of_events,
    question_page,
    readable,
)
from ecom_assets.interfaces.dashboard.page import Section, View, csv_address

CONVERSION: Final = TableColumn("conversion", "Conversion", "rate", of="unit_count")
COLUMNS: Final = (
    *TableColumn.from_fields(VariantCounts, "variant", "unit_count", "converted_count"),
    CONVERSION,
    TableColumn("difference", "Against control", "change"),
    TableColumn("interval", "Sequential interval"),
    TableColumn.from_field(Comparison, "p_value"),
    TableColumn.from_field(Metric, "probability_best"),
    TableColumn("mean", "Mean", "decimal"),
)
TIPS: Final = (CONVERSION, TableColumn("low", "Low", "rate"), TableColumn("high", "High", "rate"))


def variants(view: View) -> Block:
    """Return how the variants compare, or that none is named yet."""
    if not view.filters.variant.strip():
        return _found_in_events(view)
    return answered(BUILDER, compared_variants)(view)


def _found_in_events(view: View) -> Block:
    """Return links that try the keys of `properties` which are called as variants are,
    if events have some.
    """
    names = [name for name in keys_of_events(view) if VARIANT.search(name)]
    if not names:
        return Notice(
            "Choose the column that has the variant under “Variant in”, such as "
            "properties.variant.",
            "info",
        )
    goals = [("purchase", "purchases"), ("add_to_cart", "adds to the cart")]
    links = [
        {
            "label": f"{readable(name)}: {goal_words}",
            "href": view.here(variant=name, goal=goal, within="7d"),
        }
        for name in names
        for goal, goal_words in goals
    ]
    return Custom(
        "links.html", {"words": "Events name a variant. Compare its values by:", "links": links}
    )


VARIANT: Final = re.compile("variant|experiment|test_group|ab_test", re.IGNORECASE)
"""What keys of `properties` with the variant of an experiment are often called."""


def compared_variants(answer: Answer) -> Block:
    """Return the conversion of each variant with its interval,
    and whether the split is the planned one.
    """
    ratio, notes = answer["sample_ratio"], []
    if ratio is not None and not ratio["is_mismatch"]:
        notes.append(Notice(f"The split is as planned (p = {ratio['p_value']:.3g}).", "good"))
    left_out = sum(left["unit_count"] or 0 for left in answer["outside"])
    outside = f" {left_out:,} were left out by the flag, and are in no variant." if left_out else ""
    chart = Chart(
        _spec(),
        [_row(variant) for variant in answer["variants"]],
        COLUMNS,
        "A point per variant: its conversion, with the Bayesian interval as a line.",
        csv=csv_address(answer, "variants"),
        height=max(120, 44 * len(answer["variants"])),
        note=f"{answer['mixed_count']:,} visitors saw several variants.{outside}",
        empty="No event has a variant.",
    )
    return Several((*notes, chart))


def _row(variant: Row) -> Answer:
    conversion, mean = variant["conversion"], variant["mean"]
    against = conversion["against_control"] or {}
    credible, sequential = conversion["credible"] or {}, against.get("sequential")
    return {
        **{name: variant[name] for name in ("variant", "unit_count", "converted_count")},
        "conversion": conversion["value"],
        "low": credible.get("low"),
        "high": credible.get("high"),
        "difference": against.get("relative_difference"),
        "interval": f"{sequential['low']:+.2%} to {sequential['high']:+.2%}" if sequential else "",
        "p_value": against.get("p_value"),
        "probability_best": conversion["probability_best"],
        "mean": mean["value"] if mean else None,
    }


def _spec() -> Answer:
    rate = charts.number("conversion", "rate", axis={"format": ".1%"}, scale={"zero": False})
    return {"layer": charts.intervals(charts.names("variant"), rate, TIPS)}


BUILDER: Final = Builder(EXPERIMENT, {"goal": "purchase"})
PAGE = question_page(
    BUILDER,
    (Section("Variants", variants),),
    path="experiment",
    title="Experiments",
    position=60,
    summary="How variants compare, and whether the difference is more than chance.",
)
