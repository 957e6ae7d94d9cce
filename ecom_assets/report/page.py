"""The report as one HTML page: no script, nothing from elsewhere, readable on a phone and printed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecom_assets.report import wording
from ecom_assets.report.charts import daily_chart, widths, zero_of
from ecom_assets.tables.queries import ZERO, Row

TEMPLATES: Final = Path(__file__).parent / "templates"
MOST_PARTS: Final = 8
"""Parts of a dimension that are shown; the others are one row."""
OTHERS: Final = "(others)"
CARDS: Final = (
    "revenue_amount",
    "order_count",
    "average_order_value",
    "session_count",
    "conversion_rate",
    "bounce_rate",
    "new_customer_count",
    "returning_customer_count",
    "weekly_visitor_count",
    "cart_abandonment_rate",
    "sold_item_count",
    "refunded_amount",
)


def render_page(report: Mapping[str, Any]) -> str:
    """Return the page of a report, see `weekly_report`."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "money", "signed_money", "percent", "change", "points", "factor", "part_name"):
        environment.filters[name] = getattr(wording, name)
    causes = report["causes"]
    return environment.get_template("report.html").render(
        report=report,
        cards=[(name, report["numbers"][name]) for name in CARDS],
        chart=daily_chart(report["days"], report["currency"]) if _has_days(report) else None,
        factors=[_with_bars(parts) for parts in causes["factors"] or []],
        revenue=[{**one, **_with_bars(_shortened(one["parts"]))} for one in causes["revenue"] or []],
        wording=wording,
        total=lambda rows, name: sum((row[name] for row in rows), ZERO),
    )


def _has_days(report: Mapping[str, Any]) -> bool:
    return any(day["revenue_amount"] is not None for day in report["days"])


def _with_bars(parts: Sequence[Row]) -> dict[str, Any]:
    contributions = [row["contribution_amount"] for row in parts]
    rows = [{**row, "bar": bar} for row, bar in zip(parts, widths(contributions), strict=True)]
    return {"rows": rows, "zero": zero_of(contributions)}


def _shortened(parts: Sequence[Row]) -> list[Row]:
    """Return the largest parts, and the others added up."""
    if len(parts) <= MOST_PARTS + 1:
        return list(parts)
    names = ("revenue_amount", "previous_revenue_amount", "contribution_amount")
    rest: dict[str, Decimal] = {name: sum((row[name] for row in parts[MOST_PARTS:]), ZERO) for name in names}
    return [*parts[:MOST_PARTS], {"value": OTHERS, **rest}]
