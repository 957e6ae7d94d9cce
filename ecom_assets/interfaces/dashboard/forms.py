"""Builders: a form whose state is in the address, and the answer of an ad-hoc route for it.

The fields of a builder's form are those of the question's model, as text, so that the address of
the page has all of them. What is refused stands beside the field that it is about.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final, Self

import yaml
from fastapi.encoders import jsonable_encoder
from pydantic import Field, create_model, model_validator

from ecom_assets.behaviour.events.queries import event_types
from ecom_assets.behaviour.questions.answer import Kind, in_place_of_numbers, period_of, visitors_by
from ecom_assets.behaviour.questions.fields import FormGroup, lines_of
from ecom_assets.behaviour.questions.model import (
    Question,
    QuestionField,
    definition_of,
    fields_of,
    put_value,
)
from ecom_assets.behaviour.questions.values import documents_of, key_counts
from ecom_assets.commerce.attribution.contracts import ADDRESS
from ecom_assets.core.errors import EcomError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.queries import EVENTS, LENGTHS, Reading
from ecom_assets.ingestion.sources.visitor_segments import read_visitor_segments
from ecom_assets.interfaces.api.parameters import Sliced, declared_lists, listed_cells
from ecom_assets.interfaces.api.people import note_people
from ecom_assets.interfaces.api.routes.ad_hoc import ask
from ecom_assets.interfaces.dashboard.blocks import Block, Custom, Heading, Notice, Several
from ecom_assets.interfaces.dashboard.form_inputs import (
    FormInput,
    FormPart,
    Options,
    columns_offered,
    comparisons,
    conditions_of,
    has_where,
    inputs_of,
    item_of,
    line_parts,
    lists_offered,
    order_columns_offered,
    parts_of,
    row_name,
    sales_offered,
)
from ecom_assets.interfaces.dashboard.formats import in_words
from ecom_assets.interfaces.dashboard.page import (
    DATES,
    DashboardPage,
    PageParameters,
    Section,
    View,
    csv_address,
    data_address,
)
from ecom_assets.interfaces.dashboard.rendering import sentence_of
from ecom_assets.interfaces.dashboard.saving import saving

FirstOfData = Callable[[Reading], Mapping[str, str]]


class FormParameters(PageParameters):
    """The parameters in the address of a builder: each field of its form, as text."""

    saved: str = ""
    """The id of the saved question that was opened, which saving then changes."""
    saved_version: str = ""
    """Its version."""
    list_offset: int | None = Field(None, ge=0, le=1_000_000)
    """How many rows of the page's list are before those that it shows."""
    FIRST: ClassVar[Mapping[str, str]] = {}
    """The question of an address without parameters."""
    OF_DATA: ClassVar[FirstOfData | None] = None
    """Returns what of the first question the data decide."""

    def begun(self, reading: Reading, parameters: Collection[str]) -> Self:
        """Return the first question for these data, if the address has no parameters but days."""
        of_data = type(self).OF_DATA
        if set(parameters) - set(DATES) or of_data is None:
            return self
        return self.model_copy(update=of_data(reading))

    @property
    def days(self) -> dict[str, str]:
        """Return the days that were chosen, as other pages take them: two dates,
        or the last days by their name.
        """
        dates = {name: getattr(self, name, "") for name in DATES}
        if all(dates.values()):
            return dates
        last = getattr(self, "last", "")
        if last == self.FIRST.get("last"):
            return {}
        range_names = {f"{count}d": name for name, count in LENGTHS.items()}
        return {"time_range": range_names[last]} if last in range_names else {}

    @model_validator(mode="before")
    @classmethod
    def begin(cls, values: Any) -> Any:  # noqa: ANN401 (what pydantic has before it validates)
        """Return the first question if the address has no parameters but days;
        else missing fields are empty.
        """
        if values.keys() - set(DATES):
            return values
        first = dict(cls.FIRST)
        if values:  # the days are chosen
            first.pop("last", None)
        return {**first, **values}


def choices_of(
    name: str, groups: Sequence[FormPart], of_data: FirstOfData | None = None, **first: str
) -> type[FormParameters]:
    """Return the model of the parameters in the address of a builder.

    `first` is the question without any, and `of_data` returns what of it the data decide.
    """
    fields: dict[str, Any] = {field.name: (str, "") for group in groups for field in group.inputs}
    # FastAPI reads the parameters of an address from a model, and those of a builder are the fields
    # of its question: the model is made from them, so that each is declared once.
    made: type[FormParameters] = create_model(
        name, __base__=FormParameters, __doc__=f"The fields of {name}.", **fields
    )
    made.FIRST = first
    made.OF_DATA = of_data
    return made


@dataclass(frozen=True)
class Builder:
    """The form of a kind of question: its fields are those of the model,
    and a few of the page's own.

    Attributes:
        kind: What is asked.
        first: The question of an address without parameters.
        extra: Fields of the page, which are not part of the question, by the part of the form.
        of_data: Returns what of the first question the data decide.
        make: Returns the definition from that of the form and the texts of the extra fields; None
            leaves it.
    """

    kind: Kind[Any, Any]
    first: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[FormGroup, tuple[FormInput, ...]] = field(default_factory=dict)
    make: Callable[[dict[str, Any], Any], dict[str, Any]] | None = None
    of_data: FirstOfData | None = None

    @cached_property
    def groups(self) -> tuple[FormPart, ...]:
        """The fields of the form, by part."""
        return parts_of(self.kind.question, self.extra)

    @property
    def inputs(self) -> list[FormInput]:
        """The fields of the form."""
        return [form_input for group in self.groups for form_input in group.inputs]

    def question(self, filled_in: Any) -> Any:  # noqa: ANN401 (the choices are made from the groups, the question by its model)
        """Return the question of a form.

        Raises:
            DefinitionError: It cannot be asked.
        """
        kind = self.kind.question
        texts: dict[str, str] = {}
        lists: list[tuple[QuestionField, list[Any]]] = []
        for question_field in fields_of(kind):
            if question_field.rows:
                lists.append((question_field, _items_of(filled_in, question_field)))
            elif text := _text_of(filled_in, question_field):
                texts[question_field.name] = text
        definition = definition_of(kind, texts)
        for question_field, items in lists:
            if items:
                put_value(definition, question_field.path, items)
        if self.make:
            definition = self.make(definition, filled_in)
        return kind.from_mapping(kind.folded(definition))


def texts_of(builder: Builder, question: Question) -> dict[str, str]:
    """Return the fields of a form as texts that make a question,
    as far as its fields can hold it.
    """
    definition = question.model_dump(mode="json", by_alias=True, exclude_unset=True)
    texts: dict[str, str] = {}
    for question_field in fields_of(builder.kind.question):
        value = _value_at(definition, question_field.path)
        if value is None:
            continue
        if not question_field.rows:
            texts[question_field.address] = _as_text(value)
            continue
        for number, item in enumerate(value, start=1):
            texts |= _texts_of_item(question_field, number, item)
    return texts


def _value_at(definition: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 (any value of a definition)
    """Return the value under these names, from the outside in; None if there is none."""
    value = definition
    for name in path:
        value = (value or {}).get(name)
    return value


def _texts_of_item(field: QuestionField, number: int, item: Any) -> dict[str, str]:  # noqa: ANN401 (an item of a definition)
    """Return the texts of a line: its own, those of its parts, and its conditions."""
    line = f"{row_name(field)}{number}"
    if not isinstance(item, dict):
        return {line: _as_text(item)}
    parts = dict(item)
    where = parts.pop("where", None)
    texts = {line: _as_text(parts.pop(_first_field(field), "*"))}
    for name, value in parts.items():
        if value is not None:
            texts[f"{name}{number}"] = _as_text(value)
    if where:
        texts[f"where_{line}"] = _as_text(where)
    return texts


def _first_field(field: QuestionField) -> str:
    """Return the field that the text of a line is, such as the event type of a step."""
    return next(iter(item_of(field).model_fields))


def _as_text(value: Any) -> str:  # noqa: ANN401 (a value of a definition)
    """Return a value as a form takes it: lists of names with commas, conditions as JSON."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        conditions = value["all_of"] if value.keys() == {"all_of"} else [value]
        return json.dumps(conditions)
    if isinstance(value, list):
        are_names = all(isinstance(part, str) for part in value)
        return ", ".join(value) if are_names else json.dumps(value)
    return str(value)


def _text_of(filled_in: Any, field: QuestionField) -> str:  # noqa: ANN401 (as above)
    """Return the text of a field; of a list that grows, its lines."""
    names = [field.address]
    if field.rows:
        names = [f"{row_name(field)}{number}" for number in range(1, field.rows + 1)]
    texts = (str(getattr(filled_in, name, "")).strip() for name in names)
    return "\n".join(filter(None, texts))


def _items_of(filled_in: Any, field: QuestionField) -> list[Any]:  # noqa: ANN401 (as above)
    """Return the items of a list that grows line by line,
    with the conditions and parts of each.
    """
    items = []
    for number in range(1, field.rows + 1):
        line = f"{row_name(field)}{number}"
        text = str(getattr(filled_in, line)).strip()
        if not text:
            continue
        item = field.input.line(text)
        more: dict[str, Any] = {}
        for part in line_parts(field):
            part_text = getattr(filled_in, f"{part}{number}").strip()
            if part_text:
                more[part] = part_text
        where = lines_of(getattr(filled_in, f"where_{line}")) if has_where(field) else []
        if where:
            more["where"] = where
        items.append({**item, **more} if more else item)
    return items


def _texts_shown(builder: "Builder", view: View) -> dict[str, str]:
    """Return the text of each field;
    a line such as `purchase:sum(cart_amount)` stands in the fields of its parts.

    A list of names that is left empty has its default, which is what is asked.
    """
    texts = {form_input.name: _value(view, form_input.name) for form_input in builder.inputs}
    for question_field in fields_of(builder.kind.question):
        name, default = question_field.address, question_field.default
        if isinstance(default, list | tuple) and default and not texts.get(name, "is not text"):
            texts[name] = _as_text(list(default))
        if line_parts(question_field):
            _part_lines(texts, question_field)
    return texts


def _part_lines(texts: dict[str, str], field: QuestionField) -> None:
    """Put the parts of each line into their own fields, if it has no others."""
    first, part_names = _first_field(field), line_parts(field)
    for number in range(1, field.rows + 1):
        line = f"{row_name(field)}{number}"
        parts = _parts_of_line(field, texts[line])
        if len(parts) < 2 or parts.keys() - {first, *part_names}:  # noqa: PLR2004 (the text and a part)
            continue
        texts[line] = parts[first]
        for part in part_names:
            name = f"{part}{number}"
            texts[name] = texts[name] or str(parts.get(part, ""))


def _parts_of_line(field: QuestionField, text: str) -> NamedValues:
    """Return what a line is read as; nothing of one that is empty, quoted or wrong."""
    if not text or text.startswith('"'):
        return {}
    try:
        parts: NamedValues = field.input.line(text)
    except EcomError:
        return {}
    return parts


@dataclass(frozen=True)
class FormOutcome:
    """The result of a question: an answer with its question,
    or the error message and the field that it is about.
    """

    answer: Answer = field(default_factory=dict)
    compared: Answer = field(default_factory=dict)
    """The answer by the other identity rule; empty if none is asked."""
    question: Any = None
    days: NamedValues = field(default_factory=dict)
    """The days that the answer is about, which are known, and those that it is compared with,
    as a range has them.
    """
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
            view.ranges.append({**view.outcome.answer["range"], **view.outcome.days})
    kept: FormOutcome = view.outcome
    return kept


def _answer(view: View, builder: Builder) -> FormOutcome:
    missing = [
        question_field
        for question_field in fields_of(builder.kind.question)
        if question_field.info.is_required() and not _text_of(view.filters, question_field)
    ]
    for question_field in missing:
        if question_field.rows:
            return FormOutcome(
                sentence="Fill this in: it has no default.", about=inputs_of(question_field)[0].name
            )
    if missing:
        return FormOutcome()
    try:
        return outcome_of(view, builder, builder.question(view.filters))
    except EcomError as error:
        return FormOutcome(
            sentence=sentence_of(error), about=_field_of_sentence(builder, view, str(error))
        )


def outcome_of(view: View, builder: Builder, question: Question) -> FormOutcome:
    """Return the answer to a question, whatever the form says.

    Raises:
        EcomError: It is refused.
    """
    answer = ask(view.context, builder.kind, question, Sliced.model_validate({"explain": True}))
    compared = {}
    if answer.compared:
        compared = builder.kind.answer.model_validate(answer.compared).model_dump(by_alias=True)
    document = answer.model_dump(by_alias=True)
    # The answer is a file inside the page, at an address of its own.
    cells = listed_cells(document, declared_lists(builder.kind.answer))
    note_people(view.request.scope, {name for row in cells for name in row}, len(cells))
    return FormOutcome(document, compared, question, _days_of(builder, question, document))


def _days_of(builder: Builder, question: Question, answer: Answer) -> dict[str, Any]:
    """Return the days of an answer, those that it is compared with, and which are known."""
    period = period_of(answer)
    previous_start_date, previous_end_date = None, None
    if answer["before"] or (builder.kind.compares_itself and question.compare):
        previous_start_date, previous_end_date = question.compared_days(
            period.start_date, period.end_date
        )
    return {
        "start_date": period.start_date,
        "end_date": period.end_date,
        "previous_start_date": previous_start_date,
        "previous_end_date": previous_end_date,
        "data": period.data,
        "known_from": period.known_days.first,
        "known_to": period.known_days.last,
        "missing_days": period.known_days.missing,
    }


def _field_of_sentence(builder: Builder, view: View, sentence: str) -> str:
    """Return the field whose value or name a sentence quotes; empty if none."""
    for form_input in builder.inputs:
        value = _value(view, form_input.name)
        if value and f"'{value}'" in sentence:
            return form_input.name
    words = f"{sentence} ".replace("`", " ")
    for form_input in builder.inputs:
        if any(f"{word} " in words for word in form_input.refused_as):
            return form_input.name
    return ""


def _value(view: View, name: str) -> str:
    return str(getattr(view.filters, name)).strip()


@dataclass(frozen=True)
class BuilderForm(Block):
    """The form of a builder, with the refusal of its question."""

    template: ClassVar[str] = "builder.html"
    groups: Sequence[FormPart]
    values: Mapping[str, str]
    outcome: FormOutcome
    offered: Mapping[str, Sequence[NamedValues]]
    """What fields offer to choose from, by what they suggest."""
    shown: int = 0
    """The number up to which lines of a list that grows are shown."""

    @property
    def days(self) -> NamedValues:
        """The days of the answer, which stand in the fields of dates that are left empty;
        nothing without one.
        """
        return {name: day for name, day in self.outcome.days.items() if name in DATES}

    @property
    def chosen(self) -> str:
        """What the question is about, in a few words."""
        lists = [part for part in self.groups if part.rows]
        first_inputs = [line[0] for part in lists for line in part.rows]
        texts = [self.values[first.name] for first in first_inputs if self.values[first.name]]
        if not texts:
            return "The question"
        has_order = any(not part.has_letters for part in lists)
        return " → ".join(texts) if has_order else ", ".join(dict.fromkeys(texts))

    def options_of(self, form_input: FormInput) -> Options:
        """Return the options of a select, with the value that the address has if it is another."""
        value = self.values[form_input.name]
        options = form_input.options
        if form_input.name == "last" and (self.values["start_date"] or self.values["end_date"]):
            options = (("", "Chosen days"), *options[1:])
        if value in dict(options):
            return options
        default, default_label = form_input.default
        return (*options, (value, default_label if value == default else value))

    def rows_of_conditions(self, form_input: FormInput) -> list[Row] | None:
        """Return the conditions of a field as rows; None if rows cannot show them."""
        return conditions_of(self.values[form_input.name])

    @property
    def comparisons(self) -> list[dict[str, str]]:
        """The comparisons of conditions."""
        return comparisons()


def form(builder: Builder) -> Callable[[View], Block]:
    """Return the section with the form of a question, and what its answer warns of."""

    def build(view: View) -> Block:
        outcome = context(view, builder)
        texts = _texts_shown(builder, view)
        filled_lines = [
            form_input.number
            for form_input in builder.inputs
            if form_input.number and texts[form_input.name]
        ]
        builder_form = BuilderForm(
            builder.groups,
            texts,
            outcome,
            offered_by(view, of_orders=builder.kind.only_orders),
            max([1, *filled_lines]),
        )
        warnings = dict.fromkeys(text for answer in outcome.answers for text in answer["warnings"])
        notices = [Notice(text, "bad") for text in warnings]
        return Several([builder_form, *notices, *saving(view, builder.kind.name)])

    return build


def offered_by(view: View, *, of_orders: bool = False) -> dict[str, list[NamedValues]]:
    """Return what fields offer to choose from; columns with personal data only to those who may see
    people, and measures about costs only to those who may see these.
    """
    reading, declared = view.context.reading, view.context.settings.visitor_segments
    columns: Sequence[NamedValues] = (
        order_columns_offered()
        if of_orders
        else columns_offered(reading.lacking, view.labels, with_people=view.may(Scope.PERSONAL))
    )
    offered = lists_offered(
        event_types(reading) if EVENTS in reading.known else (),
        columns,
        tuple(read_visitor_segments(declared)) if declared else (),
        view.labels,
    )
    return offered | sales_offered(with_costs=view.may(Scope.COSTS))


@dataclass(frozen=True)
class DefinitionBlock(Block):
    """The definition of a question as YAML for `--definition`, its SQL,
    and the whole answer as JSON and CSV.
    """

    template: ClassVar[str] = "definition.html"
    yaml: str
    command: str
    file_option: str
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
            "--orders" if builder.kind.only_orders else "--events",
            list(dict.fromkeys(answer["explain"]["sql"])),
            data_address("application/json", json.dumps(jsonable_encoder(answer), indent=1)),
            csv_address(answer, *declared_lists(builder.kind.answer)),
        )

    return build


def _identity_options(question: Question) -> Iterator[str]:
    """Yield the options that say who visitors are, which a definition file does not."""
    for question_field in fields_of(type(question)):
        if question_field.name in {"identity", "compare_identity", "compare"}:
            rule = getattr(question, question_field.name)
            if rule:
                yield f"{question_field.option} {rule}"


KEYS_LOOKED_AT: Final = 1_000
"""The newest events whose keys of `properties` a page offers."""
MOST_OFFERED: Final = 8


def keys_of_events(view: View) -> list[str]:
    """Return the keys of `properties` that the newest events have, as columns are named,
    the most frequent first.
    """
    documents = view.context.reading.state(
        documents_of(view.context.reading.events(), KEYS_LOOKED_AT)
    )
    return [row["value"] for row in key_counts(documents, "")]


def readable(column: str) -> str:
    """Return what people call a column or a key of `properties`."""
    return in_words(column.removeprefix("properties.").strip('"'))


def break_down_by(view: View) -> Block:
    """Return links that break the answer down by channels, by categories,
    and by keys of `properties`.
    """
    names = ["product_category", *keys_of_events(view)]
    if not set(ADDRESS) & set(view.context.reading.lacking):
        names = ["channel", *names]
    links = [{"label": readable(name), "href": view.here(by=name)} for name in names[:MOST_OFFERED]]
    return Custom("links.html", {"words": "Compare by what events have:", "links": links})


def correct_first() -> Notice:
    """Return what the page says instead of an answer while the question is refused,
    or not asked yet.
    """
    return Notice(
        "Complete the question and press Ask; then the answer is shown here.", is_shown_once=True
    )


def unknown_notice(answer: Answer) -> Notice | None:
    """Return what the page says where nothing is known of the days;
    None where it can show the answer.
    """
    sentence = in_place_of_numbers(answer)
    return Notice(sentence, is_shown_once=True) if sentence else None


def answered(builder: Builder, build: Callable[[Answer], Block]) -> Callable[[View], Block]:
    """Return a section that `build` makes from the answer, once for each identity rule,
    or a notice without one.
    """

    def of_answer(_view: View, answer: Answer) -> Block:
        return build(answer)

    return answered_in(builder, of_answer)


def answered_in(
    builder: Builder, build: Callable[[View, Answer], Block]
) -> Callable[[View], Block]:
    """Return such a section that `build` makes from the view and the answer."""

    def section(view: View) -> Block:
        answers = context(view, builder).answers
        blocks = [unknown_notice(answer) or build(view, answer) for answer in answers]
        if not blocks:
            return correct_first()
        if len(blocks) == 1 or (isinstance(blocks[0], Notice) and blocks[0] == blocks[1]):
            return blocks[0]
        titled: list[Block] = []
        for answer, block in zip(answers, blocks, strict=True):
            titled += [Heading(visitors_by(answer)), block]
        return Several(titled)

    return section


def question_page(builder: Builder, sections: Sequence[Section], **page: Any) -> DashboardPage:  # noqa: ANN401 (fields of `DashboardPage`)
    """Return the page of a question: its form, the sections of its answer, and its definition."""
    around = (
        Section("Question", form(builder)),
        *sections,
        Section("Definition", definition(builder)),
    )
    asks = choices_of(
        f"{page['path'].capitalize()}Choices", builder.groups, builder.of_data, **builder.first
    )
    page = {"group": "Behaviour", **page}
    return DashboardPage(sections=around, asks=asks, is_ad_hoc=True, builder=builder, **page)
