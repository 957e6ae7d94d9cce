"""Parts of answers as text in a terminal: bars, shares, durations, and the bars of a funnel."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecom_assets.tables import formats

BAR_WIDTH = 30


def bar(value: float | None, largest: float) -> str:
    """Return a bar as long as a value, `BAR_WIDTH` for the largest one; none for less than 0."""
    return "█" * round(BAR_WIDTH * max(value or 0, 0) / largest)


def by_text(by: str | Sequence[str]) -> str:
    """Return the column or columns of a breakdown as text."""
    return by if isinstance(by, str) else ", ".join(by)


def funnel_chart(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a chart of a funnel, one line per step."""
    largest = max((step["count"] for step in steps), default=0) or 1
    width = max((len(step["event_type"]) for step in steps), default=0)
    lines = []
    for step in steps:
        shown = bar(step["count"], largest)
        line = f"  {step['step']} {step['event_type']:{width}} {shown:{BAR_WIDTH}} {step['count']:>10,}"
        if step["step"] > 1:
            previous, start = step["conversion_from_previous"], step["conversion_from_start"]
            line += f"  {percent(previous)} of previous, {percent(start)} of all"
        lines.append(line)
    return lines


def percent(share: float | None) -> str:
    """Return a share as a percentage, aligned with others."""
    return "    -" if share is None else f"{formats.percent(share):>6}"


UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def duration(seconds: float) -> str:
    """Return a duration as text, in the largest unit in which it is at least 1."""
    for name, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"
