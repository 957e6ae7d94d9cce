"""The report as one HTML page, with charts as inline SVG and no script,
and as a PDF that a browser prints.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.core.errors import WorkError
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.queries import ZERO
from ecom_assets.interfaces.weeks import wording

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
WORDING: Final = (
    "number",
    "amount",
    "campaign_label",
    "signed_amount",
    "money",
    "signed_money",
    "rate",
    "change",
    "points",
    "factor",
    "part_name",
)
TEMPLATES.filters.update({name: getattr(wording, name) for name in WORDING})
MOST_PARTS: Final = 8
"""Parts of a dimension that are shown; the others are one row."""
OTHERS_LABEL: Final = "(others)"
NOT_CARDS: Final = {"shipped_amount", "customer_count"}
"""Numbers of the report that have no card."""


def render_page(report: NamedValues) -> str:
    """Return the page of a report, see `weekly_report`."""
    causes, has_days = (
        report["causes"],
        any(day["revenue_amount"] is not None for day in report["days"]),
    )
    profit = report["profit"] or {"numbers": {}, "causes": []}
    ads = report["advertising"] or {"numbers": {}, "causes": [], "visit_coverage_rate": None}
    numbers = {**report["numbers"], **profit["numbers"], **ads["numbers"]}
    return TEMPLATES.get_template("report.html").render(
        report=report,
        cards=[pair for pair in numbers.items() if pair[0] not in NOT_CARDS],
        profit=_with_bars(profit["causes"]),
        campaigns=ads["causes"],
        coverage=coverage_sentence(ads["visit_coverage_rate"]),
        chart=daily_chart(report["days"], report["currency"] or "") if has_days else None,
        factors=[_with_bars(parts) for parts in causes["factors"] or []],
        revenue=[
            {**cause, **_with_bars(_shortened(cause["parts"]))} for cause in causes["revenue"] or []
        ],
        wording=wording,
        total=lambda rows, name: sum((row[name] for row in rows), ZERO),
    )


def _with_bars(parts: Sequence[Row]) -> Answer:
    zero, bars = bars_of([row["contribution_amount"] for row in parts])
    return {
        "rows": [{**row, "bar": bar} for row, bar in zip(parts, bars, strict=True)],
        "zero": zero,
    }


def _shortened(parts: Sequence[Row]) -> list[Row]:
    """Return the largest parts, and the others added up."""
    if len(parts) <= MOST_PARTS + 1:
        return list(parts)
    names = ("revenue_amount", "previous_revenue_amount", "contribution_amount")
    rest: dict[str, Decimal] = {
        name: sum((row[name] for row in parts[MOST_PARTS:]), ZERO) for name in names
    }
    return [*parts[:MOST_PARTS], {"value": OTHERS_LABEL, **rest}]


WIDTH: Final = 700
HEIGHT: Final = 220
LEFT: Final = 64
"""Room for the labels of the scale."""
BOTTOM: Final = 26
TOP: Final = 12
BAR_SHARE: Final = 0.34
STEPS: Final = (1, 2, 2.5, 5, 10)
MOST_LINES: Final = 4


@dataclass(frozen=True)
class Bar:
    """A bar, in the units of the drawing; a value that is not known has none."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class DailyChart:
    """The bars of each day, this week's and those of the week before,
    and the lines of the scale.
    """

    bars: list[Bar]
    previous: list[Bar]
    lines: list[tuple[float, str]]
    labels: list[tuple[float, str]]
    zero: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def daily_chart(days: Sequence[Row], currency: str) -> DailyChart:
    """Return the chart of revenue by day."""
    names = ("previous_revenue_amount", "revenue_amount")
    values = [day[name] for day in days for name in names]
    amounts = [float(value) for value in values if value is not None]
    lines = _scale(min(0.0, *amounts, 0.0), max(0.0, *amounts, 0.0))
    low, high = lines[0], lines[-1]

    def y_of(amount: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - amount) / (high - low), 2)

    step = (WIDTH - LEFT) / max(len(days), 1)
    bars: dict[str, list[Bar]] = {name: [] for name in names}
    for position, day in enumerate(days):
        for number, name in enumerate(names):
            if day[name] is None:
                continue
            x = LEFT + step * (position + 0.5 + (number - 1) * BAR_SHARE)
            top, bottom = sorted((y_of(float(day[name])), y_of(0.0)))
            when = day["date"] if number else "the week before"
            label = (
                f"{day['date']:%A}, {when}: {formats.amount(day[name], currency)} {currency}"
            ).strip()
            bars[name].append(
                Bar(round(x, 2), top, round(step * BAR_SHARE - 2, 2), round(bottom - top, 2), label)
            )
    middles = [round(LEFT + step * (position + 0.5), 2) for position in range(len(days))]
    labels = [
        (x, f"{day['date']:%a} {day['date'].day}") for x, day in zip(middles, days, strict=True)
    ]
    ticks = [(y_of(line), f"{line:,.0f}") for line in lines]
    return DailyChart(bars[names[1]], bars[names[0]], ticks, labels, y_of(0.0))


def _scale(low: float, high: float) -> list[float]:
    """Return the lines of a scale from at most `low` to at least `high`, at round numbers."""
    if low == high:
        return [0.0, 1.0]
    rough = (high - low) / MOST_LINES
    size = 10.0 ** (len(str(int(rough))) - 1) if rough >= 1 else 1.0
    step = next(size * step for step in STEPS if size * step >= rough)
    first, last = int(low // step), int(-(-high // step))
    return [step * number for number in range(first, last + 1)]


def bars_of(contributions: Sequence[Decimal]) -> tuple[float, list[tuple[float, float]]]:
    """Return where zero is, and start and width of each contribution's bar,
    in percent of the drawing.
    """
    low, high = min([*contributions, ZERO]), max([*contributions, ZERO])
    reach = float(high - low) or 1.0
    zero = -float(low) / reach * 100
    sizes = [abs(float(amount)) / reach * 100 for amount in contributions]
    starts = [
        zero if amount > 0 else zero - size
        for amount, size in zip(contributions, sizes, strict=True)
    ]
    return round(zero, 2), [
        (round(x, 2), round(size, 2)) for x, size in zip(starts, sizes, strict=True)
    ]


BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S: Final = 60.0
OPTIONS: Final = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-pdf-header-footer",
)


def print_pdf(page: str) -> bytes:
    """Return an HTML page as a PDF.

    Raises:
        WorkError: There is no browser, or it did not print.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise WorkError(
            "A PDF needs Chromium or Chrome, which was not found; install it, or name a .html file."
        )
    with tempfile.TemporaryDirectory(prefix="ecom-report-") as folder:
        source, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        # The option without which Chromium does not run as root; the page is our own, and has no
        # script.
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        output = _run(
            [
                browser,
                *OPTIONS,
                *as_root,
                f"--user-data-dir={folder}/profile",
                f"--print-to-pdf={printed}",
                source.as_uri(),
            ]
        )
        if not printed.exists():
            raise WorkError(
                f"{browser} printed no PDF ({output or 'it said nothing'}); name a .html file "
                "instead."
            )
        return printed.read_bytes()


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (a browser of this machine, with options of this file)
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    return (done.stderr.strip().splitlines() or [""])[-1]
