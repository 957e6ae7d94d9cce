"""Hours of the week in a terminal."""

from typing import Any

from ecom_assets.core.tables.formats import bar


def lines(answer: dict[str, Any]) -> list[str]:
    """Return a bar for each hour."""
    hours = answer["hours"]
    largest = max((hour["event_count"] for hour in hours), default=1)
    return [
        f"{hour['weekday']:9} {hour['hour']:02}:00 {hour['event_count']:>6,} "
        f"{bar(hour['event_count'], largest)}"
        for hour in hours
    ]
