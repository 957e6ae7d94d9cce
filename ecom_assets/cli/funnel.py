"""`ecom funnel`: its options, and the answer in lines."""

import csv
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ecom_assets.cli.options import (
    DURATIONS,
    PresetName,
    SessionRuleName,
    Where,
    is_typed,
    read_definition,
)
from ecom_assets.cli.question import FileQuestion, about_files
from ecom_assets.cli.question_events import QuestionSegment
from ecom_assets.errors import UsageError
from ecom_assets.funnels.answer import funnel_answer
from ecom_assets.funnels.entries import Limits
from ecom_assets.funnels.question import FunnelDefinition, Times, named_step
from ecom_assets.funnels.text import breakdown_lines, cohort_lines, step_lines, times_lines
from ecom_assets.sessions.rule import TOOL_RULES, SessionRule
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.events import FileEvents, needs_few_columns
from ecom_assets.sources.files.output import check_format, write_rows
from ecom_assets.tables.days import DayRange

ALL_DAYS: Final = DayRange()


def answer(
    paths: list[str],
    settings: Settings,
    definition: dict[str, Any],
    who: Path | None,
    session_rule: SessionRule,
    days: DayRange = ALL_DAYS,
    segment: str | None = None,
) -> dict[str, Any]:
    """Return the answer to a funnel; if `who` is given, write who is at each step to it."""
    check_format("--who", who)
    files = FileEvents.open(paths, settings)
    funnel = FunnelDefinition.from_mapping(definition).funnel.translated(files.mapping.translate)
    only = QuestionSegment.read(segment, files)
    times = None
    if who is None and segment is None and needs_few_columns(funnel):
        files = files.with_few_columns()
        if not (days.is_given or funnel.over):
            files, times = files.with_times(funnel)
    elif funnel.per != "session":
        files = files.naming([*funnel.columns, *only.columns])
    clean = files.clean()
    events, days = only.events_of(clean, days)
    keep = None if who is None else lambda rows: write_rows(files.con, rows, who)
    limits = Limits(days.first, days.last, days.day_count, files.settings.timezone)
    words = files.mapping.own_words()
    result = funnel_answer(
        files.con, events, funnel, rule=session_rule, keep=keep, words=words, limits=limits, times=times
    )
    return only.complete(result, clean) | {"rows": files.rows.as_json()}


ORDERS = (
    "ordered, strict_increase, clickhouse_default, strict_order, allow_reentry, strict_deduplication, any, exact or "
    "strict."
)
OCCURRENCE = (
    "first_ever or first_time: step 1 is the visitor's first event of its type in all data, or the first that meets "
    "the conditions. '2: first_time' is of step 2."
)
STEP_WHERE = "What must hold of one step's event, with its number: '3: cart_amount > 10'. Several must all hold."
BESIDE_A_DEFINITION = {*signature(FileQuestion).parameters, "who", "session_rule"}
OVER = "A cohort for each hour, day, week, month, quarter or year of entry, with a funnel of its own."
TIMES = "The time between two steps in bins, such as 1:3."
BINS = "A number of bins, the width of each, such as 1h, or where they end, such as 1m,10m,1h; chosen if not given."
Over = Annotated[str | None, typer.Option(help=OVER)]
TimesOption = Annotated[str | None, typer.Option("--time-to-convert", help=TIMES)]
Bins = Annotated[str | None, typer.Option(help=BINS)]
WeekStart = Annotated[str, typer.Option(help="Weekday on which weeks begin.")]
STEPS = (
    "Event types, separated by commas; * is any event, b? an optional step, which need not be taken, and one with a "
    "comma stands in double quotes, '\"a, b\",c'."
)
Steps = Annotated[str | None, typer.Option(help=STEPS)]
Within = Annotated[str, typer.Option(help=f"From the first step to the last: {DURATIONS}.")]
StepWhere = Annotated[list[str] | None, typer.Option(help=STEP_WHERE)]
Occurrences = Annotated[list[str] | None, typer.Option("--occurrence", help=OCCURRENCE)]
Columns = Annotated[str | None, typer.Option(help="Columns that must keep one value, separated by commas.")]
Excluded = Annotated[
    list[str] | None,
    typer.Option(help="An event type that may not come between the steps; `a:2:3` only between steps 2 and 3."),
]
ExclusionRule = Annotated[
    str, typer.Option(help="mixpanel keeps the steps before an excluded event, posthog drops the attempt.")
]
BY = (
    "Break down by this column, by properties.key, or by COLUMN:bins=5 or COLUMN:edges=20,50 of numbers; give it again "
    "for further columns."
)
By = Annotated[list[str] | None, typer.Option(help=BY)]
ByAttribution = Annotated[str, typer.Option(help="Whose value counts: first, last, all, step_1, step_2, …")]
Limit = Annotated[int, typer.Option(help="How many values to show; the rest is Other.")]
Who = Annotated[Path | None, typer.Option(help="Write who is at each step to this .parquet or .csv file.")]


@about_files
def funnel(
    request: FileQuestion,
    steps: Steps = None,
    within: Within = "7d",
    order: Annotated[str, typer.Option(help=ORDERS)] = "ordered",
    per: Annotated[str, typer.Option(help="user, session, totals, or properties.key: its values.")] = "user",
    where: Where = None,
    step_where: StepWhere = None,
    occurrence: Occurrences = None,
    hold: Columns = None,
    exclude: Excluded = None,
    exclusion_rule: ExclusionRule = "mixpanel",
    by: By = None,
    by_attribution: ByAttribution = "first",
    limit: Limit = 25,
    over: Over = None,
    week_start: WeekStart = "monday",
    time_to_convert: TimesOption = None,
    bins: Bins = None,
    who: Who = None,
    session_rule: SessionRuleName = "ga4",
    preset: PresetName = None,
) -> None:
    """Count who got how far through the steps."""
    given: dict[str, Any] = {"steps": steps, "step_where": step_where, "within": within, "order": order, "per": per}
    given |= {"exclude": exclude, "exclusion_rule": exclusion_rule, "by": by, "limit": limit, "occurrence": occurrence}
    given |= {"by_attribution": by_attribution, "over": over, "week_start": week_start, "where": where, "bins": bins}
    query = _query(request, given | {"time_to_convert": time_to_convert, "preset": preset, "hold": hold})
    if not is_typed(request.context, "session_rule"):  # the rule of the preset's tool, if it has sessions
        session_rule = TOOL_RULES.get(str(query.get("preset")), session_rule)
    rule = SessionRule.preset(session_rule)
    result = answer(request.paths, request.settings, query, who, rule, request.days, request.segment)
    result |= {"session_rule": session_rule} if result["definition"]["per"] == "session" else {}
    request.print(result, lambda: _lines(result, who))


def _query(request: FileQuestion, given: dict[str, Any]) -> dict[str, Any]:
    """Return the definition from a file or from the options."""
    context, definition = request.context, request.definition
    if (given["steps"] is None) == (definition is None):
        raise UsageError("A funnel needs either --steps a,b,c or --definition FILE; give one of them.")
    if definition is not None:
        _refuse_more_than_a_definition(context)
        return read_definition(definition, "funnel", "steps")
    _refuse_what_has_no_effect(context, given)
    steps, hold = _steps(given["steps"], given.pop("step_where"), given.pop("occurrence")), given["hold"]
    times = _times(given["time_to_convert"], given.pop("bins"))
    lists = {"steps": steps, "hold": hold and [column.strip() for column in hold.split(",")], "time_to_convert": times}
    query = given | lists | {"exclude": [_exclusion(text) for text in given["exclude"] or []]}
    # An option that is not typed leaves its value to the preset, or to what a definition takes by default.
    return {name: value for name, value in query.items() if name in lists or is_typed(context, name)}


def _steps(
    steps: str | None, conditions: list[str] | None, occurrences: list[str] | None = None
) -> list[dict[str, Any]]:
    """Return the steps as a definition has them, each with its conditions."""
    rows: list[dict[str, Any]] = [{**named_step(name), "where": []} for name in _names(steps or "")]
    for text in conditions or []:
        place, condition = _of_step(text, len(rows), "--step-where", "cart_amount > 10")
        rows[place - 1]["where"].append(condition)
    for text in occurrences or []:
        numbered = text if ":" in text else f"1:{text}"
        place, occurrence = _of_step(numbered, len(rows), "--occurrence", "first_time")
        if "occurrence" in rows[place - 1]:
            raise UsageError(f"--occurrence is given twice of step {place}; leave one of them out.")
        rows[place - 1]["occurrence"] = occurrence.strip()
    return rows


def _names(steps: str) -> list[str]:
    """Return the event types of a list with commas; a type that contains a comma is in double quotes."""
    try:
        (names,) = csv.reader([steps], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise UsageError(
            f"--steps {steps!r} is not understood; write event types between commas, one with a comma in double quotes."
        ) from error
    return [name.strip() for name in names]


def _of_step(text: str, steps: int, option: str, example: str) -> tuple[int, str]:
    """Return the number of a step, and the text after it."""
    number, colon, value = text.partition(":")
    place = int(number) if number.strip().isdecimal() else 0
    if not colon or not 1 <= place <= steps:
        raise UsageError(
            f"{option} {text!r} does not begin with the number of a step, 1 to {steps}; write it as in "
            f"'{steps}: {example}'."
        )
    return place, value


def _times(steps: str | None, bins: str | None) -> object:
    """Return the time to convert in the format of a definition."""
    if steps is None:
        if bins is not None:
            raise UsageError("--bins are those of --time-to-convert; name its two steps, as in --time-to-convert 1:2.")
        return None
    result = Times.from_mapping(steps).times
    if bins is None:
        return result.to_mapping()
    given: object = bins.split(",") if "," in bins else int(bins) if bins.strip().isdecimal() else bins
    return result.to_mapping() | {"bins": given}


def _refuse_more_than_a_definition(context: typer.Context) -> None:
    """Refuse options that the definition's file also has, because one of the two would be ignored silently."""
    for name in context.params:
        if name not in BESIDE_A_DEFINITION and is_typed(context, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is given together with --definition; write it in that file, or leave it out.")


NEEDED_BY: Final = {
    "by_attribution": ("by", "says whose value of --by counts; give --by"),
    "limit": ("by", "sets how many values of --by are shown; give --by"),
    "exclusion_rule": ("exclude", "says what an excluded event does; give --exclude"),
}


def _refuse_what_has_no_effect(context: typer.Context, given: dict[str, Any]) -> None:
    """Refuse options that have no effect without another one."""
    for name, (needed, why) in NEEDED_BY.items():
        if is_typed(context, name) and not given[needed]:
            raise UsageError(f"--{name.replace('_', '-')} {why}, or leave it out.")


def _exclusion(text: str) -> dict[str, Any]:
    """Read `a` or `a:2:3`; an event type may hold colons itself."""
    name, *ends = text.rsplit(":", 2)
    if len(ends) == 2 and all(end.isdigit() for end in ends):  # noqa: PLR2004 (after and before)
        return {"event_type": name, "after": int(ends[0]), "before": int(ends[1])}
    if ends and ends[-1].isdigit():
        raise UsageError(f"--exclude {text!r} names one step; name both, as in {name}:1:2, or none.")
    return {"event_type": text}


def _lines(values: dict[str, Any], who: Path | None) -> list[str]:
    lines = [
        *step_lines(values["definition"], values["steps"]),
        *breakdown_lines(values["definition"], values["breakdown"]),
        *cohort_lines(values["definition"], values.get("cohorts", ())),
        *times_lines(values.get("time_to_convert")),
    ]
    return lines + ([f"Written to {who}."] if who else [])
