"""Builders: a form whose state is in the address, and the answer of an ad-hoc route for it.

The fields of a builder's form are text, so that the address of the page has all of them; `Question` turns them into the
body of the route. What the route refuses stands beside the field that it is about.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar, Final, Self

import yaml
from fastapi.encoders import jsonable_encoder
from pydantic import ValidationError, create_model, model_validator

from ecom_assets.api.parameters import RequestContext, Sliced
from ecom_assets.dashboard.blocks import Block, Notice
from ecom_assets.dashboard.page import DATES, Page, PageParameters, Section, View, csv_address, data_address, model_of
from ecom_assets.dashboard.rendering import sentence_of
from ecom_assets.errors import EcomError
from ecom_assets.events.contracts import CleanEvents
from ecom_assets.events.queries import event_types
from ecom_assets.funnels.question import named_step

Options = tuple[tuple[str, str], ...]
Answer = dict[str, Any]
Route = Callable[[RequestContext, Sliced, Any], Answer]
PRESETS: Final[Options] = (
    ("", "None"), ("posthog", "PostHog"), ("amplitude", "Amplitude"), ("mixpanel", "Mixpanel"),
    ("clickhouse", "ClickHouse"), ("ga4", "Google Analytics 4"),
)  # fmt: skip
WEEKDAYS: Final[Options] = (("", "Monday"), ("sunday", "Sunday"), ("saturday", "Saturday"))
PERIODS: Final[Options] = (
    ("hour", "Hour"),
    ("day", "Day"),
    ("week", "Week"),
    ("month", "Month"),
    ("quarter", "Quarter"),
    ("year", "Year"),
)


@dataclass(frozen=True)
class Input:
    """A field of a builder's form.

    Attributes:
        hint: What may be given, in a few words.
        options: Pairs of value and label of a select; without them it is a text.
        suggests: What the browser offers while typing: `types` of events, or `columns`.
        about: Names by which a refusal may be about this field, of the body or in its sentence; by default `name`.
        width: How many columns of the form it takes.
        place: Its number in a list that grows, of steps or series; 0 for others.
    """

    name: str
    label: str
    hint: str = ""
    options: Options = ()
    kind: str = "text"
    suggests: str = ""
    about: tuple[str, ...] = ()
    width: int = 1
    place: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """Return `about`, or its default."""
        return self.about or (self.name,)


ORDERS: Final[Options] = (
    ("", "Ordered: other events may lie between"),
    ("any", "Any order"),
    ("exact", "Exact: nothing but the steps"),
    ("strict", "Strict, as PostHog: a repeated step does not count as another event"),
    ("strict_order", "Up to the first event that is not the next step"),
    ("strict_increase", "Times strictly increase"),
    ("clickhouse_default", "An event may be several steps"),
    ("strict_deduplication", "Strict, without repeats"),
    ("allow_reentry", "With entering again"),
)
EXCLUDING: Final[Options] = (("", "keeps the steps before it"), ("posthog", "drops the attempt"))
PER: Final = Input("per", "Count", "visitors, or properties.company", suggests="columns")
TIMEZONE: Final = Input("timezone", "Days begin in", "Europe/Berlin", about=("timezone", "time zone"))
SEGMENT: Final = Input("segment", "Visitor segment", "a declared name")
WHERE: Final = Input("where", "Only events where", "product_category = Shoes", width=2)
PRESET: Final = Input("preset", "As this tool would", options=PRESETS)
DAYS: Final = (Input("start_date", "From", kind="date"), Input("end_date", "To", kind="date"), TIMEZONE)
SESSION_RULES: Final[Options] = (
    ("", "As set"), ("ga4", "Google Analytics 4"), ("universal_analytics", "Universal Analytics"),
    ("mixpanel", "Mixpanel"), ("amplitude", "Amplitude"), ("snowplow", "Snowplow"), ("source", "Ids of the source"),
)  # fmt: skip
OF_SESSIONS: Final = (
    Input("session_rule", "Session rule", options=SESSION_RULES, about=("session_rule", "session rule")),
    WHERE,
    SEGMENT,
    Input("preset", "As this tool would", options=tuple(one for one in PRESETS if one[0] != "clickhouse")),
)
"""The fields of questions that cut events into sessions."""


@dataclass(frozen=True)
class Group:
    """Fields under one heading; `is_more` keeps them closed until one of them is set."""

    title: str
    inputs: tuple[Input, ...]
    is_more: bool = False
    in_pairs: bool = False
    """Whether each two fields stand in a line of their own."""


def steps_group(title: str, most: int, condition: str) -> Group:
    """Return the fields of up to `most` steps, each with its condition, for which `condition` is the example."""
    pairs = [
        (
            Input(f"step{n}", f"Step {n}", "event type", suggests="types", place=n),
            Input(f"where_step{n}", f"where (step {n})", condition, place=n),
        )
        for n in range(1, most + 1)
    ]
    return Group(title, tuple(one for pair in pairs for one in pair), in_pairs=True)


def steps_of(fields: object, most: int) -> list[dict[str, Any]]:
    """Return the steps of a form, with their conditions."""
    return [
        {**named_step(name), "where": lines_of(getattr(fields, f"where_step{n}"))}
        for n in range(1, most + 1)
        if (name := getattr(fields, f"step{n}").strip())
    ]


class Choices(PageParameters):
    """The parameters in the address of a builder: each field of its form, as text."""

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


def choices_of(name: str, groups: Sequence[Group], days: int | None = None, **first: str) -> type[Choices]:
    """Return the model of the parameters in the address of a builder.

    `first` is the question of an address without parameters, and `days` how many days it covers, up to the newest; None
    for all. A select without an empty option keeps its value of `first` in other addresses.
    """
    inputs = [one for group in groups for one in group.inputs]
    fields: dict[str, Any] = {
        one.name: (str, first.get(one.name, "") if _is_never_empty(one) else "") for one in inputs
    }
    made: type[Choices] = create_model(name, __base__=Choices, __doc__=f"The fields of {name}.", **fields)
    made.FIRST, made.FIRST_DAYS = first, days
    return made


def _is_never_empty(one: Input) -> bool:
    return bool(one.options) and all(value for value, _ in one.options)


@dataclass(frozen=True)
class Question:
    """A kind of question: its route, and how the fields of the form become its body."""

    route: Route
    make: Callable[[Any], dict[str, Any]]
    groups: tuple[Group, ...]
    command: str
    """The `ecom` command that answers the same over files."""
    needs: tuple[str, ...] = ()
    """The fields that are required for an answer."""
    is_file_of_body: bool = False
    """Whether the body is the definition file, because the answer describes the definition in other words."""

    @property
    def inputs(self) -> list[Input]:
        """Return the fields of the form."""
        return [one for group in self.groups for one in group.inputs]


@dataclass(frozen=True)
class Outcome:
    """The result of a question: an answer with its body, or the error message and the field that it is about."""

    answer: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    sentence: str = ""
    about: str = ""


def context(view: View, question: Question) -> Outcome:
    """Return the answer for the form; the sections of a page share it."""
    kept: Outcome | None = getattr(view.request.state, "outcome", None)
    if kept is None:
        kept = view.request.state.outcome = _answer(view, question)
        if kept.answer:
            view.ranges.append(kept.answer["range"])
    return kept


def _answer(view: View, question: Question) -> Outcome:
    if any(not _value(view, name) for name in question.needs):
        return Outcome()
    try:
        body = model_of(question.route, "body").model_validate(question.make(view.filters))
        answer = question.route(view.context, Sliced.model_validate({"explain": True}), body)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if not str(part).startswith(("function", "list["))]
        sentence = "Fill this in: it has no default." if first["type"] == "missing" else f"{first['msg']}."
        return Outcome(sentence=sentence, about=_field_of_place(question, view, place))
    except EcomError as error:
        return Outcome(sentence=sentence_of(error), about=_field_of_sentence(question, view, str(error)))
    return Outcome(answer, body)


def _field_of_place(question: Question, view: View, place: list[str]) -> str:
    name = place[0] if place else ""
    if name == "steps":
        given = [one.name for one in question.inputs if one.name.startswith("step") and _value(view, one.name)]
        number = int(place[1]) if len(place) > 1 and place[1].isdigit() else len(given)
        return given[number] if number < len(given) else "step1"
    return next((one.name for one in question.inputs if name in {one.name, *one.words}), "")


def _field_of_sentence(question: Question, view: View, sentence: str) -> str:
    """Return the field whose value or name a sentence quotes; empty if none."""
    quoting = (one.name for one in question.inputs if (text := _value(view, one.name)) and f"'{text}'" in sentence)
    named = (one.name for one in question.inputs if any(f"{word} " in f"{sentence} " for word in one.words))
    return next(quoting, "") or next(named, "")


def _value(view: View, name: str) -> str:
    return str(getattr(view.filters, name)).strip()


@dataclass(frozen=True)
class BuilderForm(Block):
    """The form of a builder, with the refusal of its question."""

    template: ClassVar[str] = "builder.html"
    groups: Sequence[Group]
    values: Mapping[str, str]
    outcome: Outcome
    types: Sequence[str]
    columns: Sequence[str]
    shown: int = 0
    """The number up to which places of a list that grows are shown."""


def form(question: Question) -> Callable[[View], Block]:
    """Return the section with the form of a question."""

    def build(view: View) -> Block:
        outcome = context(view, question)
        values = {one.name: _value(view, one.name) for one in question.inputs}
        filled = [one.place for one in question.inputs if one.place and values[one.name]]
        return BuilderForm(
            question.groups,
            values,
            outcome,
            [row["event_type"] for row in event_types(view.context.reading)],
            [*CleanEvents.columns, "properties.key"],
            max([2, *filled]) + 1,
        )

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


def definition(question: Question) -> Callable[[View], Block]:
    """Return the section with the definition of a question."""

    def build(view: View) -> Block:
        outcome = context(view, question)
        answer = outcome.answer
        if not answer:
            return correct_first()
        as_json = jsonable_encoder(answer)
        defined = as_json["definition"]
        if question.is_file_of_body:
            defined = {"session_rule": defined["session_rule"], **outcome.body.as_definition()}
        return DefinitionBlock(
            yaml.safe_dump(definition_file(defined), sort_keys=False, allow_unicode=True),
            question.command,
            list(dict.fromkeys(answer["explain"]["sql"])),
            data_address("application/json", json.dumps(as_json, indent=1)),
            csv_address(answer),
        )

    return build


OF_THE_ANSWER: Final = {"timezone", "newest_date", "whole_until_date", "first_date", "last_date", "segment"}
"""The entries of an answer's definition that a definition file does not take."""


def definition_file(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of an answer as `--definition` takes it."""
    return {name: one for name, one in definition.items() if name not in OF_THE_ANSWER and one is not None}


def correct_first() -> Notice:
    """Return what the page says instead of an answer while the question is refused, or not asked yet."""
    return Notice("Complete the question above and ask it; then the answer is shown here.", is_shown_once=True)


def answered(question: Question, build: Callable[[Answer], Block]) -> Callable[[View], Block]:
    """Return a section that `build` makes from the answer, or a notice if there is no answer."""

    def section(view: View) -> Block:
        answer = context(view, question).answer
        return build(answer) if answer else correct_first()

    return section


def question_page(
    question: Question,
    sections: Sequence[Section],
    first: Mapping[str, str],
    days: int | None = None,
    **page: Any,  # noqa: ANN401 (fields of `Page`)
) -> Page:
    """Return the page of a question: its form, the sections of its answer, and its definition.

    `first` and `days` are those of `choices_of`; `page` has path, title, place and summary.
    """
    around = (Section("Question", form(question)), *sections, Section("Definition", definition(question)))
    asks = choices_of(f"{page['path'].capitalize()}Choices", question.groups, days, **first)
    return Page(sections=around, group="Behaviour", asks=asks, is_ad_hoc=True, **page)


def split(text: str) -> list[str]:
    """Return the parts of a text between commas."""
    return [one.strip() for one in text.split(",") if one.strip()]


def lines_of(text: str) -> list[str]:
    """Return the conditions of a text: one per line, or parted by semicolons."""
    return [one.strip() for line in text.splitlines() for one in line.split(";") if one.strip()]


def plain(fields: object, groups: Sequence[Group], *but: str) -> dict[str, Any]:
    """Return the values of a form's fields, without some of them, and the conditions in `where`."""
    inputs = [one for group in groups for one in group.inputs if one.name not in but]
    texts = {one.name: _number(one, getattr(fields, one.name).strip()) for one in inputs}
    return texts | ({"where": lines_of(str(texts["where"]))} if "where" in texts else {})


def body_from(groups: Sequence[Group]) -> Callable[[Any], dict[str, Any]]:
    """Return a function that makes the body of a route whose fields are those of the form."""
    return lambda fields: given(plain(fields, groups))


def _number(one: Input, text: str) -> str | int:
    return int(text) if one.kind == "number" and text.isdigit() else text


def exclusion(text: str) -> dict[str, Any] | str:
    """Return an exclusion in the format of `--exclude`; `a:2:3` is only between steps 2 and 3."""
    name, *steps = text.split(":")
    return given({"event_type": name, **dict(zip(("after", "before"), steps, strict=False))})


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not empty; the others have the default of the route or of a preset."""
    return {name: value for name, value in values.items() if value not in ("", [], {}, None)}
