"""The part of a run's summary that is about channels: revenue by channel, under three ways to give credit.

Not here: the rest of it (`run_summary.py`).
"""

from typing import Any

from ecom_assets.attribution.contracts import ChannelAttribution
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engine import Engine

SHOWN = ("last_non_direct", "first", "markov")


def channel_totals(engine: Engine, days: Days, unit: str) -> dict[str, Any]:
    """Return what each model credits each channel with, of the conversions of some days; greatest revenue first."""
    table = engine.table(ChannelAttribution)
    table = table.filter(days.contain(table.converted_date), table.unit == unit)
    sums = table.group_by("model", "channel").agg(credit=table.credit.sum(), revenue=table.revenue_amount.sum())
    models: dict[str, list[dict[str, Any]]] = {}
    for row in sums.to_pyarrow().to_pylist():
        one = {"channel": row["channel"], "credit": float(row["credit"]), "revenue_amount": f"{row['revenue']:.2f}"}
        models.setdefault(row["model"], []).append(one)
    ordered = {model: sorted(models[model], key=_most_first) for model in sorted(models)}
    return {"unit": unit, "models": ordered}


def channel_lines(totals: dict[str, Any]) -> list[str]:
    """Write revenue by channel for people; nothing where nothing was bought."""
    models = totals["models"]
    if not models or any(one["revenue_amount"] is None for one in models[SHOWN[0]]):
        return []
    amounts = {model: {one["channel"]: float(one["revenue_amount"]) for one in models[model]} for model in SHOWN}
    channels = list(dict.fromkeys(channel for model in SHOWN for channel in amounts[model]))
    head = "".join(f"{model.replace('_', ' '):>18}" for model in SHOWN)
    lines = ["", f"{'Revenue by channel':27}{head}"]
    for channel in channels:
        cells = "".join(f"{amounts[model].get(channel, 0.0):>18,.2f}" for model in SHOWN)
        lines.append(f"  {channel:25}{cells}")
    return lines


def _most_first(one: dict[str, Any]) -> tuple[float, str]:
    return -float(one["revenue_amount"]), one["channel"]
