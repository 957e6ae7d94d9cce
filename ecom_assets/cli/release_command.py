"""`ecom release`: lets a held day in, records who did, and computes what is built on it.

Not here: which days are held (`transforms/held_days.py`), the record (`warehouse/held_days.py`).
"""

import getpass
import json
from datetime import date
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Json
from ecom_assets.errors import UsageError, did_you_mean


def release_command(
    source: Annotated[str, typer.Argument(help="Whose day it is: orders.")],
    day: Annotated[str, typer.Argument(help="The held day, YYYY-MM-DD; `ecom status` lists them.")],
    by: Annotated[str, typer.Option("--by", help="Who lets it in; default the user of this machine.")] = "",
    as_json: Json = False,
) -> None:
    """Let a held day in although its data broke a gate; who and when is recorded, and stays in every later run."""
    from ecom_assets.cli.release_run import ReleaseRun  # noqa: PLC0415 (loads Dagster)

    who = by or getpass.getuser()
    run = ReleaseRun.of(source, _day(day))
    held = run.record(who)
    outcome = run.materialize()
    told = {"source": source, "day": day, "released_by": who, "reason": held["reason"], "run_id": outcome.run_id}
    _show({**told, "rows": held["held_row_count"], "success": outcome.is_well}, as_json=as_json)
    for sentence in [
        *outcome.failures,
        *(f"{one.table}: the check {one.name} failed" for one in outcome.failed_checks),
    ]:
        typer.echo(f"ecom: {sentence}", err=True)
    if not outcome.is_well:
        raise typer.Exit(1)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    line = f"{told['day']} is released for {told['source']} by {told['released_by']}"
    came = f"; its {told['rows']:,} rows are in, by Dagster run {told['run_id']}."
    later = "; its rows come in with the next run over that day, as this one failed."
    typer.echo(json.dumps(told) if as_json else line + (came if told["success"] else later))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f'"{text}" is not a date; use YYYY-MM-DD, such as 2026-01-31.') from None


def known_source(source: str, known: dict[str, Any]) -> Any:  # noqa: ANN401 (whatever is known of a source)
    """Return what belongs to a source that can hold days.

    Raises:
        UsageError: There is no such source.
    """
    if source not in known:
        raise UsageError(f"{source!r} holds no days; {did_you_mean(source, known)}.")
    return known[source]
