"""The answer to an ad-hoc question: its typed model,
and the one function that computes it from a source of events.

Terms: docs/glossary.md#question and #kind.
"""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Annotated, Any, Final, Generic, TypeVar, get_args

import ibis.expr.types as ir
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic.fields import FieldInfo

from ecom_assets.behaviour.events.missing import missing_type_warnings
from ecom_assets.behaviour.identity.rule import TOOL_RULES, IdentityRule
from ecom_assets.behaviour.questions.fields import NEEDS_FIRST_DAY
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.behaviour.questions.source import (
    EventSource,
    Keep,
    OpenEvents,
    QuestionData,
    identity_rule,
)
from ecom_assets.behaviour.visitor_segments.segment import (
    VisitorSegment,
    columns_named,
    event_types,
    in_segment,
)
from ecom_assets.core.errors import DefinitionError, SourceError
from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.tables.contract import TEXT_FORMATS, Column
from ecom_assets.core.tables.currencies import USUAL_DIGITS, digits_of, rounded
from ecom_assets.core.tables.days import FIRST_DATE, Ends
from ecom_assets.core.tables.formats import plain_quantity
from ecom_assets.core.tables.queries import (
    EVENTS,
    Coverage,
    KnownDays,
    Period,
    TimeRange,
    cut,
    events_in_period,
    range_of,
)

CURRENCY: Final = (
    "Of all amounts, by ISO 4217; null where neither ECOM_CURRENCY nor the files say it"
)


class InCurrency(Decimal):
    """An amount that is shown in the digits of its currency."""

    currency: str = ""

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "InCurrency":
        """Return an amount with its currency."""
        result = cls(amount)
        result.currency = currency
        return result


def in_currency(value: Any, currency: str) -> Any:  # noqa: ANN401 (an answer, or a part of it)
    """Return an answer whose amounts are shown in the digits of its currency,
    if these are not the usual two.
    """
    if digits_of(currency) == USUAL_DIGITS:
        return value
    if isinstance(value, Mapping):
        return {name: in_currency(item, currency) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [in_currency(item, currency) for item in value]
    return InCurrency.of(value, currency) if isinstance(value, Decimal) else value


def _kept_in_currency(value: Any, handler: ValidatorFunctionWrapHandler) -> Decimal:  # noqa: ANN401 (as pydantic)
    result: Decimal = value if isinstance(value, InCurrency) else handler(value)
    return result


def money_text(amount: Decimal) -> str:
    """Return an amount as a decimal string, rounded to the digits of its currency."""
    return str(rounded(amount, getattr(amount, "currency", "")))


Money = Annotated[
    Decimal,
    WrapValidator(_kept_in_currency),
    PlainSerializer(money_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d{2,4})?$", "examples": ["1234.50"]}),
]
"""An amount as a decimal string, in the currency of the answer and in its digits by ISO 4217."""
Quantity = Annotated[
    Decimal,
    PlainSerializer(plain_quantity, return_type=int | float),
    WithJsonSchema({"type": "number", "examples": [530, 1.85]}),
]
"""How much of an item there is; an integer where it is whole."""
InUtc = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
"""An instant, which tables have without its time zone, with it."""
PeriodStart = Annotated[
    str,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
    ),
]
"""The first day of a period; of an hour its start, with the zone's offset."""
ORDERS: Final = "orders"
"""What a range calls order lines, which a question may be asked of in place of events."""
UNKNOWN: Final = "Nothing is known of these days."
"""What people read in place of numbers that are null because the data hold none of the days."""
ABOUT_THE_NUMBERS: Final = ("range", "definition", "explain")
"""The fields of answers that say what the numbers are;
the API leaves them out with `fields=numbers`.
"""


def number(label: str, format: str, meaning: str, **field: Any) -> Any:  # noqa: A002, ANN401 (as pydantic's `Field`)
    """Declare a number of an answer: what it is called, how it is shown, and what it means."""
    return Field(title=label, description=meaning, json_schema_extra={"format": format}, **field)


def field_of(column: Column, null_where: str = "") -> Any:  # noqa: ANN401 (pydantic's `Field` returns `Any`)
    """Return a field with the label, meaning, unit, format and example of a measure,
    or of a contract's column.

    `null_where` says when it is null though the column is not.
    """
    if null_where:
        column = replace(column, description=f"{column.description}; null where {null_where}")
    unit = f" [{column.unit}]" if column.unit else ""
    field: FieldInfo = Field(
        title=column.label or None,
        description=f"{column.description}{unit}",
        examples=None if column.example is None else [column.example],
        json_schema_extra={"format": column.shown_as}
        if column.shown_as not in TEXT_FORMATS
        else None,
    )
    field.metadata.append(column)
    return field


def answer_column(field: FieldInfo) -> Column | None:
    """Return the measure or column that a field is declared by; None without one."""
    return next((data for data in field.metadata if isinstance(data, Column)), None)


def meaning_of(field: FieldInfo) -> str:
    """Return what a field means: what the measure or column means that it is declared by,
    if there is one.
    """
    return str((answer_column(field) or field).description)


def definition_of(answer: type[BaseModel], *names: str) -> dict[str, str]:
    """Return what fields of an answer, or of its parts and rows, mean, by name;
    of several of a name, the first.
    """
    fields = _fields_of(answer)
    return {name: meaning_of(fields[name]) for name in names}


@cache
def _fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    result = dict(model.model_fields)
    for name, field in model.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):
            if (
                name not in ABOUT_THE_NUMBERS
                and isinstance(part, type)
                and issubclass(part, BaseModel)
            ):
                result = _fields_of(part) | result
    return result


class SourceDays(BaseModel):
    """The known days of a range, and of the range before it."""

    data: Coverage | None = Field(
        description="How many days of the range the data hold: the others are not known, and "
        "where it is `none`, every number is null",
        examples=["whole"],
    )
    known_from: date | None = Field(
        description="First of its days that is known; null where none is"
    )
    known_to: date | None = Field(description="Last of them")
    held_days: list[date] = Field(
        description=(
            "Those of its days whose order lines are held back, wholly or in part: released, "
            "they may change"
        ),
        examples=[["2026-03-03"]],
    )
    missing_days: list[date] = Field(
        description="Those of its days of which nothing was received, though days before and "
        "after have rows: what happened on them is not known, and counts nowhere",
        examples=[["2026-03-04"]],
    )
    previous_data: Coverage | None = Field(
        description="How many of the days before the data hold; changes are given only where both "
        "are `whole`, and where it is `none` no numbers of these days either",
        examples=["whole"],
    )
    previous_known_from: date | None = Field(
        description="First of these that is known; null where none is"
    )
    previous_known_to: date | None = Field(description="Last of them")
    previous_held_days: list[date] | None = Field(
        description="Those of these whose order lines are held back"
    )
    previous_missing_days: list[date] | None = Field(
        description="Those of these of which nothing was received"
    )


class Range(SourceDays):
    """The days that an answer covers, including both ends,
    and the days that it is compared with.
    """

    time_range: TimeRange | None = Field(
        description="As requested; null for a state as of a day", examples=["month"]
    )
    start_date: date = Field(description="First day")
    end_date: date = Field(description="Last day")
    day_count: int = Field(description="How many days these are", examples=[30])
    timezone: str = Field(description="The time zone of the days", examples=["UTC"])
    provisional_from: date | None = Field(
        description="First of the known days that was not over when the data were read or "
        "published: its numbers will grow; null where all were over"
    )
    previous_start_date: date | None = Field(description="First of as many days right before")
    previous_end_date: date | None = Field(description="Last of these")
    sources: dict[str, SourceDays] = Field(
        description="The same of each source that the numbers are counted from: `orders`, "
        "`purchase_events`, `events`, `stock`; above is what all of them know"
    )


class TableExplained(BaseModel):
    """A table that an answer was read from."""

    model_config = ConfigDict(extra="allow")

    table: str = Field(description="Layer and name", examples=["mart.revenue_daily"])
    dagster_url: str = Field(description="The asset in Dagster's UI")
    row_count: int | None = Field(None, description="Its rows")
    data_version: str | None = Field(
        None, description="Version of its rows: equal versions have equal rows"
    )
    run_id: str | None = Field(None, description="The Dagster run that made it last")
    asset_version: str | None = Field(None, description="Dagster's data version of the asset")
    materialized_at: str | None = Field(None, description="When that was, in UTC")


class Explained(BaseModel):
    """Where an answer comes from."""

    sql: list[str] = Field(description="The queries to the store, in order")
    tables: list[TableExplained] = Field(description="The tables that were read")


def may_lack_what_is_about_numbers(schema: dict[str, Any]) -> None:
    """Describe the fields that `fields=numbers` leaves out as ones that an answer may lack."""
    schema["required"] = [name for name in schema["required"] if name not in ABOUT_THE_NUMBERS]


class AnswerFields(BaseModel):
    """The fields of every answer."""

    model_config = ConfigDict(json_schema_extra=may_lack_what_is_about_numbers, defer_build=True)

    range: Range = Field(description="The days that the answer covers")
    data_as_of: date = Field(description="The newest day in the data")
    data_version: str | None = Field(
        description="Version of the published tables: equal versions give "
        "equal answers; null for files"
    )
    currency: str | None = Field(description=CURRENCY, examples=["EUR"])
    definition: dict[str, Any] = Field(description="What the numbers mean")
    explain: Explained | None = Field(
        None, description="Where the numbers come from, with `explain=true`"
    )


class Rows(BaseModel):
    """How many rows of files were read, and why not all of them are counted."""

    read: int = Field(description="Rows that were read")
    counted: int = Field(description="Those of them that count")
    rejected: dict[str, int] = Field(description="The others by reason, the most frequent first")
    unread: dict[str, int] = Field(
        default_factory=dict,
        exclude_if=operator.not_,
        description=(
            "Rows that count with a value that cannot be read and is not known, by its name; "
            "left out if none"
        ),
    )
    notes: list[str] = Field(
        default_factory=list,
        exclude_if=operator.not_,
        description=(
            "What else to know of the rows: local times that name two instants, rows that stand "
            "for several events; left out if nothing"
        ),
    )


class QuestionAnswer(AnswerFields):
    """The fields of every answer to an ad-hoc question."""

    event_count: int = Field(description="Events that were looked at")
    total_count: int | None = Field(None, description="How many rows its list has")
    rows: Rows | None = Field(None, description="The rows of files; null for published tables")
    before: dict[str, Any] | None = Field(
        None,
        description=(
            "The same answer for the days that it is compared with, if such are asked and known"
        ),
    )
    compared: dict[str, Any] | None = Field(
        None,
        description=(
            "The same answer with visitors by the identity rule that it is compared with, if "
            "one is asked"
        ),
    )
    warnings: list[str] = Field(
        default_factory=list,
        description=(
            "Reasons to doubt the answer, such as event types that no event has, a sentence each"
        ),
    )


Q = TypeVar("Q", bound=Question)
A = TypeVar("A", bound=QuestionAnswer)
M = TypeVar("M", bound=BaseModel)


def no_check(_question: Any, _source: EventSource) -> None:  # noqa: ANN401 (any question)
    """Refuse nothing before rows are read."""


def no_lines(_answer: Answer) -> list[str]:
    """Return nothing, as a question without a command prints."""
    return []


@dataclass(frozen=True)
class Kind(Generic[Q, A]):
    """A kind of question, as each subject that answers one declares it.

    Attributes:
        name: What the command and the page are called.
        question: The model of the question.
        answer: The model of the answer.
        compute: Returns the fields of the answer from a question and its events.
        summary: What it is, in a few words.
        lines: Returns what the command prints of an answer as JSON; nothing for a question without
            a command.
        tool: The name of the tool for assistants, if it is not `name`.
        lists: The lists of the answer that come a page at a time: the first of them that has rows.
        without: What is missing where there is no event at all, as an end of a sentence; empty if
            all numbers are 0 then. They are null where there are events, but none of the days is
            known.
        of_orders: Whether the command takes order lines too, in place of events.
        only_orders: Whether it is asked of order lines, by the command, the route and the page.
        takes_empty: Whether files of orders without a line are answered too, with 0 everywhere.
        has_route: Whether the API and the dashboard have it too, not only the command.
        writes: The option of the command with a file for the rows behind the answer, and its help.
        compares_itself: Whether `compute` has the days that are compared in its own lists, by
            period.
        check: Refuses a question that a source is too large for, before its rows are read.
    """

    name: str
    question: type[Q]
    answer: type[A]
    compute: Callable[[Q, QuestionData], Answer]
    summary: str
    tool: str = ""
    lists: Sequence[str] = ()
    lines: Callable[[Answer], list[str]] = no_lines
    without: str = ""
    of_orders: bool = False
    only_orders: bool = False
    takes_empty: bool = False
    has_route: bool = True
    writes: tuple[str, str] | None = None
    compares_itself: bool = False
    check: Callable[[Q, EventSource], None] = no_check

    @property
    def path(self) -> str:
        """The path of its route."""
        return f"/analytics/{self.name}"


def answer(
    kind: Kind[Q, A],
    question: Q,
    source: EventSource,
    *,
    keep: Keep | None = None,
    page: tuple[int | None, int] = (None, 0),
) -> A:
    """Return the answer to a question.

    Args:
        kind: What is asked.
        question: The question.
        source: Where the events come from.
        keep: Receives the rows behind the answer.
        page: How many rows of its list to return, None for all, and how many to leave out before
            them.

    Raises:
        EcomError: The question does not fit the events, or the source has none or refuses it.
    """
    if question.compare and not question.has_first_day:
        raise DefinitionError(NEEDS_FIRST_DAY)
    if question.compare and not kind.compares_itself:
        return _beside_other_days(kind, question, source, keep, page)
    if question.compare_identity:
        return _compared(kind, question, source, keep, page)
    question = question.translated(source.translate)
    identity = _identity_of(question, source)
    segment = _segment_of(question, source)
    of_segment = columns_named(segment) if segment else []
    source.allow([*question.columns, *of_segment])
    kind.check(question, source)
    with source.open([*question.read_columns, *of_segment], question.timezone, identity) as opened:
        if kind.without and opened.newest_at is None:
            raise SourceError(
                f"None of the rows counts as an event, so {kind.without}.{source.nothing()}"
            )
        data = _data_of(question, source, opened, segment, keep)
        numbers = kind.compute(question, data)
        numbers["definition"] |= _asked_of(segment, identity)
        return _answer_of(kind, question, data, numbers, page)


def _answer_of(
    kind: Kind[Q, A],
    question: Q,
    data: QuestionData,
    numbers: Answer,
    page: tuple[int | None, int],
) -> A:
    """Return the answer with these numbers, if its days are known."""
    doubts, of_days = [*numbers.pop("warnings", ()), *_doubts(data)], _unknown_days(question, data)
    of_source = data.opened.warnings()
    document = {
        **_days_of(question, data),
        "definition": numbers.pop("definition"),
        "event_count": data.extent.event_count,
        **_page_of(numbers, kind.lists, page),
        **data.source.facts(),
    }
    if not is_unknown(document):
        document = in_currency(document, document.get("currency") or "")
        return kind.answer.model_validate(
            document | {"warnings": [*dict.fromkeys((*of_days, *doubts, *of_source))]}
        )
    # Whatever else is said of events would be about days without any.
    return _without_numbers(
        kind.answer.model_validate(document | {"warnings": [*of_days, *of_source], "notes": []})
    )


def _compared(
    kind: Kind[Q, A],
    question: Q,
    source: EventSource,
    keep: Keep | None,
    page: tuple[int | None, int],
) -> A:
    """Return the answer with, in `compared`, that by another identity rule."""
    plain = question.changed(compare_identity=None)
    other = answer(kind, plain.changed(identity=question.compare_identity), source, page=page)
    own = answer(kind, plain, source, keep=keep, page=page)
    if "user_id" not in source.lacking:
        own.definition.setdefault("identity", source.settings.identity)
    return own.model_copy(update={"compared": other.model_dump(mode="json", by_alias=True)})


def _beside_other_days(
    kind: Kind[Q, A],
    question: Q,
    source: EventSource,
    keep: Keep | None,
    page: tuple[int | None, int],
) -> A:
    """Return the answer with, in `before`, that for the days that it is compared with,
    if one of them is known.
    """
    own = answer(kind, question.changed(compare=None), source, keep=keep, page=page)
    period = period_of(own.model_dump(include={"range", "entries"}))
    first, last = question.compared_days(period.start_date, period.end_date)
    other = answer(kind, question.changed(compare=None).on_days(first, last), source, page=page)
    before = other.model_dump(mode="json", by_alias=True)
    if period_of(before).is_unknown:
        warning = f"The data hold none of {first} to {last}, so there is nothing to compare with."
        return own.model_copy(update={"warnings": [*own.warnings, warning]})
    return own.model_copy(update={"before": before})


def period_of(document: NamedValues) -> Period:
    """Return the days of an answer, and which are known: the days of entry into a funnel,
    where they are requested.
    """
    entered, covered = document.get("entries"), document["range"]
    ends = (
        (entered["first_date"], entered["last_date"])
        if entered
        else (covered["start_date"], covered["end_date"])
    )
    first, last = (date.fromisoformat(str(day)) for day in ends)
    return Period(
        "custom",
        first,
        last,
        {name: _known_days_of(days) for name, days in covered["sources"].items()},
    )


def _known_days_of(days: NamedValues) -> KnownDays:
    source = SourceDays.model_validate(days)
    return KnownDays(
        source.known_from,
        source.known_to,
        tuple(source.held_days),
        missing=tuple(source.missing_days),
    )


def in_place_of_numbers(document: NamedValues) -> str:
    """Return what people read in place of an answer that nothing is known of;
    empty where it can be shown.

    A trend is shown in any case, because the period before it may be known.
    """
    return UNKNOWN if is_unknown(document) and not document.get("series") else ""


def is_unknown(document: NamedValues) -> bool:
    """Return whether the numbers of an answer are null, because the data hold none of its days.

    Without any event at all they are 0: files are all the data that there is.
    """
    rows = document.get("rows")
    return period_of(document).is_unknown and (rows is None or rows["counted"] > 0)


def _without_numbers(result: A) -> A:
    """Return an answer without the numbers that nothing is known of.

    What its rows are called stays where the question names them, such as steps and series.
    """
    unknown = _unknown_part(result, kept=QuestionAnswer.model_fields.keys())
    return unknown.model_copy(update={"total_count": result.total_count or None})


def _unknown_part(part: M, kept: Collection[str] = ()) -> M:
    fields = type(part).model_fields
    return part.model_copy(
        update={
            name: _unknown(getattr(part, name), info)
            for name, info in fields.items()
            if name not in kept
        }
    )


def _unknown(value: Any, info: FieldInfo) -> Any:  # noqa: ANN401 (the value of any field)
    """Return a field's value without its numbers; those that cannot be null say what a row is,
    such as a step's.

    Lists of numbers by period know themselves which of them are null, as those of the period before
    may be known.
    """
    if isinstance(value, BaseModel):
        return _unknown_part(value)
    if isinstance(value, list):
        return [_unknown_part(item) if isinstance(item, BaseModel) else item for item in value]
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    extra = info.json_schema_extra
    is_number = is_number or (isinstance(extra, dict) and extra.get("format") == "money")
    return None if is_number and NoneType in get_args(info.annotation) else value


def visitors_by(document: NamedValues) -> str:
    """Return the heading of one of two answers that are compared:
    the identity rule that its visitors are found by.
    """
    return f"Visitors by {document['definition'].get('identity', 'ECOM_IDENTITY')}"


def _identity_of(question: Question, source: EventSource) -> IdentityRule | None:
    """Return the identity rule of a question, or of the tool whose preset it has;
    None for that of the settings.

    Events without users and devices keep the visitors that they have, unless the question itself
    names a rule.
    """
    name = question.identity
    if name is None and not (source.of_orders or "user_id" in source.lacking):
        name = TOOL_RULES.get(getattr(question, "preset", None) or "")
    return identity_rule(source.settings, name) if name else None


def _asked_of(segment: VisitorSegment | None, identity: IdentityRule | None) -> dict[str, Any]:
    """Return the part of a definition that says which visitors a question is about."""
    of_segment = {"segment": segment.to_mapping()} if segment else {}
    return of_segment | ({"identity": identity.name} if identity else {})


def _segment_of(question: Question, source: EventSource) -> VisitorSegment | None:
    segment = None if question.segment is None else source.segment(question.segment)
    return segment and segment.translated(source.translate)


def _data_of(
    question: Question,
    source: EventSource,
    opened: OpenEvents,
    segment: VisitorSegment | None,
    keep: Keep | None,
) -> QuestionData:
    newest = opened.known.last or FIRST_DATE
    days = question.ends(newest)
    period = None if question.reads_all or days == (None, None) else _period(days, opened)
    extent = opened.extent(period)

    def of_visitors(events: ir.Table) -> ir.Table:
        return in_segment(events, segment, question.as_of(newest)) if segment else events

    def narrowed(events: ir.Table) -> ir.Table:
        return events_in_period(of_visitors(events), period)

    events = opened.events()
    return QuestionData(
        opened.con,
        narrowed(events),
        of_visitors(events),
        days,
        extent,
        source,
        opened,
        segment,
        keep,
        narrowed,
    )


def _period(days: Ends, opened: OpenEvents, name: TimeRange = "custom") -> Period:
    known_days = opened.known
    first = days[0] or min(known_days.first or FIRST_DATE, days[1] or date.max)
    return Period(name, first, days[1] or max(known_days.last or first, first))


def _unknown_days(question: Question, data: QuestionData) -> list[str]:
    """Return a sentence if there are no data of any of the days."""
    known_days = data.opened.known
    if known_days.first is None or known_days.last is None:
        return []
    first, last = question.counted_days(known_days.last)
    if (first or known_days.first) <= known_days.last and (
        last or known_days.last
    ) >= known_days.first:
        return []
    days = (
        f"{first} to {last}"
        if first and last
        else f"days from {first} on"
        if first
        else f"days up to {last}"
    )
    return [
        f"The data are of {known_days.first} to {known_days.last}, so nothing is known of {days}."
    ]


def _doubts(data: QuestionData) -> list[str]:
    """Return a sentence for each event type of the visitor segment that no event has."""
    if data.segment is None:
        return []
    return missing_type_warnings(
        data.con, data.opened.events(), event_types(data.segment), data.source.source_names
    )


def _page_of(numbers: Answer, lists: Sequence[str], page: tuple[int | None, int]) -> Answer:
    names = [name for name in lists if name in numbers]
    if not names:
        return numbers
    listed = next((name for name in names if numbers[name]), names[0])
    return cut(numbers, listed, *page)


def _days_of(question: Question, data: QuestionData) -> Answer:
    """Return the days that the answer covers, and the newest one in the data."""
    opened, newest = data.opened, data.source.newest_date or data.opened.known.last or FIRST_DATE
    if data.days == (None, None):
        period = data.extent.period(newest)
    else:
        period = _period(data.days, opened, question.time_range or "custom")
    period = replace(period, known={ORDERS if data.source.of_orders else EVENTS: opened.known})
    return {"range": range_of(period, opened.timezone, data.source.known_at), "data_as_of": newest}
