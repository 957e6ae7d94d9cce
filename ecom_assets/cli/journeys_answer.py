"""The answer of `ecom journeys`, by Ibis, which is imported with this module only."""

from dataclasses import replace
from typing import Any

from ecom_assets.cli.opened_files import OpenedFiles
from ecom_assets.cli.own_files import FileEvents
from ecom_assets.cli.ranges import QuestionDays
from ecom_assets.cli.row_days import ends_of
from ecom_assets.cli.visitor_segments import QuestionSegment
from ecom_assets.journeys.answer import JourneyQuestion, journeys_answer
from ecom_assets.journeys.choices import JourneyChoices
from ecom_assets.sources.files.kinds import EventMapping
from ecom_assets.tables.conditions import with_event_types

JOURNEY_COLUMNS = ("product_category", "page_url")
"""What steps may be made of, and sessions cut by, beside who did what and when."""


def answer_journeys(
    opened: OpenedFiles, definition: dict[str, Any], days: QuestionDays, segment: str | None = None
) -> dict[str, Any]:
    """Return sessions, transitions (in total and by position) and the most frequent paths.

    Raises:
        DefinitionError: The definition is wrong.
    """
    question = JourneyQuestion.from_mapping(definition)
    files = FileEvents.of(opened)
    question = replace(question, choices=_in_platform_words(question.choices, files.mapping))
    only = QuestionSegment.read(segment, files)
    files = files.naming([*JOURNEY_COLUMNS, *question.columns, *only.columns])
    clean = files.clean()
    ends, warnings = ends_of(clean, "event_date", days)
    answer = journeys_answer(files.con, only.events(clean, ends[1]), question, ends)
    answer |= {"warnings": warnings} if warnings else {}
    return only.complete(answer, clean) | {"rows": files.rows.as_json()}


def _in_platform_words(choices: JourneyChoices, mapping: EventMapping) -> JourneyChoices:
    """Return the choices with each event type as the mapping translates it."""
    excluded = tuple(mapping.translate(one) for one in choices.excluded)
    choices = replace(choices, excluded=excluded, where=with_event_types(choices.where, mapping.translate))
    if choices.by != "page_type":
        return choices
    first, last = (step and mapping.translate(step) for step in (choices.from_step, choices.to_step))
    return replace(choices, from_step=first, to_step=last)
