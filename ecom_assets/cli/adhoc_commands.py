"""Questions to files, without setting anything up: sessions.

Not here: funnels (`funnel_command.py`), and what the answers mean.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import DURATIONS, SESSION_RULES, Events, Json, Mapping, MorePaths, all_paths, print_answer


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
    from ecom_assets.cli.adhoc_sessions import answer_sessions  # noqa: PLC0415 (loads Ibis)

    answer = answer_sessions(all_paths(events, more), mapping, session_rule, idle, out)
    print_answer(answer, lambda: _session_lines(answer, out), as_json=as_json)


def _session_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    lines = [f"{name:18} {_plain(value)}" for name, value in answer.items() if name not in {"definition", "rows"}]
    return lines + ([f"Written to {out}."] if out else [])


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
