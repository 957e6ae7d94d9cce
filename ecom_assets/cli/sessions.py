"""`ecom sessions`: split the events of files into sessions."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import DURATIONS, SESSION_RULES, Events, Json, Mapping, MorePaths, all_paths, print_answer
from ecom_assets.cli.own_files import FileEvents, check_format, write_rows
from ecom_assets.sessions.contracts import Sessions
from ecom_assets.sessions.queries import session_totals
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import whole_sessions
from ecom_assets.settings.settings import load_settings
from ecom_assets.tables.durations import parse_duration


def answer_sessions(
    paths: list[str], mapping: str | None, rule: str, idle: str | None, out: Path | None
) -> dict[str, Any]:
    """Return the totals of `ecom sessions`, and write the sessions to `out` if given."""
    session_rule = SessionRule.preset(rule, idle_timeout_s=parse_duration(idle) if idle else None)
    check_format("--out", out)
    files = FileEvents.open(paths, load_settings(events_mapping=mapping))
    events = files.clean()
    found = whole_sessions(events, session_rule).select(*Sessions.columns)
    if out is not None:
        write_rows(files.con, found.order_by("started_at", "session_id"), out)
        found = files.con.read_parquet(out) if out.suffix == ".parquet" else found
    totals = session_totals(found)
    if session_rule.source_session_alone:  # a session has one visitor_id, even if it has events of several visitors
        totals["visitors"] = int(files.con.to_pyarrow(events.visitor_id.nunique()).as_py())
    return {"definition": {"rule": rule, **asdict(session_rule)}, **totals, "rows": files.rows.as_json()}


def sessions(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    session_rule: Annotated[str, typer.Option("--session-rule", "--rule", help=SESSION_RULES)] = "ga4",
    idle: Annotated[str | None, typer.Option(help=f"Silence that ends a session: {DURATIONS}.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the sessions to this .parquet or .csv file.")] = None,
    as_json: Json = False,
) -> None:
    """Cut the events of files into sessions; print totals, or write the sessions."""
    answer = answer_sessions(all_paths(events, more), mapping, session_rule, idle, out)
    print_answer(answer, lambda: _session_lines(answer, out), as_json=as_json)


def _session_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    lines = [f"{name:18} {_plain(value)}" for name, value in answer.items() if name not in {"definition", "rows"}]
    return lines + ([f"Written to {out}."] if out else [])


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
