"""Held days as lines for people. Not here: which days are held."""

from typing import Any


def held_line(one: dict[str, Any]) -> str:
    """Write a held day: what was wrong with it, since when it is held, and what lets it in."""
    what = f"{one['observed_count']:,} customers, {one['limit_count']:,} or fewer are too few"
    if one["reason"] == "report_missing":
        what = "no report came"
    rows = f"{one['held_row_count']:,} rows wait since {one['held_since']} UTC"
    command = f"`ecom release {one['source']} {one['day']}`"
    return f"Held back: {one['source']} of {one['day']} ({what}); {rows}; better data let it in, or {command}"
