"""The fields of a builder's form, made from the model of its question,
and what they offer to choose from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args
from zoneinfo import available_timezones

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.events.names import event_name
from ecom_assets.behaviour.questions.fields import (
    RARE,
    Choices,
    FormGroup,
    FormLines,
    input_of,
    lines_of,
)
from ecom_assets.behaviour.questions.model import Question, QuestionField, QuestionPart, in_order
from ecom_assets.commerce.attribution.contracts import ADDRESS, SessionColumns
from ecom_assets.commerce.costs.contracts import cost_columns
from ecom_assets.commerce.custom_sales.dimensions import DIMENSIONS
from ecom_assets.commerce.custom_sales.measures import COST_MEASURES, MEASURES
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.errors import EcomError
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.conditions import SYMBOLS, Condition, where_from
from ecom_assets.core.tables.contract import Column
from ecom_assets.core.tables.values import JSON_COLUMN
from ecom_assets.interfaces.dashboard.formats import in_words

Options = tuple[tuple[str, str], ...]
PARTS: Final[Mapping[FormGroup, str]] = {
    "what": "What",
    "days": "Days",
    "filter": "Filters",
    "by": "Breakdown",
    "how": "Options",
    "breakdown": "Breakdown: which values",
    "counting": "What counts",
    "times": "Time to convert",
    "calendar": "Time zone, weeks and sessions",
    "people": "Who is one visitor",
    "tool": "Count as another tool",
    "list": "List the visitors",
}
"""What the form calls its parts, in their order."""
DAYS_IN_ORDER: Final = ("last", "compare", "start_date", "end_date")
OPERATORS: Final[Mapping[str, str]] = {
    "equals": "is",
    "not_equals": "is not",
    "one_of": "is one of",
    "not_one_of": "is none of",
    "contains": "contains",
    "not_contains": "does not contain",
    "greater": "is more than",
    "greater_or_equal": "is at least",
    "less": "is less than",
    "less_or_equal": "is at most",
    "between": "is between",
    "is_set": "is known",
    "is_not_set": "is not known",
    "matches": "matches the pattern",
    "not_matches": "does not match the pattern",
}
"""What the form calls the comparisons of a condition."""
NOT_CHOSEN: Final = frozenset(
    {
        "event_id",
        "event_at",
        "event_date",
        "joined_by",
        "session_device_id",
        "received_date",
        "source_file",
        JSON_COLUMN,
    }
)
"""Columns that no shop asks about: they can be typed."""
USUAL_DURATIONS: Final = {
    "30m": "30 minutes",
    "1h": "1 hour",
    "1d": "1 day",
    "3d": "3 days",
    "7d": "7 days",
    "14d": "14 days",
    "30d": "30 days",
    "90d": "90 days",
}
NUMBERS: Final = ("decimal", "int64", "float64")
MANY: Final = frozenset({"types", "columns", "measures", "dimensions"})
"""What a field may have several of, where its question takes a list."""
Entry = Mapping[str, Any]
"""An entry of a list to choose from: its value, its label and a note."""


@dataclass(frozen=True)
class FormInput:
    """A field of a builder's form.

    Attributes:
        hint: What may be typed, in a few words.
        options: Pairs of value and label of a select; without them it is a text.
        suggests: What it offers to choose from, as of `FormField`.
        about: Names by which a refusal may be about this field, of the body or in its sentence; by
            default `name`.
        width: How many columns of the form it takes.
        number: Its number in a list that grows, of steps or series; 0 for others.
        default: The default of a select and its label, which an address may have too.
        is_many: Whether it has several values with commas between them.
    """

    name: str
    label: str
    hint: str = ""
    options: Options = ()
    kind: str = "text"
    suggests: str = ""
    about: tuple[str, ...] = ()
    width: int = 1
    number: int = 0
    default: tuple[str, str] = ("", "")
    is_many: bool = False

    @property
    def base(self) -> str:
        """The name without the number."""
        return self.name.removesuffix(str(self.number)) if self.number else self.name

    @property
    def refused_as(self) -> tuple[str, ...]:
        """Return `about`, or its default."""
        return self.about or (self.name,)


@dataclass(frozen=True)
class FormPart:
    """Fields under one heading; `is_rare` keeps them closed until one of them is set.

    `row` is what a line of its list that grows is called, such as `Step`; empty without one.
    """

    title: str
    inputs: tuple[FormInput, ...]
    is_rare: bool = False
    row: str = ""
    has_letters: bool = False

    @property
    def single_inputs(self) -> list[FormInput]:
        """The fields outside the lines of its list."""
        return [form_input for form_input in self.inputs if not form_input.number]

    @property
    def rows(self) -> list[list[FormInput]]:
        """The fields of each line of its list."""
        lines: dict[int, list[FormInput]] = {}
        for form_input in self.inputs:
            if form_input.number:
                lines.setdefault(form_input.number, []).append(form_input)
        return list(lines.values())


def parts_of(
    question: type[Question], extra: Mapping[FormGroup, tuple[FormInput, ...]]
) -> tuple[FormPart, ...]:
    """Return the parts of the form of a question, with fields of its page's own."""
    fields = in_order(question)
    titles = {**PARTS, **question.TITLES}
    parts = [
        _part_of(group, title, fields, extra.get(group, ())) for group, title in titles.items()
    ]
    return tuple(part for part in parts if part.inputs)


def _part_of(
    group: FormGroup, title: str, fields: Sequence[QuestionField], extra: tuple[FormInput, ...]
) -> FormPart:
    group_fields = [declared for declared in fields if declared.input.form.group == group]
    if group == "days":
        group_fields.sort(key=lambda declared: DAYS_IN_ORDER.index(declared.address))
    inputs = [form_input for declared in group_fields for form_input in inputs_of(declared)]
    lines = next((declared.input.form.lines for declared in group_fields if declared.rows), None)
    return FormPart(
        title,
        (*inputs, *extra),
        group in RARE,
        lines.name if lines else "",
        lines.has_letters if lines else False,
    )


def inputs_of(field: QuestionField) -> list[FormInput]:
    """Return the fields of the form for a field of a question:
    several for a list that grows line by line.
    """
    lines = field.input.form.lines
    if lines is None:
        return [_input_of(field)]
    return [
        line_input
        for number in range(1, field.rows + 1)
        for line_input in _line_of(field, lines, number)
    ]


def _line_of(field: QuestionField, lines: FormLines, n: int) -> Iterator[FormInput]:
    """Yield the fields of a line of a list."""
    form = field.input.form
    called = f"{lines.name} {chr(ord('A') + n - 1) if lines.has_letters else n}"
    yield FormInput(
        f"{row_name(field)}{n}",
        called,
        form.hint or "event type",
        suggests=form.suggests,
        number=n,
    )
    for name in lines.parts:
        yield _part_of_line(field, name, n)
    if has_where(field):
        yield FormInput(
            f"where_{row_name(field)}{n}",
            f"{called} where",
            "cart_amount > 20",
            suggests="conditions",
            number=n,
        )


def _part_of_line(field: QuestionField, name: str, n: int) -> FormInput:
    info = item_of(field).model_fields[name]
    declared = input_of(info)
    label = declared.label if declared else in_words(name)
    choices = next((data for data in info.metadata if isinstance(data, Choices)), None)
    labels = choices.labels if choices else {}
    options = tuple(
        ("" if value == info.default else value, text) for value, text in labels.items()
    )
    return FormInput(
        f"{name}{n}",
        label,
        options=options,
        suggests=declared.form.suggests if declared else "",
        number=n,
    )


def _input_of(field: QuestionField) -> FormInput:
    form, choices = field.input.form, field.choices
    own_options = form.options or {}
    options, default = tuple(own_options.items()), ("", "")
    if choices:
        default_label = choices.labels.get(str(field.default), own_options.get("", "None"))
        default = (str(field.default), default_label)
        other_labels = [
            (name, label) for name, label in choices.labels.items() if name != field.default
        ]
        options = (("", default_label), *other_labels)
    elif field.kind is bool:
        options = (("", "No"), ("true", "Yes"))
    kind = "number" if field.kind is int else "text"
    return FormInput(
        field.address,
        field.input.label,
        form.hint,
        options,
        "date" if field.input.is_date else kind,
        form.suggests,
        form.about,
        form.width,
        default=default,
        is_many=field.input.parts is not None and form.suggests in MANY,
    )


def row_name(field: QuestionField) -> str:
    """Return the name of the fields of a list that grows, without their number."""
    lines = field.input.form.lines
    return lines.name.lower() if lines else ""


def line_parts(field: QuestionField) -> tuple[str, ...]:
    """Return the parts that a line of a list has in fields of their own."""
    lines = field.input.form.lines
    return lines.parts if lines else ()


def item_of(field: QuestionField) -> type[QuestionPart]:
    """Return the model of the items of a list that grows."""
    (item, *_) = get_args(field.info.annotation)
    kind: type[QuestionPart] = item
    return kind


def has_where(field: QuestionField) -> bool:
    """Return whether the items of a list that grows have conditions."""
    return "where" in item_of(field).model_fields


def conditions_of(text: str) -> list[Row] | None:
    """Return the conditions of a field as rows of a column, a comparison and values;
    None if rows cannot show them.
    """
    try:
        wheres = [where_from(part) for part in lines_of(text)]
    except EcomError:
        return None
    if not all(isinstance(where, Condition) for where in wheres):
        return None
    return [
        {"column": where.column, "operator": where.operator, "values": where.values}
        for where in wheres
        if isinstance(where, Condition)
    ]


def lists_offered(
    types: Sequence[NamedValues],
    columns: Sequence[NamedValues],
    segments: Sequence[str],
    labels: Mapping[str, str],
) -> dict[str, list[NamedValues]]:
    """Return what fields offer to choose from, by what they suggest: entries with a value,
    a label and a note; `labels` are those of the mapping of events.
    """
    counted: list[NamedValues] = [
        {
            "value": row["event_type"],
            "label": str(event_name(row["event_type"], labels)),
            "note": f"{row['event_type']} · {row['event_count']:,} events",
        }
        for row in types
    ]
    return {
        "types": counted,
        "columns": [*columns],
        "numbers": [column for column in columns if column["kind"] == "number"],
        "segments": [{"value": name, "label": name, "note": ""} for name in segments],
        "durations": [
            {"value": value, "label": label, "note": value}
            for value, label in USUAL_DURATIONS.items()
        ],
        "zones": [{"value": name, "label": name, "note": ""} for name in time_zones()],
    }


@cache
def time_zones() -> tuple[str, ...]:
    """Return the time zones that are named after places, and UTC."""
    return (
        "UTC",
        *sorted(
            name for name in available_timezones() if "/" in name and not name.startswith("Etc/")
        ),
    )


def _kind_of(column: Column) -> str:
    if column.type.startswith(NUMBERS):
        return "number"
    return "boolean" if column.type == "boolean" else "text"


def sales_offered(*, with_costs: bool) -> dict[str, list[Entry]]:
    """Return the measures and dimensions of sales that forms offer; measures about costs only to
    those who may see them.
    """
    return {
        "measures": [
            {"value": name, "label": measure.label, "note": measure.description}
            for name, measure in MEASURES.items()
            if with_costs or name not in COST_MEASURES
        ],
        "dimensions": [
            {"value": name, "label": dimension.label, "note": dimension.meaning}
            for name, dimension in DIMENSIONS.items()
        ],
    }


def order_columns_offered() -> list[Entry]:
    """Return the dimensions of sales and the columns of order lines that conditions may name, but
    those about people and costs.
    """
    dimensions = [
        {
            "value": name,
            "label": dimension.label,
            "note": dimension.meaning,
            "about": "orders",
            "kind": "number" if dimension.is_number else "text",
        }
        for name, dimension in DIMENSIONS.items()
    ]
    columns = [
        {
            "value": name,
            "label": column.label or in_words(name),
            "note": name,
            "about": "orders",
            "kind": _kind_of(column),
        }
        for name, column in Sales.columns.items()
        if not column.pii and name not in DIMENSIONS and name not in cost_columns(UserOrderLog)
    ]
    return [*dimensions, *columns]


def columns_offered(
    lacking: Sequence[str], labels: Mapping[str, str], *, with_people: bool
) -> list[dict[str, str]]:
    """Return the columns of events that forms offer, with what they are called, and the properties
    that a mapping has `labels` for; those about people last, if at all.
    """
    of_sessions = () if set(ADDRESS) & set(lacking) else SessionColumns.columns.items()
    columns = [*CleanEvents.columns.items(), *of_sessions]
    columns.sort(key=lambda entry: entry[1].pii)
    properties = [
        {"value": name, "label": label, "note": name, "about": "events", "kind": "property"}
        for name, label in labels.items()
        if name.startswith(f"{JSON_COLUMN}.")
    ]
    return properties + [
        {
            "value": name,
            "label": labels.get(name) or column.label or in_words(name),
            "note": name,
            "about": "people" if column.pii else "events",
            "kind": _kind_of(column),
        }
        for name, column in columns
        if name not in NOT_CHOSEN and name not in lacking and (with_people or not column.pii)
    ]


def comparisons() -> list[dict[str, str]]:
    """Return the comparisons of conditions: the name, what the form calls it,
    and how it is written as text.
    """
    written = {name: symbol for symbol, name in reversed(SYMBOLS.items())}
    return [
        {"name": name, "label": label, "symbol": written[name]} for name, label in OPERATORS.items()
    ]
