"""`ecom attribution`: credit channels for the purchases in files."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from ecom_assets.attribution.answer import AttributionQuestion, attribution_answer
from ecom_assets.attribution.channels import ChannelRule
from ecom_assets.cli.options import (
    DURATIONS,
    Definition,
    Events,
    Json,
    Mapping,
    MorePaths,
    PresetName,
    SegmentName,
    SessionRuleName,
    Timezone,
    all_paths,
    options_or_definition,
    print_answer,
    typed,
)
from ecom_assets.cli.options import Where as Conditions
from ecom_assets.cli.own_files import FileEvents
from ecom_assets.cli.ranges import From, Last, QuestionDays, To
from ecom_assets.cli.row_days import ends_of
from ecom_assets.cli.visitor_segments import QuestionSegment
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.sources.site_lists import source_lists
from ecom_assets.tables.conditions import with_event_types


@dataclass(frozen=True)
class Scope:
    """The scope of a question: its files, days and visitors."""

    paths: list[str]
    settings: Settings
    days: QuestionDays
    segment: str | None = None


def answer_attribution(scope: Scope, question: AttributionQuestion) -> dict[str, Any]:
    """Return the result of `ecom attribution`."""
    settings = scope.settings
    files = FileEvents.open(scope.paths, settings)
    question = replace(question, where=with_event_types(question.where, files.mapping.translate))
    clean = files.clean()
    ends, warnings = ends_of(clean, "event_date", scope.days)
    only = QuestionSegment.read(scope.segment, files)
    channels = ChannelRule(source_lists(), settings.own_domains, settings.ai_assistant_channel)
    answer = attribution_answer(files.con, only.events(clean, ends[1]), question, channels, ends)
    answer |= {"warnings": warnings} if warnings else {}
    return only.complete(answer, clean) | {"rows": files.rows.as_json()}


def attribution_command(
    context: typer.Context,
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
    """Credit the purchases in files, and what they brought, to the channels that led to them."""
    given: dict[str, Any] = {"model": model, "lookback": lookback, "half_life": half_life, "two_touches": two_touches}
    given |= {"session_rule": session_rule, "where": where, "preset": preset}
    question = AttributionQuestion.from_mapping(
        options_or_definition(definition, typed(context, given), "attribution", "model")
    )
    settings = load_settings(events_mapping=mapping, timezone=timezone)
    scope = Scope(all_paths(events, more), settings, QuestionDays.read(first, to, last), segment)
    answer = answer_attribution(scope, question)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    lines += [f"  {one['channel']:26} {one['credit']:>14,.2f} {one['revenue']:>16,.2f}" for one in answer["channels"]]
    return [*lines, *answer["notes"]]
