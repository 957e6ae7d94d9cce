"""What people keep: saved questions, boards of tiles, annotations,
and which board is the first screen.

Tiles and alerts are of saved questions or the shop's numbers, which are measures of the marts as
subjects declare them.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.measures import CartMeasures, ConversionMeasures
from ecom_assets.behaviour.questions.answer import Kind
from ecom_assets.behaviour.questions.fields import Choices, Day
from ecom_assets.behaviour.questions.model import Question, QuestionPart
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.commerce.costs.measures import HEADLINES, ProfitMeasures
from ecom_assets.commerce.marketing.measures import MarketingMeasures
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.tables.conditions import Group, parse_where
from ecom_assets.core.tables.contract import Column
from ecom_assets.core.tables.measures import measures_of, summable
from ecom_assets.core.tables.queries import Period, TimeRange
from ecom_assets.interfaces.all_questions import QUESTIONS, question_named


def _condition(text: str) -> str:
    parse_where([text])
    return text


LONGEST_SLUG: Final = 60
SLUG: Final = rf"^[a-z0-9](?:[a-z0-9-]{{0,{LONGEST_SLUG - 2}}}[a-z0-9])?$"
"""How an id is written: it is a part of addresses, and the name of a file."""
Slug = Annotated[str, Field(pattern=SLUG)]
Title = Annotated[str, Field(min_length=1, max_length=120)]
ConditionText = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_condition)]
"""A condition as it is written in one line, such as `page_url contains /sale`."""
Width = Literal["third", "half", "two-thirds", "full"]
"""How much of the page's width a tile takes."""
MOST_TILES: Final = 40
PERSONAL: Final = frozenset(name for name, column in CleanEvents.columns.items() if column.pii) | {
    "session_id"
}
"""Columns of events with personal data."""
Subject = Literal["sales", "profit", "marketing", "sessions", "conversion"]
OF_COSTS: Final = ("profit", "marketing")
"""The subjects whose numbers are for those only who may see costs."""
OF_ADS: Final = ("spend_amount", "credited_revenue_amount", "roas", "cost_per_new_customer")
CART_RATES: Final = ("cart_abandonment_rate", "checkout_abandonment_rate")


@dataclass(frozen=True)
class ShopNumber:
    """A number of the shop: what it is about, and its measure, with its label,
    format and meaning.
    """

    subject: Subject
    measure: Column

    @property
    def is_cost(self) -> bool:
        """Return whether it is for those only who may see costs."""
        return self.subject in OF_COSTS


@cache
def shop_numbers() -> Mapping[str, ShopNumber]:
    """Return the numbers by name, those of sales first."""
    carts = {name: measures_of(CartMeasures)[name] for name in CART_RATES}
    conversion = {**measures_of(ConversionMeasures), **carts}
    subjects: Mapping[Subject, Mapping[str, Column]] = {
        "sales": summable(SalesMeasures),
        "profit": {name: summable(ProfitMeasures)[name] for name in HEADLINES},
        "marketing": {name: summable(MarketingMeasures)[name] for name in OF_ADS},
        "sessions": summable(SessionMeasures),
        "conversion": conversion,
    }
    return {
        name: ShopNumber(subject, measure)
        for subject, measures in subjects.items()
        for name, measure in measures.items()
    }


def slug_of(name: str) -> str:
    """Return an id for a name: plain letters, digits and hyphens;
    `item` where it has none of these.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-") or "item"


class Kept(QuestionPart):
    """What people keep: it has an id and versions in the store,
    and is a file where it is reviewed like code.
    """

    KIND: ClassVar[str]
    """Its kind in the store, and the folder of its files."""

    @property
    def title(self) -> str:
        """What lists call it."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise if it cannot be shown, whatever else is kept;
        the base checks the characters of its texts.

        What was kept before with such characters can still be read, and changed.

        Raises:
            EcomError: What is wrong, and where.
        """
        for path, text in _texts_in(self.to_file()):
            name = path.partition(".")[0]
            if (refused := _refused_in(text, has_lines=name in OF_SEVERAL_LINES)) is not None:
                raise DefinitionError(f"`{path}` of {self.CALLED} has {refused}; leave it out.")

    def to_file(self) -> dict[str, Any]:
        """Return it as a file or an answer has it: what is set, in the order of the fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


OF_SEVERAL_LINES: Final = frozenset({"description", "definition", "form", "value", "where"})
"""Members of what people keep whose texts may have line breaks; names and notes are one line."""
_LINE_ENDS: Final = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def _refused_in(text: str, *, has_lines: bool) -> str | None:
    """Return what a text has that messages, files and databases cannot hold;
    None if there is nothing.
    """
    if "\0" in text:
        return "a NUL character (\\u0000)"
    if any(unicodedata.category(character) == "Cs" for character in text):
        return "half of a character (a lone surrogate, such as \\ud83d)"
    if not has_lines and any(character in _LINE_ENDS for character in text):
        return "a line break"
    allowed = _LINE_ENDS | {"\t"}
    if any(
        unicodedata.category(character) == "Cc" and character not in allowed for character in text
    ):
        return "a control character"
    return None


def _texts_in(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of a JSON value, each with its path; names of members too."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield path or "definition", name
            yield from _texts_in(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for number, element in enumerate(value):
            yield from _texts_in(element, f"{path}.{number}")


class NamedKept(Kept):
    """What people keep under a name, with a description of what it is for,
    and who looks after it.
    """

    name: Title = Field(description="What lists call it", examples=["Checkout on phones"])
    description: str = Field("", max_length=2_000, description="What it is for, in a few sentences")
    owner: str = Field(
        "", max_length=120, description="Who looks after it; by default who saved it first"
    )

    @property
    def title(self) -> str:
        """Return its name."""
        return self.name


class SavedQuestion(NamedKept):
    """A question that was saved from a builder, the API or a file."""

    KIND: ClassVar[str] = "questions"
    CALLED: ClassVar[str] = "a saved question"

    kind: Annotated[
        str,
        Choices(
            "kind of question",
            {name: question_kind.summary for name, question_kind in QUESTIONS.items()},
        ),
    ] = Field(description="Which question it is", examples=["funnel"])
    definition: dict[str, Any] = Field(
        description="The question, with its days, as its route takes it",
        examples=[{"steps": ["product_view", "add_to_cart", "purchase"], "last": "30d"}],
    )

    form: str = Field(
        "",
        max_length=8_000,
        description="The query of the builder's address that it was saved from; files leave it out",
    )

    @property
    def declared(self) -> Kind[Any, Any]:
        """Return the declaration of its kind."""
        return question_named(self.kind)

    @cached_property
    def question(self) -> Question:
        """The question.

        Raises:
            DefinitionError: It cannot be asked, such as after a column was renamed.
        """
        asked: Question = self.declared.question.from_mapping(self.definition)
        return asked

    def check(self) -> None:
        """Raise if the question cannot be asked.

        Raises:
            DefinitionError: What is wrong with it.
        """
        super().check()
        if not self.declared.has_route:
            raise DefinitionError(
                f"A question of the kind {self.kind!r} is asked of files only, so it cannot be "
                "saved."
            )
        try:
            self.question.ends(
                date(2026, 1, 31)
            )  # whatever day the data end on: whether days go together
        except DefinitionError as error:
            raise DefinitionError(f"`definition` of {self.name!r}: {error}") from error

    @classmethod
    def from_question(cls, kind: str, question: Question, **about: str) -> Self:
        """Return a question to keep, with `name`, `description` and `owner`."""
        definition = question.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return cls.from_mapping({"kind": kind, "definition": definition, **about})


TABLES: Final[Mapping[str, str]] = {
    "products": "Products",
    "categories": "Categories",
    "channels": "Channels",
    "customers": "Segments of customers",
}
"""The tables of the shop that a tile can be, with what they are called."""
WAYS: Final[Mapping[str, str]] = {
    "lines": "Lines",
    "bars": "Bars",
    "ranking": "Ranking",
    "number": "Number",
    "table": "Table",
}
"""What the answer to a trend can be shown as, with its label."""


def check_number_of(question: str | None, measure: str | None, subject: str) -> None:
    """Refuse a number that is of a saved question and of the shop, or of neither,
    or that there is not.

    Raises:
        DefinitionError: It is.
    """
    if (question is None) == (measure is None):
        raise DefinitionError(
            f"{subject} has either `question`, the id of a saved question, or `measure`; give one."
        )
    if measure is not None and measure not in shop_numbers():
        raise DefinitionError(
            f"The number {measure!r} is unknown; {did_you_mean(measure, shop_numbers())}."
        )


class BoardTile(QuestionPart):
    """A tile of a board: a saved question, or a number or a table of the shop."""

    CALLED: ClassVar[str] = "a tile"

    question: Slug | None = Field(
        None, description="The id of a saved question", examples=["checkout-on-phones"]
    )
    measure: str | None = Field(
        None,
        max_length=60,
        description="A number of the shop, by its name",
        examples=["revenue_amount"],
    )
    table: Literal["products", "categories", "channels", "customers"] | None = Field(
        None, description="A table of the shop, by its name", examples=["products"]
    )
    name: str = Field(
        "",
        max_length=120,
        description="What the tile says in place of the question's or number's name",
    )
    show: Literal["chart", "lines", "bars", "ranking", "number", "table"] = Field(
        "chart",
        description="How it is drawn: `chart` as the question was saved, or as fits it; lines, "
        "bars and a ranking are of trends",
    )
    section: str = Field(
        "",
        max_length=120,
        description="Which section of the question's page; default the first",
    )
    width: Width = Field("half", description="How much of the page's width it takes")

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a tile of several, of none, or of a number that there is not."""
        if self.table is None:
            check_number_of(self.question, self.measure, "A tile")
        elif self.question is not None or self.measure is not None:
            raise DefinitionError("A tile that has `table` has no `question` and no `measure`.")
        return self


class Board(NamedKept):
    """A page of tiles, with one range of days and filters for all."""

    KIND: ClassVar[str] = "boards"
    CALLED: ClassVar[str] = "a board"

    name: Title = Field(description="What lists call it", examples=["Checkout"])
    time_range: TimeRange = Field("month", description="The days of all tiles, up to the newest")
    start_date: Day | None = Field(None, description="First day where `time_range` is `custom`")
    end_date: Day | None = Field(None, description="Last day of it, included")
    where: tuple[ConditionText, ...] = Field(
        (),
        max_length=20,
        description="What must hold of the events of all questions on it",
        examples=[["page_url contains /sale"]],
    )
    segment: str | None = Field(
        None, max_length=500, description="Only visitors of this declared segment"
    )
    tiles: tuple[BoardTile, ...] = Field(
        (), max_length=MOST_TILES, description="The tiles, in order"
    )

    def check(self) -> None:
        """Raise if the days do not go together.

        Raises:
            DefinitionError: They do not, or a text has a character that cannot be shown.
        """
        super().check()
        Period.from_range(date(2026, 1, 31), self.time_range, self.start_date, self.end_date)

    def asked(self, saved: SavedQuestion, period: Period) -> Question:
        """Return a saved question for the board's days,
        and narrowed by its filters as far as it can be.

        Raises:
            DefinitionError: The question cannot be asked, or not of these days.
        """
        question, fields = saved.question, type(saved.question).model_fields
        days = (
            ("first", "last_day") if "last_day" in fields else ("start_date", "end_date")
        )  # a funnel's are of entry
        narrowed: dict[str, Any] = dict.fromkeys(("time_range", "start_date", "end_date", "last"))
        narrowed |= dict(zip(days, (period.start_date, period.end_date), strict=True))
        if self.where and "where" in fields:
            narrowed["where"] = Group("all_of", (question.where, parse_where(self.where)))  # type: ignore[attr-defined]  # among its fields
        if self.segment and question.segment is None and "segment" not in question.WITHOUT:
            narrowed["segment"] = self.segment
        return question.changed(**narrowed)


class Annotation(Kept):
    """What happened on a day, such as a sale that began; charts over time mark it."""

    KIND: ClassVar[str] = "annotations"
    CALLED: ClassVar[str] = "an annotation"

    day: Day = Field(description="The day", examples=["2026-03-03"])
    text: str = Field(
        min_length=1, max_length=280, description="What happened", examples=["Spring sale began"]
    )

    @property
    def title(self) -> str:
        """Return the day and the text."""
        return f"{self.day}: {self.text}"


GoalMeasure = Literal["revenue_amount", "order_count", "gross_profit_amount", "session_count"]
GOAL_MEASURES: Final[tuple[GoalMeasure, ...]] = get_args(GoalMeasure)
"""What a goal may be about: numbers of days add up to that of the month."""


class MonthGoal(Kept):
    """What a number of the shop should come to in a month."""

    KIND: ClassVar[str] = "goals"
    CALLED: ClassVar[str] = "a goal"

    measure: GoalMeasure = Field(
        description="Which number of the shop", examples=["revenue_amount"]
    )
    month: str = Field(
        pattern=r"^[12]\d{3}-(?:0[1-9]|1[0-2])$", description="The month", examples=["2026-11"]
    )
    amount: Decimal = Field(
        gt=0, max_digits=18, decimal_places=4, description="What it should come to", examples=[9000]
    )
    currency: str = Field(
        "",
        pattern="^(?:[A-Z]{3})?$",
        description="The currency of an amount; empty is that of the shop, whatever it is",
        examples=["EUR"],
    )

    @property
    def title(self) -> str:
        """Return which number it is of, and the month."""
        return f"{shop_numbers()[self.measure].measure.label}, {self.month}"

    @property
    def own_slug(self) -> str:
        """Return the id of the goal of this number and month: there is one."""
        return slug_of(f"{self.measure} {self.month}")


DIGEST_LENGTH: Final = 12
"""How many characters of a hash an id ends with, as names may differ in what a slug cannot have."""
Decision = Literal["done", "put_off", "dismissed"]


class FindingDecision(Kept):
    """What was decided on a row of what to look at, and how bad it was then."""

    KIND: ClassVar[str] = "decisions"
    CALLED: ClassVar[str] = "a decision"

    finding: str = Field(
        min_length=1,
        max_length=600,
        description="The id of the row, as `/analytics/findings` has it",
        examples=["conversion (checkout) 2 device mobile"],
    )
    finding_title: str = Field(
        min_length=1,
        max_length=600,
        description="What it said",
        examples=["Fewer went from checkout start to purchase on mobile"],
    )
    decision: Decision = Field(
        description="Whether it is done, put off until a day, or dismissed", examples=["put_off"]
    )
    reason: str = Field(
        "", max_length=280, description="Why; needed to dismiss it", examples=["The shop was shut"]
    )
    until: Day | None = Field(
        None, description="Until which day it is put off", examples=["2026-12-01"]
    )
    last_date: Day = Field(description="The last day that it was about", examples=["2026-11-26"])
    distance: float = Field(
        ge=0,
        description="How far the number was from what is usual, as a share of that; of stock, how "
        "many products",
        examples=[0.34],
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.decision == "dismissed" and not self.reason.strip():
            raise ValueError("say in `reason` why it is dismissed")
        if (self.decision == "put_off") != (self.until is not None):
            raise ValueError("`until` is the day to which it is put off; give it for put_off only")
        return self

    @property
    def title(self) -> str:
        """Return what was decided, and on what."""
        return f"{self.decision.replace('_', ' ').capitalize()}: {self.finding_title}"

    @property
    def own_slug(self) -> str:
        """Return the id of the decision on this row: there is one."""
        digest = sha256(self.finding.encode()).hexdigest()[:DIGEST_LENGTH]
        return f"{slug_of(self.finding)[: LONGEST_SLUG - DIGEST_LENGTH - 1].strip('-')}-{digest}"


class FirstScreen(Kept):
    """Which board the dashboard begins with."""

    KIND: ClassVar[str] = "settings"
    CALLED: ClassVar[str] = "the first screen"
    SLUG: ClassVar[str] = "first-screen"

    board: Slug | None = Field(None, description="The id of a board; default “Last week”")

    @property
    def title(self) -> str:
        """Return what it is."""
        return "First screen"


Mail = Annotated[str, Field(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=254)]
CLOCK_TIME: Final = r"(?:[01]\d|2[0-3]):[0-5]\d"
Every = Literal["hour", "day", "week"]
When = Literal["above", "below", "rises", "falls", "unexpected"]
USUAL_SPREADS: Final = 4.0
"""How many times its usual spread a number may be off before it is unexpected,
unless an alert says another bound.
"""
LEAST_SAMPLE: Final = 30
"""Of how many a number has to be to be worth a message, unless an alert says another count."""


class NumberAlert(NamedKept):
    """A number that is watched: of a saved question, or of the shop;
    and when it is worth a message.
    """

    KIND: ClassVar[str] = "alerts"
    CALLED: ClassVar[str] = "an alert"

    name: Title = Field(description="What messages call it", examples=["Checkout on phones"])
    description: str = Field(
        "", max_length=2_000, description="What to do about it, for those who get the message"
    )
    question: Slug | None = Field(
        None, description="The id of a saved question", examples=["checkout-on-phones"]
    )
    measure: str | None = Field(
        None, max_length=60, description="A number of the shop, by its name"
    )
    number: str = Field(
        "",
        max_length=200,
        description=(
            "Which number of the question's answer, such as `steps[step=3].count`; by "
            "default the conversion of a funnel, the first series of a trend, the share "
            "that came back of retention, the first measure of sales"
        ),
    )
    value: str | None = Field(
        None, max_length=500, description="Of which value of the question's breakdown"
    )
    every: Every = Field("day", description="Of which periods the number is watched")
    when: When = Field(
        "unexpected",
        description=(
            "When there is a message: `above` or `below` a bound, if it `rises` or "
            "`falls` by a share, or if it is `unexpected` for that weekday and hour"
        ),
    )
    limit: float | None = Field(
        None,
        description=(
            "The bound; the share that it rises or falls by, such as 0.2; for "
            f"`unexpected`, how many times the usual spread, by default {USUAL_SPREADS:g}"
        ),
    )
    least_count: int = Field(
        LEAST_SAMPLE,
        ge=0,
        le=1_000_000,
        description=(
            "A share of fewer is no incident, and no rise, fall or surprise of a count is where "
            "both it and what it is compared with are fewer; bounds of counts are as you set them"
        ),
    )
    compared_with: Literal["period_before", "week_before"] = Field(
        "week_before", description="What `rises` and `falls` compare with"
    )
    by: tuple[str, ...] = Field(
        ("channel", "product_category", "properties.device", "properties.country"),
        max_length=5,
        description="Columns of events whose values the message names as causes, for questions",
    )
    emails: tuple[Mail, ...] = Field(
        (), max_length=50, description="Who gets an e-mail; default ECOM_ALERT_EMAIL"
    )
    webhooks: tuple[str, ...] = Field(
        (), max_length=10, description="Names of ECOM_WEBHOOKS that get the message, too"
    )
    quiet: str | None = Field(
        None,
        pattern=rf"^{CLOCK_TIME}-{CLOCK_TIME}$",
        description="Hours of the shop without messages: what "
        "happens in them is sent when they are over",
        examples=["22:00-07:00"],
    )
    is_on: bool = Field(
        default=False, description="Whether it is watched; look at its back-test first"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a number of nothing or of two things, and a rule without its bound."""
        check_number_of(self.question, self.measure, "An alert")
        if self.when != "unexpected" and self.limit is None:
            raise DefinitionError(
                f"An alert that says when a number is or {self.when} needs `limit`, such as 0.2."
            )
        if (
            self.when in {"rises", "falls", "unexpected"}
            and self.limit is not None
            and self.limit <= 0
        ):
            raise DefinitionError(
                f"`limit` of an alert is above 0 where it is {self.when}, not {self.limit:g}."
            )
        for name in self.by:
            if name in PERSONAL:
                raise DefinitionError(
                    f"`by` of an alert names {name!r}, which is personal data; name other columns."
                )
        return self


class BoardMail(Kept):
    """A board that is sent by e-mail, again and again."""

    KIND: ClassVar[str] = "mails"
    CALLED: ClassVar[str] = "an e-mail of a board"

    board: Slug = Field(description="The id of a board", examples=["shop"])
    every: Literal["day", "week", "month"] = Field(
        "week", description="Each day, each Monday, or on the first of each month"
    )
    at: str = Field("07:00", pattern=rf"^{CLOCK_TIME}$", description="When, in the shop's zone")
    emails: tuple[Mail, ...] = Field(min_length=1, max_length=50, description="Who gets it")
    is_on: bool = Field(default=True, description="Whether it is sent")

    @property
    def title(self) -> str:
        """Return which board it is of, and how often."""
        return f"{self.board} by {self.every}"


KINDS: Final[tuple[type[Kept], ...]] = (
    SavedQuestion,
    Board,
    Annotation,
    NumberAlert,
    BoardMail,
    MonthGoal,
    FindingDecision,
    FirstScreen,
)
