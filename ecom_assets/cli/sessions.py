"""`ecom sessions`: split the events of files into sessions."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import ibis.expr.types as ir
import typer
from ibis.backends.duckdb import Backend

from ecom_assets.cli.options import (
    DURATIONS,
    SESSION_RULES,
    Definition,
    Events,
    Json,
    Mapping,
    MorePaths,
    PresetName,
    SegmentName,
    Timezone,
    all_paths,
    options_or_definition,
    print_answer,
    typed,
)
from ecom_assets.cli.options import Where as Conditions
from ecom_assets.cli.own_files import FileEvents, check_format, write_rows
from ecom_assets.cli.ranges import From, Last, QuestionDays, To
from ecom_assets.cli.row_days import ends_of
from ecom_assets.cli.visitor_segments import QuestionSegment
from ecom_assets.sessions.answer import SessionQuestion, sessions_answer
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.tables.conditions import columns_of, with_event_types

SESSION_COLUMNS = ("page_url", "product_category", "cart_amount", "is_bot")
"""The columns that sessions need in addition to visitor, event type and time."""


@dataclass(frozen=True)
class Scope:
    """The scope of a question: its files, days and visitors, and the file to write sessions to."""

    paths: list[str]
    settings: Settings
    days: QuestionDays
    out: Path | None
    segment: str | None = None


def answer_sessions(scope: Scope, question: SessionQuestion) -> dict[str, Any]:
    """Return the totals of `ecom sessions`, and write the sessions to `out` if given."""
    check_format("--out", scope.out)
    files = FileEvents.open(scope.paths, scope.settings)
    question = replace(question, where=with_event_types(question.where, files.mapping.translate))
    only = QuestionSegment.read(scope.segment, files)
    files = files.naming([*SESSION_COLUMNS, *columns_of(question.where), *only.columns])
    clean = files.clean()
    ends, warnings = ends_of(clean, "event_date", scope.days)

    keep = partial(_written, files.con, scope.out) if scope.out else None
    answer = sessions_answer(files.con, only.events(clean, ends[1]), question, ends, keep)
    answer |= {"warnings": warnings} if warnings else {}
    return only.complete(answer, clean) | {"rows": files.rows.as_json()}


def _written(con: Backend, out: Path, rows: ir.Table) -> ir.Table:
    """Write the sessions, and return them from where they can be read again."""
    write_rows(con, rows.order_by("started_at", "session_id"), out)
    return con.read_parquet(out) if out.suffix == ".parquet" else rows


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
    definition: Definition = None,
    preset: PresetName = None,
    as_json: Json = False,
) -> None:
    """Cut the events of files into sessions; print totals, or write the sessions."""
    given = {"session_rule": session_rule, "idle": idle, "where": where, "preset": preset}
    question = SessionQuestion.from_mapping(
        options_or_definition(definition, typed(context, given), "session", "session_rule")
    )
    settings = load_settings(events_mapping=mapping, timezone=timezone)
    scope = Scope(all_paths(events, more), settings, QuestionDays.read(first, to, last), out, segment)
    answer = answer_sessions(scope, question)
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
