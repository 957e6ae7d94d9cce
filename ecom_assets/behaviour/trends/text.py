"""A trend in a terminal: `lines` takes the answer as JSON, and returns the lines to print.

One series is bars, a few are columns beside each other, many are a row each with a sparkline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecom_assets.behaviour.trends.trend import STATES
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.formats import bar, by_text, counted, number

SHOWN_COLUMNS = 6
SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class _TextLine:
    title: str
    values: Sequence[float | None]


def lines(answer: Answer) -> list[str]:
    """Return one series as bars, a few as columns, and many as one row each;
    `*` marks incomplete periods.
    """
    title = [_heading(answer)]
    if answer["definition"].get("kind") == "stickiness":
        return [*title, *_stickiness_lines(answer)]
    result, later = _until_known(_result_lines(answer))
    title += (
        [f"Nothing is known of the last {later} of {len(answer['periods'])} periods."]
        if later
        else []
    )
    if answer["definition"]["by"] or len(result) > SHOWN_COLUMNS:
        return [*title, *_row_lines(result)]
    return [
        *title,
        *(_column_lines(result, answer) if len(result) > 1 else _bar_lines(result[0], answer)),
    ]


def _until_known(lines: list[_TextLine]) -> tuple[list[_TextLine], int]:
    """Return lines without the last periods of which none knows anything, if one knows more,
    and how many those are.
    """
    positions = [
        position
        for line in lines
        for position, value in enumerate(line.values, start=1)
        if value is not None
    ]
    count = len(lines[0].values) if lines else 0
    last = max(positions, default=count)
    return [replace(line, values=line.values[:last]) for line in lines], count - last


def _stickiness_lines(answer: Answer) -> list[str]:
    """Return, for each series and value,
    a bar for each number of periods in which visitors were active.
    """
    result, period = [], answer["definition"]["period"]
    unit = max(6, len(period) + 1)
    for series in answer["stickiness"]:
        result.append(
            f"{_title_of(_series_name(series), series['breakdown'])}, "
            f"{counted(series['visitor_count'], 'visitor')}"
        )
        rows = [row for row in series["visitors"] if row["at_least"]]
        width = max((len(f"{row['exactly']:,}") for row in rows), default=1)
        largest = max((row["exactly"] for row in rows), default=0) or 1
        result += [
            f"{row['period_count']:>5} {period + 's' * (row['period_count'] > 1):{unit}} "
            f"{row['exactly']:>{width},}  {bar(row['exactly'], largest)}".rstrip()
            for row in rows
        ]
    return result


def _period_starts(answer: Answer, count: int) -> list[str]:
    starts = list(zip(answer["periods"], answer["complete"], strict=True))[:count]
    return [f"{start}{' ' if is_whole else '*'}" for start, is_whole in starts]


def _bar_lines(line: _TextLine, answer: Answer) -> list[str]:
    width = max(len(number(value)) for value in line.values)
    largest = max((value for value in line.values if value is not None), default=0) or 1
    return [
        f"{start} {number(value):>{width}}  {bar(value, largest)}".rstrip()
        for start, value in zip(_period_starts(answer, len(line.values)), line.values, strict=True)
    ]


def _column_lines(shown: Sequence[_TextLine], answer: Answer) -> list[str]:
    widths = [
        max(len(line.title), *(len(number(value)) for value in line.values)) for line in shown
    ]
    margin = " " * (len(_period_starts(answer, 1)[0]) + 1)
    result = [
        margin
        + "  ".join(f"{line.title:>{width}}" for line, width in zip(shown, widths, strict=True))
    ]
    rows = list(zip(*(line.values for line in shown), strict=True))
    for start, values in zip(_period_starts(answer, len(rows)), rows, strict=True):
        result.append(
            f"{start} "
            + "  ".join(
                f"{number(value):>{width}}" for value, width in zip(values, widths, strict=True)
            )
        )
    return result


def _row_lines(shown: Sequence[_TextLine]) -> list[str]:
    width = max(len(line.title) for line in shown)
    ends = [(number(line.values[0]), number(line.values[-1])) for line in shown]
    first, last = (max(len(end[position]) for end in ends) for position in (0, 1))
    return [
        f"{line.title:{width}}  {start:>{first}}  {_sparkline(line.values)}  {end:>{last}}"
        for line, (start, end) in zip(shown, ends, strict=True)
    ]


def _sparkline(values: Sequence[float | None]) -> str:
    """Return a character per value, as high as the value; a blank means unknown."""
    known_values = [value for value in values if value is not None]
    largest = max(known_values, default=0) or 1
    return "".join(
        " " if value is None else SPARKS[min(7, max(0, int(8 * value / largest)))]
        for value in values
    )


def _result_lines(answer: Answer) -> list[_TextLine]:
    """Return the lines of a result, those of the formula first."""
    formula = answer["definition"]["formula"]
    if lives := answer.get("lifecycle"):
        titled = [(f"{part['name']} " * (len(lives) > 1), part) for part in lives]
        return [
            _TextLine(f"{name}{state}", part[state]) for name, part in titled for state in STATES
        ]
    result = [
        _TextLine(_title_of(formula, part["breakdown"]), part["values"])
        for part in answer["formula"] or []
    ]
    for series in answer["series"]:
        title = _title_of(_series_name(series), series["breakdown"])
        result.append(_TextLine(title, series["values"]))
        if series["previous"] is not None:
            result.append(_TextLine(f"{title}, before", series["previous"]))
    return result


def _title_of(name: str, breakdown: str | None) -> str:
    return f"{name} {breakdown}" if breakdown else name


def _series_name(series: Row) -> str:
    event = series["event_type"] or "any event"
    measured = f"{series['each']}({series['of']})" if series.get("each") else series.get("of")
    measure = series["measure"] + (f"({measured})" if measured else "")
    first = f":{series['occurrence']}" if series.get("occurrence") else ""
    return (event if measure == "count" else f"{event}:{measure}") + first


def _heading(answer: Answer) -> str:
    definition = answer["definition"]
    kind = definition.get("kind", "trend")
    listed = answer["series" if kind == "trend" else kind]
    names = dict.fromkeys(_series_name(series) for series in listed)
    more = [] if kind == "trend" else [kind]
    more += (
        [f"at least {definition['at_least']} events in each"] if "at_least" in definition else []
    )
    more += [f"per {definition['per']}"] if "per" in definition else []
    more += [f"by {by_text(definition['by'])}"] if definition["by"] else []
    more += ["cumulated"] if definition["cumulative"] else []
    more += [f"mean of {definition['moving_average']}"] if definition["moving_average"] > 1 else []
    span = f"{definition['first_date']} to {definition['last_date']}"
    title = f"{', '.join(names)} per {definition['period']}, {', '.join([*more, span])}"
    return title if kind == "stickiness" else f"{title}; * is not whole"
