"""Retention in a terminal."""

from collections.abc import Sequence
from typing import Final

from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.formats import amount, percent

SHOWN_CELLS: Final = 13


def lines(answer: Answer) -> list[str]:
    """Return a triangle of shares, one line per cohort; `*` marks shares that may still rise."""
    rule, cohorts, sums = answer["definition"], answer["cohorts"], answer["totals"]
    began = rule["start"] or "any event"
    if not cohorts:
        return [f"Nobody began with {began}, so there is no cohort."]
    width = max(10, *(len(cohort["cohort"]) for cohort in cohorts))
    titles = [total["period"] for total in sums[:SHOWN_CELLS]]
    scope = (
        f"Began with {began}, came back with {rule['returning'] or 'any event'}, by "
        f"{rule['period']}"
    )
    often = [f"at least {rule['at_least']} times"] if "at_least" in rule else []
    starting = [rule["starting"]] if "starting" in rule else []
    how = ", ".join([rule["mode"], *often, *starting, f"{rule['clock']} clock"])
    result = [f"{scope}: {how}; * is not whole yet"]
    result.append(
        f"{'cohort':{width}} {'size':>9} " + "".join(f"{title:>7} " for title in titles).rstrip()
    )
    for cohort in cohorts:
        shares = zip(cohort["returned"], cohort["complete"], strict=True)
        shown = [f"{count / cohort['size']:7.1%}{' ' if whole else '*'}" for count, whole in shares]
        result.append(
            f"{cohort['cohort']:{width}} {cohort['size']:>9,} "
            + "".join(shown[:SHOWN_CELLS]).rstrip()
        )
    result += _total_lines(answer, width)
    if len(sums) > SHOWN_CELLS:
        result.append(f"Shown are {SHOWN_CELLS} of {len(sums)} periods; --json has all.")
    return result


def _total_lines(answer: Answer, width: int) -> list[str]:
    """Return a line per total, and one per value of the breakdown with its share."""
    sums, parts, currency = answer["totals"], answer["breakdown"], answer["currency"] or ""
    result = [_line("whole", "share", [percent(total["rate"]) for total in sums], width)]
    for key, name in (("lifetime_value", "revenue"), ("sum_per_visitor", "sum")):
        if any(total[key] is not None for total in sums):
            result.append(
                _line("per head", name, [amount(total[key], currency) for total in sums], width)
            )
    if not parts:
        return result
    width = max(width, *(len(part["value"]) for part in parts))
    by = answer["definition"]["by"]
    result.append(f"Of whole cohorts, by {by if isinstance(by, str) else ', '.join(by)}")
    for part in parts:
        size = sum(cohort["size"] for cohort in part["cohorts"])
        result.append(
            _line(
                part["value"],
                f"{size:,}",
                [percent(total["rate"]) for total in part["totals"]],
                width,
            )
        )
    return result


def _line(name: str, label: str, values: Sequence[str], width: int) -> str:
    return (
        f"{name:{width}} {label:>9} " + "".join(f"{value:>7} " for value in values[:SHOWN_CELLS])
    ).rstrip()
