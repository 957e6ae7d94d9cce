"""An experiment in a terminal."""

from collections.abc import Sequence
from typing import Any

from ecom_assets.tables.formats import BAR_WIDTH, bar, duration, percent


def lines(answer: dict[str, Any]) -> list[str]:
    """Return a line per variant and metric, how each compares with the control, and whether the split is as planned."""
    variants, definition = answer["variants"], answer["definition"]
    within = f" within {duration(int(definition['within'][:-1]))} of the exposure" if definition["within"] else ""
    goal = definition["goal"]["event_type"] or "any event"
    result = [
        f"{goal}{within} by {definition['variant']}, exposed {definition['first_date']} to {definition['last_date']}"
    ]
    result += _metric_lines(variants, "conversion", definition)
    if definition["amount"]:
        result += ["", f"{definition['amount']} per unit", *_metric_lines(variants, "mean", definition)]
    return [*result, *_notes(answer)]


def _metric_lines(variants: Sequence[dict[str, Any]], metric: str, question: dict[str, Any]) -> list[str]:
    width = max((len(variant["variant"]) for variant in variants), default=0)
    largest = max((abs(variant[metric]["value"] or 0) for variant in variants), default=0) or 1
    lines = []
    for variant in variants:
        value, chance = variant[metric]["value"], variant[metric]["probability_best"]
        parts = [f"{variant['converted_count']:,} of {variant['unit_count']:,}"] if metric == "conversion" else []
        parts += [] if chance is None else [f"best {percent(chance)}"]
        shown = f"{bar(value, largest):{BAR_WIDTH}} {_value(value, metric):>9}  {', '.join(parts)}"
        lines.append(f"  {variant['variant']:{width}} {shown}".rstrip())
    for variant in variants:
        if compared := variant[metric]["against_control"]:
            lines += _comparison(variant["variant"], compared, metric, question)
    return lines


def _comparison(variant: str, compared: dict[str, Any], metric: str, question: dict[str, Any]) -> list[str]:
    relative = compared["relative_difference"]
    share = "" if relative is None else f" ({relative:+.1%})"
    lines = [f"  {variant} against {question['control']}: {_value(compared['difference'], metric, '+')}{share}"]
    level = f"{question['confidence']:g}"
    if compared["sequential"]:
        ends = _ends(compared["sequential"], metric)
        lines.append(f"    sequential interval {level}: {ends}, p {compared['p_value']:.2g}")
    if compared["credible"]:
        ends = _ends(compared["credible"], metric)
        lines.append(f"    credible interval {level}: {ends}, better with {percent(compared['probability_better'])}")
    return lines


def _value(value: float | None, metric: str, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}.2%}" if metric == "conversion" else f"{value:{sign},.2f}"


def _ends(interval: dict[str, float], metric: str) -> str:
    return f"{_value(interval['low'], metric, '+')} to {_value(interval['high'], metric, '+')}"


def _notes(answer: dict[str, Any]) -> list[str]:
    """Return lines on the split, on units left out, and on units whose time is not over."""
    lines, definition = [""], answer["definition"]
    if ratio := answer["sample_ratio"]:
        planned = "NOT as planned" if ratio["is_mismatch"] else "as planned"
        lines.append(f"Split: {planned} (chi-squared {ratio['chi_squared']:.2f}, p {ratio['p_value']:.2g})")
    if answer["mixed_count"]:
        handling = "counted for the first" if definition["multiple"] == "first" else "left out"
        lines.append(f"Units exposed to several variants: {answer['mixed_count']:,}, {handling}")
    if waiting := sum(variant["open_count"] for variant in answer["variants"]):
        lines.append(f"Units whose time for the goal is not over: {waiting:,}")
    return lines if len(lines) > 1 else []
