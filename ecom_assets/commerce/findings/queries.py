"""What to look at, in the order of the money at stake, each with its reason as a sentence."""

from collections.abc import Callable, Mapping
from math import ceil, floor
from typing import Any, Final

from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.sales.contracts import Item
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.places import UNKNOWN
from ecom_assets.core.tables.queries import Reading, Row
from ecom_assets.core.tables.trace import ALL

NEAR: Final = {"device": "on", "channel": "from", "category": "in"}
"""What stands before a value of each dimension."""


def findings(reading: Reading) -> list[Row]:
    """Return the rows of `mart.findings` with `title` and `reason`, the most money at stake first.

    Raises:
        NotPublishedError: What is published is of a release without them.
    """
    rows = reading.state(reading.table(ShopFindings).select(*ShopFindings.columns))
    types, names = _event_types(reading, rows), _product_names(reading, rows)
    return sorted(
        ({**row, **_described(row, types, names)} for row in rows),
        key=lambda row: (
            row["weekly_amount"] is None,
            -(row["weekly_amount"] or 0),
            *(row[name] for name in ShopFindings.key),
        ),
    )


def _event_types(reading: Reading, rows: list[Row]) -> Mapping[tuple[str, int], str]:
    """Return the event type of each step of the funnels that are named."""
    funnels = sorted({row["funnel_name"] for row in rows if row["kind"] == "conversion"})
    if not funnels:
        return {}
    steps = reading.table(ConversionByDimension)
    chosen = steps.filter(steps.funnel_name.isin(funnels))
    named = reading.state(chosen.select("funnel_name", "step", "event_type").distinct())
    return {(row["funnel_name"], row["step"]): row["event_type"] for row in named}


def _product_names(reading: Reading, rows: list[Row]) -> Mapping[str, str]:
    """Return the names of the products that are named, as far as an order line has them."""
    products = sorted({row["subject"] for row in rows if row["kind"] == "refunds"})
    if not products:
        return {}
    items = reading.table(Item)
    named = items.filter(items.item_id.isin(products), items.item_name != UNKNOWN)
    return {
        row["item_id"]: row["item_name"]
        for row in reading.state(named.select("item_id", "item_name"))
    }


def _described(
    row: Row, types: Mapping[tuple[str, int], str], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the title and the reason of a row."""
    kind, subject = row["kind"], row["subject"]
    if kind == "stock":
        count = int(row["observed_number"])
        run = "runs" if count == 1 else "run"
        title = f"{formats.counted(count, 'product')} {run} out before more can arrive"
        return {"title": title, "reason": "Reorder them; the list says how many of each."}
    if kind == "conversion":
        before, after = (
            _spaced(types.get((row["funnel_name"], step), "an earlier step"))
            for step in (row["step"] - 1, row["step"])
        )
        of = "" if row["dimension"] == ALL else f" {NEAR[row['dimension']]} {subject}"
        title = f"Fewer went from {before} to {after}{of}"
        return {"title": title, "reason": _reason(row, formats.rate, "lower")}
    if kind == "refunds":
        title = f"More of {names.get(subject, subject)} was paid back"
        return {"title": title, "reason": _reason(row, formats.number, "higher")}
    title = f"Fewer visits from {subject}"
    return {"title": title, "reason": _reason(row, formats.number, "lower")}


def _reason(row: Row, shown: Callable[[float], str], further: str) -> str:
    """Return the number, what is usual, and how far chance goes, as a sentence."""
    first, last = row["first_date"], row["last_date"]
    days = f"on {first:%A}, {first}" if first == last else f"from {first} to {last}"
    number, usual, bound = (
        row[name] for name in ("observed_number", "expected_number", "bound_number")
    )
    if usual is None or bound is None:  # of a publication that lacks them
        return f"{shown(number)} {days}."
    if row["kind"] != "conversion":  # of counts, the last that chance lets be
        bound = floor(bound) if further == "higher" else ceil(bound)
    return (
        f"{shown(number)} {days}; usually {shown(usual)}, and chance alone goes no {further} than "
        f"{shown(bound)}."
    )


def _spaced(name: str) -> str:
    return name.replace("_", " ")
