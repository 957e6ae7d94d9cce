"""Sales in a terminal: a table of values, periods and numbers, with the total at its end."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.tables.formats import (
    aligned,
    amount,
    change,
    number,
    percent,
    quantity,
    shortened,
)

LONGEST_VALUE: Final = 40
"""The characters of a value that are shown."""
Texts = tuple[str, ...]


def lines(answer: Answer) -> list[str]:
    """Return a row for each value and period, and one for the total; `*` marks open periods."""
    measures, currency = answer["measures"], answer["currency"] or ""
    has_values = bool(answer["definition"]["by"])
    has_periods = answer["definition"]["over"] is not None
    title = _title(answer)
    if not (has_values or has_periods):
        return [title, *_single(answer, currency)]
    heading = (
        *([" / ".join(answer["definition"]["by"])] if has_values else []),
        *(["from"] if has_periods else []),
        *_number_headings(answer),
    )
    rows = [
        (
            *([shortened(row["label"], LONGEST_VALUE)] if has_values else []),
            *([_start(row)] if has_periods else []),
            *_numbers(row, measures, currency),
        )
        for row in answer["sales"]
    ]
    name_count = len(heading) - len(_number_headings(answer))
    total = ("total", *[""] * (name_count - 1), *_numbers(answer["total"], measures, currency))
    numbers = range(name_count, len(heading))
    return [title, *aligned([heading, *rows, total], to_the_right=numbers)]


def _title(answer: NamedValues) -> str:
    definition = answer["definition"]
    parts = [", ".join(measure["label"] for measure in answer["measures"])]
    parts += [f"by {', '.join(definition['by'])}"] if definition["by"] else []
    parts += [f"per {definition['over']}"] if definition["over"] else []
    parts += ["added up"] if definition["cumulative"] else []
    span = f"{definition['first_date']} to {definition['last_date']}"
    note = "; * is not whole" if definition["over"] else ""
    return f"{' '.join(parts)}, {span}{note}"


def _single(answer: NamedValues, currency: str) -> list[str]:
    """Return a line for each number where there is one row."""
    rows = [
        (measure["label"], *_numbers(answer["total"], [measure], currency))
        for measure in answer["measures"]
    ]
    return aligned(rows, to_the_right=range(1, len(rows[0])))


def _number_headings(answer: NamedValues) -> list[str]:
    total = answer["total"]
    result = []
    for measure in answer["measures"]:
        result.append(measure["label"])
        result += ["share"] if total["share"] else []
        result += ["before", "change"] if total["previous"] else []
    return result


def _numbers(row: NamedValues, measures: Sequence[NamedValues], currency: str) -> Texts:
    texts: list[str] = []
    for measure in measures:
        name, kind = measure["name"], measure["format"]
        texts.append(_text(row["numbers"][name], kind, currency))
        texts += [percent(row["share"][name])] if row["share"] else []
        if row["previous"]:
            texts += [_text(row["previous"][name], kind, currency), change(row["change"][name])]
    return tuple(texts)


def _text(value: Any, kind: str, currency: str) -> str:  # noqa: ANN401 (a number of any measure)
    if kind == "money":
        return amount(None if value is None else Decimal(value), currency)
    written: Callable[[Any], str] = {"rate": percent, "quantity": quantity}.get(kind, number)
    return written(value)


def _start(row: NamedValues) -> str:
    return f"{row['start']}{' ' if row['is_complete'] else '*'}"
