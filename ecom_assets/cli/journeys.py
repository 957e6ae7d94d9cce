"""`ecom journeys`: the paths of sessions in files."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecom_assets.cli.options import PresetName, SessionRuleName, Where
from ecom_assets.cli.question import FileQuestion, about_files
from ecom_assets.sources.files.kinds import EventMapping
from ecom_assets.sources.files.opened import OpenedFiles
from ecom_assets.tables.conditions import with_event_types
from ecom_assets.tables.days import DayRange

if TYPE_CHECKING:
    from ecom_assets.journeys.choices import JourneyChoices

FromStep = Annotated[str | None, typer.Option(help="Step at whose first occurrence paths begin; others are left out.")]
ToStep = Annotated[str | None, typer.Option(help="Step at whose first occurrence paths end; others are left out.")]
Excluded = Annotated[list[str] | None, typer.Option("--exclude", help="Event type that is not a step.")]
Pages = Annotated[
    list[str] | None, typer.Option("--group", help="Pages that are one step, such as '/product/*'; for --by page.")
]
MinCount = Annotated[int, typer.Option(help="Show transitions that are taken at least so many times.")]

JOURNEY_COLUMNS = ("product_category", "page_url")
"""What steps may be made of, and sessions cut by, beside who did what and when."""


def answer_journeys(
    opened: OpenedFiles, definition: dict[str, Any], days: DayRange, segment: str | None = None
) -> dict[str, Any]:
    """Return sessions, transitions (in total and by position) and the most frequent paths.

    Raises:
        DefinitionError: The definition is wrong.
    """
    from ecom_assets.cli.question_events import answer_of_files  # noqa: PLC0415 (with it)
    from ecom_assets.journeys.answer import JourneyQuestion, journeys_answer  # noqa: PLC0415 (with it)
    from ecom_assets.sources.files.events import FileEvents  # noqa: PLC0415 (loads Ibis beside the check)

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


def _in_platform_words(choices: "JourneyChoices", mapping: EventMapping) -> "JourneyChoices":
    """Return the choices with each event type as the mapping translates it."""
    excluded = tuple(mapping.translate(one) for one in choices.excluded)
    choices = replace(choices, excluded=excluded, where=with_event_types(choices.where, mapping.translate))
    if choices.by != "page_type":
        return choices
    first, last = (step and mapping.translate(step) for step in (choices.from_step, choices.to_step))
    return replace(choices, from_step=first, to_step=last)


@about_files
def journeys(
    request: FileQuestion,
    by: Annotated[str, typer.Option(help="What a step is: page_type, category or page.")] = "page_type",
    top: Annotated[int, typer.Option(help="How many of the most frequent paths to print.")] = 10,
    from_step: FromStep = None,
    to_step: ToStep = None,
    exclude: Excluded = None,
    group: Pages = None,
    min_count: MinCount = 1,
    where: Where = None,
    session_rule: SessionRuleName = "ga4",
    preset: PresetName = None,
) -> None:
    """Show which steps sessions take one after another, and which paths end in a purchase."""
    given: dict[str, Any] = {"by": by, "top": top, "from_step": from_step, "to_step": to_step, "exclude": exclude}
    given |= {"group": group, "min_count": min_count, "where": where, "session_rule": session_rule, "preset": preset}
    query = request.query(request.typed(given), "journey", "by")
    with request.checking() as opened:
        answer = answer_journeys(opened, query, request.days, request.segment)
    request.print(answer, lambda: _lines(answer))


def path_line(path: dict[str, Any], *, is_cut_before: bool = False) -> str:
    """Return a path as a line of text, with an ellipsis where it is cut: at its end, or before it."""
    cut = ["…"] if path["is_cut"] else []
    steps = " → ".join([*cut, *path["path"]] if is_cut_before else [*path["path"], *cut]) or "(no step)"
    return f"  {path['sessions']:>9,} {path['share']:6.1%}  {steps}"


def _lines(answer: dict[str, Any]) -> list[str]:
    definition = answer["definition"]
    part = "".join(f" {name} {definition[f'{name}_step']}" for name in ("from", "to") if f"{name}_step" in definition)
    lines = [f"{answer['sessions']:,} sessions{part}, {answer['converted_sessions']:,} of them with a purchase"]
    is_cut_before = "to_step" in definition and "from_step" not in definition
    for title, name in (
        ("Paths of all sessions", "top_paths"),
        ("Paths with a purchase", "converting_paths"),
        ("Paths without a purchase", "other_paths"),
    ):
        if answer[name]:
            lines += ["", title, *(path_line(path, is_cut_before=is_cut_before) for path in answer[name])]
    if answer["transitions"]:
        most = answer["transitions"][: len(answer["top_paths"]) or 1]
        lines += ["", "Most frequent transitions"]
        lines += [f"  {one['count']:>9,}  {one['from']} → {one['to']}" for one in most]
    return lines
