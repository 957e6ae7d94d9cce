"""Hours of the week in a terminal."""

from typing import Any

from ecom_assets.questions.chart import bar


def lines(answer: dict[str, Any]) -> list[str]:
    """Return a bar for each hour."""
    hours = answer["hours"]
    largest = max((one["event_count"] for one in hours), default=1)
    return [
        f"{one['weekday']:9} {one['hour']:02}:00 {one['event_count']:>6,} {bar(one['event_count'], largest)}"
        for one in hours
    ]
