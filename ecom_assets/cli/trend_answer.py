"""The answer of `ecom trend`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from ecom_assets.cli.question_events import QuestionEvents
from ecom_assets.sources.files.opened import OpenedFiles
from ecom_assets.tables.conditions import with_event_types
from ecom_assets.tables.days import ONE_DAY, DayRange, Days
from ecom_assets.trends.definition import Trend
from ecom_assets.trends.queries import trend_answer
from ecom_assets.trends.range import Range
from ecom_assets.trends.visitors import STATES


def answer_trend(
    opened: OpenedFiles, definition: dict[str, Any], days: DayRange, segment: str | None = None
) -> dict[str, Any]:
    """Return the values of each series by period, from the events of files.

    Raises:
        DefinitionError: The definition is wrong.
        SourceError: The files have no valid event.
    """
    trend, translate = Trend.from_mapping(definition), opened.mapping.translate
    series = tuple(one.translated(translate) for one in trend.series)
    trend = replace(trend, series=series, where=with_event_types(trend.where, translate))
    question = QuestionEvents.open(opened, days, segment, without="there is no trend", columns=trend.columns)
    reach = Range.of_question(question.known, question.days, opened.settings.timezone, question.newest_at)
    answer = partial(trend_answer, question.files.con, question.events, trend)
    return question.complete(_with_gaps(answer, reach, question.seen_days, opened))


def _with_gaps(
    answer: Callable[[Range], dict[str, Any]], reach: Range, seen_days: Callable[[], set[date]], opened: OpenedFiles
) -> dict[str, Any]:
    """Return an answer in which periods are unknown if no event of any kind is of their days.

    In a single file, a day without events had none; one without a landing folder is unknown, as in published tables.
    The days of all events are read only if a period counts nothing, as they are most of the time of a large file.
    """
    result, meaning = answer(reach), opened.settings.empty_days
    landed = [file.received_date for file in opened.files.files() if file.received_date]
    if meaning == "zero" or not (landed or meaning == "unknown") or not _has_empty_period(result):
        return result
    first = reach.known_first if meaning == "unknown" else max(reach.known_first, min(landed))
    missing = set(Days.between(first, max(first, reach.known_last) + ONE_DAY).dates) - seen_days()
    return answer(replace(reach, missing=frozenset(missing))) if missing else result


def _has_empty_period(result: dict[str, Any]) -> bool:
    lines = [one["values"] for one in result["series"]]
    lines += [one[state] for one in result.get("lifecycle", ()) for state in STATES]
    return any(not any(values) for values in zip(*lines, strict=True))
