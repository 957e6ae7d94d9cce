"""A funnel in a terminal: its steps as bars with the median time of each,
and what else is asked for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.tables.formats import BAR_WIDTH, aligned_percent, bar, by_text, duration

Step = Mapping[str, Any]


def lines(answer: Answer) -> list[str]:
    """Return the steps, then the breakdown,
    the cohorts and the time to convert where they are asked for.
    """
    return [
        *step_lines(answer["definition"], answer["steps"]),
        *breakdown_lines(answer["definition"], answer["breakdown"]),
        *cohort_lines(answer["definition"], answer["cohorts"] or ()),
        *times_lines(answer["time_to_convert"]),
    ]


def step_lines(definition: NamedValues, steps: Sequence[Step]) -> list[str]:
    """Return the chart with the median time of each step; if the order is any,
    step n means any n steps.
    """
    titled = (
        [{**step, "event_type": f"any {step['step']}"} for step in steps]
        if definition["order"] == "any"
        else steps
    )
    chart = funnel_chart(
        [
            {**step, "event_type": f"{step['event_type']}{'?' * step.get('optional', 0)}"}
            for step in titled
        ]
    )
    medians = [step["median_s_from_previous"] for step in steps]
    times = ["" if median is None else f", median {duration(median)}" for median in medians]
    return [line + time for line, time in zip(chart, times, strict=True)]


def funnel_chart(steps: Sequence[Step]) -> list[str]:
    """Return a chart of a funnel, one line per step."""
    largest = max((step["count"] for step in steps), default=0) or 1
    width = max((len(step["event_type"]) for step in steps), default=0)
    lines = []
    for step in steps:
        shown = bar(step["count"], largest)
        line = (
            f"  {step['step']} {step['event_type']:{width}} {shown:{BAR_WIDTH}} "
            f"{step['count']:>10,}"
        )
        if step["step"] > 1:
            previous, start = step["conversion_from_previous"], step["conversion_from_start"]
            line += f"  {aligned_percent(previous)} of previous, {aligned_percent(start)} of all"
        lines.append(line)
    return lines


def breakdown_lines(definition: NamedValues, breakdown: Sequence[NamedValues]) -> list[str]:
    """Return a line per value: the count of each step,
    and the conversion from the first step to the last.
    """
    if not breakdown:
        return []
    width = max(len(entry["value"]) for entry in breakdown)
    lines = ["", f"By {by_text(definition['by'])} ({definition['by_attribution']})"]
    return [*lines, *(_counts_line(entry["value"], width, entry["steps"]) for entry in breakdown)]


def cohort_lines(definition: NamedValues, cohorts: Sequence[NamedValues]) -> list[str]:
    """Return a line per period of entry, as in a breakdown, and one per value of it;
    `*` marks open windows.
    """
    if not cohorts:
        return []
    lines = ["", f"By {definition['over']} of entry"]
    names = [part["value"] for cohort in cohorts for part in cohort.get("breakdown") or ()]
    width = max([len(cohorts[0]["start"]) + 1, *(len(name) + 2 for name in names)])
    for cohort in cohorts:
        mark = " " if cohort["complete"] else "*"
        lines.append(_counts_line(f"{cohort['start']}{mark}", width, cohort["steps"]))
        lines += [
            _counts_line(f"  {part['value']}", width, part["steps"])
            for part in cohort.get("breakdown") or ()
        ]
    open_count = sum(not cohort["complete"] for cohort in cohorts)
    return lines + (["  * still open: the data end before the window does"] if open_count else [])


def _counts_line(name: str, width: int, steps: Sequence[Step]) -> str:
    counts = " ".join(f"{step['count']:>10,}" for step in steps)
    return f"  {name:{width}} {counts}  {aligned_percent(steps[-1]['conversion_from_start'])}"


def times_lines(times: NamedValues | None) -> list[str]:
    """Return the time to convert: a line per bin, and the average with the quantiles."""
    if times is None:
        return []
    lines = ["", f"Time from step {times['from_step']} to step {times['to_step']}"]
    if not times["count"]:
        return [*lines, "  nobody took both"]
    largest = max(bin_["count"] for bin_ in times["bins"])
    names = [
        f"{duration(bin_['from_s'])} to {duration(bin_['to_s'])}"
        if bin_["to_s"] is not None
        else f"{duration(bin_['from_s'])} or more"
        for bin_ in times["bins"]
    ]
    width = max(map(len, names))
    for name, bin_ in zip(names, times["bins"], strict=True):
        lines.append(
            f"  {name:{width}} {bar(bin_['count'], largest):{BAR_WIDTH}} {bin_['count']:>10,}"
        )
    summary = ", ".join(
        f"{name} {duration(times[f'{name}_s'])}" for name in ("average", "median", "p90")
    )
    return [*lines, f"  {summary}"]
