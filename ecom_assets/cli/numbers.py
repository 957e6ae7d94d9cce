"""Numbers over sessions and funnels as commands print them; their JSON shapes are what scripts read (INTERFACE).

Not here: where the sessions come from.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis.expr.types as ir

BAR_WIDTH = 30


def session_totals(sessions: ir.Table) -> dict[str, Any]:
    """Return totals over rows of `Sessions`; shares are null where there are no sessions."""
    found = sessions.agg(
        events=sessions.event_count.sum().fill_null(0),
        visitors=sessions.visitor_id.nunique(),
        sessions=sessions.count(),
        engaged_sessions=sessions.is_engaged.ifelse(1, 0).sum().fill_null(0),
        views=sessions.view_count.sum().fill_null(0),
        median_duration_s=sessions.duration_s.median(),
    )
    row: dict[str, Any] = found.to_pyarrow().to_pylist()[0]
    views, count = int(row.pop("views")), int(row["sessions"])
    totals = {name: int(row[name]) for name in ("events", "visitors", "sessions", "engaged_sessions")}
    return {
        **totals,
        "bounce_rate": 1 - totals["engaged_sessions"] / count if count else None,
        "pages_per_session": views / count if count else None,
        "median_duration_s": row["median_duration_s"],
    }


def funnel_steps(event_types: Sequence[str], counts: Sequence[int]) -> list[dict[str, Any]]:
    """Return the steps of a funnel; a share is null where nobody could have gone on."""
    steps = []
    for place, (event_type, count) in enumerate(zip(event_types, counts, strict=True), start=1):
        previous = counts[max(place - 2, 0)]
        steps.append(
            {
                "step": place,
                "event_type": event_type,
                "count": count,
                "conversion_from_start": count / counts[0] if counts[0] else None,
                "conversion_from_previous": count / previous if previous else None,
                "median_s_from_previous": None,
            }
        )
    return steps


def funnel_chart(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Draw a funnel, a line per step."""
    largest = max((step["count"] for step in steps), default=0) or 1
    width = max((len(step["event_type"]) for step in steps), default=0)
    lines = []
    for step in steps:
        bar = "█" * round(BAR_WIDTH * step["count"] / largest)
        line = f"  {step['step']} {step['event_type']:{width}} {bar:{BAR_WIDTH}} {step['count']:>10,}"
        if step["step"] > 1:
            previous, start = step["conversion_from_previous"], step["conversion_from_start"]
            line += f"  {percent(previous)} of previous, {percent(start)} of all"
        lines.append(line)
    return lines


def percent(share: float | None) -> str:
    """Write a share for people."""
    return "    -" if share is None else f"{share:6.1%}"
