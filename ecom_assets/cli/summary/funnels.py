"""The daily funnels in a run's summary: each one's units by step, and its chart. Not here: the table."""

from collections.abc import Mapping
from typing import Any

import ibis.expr.types as ir

from ecom_assets.cli.chart import funnel_chart
from ecom_assets.funnels.daily import ALL_CATEGORIES, DEFAULT_NAME
from ecom_assets.funnels.queries import funnel_steps

UNITS = ("session", "visitor")


def summarize_funnels(rows: ir.Table) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the steps of each funnel and unit, by name, over all days of rows of `ConversionFunnel`."""
    totals = rows.filter(rows.product_category == ALL_CATEGORIES)
    keys = ["funnel_name", "unit", "step", "event_type"]
    sums = totals.group_by(keys).agg(units=totals.unit_count.sum()).order_by(keys).to_pyarrow().to_pylist()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in sorted({row["funnel_name"] for row in sums}):
        of_units = {unit: [r for r in sums if (r["funnel_name"], r["unit"]) == (name, unit)] for unit in UNITS}
        found[name] = {
            unit: funnel_steps([row["event_type"] for row in steps], [int(row["units"]) for row in steps])
            for unit, steps in of_units.items()
        }
    return found


def funnel_lines(funnels: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Draw each funnel that counts anybody."""
    lines = []
    for name, of_units in funnels.items():
        title = "Funnel" if name == DEFAULT_NAME else f"Funnel {name}"
        for unit, steps in of_units.items():
            if steps:
                lines += ["", f"{title} per {unit}, by the day it started", *funnel_chart(steps)]
    return lines
