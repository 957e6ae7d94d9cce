"""The answer of `ecom journeys`, by Ibis, which is imported with this module only."""

from dataclasses import replace
from typing import Any

from ecom_assets.cli.opened_files import OpenedFiles
from ecom_assets.cli.own_files import FileEvents
from ecom_assets.cli.question_events import answer_of_files
from ecom_assets.journeys.answer import JourneyQuestion, journeys_answer
from ecom_assets.journeys.choices import JourneyChoices
from ecom_assets.sources.files.kinds import EventMapping
from ecom_assets.tables.conditions import with_event_types
from ecom_assets.tables.days import DayRange

JOURNEY_COLUMNS = ("product_category", "page_url")
"""What steps may be made of, and sessions cut by, beside who did what and when."""


def answer_journeys(
    opened: OpenedFiles, definition: dict[str, Any], days: DayRange, segment: str | None = None
) -> dict[str, Any]:
    """Return sessions, transitions (in total and by position) and the most frequent paths.

    Raises:
        DefinitionError: The definition is wrong.
    """
    question = JourneyQuestion.from_mapping(definition)
    files = FileEvents.of(opened)
    question = replace(question, choices=_in_platform_words(question.choices, files.mapping))
    return answer_of_files(
        files,
        days,
        segment,
        [*JOURNEY_COLUMNS, *question.columns],
        lambda events, ends: journeys_answer(files.con, events, question, ends),
    )


def _in_platform_words(choices: JourneyChoices, mapping: EventMapping) -> JourneyChoices:
    """Return the choices with each event type as the mapping translates it."""
    excluded = tuple(mapping.translate(one) for one in choices.excluded)
    choices = replace(choices, excluded=excluded, where=with_event_types(choices.where, mapping.translate))
    if choices.by != "page_type":
        return choices
    first, last = (step and mapping.translate(step) for step in (choices.from_step, choices.to_step))
    return replace(choices, from_step=first, to_step=last)
