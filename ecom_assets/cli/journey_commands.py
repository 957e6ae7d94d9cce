"""`ecom journeys` as people type and read it. Not here: the answer (`adhoc_journeys.py`)."""

from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, MorePaths, SessionRuleName, all_paths, print_answer


def journeys(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    by: Annotated[str, typer.Option(help="What a step is: page_type or category.")] = "page_type",
    top: Annotated[int, typer.Option(help="How many of the most frequent paths to tell.")] = 10,
    session_rule: SessionRuleName = "ga4",
    as_json: Json = False,
) -> None:
    """Show which steps sessions take one after another, and which paths end in a purchase."""
    from ecom_assets.cli.adhoc_journeys import answer_journeys  # noqa: PLC0415 (loads Ibis)

    answer = answer_journeys(all_paths(events, more), mapping, by, top, session_rule)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


def path_line(path: dict[str, Any]) -> str:
    """Write a path for people."""
    steps = " → ".join([*path["path"], *(["…"] if path["is_cut"] else [])]) or "(no step)"
    return f"  {path['sessions']:>9,} {path['share']:6.1%}  {steps}"


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['sessions']:,} sessions, {answer['converted_sessions']:,} of them with a purchase"]
    for title, name in (
        ("Paths of all sessions", "top_paths"),
        ("Paths with a purchase", "converting_paths"),
        ("Paths without a purchase", "other_paths"),
    ):
        if answer[name]:
            lines += ["", title, *map(path_line, answer[name])]
    if answer["transitions"]:
        most = answer["transitions"][: len(answer["top_paths"]) or 1]
        lines += ["", "Most frequent transitions"]
        lines += [f"  {one['count']:>9,}  {one['from']} → {one['to']}" for one in most]
    return lines
