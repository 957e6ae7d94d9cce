"""The base of questions: a frozen model with its days, time zone and visitors,
and its fields as texts.

`QuestionPart` is any part of one, such as a step; `Definition` what a definition file has;
`Question` adds days, time zone and visitors, which stand beside a file. One declaration of a field
(`fields.field`) is the option of the command, the field of the form, the parameter of the route and
its documentation: `fields_of` and `definition_of` turn texts of people into a definition.

Refusals are `DefinitionError`s with one sentence. A field that all questions have is added to
`Question`; types that several share are in `fields.py`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticUndefined

from ecom_assets.behaviour.identity.rule import RULES
from ecom_assets.behaviour.questions.fields import (
    A_YEAR_BEFORE,
    AS_TEXT,
    EVENT_TYPE,
    LAST_DAYS,
    YEAR_OF_WEEKS,
    Choices,
    Compare,
    Day,
    FieldInput,
    FormField,
    FormGroup,
    Name,
    field,
    input_of,
)
from ecom_assets.core.errors import DefinitionError, check_keys, quoted_value
from ecom_assets.core.rows import NamedValues, without_none
from ecom_assets.core.tables.conditions import Condition, Group, columns_of, with_event_types
from ecom_assets.core.tables.days import DayRange, Ends
from ecom_assets.core.tables.queries import Period, TimeRange
from ecom_assets.core.tables.values import TOOLS, Preset, with_preset


class QuestionPart(BaseModel):
    """A part of a question: it cannot change, and names that it does not have are refused."""

    # Built when it is first used: a command asks one question, and loads the models of several.
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )

    CALLED: ClassVar[str] = "a question"
    """What errors call it."""
    TITLES: ClassVar[Mapping[FormGroup, str]] = {}
    """What the form calls some of its parts, if not as `PARTS`."""

    @classmethod
    def from_text(cls, text: str) -> NamedValues:
        """Return the part that is written as one line; parts that can be written so override this.

        Raises:
            DefinitionError: It cannot be written as text.
        """
        raise DefinitionError(
            f"{cls.CALLED.capitalize()} maps {', '.join(cls.names())} to values; got "
            f"{quoted_value(text)}."
        )

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of its fields, as definitions have them."""
        return [info.alias or name for name, info in cls.model_fields.items()]

    @classmethod
    def filled(cls, options: NamedValues) -> NamedValues:
        """Return the options with those that follow from them; the base adds none."""
        return options

    @model_validator(mode="before")
    @classmethod
    def _read(cls, raw: Any) -> Any:  # noqa: ANN401 (what pydantic has before it validates)
        """Refuse unknown names; a null leaves an option unset."""
        if isinstance(raw, bytes):
            # a body that was not sent as JSON: pydantic refuses it, and the API says how to send it
            return raw
        if isinstance(raw, str):
            raw = cls.from_text(raw)
        if not isinstance(raw, Mapping):
            raise DefinitionError(
                f"{cls.CALLED.capitalize()} maps {', '.join(cls.names())} to values; got "
                f"{quoted_value(raw)}."
            )
        check_keys(raw, cls.names(), cls.CALLED)
        return cls.filled(without_none(raw))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the object, or of the text where it can be written as text."""
        own = handler(schema)
        if cls.from_text.__func__ is QuestionPart.from_text.__func__:  # type: ignore[attr-defined]  # of a class method
            return own
        return {"anyOf": [own, {"type": "string", "minLength": 1, "maxLength": 500}]}

    @classmethod
    def from_mapping(cls, raw: object) -> Self:
        """Return the part from a definition.

        Raises:
            DefinitionError: A name is unknown or missing, or a value does not fit.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise DefinitionError(cls.sentence_of(error)) from error

    @classmethod
    def sentence_of(cls, error: ValidationError) -> str:
        """Return pydantic's first error as a sentence."""
        first = error.errors(include_url=False)[0]
        path = ".".join(
            part for part in map(str, first["loc"]) if part.isidentifier() or part.isdigit()
        )
        if first["type"] == "missing":
            examples = cls.model_fields[path].examples if path in cls.model_fields else None
            return (
                f"{cls.CALLED.capitalize()} needs "
                f"`{path}`{f', such as {examples[0]}' if examples else '; add it'}."
            )
        return f"`{path}` of {cls.CALLED} {_error_message(first)}."

    def changed(self, **values: Any) -> Self:  # noqa: ANN401 (as its fields)
        """Return a copy with other values, which are not checked."""
        copy = self.model_copy(update=values)
        for name in copy.__dict__.keys() - type(self).model_fields.keys():
            del copy.__dict__[name]  # what was computed from the other values
        return copy

    def translated(self, translate: Callable[[str], str]) -> Self:
        """Return the same with each event type translated,
        as from a source's names to the platform's.
        """
        fields = type(self).model_fields
        return self.changed(
            **{
                name: _translated(getattr(self, name), EVENT_TYPE in info.metadata, translate)
                for name, info in fields.items()
            }
        )


def _translated(value: Any, is_type: bool, translate: Callable[[str], str]) -> Any:  # noqa: ANN401, FBT001 (the value of a field)
    if isinstance(value, QuestionPart):
        return value.translated(translate)
    if isinstance(value, Condition | Group):
        return with_event_types(value, translate)
    if isinstance(value, tuple):
        return tuple(_translated(part, is_type, translate) for part in value)
    return translate(value) if is_type and value is not None else value


def _columns_in(value: Any) -> list[str]:  # noqa: ANN401 (the value of a field)
    """Return the columns of the conditions that a value holds."""
    if isinstance(value, Condition | Group):
        return columns_of(value)
    parts = value if isinstance(value, tuple) else ()
    if isinstance(value, QuestionPart):
        parts = tuple(getattr(value, name) for name in type(value).model_fields)
    return [column for part in parts for column in _columns_in(part)]


ERROR_MESSAGES: Final = {
    "too_short": "has {min_length} or more values, not {actual_length}",
    "too_long": "has at most {max_length} values, not {actual_length}",
    "string_too_short": "cannot be empty",
    "string_pattern_mismatch": "is written as {pattern}, not {input}",
    "string_too_long": "has at most {max_length} characters",
    "greater_than_equal": "is at least {ge}, not {input}",
    "less_than_equal": "is at most {le}, not {input}",
    "int": "is a whole number, not {input}",
    "float": "is a number, not {input}",
    "bool": "is true or false, not {input}",
    "string": "is a text, not {input}",
    "list": "is a list, not {input}",
    "tuple": "is a list, not {input}",
    "date": "is a day, YYYY-MM-DD, not {input}",
}
"""The end of the message by pydantic's kind of error, or how that begins;
pydantic's own messages are about code.
"""
MOST_SHOWN: Final = 80
"""Characters of a wrong value that a sentence shows."""


def _error_message(error: ErrorDetails) -> str:
    """Return what is wrong with a value, as the end of a sentence."""
    kind, shown = error["type"], repr(error["input"])
    shown = shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"
    message = ERROR_MESSAGES.get(kind) or ERROR_MESSAGES.get(kind.partition("_")[0])
    return (
        message.format(**{**error.get("ctx", {}), "input": shown})
        if message
        else f"cannot be {shown}: {error['msg']}"
    )


class Definition(QuestionPart):
    """A question without its days and visitors; it may name the preset of a tool."""

    PRESETS: ClassVar[Mapping[str, Preset]] = {}
    """The values of other tools, by the names of the fields."""
    OF_COMMAND: ClassVar[NamedValues] = {}
    """Defaults of the command, which replace those of the fields."""
    ABOUT: ClassVar[str] = "question"
    """What a tool has or lacks, as in "ClickHouse has no sessions"."""
    BESIDE: ClassVar[frozenset[str]] = frozenset()
    """Names of its own that, like days and visitors,
    stand beside a definition file instead of in it.
    """
    WITHOUT: ClassVar[frozenset[str]] = frozenset()
    """The fields of days and visitors that it does not have."""
    READS: ClassVar[tuple[str, ...]] = ()
    """The columns that it is computed from, whatever it names."""
    READS_ALL: ClassVar[bool] = False
    """Whether events of other days matter, as where a session goes on after midnight."""
    TEXT_OPTIONS: ClassVar[Mapping[str, FieldInfo]] = {}
    """Texts that the command and the form have besides the fields, into which `folded` puts them.
    """

    @classmethod
    def filled(cls, options: NamedValues) -> NamedValues:
        """Return the options, with the values of the preset for those that are unset."""
        if options.get("preset") is None:
            return options
        return with_preset(cls.PRESETS, options, cls.ABOUT) | {"preset": options["preset"]}

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of its fields, its own before those of days and visitors."""
        return sorted(
            (name for name in super().names() if name not in cls.WITHOUT),
            key=lambda name: name in SCOPE,
        )

    @property
    def columns(self) -> list[str]:
        """The columns that it names, beside who did what and when;
        in the base those of its conditions.
        """
        return _columns_in(self)

    @property
    def read_columns(self) -> list[str]:
        """The columns that it is computed from, beside who did what and when:
        those that it names, and others.
        """
        return [*self.READS, *self.columns]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the object, without the fields that it does not have."""
        own = super().__get_pydantic_json_schema__(schema, handler)
        properties = handler.resolve_ref_schema(own).get("properties", {})
        for name in cls.WITHOUT:
            properties.pop(name, None)
        return own

    @classmethod
    def folded(cls, definition: dict[str, Any]) -> dict[str, Any]:
        """Return the definition that texts give with its `TEXT_OPTIONS` put into other fields.

        Raises:
            EcomError: They do not fit these.
        """
        return definition

    def file(self) -> dict[str, Any]:
        """Return the definition as a file: what is set, without days and visitors."""
        beside = self.scope()
        names = {
            name for name, info in type(self).model_fields.items() if (info.alias or name) in beside
        }
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=names)

    @classmethod
    def scope(cls) -> frozenset[str]:
        """Return the fields of the days and visitors, which a definition file does not have."""
        return SCOPE | cls.BESIDE

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for an answer, as a definition file has it."""
        own = {name: info.alias or name for name, info in type(self).model_fields.items()}
        own = {name: alias for name, alias in own.items() if name not in SCOPE | {"preset"}}
        inner = {name: part for name in own if isinstance(part := getattr(self, name), Definition)}
        plain = self.model_dump(mode="json", by_alias=True, include=own.keys() - inner.keys())
        return {
            alias: inner[name].to_mapping() if name in inner else plain[alias]
            for name, alias in own.items()
        }


def presets_of(presets: Collection[str]) -> Choices:
    """Return the choice between the tools whose presets a question has."""
    return Choices("preset", {name: TOOLS.get(name, name) for name in presets})


def preset_field() -> Any:  # noqa: ANN401 (as `field`)
    """Declare the preset of a definition."""
    return field(
        None,
        "Preset of another tool",
        "What this tool would do where nothing is said",
        form=FormField("tool"),
    )


IdentityName = Annotated[str | None, Choices("identity rule", RULES)]
TIME_RANGE_HELP: Final = "Days whose events are looked at, up to the newest one; default all"


class Question(Definition):
    """A definition with the days, the time zone and the visitors that it is about."""

    time_range: TimeRange | None = Field(None, description=TIME_RANGE_HELP)
    last: str | None = field(
        None,
        "Days",
        "So many days up to the last one, such as 30d or 4w, instead of the first",
        max_length=20,
        form=FormField("days", hint="30d", options=LAST_DAYS),
    )
    compare: Compare = field(
        None,
        "Compare with",
        "Other days beside these: as many before them, or the same weekdays a year before",
        form=FormField("days"),
    )
    start_date: Day | None = field(
        None,
        "From",
        "First day, YYYY-MM-DD; default the first of the data",
        is_date=True,
        form=FormField("days"),
    )
    end_date: Day | None = field(
        None,
        "To",
        "Last day, YYYY-MM-DD, included; default the newest of the data",
        is_date=True,
        form=FormField("days"),
    )
    timezone: str | None = field(
        None,
        "Days begin in",
        "Time zone that days begin in, such as Europe/Berlin; default ECOM_TIMEZONE",
        max_length=60,
        form=FormField(
            "calendar", hint="Europe/Berlin", suggests="zones", about=("timezone", "time zone")
        ),
    )
    segment: Name | dict[str, Any] | list[Any] | None = field(
        None,
        "Visitor segment",
        "Only visitors of this segment as of the last day: a declared name, or a definition",
        examples=[{"did": "purchase", "at_least": 3, "within": "30d"}],
        form=FormField("filter", hint="all visitors", suggests="segments"),
    )

    identity: IdentityName = field(
        None,
        "A visitor is recognised by",
        "Identity rule: who a visitor is; default ECOM_IDENTITY",
        form=FormField("people", options={"": "The shop's rule"}),
    )
    compare_identity: IdentityName = field(
        None,
        "And beside it by",
        "Another identity rule, for the same numbers by both",
        form=FormField("people"),
    )

    @classmethod
    def from_command(cls, options: NamedValues, file: NamedValues) -> Self:
        """Return the question of a command;
        questions with options that need each other override this.

        Args:
            options: What the options say, as a definition.
            file: The definition of its file; empty without one.

        Raises:
            EcomError: Options do not go together, or a value does not fit.
        """
        return cls.from_mapping({**cls.OF_COMMAND, **file, **options})

    @property
    def reads_all(self) -> bool:
        """Whether events of other days matter."""
        return self.READS_ALL

    @property
    def days(self) -> DayRange:
        """The days of the question.

        Raises:
            DefinitionError: They cannot be combined, or are of another age.
        """
        return DayRange.read(self.start_date, self.end_date, self.last, ("start_date", "end_date"))

    def as_of(self, newest: date) -> date:
        """Return the day as of which a visitor segment is, from the newest day of events."""
        return self.ends(newest)[1] or newest

    def on_days(self, first: date, last: date) -> Self:
        """Return the same question of the days from a first to a last one."""
        return self.changed(time_range=None, last=None, start_date=first, end_date=last)

    @property
    def has_first_day(self) -> bool:
        """Whether it says where its days begin."""
        return self.time_range is not None or self.start_date is not None or self.last is not None

    def compared_days(self, first: date, last: date) -> tuple[date, date]:
        """Return the days that those from a first to a last one, its own, are compared with."""
        back = YEAR_OF_WEEKS if self.compare == A_YEAR_BEFORE else last - first + timedelta(days=1)
        return first - back, last - back

    def ends(self, newest: date) -> Ends:
        """Return the first and the last day; None for those of the data.

        Raises:
            DefinitionError: They cannot be combined, or are too many.
        """
        if self.time_range is None or (self.time_range == "custom" and self.last):
            return self.days.within(newest)
        if self.last:
            raise DefinitionError(
                f"`last` and time_range={self.time_range} both say where the days begin; leave "
                "one of them out."
            )
        period = Period.from_range(newest, self.time_range, self.start_date, self.end_date)
        return period.start_date, period.end_date

    def counted_days(self, newest: date) -> Ends:
        """Return the first and the last day that numbers are of; None for those of the data."""
        return self.ends(newest)


SCOPE: Final = frozenset(Question.model_fields)
"""The fields of the days, the time zone and the visitors."""


@dataclass(frozen=True)
class QuestionField:
    """A field of a question as the command and the form give it: as text.

    Attributes:
        name: Its name in the form, and its option.
        path: Its names in the definition, from the outside in.
        info: What the model says of it.
        input: How people give it.
    """

    name: str
    path: tuple[str, ...]
    info: FieldInfo
    input: FieldInput

    @property
    def option(self) -> str:
        """The option of the command; empty for none."""
        own_name = self.input.option.name
        return f"--{self.name.replace('_', '-')}" if own_name is None else own_name

    @property
    def address(self) -> str:
        """Its name in the address of the form."""
        return self.input.form.address or self.name

    @property
    def rows(self) -> int:
        """How many lines the form has for it; 0 for a field that does not grow line by line."""
        if self.input.form.lines is None:
            return 0
        bounds = (getattr(data, "max_length", None) for data in self.info.metadata)
        return next((bound for bound in bounds if bound), 0)

    @property
    def choices(self) -> Choices | None:
        """Its choices; None if it is free."""
        return next((data for data in self.info.metadata if isinstance(data, Choices)), None)

    @property
    def default(self) -> object:
        """Its default."""
        return None if self.info.default is PydanticUndefined else self.info.default

    @property
    def help(self) -> str:
        """What it says."""
        return self.info.description or ""

    @property
    def kind(self) -> type:
        """The type of its value: `bool`, `int`, `float`, `list` or `str`."""
        if self.input.line is not str or self.input.parts is not None:
            return list
        return str if AS_TEXT in self.info.metadata else _kind_of(self.info)

    def read(self, value: Any) -> Any:  # noqa: ANN401 (text, or what an option's type made of it)
        """Return the value of the definition from that of a form or an option;
        texts of several values are parted.
        """
        if self.kind is not list:
            return value
        if not isinstance(value, str):
            items = value
        elif self.input.parts:
            items = self.input.parts(value)
        else:
            items = [value]
        return [self.input.line(item) if isinstance(item, str) else item for item in items]


def _kind_of(info: FieldInfo) -> type:
    """Return the type of a field that may be null; `str` for one of several types."""
    is_union = get_origin(info.annotation) in {Union, UnionType}
    types = {*get_args(info.annotation)} - {NoneType} if is_union else {info.annotation}
    kind: Any = types.pop() if len(types) == 1 else str
    if get_origin(kind) in {list, tuple}:
        return list
    return next((plain for plain in (int, float, bool) if kind is plain), str)


def fields_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[QuestionField]:
    """Return the fields of a question that people give; those of a part of it among them.

    A definition inside it keeps the names of its fields. Of another part, such as `goal`, the first
    field is called as the part, and the names of the others begin with its name, such as
    `goal_where`.
    """
    result = []
    for name, info in model.model_fields.items():
        shown, alias = input_of(info), info.alias or name
        if shown is None or (issubclass(model, Definition) and alias in model.WITHOUT):
            continue
        inner = info.annotation
        if shown.only and isinstance(inner, type) and issubclass(inner, QuestionPart):
            inside = [
                declared
                for declared in fields_of(inner, (*path, alias))
                if declared.name in shown.only
            ]
            if not issubclass(inner, Definition):
                names = [alias, *(f"{alias}_{declared.name}" for declared in inside[1:])]
                inside = [
                    replace(declared, name=own) for declared, own in zip(inside, names, strict=True)
                ]
            result += inside
        else:
            result.append(QuestionField(alias, (*path, alias), info, shown))
    text_options = model.TEXT_OPTIONS if issubclass(model, Definition) and not path else {}
    return result + [
        QuestionField(name, (name,), info, shown)
        for name, info in text_options.items()
        if (shown := input_of(info))
    ]


def in_order(question: type[Question]) -> list[QuestionField]:
    """Return the fields in the order of forms: those of a definition file first,
    the days and visitors last.
    """
    return sorted(
        fields_of(question),
        key=lambda declared: (declared.path[0] in SCOPE, declared.path[0] in question.BESIDE),
    )


def definition_of(question: type[Question], texts: NamedValues) -> dict[str, Any]:
    """Return the definition that texts give, by the name of a field;
    a field that is not among them has its default.
    """
    definition: dict[str, Any] = {}
    for declared in fields_of(question):
        if declared.name in texts:
            put_value(definition, declared.path, declared.read(texts[declared.name]))
    return definition


def put_value(definition: dict[str, Any], path: Sequence[str], value: Any) -> None:  # noqa: ANN401 (any value of a definition)
    """Put a value into a definition, under its names from the outside in."""
    for outer in path[:-1]:
        definition = definition.setdefault(outer, {})
    definition[path[-1]] = value
