"""`ecom journeys`: journeys from files. Not here: what a journey is (`transforms/journeys.py`)."""

from dataclasses import asdict
from typing import Any

import ibis.expr.types as ir

from ecom_assets.cli.file_events import FileEvents
from ecom_assets.errors import UsageError
from ecom_assets.settings import load_settings
from ecom_assets.transforms.journey_rule import JourneyRule, steps_of
from ecom_assets.transforms.journeys import counted_transitions, journey_steps, paths_of, sessions_of, top_paths
from ecom_assets.transforms.session_members import SESSION
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import session_events, source_session_of


def answer_journeys(paths: list[str], mapping: str | None, by: str, top: int, session_rule: str) -> dict[str, Any]:
    """Return sessions, transitions (by place, and in all) and the most frequent paths.

    Raises:
        UsageError: No path was given, or no number of paths to tell.
    """
    if top < 1:
        raise UsageError(f"--top {top} tells no path; give 1 or more.")
    rule, cut_by = JourneyRule(dimensions=(by,)), SessionRule.preset(session_rule)
    files = FileEvents.open(paths, load_settings(events_mapping=mapping))
    numbered = session_events(files.clean(), cut_by, by_day=False).rename(session_started_at="piece_started_at")
    if cut_by.trust_source_session_id:  # two sessions of one visitor may begin at one instant
        numbered = numbered.mutate(visitor_id=numbered.visitor_id.concat("-", source_session_of(numbered)))
    columns = (*SESSION, "event_at", "event_id", "event_type", "product_category")
    events = files.con.create_table("journey_events", numbered.select(*columns), temp=True)
    sessions = files.con.create_table("journey_sessions", sessions_of(events), temp=True)
    found = files.con.create_table("journey_steps", journey_steps(events, sessions, rule), temp=True)
    told = files.con.create_table("journeys", paths_of(found, rule).join(sessions, list(SESSION)), temp=True)
    steps = counted_transitions(found.join(sessions, list(SESSION)), rule)
    return {
        "definition": {"by": by, "session_rule": session_rule, **asdict(cut_by), **asdict(rule)},
        "sessions": int(sessions.count().to_pyarrow().as_py()),
        "converted_sessions": int(sessions.is_converted.ifelse(1, 0).sum().fill_null(0).to_pyarrow().as_py()),
        "transitions": _transitions(steps, ("from_step", "to_step")),
        "steps": _transitions(steps, ("place", "from_step", "to_step")),
        "top_paths": path_rows(told, top),
        "converting_paths": path_rows(told.filter(told.is_converted), top),
        "other_paths": path_rows(told.filter(~told.is_converted), top),
        "rows": files.rows.as_json(),
    }


def path_rows(told: ir.Table, top: int) -> list[dict[str, Any]]:
    """Return the most frequent paths of rows of `Journeys`, of one dimension."""
    total = int(told.count().to_pyarrow().as_py())
    return [
        {
            "path": steps_of(row["path"]),
            "is_cut": row["is_cut"],
            "sessions": int(row["session_count"]),
            "share": int(row["session_count"]) / total,
            "converted_sessions": int(row["converted_session_count"]),
            "conversion_rate": int(row["converted_session_count"]) / int(row["session_count"]),
        }
        for row in top_paths(told, top).to_pyarrow().to_pylist()
    ]


def _transitions(steps: ir.Table, by: tuple[str, ...]) -> list[dict[str, Any]]:
    sums = steps.group_by(*by).agg(count=steps.transition_count.sum(), converted=steps.converted_transition_count.sum())
    first = [sums.place] if "place" in by else []
    ordered = sums.order_by(*first, sums["count"].desc(), sums.from_step, sums.to_step)
    return [
        {
            **({"step": int(row["place"])} if first else {}),
            "from": row["from_step"],
            "to": row["to_step"],
            "count": int(row["count"]),
            "converted": int(row["converted"]),
        }
        for row in ordered.to_pyarrow().to_pylist()
    ]
