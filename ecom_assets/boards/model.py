"""What people keep: saved questions, boards of tiles, annotations, and which board is the first screen."""

import re
import unicodedata
from datetime import date
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ecom_assets.all_questions import QUESTIONS, question_named
from ecom_assets.boards.shop_numbers import shop_numbers
from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.questions.answer import Kind
from ecom_assets.questions.fields import Choices
from ecom_assets.questions.model import Question, QuestionPart
from ecom_assets.tables.conditions import Group, parse_where
from ecom_assets.tables.queries import Period, TimeRange


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
WIDTHS: Final[tuple[Width, ...]] = ("third", "half", "two-thirds", "full")
"""How much of the page's width a tile takes, the narrowest first."""
MOST_TILES: Final = 40


def slug_of(name: str) -> str:
    """Return an id for a name: plain letters, digits and hyphens; `item` where it has none of these."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-") or "item"


class Kept(QuestionPart):
    """What people keep: it has an id and versions in the store, and is a file where it is reviewed like code."""

    KIND: ClassVar[str]
    """Its kind in the store, and the folder of its files."""

    @property
    def title(self) -> str:
        """What lists call it."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise if it cannot be shown, whatever else is kept; the base checks nothing more than the fields.

        Raises:
            EcomError: What is wrong, and where.
        """

    def to_file(self) -> dict[str, Any]:
        """Return it as a file or an answer has it: what is set, in the order of the fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class SavedQuestion(Kept):
    """A question that was saved from a builder, the API or a file."""

    KIND: ClassVar[str] = "questions"
    CALLED: ClassVar[str] = "a saved question"

    name: Title = Field(description="What lists call it", examples=["Checkout on phones"])
    description: str = Field("", max_length=2_000, description="What it is for, in a few sentences")
    owner: str = Field("", max_length=120, description="Who looks after it; by default who saved it first")
    kind: Annotated[str, Choices("kind of question", {name: said.summary for name, said in QUESTIONS.items()})] = Field(
        description="Which question it is", examples=["funnel"]
    )
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
    def title(self) -> str:
        """Return its name."""
        return self.name

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
        if not self.declared.has_route:
            raise DefinitionError(
                f"A question of the kind {self.kind!r} is asked of files only, so it cannot be saved."
            )
        try:
            self.question.ends(date(2026, 1, 31))  # whatever day the data end on: whether days go together
        except DefinitionError as error:
            raise DefinitionError(f"`definition` of {self.name!r}: {error}") from error

    @classmethod
    def of_question(cls, kind: str, question: Question, **about: str) -> Self:
        """Return a question to keep, with `name`, `description` and `owner`."""
        definition = question.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return cls.from_mapping({"kind": kind, "definition": definition, **about})


class BoardTile(QuestionPart):
    """A tile of a board: a saved question, or a number of the shop."""

    CALLED: ClassVar[str] = "a tile"

    question: Slug | None = Field(None, description="The id of a saved question", examples=["checkout-on-phones"])
    measure: str | None = Field(
        None, max_length=60, description="A number of the shop, by its name", examples=["revenue_amount"]
    )
    name: str = Field("", max_length=120, description="What the tile says in place of the question's or number's name")
    show: Literal["chart", "number", "table"] = Field("chart", description="How it is drawn")
    section: str = Field(
        "", max_length=120, description="Which section of the question's page; the first one if not given"
    )
    width: Width = Field("half", description="How much of the page's width it takes")

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a tile of both, of neither, or of a number that there is not."""
        if (self.question is None) == (self.measure is None):
            raise DefinitionError("A tile has either `question`, the id of a saved question, or `measure`; give one.")
        if self.measure is not None and self.measure not in shop_numbers():
            raise DefinitionError(
                f"The number {self.measure!r} is unknown; {did_you_mean(self.measure, shop_numbers())}."
            )
        return self


class Board(Kept):
    """A page of tiles, with one range of days and filters for all."""

    KIND: ClassVar[str] = "boards"
    CALLED: ClassVar[str] = "a board"

    name: Title = Field(description="What lists call it", examples=["Checkout"])
    description: str = Field("", max_length=2_000, description="What it is for, in a few sentences")
    owner: str = Field("", max_length=120, description="Who looks after it; by default who saved it first")
    time_range: TimeRange = Field("month", description="The days of all tiles, up to the newest")
    start_date: date | None = Field(None, description="First day where `time_range` is `custom`")
    end_date: date | None = Field(None, description="Last day of it, included")
    where: tuple[ConditionText, ...] = Field(
        (), max_length=20, description="What must hold of the events of all questions on it",
        examples=[["page_url contains /sale"]],
    )  # fmt: skip
    segment: str | None = Field(None, max_length=500, description="Only visitors of this declared segment")
    tiles: tuple[BoardTile, ...] = Field((), max_length=MOST_TILES, description="The tiles, in order")

    @property
    def title(self) -> str:
        """Return its name."""
        return self.name

    def check(self) -> None:
        """Raise if the days do not go together.

        Raises:
            DefinitionError: They do not.
        """
        Period.from_range(date(2026, 1, 31), self.time_range, self.start_date, self.end_date)

    def asked(self, saved: SavedQuestion, period: Period) -> Question:
        """Return a saved question for the board's days, and narrowed by its filters as far as it can be.

        Raises:
            DefinitionError: The question cannot be asked, or not of these days.
        """
        question, fields = saved.question, type(saved.question).model_fields
        days = ("first", "last_day") if "last_day" in fields else ("start_date", "end_date")  # a funnel's are of entry
        narrowed: dict[str, Any] = dict.fromkeys(("time_range", "start_date", "end_date", "last"))
        narrowed |= dict(zip(days, (period.start_date, period.end_date), strict=True))
        if self.where and "where" in fields:
            narrowed["where"] = Group("all_of", (question.where, parse_where(self.where)))  # type: ignore[attr-defined]  # among its fields
        if self.segment and question.segment is None:
            narrowed["segment"] = self.segment
        return question.changed(**narrowed)


class Annotation(Kept):
    """What happened on a day, such as a sale that began; charts over time mark it."""

    KIND: ClassVar[str] = "annotations"
    CALLED: ClassVar[str] = "an annotation"

    day: date = Field(description="The day", examples=["2026-03-03"])
    text: str = Field(min_length=1, max_length=280, description="What happened", examples=["Spring sale began"])

    @property
    def title(self) -> str:
        """Return the day and the text."""
        return f"{self.day}: {self.text}"


class FirstScreen(Kept):
    """Which board the dashboard begins with."""

    KIND: ClassVar[str] = "settings"
    CALLED: ClassVar[str] = "the first screen"
    SLUG: ClassVar[str] = "first-screen"

    board: Slug | None = Field(None, description="The id of a board; the overview if not given")

    @property
    def title(self) -> str:
        """Return what it is."""
        return "First screen"


KINDS: Final[tuple[type[Kept], ...]] = (SavedQuestion, Board, Annotation, FirstScreen)
