"""What to look at, in the order of the money at stake, each with its reason as a sentence."""

from collections.abc import Mapping
from typing import Any, Final

from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.commerce.findings.contracts import Findings
from ecom_assets.commerce.sales.contracts import Item
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.queries import Reading, Row
from ecom_assets.core.tables.trace import ALL

MOST: Final = 5
"""More than these nobody looks at."""


def findings(reading: Reading) -> list[Row]:
    """Return the rows of `mart.findings` with `title` and `reason`, the most money at stake first.

    Raises:
        NotPublishedError: What is published is of a release without them.
    """
    rows = reading.state(reading.table(Findings).select(*Findings.columns))
    types, names = _event_types(reading, rows), _product_names(reading, rows)
    told = [{**row, **_told(row, types, names)} for row in rows]
    return sorted(
        told,
        key=lambda row: (
            row["weekly_amount"] is None,
            -(row["weekly_amount"] or 0),
            *(row[name] for name in Findings.key),
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
    named = items.filter(items.item_id.isin(products)).select("item_id", "item_name")
    return {row["item_id"]: row["item_name"] for row in reading.state(named)}


def _told(
    row: Row, types: Mapping[tuple[str, int], str], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the title and the reason of a row."""
    kind, subject = row["kind"], row["subject"]
    if kind == "stock":
        count = int(row["observed_number"])
        title = f"{formats.counted(count, 'product')} to reorder"
        return {"title": title, "reason": "The stock ends before more can arrive."}
    if kind == "conversion":
        before, after = (
            _words(types.get((row["funnel_name"], step), "an earlier step"))
            for step in (row["step"] - 1, row["step"])
        )
        of = "" if row["dimension"] == ALL else f" ({_words(row['dimension'])} {subject})"
        title = f"Fewer went from {before} to {after}{of}"
        return {"title": title, "reason": _reason(row, formats.rate, "at least")}
    if kind == "refunds":
        title = f"More of {names.get(subject) or subject} was paid back"
        return {"title": title, "reason": _reason(row, formats.quantity, "at most")}
    title = f"Fewer visits from {subject}"
    return {"title": title, "reason": _reason(row, formats.quantity, "at least")}


def _reason(row: Row, shown: Any, most: str) -> str:  # noqa: ANN401 (a function of numbers)
    """Return a sentence such as "0.00% on 2026-03-14, usually 63.0%, by chance 23.6% at least."."""
    first, last = row["first_date"], row["last_date"]
    days = f"on {first:%A}, {first}" if first == last else f"from {first} to {last}"
    number, usual, bound = (
        shown(row[name]) for name in ("observed_number", "expected_number", "bound_number")
    )
    return f"{number} {days}, usually {usual}, by chance {bound} {most}."


def _words(name: str) -> str:
    return name.replace("_", " ")
