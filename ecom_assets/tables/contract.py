"""Contracts of tables: the base class `Table`, its `Column`s, and a short function for each type of column."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

HIDDEN = "•••"
"""Shown in previews and examples in place of personal data."""
Limit = int | float | Decimal | date
AMOUNT = "decimal(18, 2)"
"""The type of money in one row of a source; `CleaningRule` and `OrderRule` allow far less than fits."""
MONEY = "decimal(38, 2)"
"""The type of sums of money: the widest that every engine has, so that no number of clean rows overflows it."""


@dataclass(frozen=True)
class Column:
    """One column: `type` is an Ibis type name; limits are inclusive; `pii` marks personal data."""

    type: str
    description: str
    unit: str | None = None
    nullable: bool = False
    pii: bool = False
    at_least: Limit | None = None
    at_most: Limit | None = None
    one_of: tuple[str, ...] = ()
    name: str = field(default="", compare=False)

    def __set_name__(self, _owner: object, name: str) -> None:
        """Take the attribute's name as the column's name."""
        object.__setattr__(self, "name", name)


def group_of(module: str) -> str:
    """Return the subject that a module belongs to, which is its folder."""
    return module.rpartition(".")[0].rpartition(".")[2]


def owner_of(subject: str) -> str:
    """Return the owner of a subject's assets, for Dagster."""
    return f"team:{subject}"


class Table:
    """Base class of all contracts. The class docstring states the grain of the table and describes it."""

    layer: ClassVar[str]
    group: ClassVar[str]
    """The subject of the table, which is the folder of its contract: its group in Dagster, and its owner's team."""
    key: ClassVar[tuple[str, ...]] = ()
    day_column: ClassVar[str | None] = None
    """The column whose days are the table's partitions; None for a table without partitions."""
    counted_from: ClassVar[tuple[type["Table"], ...]] = ()
    """For a table of published daily numbers: the clean tables whose late rows change these numbers.

    Each change of such a number is logged in `mart.restatements`. Empty for all other tables."""
    counted_types: ClassVar[tuple[str, ...]] = ()
    """The event types that such a table counts; empty means all types."""
    references: ClassVar[tuple[tuple[str, type["Table"]], ...]] = ()
    """Columns that hold the key of another table: foreign keys, on engines that have them."""
    referred_by: ClassVar[list[tuple[type["Table"], str]]]
    """The tables that hold the key of this table, each with its column."""
    written_by: ClassVar[Literal["asset", "run", "fetch", "publication", "engine"]] = "asset"
    """What writes the rows: the table's asset, any run (as a log), a fetch from a source, a publication, an engine."""
    owner: ClassVar[str]
    is_abstract: ClassVar[bool]
    columns: ClassVar[Mapping[str, Column]]
    name: ClassVar[str]

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Collect the columns in the order of their definition; an abstract contract has no table of its own."""
        cls.is_abstract = abstract
        if not hasattr(cls, "group"):  # a contract made from another one is of the same subject
            cls.group = group_of(cls.__module__)
            cls.owner = owner_of(cls.group)
        if "name" not in vars(cls):
            cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        parents = [vars(parent) for parent in reversed(cls.__mro__)]
        cls.columns = {name: value for names in parents for name, value in names.items() if isinstance(value, Column)}
        unknown = [
            name for name in (*cls.key, *([cls.day_column] if cls.day_column else [])) if name not in cls.columns
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
            name for name, column in cls.columns.items() if column.type.startswith(kinds) and name not in cls.key
        )

    @classmethod
    def qualified_name(cls) -> str:
        """Return `layer.name`."""
        return f"{cls.layer}.{cls.name}"

    @classmethod
    def description(cls) -> str:
        """Return the docstring on one line."""
        return re.sub(r"\s*\n\s*", " ", (cls.__doc__ or "").strip())


def text(description: str, *, nullable: bool = False, pii: bool = False, one_of: tuple[str, ...] = ()) -> Column:
    """Return a column of text; empty text is stored as null."""
    return Column("string", description, nullable=nullable, pii=pii, one_of=one_of)


def instant(description: str, *, nullable: bool = False) -> Column:
    """Return a column of UTC timestamps with microseconds."""
    return Column("timestamp(6)", description, unit="UTC", nullable=nullable)


def day(description: str, *, nullable: bool = False) -> Column:
    """Return a column of days in the reporting time zone."""
    return Column("date", description, nullable=nullable)


def count(description: str, *, unit: str = "events") -> Column:
    """Return a column of counts: integers that are never negative."""
    return Column("int64", description, unit=unit, at_least=0)


def flag(description: str) -> Column:
    """Return a column of booleans that is never null."""
    return Column("boolean", description)


def seconds(description: str, *, nullable: bool = False) -> Column:
    """Return a column of durations in seconds, never negative."""
    return Column("float64", description, unit="s", nullable=nullable, at_least=0)


def rate(description: str, *, nullable: bool = False) -> Column:
    """Return a column of shares from 0 to 1; null where the denominator is zero."""
    return Column("float64", description, unit="share", nullable=nullable, at_least=0, at_most=1)


def received_amount(description: str, *, nullable: bool = False, at_least: Limit | None = None) -> Column:
    """Return a column of the money in one received row, exact to the cent."""
    return Column(AMOUNT, description, unit="money", nullable=nullable, at_least=at_least)


def amount(
    description: str, *, nullable: bool = False, at_least: Limit | None = None, at_most: Limit | None = None
) -> Column:
    """Return a column of sums of money, exact to the cent."""
    return Column(MONEY, description, unit="money", nullable=nullable, at_least=at_least, at_most=at_most)
