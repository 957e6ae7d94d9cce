"""The answer of `ecom trend`, by Ibis, which is imported with this module only."""

from dataclasses import replace
from typing import Any

from ecom_assets.cli.opened_files import OpenedFiles
from ecom_assets.cli.question_events import QuestionEvents
from ecom_assets.cli.ranges import QuestionDays
from ecom_assets.tables.conditions import with_event_types
from ecom_assets.trends.queries import trend_answer
from ecom_assets.trends.range import Range
from ecom_assets.trends.trend import Trend


def answer_trend(
    opened: OpenedFiles, definition: dict[str, Any], days: QuestionDays, segment: str | None = None
) -> dict[str, Any]:
    """Return the values of each series by period, from the events of files.

    Raises:
        DefinitionError: The definition is wrong.
        SourceError: The files have no valid event.
    """
    trend = Trend.from_mapping(definition)
    question = QuestionEvents.open(opened, days, segment, without="there is no trend", columns=trend.columns)
    translate = question.files.mapping.translate
    series = tuple(one.translated(translate) for one in trend.series)
    own = replace(trend, series=series, where=with_event_types(trend.where, translate))
    reach = Range.of_question(question.known, question.days, opened.settings.timezone, question.newest_at)
    return question.complete(trend_answer(question.files.con, question.events, own, reach))
