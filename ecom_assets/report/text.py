"""The report as plain text: what a terminal shows, and what a message says beside the attached page."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ecom_assets.report.wording import (
    DIMENSIONS,
    FACTORS,
    LABELS,
    cause_sentence,
    caveats,
    change,
    headline,
    held_sentence,
    number,
    part_name,
    received_sentence,
    signed_money,
    span,
)

MOST_PARTS: Final = 5


def text_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the lines of a report, see `weekly_report`."""
    days = span(report["start_date"], report["end_date"])
    return [
        f"{report['week']}, {days}, against {report['previous_week']}",
        headline(report),
        *caveats(report),
        "",
        *_numbers(report),
        *_causes(report),
        "",
        *(received_sentence(rows) for rows in report["rows"]["sources"]),
        *(held_sentence(day) for day in report["held_days"]),
        *_checks(report["checks"]),
    ]


def _numbers(report: Mapping[str, Any]) -> Iterator[str]:
    for name, one in report["numbers"].items():
        now, before = (number(name, one[which]) for which in ("value", "previous"))
        yield f"  {LABELS[name]:24}{now:>16}  {change(one['change']):>10}  before: {before}"


def _causes(report: Mapping[str, Any]) -> Iterator[str]:
    causes, currency = report["causes"], report["currency"]
    if causes["revenue_change_amount"] is None:
        return
    yield from ("", f"Why revenue changed by {signed_money(causes['revenue_change_amount'], currency)}")
    yield from (f"  {cause_sentence(one, currency)}" for one in report["largest_causes"])
    for parts in causes["factors"]:
        effects = (f"{FACTORS[one['factor']].lower()} {signed_money(one['contribution_amount'])}" for one in parts)
        yield f"  {', '.join(effects)}"
    for one in causes["revenue"]:
        yield from ("", DIMENSIONS[one["dimension"]])
        for part in one["parts"][:MOST_PARTS]:
            yield f"  {part_name(one['dimension'], part['value']):32}{signed_money(part['contribution_amount']):>14}"
        if (more := len(one["parts"]) - MOST_PARTS) > 0:
            yield f"  and {more} more"


def _checks(checks: Mapping[str, Any]) -> Iterator[str]:
    if not checks["failing"]:
        yield (
            f"All {checks['evaluated']} checks held when they last ran." if checks["evaluated"] else "No check has run."
        )
    for one in checks["failing"]:
        yield f"{'Warns' if one['is_warning'] else 'Fails'}: {one['table']}, {one['name']}: {one['sentence']}"
