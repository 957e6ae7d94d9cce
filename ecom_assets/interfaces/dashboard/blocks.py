"""What a section of a page shows: tiles, a chart, a table, a notice, or a template of its own."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ecom_assets.behaviour.questions.answer import answer_column, meaning_of
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.contract import Contract, Ratio
from ecom_assets.core.tables.formats import direction_of
from ecom_assets.core.tables.intervals import FEW, differs
from ecom_assets.interfaces.dashboard.formats import Kind, in_words

WIDTH, HEIGHT, MARGIN = 120, 32, 3
FEWEST: Final = 2
"""The fewest known values that make a line."""
Number = int | float | Decimal | None


def sparkline(values: Sequence[Number]) -> list[str]:
    """Return the points of lines through values in the order of time: an unknown one ends a line,
    too few make none.
    """
    numbers = [float(value) for value in values if value is not None]
    if len(numbers) < FEWEST:
        return []
    low, span = min(numbers), (max(numbers) - min(numbers)) or 1.0
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    lines: list[list[str]] = [[]]
    for position, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            height = HEIGHT - MARGIN - (float(value) - low) / span * (HEIGHT - 2 * MARGIN)
            lines[-1].append(f"{MARGIN + position * step:.1f},{height:.1f}")
    return [" ".join(line) for line in lines if line]


RIGHT: Final = {
    "count",
    "quantity",
    "decimal",
    "times",
    "money",
    "rate",
    "change",
    "seconds",
    "score",
}
"""The kinds of values that are aligned right, so that their digits stand under each other."""


@dataclass(frozen=True)
class Why:
    """Which number a link to the page "Why a number" is about: a column of a table,
    where other columns have values.
    """

    table: Contract
    column: str
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """One thing in a section; `template` is the file in `templates/blocks/`
    that renders it as `block`.
    """

    template: ClassVar[str]


@dataclass(frozen=True)
class Nothing(Block):
    """Leaves the section out."""


@dataclass(frozen=True)
class Tile:
    """A number with its definition and, where there is one, its change since the period before.

    An unknown number is None, and so is the change between two that cannot be compared. `better` is
    the direction of a change that is good, None if neither is; `trend` is the `sparkline` of the
    number, `why` says where it can be traced from, and `href` is a page that says more. A number
    may stand beside that of a year before, too.
    """

    label: str
    value: Any
    kind: Kind
    definition: str
    previous: Any = None
    change: float | None = None
    better: Literal["up", "down"] | None = "up"
    trend: Sequence[str] = ()
    why: Why | None = None
    href: str = ""
    year_before: Any = None
    year_change: float | None = None
    of: float | None = None
    """Of a share, how many it is a share of."""
    is_beyond_chance: bool | None = None
    """Of a change of a share, whether it is more than chance; None where that is not known."""
    lacks: str = ""
    """The number's name where it is not known, and a page may fill it (`filled_by`)."""

    @classmethod
    def from_field(
        cls,
        model: type[BaseModel],
        name: str,
        value: Any,  # noqa: ANN401 (any number)
        definition: str = "",
        **more: Any,  # noqa: ANN401 (as its attributes)
    ) -> "Tile":
        """Return the tile of a number of an answer, as its model declares it."""
        field = model.model_fields[name]
        column = answer_column(field)
        definition = definition or meaning_of(field).partition(";")[0] + "."
        better = column.better if column else "up"
        lacks = name if value is None else ""
        more = {"better": better, "lacks": lacks, **more}
        return cls(str(field.title), value, format_of(field), definition, **more)

    def direction(self, change: float) -> str:
        """Return whether a change is up, down or flat."""
        return direction_of(change)

    def feeling(self, change: float) -> str:
        """Return whether a change is good or bad; empty if it is neither."""
        direction = self.direction(change)
        if self.better is None or direction == "flat":
            return ""
        return "good" if direction == self.better else "bad"


@dataclass(frozen=True)
class Tiles(Block):
    """Several numbers side by side."""

    template: ClassVar[str] = "tiles.html"
    tiles: Sequence[Tile]
    compared: bool = True
    before: str = "before"
    """The label of the smaller number, if that is not a change."""

    @classmethod
    def from_fields(
        cls,
        model: type[BaseModel],
        numbers: NamedValues,
        names: Iterable[str],
        *,
        answer: NamedValues | None = None,
        why: Callable[[str], Why | None] | None = None,
    ) -> "Tiles":
        """Return numbers of an answer, as its model declares them; with `answer` they mean what
        that says, and `why` returns where each can be traced from.
        """
        return cls(
            tuple(
                Tile.from_field(
                    model,
                    name,
                    numbers[name],
                    meaning(answer, name) if answer else "",
                    lacks=lacking_of(model, name, numbers),
                    why=why(name) if why else None,
                )
                for name in names
            ),
            compared=False,
        )


def format_of(field: FieldInfo) -> Any:  # noqa: ANN401 (one of the formats of numbers)
    """Return how a number of an answer is shown; None for what is not a number."""
    declared = field.json_schema_extra
    return declared.get("format") if isinstance(declared, dict) else None


def ratio_of(row: type[BaseModel], name: str) -> tuple[str, ...]:
    """Return the fields of an answer of which a number is the ratio; none of another number, or
    where the answer lacks one.
    """
    fields = row.model_fields
    column = answer_column(fields[name])
    ratio = column.counted_as if column else None
    names = (ratio.part, ratio.whole) if isinstance(ratio, Ratio) else ()
    return names if all(name in fields for name in names) else ()


def is_lacking(value: object, ratio: Sequence[str], numbers: NamedValues) -> bool:
    """Return whether a number is not known, and is no known number divided by nothing."""
    if value is not None or not ratio:
        return value is None
    part, whole = (numbers.get(name) for name in ratio)
    return part is None or whole is None or whole > 0


def lacking_of(model: type[BaseModel], name: str, numbers: NamedValues) -> str:
    """Return the name of a number of an answer that is not known; empty if it is."""
    return name if is_lacking(numbers[name], ratio_of(model, name), numbers) else ""


def whole_of(row: type[BaseModel], name: str) -> str:
    """Return the field of an answer that says how many a number is a share of; empty if it is no
    share, or one of an amount.
    """
    fields = row.model_fields
    column = answer_column(fields[name])
    ratio = column.counted_as if column else None
    if not isinstance(ratio, Ratio) or ratio.whole not in fields:
        return ""
    is_share = format_of(fields[name]) == "rate" and format_of(fields[ratio.whole]) == "count"
    return ratio.whole if is_share else ""


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    `bar` is the name of a field from 0 to 1 that is drawn as a bar beside the value. `href` is the
    name of a field with the address that the value links to. `is_on_one_line` is for ids, which are
    broken at any sign. Of a share, `of` is the name of the field that says how many it is a share
    of: the count stands beside it if it has no column, and over it the range that chance allows.
    `ratio` has the names of the fields of which a number is the ratio. `fills` is what a number is
    called in `filled_by`, if that is not its name, and `named_by` the name of the field that says
    it, where rows are of several.
    """

    name: str
    label: str
    kind: Kind = "text"
    bar: str = ""
    href: str = ""
    is_on_one_line: bool = False
    of: str = ""
    ratio: Sequence[str] = ()
    fills: str = ""
    named_by: str = ""

    @classmethod
    def from_field(cls, row: type[BaseModel], name: str, **more: Any) -> "TableColumn":  # noqa: ANN401 (as its attributes)
        """Return the column of a field of an answer, as the model of its rows declares it."""
        field = row.model_fields[name]
        more = {"of": whole_of(row, name), "ratio": ratio_of(row, name), **more}
        return cls(name, field.title or in_words(name), format_of(field) or "text", **more)

    @classmethod
    def from_fields(
        cls, row: type[BaseModel], *names: str, bars: Collection[str] = ()
    ) -> "tuple[TableColumn, ...]":
        """Return the columns of fields of an answer; those in `bars` are drawn as bars too."""
        return tuple(cls.from_field(row, name, bar=name if name in bars else "") for name in names)

    def lacks(self, row: NamedValues) -> str:
        """Return the name of a row's number that is not known, and that a page may fill."""
        if not is_lacking(row[self.name], self.ratio, row):
            return ""
        return str(row[self.named_by]) if self.named_by else self.fills or self.name

    @property
    def is_right(self) -> bool:
        """Return whether the values are aligned right."""
        return self.kind in RIGHT

    @property
    def is_whole(self) -> bool:
        """Return whether a value stays on one line, as a date that is broken cannot be read."""
        return self.is_on_one_line or self.kind in {"date", "instant"}


CHANCE: Final = TableColumn("chance", "By chance", is_on_one_line=True)
"""The range that chance allows the share before it."""
BEYOND_CHANCE: Final = TableColumn("against", "Beyond chance", is_on_one_line=True)
"""Whether a share is higher or lower than that of all other values by more than chance."""


@dataclass(frozen=True)
class DataTable(Block):
    """Rows of an answer; `csv` is the address of all of them."""

    template: ClassVar[str] = "table.html"
    rows: Sequence[NamedValues]
    columns: Sequence[TableColumn]
    csv: str = ""
    note: str = ""
    definition: str = ""
    empty: str = "There is nothing to show for these days."
    why: Why | None = None


@dataclass(frozen=True)
class Chart(Block):
    """A Vega-Lite or Vega specification with its data, the same data as a table,
    and the address of their CSV.

    The specification has no data, sizes of text or colours: `static/dashboard.js` adds those of the
    theme, and `rows` as its `values`. `description` is a sentence for those who cannot see the
    chart, `height` is in pixels, and `empty` is said in place of a chart without rows. `links` are
    what can be asked next: the words of each, and its address.
    """

    template: ClassVar[str] = "chart.html"
    spec: NamedValues
    rows: Sequence[NamedValues]
    columns: Sequence[TableColumn]
    description: str
    csv: str = ""
    height: int = 280
    definition: str = ""
    note: str = ""
    empty: str = "There is nothing to draw for these days."
    why: Why | None = None
    links: Sequence[tuple[str, str]] = ()
    is_table_open: bool = False
    """Whether the table stands below the chart at once."""
    MOST_SHOWN: ClassVar[int] = 400
    """Rows of the table of a chart whose CSV has them all: years of days make a page slow."""

    @property
    def shown_rows(self) -> Sequence[NamedValues]:
        """Return the rows of the table."""
        return self.rows[: self.MOST_SHOWN] if self.csv else self.rows


@dataclass(frozen=True)
class Notice(Block):
    """A sentence, such as which setting is missing."""

    template: ClassVar[str] = "notice.html"
    text: str
    tone: Literal["info", "empty", "bad", "good"] = "empty"
    is_shown_once: bool = False
    """Whether a page shows only the first of the sections that say this."""


@dataclass(frozen=True)
class Caption(Block):
    """A sentence about the next block, such as its days."""

    template: ClassVar[str] = "caption.html"
    text: str


@dataclass(frozen=True)
class Heading(Block):
    """What the next block of a section is about."""

    template: ClassVar[str] = "heading.html"
    text: str


@dataclass(frozen=True)
class Several(Block):
    """Several blocks under one heading."""

    template: ClassVar[str] = "several.html"
    blocks: Sequence[Block]


MOST_TILES: Final = 6
"""The most tiles of values that stand side by side."""


def first_tiles(tiles: Sequence[Tile], *, compared: bool) -> Block:
    """Return the first tiles, and below them how many there are, where these are not all."""
    first = Tiles(tuple(tiles[:MOST_TILES]), compared=compared)
    if len(tiles) <= MOST_TILES:
        return first
    return Several((first, Notice(f"The first {MOST_TILES} of {len(tiles):,}; a table has all.")))


@dataclass(frozen=True)
class Ways(Block):
    """A block that can be shown in other ways, which the reader chooses by links.

    `ways` are the name, the label and the address of each; `chosen` is the name of this one.
    Without a block they are those of the page.
    """

    template: ClassVar[str] = "ways.html"
    inner: Block | None
    ways: Sequence[tuple[str, str, str]]
    chosen: str
    label: str = "Show as"

    @property
    def blocks(self) -> list[Block]:
        """Return the block inside."""
        return [self.inner] if self.inner else []


@dataclass(frozen=True)
class Custom(Block):
    """A template of the page's own, in `templates/blocks/`, with its values."""

    template: ClassVar[str] = "custom.html"
    file: str
    values: NamedValues = field(default_factory=dict)


def meaning(answer: NamedValues, *names: str) -> str:
    """Return the definitions of some numbers of an answer; by default of all."""
    definition = answer["definition"]
    matches = [
        definition[name] for name in names or definition if isinstance(definition.get(name), str)
    ]
    return " ".join(f"{text}." if not text.endswith(".") else text for text in matches)


def with_missing_days(rows: Sequence[NamedValues], days: NamedValues) -> list[NamedValues]:
    """Return the rows of days, and one without numbers for each missing day of an answer's range:
    a gap in a line.
    """
    if not rows:
        return []
    missing = (
        {**dict.fromkeys(rows[0]), "event_date": missing_day}
        for missing_day in days["missing_days"]
    )
    return sorted([*rows, *missing], key=lambda row: str(row["event_date"]))


def compared_tile(  # noqa: PLR0913 (what a tile says)
    answer: NamedValues,
    part: str,
    row: type[BaseModel],
    name: str,
    *,
    table: Contract,
    points: Sequence[NamedValues] = (),
) -> Tile:
    """Return the tile of a number that an answer compares with the period before.

    The answer has the number in its field `part`, as the model `row` declares it, and besides
    `previous`, `change` and `definition`; the number is counted from `table`, and `points` are its
    values over time.
    """
    return Tile.from_field(
        row,
        name,
        answer[part][name],
        meaning(answer, name),
        previous=(answer["previous"] or {}).get(name),
        change=answer["change"].get(name),
        trend=sparkline([point[name] for point in points]),
        why=Why(table, name),
        lacks=lacking_of(row, name, answer[part]),
        **of_share(row, name, answer[part], answer["previous"] or {}),
    )


def of_share(row: type[BaseModel], name: str, now: NamedValues, before: NamedValues) -> Row:
    """Return, of a tile of a share, how many it is a share of, and whether it changed by more than
    chance; nothing for other numbers.
    """
    whole = whole_of(row, name)
    if not whole or now[whole] is None:
        return {}
    counts = [
        (share * count, count)
        for share, count in ((of.get(name), of.get(whole)) for of in (now, before))
        if share is not None and count
    ]
    return {"of": now[whole], "is_beyond_chance": is_change(counts)}


def is_change(counts: Sequence[tuple[float, float]]) -> bool | None:
    """Return whether a share, of its part and whole now and before, changed by more than chance;
    None where one of them is missing, or of few.
    """
    if len(counts) < 2 or min(whole for _, whole in counts) < FEW:  # noqa: PLR2004 (now and before)
        return None
    return differs(counts[0], counts[1]) != 0
