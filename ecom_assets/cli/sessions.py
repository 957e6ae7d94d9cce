"""`ecom sessions`: split the events of files into sessions."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import ibis.expr.types as ir
import typer
from ibis.backends.duckdb import Backend

from ecom_assets.cli.options import (
    DURATIONS,
    SESSION_RULES,
    Events,
    Json,
    Mapping,
    MorePaths,
    PresetName,
    SegmentName,
    Timezone,
    all_paths,
    is_typed,
    print_answer,
)
from ecom_assets.cli.options import Where as Conditions
from ecom_assets.cli.own_files import FileEvents, check_format, write_rows
from ecom_assets.cli.ranges import From, Last, QuestionDays, To
from ecom_assets.cli.row_days import Ends, days_definition, ends_of, of_days
from ecom_assets.cli.visitor_segments import AskedSegment
from ecom_assets.sessions.contracts import Sessions
from ecom_assets.sessions.queries import session_totals
from ecom_assets.sessions.rule import SessionRule, tool_rule
from ecom_assets.sessions.sessions import whole_sessions
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.tables.columns import holds
from ecom_assets.tables.conditions import EVERYTHING, Where, parse_where, with_event_types
from ecom_assets.tables.durations import parse_duration
from ecom_assets.tables.portable import union_all


@dataclass(frozen=True)
class Asked:
    """What is asked: of which files, conditions and days, how sessions are cut, and where they are written."""

    paths: list[str]
    settings: Settings
    where: Where
    days: QuestionDays
    rule: str
    idle: str | None
    out: Path | None
    segment: str | None = None


def answer_sessions(asked: Asked) -> dict[str, Any]:
    """Return the totals of `ecom sessions`, and write the sessions to `out` if given."""
    idle_s, out = parse_duration(asked.idle) if asked.idle else None, asked.out
    session_rule = SessionRule.preset(asked.rule, idle_timeout_s=idle_s)
    check_format("--out", out)
    files = FileEvents.open(asked.paths, asked.settings)
    clean, conditions = files.clean(), {}
    ends, warnings = ends_of(clean, "event_date", asked.days)
    only = AskedSegment.read(asked.segment, files)
    events = only.events(clean, ends[1])
    where = with_event_types(asked.where, files.mapping.translate)
    if where != EVERYTHING:
        events, conditions = events.filter(holds(events, where)), {"where": where.to_mapping()}
    rows = of_days(whole_sessions(events, session_rule).select(*Sessions.columns), "started_date", ends)
    if out is not None:
        write_rows(files.con, rows.order_by("started_at", "session_id"), out)
        rows = files.con.read_parquet(out) if out.suffix == ".parquet" else rows
    totals = session_totals(rows)
    if session_rule.source_session_alone:  # a session has one visitor_id, even if it has events of several visitors
        totals["visitors"] = _visitor_count(files.con, events, rows, ends)
    definition = {"rule": asked.rule, **asdict(session_rule), **conditions, **days_definition(ends)}
    noted = {"warnings": warnings} if warnings else {}
    return only.complete({"definition": definition, **totals, **noted}, clean) | {"rows": files.rows.as_json()}


def _visitor_count(con: Backend, events: ir.Table, sessions: ir.Table, ends: Ends) -> int:
    """Return the number of visitors in sessions that may have several."""
    if ends == (None, None):
        return int(con.to_pyarrow(events.visitor_id.nunique()).as_py())
    by_source = events.filter(events.source_session_id.notnull())
    started = by_source.group_by("source_session_id").agg(started_date=by_source.event_date.min())
    mine = by_source.semi_join(of_days(started, "started_date", ends), "source_session_id").select("visitor_id")
    everybody = union_all(mine, sessions.select("visitor_id"))
    return int(con.to_pyarrow(everybody.visitor_id.nunique()).as_py())


def sessions(
    context: typer.Context,
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    session_rule: Annotated[str, typer.Option("--session-rule", "--rule", help=SESSION_RULES)] = "ga4",
    idle: Annotated[str | None, typer.Option(help=f"Silence that ends a session: {DURATIONS}.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the sessions to this .parquet or .csv file.")] = None,
    where: Conditions = None,
    first: From = None,
    to: To = None,
    last: Last = None,
    timezone: Timezone = None,
    segment: SegmentName = None,
    preset: PresetName = None,
    as_json: Json = False,
) -> None:
    """Cut the events of files into sessions; print totals, or write the sessions."""
    settings = load_settings(events_mapping=mapping, timezone=timezone)
    of_tool = tool_rule(preset) if preset else session_rule
    session_rule = session_rule if is_typed(context, "session_rule") else of_tool
    condition, days = parse_where(where) if where else EVERYTHING, QuestionDays.read(first, to, last)
    asked = Asked(all_paths(events, more), settings, condition, days, session_rule, idle, out, segment)
    answer = answer_sessions(asked)
    print_answer(answer, lambda: _session_lines(answer, out), as_json=as_json)


def _session_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    lines = [
        f"{name:18} {_plain(value)}" for name, value in answer.items() if name not in {"definition", "rows", "warnings"}
    ]
    return lines + ([f"Written to {out}."] if out else [])


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
