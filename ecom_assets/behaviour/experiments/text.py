"""An experiment in a terminal."""

from collections.abc import Sequence
from typing import Any, Final

from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.currencies import digits_of
from ecom_assets.core.tables.formats import BAR_WIDTH, UNKNOWN, bar, duration, percent


def lines(answer: Answer) -> list[str]:
    """Return a line per variant and metric, how each compares with the control,
    and whether the split is as planned.
    """
    variants, definition = answer["variants"], answer["definition"]
    within = (
        f" within {duration(int(definition['within'][:-1]))} of the exposure"
        if definition["within"]
        else ""
    )
    goal = definition["goal"]["event_type"] or "any event"
    result = [
        (
            f"{goal}{within} by {definition['variant']}, exposed {definition['first_date']} to "
            f"{definition['last_date']}"
        )
    ]
    result += _metric_lines(variants, "conversion", definition, _SHARE)
    if definition["amount"]:
        form = f",.{digits_of(answer['currency'] or '')}f"
        result += [
            "",
            f"{definition['amount']} per unit",
            *_metric_lines(variants, "mean", definition, form),
        ]
    return [*result, *_notes(answer)]


_SHARE: Final = ".2%"
"""The format of a share; that of an amount has the digits of its currency."""


def _metric_lines(
    variants: Sequence[Row], metric: str, question: dict[str, Any], form: str
) -> list[str]:
    width = max((len(variant["variant"]) for variant in variants), default=0)
    largest = max((abs(variant[metric]["value"] or 0) for variant in variants), default=0) or 1
    lines = []
    for variant in variants:
        value, chance = variant[metric]["value"], variant[metric]["probability_best"]
        parts = (
            [f"{variant['converted_count']:,} of {variant['unit_count']:,}"]
            if metric == "conversion"
            else []
        )
        parts += [] if chance is None else [f"best {percent(chance)}"]
        shown = f"{bar(value, largest):{BAR_WIDTH}} {_value(value, form):>9}  {', '.join(parts)}"
        lines.append(f"  {variant['variant']:{width}} {shown}".rstrip())
    for variant in variants:
        if compared := variant[metric]["against_control"]:
            lines += _comparison(variant["variant"], compared, question, form)
    return lines


def _comparison(variant: str, compared: Row, question: dict[str, Any], form: str) -> list[str]:
    relative = compared["relative_difference"]
    share = "" if relative is None else f" ({relative:+.1%})"
    difference = _value(compared["difference"], f"+{form}")
    lines = [f"  {variant} against {question['control']}: {difference}{share}"]
    level = f"{question['confidence']:g}"
    if compared["sequential"]:
        ends = _ends(compared["sequential"], form)
        lines.append(f"    sequential interval {level}: {ends}, p {compared['p_value']:.2g}")
    if compared["credible"]:
        ends = _ends(compared["credible"], form)
        lines.append(
            f"    credible interval {level}: {ends}, better with "
            f"{percent(compared['probability_better'])}"
        )
    return lines


def _value(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)


def _ends(interval: dict[str, float], form: str) -> str:
    return f"{interval['low']:+{form}} to {interval['high']:+{form}}"


def _notes(answer: Answer) -> list[str]:
    """Return lines on the split, on units left out, and on units whose time is not over."""
    lines, definition = [""], answer["definition"]
    if ratio := answer["sample_ratio"]:
        planned = "NOT as planned" if ratio["is_mismatch"] else "as planned"
        lines.append(
            f"Split: {planned} (chi-squared {ratio['chi_squared']:.2f}, p {ratio['p_value']:.2g})"
        )
    if answer["outside"]:
        named = ", ".join(f"{left['value']} {left['unit_count']:,}" for left in answer["outside"])
        lines.append(f"Units outside of the experiment, in no variant: {named}")
    if answer["mixed_count"]:
        handling = "counted for the first" if definition["multiple"] == "first" else "left out"
        lines.append(f"Units exposed to several variants: {answer['mixed_count']:,}, {handling}")
    if waiting := sum(variant["open_count"] for variant in answer["variants"]):
        lines.append(f"Units whose time for the goal is not over: {waiting:,}")
    return lines if len(lines) > 1 else []
