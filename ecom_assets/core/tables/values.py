"""Values: their bounds in rows, and how questions write, break down and preset them.

This module imports nothing heavy, because the `ecom` command reads a definition before it starts an
engine.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final, TypeVar

from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.rows import Answer, NamedValues, without_none

T = TypeVar("T")
Scalar = str | int | float | bool
JSON_COLUMN: Final = "properties"
"""The column of JSON text, whose keys can be named as `properties.key`."""
COLUMN: Final = r"""[A-Za-z_]\w*(?:\.(?:"[^"'\\\ud800-\udfff]+"|[\w$-]+))*"""
"""How a column or a key is written; a key with other characters stands in double quotes.

Quotes and backslashes in keys are refused: engines escape them in different ways, and sqlglot not
at all.
"""
_NO_TEXT: Final = re.compile("[\ud800-\udfff]")
_KEYS: Final = re.compile(r"""\.(?:"([^"'\\]+)"|([\w$-]+))""")
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
YES: Final = frozenset(
    {
        *("true", "t", "yes", "y", "1", "on", "x", "ja", "j", "wahr", "oui", "vrai"),
        *("si", "sí", "sì", "s", "sim", "verdadero", "vero", "tak", "так", "да", "evet", "ano"),
        *("áno", "igen", "kyllä", "da", "ναι", "نعم", "כן", "có", "ya", "ใช่", "हाँ"),  # noqa: RUF001
        *("はい", "是", "예", "네"),
    }
)
NO: Final = frozenset(
    {
        *("false", "f", "no", "n", "0", "off", "nein", "falsch", "non", "faux", "nee"),
        *(
            "não",
            "nao",
            "falso",
            "nie",
            "ні",
            "нет",
            "hay\u0131r",
            "hayir",
            "ne",
            "いいえ",
            "否",
            "아니오",
            "아니요",
        ),
        *("nej", "nei", "nem", "ei", "nu", "не", "όχι", "لا", "לא", "không", "tidak", "ไม่"),
        *("ไม่ใช่", "नहीं"),
    }
)
"""What files write for yes and no, in lower case."""
MAX_EXACT_DOUBLE: Final = 2**53
"""The greatest size of whole numbers that engines do not round in a double."""


def kind_of(value: Scalar) -> str:
    """Return the kind of a value, as that of its column: `text`, `number` or `boolean`."""
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def check_value(subject: str, value: object) -> None:
    """Raise if a column cannot be compared with a value; `subject` begins the error message.

    Raises:
        DefinitionError: It is neither text, number nor boolean, or a number that engines round.
    """
    if not isinstance(value, str | int | float | bool) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise DefinitionError(f"{subject} with {value!r}; use one text, number or boolean.")
    if not isinstance(value, str) and abs(value) > MAX_EXACT_DOUBLE:
        raise DefinitionError(
            f"{subject} with {value!r}, which engines round; keep such a value as text."
        )
    if isinstance(value, str) and _NO_TEXT.search(value):
        raise DefinitionError(
            f"{subject} with {value[:80]!r}, which holds half a character (a surrogate); correct "
            "it."
        )


def _as_kind(column: str, column_kind: str, value: Scalar) -> str:
    if column_kind == "text":
        return f"it in quotes, as in {column} = '{value}'"
    return "the value in the column's own type"


def check_comparable(column: str, column_kind: str, value: Scalar) -> None:
    """Raise if a column of this kind (as in `kind_of`) never equals a value, or only by a cast.

    Raises:
        DefinitionError: The kinds differ.
    """
    if column_kind != kind_of(value):
        raise DefinitionError(
            f"`where` compares {column}, which holds {column_kind}, with the {kind_of(value)} "
            f"{value!r}; write {_as_kind(column, column_kind, value)}, or choose another column."
        )


def check_column(subject: str, column: object) -> None:
    """Raise if a name is no column and no `properties.key`; `subject` begins the message.

    Raises:
        DefinitionError: It is not.
    """
    if not isinstance(column, str) or not re.fullmatch(COLUMN, column):
        raise DefinitionError(
            f"{subject} names the column {column!r}; write a column or properties.key."
        )
    if "." in column and not json_path(column):
        raise DefinitionError(
            f"{subject} names {column!r}; only {JSON_COLUMN} has keys, as in {JSON_COLUMN}.key."
        )


def check_unit(subject: str, per: object) -> None:
    """Refuse all but a unit: `user`, or a key of `properties`.

    Raises:
        DefinitionError: It is neither.
    """
    if per != "user":
        check_column(subject, per)
        if not json_path(str(per)):
            raise DefinitionError(
                f"{subject} is user, or a key of {JSON_COLUMN} such as {JSON_COLUMN}.company; got "
                f"{per!r}."
            )


def json_path(column: str) -> tuple[str, ...]:
    """Return the keys below `properties` that a column's name has; empty for an ordinary column."""
    head, _, keys = column.partition(".")
    if head != JSON_COLUMN:
        return ()
    return tuple(quoted or plain for quoted, plain in _KEYS.findall(f".{keys}" if keys else ""))


OF_SESSIONS: Final = (
    "channel",
    "source",
    "medium",
    "campaign",
    "first_channel",
    "visitor_type",
    "landing_page",
    "first_category",
    "first_product",
)
"""The columns of `SessionColumns`, which events have where a question names them."""


def unknown_column(name: str, columns: Iterable[str]) -> DefinitionError:
    """Return the refusal of a column that events do not have.

    Other columns of files are in `properties`.
    """
    hint = did_you_mean(name, [*columns, *OF_SESSIONS])
    beside = (
        ""
        if hint.startswith("did")
        else f". Of other columns of a file write the key, as in properties.{name}"
    )
    return DefinitionError(f"The events have no column {name!r}; {hint}{beside}.")


_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
DAY_S: Final = 86_400
MAX_DAYS: Final = 36_600
DURATION: Final = r"\s*(\d{1,12})\s*([smhdw])\s*"
"""How a duration is written."""


def parse_duration(text: object) -> int:
    """Return the seconds in `"45s"`, `"30m"`, `"12h"`, `"7d"` or `"2w"`.

    Raises DefinitionError for anything else.

    A bare number is refused: 7 could be days or seconds, and a wrong guess gives a plausible but
    wrong funnel.
    """
    match = re.fullmatch(DURATION, text) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(
            f"The duration {text!r} is not understood; write a number and a unit, as in 45s, 30m, "
            "12h, 7d or 2w."
        )
    return int(match[1]) * _SECONDS[match[2]]


def parse_day(text: str, called: str) -> date:
    """Return the day that a text is; `called` begins the message, such as `--from `.

    Raises:
        DefinitionError: It is not a date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise DefinitionError(
            f"{called}{text!r} is not a date; use YYYY-MM-DD, such as 2026-01-31."
        ) from error


def parse_days(text: object) -> int:
    """Return the days in `"30d"` or `"4w"`.

    Raises:
        DefinitionError: It is not a duration, or not of 1 to 36,600 whole days.
    """
    seconds = parse_duration(text)
    if seconds % DAY_S or not 1 <= seconds // DAY_S <= MAX_DAYS:
        raise DefinitionError(
            f"{text!r} is not of 1 to {MAX_DAYS:,} whole days; write d (days) or w (weeks), as in "
            "30d."
        )
    return seconds // DAY_S


def duration_text(seconds: int) -> str:
    """Return a duration as definitions have it, in the largest unit that divides it."""
    size, unit = max(
        (size, unit) for unit, size in _SECONDS.items() if seconds % size == 0 and unit != "w"
    )
    return f"{seconds // size}{unit}"


MAX_AMOUNT: Final = Decimal(100_000_000)
"""The default limit of an event's or line's money; see `currencies.py` for small units."""
WIDEST_AMOUNT: Final = Decimal(10_000_000_000_000)
"""The highest value of `ECOM_MAX_AMOUNT`.

Attribution adds up the ten-thousandths of a day as 64-bit numbers.
"""
MAX_QUANTITY: Final = 1_000_000
"""The most items that one order line may have."""
MAX_STOCK: Final = 1_000_000_000_000
"""The bound for the items of one product in stock, and for its reorder point."""
LONGEST_EVENT_TYPE = 255
PUBLIC_SENDER: Final = "public-"
"""Begins the name of the sender of a row that anybody may have sent: its key stands in pages."""
NOT_IN_EVENT_TYPES = "[^ -~\u00a0-\U0010fffd]"
"""A pattern that matches a control character.

It is a negated class, as engines differ on anchors and class names.
"""


FIRST_PLAUSIBLE = date(1990, 1, 1)
LAST_PLAUSIBLE = date(2099, 12, 31)


def is_plausible(day: date) -> bool:
    """Return whether a day is plausible as the date of an event or an order."""
    return FIRST_PLAUSIBLE <= day <= LAST_PLAUSIBLE


Ends = tuple[Decimal | None, Decimal | None]
"""The least and the greatest number of a column; None where it has none."""
MAX_BY: Final = 5
MAX_BINS: Final = 50
STEP: Final = Decimal("0.000001")
"""The greatest precision of edges, which is that of the numbers that they part."""
_BINNED: Final = re.compile(rf"(?P<column>{COLUMN}):(?P<how>\w+)=(?P<values>[^\"]*)")
_EDGE: Final = re.compile(r"\s*-?\d{1,16}(?:\.\d{1,6})?\s*")


@dataclass(frozen=True, slots=True)
class Bins:
    """A column of numbers that are compared by bin, written as `cart_amount:bins=5`.

    Attributes:
        column: The number column or `properties.key`.
        count: How many bins of equal width, from the least to the greatest number; None where edges
            are given.
        edges: Where bins meet, rising, as in `cart_amount:edges=20,50`. A number that is an edge is
            in the bin above it; the first bin has all smaller numbers, the last one all greater
            ones.
    """

    column: str
    count: int | None = None
    edges: tuple[Decimal, ...] = ()

    def between(self, least: Decimal | None, greatest: Decimal | None) -> "Bins":
        """Return the bins with their edges, for numbers between two; None without numbers.

        Edges are rounded to three digits of a bin's width, so that they can be read.
        """
        if self.count is None:
            return self
        if least is None or greatest is None:
            return Bins(self.column, edges=(Decimal(0),))
        width = (greatest - least) / self.count
        step = max(STEP, Decimal(1).scaleb(width.adjusted() - 2)) if width else STEP
        inner = {
            (least + (greatest - least) * number / self.count).quantize(step)
            for number in range(1, self.count)
        }
        return Bins(self.column, edges=tuple(sorted(inner)))

    @property
    def labels(self) -> list[str]:
        """The names of the bins, in order; of bins without edges none."""
        if not self.edges:
            return []
        texts = [f"{edge.normalize():f}" for edge in self.edges]
        inner = [f"{low} to {high}" for low, high in pairwise(texts)]
        return [f"under {texts[0]}", *inner, f"{texts[-1]} or more"]

    def __str__(self) -> str:
        """Return the bins as a definition has them."""
        if self.count is not None:
            return f"{self.column}:bins={self.count}"
        return f"{self.column}:edges={','.join(f'{edge:f}' for edge in self.edges)}"


def bins_of(by: str) -> Bins | None:
    """Return the bins that a part of a breakdown names; None if it is a column as it is.

    Raises:
        DefinitionError: There are too few or too many bins, or the edges do not rise.
    """
    match = _BINNED.fullmatch(by)
    if match is None:
        return None
    column, how, values = match["column"], match["how"], match["values"]
    if how not in {"bins", "edges"}:
        raise DefinitionError(
            f"{by!r} has no bins; {did_you_mean(how, ('bins', 'edges'))}, as in {column}:bins=5."
        )
    if how == "bins":
        if not values.isdecimal() or not 2 <= int(values) <= MAX_BINS:  # noqa: PLR2004 (one bin compares nothing)
            raise DefinitionError(
                f"{by!r} is not understood; give 2 to {MAX_BINS} bins, as in {column}:bins=5."
            )
        return Bins(column, int(values))
    texts = values.split(",")
    edges = tuple(Decimal(text.strip()) for text in texts if _EDGE.fullmatch(text))
    is_rising = all(low < high for low, high in pairwise(edges))
    if len(edges) < len(texts) or not is_rising or len(edges) >= MAX_BINS:
        raise DefinitionError(
            f"{by!r} is not understood; write fewer than {MAX_BINS} rising numbers, as in "
            f"{column}:edges=20,50.5."
        )
    return Bins(column, edges=edges)


def by_columns(subject: str, by: object) -> tuple[str, ...]:
    """Return the parts of a breakdown: one, several, or none.

    Raises:
        DefinitionError: One is not a column, one is there twice, or there are too many.
    """
    columns = tuple(by) if isinstance(by, list | tuple) else () if by is None else (by,)
    for column in columns:
        bins = bins_of(column) if isinstance(column, str) else None
        check_column(subject, bins.column if bins else column)
    if (by is not None and not 1 <= len(columns) <= MAX_BY) or len(
        set(named_columns(columns))
    ) < len(columns):
        raise DefinitionError(f"{subject} is 1 to {MAX_BY} different columns; got {by!r}.")
    return columns


def named_columns(by: Iterable[str]) -> list[str]:
    """Return the columns that the parts of a breakdown name."""
    return [bins.column if (bins := bins_of(part)) else part for part in by]


def binned_columns(by: Iterable[str]) -> list[str]:
    """Return the columns whose numbers are compared in bins."""
    return [bins.column for part in by if (bins := bins_of(part))]


def open_columns(by: Iterable[str]) -> list[str]:
    """Return the columns whose least and greatest number bound bins of equal width."""
    return [bins.column for part in by if (bins := bins_of(part)) and bins.count]


def with_ends(
    by: Sequence[str], limit: int, ends: Mapping[str, Ends]
) -> tuple[tuple[str, ...], int]:
    """Return a breakdown whose bins have their edges, and how many of its values are shown.

    Bins of a single column are all shown, whatever the limit. `ends` has the least and the greatest
    number of each of `open_columns`.
    """
    edged = [
        bins.between(*ends.get(bins.column, (None, None))) if (bins := bins_of(part)) else part
        for part in by
    ]
    first = edged[0] if len(edged) == 1 else ""
    shown = max(limit, len(first.labels) + 1) if isinstance(first, Bins) else limit
    return tuple(map(str, edged)), shown


def in_order(by: Sequence[str], values: Iterable[str]) -> list[str]:
    """Return values of a breakdown: those of bins first, from the lowest to the highest."""
    bins = bins_of(by[0]) if len(by) == 1 else None
    labels = bins.labels if bins else []

    def position(value: str) -> int:
        return labels.index(value) if value in labels else len(labels)

    return sorted(values, key=position)


def split_columns(text: str) -> list[str]:
    """Return the parts of a breakdown between commas; edges of bins may have commas too."""
    return [part.strip() for part in re.split(r",(?!\s*-?\d)", text) if part.strip()]


TOOLS: Final = {
    "posthog": "PostHog",
    "amplitude": "Amplitude",
    "mixpanel": "Mixpanel",
    "clickhouse": "ClickHouse",
    "ga4": "GA4",
}
Preset = Mapping[str, Any]
"""Values by the key of a definition."""


def with_preset(presets: Mapping[str, Preset], raw: NamedValues, question: str) -> Answer:
    """Return a definition with the values of its `preset`, a tool's name, for missing keys.

    Errors name the `question`, as in "ClickHouse has no sessions".

    Raises:
        DefinitionError: There is no such tool, or none of its rules for this question is known.
    """
    own, name = {key: value for key, value in raw.items() if key != "preset"}, raw.get("preset")
    if name is None:
        return own
    if name in tuple(presets):
        return {
            **presets[str(name)],
            **without_none(own),
        }
    if name in tuple(TOOLS):
        has_presets = ", ".join(presets)
        raise DefinitionError(
            f"{TOOLS[str(name)]} has no {question} that a preset could follow; known are "
            f"{has_presets}."
        )
    raise DefinitionError(
        f"The preset {name!r} of {question} is unknown; {did_you_mean(name, presets)}."
    )


def hash_of(*parts: object) -> str:
    """Return a short text that differs if what a definition is made of does."""
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def batches_of(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield values in their order, in batches of at most `size`."""
    for first in range(0, len(values), size):
        yield values[first : first + size]
