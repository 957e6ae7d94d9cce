"""Contracts of tables: the base class `Table`, its columns, and a function for each type.

Terms: docs/glossary.md#contract.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import ModuleType
from typing import Any, ClassVar, Final, Literal, TypeAlias

HIDDEN = "•••"
"""Shown in previews and examples in place of personal data."""
Limit = int | float | Decimal | date
AMOUNT = "decimal(18, 4)"
"""The type of money in one row of a source, exact: prices may have more digits than the currency.

`CleaningRule` and `OrderRule` allow less than fits.
"""
MONEY = "decimal(38, 4)"
"""The type of sums of money: the widest that every engine has.

No number of clean rows overflows it. Sums are rounded to the currency's digits once, where they are
shown.
"""
UNIT_COST = "decimal(18, 6)"
"""The type of what one item costs: a screw of a box of thousand has more digits than money."""
TAX_RATE = "decimal(9, 6)"
"""The type of a rate of tax as a share, such as 0.19, exact."""
QUANTITY = "decimal(18, 4)"
"""The type of how much of an item there is: pieces, metres or kilograms."""


Format = Literal[
    "text",
    "count",
    "quantity",
    "decimal",
    "times",
    "money",
    "rate",
    "change",
    "date",
    "instant",
    "seconds",
    "score",
]
"""How a value is written for people."""
TEXT_FORMATS: Final[frozenset[Format]] = frozenset({"text", "date", "instant"})
"""Formats whose values may be texts; a text of another format is an exact number."""


@dataclass(frozen=True)
class Aggregate:
    """An aggregate of rows: their number, their different values of a column, or its sum.

    Attributes:
        column: The column; empty to count rows.
        where: The values that columns of a row must have, for the row to count.
        is_sum: Whether the column is added up.
        sign: -1 if the sum is negated.
        needs_all: Whether the sum over days is null if it is null on one, so that shares of it stay
            right.
    """

    column: str = ""
    where: Mapping[str, object] = field(default_factory=dict)
    is_sum: bool = False
    sign: Literal[1, -1] = 1
    needs_all: bool = False


@dataclass(frozen=True)
class Ratio:
    """One number divided by another; with `is_rest`, 1 less that.

    With `above_zero`, null where the other is below zero, too: a share of a loss says nothing.
    """

    part: str
    whole: str
    is_rest: bool = False
    above_zero: bool = False


@dataclass(frozen=True)
class Column:
    """One column: `type` is an Ibis type name; limits are inclusive; `pii` marks personal data.

    Attributes:
        description: What it means, in a sentence without its full stop.
        label: What pages, reports and answers call it; by default its name in words.
        format: How it is written; by default as its unit or type says.
        counted_as: What it is counted from; None if its table's function computes it in a way of
            its own.
        is_additive: Whether the values of several days add up to that of all of them.
        better: The direction of a change that is good; None if neither is.
        example: A value for the documentation of the API.
        chooses_rows: Whether rows are chosen by it, so that null is not "not known".
        is_cost: Whether it says what the shop pays, or what its sales leave.
        needs: What the events of a shop must record for it to be known, see
            `ecom_assets/behaviour/events/recorded.py`. A ratio needs what its parts need.
    """

    type: str
    description: str
    unit: str | None = None
    nullable: bool = False
    pii: bool = False
    at_least: Limit | None = None
    at_most: Limit | None = None
    one_of: tuple[str, ...] = ()
    label: str = ""
    format: Format | None = None
    counted_as: Aggregate | Ratio | None = None
    is_additive: bool = True
    better: Literal["up", "down"] | None = "up"
    example: Any = None
    chooses_rows: bool = False
    is_cost: bool = False
    needs: tuple[str, ...] = ()
    name: str = field(default="", compare=False)

    @property
    def may_be_unknown(self) -> bool:
        """Return whether answers know what null in the column means: in any measure,
        and in nullable columns but those by which rows are chosen: days, instants, most flags.
        """
        is_measure = self.counted_as is not None or bool(self.needs)
        return is_measure or (self.nullable and not self.chooses_rows)

    @property
    def shown_as(self) -> Format:
        """Return how a value is written for people."""
        return (
            self.format
            or FORMATS.get(str(self.unit))
            or FORMATS.get(self.type.partition("(")[0], "text")
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """Return what the values must meet, in words."""
        limits = (
            "" if self.at_least is None else f"at least {self.at_least}",
            "" if self.at_most is None else f"at most {self.at_most}",
            f"one of {', '.join(self.one_of)}" if self.one_of else "",
        )
        return tuple(limit for limit in limits if limit)

    def __set_name__(self, _owner: object, name: str) -> None:
        """Take the attribute's name as the column's name."""
        object.__setattr__(self, "name", name)


def group_of(module: str) -> str:
    """Return the subject that a module belongs to, which is its folder."""
    return module.rpartition(".")[0].rpartition(".")[2]


def owner_of(subject: str) -> str:
    """Return the owner of a subject's assets, for Dagster."""
    return f"team:{subject}"


FORMATS: Final[Mapping[str, Format]] = {
    "money": "money",
    "share": "rate",
    "times": "times",
    "s": "seconds",
    "int64": "count",
    "float64": "decimal",
    "date": "date",
    "timestamp": "instant",
}
"""How values are written by their unit, or else by their type."""


@dataclass(frozen=True)
class SmallChange:
    """What a source may change in a row of a day without an entry of its own in the log.

    Attributes:
        column: The amount that is looked at.
        share: Its largest small change, as a share of what it was.
        amount: The same as an amount; a change beyond either is none.
        currency: The column with its currency.
        in_shop_currency: Amounts in the shop's currency, that of `column` first; where these alone
            change, so did the rate.
    """

    column: str
    share: Decimal
    amount: Decimal
    currency: str
    in_shop_currency: tuple[str, ...]

    def __str__(self) -> str:
        """Return the bounds in words."""
        return f"{self.share:.0%} and {self.amount} at most"

    def holds(self, before: Decimal | None, after: Decimal | None) -> bool:
        """Return whether a change is small; a row that comes or goes is none."""
        if before is None or after is None:
            return False
        difference = abs(after - before)
        return difference <= self.amount and difference <= self.share * abs(before)


@dataclass(frozen=True)
class CopiedNumbers:
    """Numbers of a published table that are those of another, whose source restates them: their
    changes have its causes.

    Attributes:
        table: The other table; its key is that of the table without `once`.
        columns: The numbers.
        once: A column of the key under whose values they are all the same, and the value of which
            they are logged.
    """

    table: type["Table"]
    columns: frozenset[str]
    once: tuple[str, str]

    def has(self, column: "Column") -> bool:
        """Return whether a ratio is one of such numbers."""
        ratio = column.counted_as
        return isinstance(ratio, Ratio) and {ratio.part, ratio.whole} <= self.columns


@dataclass(frozen=True)
class TableView:
    """A view of a table, for people who query the warehouse or what is published of it.

    Attributes:
        description: What a row is, and what it has.
        query: A SELECT of standard SQL with `{table}` in place of the table's name.
    """

    description: str
    query: str


USER, SESSION, DEVICE = "user", "session", "device"
"""The kinds of ids of a person. A user of events and a customer of orders are the same person."""


@dataclass(frozen=True)
class PersonColumns:
    """The columns of a raw table that name a person,
    and the one with all of a row that could not be read.

    If a row has no user, the columns `without_user` name its person; each has the kind of its ids.
    """

    user: str
    without_user: Mapping[str, str] = field(default_factory=dict)
    text: str = "malformed_row"

    @property
    def names(self) -> tuple[str, ...]:
        """Return all columns."""
        return (self.user, *self.without_user, self.text)


class Table:
    """Base class of all contracts.

    The class docstring states the grain of the table and describes it.
    """

    layer: ClassVar[str]
    group: ClassVar[str]
    """The subject of the table: its folder, its group in Dagster, and its owner's team."""
    key: ClassVar[tuple[str, ...]] = ()
    day_column: ClassVar[str | None] = None
    """The column whose days are the table's partitions; None for a table without partitions."""
    counted_from: ClassVar[tuple[type["Table"], ...]] = ()
    """The clean tables whose late rows change a table of published daily numbers.

    Each change of such a number is logged in `mart.restatements`. Empty for all other tables.
    """
    counted_types: ClassVar[tuple[str, ...]] = ()
    """The event types that such a table counts; empty means all types."""
    restated_by_source: ClassVar[SmallChange | None] = None
    """Of a published table whose source restates past days: which of its changes are small."""
    copied: ClassVar[CopiedNumbers | None] = None
    """Which numbers of a published table are those of another one."""
    views: ClassVar[Mapping[str, TableView]] = {}
    """Views of the table by their names, in its schema, on engines that have views."""
    references: ClassVar[tuple[tuple[str, type["Table"]], ...]] = ()
    """Columns that hold the key of another table: foreign keys, on engines that have them."""
    person: ClassVar[PersonColumns | None] = None
    """Of a raw table with rows of people: by which columns the rows of one are found, erased, and
    left out from then on.
    """
    referred_by: ClassVar[list[tuple[type["Table"], str]]]
    """The tables that hold the key of this table, each with its column."""
    written_by: ClassVar[Literal["asset", "run", "fetch", "publication", "engine"]] = "asset"
    """What writes the rows: an asset, any run (a log), a fetch, a publication or an engine."""
    owner: ClassVar[str]
    is_abstract: ClassVar[bool]
    columns: ClassVar[Mapping[str, Column]]
    name: ClassVar[str]

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Collect the columns, measures last; an abstract contract has no table of its own."""
        cls.is_abstract = abstract
        if not hasattr(cls, "group"):  # a contract made from another one is of the same subject
            cls.group = group_of(cls.__module__)
            cls.owner = owner_of(cls.group)
        if "name" not in vars(cls):
            cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        parents = list(reversed(cls.__mro__))
        parents.sort(key=lambda parent: not issubclass(parent, Table))
        names = [
            name
            for parent in parents
            for name, value in vars(parent).items()
            if isinstance(value, Column)
        ]
        cls.columns = {name: getattr(cls, name) for name in names}
        unknown = [
            name
            for name in (*cls.key, *([cls.day_column] if cls.day_column else []))
            if name not in cls.columns
        ]
        if unknown:
            raise TypeError(f"{cls.__name__} names {unknown}, which are not among its columns")
        cls.referred_by = []
        for name, target in cls.references:
            target.referred_by.append((cls, name))

    @classmethod
    def numbers(cls) -> tuple[str, ...]:
        """Return the numeric columns that are not part of the key."""
        kinds = ("int64", "float64", "decimal")
        return tuple(
            name
            for name, column in cls.columns.items()
            if column.type.startswith(kinds) and name not in cls.key
        )

    @classmethod
    def qualified_name(cls) -> str:
        """Return `layer.name`."""
        return f"{cls.layer}.{cls.name}"

    @classmethod
    def description(cls) -> str:
        """Return the docstring on one line."""
        return re.sub(r"\s*\n\s*", " ", (cls.__doc__ or "").strip())


Contract: TypeAlias = type[Table]
"""A declared table, as functions of any table take it."""


def text(description: str, label: str = "", **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of text; empty text is stored as null."""
    return Column("string", description, label=label, **more)


def instant(description: str, label: str = "", **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of UTC timestamps with microseconds."""
    return Column("timestamp(6)", description, "UTC", label=label, chooses_rows=True, **more)


def day(
    description: str,
    label: str = "",
    *,
    chooses_rows: bool = True,
    **more: Any,  # noqa: ANN401 (as `Column`)
) -> Column:
    """Return a column of days in the reporting time zone, as `flag` does."""
    return Column("date", description, label=label, chooses_rows=chooses_rows, **more)


def count(
    description: str,
    label: str = "",
    of: Aggregate | None = None,
    *,
    unit: str = "events",
    **more: Any,  # noqa: ANN401 (as `Column`)
) -> Column:
    """Return a column of counts: integers that are never negative."""
    return Column("int64", description, unit, at_least=0, label=label, counted_as=of, **more)


def item_quantity(
    description: str,
    label: str = "",
    of: Aggregate | None = None,
    **more: Any,  # noqa: ANN401 (as `Column`)
) -> Column:
    """Return a column of a quantity of items, exact to a ten-thousandth; `more` as in `Column`."""
    options = {"unit": "items", "format": "quantity"} | more
    return Column(QUANTITY, description, label=label, counted_as=of, **options)


def flag(
    description: str, label: str = "", *, nullable: bool = False, chooses_rows: bool = True
) -> Column:
    """Return a column of booleans, by which rows are chosen unless it is said otherwise."""
    return Column("boolean", description, label=label, nullable=nullable, chooses_rows=chooses_rows)


def seconds(description: str, label: str = "", **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of durations in seconds, never negative."""
    return Column("float64", description, "s", at_least=0, is_additive=False, label=label, **more)


def rate(description: str, label: str = "", of: Ratio | None = None, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of shares from 0 to 1; null where the denominator is zero."""
    return Column(
        "float64",
        description,
        "share",
        at_least=0,
        at_most=1,
        is_additive=False,
        label=label,
        counted_as=of,
        **more,
    )


def per_unit(
    description: str,
    label: str,
    of: Ratio | None = None,
    *,
    unit: str,
    **more: Any,  # noqa: ANN401 (as `Column`)
) -> Column:
    """Return a column of numbers per unit of another; null where there is none of the other."""
    return Column(
        "float64",
        description,
        unit,
        nullable=True,
        is_additive=False,
        label=label,
        counted_as=of,
        **more,
    )


def received_amount(description: str, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of the money in one received row, exact to a ten-thousandth."""
    return Column(AMOUNT, description, "money", **more)


def unit_cost(description: str, label: str = "", **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of what one item costs, exact to a millionth; never added up as it is."""
    options = {"is_additive": False, "is_cost": True} | more
    return Column(UNIT_COST, description, "money", label=label, **options)


def tax_rate(description: str, label: str = "", **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of rates of tax from 0 to 1, exact to a millionth."""
    options = {"is_additive": False, "at_least": 0, "at_most": 1} | more
    return Column(TAX_RATE, description, "share", label=label, **options)


def amount(description: str, label: str = "", of: Aggregate | None = None, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of sums of money, exact to a ten-thousandth."""
    return Column(MONEY, description, "money", label=label, counted_as=of, **more)


def tables_of(module: ModuleType) -> Iterator[type[Table]]:
    """Yield the tables that a module declares, in its order."""
    for value in vars(module).values():
        is_own = isinstance(value, type) and value.__module__ == module.__name__
        if is_own and issubclass(value, Table) and not value.is_abstract:
            yield value
