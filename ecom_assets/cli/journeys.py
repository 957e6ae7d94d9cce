"""`ecom journeys`: the paths of sessions in files."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import ibis.expr.types as ir
import typer

from ecom_assets.cli.options import (
    Events,
    Json,
    Mapping,
    MorePaths,
    PresetName,
    SegmentName,
    SessionRuleName,
    Timezone,
    Where,
    all_paths,
    print_answer,
    with_preset_values,
)
from ecom_assets.cli.own_files import FileEvents
from ecom_assets.cli.ranges import From, Last, QuestionDays, To
from ecom_assets.cli.row_days import Ends, days_definition, ends_of, of_days
from ecom_assets.cli.visitor_segments import AskedSegment
from ecom_assets.errors import UsageError
from ecom_assets.journeys.choices import PRESETS, JourneyChoices, part_of, step_events
from ecom_assets.journeys.journeys import JourneyRule, counted_transitions, journey_steps, paths_of, sessions_of
from ecom_assets.journeys.queries import path_rows
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import SESSION, session_events, source_session_of
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.sources.files.kinds import EventMapping
from ecom_assets.tables.columns import holds
from ecom_assets.tables.conditions import EVERYTHING, parse_where


@dataclass(frozen=True)
class Asked:
    """What is asked beside the choices: of which files and days, how sessions are cut, and how many paths to tell."""

    paths: list[str]
    settings: Settings
    days: QuestionDays
    top: int
    session_rule: str
    segment: str | None = None


def answer_journeys(asked: Asked, choices: JourneyChoices) -> dict[str, Any]:
    """Return sessions, transitions (in total and by position) and the most frequent paths.

    Raises:
        UsageError: No files are given, or `top` is less than 1.
    """
    if asked.top < 1:
        raise UsageError(f"--top {asked.top} shows no path; give 1 or more.")
    cut_by, rule = SessionRule.preset(asked.session_rule), choices.rule
    files = FileEvents.open(asked.paths, asked.settings)
    choices = _in_platform_words(choices, files.mapping)
    only, clean = AskedSegment.read(asked.segment, files), files.clean()
    ends, warnings = ends_of(clean, "event_date", asked.days)
    events, sessions = _stored(files, only.events(clean, ends[1]), cut_by, choices, ends)
    found = journey_steps(step_events(events, choices), sessions, rule)
    if choices.from_step or choices.to_step:
        found = part_of(found, choices)
    found = files.con.create_table("journey_steps", found, temp=True)
    paths = files.con.create_table("journeys", _paths(found, sessions, rule), temp=True)
    steps = counted_transitions(found.join(sessions, list(SESSION)), rule)
    answer = {
        "definition": {"by": choices.by, "session_rule": asked.session_rule, **asdict(cut_by), **asdict(rule)}
        | _definition(choices)
        | days_definition(ends),
        "sessions": int(paths.count().to_pyarrow().as_py()),
        "converted_sessions": int(paths.is_converted.ifelse(1, 0).sum().fill_null(0).to_pyarrow().as_py()),
        "transitions": _transitions(steps, ("from_step", "to_step"), choices.min_count),
        "steps": _transitions(steps, ("place", "from_step", "to_step"), choices.min_count),
        "top_paths": path_rows(paths, asked.top),
        "converting_paths": path_rows(paths.filter(paths.is_converted), asked.top),
        "other_paths": path_rows(paths.filter(~paths.is_converted), asked.top),
        **({"warnings": warnings} if warnings else {}),
    }
    return only.complete(answer, clean) | {"rows": files.rows.as_json()}


def _in_platform_words(choices: JourneyChoices, mapping: EventMapping) -> JourneyChoices:
    """Return the choices with each event type as the mapping translates it."""
    choices = replace(choices, excluded=tuple(mapping.translate(one) for one in choices.excluded))
    if choices.by != "page_type":
        return choices
    first, last = (step and mapping.translate(step) for step in (choices.from_step, choices.to_step))
    return replace(choices, from_step=first, to_step=last)


def _stored(
    files: FileEvents, clean: ir.Table, cut_by: SessionRule, choices: JourneyChoices, ends: Ends
) -> tuple[ir.Table, ir.Table]:
    """Store the events with their sessions, and the sessions that started on the days that are asked for."""
    if choices.where != EVERYTHING:
        clean = clean.filter(holds(clean, choices.where))
    numbered = session_events(clean, cut_by, by_day=False).rename(session_started_at="piece_started_at")
    if cut_by.trust_source_session_id:  # two sessions of one visitor can start at the same time
        numbered = numbered.mutate(visitor_id=numbered.visitor_id.concat("-", source_session_of(numbered)))
    columns = (*SESSION, "event_at", "event_date", "event_id", "event_type", "product_category", "page_url")
    events = files.con.create_table("journey_events", numbered.select(*columns), temp=True)
    started = events.group_by(*SESSION).agg(started_date=events.event_date.min())
    mine = sessions_of(events).semi_join(of_days(started, "started_date", ends), list(SESSION))
    sessions = files.con.create_table("journey_sessions", mine, temp=True)
    return events.semi_join(sessions, list(SESSION)), sessions


def _paths(steps: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the path of each session; one that is cut at its beginning is cut, too."""
    found = paths_of(steps, rule).join(sessions, list(SESSION))
    if "is_late" not in steps.columns:
        return found
    late = steps.group_by(*SESSION).agg(late=steps.is_late.ifelse(1, 0).max())
    found = found.join(late, list(SESSION))
    return found.mutate(is_cut=found.is_cut | (found.late == 1)).drop("late")


def _definition(choices: JourneyChoices) -> dict[str, Any]:
    """Return the choices that are made; nothing for those that are as by default."""
    definition: dict[str, Any] = {
        "from_step": choices.from_step,
        "to_step": choices.to_step,
        "excluded": list(choices.excluded),
        "pages": list(choices.pages),
        "where": choices.where.to_mapping() if choices.where != EVERYTHING else None,
        "min_count": choices.min_count if choices.min_count > 1 else None,
    }
    return {name: value for name, value in definition.items() if value}


def _transitions(steps: ir.Table, by: tuple[str, ...], min_count: int) -> list[dict[str, Any]]:
    sums = steps.group_by(*by).agg(count=steps.transition_count.sum(), converted=steps.converted_transition_count.sum())
    sums = sums.filter(sums["count"] >= min_count)
    first = [sums.place] if "place" in by else []
    ordered = sums.order_by(*first, sums["count"].desc(), sums.from_step, sums.to_step)
    return [
        {
            **({"step": int(row["place"])} if first else {}),
            "from": row["from_step"],
            "to": row["to_step"],
            "count": int(row["count"]),
            "converted": int(row["converted"]),
        }
        for row in ordered.to_pyarrow().to_pylist()
    ]


FromStep = Annotated[str | None, typer.Option(help="Step at whose first occurrence paths begin; others are left out.")]
ToStep = Annotated[str | None, typer.Option(help="Step at whose first occurrence paths end; others are left out.")]
Excluded = Annotated[list[str] | None, typer.Option("--exclude", help="Event type that is no step.")]
Pages = Annotated[
    list[str] | None, typer.Option("--group", help="Pages that are one step, such as '/product/*'; for --by page.")
]
MinCount = Annotated[int, typer.Option(help="Show transitions that are taken at least so many times.")]


def journeys(
    context: typer.Context,
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    by: Annotated[str, typer.Option(help="What a step is: page_type, category or page.")] = "page_type",
    top: Annotated[int, typer.Option(help="How many of the most frequent paths to tell.")] = 10,
    from_step: FromStep = None,
    to_step: ToStep = None,
    exclude: Excluded = None,
    group: Pages = None,
    min_count: MinCount = 1,
    where: Where = None,
    first: From = None,
    to: To = None,
    last: Last = None,
    timezone: Timezone = None,
    segment: SegmentName = None,
    session_rule: SessionRuleName = "ga4",
    preset: PresetName = None,
    as_json: Json = False,
) -> None:
    """Show which steps sessions take one after another, and which paths end in a purchase."""
    condition = parse_where(where) if where else EVERYTHING
    given: dict[str, Any] = {
        "top": top,
        "session_rule": session_rule,
        "preset": preset,
        "most_steps": JourneyChoices.most_steps,
    }
    used = with_preset_values(context, PRESETS, "journeys", given)
    pages, excluded, most = tuple(group or ()), tuple(exclude or ()), used["most_steps"]
    choices = JourneyChoices(by, pages, excluded, from_step, to_step, min_count, condition, most)
    settings = load_settings(events_mapping=mapping, timezone=timezone)
    days = QuestionDays.read(first, to, last)
    asked = Asked(all_paths(events, more), settings, days, used["top"], used["session_rule"], segment)
    answer = answer_journeys(asked, choices)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


def path_line(path: dict[str, Any], *, is_cut_before: bool = False) -> str:
    """Return a path as a line of text, with an ellipsis where it is cut: at its end, or before it."""
    cut = ["…"] if path["is_cut"] else []
    steps = " → ".join([*cut, *path["path"]] if is_cut_before else [*path["path"], *cut]) or "(no step)"
    return f"  {path['sessions']:>9,} {path['share']:6.1%}  {steps}"


def _lines(answer: dict[str, Any]) -> list[str]:
    asked = answer["definition"]
    part = "".join(f" {name} {asked[f'{name}_step']}" for name in ("from", "to") if f"{name}_step" in asked)
    lines = [f"{answer['sessions']:,} sessions{part}, {answer['converted_sessions']:,} of them with a purchase"]
    is_cut_before = "to_step" in asked and "from_step" not in asked
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
