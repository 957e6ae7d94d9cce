"""Overview: the numbers of the shop against the period before."""

from typing import Any

from ecom_assets.api.parameters import AskedOfDays, AskedPagesOfDays
from ecom_assets.api.routes import funnels, sales, sessions
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import Block, Chart, Column, Tile, Tiles, Why
from ecom_assets.dashboard.page import Page, Section, View
from ecom_assets.dashboard.sparkline import Sparkline
from ecom_assets.errors import EcomError
from ecom_assets.tables.queries import NoSourceError

POINTS = (
    Column("start_date", "Day", "date"),
    Column("revenue_amount", "Revenue", "money"),
    Column("order_count", "Orders", "count"),
    Column("average_order_value", "Average order", "money"),
)


def key_numbers(view: View) -> Block:
    """Return the six numbers of the shop; those whose source is missing are left out if the others are known."""
    found: list[Tile] = []
    missing: list[EcomError] = []
    for build in (_sales, _conversion, _sessions):
        try:
            found += build(view)
        except NoSourceError as error:
            missing.append(error)
    if not found:
        raise missing[0]
    return Tiles(found)


def revenue(view: View) -> Block:
    """Return the revenue by day."""
    answer = view.answer(sales.revenue_trend, sales.AskedTrend)
    return Chart(
        charts.line("start_date", "revenue_amount", kind="money", area=True, title="Revenue"),
        answer["points"],
        POINTS,
        "Revenue of each day as a line.",
        csv=view.csv("/analytics/revenue/trend"),
        definition=answer["definition"]["revenue_amount"],
        why=Why("mart.revenue_daily", "revenue_amount"),
    )


def _sales(view: View) -> list[Tile]:
    answer = view.answer(sales.sales, AskedOfDays)
    points = view.answer(sales.revenue_trend, sales.AskedTrend)["points"]
    return [
        _tile(answer, "sales", "revenue_amount", "Revenue", "money", points, "mart.revenue_daily"),
        _tile(answer, "sales", "order_count", "Orders", "count", points, "mart.revenue_daily"),
        _tile(answer, "sales", "average_order_value", "Average order value", "money", points, "mart.revenue_daily"),
    ]


def _conversion(view: View) -> list[Tile]:
    answer = view.answer(funnels.conversion, funnels.AskedConversion)
    return [
        Tile(
            "Conversion",
            answer["conversion_rate"],
            "rate",
            answer["definition"]["conversion_rate"],
            previous=(answer["previous"] or {}).get("conversion_rate"),
            change=answer["change"]["conversion_rate"],
            why=Why("mart.conversion_funnel", "unit_count"),
        )
    ]


def _sessions(view: View) -> list[Tile]:
    answer = view.answer(sessions.engagement, AskedPagesOfDays, limit=1000)
    days, table = answer["days"], "mart.engagement_daily"
    return [
        _tile(answer, "engagement", "session_count", "Sessions", "count", days, table),
        _tile(answer, "engagement", "bounce_rate", "Bounce rate", "rate", days, table, better="down"),
    ]


def _tile(  # noqa: PLR0913, PLR0917 (what a tile says)
    answer: dict[str, Any],
    part: str,
    name: str,
    label: str,
    kind: Any,  # noqa: ANN401 (a `Kind`)
    points: list[dict[str, Any]],
    table: str,
    better: Any = "up",  # noqa: ANN401 (as of `Tile`)
) -> Tile:
    return Tile(
        label,
        answer[part][name],
        kind,
        answer["definition"][name],
        previous=(answer["previous"] or {}).get(name),
        change=answer["change"][name],
        better=better,
        trend=Sparkline.of([point[name] for point in points]),
        why=Why(table, name),
    )


PAGE = Page(
    "",
    "Overview",
    place=10,
    summary="How the shop does, against the period before.",
    sections=(Section("Key numbers", key_numbers, is_titled=False), Section("Revenue by day", revenue)),
)
