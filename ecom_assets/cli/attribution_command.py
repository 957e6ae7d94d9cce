"""`ecom attribution`: its options, and how its answer is printed. Not here: the answer (`adhoc_attribution.py`)."""

from typing import Annotated, Any

import typer

from ecom_assets.cli.options import (
    DURATIONS,
    Events,
    Json,
    Mapping,
    MorePaths,
    SessionRuleName,
    all_paths,
    print_answer,
)


def attribution_command(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    model: Annotated[
        str,
        typer.Option(help="first, last, last_non_direct, linear, position, j, time_decay or markov."),
    ] = "last_non_direct",
    lookback: Annotated[str, typer.Option(help=f"How long before a purchase a visit counts: {DURATIONS}.")] = "30d",
    half_life: Annotated[
        str, typer.Option(help=f"In which a visit's weight halves, with time_decay: {DURATIONS}.")
    ] = "7d",
    two_touches: Annotated[
        str, typer.Option(help="position and j of two visits: normalised (Mixpanel) or split (Amplitude).")
    ] = "normalised",
    session_rule: SessionRuleName = "ga4",
    as_json: Json = False,
) -> None:
    """Credit the purchases in files, and what they brought, to the channels that led to them."""
    from ecom_assets.cli.adhoc_attribution import answer_attribution  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.transforms.attribution_rule import AttributionRule  # noqa: PLC0415 (with it)
    from ecom_assets.transforms.funnel_definition import parse_duration  # noqa: PLC0415 (with it)

    rule = AttributionRule(
        lookback_s=parse_duration(lookback), half_life_s=parse_duration(half_life), two_touches=two_touches
    )
    answer = answer_attribution(all_paths(events, more), mapping, model, rule, session_rule)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    lines += [f"  {one['channel']:26} {one['credit']:>14,.2f} {one['revenue']:>16,.2f}" for one in answer["channels"]]
    return [*lines, *answer["notes"]]
