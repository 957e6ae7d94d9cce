"""`ecom experiment`: its options, and the result as text."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Where
from ecom_assets.cli.question import FileQuestion, about_files
from ecom_assets.errors import UsageError
from ecom_assets.questions.chart import BAR_WIDTH, bar, duration
from ecom_assets.sources.files.opened import OpenedFiles
from ecom_assets.tables.conditions import with_event_types
from ecom_assets.tables.days import DayRange

Variant = Annotated[
    str | None, typer.Option(help="Column or properties.key that names the variant, such as properties.variant.")
]
Goal = Annotated[str | None, typer.Option(help="Event type that counts as success, such as purchase.")]
GoalWhere = Annotated[
    list[str] | None, typer.Option(help="What must hold of a goal event, such as 'cart_amount > 20'.")
]
Exposure = Annotated[
    str | None, typer.Option(help="Event type that names the variant; any event that has one if not given.")
]
ExposureWhere = Annotated[
    list[str] | None, typer.Option(help="What must hold of an exposure, such as 'properties.experiment = checkout'.")
]
Shares = Annotated[
    list[str] | None,
    typer.Option("--share", help="VARIANT=NUMBER, its planned share; give it for each variant. Equal if not given."),
]
PlannedUnits = Annotated[
    int | None, typer.Option(help="Units at which the sequential interval is narrowest; 5000 if not given.")
]


def answer_experiment(
    opened: OpenedFiles, definition: dict[str, Any], days: DayRange, segment: str | None = None
) -> dict[str, Any]:
    """Return how the variants of an experiment compare, from the events of files.

    Raises:
        DefinitionError: The definition is wrong.
        SourceError: The files have no valid event.
    """
    from ecom_assets.cli.question_events import QuestionEvents  # noqa: PLC0415 (loads Ibis beside the check)
    from ecom_assets.experiments.experiment import Experiment  # noqa: PLC0415 (with it)
    from ecom_assets.experiments.queries import experiment_answer  # noqa: PLC0415 (with it)

    experiment = Experiment.from_mapping(definition)
    question = QuestionEvents.open(opened, days, segment, without="nobody saw a variant", columns=experiment.columns)
    translate = question.files.mapping.translate
    goal, exposure = (one.translated(translate) for one in (experiment.goal, experiment.exposure))
    own = replace(experiment, goal=goal, exposure=exposure, where=with_event_types(experiment.where, translate))
    return question.complete(experiment_answer(question.files.con, question.events, own, question.known, question.days))


@about_files
def experiment(
    request: FileQuestion,
    variant: Variant = None,
    goal: Goal = None,
    goal_where: GoalWhere = None,
    exposure: Exposure = None,
    exposure_where: ExposureWhere = None,
    control: Annotated[str | None, typer.Option(help="Variant to compare with; control if not given.")] = None,
    within: Annotated[str | None, typer.Option(help="Time for a goal after the exposure, such as 7d.")] = None,
    amount: Annotated[str | None, typer.Option(help="Number column of goals whose mean per unit is compared.")] = None,
    shares: Shares = None,
    multiple: Annotated[
        str | None,
        typer.Option(help="Units that saw several variants: exclude (default), or first for the first seen."),
    ] = None,
    where: Where = None,
    confidence: Annotated[float | None, typer.Option(help="Confidence of intervals; 0.95 if not given.")] = None,
    planned_units: PlannedUnits = None,
) -> None:
    """Compare the variants of an experiment: conversion and mean by variant, and whether they differ."""
    given: dict[str, Any] = {"variant": variant, "goal": _event(goal, goal_where), "within": within, "amount": amount}
    given |= {"exposure": _event(exposure, exposure_where), "control": control, "shares": _read_shares(shares)}
    given |= {"multiple": multiple, "where": where, "confidence": confidence, "planned_units": planned_units}
    query = request.query(given, "experiment", "variant", {"shares": "share"})
    with request.checking() as opened:
        answer = answer_experiment(opened, query, request.days, request.segment)
    request.print(answer, lambda: experiment_lines(answer))


def _event(event_type: str | None, where: list[str] | None) -> dict[str, Any] | None:
    if event_type is None and not where:
        return None
    return {"event_type": event_type, "where": where}


def _read_shares(texts: list[str] | None) -> dict[str, float] | None:
    values: dict[str, float] = {}
    for text in texts or ():
        name, _, number = text.rpartition("=")
        try:
            part = float(number)
        except ValueError:
            name = ""
        if not name or name in values:
            raise UsageError(f"--share {text!r} is not understood; write VARIANT=NUMBER once each, as in control=50.")
        values[name] = part
    return values or None


def experiment_lines(answer: dict[str, Any]) -> list[str]:
    """Return a line per variant and metric, how each compares with the control, and whether the split is as planned."""
    variants, definition = answer["variants"], answer["definition"]
    within = f" within {duration(int(definition['within'][:-1]))} of the exposure" if definition["within"] else ""
    goal = definition["goal"]["event_type"] or "any event"
    lines = [
        f"{goal}{within} by {definition['variant']}, exposed {definition['first_date']} to {definition['last_date']}"
    ]
    lines += _metric_lines(variants, "conversion", definition)
    if definition["amount"]:
        lines += ["", f"{definition['amount']} per unit", *_metric_lines(variants, "mean", definition)]
    return [*lines, *_notes(answer)]


def _metric_lines(variants: Sequence[dict[str, Any]], metric: str, question: dict[str, Any]) -> list[str]:
    width = max((len(one["variant"]) for one in variants), default=0)
    largest = max((abs(one[metric]["value"] or 0) for one in variants), default=0) or 1
    lines = []
    for one in variants:
        value, chance = one[metric]["value"], one[metric]["probability_best"]
        parts = [f"{one['converted_count']:,} of {one['unit_count']:,}"] if metric == "conversion" else []
        parts += [] if chance is None else [f"best {chance:.1%}"]
        shown = f"{bar(value, largest):{BAR_WIDTH}} {_value(value, metric):>9}  {', '.join(parts)}"
        lines.append(f"  {one['variant']:{width}} {shown}".rstrip())
    for one in variants:
        if compared := one[metric]["against_control"]:
            lines += _comparison(one["variant"], compared, metric, question)
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
        lines.append(f"    credible interval {level}: {ends}, better with {compared['probability_better']:.1%}")
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
        what = "counted for the first" if definition["multiple"] == "first" else "left out"
        lines.append(f"Units exposed to several variants: {answer['mixed_count']:,}, {what}")
    if waiting := sum(one["open_count"] for one in answer["variants"]):
        lines.append(f"Units whose time for the goal is not over: {waiting:,}")
    return lines if len(lines) > 1 else []
