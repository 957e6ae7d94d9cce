"""`ecom journeys`: the paths of sessions in files."""

from typing import Annotated, Any

import typer

from ecom_assets.cli.opened_files import checking
from ecom_assets.cli.options import (
    Definition,
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
    options_or_definition,
    print_answer,
    typed,
)
from ecom_assets.cli.ranges import From, Last, QuestionDays, To
from ecom_assets.settings.settings import load_settings

FromStep = Annotated[str | None, typer.Option(help="Step at whose first occurrence paths begin; others are left out.")]
ToStep = Annotated[str | None, typer.Option(help="Step at whose first occurrence paths end; others are left out.")]
Excluded = Annotated[list[str] | None, typer.Option("--exclude", help="Event type that is not a step.")]
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
    top: Annotated[int, typer.Option(help="How many of the most frequent paths to print.")] = 10,
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
    definition: Definition = None,
    preset: PresetName = None,
    as_json: Json = False,
) -> None:
    """Show which steps sessions take one after another, and which paths end in a purchase."""
    given: dict[str, Any] = {"by": by, "top": top, "from_step": from_step, "to_step": to_step, "exclude": exclude}
    given |= {"group": group, "min_count": min_count, "where": where, "session_rule": session_rule, "preset": preset}
    query = options_or_definition(definition, typed(context, given), "journey", "by")
    days = QuestionDays.read(first, to, last)
    settings = load_settings(events_mapping=mapping, timezone=timezone)
    with checking(all_paths(events, more), settings) as opened:
        from ecom_assets.cli.journeys_answer import answer_journeys  # noqa: PLC0415 (loads Ibis beside the check)

        answer = answer_journeys(opened, query, days, segment)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


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
