"""Questions to files, without setting anything up: sessions.

Not here: funnels (`funnel_command.py`), and what the answers mean.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, MorePaths, paths_of


def sessions(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    rule: Annotated[str, typer.Option(help="ga4, universal_analytics, mixpanel, amplitude or snowplow.")] = "ga4",
    idle: Annotated[str | None, typer.Option(help="Silence that ends a session, such as 30m.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the sessions to this .parquet or .csv file.")] = None,
    as_json: Json = False,
) -> None:
    """Cut the events of files into sessions; print totals, or write the sessions."""
    from ecom_assets.cli.adhoc_sessions import answer_sessions  # noqa: PLC0415 (loads Ibis)

    answer = answer_sessions(paths_of(events, more), mapping, rule, idle, out)
    typer.echo(json.dumps(answer) if as_json else "\n".join(_session_lines(answer, out)))


def _session_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    lines = [f"{name:18} {_plain(value)}" for name, value in answer.items() if name != "definition"]
    return lines + ([f"Written to {out}."] if out else [])


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
