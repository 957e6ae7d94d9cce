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
from pydantic import create_model, model_validator

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
from ecom_assets.commerce.attribution.session_columns import READS
from ecom_assets.core.errors import EcomError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.tables.queries import EVENTS, LENGTHS, Reading
from ecom_assets.ingestion.sources.visitor_segments import read_visitor_segments
from ecom_assets.interfaces.api.parameters import Sliced, declared_lists
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
    lists_offered,
    parts_of,
    row_name,
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

Answer = dict[str, Any]
FirstOfData = Callable[[Reading], Mapping[str, str]]


class FormParameters(PageParameters):
    """The parameters in the address of a builder: each field of its form, as text."""

    saved: str = ""
    """The id of the saved question that was opened, which saving then changes."""
    saved_version: str = ""
    """Its version."""
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
        chosen = {name: text for name in DATES if (text := getattr(self, name, ""))}
        if len(chosen) == len(DATES):
            return chosen
        last = getattr(self, "last", "")
        named = next((name for name, count in LENGTHS.items() if last == f"{count}d"), "")
        return {"time_range": named} if named and last != self.FIRST.get("last") else {}

    @model_validator(mode="before")
    @classmethod
    def begin(cls, values: Any) -> Any:  # noqa: ANN401 (what pydantic has before it validates)
        """Return the first question if the address has no parameters but days;
        else missing fields are empty.
        """
        if values.keys() - set(DATES):
            return values
        first = {
            name: value for name, value in cls.FIRST.items() if not (name == "last" and values)
        }
        return {**first, **values}


def choices_of(
    name: str, groups: Sequence[FormPart], of_data: FirstOfData | None = None, **first: str
) -> type[FormParameters]:
    """Return the model of the parameters in the address of a builder.

    `first` is the question without any, and `of_data` returns what of it the data decide.
    """
    fields: dict[str, Any] = {field.name: (str, "") for group in groups for field in group.inputs}
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
        return [shown for group in self.groups for shown in group.inputs]

    def question(self, filled_in: Any) -> Any:  # noqa: ANN401 (the choices are made from the groups, the question by its model)
        """Return the question of a form.

        Raises:
            DefinitionError: It cannot be asked.
        """
        fields = fields_of(self.kind.question)
        texts = {
            declared.name: text
            for declared in fields
            if not declared.rows and (text := _text_of(filled_in, declared))
        }
        definition = definition_of(self.kind.question, texts)
        for declared in fields:
            if declared.rows and (rows := _rows_of(filled_in, declared)):
                put_value(definition, declared.path, rows)
        complete = self.make(definition, filled_in) if self.make else definition
        return self.kind.question.from_mapping(self.kind.question.folded(complete))


def texts_of(builder: Builder, question: Question) -> dict[str, str]:
    """Return the fields of a form as texts that make a question,
    as far as its fields can hold it.
    """
    definition = question.model_dump(mode="json", by_alias=True, exclude_unset=True)
    result: dict[str, str] = {}
    for declared in fields_of(builder.kind.question):
        value: Any = definition
        for name in declared.path:
            value = (value or {}).get(name)
        if value is not None and not declared.rows:
            result[declared.address] = _as_text(value)
        for number, item in enumerate(value or () if declared.rows else (), start=1):
            result |= _texts_of_row(declared, number, item)
    return result


def _texts_of_row(field: QuestionField, number: int, item: Any) -> dict[str, str]:  # noqa: ANN401 (an item of a definition)
    parts = dict(item) if isinstance(item, dict) else {"": item}
    where = parts.pop("where", None)
    first = parts.pop(next(iter(item_of(field).model_fields)), parts.pop("", "*"))
    texts = {f"{row_name(field)}{number}": _as_text(first)}
    texts |= {
        f"{name}{number}": _as_text(value) for name, value in parts.items() if value is not None
    }
    return texts | ({f"where_{row_name(field)}{number}": _as_text(where)} if where else {})


def _as_text(value: Any) -> str:  # noqa: ANN401 (a value of a definition)
    """Return a value as a form takes it: lists of names with commas, conditions as JSON."""
    if isinstance(value, dict):
        return json.dumps(value["all_of"] if value.keys() == {"all_of"} else [value])
    if isinstance(value, list):
        return (
            ", ".join(value) if all(isinstance(part, str) for part in value) else json.dumps(value)
        )
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _text_of(filled_in: Any, field: QuestionField) -> str:  # noqa: ANN401 (as above)
    names = (
        [f"{row_name(field)}{n}" for n in range(1, field.rows + 1)]
        if field.rows
        else [field.address]
    )
    return "\n".join(text for name in names if (text := str(getattr(filled_in, name, "")).strip()))


def _rows_of(filled_in: Any, field: QuestionField) -> list[Any]:  # noqa: ANN401 (as above)
    """Return the values of a list that grows line by line,
    with the conditions and parts of each.
    """
    name, result = row_name(field), []
    for n in range(1, field.rows + 1):
        if text := str(getattr(filled_in, f"{name}{n}")).strip():
            value = field.input.line(text)
            beside = {
                part: own
                for part in field.input.row_parts
                if (own := getattr(filled_in, f"{part}{n}").strip())
            }
            where = lines_of(getattr(filled_in, f"where_{name}{n}")) if has_where(field) else []
            more = beside | ({"where": where} if where else {})
            result.append({**value, **more} if more else value)
    return result


def _shown_values(builder: "Builder", view: View) -> dict[str, str]:
    """Return the text of each field;
    a line such as `purchase:sum(cart_amount)` stands in the fields of its parts.
    """
    values = {shown.name: _value(view, shown.name) for shown in builder.inputs}
    for declared in fields_of(builder.kind.question):
        if declared.input.row_parts:
            _part_lines(values, declared)
    return values


def _part_lines(values: dict[str, str], field: QuestionField) -> None:
    first = next(iter(item_of(field).model_fields))
    for n in range(1, field.rows + 1):
        text = values[f"{row_name(field)}{n}"]
        try:
            parts = field.input.line(text) if text and not text.startswith('"') else {}
        except EcomError:
            continue
        if parts.keys() <= {first, *field.input.row_parts} and len(parts) > 1:
            values[f"{row_name(field)}{n}"] = parts[first]
            own = {f"{part}{n}": str(parts.get(part, "")) for part in field.input.row_parts}
            values.update({name: values[name] or text for name, text in own.items()})


@dataclass(frozen=True)
class FormOutcome:
    """The result of a question: an answer with its question,
    or the error message and the field that it is about.
    """

    answer: Answer = field(default_factory=dict)
    compared: Answer = field(default_factory=dict)
    """The answer by the other identity rule; empty if none is asked."""
    question: Any = None
    days: Mapping[str, Any] = field(default_factory=dict)
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
        declared
        for declared in fields_of(builder.kind.question)
        if declared.info.is_required() and not _text_of(view.filters, declared)
    ]
    if listed := next((declared for declared in missing if declared.rows), None):
        return FormOutcome(
            sentence="Fill this in: it has no default.", about=inputs_of(listed)[0].name
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
    compared = (
        builder.kind.answer.model_validate(answer.compared).model_dump(by_alias=True)
        if answer.compared
        else {}
    )
    document = answer.model_dump(by_alias=True)
    return FormOutcome(document, compared, question, _days_of(builder, question, document))


def _days_of(builder: Builder, question: Question, answer: Answer) -> dict[str, Any]:
    period, is_compared = (
        period_of(answer),
        answer["before"] or (builder.kind.compares_itself and question.compare),
    )
    days, known_days = (period.start_date, period.end_date), period.known_days
    other = question.compared_days(*days) if is_compared else (None, None)
    names = (
        *DATES,
        "previous_start_date",
        "previous_end_date",
        "data",
        "known_from",
        "known_to",
        "missing_days",
    )
    known = (period.data, known_days.first, known_days.last, known_days.missing)
    return dict(zip(names, (*days, *other, *known), strict=True))


def _field_of_sentence(builder: Builder, view: View, sentence: str) -> str:
    """Return the field whose value or name a sentence quotes; empty if none."""
    quoting = (
        shown.name
        for shown in builder.inputs
        if (text := _value(view, shown.name)) and f"'{text}'" in sentence
    )
    in_sentence = f"{sentence} ".replace("`", " ")
    naming = (
        shown.name
        for shown in builder.inputs
        if any(f"{word} " in in_sentence for word in shown.refused_as)
    )
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
    offered: Mapping[str, Sequence[Mapping[str, Any]]]
    """What fields offer to choose from, by what they suggest."""
    shown: int = 0
    """The number up to which lines of a list that grows are shown."""

    @property
    def days(self) -> Mapping[str, Any]:
        """The days of the answer, which stand in the fields of dates that are left empty;
        nothing without one.
        """
        return {name: day for name, day in self.outcome.days.items() if name in DATES}

    @property
    def chosen(self) -> str:
        """What the question is about, in a few words."""
        listed = [part for part in self.groups if part.rows]
        named = [
            self.values[line[0].name]
            for part in listed
            for line in part.rows
            if self.values[line[0].name]
        ]
        has_order = any(not part.has_letters for part in listed)
        return (
            " → ".join(named) if has_order else ", ".join(dict.fromkeys(named))
        ) or "The question"

    def options_of(self, shown: FormInput) -> Options:
        """Return the options of a select, with the value that the address has if it is another."""
        value = self.values[shown.name]
        options = shown.options
        if shown.name == "last" and (self.values["start_date"] or self.values["end_date"]):
            options = (("", "Chosen days"), *options[1:])
        return (
            options
            if value in dict(options)
            else (*options, (value, dict([shown.default]).get(value, value)))
        )

    def rows_of_conditions(self, shown: FormInput) -> list[dict[str, Any]] | None:
        """Return the conditions of a field as rows; None if rows cannot show them."""
        return conditions_of(self.values[shown.name])

    @property
    def comparisons(self) -> list[dict[str, str]]:
        """The comparisons of conditions."""
        return comparisons()


def form(builder: Builder) -> Callable[[View], Block]:
    """Return the section with the form of a question, and what its answer warns of."""

    def build(view: View) -> Block:
        outcome = context(view, builder)
        values = _shown_values(builder, view)
        filled = [shown.number for shown in builder.inputs if shown.number and values[shown.name]]
        shown_form = BuilderForm(
            builder.groups, values, outcome, offered_by(view), max([1, *filled])
        )
        warnings = dict.fromkeys(text for answer in outcome.answers for text in answer["warnings"])
        return Several(
            [
                shown_form,
                *(Notice(text, "bad") for text in warnings),
                *saving(view, builder.kind.name),
            ]
        )

    return build


def offered_by(view: View) -> dict[str, list[Mapping[str, Any]]]:
    """Return what fields offer to choose from;
    columns with personal data only to those who may see people.
    """
    reading, declared = view.context.reading, view.context.settings.visitor_segments
    return lists_offered(
        event_types(reading) if EVENTS in reading.known else (),
        columns_offered(reading.lacking, with_people=view.may(Scope.PERSONAL)),
        tuple(read_visitor_segments(declared)) if declared else (),
    )


@dataclass(frozen=True)
class DefinitionBlock(Block):
    """The definition of a question as YAML for `--definition`, its SQL,
    and the whole answer as JSON and CSV.
    """

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
            csv_address(answer, *declared_lists(builder.kind.answer)),
        )

    return build


def _identity_options(question: Question) -> Iterator[str]:
    """Yield the options that say who visitors are, which a definition file does not."""
    for declared in fields_of(type(question)):
        if declared.name in {"identity", "compare_identity", "compare"} and (
            rule := getattr(question, declared.name)
        ):
            yield f"{declared.option} {rule}"


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
    channel = [] if set(READS) & set(view.context.reading.lacking) else ["channel"]
    names = [*channel, "product_category", *keys_of_events(view)][:MOST_OFFERED]
    links = [{"label": readable(name), "href": view.here(by=name)} for name in names]
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
    return answered_in(builder, lambda _view, answer: build(answer))


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
        headings = [Heading(visitors_by(answer)) for answer in answers]
        return Several([part for pair in zip(headings, blocks, strict=True) for part in pair])

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
    return DashboardPage(
        sections=around, group="Behaviour", asks=asks, is_ad_hoc=True, builder=builder, **page
    )
