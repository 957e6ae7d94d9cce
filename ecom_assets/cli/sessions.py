"""`ecom sessions`: split the events of files into sessions."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import ibis.expr.types as ir
import typer
from ibis.backends.duckdb import Backend

from ecom_assets.cli.options import DURATIONS, SESSION_RULES, PresetName
from ecom_assets.cli.options import Where as Conditions
from ecom_assets.cli.question import FileQuestion, about_files
from ecom_assets.cli.question_events import answer_of_files
from ecom_assets.sessions.answer import SessionQuestion, sessions_answer
from ecom_assets.sources.files.events import FileEvents
from ecom_assets.sources.files.output import check_format, write_rows
from ecom_assets.tables.conditions import columns_of, with_event_types

SESSION_COLUMNS = ("page_url", "product_category", "cart_amount", "is_bot")
"""The columns that sessions need in addition to visitor, event type and time."""


def _written(con: Backend, out: Path, rows: ir.Table) -> ir.Table:
    """Write the sessions, and return them from where they can be read again."""
    write_rows(con, rows.order_by("started_at", "session_id"), out)
    return con.read_parquet(out) if out.suffix == ".parquet" else rows


@about_files
def sessions(
    request: FileQuestion,
    session_rule: Annotated[str, typer.Option("--session-rule", "--rule", help=SESSION_RULES)] = "ga4",
    idle: Annotated[str | None, typer.Option(help=f"Silence that ends a session: {DURATIONS}.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the sessions to this .parquet or .csv file.")] = None,
    where: Conditions = None,
    preset: PresetName = None,
) -> None:
    """Cut the events of files into sessions; print totals, or write the sessions."""
    given = {"session_rule": session_rule, "idle": idle, "where": where, "preset": preset}
    question = SessionQuestion.from_mapping(request.query(request.typed(given), "session", "session_rule"))
    check_format("--out", out)
    files = FileEvents.open(request.paths, request.settings)
    question = replace(question, where=with_event_types(question.where, files.mapping.translate))
    keep = partial(_written, files.con, out) if out else None
    answer = answer_of_files(
        files,
        request.days,
        request.segment,
        [*SESSION_COLUMNS, *columns_of(question.where)],
        lambda events, ends: sessions_answer(files.con, events, question, ends, keep),
    )
    request.print(answer, lambda: _session_lines(answer, out))


def _session_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    lines = [
        f"{name:18} {_plain(value)}" for name, value in answer.items() if name not in {"definition", "rows", "warnings"}
    ]
    return lines + ([f"Written to {out}."] if out else [])


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
