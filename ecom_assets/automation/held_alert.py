"""The daily message that lists the days that are held back, however many runs see them.

A tag of the run that it was sent for says of which day it is, so that other runs of that day, and the daemon after a
restart, know.
"""

from datetime import date
from typing import Any

import dagster as dg

HELD_TAG = "ecom/held_days_alerted_on"


def is_reported(instance: dg.DagsterInstance, today: date) -> bool:
    """Return whether today's message was sent."""
    return bool(instance.get_run_records(dg.RunsFilter(tags={HELD_TAG: today.isoformat()}), limit=1))


def note_alerted(instance: dg.DagsterInstance, run_id: str, today: date) -> None:
    """Note that today's message was sent."""
    instance.add_run_tags(run_id, {HELD_TAG: today.isoformat()})


def headline(lines: tuple[str, ...]) -> str:
    """Return the subject."""
    return f"{len(lines)} day{'s' if len(lines) > 1 else ''} held back"


def text(lines: tuple[str, ...], link: str) -> str:
    """Return the text of the message."""
    about = "Nothing is built on what arrived on these days; the days around them go on. One message a day says so."
    return "\n".join([f"{headline(lines)}.", about, "", *(f"  {line}" for line in lines), "", f"Run: {link}", ""])


def held_line(one: dict[str, Any]) -> str:
    """Describe a held day: its reason, since when it is held, and how to release it."""
    what = f"{one['observed_count']:,} customers, {one['limit_count']:,} or fewer are too few"
    if one["reason"] == "report_missing":
        what = "no report came"
    rows = f"{one['held_row_count']:,} rows wait since {one['held_since']} UTC"
    command = f"`ecom release {one['source']} {one['day']}`"
    return f"Held back: {one['source']} of {one['day']} ({what}); {rows}; better data let it in, or {command}"
