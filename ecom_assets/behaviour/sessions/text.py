"""The totals of sessions in a terminal."""

from typing import Final

from ecom_assets.core.rows import Answer

NUMBERS: Final = (
    "events",
    "visitors",
    "sessions",
    "engaged_sessions",
    "bounce_rate",
    "pages_per_session",
    "median_duration_s",
)


def lines(answer: Answer) -> list[str]:
    """Return a line for each number."""
    return [f"{name:18} {_formatted(answer[name])}" for name in NUMBERS]


def _formatted(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
