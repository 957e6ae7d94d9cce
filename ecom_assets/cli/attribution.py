"""`ecom attribution`: credit channels for the purchases in files."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from ecom_assets.attribution.answer import AttributionQuestion, attribution_answer
from ecom_assets.attribution.channels import ChannelRule
from ecom_assets.cli.options import DURATIONS, PresetName, SessionRuleName
from ecom_assets.cli.options import Where as Conditions
from ecom_assets.cli.question import FileQuestion, about_files
from ecom_assets.cli.question_events import answer_of_files
from ecom_assets.sources.files.events import FileEvents
from ecom_assets.sources.site_lists import source_lists
from ecom_assets.tables.conditions import with_event_types


@about_files
def attribution_command(
    request: FileQuestion,
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
    where: Conditions = None,
    preset: PresetName = None,
) -> None:
    """Credit the purchases in files, and what they brought, to the channels that led to them."""
    given: dict[str, Any] = {"model": model, "lookback": lookback, "half_life": half_life, "two_touches": two_touches}
    given |= {"session_rule": session_rule, "where": where, "preset": preset}
    question = AttributionQuestion.from_mapping(request.query(request.typed(given), "attribution", "model"))
    settings = request.settings
    files = FileEvents.open(request.paths, settings)
    question = replace(question, where=with_event_types(question.where, files.mapping.translate))
    channels = ChannelRule(source_lists(), settings.own_domains, settings.ai_assistant_channel)
    answer = answer_of_files(
        files,
        request.days,
        request.segment,
        None,
        lambda events, ends: attribution_answer(files.con, events, question, channels, ends),
    )
    request.print(answer, lambda: _lines(answer))


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    lines += [f"  {one['channel']:26} {one['credit']:>14,.2f} {one['revenue']:>16,.2f}" for one in answer["channels"]]
    return [*lines, *answer["notes"]]
