"""The plain keys of a mapping's field: where a value comes from and how it is changed, without SQL."""

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ecom_assets.sources.files.shape import KIND
from ecom_assets.warehouse.sql_text import ident, text, texts

WITHOUT_DECIMALS = (
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
)  # fmt: skip
WITH_THREE_DECIMALS = ("BHD", "JOD", "KWD", "OMR", "TND")
"""Currencies whose smallest unit is not a hundredth, as Stripe's "Supported currencies" lists them."""
NUMBER: Final = "DECIMAL(18, 6)"


def _as_text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]
"""A text of a mapping, in which YAML may have read a number or a boolean."""


_BLANKS, _SIGN = r"[\s\x{a0}\x{202f}]*", r"(?:\p{Sc}|[A-Z]{3}|\p{L}{0,2}\$)?"
_CURRENCY = text(f"^{_BLANKS}{_SIGN}{_BLANKS}|{_BLANKS}{_SIGN}{_BLANKS}$")


class Numerals(BaseModel):
    """How numbers are written: the decimal separator, the one between thousands, and whether with a currency."""

    model_config = ConfigDict(frozen=True)

    decimal: str = "."
    thousands: str = ""
    has_currency: bool = False

    def number_sql(self, value: str) -> str:
        """Return the SQL of a number as text that the engine reads; NULL for text that is not written so."""
        if (self.decimal, self.thousands, self.has_currency) == (".", "", False):
            return value
        between, point = re.escape(self.thousands), re.escape(self.decimal)
        whole = rf"\d{{1,3}}(?:{between}\d{{3}})+|\d+" if self.thousands else r"\d+"
        pattern = rf"[-+]?(?:{whole})(?:{point}\d+)?"
        trimmed = f"regexp_replace({value}, {_CURRENCY}, '', 'g')" if self.has_currency else f"trim({value})"
        bare = f"replace({trimmed}, {text(self.thousands)}, '')" if self.thousands else trimmed
        is_number = f"regexp_full_match({trimmed}, {text(pattern)})"
        return f"CASE WHEN {is_number} THEN replace({bare}, {text(self.decimal)}, '.') END"


class MappingPart(BaseModel):
    """A part of a mapping, which refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Split(MappingPart):
    """One part of a text: the separator, and the place of the part, from 1; -1 is the last one."""

    by: str = Field(min_length=1)
    part: int = 1


class Operations(MappingPart):
    """What is done with a value, in this order; numbers first.

    Attributes:
        times: A column by which the number is multiplied.
        less: Columns whose numbers are subtracted; an empty one is 0.
        minor_units: The column with the currency, where the number counts its smallest units, such as cents.
        absolute: Take the number without its sign.
        trim: Take the text without blanks around it.
        split: Take one part of the text.
        lower, upper: Take the text in small, or in capital letters.
        lookup: Texts that stand for others; a text that is not listed stays.
    """

    times: str | None = None
    less: tuple[str, ...] = ()
    minor_units: str | None = None
    absolute: bool = False
    trim: bool = False
    split: Split | None = None
    lower: bool = False
    upper: bool = False
    lookup: dict[Text, Text] = Field(default_factory=dict)

    @property
    def columns(self) -> Iterator[str]:
        """Yield the columns that are used beside the value's own."""
        yield from (name for name in (self.times, *self.less, self.minor_units) if name)

    @property
    def is_arithmetic(self) -> bool:
        """Return whether the value is read as a number."""
        return bool(self.times or self.less or self.minor_units or self.absolute)

    def applied(self, value: str, numerals: Numerals, *, is_number: bool) -> str:
        """Return the SQL of a value, as text, after the operations."""
        if is_number or self.is_arithmetic:
            value = numerals.number_sql(value)
        if self.is_arithmetic:
            value = f"TRY(({self._calculated(value, numerals)})::VARCHAR)"
        if self.trim:
            value = f"nullif(trim({value}), '')"
        if self.split:
            value = f"nullif(split({value}, {text(self.split.by)})[{self.split.part}], '')"
        if self.lower:
            value = f"lower({value})"
        if self.upper:
            value = f"upper({value})"
        if self.lookup:
            pairs = " ".join(f"WHEN {text(old)} THEN {text(new)}" for old, new in self.lookup.items())
            value = f"CASE {value} {pairs} ELSE {value} END"
        return value

    def _calculated(self, value: str, numerals: Numerals) -> str:
        result = _number(value)
        if self.times:
            result = f"{result} * {_number(numerals.number_sql(ident(self.times)))}"
        for name in self.less:
            result = f"{result} - coalesce({_number(numerals.number_sql(ident(name)))}, 0)"
        if self.minor_units:
            result = f"({result}) / {_units_sql(ident(self.minor_units))}"
        return f"abs({result})" if self.absolute else result


def _number(value: str) -> str:
    return f"TRY_CAST({value} AS {NUMBER})"


def _units_sql(currency: str) -> str:
    """Return the SQL of the number of smallest units in one unit of a currency."""
    code = f"upper({currency})"
    cases = f"WHEN {code} IN {_listed(WITHOUT_DECIMALS)} THEN 1 WHEN {code} IN {_listed(WITH_THREE_DECIMALS)} THEN 1000"
    return f"CASE WHEN {code} IS NULL THEN NULL {cases} ELSE 100 END"


def _listed(values: tuple[str, ...]) -> str:
    return f"({', '.join(map(text, values))})"


class RowCondition(MappingPart):
    """A condition on a row: a column with one of some values, with any value at all, or SQL."""

    column: str | None = Field(default=None, min_length=1)
    is_one_of: tuple[Text, ...] = Field(default=(), alias="in")
    is_filled: bool = Field(default=False, alias="filled")
    expression: str | None = Field(default=None, min_length=1)
    row: tuple[str, ...] = ()
    optional: bool = False

    @property
    def sql(self) -> str:
        """Return the condition in SQL; NULL counts as no."""
        parts = [self.expression] if self.expression else []
        if self.column and self.is_one_of:
            parts.append(f"list_contains({texts(self.is_one_of)}, {ident(self.column)})")
        elif self.column:
            parts.append(f"{ident(self.column)} IS NOT NULL")
        if self.row:
            parts.append(f"list_contains({texts(self.row)}, {ident(KIND)})")
        return " AND ".join(f"({part})" for part in parts)
