"""Builders: a form whose state is in the address, and the answer of an ad-hoc route for it.

The fields of a builder's form are those of the question's model, as text, so that the address of the page has all of
them. What is refused stands beside the field that it is about.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any, ClassVar, Self, get_args

import yaml
from fastapi.encoders import jsonable_encoder
from pydantic import create_model, model_validator

from ecom_assets.api.parameters import Sliced
from ecom_assets.api.routes.ad_hoc import ask
from ecom_assets.dashboard.blocks import Block, Heading, Notice, Several
from ecom_assets.dashboard.page import DATES, DashboardPage, PageParameters, Section, View, csv_address, data_address
from ecom_assets.dashboard.rendering import sentence_of
from ecom_assets.dashboard.saving import saving
from ecom_assets.errors import EcomError
from ecom_assets.events.contracts import CleanEvents
from ecom_assets.events.queries import event_types
from ecom_assets.questions.answer import Kind, visitors_by
from ecom_assets.questions.fields import FormGroup, lines_of
from ecom_assets.questions.model import (
    Question,
    QuestionField,
    QuestionPart,
    definition_of,
    fields_of,
    in_order,
    put_value,
)

Options = tuple[tuple[str, str], ...]
Answer = dict[str, Any]


@dataclass(frozen=True)
class FormInput:
    """A field of a builder's form.

    Attributes:
        hint: What may be given, in a few words.
        options: Pairs of value and label of a select; without them it is a text.
        suggests: What the browser offers while typing: `types` of events, or `columns`.
        about: Names by which a refusal may be about this field, of the body or in its sentence; by default `name`.
        width: How many columns of the form it takes.
        number: Its number in a list that grows, of steps or series; 0 for others.
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

    @property
    def is_condition(self) -> bool:
        """Whether it is the condition of a line of a list."""
        return bool(self.number) and self.name.startswith("where_")

    @property
    def refused_as(self) -> tuple[str, ...]:
        """Return `about`, or its default."""
        return self.about or (self.name,)


@dataclass(frozen=True)
class FormPart:
    """Fields under one heading; `is_more` keeps them closed until one of them is set."""

    title: str
    inputs: tuple[FormInput, ...]
    is_more: bool = False
    in_pairs: bool = False
    """Whether each two fields stand in a line of their own."""


class FormParameters(PageParameters):
    """The parameters in the address of a builder: each field of its form, as text."""

    saved: str = ""
    """The id of the saved question that was opened, which saving then changes."""
    saved_version: str = ""
    """Its version."""
    FIRST: ClassVar[Mapping[str, str]] = {}
    """The question of an address without parameters."""
    FIRST_DAYS: ClassVar[int | None] = None
    """The number of its days, up to the newest; None for all."""

    @model_validator(mode="before")
    @classmethod
    def begin(cls, values: Any) -> Any:  # noqa: ANN401 (what pydantic has before it validates)
        """Return the first question if the address has no parameters but days; else missing fields are empty."""
        return values if values.keys() - set(DATES) else {**cls.FIRST, **values}

    def on(self, newest: date) -> Self:
        """Return the choices for data that end on a day, on which the days of the first question depend."""
        if self.FIRST_DAYS is None or self != type(self)():
            return self
        first = newest - timedelta(days=self.FIRST_DAYS - 1)
        return self.model_copy(update={"start_date": str(first), "end_date": str(newest)})


def choices_of(name: str, groups: Sequence[FormPart], days: int | None = None, **first: str) -> type[FormParameters]:
    """Return the model of the parameters in the address of a builder.

    `first` is the question of an address without parameters, and `days` how many days it covers, up to the newest; None
    for all.
    """
    fields: dict[str, Any] = {field.name: (str, "") for group in groups for field in group.inputs}
    made: type[FormParameters] = create_model(name, __base__=FormParameters, __doc__=f"The fields of {name}.", **fields)
    made.FIRST, made.FIRST_DAYS = first, days
    return made


@dataclass(frozen=True)
class Builder:
    """The form of a kind of question: its fields are those of the model, and a few of the page's own.

    Attributes:
        kind: What is asked.
        first: The question of an address without parameters.
        days: How many days that question covers, up to the newest; None for all.
        extra: Fields of the page, which are not part of the question, by the part of the form.
        make: Returns the definition from that of the form and the texts of the extra fields; None leaves it.
    """

    kind: Kind[Any, Any]
    first: Mapping[str, str] = field(default_factory=dict)
    days: int | None = None
    extra: Mapping[FormGroup, tuple[FormInput, ...]] = field(default_factory=dict)
    make: Callable[[dict[str, Any], Any], dict[str, Any]] | None = None

    @cached_property
    def groups(self) -> tuple[FormPart, ...]:
        """The fields of the form, by part."""
        titles = self.kind.question.TITLES
        fields = in_order(self.kind.question)

        def group_of(declared: QuestionField) -> FormGroup:
            return declared.input.group if declared.input.group in {"", *titles} else "more"

        made = {
            group: [shown for declared in fields if group_of(declared) == group for shown in inputs_of(declared)]
            for group in titles
        }
        return tuple(
            FormPart(
                title, (*made[at], *self.extra.get(at, ())), at == "more", any(shown.is_condition for shown in made[at])
            )
            for at, title in titles.items()
            if made[at]
        )

    @property
    def inputs(self) -> list[FormInput]:
        """The fields of the form."""
        return [shown for group in self.groups for shown in group.inputs]

    def question(self, filled_in: Any) -> Any:  # noqa: ANN401 (the choices are made from the groups, the question by its model)
        """Return the question of a form.

        Raises:
            DefinitionError: It cannot be asked.
        """
        fields = fields_of(self.kind.question)
        texts = {
            declared.name: text for declared in fields if not declared.rows and (text := _text_of(filled_in, declared))
        }
        definition = definition_of(self.kind.question, texts)
        for declared in fields:
            if declared.rows and (rows := _rows_of(filled_in, declared)):
                put_value(definition, declared.path, rows)
        complete = self.make(definition, filled_in) if self.make else definition
        return self.kind.question.from_mapping(self.kind.question.folded(complete))


def inputs_of(field: QuestionField) -> list[FormInput]:
    """Return the fields of the form for a field of a question: several for a list that grows line by line."""
    shown = field.input
    if not field.rows:
        return [_input_of(field)]
    name, with_where = _row_name(field), _has_where(field)
    result = []
    for n in range(1, field.rows + 1):
        called = f"{shown.row} {chr(ord('A') + n - 1) if shown.has_letters else n}"
        result.append(FormInput(f"{name}{n}", called, shown.hint or "event type", suggests=shown.suggests, number=n))
        if with_where:
            where = f"where ({called[:1].lower()}{called[1:]})"
            result.append(FormInput(f"where_{name}{n}", where, "cart_amount > 20", number=n))
    return result


def _input_of(field: QuestionField) -> FormInput:
    shown, choices = field.input, field.choices
    options = tuple((shown.options or {}).items())
    if choices:
        default = choices.labels.get(str(field.default), (shown.options or {}).get("", "None"))
        options = (("", default), *((name, label) for name, label in choices.labels.items() if name != field.default))
    elif field.kind is bool:
        options = (("", "No"), ("true", "Yes"))
    kind = "date" if shown.is_date else "number" if field.kind is int else "text"
    return FormInput(field.address, shown.label, shown.hint, options, kind, shown.suggests, shown.about, shown.width)


def _row_name(field: QuestionField) -> str:
    return field.input.row.lower()


def _has_where(field: QuestionField) -> bool:
    (item, *_) = get_args(field.info.annotation)
    return isinstance(item, type) and issubclass(item, QuestionPart) and "where" in item.model_fields


def _text_of(filled_in: Any, field: QuestionField) -> str:  # noqa: ANN401 (as above)
    names = [f"{_row_name(field)}{n}" for n in range(1, field.rows + 1)] if field.rows else [field.address]
    return "\n".join(text for name in names if (text := str(getattr(filled_in, name, "")).strip()))


def _rows_of(filled_in: Any, field: QuestionField) -> list[Any]:  # noqa: ANN401 (as above)
    """Return the values of a list that grows line by line, with the conditions of each."""
    name, result = _row_name(field), []
    for n in range(1, field.rows + 1):
        if text := str(getattr(filled_in, f"{name}{n}")).strip():
            value = field.input.line(text)
            where = lines_of(getattr(filled_in, f"where_{name}{n}")) if _has_where(field) else []
            result.append({**value, "where": where} if where else value)
    return result


@dataclass(frozen=True)
class FormOutcome:
    """The result of a question: an answer with its question, or the error message and the field that it is about."""

    answer: Answer = field(default_factory=dict)
    compared: Answer = field(default_factory=dict)
    """The answer by the other identity rule; empty if none is asked."""
    question: Any = None
    sentence: str = ""
    about: str = ""

    @property
    def answers(self) -> list[Answer]:
        """The answer, and the one that it is compared with; empty without an answer."""
        return [answer for answer in (self.answer, self.compared) if answer]


def context(view: View, builder: Builder) -> FormOutcome:
    """Return the answer for the form; the sections of a page share it."""
    if view.outcome is None:
        view.outcome = _answer(view, builder)
        if view.outcome.answer:
            view.ranges.append(view.outcome.answer["range"])
    kept: FormOutcome = view.outcome
    return kept


def _answer(view: View, builder: Builder) -> FormOutcome:
    missing = [
        declared
        for declared in fields_of(builder.kind.question)
        if declared.info.is_required() and not _text_of(view.filters, declared)
    ]
    if listed := next((declared for declared in missing if declared.rows), None):
        return FormOutcome(sentence="Fill this in: it has no default.", about=inputs_of(listed)[0].name)
    if missing:
        return FormOutcome()
    try:
        return outcome_of(view, builder, builder.question(view.filters))
    except EcomError as error:
        return FormOutcome(sentence=sentence_of(error), about=_field_of_sentence(builder, view, str(error)))


def outcome_of(view: View, builder: Builder, question: Question) -> FormOutcome:
    """Return the answer to a question, whatever the form says.

    Raises:
        EcomError: It is refused.
    """
    answer = ask(view.context, builder.kind, question, Sliced.model_validate({"explain": True}))
    compared = builder.kind.answer.model_validate(answer.compared).model_dump(by_alias=True) if answer.compared else {}
    return FormOutcome(answer.model_dump(by_alias=True), compared, question)


def _field_of_sentence(builder: Builder, view: View, sentence: str) -> str:
    """Return the field whose value or name a sentence quotes; empty if none."""
    quoting = (shown.name for shown in builder.inputs if (text := _value(view, shown.name)) and f"'{text}'" in sentence)
    in_sentence = f"{sentence} ".replace("`", " ")
    naming = (shown.name for shown in builder.inputs if any(f"{word} " in in_sentence for word in shown.refused_as))
    return next(quoting, "") or next(naming, "")


def _value(view: View, name: str) -> str:
    return str(getattr(view.filters, name)).strip()


@dataclass(frozen=True)
class BuilderForm(Block):
    """The form of a builder, with the refusal of its question."""

    template: ClassVar[str] = "builder.html"
    groups: Sequence[FormPart]
    values: Mapping[str, str]
    outcome: FormOutcome
    types: Sequence[str]
    columns: Sequence[str]
    shown: int = 0
    """The number up to which places of a list that grows are shown."""


def form(builder: Builder) -> Callable[[View], Block]:
    """Return the section with the form of a question, and what its answer warns of."""

    def build(view: View) -> Block:
        outcome = context(view, builder)
        values = {shown.name: _value(view, shown.name) for shown in builder.inputs}
        filled = [shown.number for shown in builder.inputs if shown.number and values[shown.name]]
        shown_form = BuilderForm(
            builder.groups,
            values,
            outcome,
            [row["event_type"] for row in event_types(view.context.reading)],
            [*CleanEvents.columns, "properties.key"],
            max([2, *filled]) + 1,
        )
        warnings = dict.fromkeys(text for answer in outcome.answers for text in answer["warnings"])
        return Several([shown_form, *(Notice(text, "bad") for text in warnings), *saving(view, builder.kind.name)])

    return build


@dataclass(frozen=True)
class DefinitionBlock(Block):
    """The definition of a question as YAML for `--definition`, its SQL, and the whole answer as JSON and CSV."""

    template: ClassVar[str] = "definition.html"
    yaml: str
    command: str
    sql: Sequence[str]
    json_address: str
    csv_address: str


def definition(builder: Builder) -> Callable[[View], Block]:
    """Return the section with the definition of a question."""

    def build(view: View) -> Block:
        outcome = context(view, builder)
        answer = outcome.answer
        if not answer:
            return correct_first()
        return DefinitionBlock(
            yaml.safe_dump(outcome.question.file(), sort_keys=False, allow_unicode=True),
            " ".join([f"ecom {builder.kind.name}", *_identity_options(outcome.question)]),
            list(dict.fromkeys(answer["explain"]["sql"])),
            data_address("application/json", json.dumps(jsonable_encoder(answer), indent=1)),
            csv_address(answer),
        )

    return build


def _identity_options(question: Question) -> Iterator[str]:
    """Yield the options that say who visitors are, which a definition file does not."""
    for declared in fields_of(type(question)):
        if declared.name in {"identity", "compare_identity"} and (rule := getattr(question, declared.name)):
            yield f"{declared.option} {rule}"


def correct_first() -> Notice:
    """Return what the page says instead of an answer while the question is refused, or not asked yet."""
    return Notice("Complete the question above and ask it; then the answer is shown here.", is_shown_once=True)


def answered(builder: Builder, build: Callable[[Answer], Block]) -> Callable[[View], Block]:
    """Return a section that `build` makes from the answer, once for each identity rule, or a notice without one."""

    def section(view: View) -> Block:
        answers = context(view, builder).answers
        blocks = [build(answer) for answer in answers]
        if not blocks:
            return correct_first()
        if len(blocks) == 1 or (isinstance(blocks[0], Notice) and blocks[0] == blocks[1]):
            return blocks[0]
        headings = [Heading(visitors_by(answer)) for answer in answers]
        return Several([part for both in zip(headings, blocks, strict=True) for part in both])

    return section


def question_page(builder: Builder, sections: Sequence[Section], **page: Any) -> DashboardPage:  # noqa: ANN401 (fields of `DashboardPage`)
    """Return the page of a question: its form, the sections of its answer, and its definition."""
    around = (Section("Question", form(builder)), *sections, Section("Definition", definition(builder)))
    asks = choices_of(f"{page['path'].capitalize()}Choices", builder.groups, builder.days, **builder.first)
    return DashboardPage(sections=around, group="Behaviour", asks=asks, is_ad_hoc=True, builder=builder, **page)
