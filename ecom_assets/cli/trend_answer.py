"""The answer of `ecom trend`: by statements that are kept where it can be, without Ibis."""

from dataclasses import replace
from typing import Any

from ecom_assets.cli.kept_events import KeptEvents
from ecom_assets.cli.opened_files import OpenedFiles
from ecom_assets.tables.conditions import with_event_types
from ecom_assets.tables.days import DayRange
from ecom_assets.trends.definition import Trend
from ecom_assets.trends.queries import trend_answer
from ecom_assets.trends.range import Range


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
    kept = KeptEvents.open(opened, trend, trend.columns) if segment is None else None
    if kept is not None and kept.ends is not None:
        known = kept.ends[0].date(), kept.ends[1].date()
        reach = Range.of_question(known, days.within(known[1]), opened.settings.timezone, kept.ends[1])
        return trend_answer(kept.runner, kept.events, trend, reach) | {"rows": kept.rows()}
    from ecom_assets.cli.question_events import QuestionEvents  # noqa: PLC0415 (loads Ibis)

    question = QuestionEvents.open(opened, days, segment, without="there is no trend", columns=trend.columns)
    reach = Range.of_question(question.known, question.days, opened.settings.timezone, question.newest_at)
    return question.complete(trend_answer(question.files.con, question.events, trend, reach))
