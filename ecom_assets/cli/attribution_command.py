"""`ecom attribution`: its options, and how its answer is printed. Not here: the answer (`adhoc_attribution.py`)."""

import json
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, MorePaths, paths_of


def attribution(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    model: Annotated[
        str,
        typer.Option(help="first, last, last_non_direct, linear, position, j, time_decay or markov."),
    ] = "last_non_direct",
    lookback: Annotated[str, typer.Option(help="How long before a purchase a visit counts, such as 30d.")] = "30d",
    half_life: Annotated[str, typer.Option(help="In which a visit's weight halves, with time_decay.")] = "7d",
    two_touches: Annotated[
        str, typer.Option(help="position and j of two visits: normalised (Mixpanel) or split (Amplitude).")
    ] = "normalised",
    as_json: Json = False,
) -> None:
    """Credit the purchases in files, and what they brought, to the channels that led to them."""
    from ecom_assets.cli.adhoc_attribution import answer_attribution  # noqa: PLC0415 (loads Ibis)

    answer = answer_attribution(paths_of(events, more), mapping, model, lookback, half_life, two_touches)
    typer.echo(json.dumps(answer) if as_json else "\n".join(_lines(answer)))


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    lines += [f"  {one['channel']:26} {one['credit']:>14,.2f} {one['revenue']:>16,.2f}" for one in answer["channels"]]
    return [*lines, *answer["notes"]]
