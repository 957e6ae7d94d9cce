"""Questions to files, without setting anything up: sessions and funnels. Not here: the answers' definitions."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, MorePaths, paths_of
from ecom_assets.errors import UsageError


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


def funnel(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    steps: Annotated[str | None, typer.Option(help="Event types, separated by commas.")] = None,
    within: Annotated[str, typer.Option(help="From the first step to the last, such as 7d, 12h, 30m or 45s.")] = "7d",
    order: Annotated[str, typer.Option(help="ordered or strict_increase.")] = "ordered",
    per: Annotated[str, typer.Option(help="user or session.")] = "user",
    definition: Annotated[
        Path | None, typer.Option(help="A YAML or JSON file instead of --steps and the rest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Count who got how far through the steps."""
    from ecom_assets.cli.adhoc_funnel import answer_funnel, definition_of  # noqa: PLC0415 (loads the engine)
    from ecom_assets.cli.numbers import funnel_chart  # noqa: PLC0415 (loads Ibis)

    if (steps is None) == (definition is None):
        raise UsageError("A funnel needs either --steps a,b,c or --definition FILE; give one of them.")
    given: dict[str, Any] = {"within": within, "order": order, "per": per}
    answer = answer_funnel(paths_of(events, more), mapping, definition_of(definition, steps, given))
    typer.echo(json.dumps(answer) if as_json else "\n".join(funnel_chart(answer["steps"])))


def _session_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    lines = [f"{name:18} {_plain(value)}" for name, value in answer.items() if name != "definition"]
    return lines + ([f"Written to {out}."] if out else [])


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
