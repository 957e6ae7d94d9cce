"""The base of contracts: a `Table` with its `Column`s, and the short names for their types."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

HIDDEN = "•••"
"""What previews and examples show instead of personal data."""
Limit = int | float | Decimal | date
AMOUNT = "decimal(18, 2)"
"""Money of one row, as a source gives it; `CleaningRule` and `OrderRule` bound it far below what fits."""
MONEY = "decimal(38, 2)"
"""Sums of money: as wide as every engine goes, so that no number of clean rows overflows one."""


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


class Table:
    """Base of every contract. The class docstring is the table's grain and description."""

    layer: ClassVar[str]
    group: ClassVar[str]
    key: ClassVar[tuple[str, ...]] = ()
    day_column: ClassVar[str | None] = None
    """The column whose days are the table's partitions; None for a table without."""
    counted_from: ClassVar[tuple[type["Table"], ...]] = ()
    """For a table of daily numbers that people are told: the clean tables whose late rows change them. Each change of
    such a number is logged in `mart.restatements`; empty for all other tables."""
    counted_types: ClassVar[tuple[str, ...]] = ()
    """The event types that such a table counts; empty for all."""
    references: ClassVar[tuple[tuple[str, type["Table"]], ...]] = ()
    """Columns that hold another table's key: a foreign key where the engine has them."""
    referred_by: ClassVar[list[tuple[type["Table"], str]]]
    """The tables that hold this one's key, each with the column that does."""
    written_by: ClassVar[Literal["asset", "run", "fetch", "publication"]] = "asset"
    """What writes the rows: the table's own asset; any run, as notes beside tables; fetching; publishing elsewhere."""
    owner: ClassVar[str] = "team:analytics"
    is_abstract: ClassVar[bool]
    columns: ClassVar[Mapping[str, Column]]
    name: ClassVar[str]

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Collect the columns in the order in which they are written down; an abstract contract is no table itself."""
        cls.is_abstract = abstract
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
        """Return the columns that hold numbers, the key's apart."""
        kinds = ("int64", "float64", "decimal")
        return tuple(name for name, one in cls.columns.items() if one.type.startswith(kinds) and name not in cls.key)

    @classmethod
    def qualified_name(cls) -> str:
        """Return `layer.name`, as people write it."""
        return f"{cls.layer}.{cls.name}"

    @classmethod
    def description(cls) -> str:
        """Return the docstring, one paragraph a line."""
        return re.sub(r"\s*\n\s*", " ", (cls.__doc__ or "").strip())


def text(description: str, *, nullable: bool = False, pii: bool = False, one_of: tuple[str, ...] = ()) -> Column:
    """Text; an empty one is stored as null."""
    return Column("string", description, nullable=nullable, pii=pii, one_of=one_of)


def instant(description: str, *, nullable: bool = False) -> Column:
    """A UTC instant with microseconds."""
    return Column("timestamp(6)", description, unit="UTC", nullable=nullable)


def day(description: str, *, nullable: bool = False) -> Column:
    """A day in the reporting time zone."""
    return Column("date", description, nullable=nullable)


def count(description: str, *, unit: str = "events") -> Column:
    """A whole number, never negative."""
    return Column("int64", description, unit=unit, at_least=0)


def flag(description: str) -> Column:
    """True or false, never unknown."""
    return Column("boolean", description)


def seconds(description: str, *, nullable: bool = False) -> Column:
    """A length of time in seconds, never negative."""
    return Column("float64", description, unit="s", nullable=nullable, at_least=0)


def rate(description: str, *, nullable: bool = False) -> Column:
    """A share from 0 to 1; null where there is nothing to share."""
    return Column("float64", description, unit="share", nullable=nullable, at_least=0, at_most=1)


def received_amount(description: str, *, nullable: bool = False, at_least: Limit | None = None) -> Column:
    """Money of one received row, exact to the cent."""
    return Column(AMOUNT, description, unit="money", nullable=nullable, at_least=at_least)


def amount(
    description: str, *, nullable: bool = False, at_least: Limit | None = None, at_most: Limit | None = None
) -> Column:
    """Money of any number of rows, exact to the cent."""
    return Column(MONEY, description, unit="money", nullable=nullable, at_least=at_least, at_most=at_most)
