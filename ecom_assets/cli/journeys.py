"""`ecom journeys`: the paths of sessions in files."""

from dataclasses import asdict
from typing import Annotated, Any

import ibis.expr.types as ir
import typer

from ecom_assets.cli.options import Events, Json, Mapping, MorePaths, SessionRuleName, all_paths, print_answer
from ecom_assets.cli.own_files import FileEvents
from ecom_assets.errors import UsageError
from ecom_assets.journeys.journeys import JourneyRule, counted_transitions, journey_steps, paths_of, sessions_of
from ecom_assets.journeys.queries import path_rows
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import SESSION, session_events, source_session_of
from ecom_assets.settings.settings import load_settings


def answer_journeys(paths: list[str], mapping: str | None, by: str, top: int, session_rule: str) -> dict[str, Any]:
    """Return sessions, transitions (in total and by position) and the most frequent paths.

    Raises:
        UsageError: No files are given, or `top` is less than 1.
    """
    if top < 1:
        raise UsageError(f"--top {top} tells no path; give 1 or more.")
    rule, cut_by = JourneyRule(dimensions=(by,)), SessionRule.preset(session_rule)
    files = FileEvents.open(paths, load_settings(events_mapping=mapping))
    numbered = session_events(files.clean(), cut_by, by_day=False).rename(session_started_at="piece_started_at")
    if cut_by.trust_source_session_id:  # two sessions of one visitor can start at the same time
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


def journeys(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    by: Annotated[str, typer.Option(help="What a step is: page_type or category.")] = "page_type",
    top: Annotated[int, typer.Option(help="How many of the most frequent paths to tell.")] = 10,
    session_rule: SessionRuleName = "ga4",
    as_json: Json = False,
) -> None:
    """Show which steps sessions take one after another, and which paths end in a purchase."""
    answer = answer_journeys(all_paths(events, more), mapping, by, top, session_rule)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


def path_line(path: dict[str, Any]) -> str:
    """Return a path as a line of text."""
    steps = " → ".join([*path["path"], *(["…"] if path["is_cut"] else [])]) or "(no step)"
    return f"  {path['sessions']:>9,} {path['share']:6.1%}  {steps}"


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['sessions']:,} sessions, {answer['converted_sessions']:,} of them with a purchase"]
    for title, name in (
        ("Paths of all sessions", "top_paths"),
        ("Paths with a purchase", "converting_paths"),
        ("Paths without a purchase", "other_paths"),
    ):
        if answer[name]:
            lines += ["", title, *map(path_line, answer[name])]
    if answer["transitions"]:
        most = answer["transitions"][: len(answer["top_paths"]) or 1]
        lines += ["", "Most frequent transitions"]
        lines += [f"  {one['count']:>9,}  {one['from']} → {one['to']}" for one in most]
    return lines
