"""The answer of `ecom correlation`, by Ibis, which is imported with this module only."""

from dataclasses import replace
from typing import Any

from ecom_assets.cli.opened_files import OpenedFiles
from ecom_assets.cli.question_events import QuestionEvents
from ecom_assets.correlation.correlation import Correlation
from ecom_assets.correlation.queries import correlation_answer
from ecom_assets.tables.days import DayRange, of_days


def answer_correlation(
    opened: OpenedFiles, definition: dict[str, Any], days: DayRange, segment: str | None = None
) -> dict[str, Any]:
    """Return what goes with conversion, from the events of files.

    Raises:
        DefinitionError: The definition is wrong.
        SourceError: The files have no valid event.
    """
    correlation = Correlation.from_mapping(definition)
    columns = [*correlation.funnel.columns, *correlation.properties]
    question = QuestionEvents.open(opened, days, segment, without="nobody entered", columns=columns)
    own = replace(correlation, funnel=correlation.funnel.translated(question.files.mapping.translate))
    answer = correlation_answer(question.files.con, of_days(question.events, "event_date", question.days), own)
    first, last = question.days
    answer["definition"] |= {"first_date": first and str(first), "last_date": last and str(last)}
    return question.complete(answer)
