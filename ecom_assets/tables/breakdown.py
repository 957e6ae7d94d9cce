"""Breakdowns of questions: the columns whose values are compared, and the bins of a column of numbers.

This module imports nothing heavy, because the `ecom` command reads a definition before it starts an engine.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.tables.values import COLUMN, check_column

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
    """A column of numbers that are compared by the bin that they lie in, written as `cart_amount:bins=5`.

    Attributes:
        column: The number column or `properties.key`.
        count: How many bins of equal width, from the least to the greatest number; None where edges are given.
        edges: Where bins meet, rising, as in `cart_amount:edges=20,50`. A number that is an edge is in the bin above
            it; the first bin has all smaller numbers, the last one all greater ones.
    """

    column: str
    count: int | None = None
    edges: tuple[Decimal, ...] = ()

    def between(self, least: Decimal | None, greatest: Decimal | None) -> "Bins":
        """Return the bins with their edges, for numbers between two; None where there are no numbers.

        Edges are rounded to three digits of a bin's width, so that they can be read.
        """
        if self.count is None:
            return self
        if least is None or greatest is None:
            return Bins(self.column, edges=(Decimal(0),))
        width = (greatest - least) / self.count
        step = max(STEP, Decimal(1).scaleb(width.adjusted() - 2)) if width else STEP
        inner = {(least + (greatest - least) * place / self.count).quantize(step) for place in range(1, self.count)}
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
        raise DefinitionError(f"{by!r} has no bins; {did_you_mean(how, ('bins', 'edges'))}, as in {column}:bins=5.")
    if how == "bins":
        if not values.isdecimal() or not 2 <= int(values) <= MAX_BINS:  # noqa: PLR2004 (one bin compares nothing)
            raise DefinitionError(f"{by!r} is not understood; give 2 to {MAX_BINS} bins, as in {column}:bins=5.")
        return Bins(column, int(values))
    texts = values.split(",")
    edges = tuple(Decimal(text.strip()) for text in texts if _EDGE.fullmatch(text))
    is_rising = all(low < high for low, high in pairwise(edges))
    if len(edges) < len(texts) or not is_rising or len(edges) >= MAX_BINS:
        raise DefinitionError(
            f"{by!r} is not understood; write fewer than {MAX_BINS} rising numbers, as in {column}:edges=20,50.5."
        )
    return Bins(column, edges=edges)


def check_by(place: str, by: object) -> None:
    """Refuse what is neither a column, a `properties.key`, nor bins of one; `place` begins the error message.

    Raises:
        DefinitionError: It is none of them.
    """
    bins = bins_of(by) if isinstance(by, str) else None
    check_column(place, bins.column if bins else by)


def by_columns(place: str, by: object) -> tuple[str, ...]:
    """Return the parts of a breakdown: one, several, or none.

    Raises:
        DefinitionError: One is not a column, one is there twice, or there are too many.
    """
    columns = tuple(by) if isinstance(by, list | tuple) else () if by is None else (by,)
    for column in columns:
        check_by(place, column)
    if (by is not None and not 1 <= len(columns) <= MAX_BY) or len(set(named_columns(columns))) < len(columns):
        raise DefinitionError(f"{place} is 1 to {MAX_BY} different columns; got {by!r}.")
    return columns


def named_columns(by: Iterable[str]) -> list[str]:
    """Return the columns that the parts of a breakdown name."""
    return [bins.column if (bins := bins_of(one)) else one for one in by]


def binned_columns(by: Iterable[str]) -> list[str]:
    """Return the columns whose numbers are compared in bins."""
    return [bins.column for one in by if (bins := bins_of(one))]


def open_columns(by: Iterable[str]) -> list[str]:
    """Return the columns whose least and greatest number bound bins of equal width."""
    return [bins.column for one in by if (bins := bins_of(one)) and bins.count]


def with_ends(by: Sequence[str], limit: int, ends: Mapping[str, Ends]) -> tuple[tuple[str, ...], int]:
    """Return a breakdown in which bins of equal width have their edges, and how many of its values are shown.

    Bins of a single column are all shown, whatever the limit. `ends` has the least and the greatest number of each of
    `open_columns`.
    """
    edged = [bins.between(*ends.get(bins.column, (None, None))) if (bins := bins_of(one)) else one for one in by]
    first = edged[0] if len(edged) == 1 else ""
    shown = max(limit, len(first.labels) + 1) if isinstance(first, Bins) else limit
    return tuple(map(str, edged)), shown


def in_order(by: Sequence[str], values: Iterable[str]) -> list[str]:
    """Return values of a breakdown as they are, those of bins from the lowest to the highest, before any others."""
    bins = bins_of(by[0]) if len(by) == 1 else None
    labels = bins.labels if bins else []
    return sorted(values, key=lambda value: labels.index(value) if value in labels else len(labels))


def split_columns(text: str) -> list[str]:
    """Return the parts of a breakdown between commas, of which edges of bins may have some themselves."""
    return [one.strip() for one in re.split(r",(?!\s*-?\d)", text) if one.strip()]
