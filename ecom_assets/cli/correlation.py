"""`ecom correlation`: its options, and the result as text."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import DURATIONS, Where
from ecom_assets.cli.question import FileQuestion, about_files
from ecom_assets.errors import UsageError
from ecom_assets.sources.files.opened import OpenedFiles
from ecom_assets.tables.days import DayRange, of_days

Steps = Annotated[str | None, typer.Option(help="Event types of the funnel, separated by commas.")]
Within = Annotated[str | None, typer.Option(help=f"From the first step to the last, 7d if not given: {DURATIONS}.")]
Properties = Annotated[
    list[str] | None,
    typer.Option("--property", help="Column or properties.key of the first step; give it once for each."),
]


def answer_correlation(
    opened: OpenedFiles, definition: dict[str, Any], days: DayRange, segment: str | None = None
) -> dict[str, Any]:
    """Return what goes with conversion, from the events of files.

    Raises:
        DefinitionError: The definition is wrong.
        SourceError: The files have no valid event.
    """
    from ecom_assets.cli.question_events import QuestionEvents  # noqa: PLC0415 (loads Ibis beside the check)
    from ecom_assets.correlation.correlation import Correlation  # noqa: PLC0415 (with it)
    from ecom_assets.correlation.queries import correlation_answer  # noqa: PLC0415 (with it)

    correlation = Correlation.from_mapping(definition)
    columns = [*correlation.funnel.columns, *correlation.properties]
    question = QuestionEvents.open(opened, days, segment, without="nobody entered", columns=columns)
    own = replace(correlation, funnel=correlation.funnel.translated(question.files.mapping.translate))
    answer = correlation_answer(question.files.con, of_days(question.events, "event_date", question.days), own)
    first, last = question.days
    answer["definition"] |= {"first_date": first and str(first), "last_date": last and str(last)}
    return question.complete(answer)


@about_files
def correlation(
    request: FileQuestion,
    steps: Steps = None,
    within: Within = None,
    order: Annotated[str | None, typer.Option(help="Order of the steps, as for ecom funnel.")] = None,
    properties: Properties = None,
    where: Where = None,
    limit: Annotated[int | None, typer.Option(help="How many to show, 20 if not given.")] = None,
    confidence: Annotated[float | None, typer.Option(help="Confidence of intervals; 0.95 if not given.")] = None,
) -> None:
    """Find which event types and properties go with the conversion of a funnel."""
    named = steps and [step.strip() for step in steps.split(",")]
    funnel = {"steps": named, "within": within, "order": order, "where": where}
    given = {"properties": properties, "limit": limit, "confidence": confidence}
    query = _read_definition(request, funnel, given)
    with request.checking() as opened:
        answer = answer_correlation(opened, query, request.days, request.segment)
    request.print(answer, lambda: correlation_lines(answer))


def _read_definition(request: FileQuestion, funnel: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the definition from a file or from the options."""
    if request.definition is None and not funnel["steps"]:
        raise UsageError("A correlation needs either --steps a,b or --definition FILE; give one of them.")
    names = {"properties": "property"}
    entries = request.query({**funnel, **given}, "correlation", "funnel", names)
    if request.definition is None:
        entries["funnel"] = {key: entries.pop(key) for key in funnel if key in entries}
    return entries


def correlation_lines(answer: dict[str, Any]) -> list[str]:
    """Return a line for each event type or value: its odds ratio with the interval, and the counts."""
    converted, others = answer["converted_count"], answer["other_count"]
    steps = " > ".join(step["event_type"] for step in answer["definition"]["funnel"]["steps"])
    entered = converted + others
    share = f" ({converted / entered:.1%})" if entered else ""
    lines = [f"{steps}: of {entered:,} visitors who entered, {converted:,} converted{share}"]
    rows = answer["correlations"]
    if not rows:
        return [*lines, "Nothing else happened that could go with it."]
    names = [f"{row['property']} = {row['value']}" if row["property"] else row["value"] for row in rows]
    width = max(len(name) for name in names)
    lines.append(f"Odds ratio with its interval {answer['definition']['confidence']:g}; * has too few visitors")
    for name, row in zip(names, rows, strict=True):
        ratio = f"{row['odds_ratio']:>8.2f}{' ' if row['is_enough'] else '*'} {row['low']:.2f} to {row['high']:.2f}"
        counts = f"{row['converted_count']:,} of {converted:,} converted, {row['other_count']:,} of {others:,} others"
        lines.append(f"  {name:{width}} {ratio:26} {counts}")
    return lines
