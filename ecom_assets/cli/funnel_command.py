"""`ecom funnel` as a person types it: its options, and the answer in lines.

Not here: the answer (`adhoc_funnel.py`).
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, MorePaths, paths_of, print_answer
from ecom_assets.errors import UsageError

ORDERS = (
    "ordered, strict_increase, clickhouse_default, strict_order, allow_reentry, strict_deduplication, any or exact."
)
Steps = Annotated[str | None, typer.Option(help="Event types, separated by commas.")]
Within = Annotated[str, typer.Option(help="From the first step to the last, such as 7d, 12h, 30m or 45s.")]
Columns = Annotated[str | None, typer.Option(help="Columns that must keep one value, separated by commas.")]
Excluded = Annotated[
    list[str] | None,
    typer.Option(help="An event type that may not come between the steps; `a:2:3` only between steps 2 and 3."),
]
ExclusionRule = Annotated[str, typer.Option(help="mixpanel keeps the steps before an excluded event, posthog none.")]
By = Annotated[str | None, typer.Option(help="Break down by this column, or by properties.key.")]
ByAttribution = Annotated[str, typer.Option(help="Whose value counts: first, last, all, step_1, step_2, …")]
Limit = Annotated[int, typer.Option(help="So many values stand by themselves; the rest is Other.")]
Who = Annotated[Path | None, typer.Option(help="Write who is at each step to this .parquet or .csv file.")]
Definition = Annotated[Path | None, typer.Option(help="A YAML or JSON file instead of --steps and the rest.")]


def funnel(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    steps: Steps = None,
    within: Within = "7d",
    order: Annotated[str, typer.Option(help=ORDERS)] = "ordered",
    per: Annotated[str, typer.Option(help="user, session or totals.")] = "user",
    hold: Columns = None,
    exclude: Excluded = None,
    exclusion_rule: ExclusionRule = "mixpanel",
    by: By = None,
    by_attribution: ByAttribution = "first",
    limit: Limit = 25,
    who: Who = None,
    definition: Definition = None,
    as_json: Json = False,
) -> None:
    """Count who got how far through the steps."""
    from ecom_assets.cli.adhoc_funnel import answer, definition_of  # noqa: PLC0415 (loads the engine)

    if (steps is None) == (definition is None):
        raise UsageError("A funnel needs either --steps a,b,c or --definition FILE; give one of them.")
    given: dict[str, Any] = {
        "steps": [step.strip() for step in (steps or "").split(",")],
        "within": within,
        "order": order,
        "per": per,
        "hold": [column.strip() for column in hold.split(",")] if hold else [],
        "exclude": [_exclusion(text) for text in exclude or []],
        "exclusion_rule": exclusion_rule,
        "by": by,
        "by_attribution": by_attribution,
        "limit": limit,
    }
    found = answer(paths_of(events, more), mapping, definition_of(definition) if definition else given, who)
    print_answer(found, lambda: _lines(found, who), as_json=as_json)


def _exclusion(text: str) -> dict[str, Any]:
    """Read `a` or `a:2:3`; an event type may hold colons itself.

    Raises:
        UsageError: Only one of the two steps is given.
    """
    name, *ends = text.rsplit(":", 2)
    if len(ends) == 2 and all(end.isdigit() for end in ends):  # noqa: PLR2004 (after and before)
        return {"event_type": name, "after": int(ends[0]), "before": int(ends[1])}
    if ends and ends[-1].isdigit():
        raise UsageError(f"--exclude {text!r} names one step; name both, as in {name}:1:2, or none.")
    return {"event_type": text}


def _lines(found: dict[str, Any], who: Path | None) -> list[str]:
    from ecom_assets.cli.funnel_lines import breakdown_lines, step_lines  # noqa: PLC0415 (loads Ibis)

    lines = [
        *step_lines(found["definition"], found["steps"]),
        *breakdown_lines(found["definition"], found["breakdown"]),
    ]
    return lines + ([f"Written to {who}."] if who else [])
