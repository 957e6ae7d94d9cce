"""Charts of marts for Dagster's UI, small enough for the history of each run.

Each is an SVG of a few kilobytes, inside Markdown. The numbers are those of the subjects'
`queries.py`.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html import escape
from typing import Final

from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.behaviour.funnels.daily import DEFAULT_NAME
from ecom_assets.behaviour.funnels.queries import daily_funnels
from ecom_assets.behaviour.retention.contracts import RetentionCohorts
from ecom_assets.behaviour.retention.queries import cohorts
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.coverage import ORDERS
from ecom_assets.commerce.sales.queries import revenue_trend
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.queries import KnownDays, Page, Period, Reading
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.outputs.serving.reading import WarehouseReading

DAYS: Final = 30
WEEKS: Final = 8
WIDTH: Final = 640
LABELS: Final = 110
"""Room for the labels at the left."""
ROW: Final = 26
INK, BLUE = "#475569", "#2563eb"
"""Colours that can be read on white and on black, as the UI has both."""
MOST_ROWS: Final = 20_000


def plot_of(
    engine: Engine, contract: Contract, days: Days | None, timezone: str, currency: str
) -> str | None:
    """Return the picture of a table as Markdown,
    for the last days up to the newest of those written.

    Returns None if the table has no picture, or nothing to show. `days` is None for a table that is
    written whole.
    """
    draw = PLOTS.get(contract)
    if draw is None or (days is not None and not days.dates):
        return None
    newest = date.max if days is None else days.dates[-1]
    # Revenue is that of orders: the picture belongs to their table.
    reading = WarehouseReading(
        engine, newest, timezone, currency, {ORDERS: KnownDays(newest, newest)}
    )
    return draw(reading, Period("custom", newest - (DAYS - 1) * ONE_DAY, newest))


def funnel_plot(reading: Reading, period: Period) -> str | None:
    """Return the steps of the default daily funnel per session as bars."""
    steps = daily_funnels(reading, period).get(DEFAULT_NAME, {}).get("session", [])
    most = max((step["count"] for step in steps), default=0)
    if not most:
        return None
    marks = []
    for number, step in enumerate(steps):
        width = (WIDTH - 2 * LABELS) * step["count"] / most
        share = "" if number == 0 else f" {100 * (step['conversion_from_previous'] or 0):.1f}%"
        marks += [
            _text(LABELS - 8, ROW * number + 17, step["event_type"], anchor="end"),
            _rect((LABELS, ROW * number + 4, width, ROW - 8)),
            _text(LABELS + width + 6, ROW * number + 17, f"{step['count']:,}{share}"),
        ]
    return _markdown(
        f"Funnel per session, {period.start_date} to {period.end_date}", marks, ROW * len(steps)
    )


def retention_plot(reading: Reading, _period: Period) -> str | None:
    """Return the newest weekly cohorts as a heat map of who came back in each week;
    what is incomplete is pale.
    """
    rows = cohorts(reading, "first_activity", "week", Page(MOST_ROWS))["cohorts"]
    newest = sorted({row["cohort_date"] for row in rows})[-WEEKS:]
    shown = [
        row for row in rows if row["cohort_date"] in newest and 0 < row["period_number"] <= WEEKS
    ]
    if not shown:
        return None
    most = max(row["retention_on_rate"] or 0 for row in shown) or 1
    cell = (WIDTH - LABELS) // WEEKS
    marks = [
        _text(LABELS - 8, ROW * n + 17, str(day), anchor="end") for n, day in enumerate(newest)
    ]
    for row in shown:
        x, y = LABELS + cell * (row["period_number"] - 1), ROW * newest.index(row["cohort_date"])
        rate = row["retention_on_rate"] or 0
        opacity = (0.1 + 0.9 * rate / most) * (1 if row["is_complete"] else 0.4)
        marks += [
            _rect((x, y + 2, cell - 3, ROW - 4), opacity),
            _text(x + 6, y + 17, f"{100 * rate:.1f}%"),
        ]
    title = (
        "Share of each week's new visitors who came back one to eight weeks later; pale: not all "
        "days are over"
    )
    return _markdown(title, marks, ROW * len(newest))


def revenue_plot(reading: Reading, period: Period) -> str | None:
    """Return the revenue of each day as bars."""
    points = revenue_trend(reading, period, "day")
    amounts = [float(point["revenue_amount"] or 0) for point in points]
    most = max(amounts, default=0)
    if most <= 0:
        return None
    height, step = 120, (WIDTH - LABELS) / len(points)
    marks = [
        _text(LABELS - 8, 17, f"{most:,.0f} {reading.currency}".strip(), anchor="end"),
        _text(LABELS, height + 17, str(period.start_date)),
        _text(WIDTH, height + 17, str(period.end_date), anchor="end"),
    ]
    for number, amount in enumerate(amounts):
        size = height * max(amount, 0) / most
        marks.append(_rect((LABELS + step * number, height - size, step - 2, size)))
    return _markdown(
        f"Revenue by day, {period.start_date} to {period.end_date}", marks, height + ROW
    )


Plot = Callable[[Reading, Period], str | None]
PLOTS: Final[Mapping[Contract, Plot]] = {
    ConversionFunnel: funnel_plot,
    RetentionCohorts: retention_plot,
    RevenueDaily: revenue_plot,
}


def _rect(box: tuple[float, float, float, float], opacity: float = 1.0) -> str:
    x, y, width, height = (f"{length:.1f}".removesuffix(".0") for length in box)
    shade = "" if opacity == 1 else f' opacity="{opacity:.2f}"'
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{BLUE}"{shade}/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    end = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}"{end}>{escape(text)}</text>'


def _markdown(title: str, marks: Sequence[str], height: int) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 '
        f'{WIDTH} {height}" font-family="sans-serif" font-size="12" '
        f'fill="{INK}">{"".join(marks)}</svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    return f"{title}\n\n![{title}](data:image/svg+xml;base64,{data})"
