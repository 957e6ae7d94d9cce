"""The plain keys of a mapping's field:
where a value comes from and how it is changed, without SQL.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ecom_assets.core.tables.currencies import USUAL_DIGITS, unusual_digits
from ecom_assets.core.tables.spellings import KeyKind
from ecom_assets.core.warehouse.sql_text import ident, text, texts
from ecom_assets.ingestion.sources.files.shape import KIND

NUMBER: Final = "DECIMAL(30, 6)"
"""The type of numbers that are calculated with: of its product with another,
38 digits remain exact.

The engine keeps a product of two decimals of at most 18 digits to 18, which a price of 5 billion
rupiah times 3 exceeds; so expressions of mappings take decimals of 30 digits, too.
"""


def _as_text(value: object) -> object:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, int | float)
        else value
    )


Text = Annotated[str, BeforeValidator(_as_text)]
"""A text of a mapping, in which YAML may have read a number or a boolean."""


_BLANKS = r"[\s\pZ]*"
CURRENCY_SIGNS: Final = {
    "€": "EUR",
    "EUROS": "EUR",
    "EURO": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₽": "RUB",
    "РУБ": "RUB",
    "Р": "RUB",  # noqa: RUF001 (Cyrillic it is)
    "₴": "UAH",
    "ГРН": "UAH",
    "₺": "TRY",
    "TL": "TRY",
    "₩": "KRW",
    "원": "KRW",
    "₪": "ILS",
    "₫": "VND",
    "Đ": "VND",
    "฿": "THB",
    "บาท": "THB",
    "₱": "PHP",
    "₦": "NGN",
    "GH₵": "GHS",
    "KSH": "KES",
    "₸": "KZT",
    "ТГ": "KZT",
    "СУМ": "UZS",  # noqa: RUF001 (also)
    "₾": "GEL",
    "RP": "IDR",
    "TK": "BDT",
    "ZŁ": "PLN",
    "ZL": "PLN",
    "KČ": "CZK",
    "KC": "CZK",
    "FT": "HUF",
    "LEI": "RON",
    "ЛВ": "BGN",
    "ДЕН": "MKD",
    "ДИН": "RSD",
    "KN": "HRK",
    "FR": "CHF",
    "RM": "MYR",
    "R": "ZAR",
    "R$": "BRL",
    "S/": "PEN",
    "SR": "SAR",
    "QR": "QAR",
    "E£": "EGP",
    "US$": "USD",
    "USD$": "USD",
    "C$": "CAD",
    "CA$": "CAD",
    "A$": "AUD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "MX$": "MXN",
    "NT$": "TWD",
    "JP¥": "JPY",
    "円": "JPY",
    "CN¥": "CNY",
}
"""The currencies of signs that only one has, in capital letters and without a dot."""
_OF_SEVERAL: Final = ("KR", "RS", "DHS", "DH", "元", "EUR", "USD", "GBP", "CHF", "PHP")
"""Words and codes beside amounts, in any case, of which the first have several currencies."""
_LONGEST_FIRST = sorted(
    map(re.escape, {*(sign for sign in CURRENCY_SIGNS if sign[-1] not in "$¥"), *_OF_SEVERAL}),
    key=lambda sign: (-len(sign), sign),
)
"""The engine takes the first that fits: `Rp` before `R`."""
_OF_A_CODE: Final = 3
_LONG_SIGNS = "|".join(sign for sign in _LONGEST_FIRST if len(sign) >= _OF_A_CODE)
_SHORT_SIGNS = "|".join(sign for sign in _LONGEST_FIRST if len(sign) < _OF_A_CODE)
_CURRENCY_SIGN = (
    rf"\p{{L}}{{0,3}}[$¥]|(?i:{_LONG_SIGNS})\.?|[A-Z]{{3}}|(?i:{_SHORT_SIGNS})\.?|\p{{Sc}}"
)
"""The pattern of a currency beside an amount."""
_NO_CENTS = r"(?:[.,:][-\x{2013}\x{2014}]{1,2})?"
"""What stands in place of cents: `10,-`, `10.-`, `10:-` and `10,--`."""
_MINUS = r"[-\x{2212}+]?"
_BEFORE = rf"^{_BLANKS}(\(?{_MINUS}){_BLANKS}(?:SIGN)?{_BLANKS}({_MINUS}){_BLANKS}"
_BEHIND = rf"{_NO_CENTS}{_BLANKS}({_MINUS}\)?){_BLANKS}(?:SIGN)?{_BLANKS}({_MINUS}\)?){_BLANKS}$"
_SEPARATORS = {" ": r"[\s\pZ]", "'": "['\u2019]"}
"""Signs between thousands that look alike, and are one: blanks of any width, and both apostrophes.
"""
_ALIKE = {**dict.fromkeys(("\u00a0", "\u202f", "\u2009"), " "), "\u2019": "'"}


class Numerals(BaseModel):
    """How numbers are written: the decimal separator, the one between thousands,
    and whether with a currency.

    With any of these, a minus may stand before or after the number and the currency, and brackets
    are a minus, as accounts write it: `-$12.00`, `$-12.00`, `12.00-`, `($12.00)`.
    """

    model_config = ConfigDict(frozen=True)

    decimal: str = "."
    thousands: str = ""
    has_currency: bool = False

    @property
    def are_plain(self) -> bool:
        """Return whether numbers are written as the engine reads them."""
        return (self.decimal, self.thousands, self.has_currency) == (".", "", False)

    def number_sql(self, value: str) -> str:
        """Return the SQL of a number as text that the engine reads;
        NULL for text that is not written so.
        """
        if self.are_plain:
            return value
        point = re.escape(self.decimal)
        plain = f"regexp_full_match({value}, {text(rf'-?[0-9]+(?:{point}[0-9]+)?')})"
        bare = _without(_BEFORE, _without(_BEHIND, value, self.has_currency), self.has_currency)
        number = rf"(?:{self._whole})(?:{point}\d+)?|{point}\d+"
        minus = r"[-\x{2212}]"
        pattern = rf"[-+\x{{2212}}]?(?:{number})|(?:{number}){minus}|\((?:{number})\)"
        sign = f"CASE WHEN regexp_matches(bare, {text(rf'{minus}|[(]')}) THEN '-' ELSE '' END"
        digits = f"regexp_replace(bare, {text(rf'[^0-9{point}]')}, '', 'g')"
        read = (
            f"CASE WHEN regexp_full_match(bare, {text(pattern)})"
            f" THEN {sign} || {_with_point(digits, self.decimal)} END"
        )
        # The engine computes an expression as often as it stands in a statement, and compiles its
        # patterns each time; what a lambda is given is computed once.
        return (
            f"CASE WHEN {plain} THEN {_with_point(value, self.decimal)}"
            f" ELSE list_transform([{bare}], lambda bare: {read})[1] END"
        )

    @property
    def _whole(self) -> str:
        """The pattern of a number's digits before its decimals."""
        if not self.thousands:
            return r"\d+"
        separator = _ALIKE.get(self.thousands, self.thousands)
        between = _SEPARATORS.get(separator, re.escape(separator))
        # India groups the digits above the thousand by two: 12,34,567.
        lakh = rf"|\d{{1,2}}(?:{between}\d{{2}})+{between}\d{{3}}" if separator == "," else ""
        return rf"\d{{1,3}}(?:{between}\d{{3}})+{lakh}|\d+"


def _without(end: str, value: str, has_currency: bool) -> str:  # noqa: FBT001 (of the mapping)
    """Return the SQL of a number without the blanks, and the currency, at one of its ends."""
    pattern = end.replace("SIGN", _CURRENCY_SIGN if has_currency else "")
    return f"regexp_replace({value}, {text(pattern)}, {text(chr(92) + '1' + chr(92) + '2')})"


def _with_point(value: str, decimal: str) -> str:
    return value if decimal == "." else f"replace({value}, {text(decimal)}, '.')"


_WIDE_YEN: Final = "\uffe5"
"""The sign of yen and yuan as keyboards of Eastern Asia write it."""


def currency_sql(value: str) -> str:
    """Return the SQL of the currency beside a number: its code, or its sign where several have it;
    NULL without one.
    """
    at_ends = [
        f"nullif(regexp_extract({value}, {text(pattern)}, 1), '')"
        for pattern in (
            rf"^{_BLANKS}\(?{_MINUS}{_BLANKS}({_CURRENCY_SIGN}){_BLANKS}{_MINUS}{_BLANKS}[\d.,]",
            rf"\d{_NO_CENTS}{_BLANKS}{_MINUS}\)?{_BLANKS}({_CURRENCY_SIGN}){_BLANKS}{_MINUS}\)?{_BLANKS}$",
        )
    ]
    sign = f"rtrim(upper(coalesce({', '.join(at_ends)})), '.')"
    return replaced_sql(sign, {**CURRENCY_SIGNS, _WIDE_YEN: "¥", "元": "¥", "DH": "DHS"})


def replaced_sql(value: str, texts: Mapping[str, str]) -> str:
    """Return the SQL of a text, or of the one that stands in its place.

    Of a CASE, the engine would compute the value once for each of the texts.
    """
    pairs = ", ".join(f"{text(old)}: {text(new)}" for old, new in texts.items())
    return f"coalesce(MAP {{{pairs}}}[{value}], {value})"


class MappingPart(BaseModel):
    """A part of a mapping, which refuses keys that it does not know."""

    # Built when it is first used: a command reads files of one kind.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Split(MappingPart):
    """One part of a text: the separator, and the place of the part, from 1; -1 is the last one."""

    by: str = Field(min_length=1)
    part: int = 1


class Operations(MappingPart):
    """What is done with a value, in this order; numbers first.

    Attributes:
        times: A column by which the number is multiplied.
        less: Columns whose numbers are subtracted; an empty one is 0.
        plus: Columns whose numbers are added; an empty one is 0.
        minor_units: The column with the currency, where the number counts its smallest units, such
            as cents, by ISO 4217.
        minor_digits: The digits of these units in currencies of which the vendor counts others than
            ISO 4217.
        absolute: Take the number without its sign.
        trim: Take the text without blanks around it.
        split: Take one part of the text.
        lower, upper: Take the text in small, or in capital letters.
        lookup: Texts that stand for others; a text that is not listed stays.
        key: What an id is: an `address`, a `number`, a `text`, or an `order_name`; without one,
            as `tables/spellings.py` says of the field.
        unknown: Values that are no id in this source, such as 0, in any case.
        currency_code: Take the currency that stands beside a number: `EUR 25.00` and `25,00 €` are
            of EUR.
    """

    times: str | None = None
    less: tuple[str, ...] = ()
    plus: tuple[str, ...] = ()
    minor_units: str | None = None
    minor_digits: dict[str, Annotated[int, Field(ge=0, le=4)]] = Field(default_factory=dict)
    absolute: bool = False
    trim: bool = False
    split: Split | None = None
    lower: bool = False
    upper: bool = False
    lookup: dict[Text, Text] = Field(default_factory=dict)
    currency_code: bool = False
    key: KeyKind | None = None
    unknown: tuple[Text, ...] = ()

    @property
    def columns(self) -> Iterator[str]:
        """Yield the columns that are used beside the value's own."""
        yield from (name for name in (self.times, *self.less, *self.plus, self.minor_units) if name)

    @property
    def is_arithmetic(self) -> bool:
        """Return whether the value is read as a number."""
        return bool(self.times or self.less or self.plus or self.minor_units or self.absolute)

    def applied(self, value: str, numerals: Numerals, *, is_number: bool) -> str:
        """Return the SQL of a value, as text, after the operations."""
        if self.currency_code:
            value = currency_sql(value)
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
            value = replaced_sql(value, self.lookup)
        if self.unknown:
            words = _listed(tuple(word.lower() for word in self.unknown))
            # A placeholder, as of others that the source writes: its row stays.
            value = f"CASE WHEN lower(trim({value})) IN {words} THEN '(not set)' ELSE {value} END"
        return value

    def _calculated(self, value: str, numerals: Numerals) -> str:
        result = _number(value)
        if self.times:
            result = f"{result} * {_number(numerals.number_sql(ident(self.times)))}"
        for sign, names in (("-", self.less), ("+", self.plus)):
            for name in names:
                result = f"{result} {sign} coalesce({_number(numerals.number_sql(ident(name)))}, 0)"
        if self.minor_units:
            result = f"({result}) / {_units_sql(ident(self.minor_units), self.minor_digits)}"
        return f"abs({result})" if self.absolute else result


def _number(value: str) -> str:
    return f"TRY_CAST({value} AS {NUMBER})"


def _units_sql(currency: str, others: Mapping[str, int]) -> str:
    """Return the SQL of the number of smallest units in one unit of a currency;
    `others` have their own digits.
    """
    code = f"upper({currency})"
    own = " ".join(
        f"WHEN {code} = {text(name)} THEN {10**digits}" for name, digits in others.items()
    )
    cases = _by_digits(code, lambda digits: str(10**digits))
    return f"CASE WHEN {code} IS NULL THEN NULL {own} {cases} END"


def in_currency_sql(amount: str, currency: str) -> str:
    """Return the SQL of an amount rounded to the digits of its currency, as a decimal;
    to cents where that is not known.
    """
    cases = _by_digits(
        f"upper(trim({currency}))",
        lambda digits: f"TRY_CAST(round({amount}, {digits}) AS DECIMAL(30, {digits}))",
    )
    return f"CASE {cases} END"


def _listed(values: tuple[str, ...]) -> str:
    return f"({', '.join(map(text, values))})"


def _by_digits(code: str, result: Callable[[int], str]) -> str:
    """Return the branches of a CASE with what follows from the digits of a currency."""
    unusual = unusual_digits().items()
    branches = (
        f"WHEN {code} IN {_listed(codes)} THEN {result(digits)}" for digits, codes in unusual
    )
    return f"{' '.join(branches)} ELSE {result(USUAL_DIGITS)}"


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
