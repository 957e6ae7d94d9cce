"""The fields of a question: each is declared once, and the definition file, the API,
the command and the form read it.

`field` declares a field; `Choices`, `Duration`, `Conditions` and so on are types that several
questions share.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal, TypedDict, Unpack

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.conditions import EVERYTHING, Condition, Group, Where, where_from
from ecom_assets.core.tables.values import (
    DURATION,
    MAX_BY,
    by_columns,
    duration_text,
    parse_duration,
    split_columns,
)
from ecom_assets.core.tables.values import WEEKDAYS as WEEKDAY_NAMES

FormGroup = Literal[
    "what",
    "days",
    "filter",
    "by",
    "how",
    "breakdown",
    "counting",
    "times",
    "calendar",
    "people",
    "tool",
    "list",
    "",
]
"""The part of the form that shows a field, in their order; empty for nowhere."""
Suggestions = Literal[
    "",
    "types",
    "columns",
    "numbers",
    "segments",
    "conditions",
    "durations",
    "zones",
    "measures",
    "dimensions",
]
RARE: Final[frozenset[FormGroup]] = frozenset(
    {"breakdown", "counting", "times", "calendar", "people", "tool", "list"}
)
"""The parts of the form that are closed until one of their fields is set."""
DURATIONS: Final = "such as 45s, 30m, 12h, 7d or 2w"
UNITS: Final = (
    "a number and a unit, of s (seconds), m (minutes), h (hours), d (days), w (weeks), such as "
    "45s or 7d"
)
"""What the command says in place of `DURATIONS`; requests have a pattern for it."""


@dataclass(frozen=True)
class FormLines:
    """The lines of the form for a list that grows line by line, such as steps.

    Attributes:
        name: What the form calls a line.
        parts: Fields of a line's part that the form has beside its text, such as the measure of a
            series.
        has_letters: Whether lines are called A, B, C and so on, not 1, 2, 3.
    """

    name: str
    parts: tuple[str, ...] = ()
    has_letters: bool = False


@dataclass(frozen=True)
class FormField:
    """What the form draws for a field of a question.

    Attributes:
        group: The part of the form that shows it.
        hint: An example of what to write.
        suggests: What the form offers to choose from: event types, columns, the columns of numbers,
            declared visitor segments, usual durations, time zones, measures and dimensions of
            sales; `conditions` are rows of a column, a comparison and a value.
        options: What the form offers besides free text, with labels; that of "" is no choice.
        width: How many columns of the form it takes.
        about: Words by which a refusal names it.
        address: Its name in the address of the form, if that is not the field's.
        lines: The lines of a list that grows; None for a field with one text.
    """

    group: FormGroup = "how"
    hint: str = ""
    suggests: Suggestions = ""
    options: Mapping[str, str] | None = None
    width: int = 1
    about: tuple[str, ...] = ()
    address: str = ""
    lines: FormLines | None = None


@dataclass(frozen=True)
class CommandOption:
    """What the command shows of a field of a question.

    Attributes:
        name: The option, if it is not called as the field; empty for none.
        also: Another name of it.
        is_one: Whether the values of a list are in one option, instead of one for each.
        needs: The field without which it has no effect, and what it does to that: the command
            refuses it alone.
    """

    name: str | None = None
    also: str = ""
    is_one: bool = False
    needs: tuple[str, str] | None = None


PLAIN_TEXT: Final = FormField()
"""A text among the options of the form."""
SAME_OPTION: Final = CommandOption()
"""An option that is called as the field."""


@dataclass(frozen=True)
class FieldInput:
    """How people give a field of a question, in a form and in a command.

    Attributes:
        label: What the form calls it.
        form: What the form draws for it.
        option: What the command shows of it.
        line: Reads one value as it is written in one line, such as `purchase:sum(cart_amount)`.
        parts: Parts the values of a list in one text, as a form has them.
        is_date: Whether it is a day.
        only: Of a part with fields of its own, those that people give.
    """

    label: str
    form: FormField
    option: CommandOption
    line: Callable[[str], Any]
    parts: Callable[[str], list[str]] | None
    is_date: bool
    only: tuple[str, ...]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the field; of a definition inside a question,
        with the fields that people give.
        """
        own = handler(schema)
        whole = handler.resolve_ref_schema(own) if self.only else {}
        if "properties" not in whole:
            return own
        return {
            **whole,
            "properties": {
                name: part for name, part in whole["properties"].items() if name in self.only
            },
        }


class Bounds(TypedDict, total=False):
    """The bounds of a field, as of pydantic's `Field`."""

    ge: float
    le: float
    min_length: int
    max_length: int


def field(  # noqa: PLR0913 (each is a part of the declaration)
    default: Any,  # noqa: ANN401 (any type of field)
    label: str,
    help: str,  # noqa: A002 (as argparse and typer call it)
    *,
    form: FormField = PLAIN_TEXT,
    option: CommandOption = SAME_OPTION,
    line: Callable[[str], Any] = str,
    parts: Callable[[str], list[str]] | None = None,
    is_date: bool = False,
    only: tuple[str, ...] = (),
    alias: str | None = None,
    examples: Sequence[Any] = (),
    **bounds: Unpack[Bounds],
) -> Any:  # noqa: ANN401 (as pydantic's `Field`)
    """Declare a field of a question.

    Args:
        default: Its value if it is not given; `...` if it must be given.
        label: What the form calls it.
        help: What it says, for the API's documentation and the command's help.
        form: What the form draws for it.
        option: What the command shows of it.
        line: As of `FieldInput`.
        parts: As of `FieldInput`.
        is_date: Whether it is a day.
        only: As of `FieldInput`.
        alias: Its name in definitions, if that is not the attribute's.
        examples: Values as definitions have them.
        bounds: What its value, or the length of its text or list, is at least and at most.
    """
    field: FieldInfo = Field(
        default,
        alias=alias,
        description=help,
        validate_default=True,
        json_schema_extra=partial(_say_bounds, bounds),
        examples=list(examples) or None,
        **bounds,
    )
    field.metadata.append(FieldInput(label, form, option, line, parts, is_date, only))
    return field


SAID_AS: Final = {
    "ge": {"integer": "minimum", "number": "minimum"},
    "le": {"integer": "maximum", "number": "maximum"},
    "min_length": {"array": "minItems", "string": "minLength"},
    "max_length": {"array": "maxItems", "string": "maxLength"},
}
"""What a JSON schema calls the bounds of each type of value."""


def _say_bounds(bounds: NamedValues, schema: JsonSchemaValue) -> None:
    """Write the bounds of a field into its schema,
    from which pydantic leaves them out where a value may be null.
    """
    types = {part.get("type"): part for part in (schema, *schema.get("anyOf", ()))}
    for name, bound in bounds.items():
        for part in types.values():
            part.pop(name, None)  # pydantic's word, which JSON schemas do not have
        # Of a list that can be text too, they are those of the list.
        if kind := next((kind for kind in SAID_AS[name] if kind in types), None):
            types[kind].setdefault(SAID_AS[name][kind], bound)


def input_of(field: FieldInfo) -> FieldInput | None:
    """Return how people give a field; None for a field that only code sets."""
    return next((data for data in field.metadata if isinstance(data, FieldInput)), None)


@dataclass(frozen=True)
class Choices:
    """The type of a text that is one of several, each with its label: `Annotated[str, Choices(…)]`.

    Attributes:
        subject: What errors call it, such as "order of a funnel".
        labels: What the form says for each.
        elsewhere: Names that other tools have for some of them.
    """

    subject: str
    labels: Mapping[str, str]
    elsewhere: Mapping[str, str] | None = None

    def check(self, value: str | None) -> str | None:
        """Return the value; None stands for no choice where a field allows it.

        Raises:
            DefinitionError: It is not one of the choices.
        """
        if value is None or value in self.labels:
            return value
        plain = value.strip().lower().replace("_", " ").removesuffix(" order")
        if ours := (self.elsewhere or {}).get(plain):
            raise DefinitionError(f"The {self.subject} {value!r} is called {ours} here.")
        raise DefinitionError(
            f"The {self.subject} {value!r} is unknown; {did_you_mean(value, self.labels)}."
        )

    def __hash__(self) -> int:
        """Return a hash of the names, which pydantic asks for."""
        return hash((self.subject, *self.labels))

    def __get_pydantic_core_schema__(
        self,
        source: Any,  # noqa: ANN401 (as pydantic's)
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        """Return the schema of the text with the check."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the text with its values."""
        return handler(schema) | {"enum": [*self.labels]}


BEFORE, A_YEAR_BEFORE = "before", "year"
COMPARE: Final = Choices(
    "comparison", {BEFORE: "Period before", A_YEAR_BEFORE: "Same weekdays a year before"}
)
YEAR_OF_WEEKS: Final = timedelta(weeks=52)
NEEDS_FIRST_DAY: Final = (
    "`compare` needs days that begin somewhere; choose how many days, or the first one."
)
LAST_DAYS: Final = {
    "": "All days",
    "1d": "Newest day",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "365d": "Last 365 days",
}


def _by_name(compare: object) -> object:
    """Return a comparison by its name: `true` is the period before, `false` none."""
    return (BEFORE if compare else None) if isinstance(compare, bool) else compare


Compare = Annotated[str | None, COMPARE, BeforeValidator(_by_name)]
"""The other days that stand beside those of a question."""


def lines_of(text: str) -> list[Any]:
    """Return the conditions of a text: one per line, or parted by semicolons;
    or a list of JSON, of any values.

    Raises:
        DefinitionError: It begins as JSON, and is none.
    """
    if text.lstrip().startswith("["):
        try:
            return list(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise DefinitionError(
                f"{text[:80]!r} is not a list of conditions in JSON; correct it."
            ) from error
    return [part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()]


def commas(text: str) -> list[str]:
    """Return the parts of a text between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


Name = Annotated[str, Field(min_length=1, max_length=500)]
"""An event type, a column or another name."""
EVENT_TYPE: Final = "an event type"
"""Marks a field whose texts are event types, which a source's mapping translates."""
EventType = Annotated[Name, EVENT_TYPE]
AS_TEXT: Final = "given as text"
"""Marks a field that people give as text, whatever its value is."""
Duration = Annotated[
    int,
    BeforeValidator(
        parse_duration,
        json_schema_input_type=Annotated[str, Field(max_length=30, pattern=f"^{DURATION}$")],
    ),
    PlainSerializer(duration_text, return_type=str),
    AS_TEXT,
]
"""Seconds, which are given as `45s`, `30m` or `7d`."""
PERIODS: Final = {
    name: name.capitalize()
    for name in ("minute", "hour", "day", "week", "month", "quarter", "year")
}
"""The lengths of periods, shortest first."""


def periods(subject: str, *, by_minute: bool = False) -> Choices:
    """Return the choice of the length of periods; `subject` is what errors call it."""
    return Choices(
        subject, {name: label for name, label in PERIODS.items() if by_minute or name != "minute"}
    )


WEEKDAYS: Final = Choices("weekday", {name: name.capitalize() for name in WEEKDAY_NAMES})


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise DefinitionError(f"{value!r} stands where a number is expected; give a number.")
    return value


Count = Annotated[int, BeforeValidator(_no_boolean)]
"""A whole number; `true` is none."""
CountOrNone = Annotated[int | None, BeforeValidator(_no_boolean)]
"""The same, or nothing."""
Share = Annotated[float, BeforeValidator(_no_boolean)]
"""A number; `true` is none."""


def _day_of(value: object) -> date:
    """Return a day as people write it: pydantic also takes seconds since 1970,
    and times at midnight.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return date.fromisoformat(value)
    except ValueError:
        pass  # such as 30 February
    raise PydanticCustomError("date_text", "It is not a date; use YYYY-MM-DD, such as 2026-01-31")


Day = Annotated[date, BeforeValidator(_day_of)]
"""A day, which is given as YYYY-MM-DD."""


def column(field_name: str, check: Callable[[str, object], None]) -> BeforeValidator:
    """Return the check of a field that names a column; errors begin with `field_name`,
    and `check` raises them.
    """

    def checked(value: object) -> object:
        if value is not None:
            check(field_name, value)
        return value

    return BeforeValidator(checked)


def breakdown(field_name: str) -> Any:  # noqa: ANN401 (a type)
    """Return the type of columns to break down by: one, several, or None;
    errors begin with `field_name`.
    """

    def read(value: Any) -> str | tuple[str, ...] | None:  # noqa: ANN401 (what a definition has)
        columns = by_columns(field_name, tuple(value) if isinstance(value, list) else value)
        return columns[0] if len(columns) == 1 else columns or None

    input_type = Name | Annotated[list[Name], Field(max_length=MAX_BY)] | None
    return Annotated[
        str | tuple[str, ...] | None, BeforeValidator(read, json_schema_input_type=input_type)
    ]


class _AsWhere:
    """The type of conditions: anything that `where_from` takes."""

    EXAMPLES: Final = (["product_category = shoes"],)

    def __get_pydantic_core_schema__(
        self,
        _source: Any,  # noqa: ANN401 (as pydantic's)
        _handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        """Return the schema of the conditions."""
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda where: where.to_mapping()
            ),
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return what a request may contain."""
        name = {"minLength": 1, "maxLength": 500}
        mapping = {
            "type": "object",
            "additionalProperties": True,
            "maxProperties": 20,
            "propertyNames": name,
        }
        condition = {"anyOf": [{"type": "string", "maxLength": 2_000}, mapping]}
        listed = {"type": "array", "items": condition, "maxItems": 50}
        return {"anyOf": [listed, *condition["anyOf"]], "examples": [*self.EXAMPLES]}

    @staticmethod
    def read(raw: object) -> Where:
        """Return conditions that are given as text, as a mapping or as a list of these.

        Raises:
            DefinitionError: They are none of these.
        """
        if isinstance(raw, Condition | Group):
            return raw
        return where_from(raw) if raw else EVERYTHING


Conditions = Annotated[Where, _AsWhere()]
"""What must hold of an event."""
WHERE_HELP: Final = (
    "What must hold of an event, such as `cart_amount > 20` or {column, operator, value}"
)


def confidence_field() -> Any:  # noqa: ANN401 (as `field`)
    """Return the field of the confidence level of intervals, a share."""
    return field(
        0.95,
        "Confidence",
        "Confidence level of the intervals",
        ge=0.5,
        le=0.9999,
        form=FormField("counting", hint="0.95"),
    )


def where_field(
    label: str = "Only events where",
    help: str = WHERE_HELP,  # noqa: A002 (as argparse and typer call it)
    *,
    hint: str = "product_category = Shoes",
    option: CommandOption = SAME_OPTION,
) -> Any:  # noqa: ANN401 (as `field`)
    """Declare conditions of a question, which hold of every event by default."""
    form = FormField("filter", hint, "conditions", width=2)
    return field([], label, help, form=form, option=option, parts=lines_of)


def by_field(compared: str, about: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 (as `field`)
    """Declare columns to break down by; `compared` says what of them is compared, and of what bins
    are.
    """
    form = FormField(
        "by",
        hint="product_category, cart_amount:bins=5",
        suggests="columns",
        width=2,
        about=about,
    )
    return field(
        None,
        "Break down by",
        f"Column or properties.key {compared} such as cart_amount:bins=5 or "
        "cart_amount:edges=20,50, or up to 5 of these",
        parts=split_columns,
        form=form,
    )


def limit_field(default: int, most: int, others: str = "(other)") -> Any:  # noqa: ANN401 (as `field`)
    """Declare how many values of a breakdown are shown, at most so many; `others` is what the
    answer calls the rest.
    """
    return field(
        default,
        "Group remaining values as Other after",
        f"How many values of `by` to show; the others are {others}",
        ge=1,
        le=most,
        form=FormField("breakdown", hint=str(default)),
        option=CommandOption(needs=("by", "sets how many values of --by are shown")),
    )


def week_start_field() -> Any:  # noqa: ANN401 (as `field`)
    """Declare on which weekday weeks begin."""
    help_text = "Weekday on which weeks begin"
    return field("monday", "Weeks begin on", help_text, form=FormField("calendar"))
