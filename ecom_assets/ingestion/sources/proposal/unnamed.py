"""Columns of a file of orders whose names say nothing, found by what their values do: the number of
the order by the rows that it holds together, prices and quantities by what they come to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations, product
from typing import Final

import numpy as np
import numpy.typing as npt

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.fields import (
    DECIMALS,
    ORDER_TOTAL,
    UNIT_PRICE,
    Found,
    free_columns,
    has_decimals,
    is_list,
    numbers_of_rows,
)
from ecom_assets.ingestion.sources.proposal.parts import (
    Numbers,
    Part,
    can_be_amount,
    part_of,
    read_numbers,
)
from ecom_assets.ingestion.sources.proposal.state_words import begins, words_of
from ecom_assets.ingestion.sources.proposal.values import CLOCK, EMAIL, TABLE, FileValues, Value

_FEWEST, _SHARE, _NEAR = 3, 0.98, 0.0051
_NUMBERS_OF_THINGS: Final = frozenset(
    {
        "id",
        "number",
        "nummer",
        "nr",
        "no",
        "code",
        "position",
        "pos",
        "index",
        "rank",
        "year",
        "zip",
    }
)
_MOST_PIECES, _USUAL_PIECES = 10_000, 20
_AMOUNTS: Final = ("payment_amount", ORDER_TOTAL, "shipping_amount", "tax_amount")
_MOST_PRICES, _MOST_WHOLES, _MOST_TOTALS = 6, 4, 8
_OFTEN_DIFFERENT: Final = 0.2
"""The share of rows with a number of their own that a column of order numbers has at least."""
_MOST_REFUNDS: Final = 0.2
"""The share of rows that repeat a number at another time, as refunds do."""


@dataclass(frozen=True)
class Product:
    """A price times a quantity; `shown_by` says which amount it is, empty where none shows it.

    `less` is the discount that is taken off it, where the sum of an order shows that, `plus` what
    is added to it, such as a tax, and `total` the amount of the order that shows it.
    """

    price: Value
    quantity: Value
    shown_by: str = ""
    less: str = ""
    total: str = ""
    plus: str = ""

    @property
    def text(self) -> str:
        """Return it in words."""
        return f"{self.price.name} times {self.quantity.name}"


def order_numbers(values: FileValues, found: Found) -> tuple[Value | None, tuple[Value, ...]]:
    """Return the column that holds rows of one order together, None if nothing shows it, and those
    that may be the order's number.

    All rows of one value agree in the times and customers that they have, and some have several
    rows.
    """
    if "order_id" in found:
        return None, ()
    columns = [
        value for value in free_columns(values, found) if _can_be_number_of_order(values, value)
    ]
    shown = [value for value in columns if _holds_together(values, value, found)]
    shown.sort(key=values.different)
    return next(iter(shown), None), tuple(columns)


def _can_be_number_of_order(values: FileValues, value: Value) -> bool:
    rows, different = values.row_count, values.different(value)
    if (
        is_list(values, value)
        or values.filled(value) < rows
        or not max(rows * _OFTEN_DIFFERENT, 1) < different
    ):
        return False
    if values.time_formats(value) or values.matching(value, EMAIL):
        return False
    if values.matching(value, CLOCK) * 2 > rows or values.matching(value, DECIMALS) * 2 > rows:
        return False
    return not (different == rows and values.numbers_rows(value))


def _holds_together(values: FileValues, value: Value, found: Found) -> bool:
    """Return whether all rows of a number are of one customer and one time; of a refund that is a
    row of its own the time is another one.
    """
    repeated = values.row_count - values.different(value)
    if repeated < _FEWEST or "date_time" not in found:
        return False
    customer = found.get("customer_id")
    is_of_one = customer is not None and _agrees(values, value, customer.value)
    if customer is not None and not is_of_one:
        return False
    are_refunds = is_of_one and repeated <= values.row_count * _MOST_REFUNDS
    time = found["date_time"].value
    pairs = values.different_tuples(value, time)
    are_few_more = pairs <= values.different(value) * (1 + _MOST_REFUNDS)
    return are_refunds or are_few_more


def _agrees(values: FileValues, value: Value, other: Value) -> bool:
    """Return whether rows of a value that have another one have one of it."""
    both = f"{other.column} IS NOT NULL"
    different = values.scalar(f"count(DISTINCT {value.column}) FILTER ({both})")
    return bool(values.different_tuples(value, other) == different)


def several_rows_at_once(values: FileValues, found: Found) -> bool:
    """Return whether several rows are of one customer and one time, as lines of an order are."""
    names = ("date_time", "customer_id")
    keys = [found[name].value.column for name in names if name in found]
    if len(keys) < len(names):
        return False
    pairs = f"count(DISTINCT ({', '.join(keys)}))"
    filled = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    return bool(values.scalar(f"count(*) FILTER ({filled}) - {pairs} FILTER ({filled}) > 0"))


def products(values: FileValues, found: Found) -> Iterator[Product]:
    """Yield prices times quantities that may be the amounts of rows, those that a sum shows first.

    Of price and quantity one may be known by its name.
    """
    numbers = numbers_of_rows(values, found)
    known_price, known_count = found.get(UNIT_PRICE), found.get("quantity")
    wholes = (
        [known_count.value]
        if known_count
        else sorted(
            (value for value in numbers if can_be_pieces(values, value)), key=values.different
        )[:_MOST_WHOLES]
    )
    prices = (
        [known_price.value]
        if known_price
        else sorted(
            (value for value in numbers if _can_be_price(values, value)),
            key=lambda value: not has_decimals(values, value),
        )[:_MOST_PRICES]
    )
    pairs = [
        (price, whole) for whole, price in product(wholes, prices) if price.column != whole.column
    ]
    if pairs:
        sums = _Sums.read(values, found, [*prices, *wholes])
        tried = [sums.of(price, whole) for price, whole in pairs]
        yield from sorted(tried, key=lambda each: not each.shown_by)


def line_amount(values: FileValues, found: Found) -> tuple[Value, str, str, str] | None:
    """Return the column whose amounts come to that of each order, how, and of each row the discount
    that is taken off it before, and what is added to it, if any; None if no column does.
    """
    order = found.get("order_id")
    total = found.get("payment_amount") or found.get(ORDER_TOTAL)
    if order is None or total is None or values.spread or UNIT_PRICE in found:
        return None
    numbers = [value for value in numbers_of_rows(values, found) if _can_be_price(values, value)]
    parts = [value for value in numbers_of_rows(values, {}) if part_of(value) in _OF_ROWS]
    sums = _Sums.read(values, found, [*dict.fromkeys([*numbers, *parts])])
    goods = [value for value in numbers if part_of(value) is None]
    # A discount of no known name, or a tax beside the amount.
    off = [part for part in parts if part_of(part) is Part.DISCOUNT]
    on = [part for part in parts if part not in off]
    signed = [*((part, -1) for part in off), *((part, 1) for part in on)]
    signed += [(part, sign) for sign in (-1, 1) for part in goods[:_MOST_TOTALS]]
    tried: list[tuple[tuple[Value, int], ...]] = [(), *((signed_value,) for signed_value in signed)]
    tried += [
        ((less, -1), (plus, 1))
        for less, plus in product((*off, *goods[:_MOST_PAIRED]), (*on, *goods[:_MOST_PAIRED]))
        if less != plus
    ]
    for beside, value in product(tried, numbers):
        others = [part for part, _ in beside]
        if others and (
            value not in goods or not all(sums.is_more(value, column) for column in others)
        ):
            continue
        if equation := sums.of_order(value, total.value, beside):
            less, plus = (
                next((part.name for part, way in beside if way == sign), "") for sign in (-1, 1)
            )
            return value, equation, less, plus
    return None


_MOST_PAIRED: Final = 3
"""Amounts of no known name of which two are tried beside that of a line at once."""
_OF_ROWS: Final = frozenset({Part.DISCOUNT, Part.TAX})
"""What each row may have beside its amount, before rows come to the total of their order."""


def money_on_two_sides(values: FileValues) -> Value | None:
    """Return the money of rows that stands in one column where it came in, and in another one where
    it went out, as of an account: credits less debits; None without such columns.

    Their names are the same but for the side, no row has both, and neither is below zero. Of
    several pairs the one with the most that came in is taken, as others are without fees.
    """
    if values.spread:
        return None
    numbers = [value for value in numbers_of_rows(values, {}) if has_decimals(values, value)]
    sides = {value: [side for side in _SIDES if _on_side(value, side)] for value in numbers}
    pairs = [
        (came, went)
        for came, went in permutations(numbers, 2)
        if sides[came] == ["in"] and sides[went] == ["out"]
        if _without_side(came) == _without_side(went) and _excludes(values, came, went)
    ]
    if not pairs:
        return None
    came, went = max(pairs, key=lambda pair: values.scalar(f"sum({values.number_sql(pair[0])})"))
    plain = {
        cell: sql
        for pieces in (came, went)
        for cell, sql in (
            (pieces.sql, values.plain_sql(pieces)),
            (pieces.column, values.number_sql(pieces)),
        )
    }

    def less(cells: Sequence[str]) -> str:
        sums = (f"coalesce(({plain[cell]})::DECIMAL(24, 6), 0)" for cell in cells)
        filled = " OR ".join(f"{cell} IS NOT NULL" for cell in cells)
        return f"CASE WHEN {filled} THEN ({' - '.join(sums)})::VARCHAR END"

    return values.computed(f"{came.name} less {went.name}", less, (came, went))


_SIDES: Final = {
    "in": (
        *("credit", "kredit", "haben", "avere", "abono", "habere", "кредит", "alacak"),
        *("eingang", "einnahme", "入金"),
    ),
    "out": (
        "debit",
        "soll",
        "dare",
        "cargo",
        "debet",
        "debe",
        "дебет",
        "borc",
        "ausgang",
        "ausgabe",
        "出金",
    ),
}
"""How words begin that say on which side of an account money stands."""


def _on_side(value: Value, side: str) -> bool:
    return any(begins(word, _SIDES[side]) for word in words_of(value.last_name))


def _without_side(value: Value) -> list[str]:
    both = (*_SIDES["in"], *_SIDES["out"])
    return [word for word in words_of(value.last_name) if not begins(word, both)]


def _zero_if_empty(values: FileValues, value: Value) -> str:
    return f"coalesce({values.number_sql(value)}, 0)"


def _excludes(values: FileValues, came: Value, went: Value) -> bool:
    """Return whether each row has money in one of two columns at most, and none below zero."""
    one, other = (_zero_if_empty(values, value) for value in (came, went))
    odd = f"count(*) FILTER ({one} < 0 OR {other} < 0 OR ({one} <> 0 AND {other} <> 0))"
    some = f"count(*) FILTER ({one} <> 0) > 0 AND count(*) FILTER ({other} <> 0) > 0"
    return bool(values.scalar(some)) and not values.scalar(odd)


def line_of_part(values: FileValues, order: Value, amount: str) -> Value | None:
    """Return the column by which some rows name another row of their order, of which they are
    parts that cost nothing; None if there is none.

    Args:
        values: The values of the files.
        order: The number of the order.
        amount: The SQL of the amount of a row.
    """
    columns = [value for value in values.values if value.is_column and not value.joined]
    ids = [value for value in columns if values.different(value) == values.row_count]
    for value in columns:
        filled = values.filled(value)
        if not _FEWEST <= filled < values.row_count or value == order:
            continue
        if values.scalar(f"count(*) FILTER ({value.column} IS NOT NULL AND {amount} <> 0)"):
            continue
        for own in ids:
            lines = select(f"{own.column} AS line, {order.column} AS line_order", TABLE)
            parts = select(f"{value.column} AS part, {order.column} AS part_order", TABLE)
            joined = f"({parts}) JOIN ({lines}) ON part = line AND part_order = line_order"
            if values.rows(select("count(*)", joined))[0][0] == filled:
                return value
    return None


def can_be_pieces(values: FileValues, value: Value) -> bool:
    """Return whether numbers may be pieces: whole ones, mostly small, of which some are not 1."""
    if any(word in _NUMBERS_OF_THINGS for word in words_of(value.last_name)):
        return False
    number = values.number_sql(value)
    counts = (
        f"count({number}), count(*) FILTER ({number} <> round({number}) OR abs({number}) > "
        f"{_MOST_PIECES}), median(abs({number})), count(DISTINCT {number}), "
        f"count(*) FILTER (abs({number}) = 1)"
    )
    filled, odd, usual, different, ones = values.rows(select(counts, TABLE))[0]
    is_usual = filled * 2 >= values.row_count and not odd and different > 1 and ones
    return bool(is_usual) and usual <= _USUAL_PIECES


def _can_be_price(values: FileValues, value: Value) -> bool:
    return can_be_amount(value) and not can_be_pieces(values, value)


@dataclass(frozen=True)
class _Sums:
    """The numbers of rows by column, and the place of each row's order."""

    cells: dict[str, Numbers]
    orders: npt.NDArray[np.intp]
    totals: Sequence[Value]
    _wholes: dict[str, Numbers | None] = field(default_factory=dict)

    @classmethod
    def read(cls, values: FileValues, found: Found, columns: Sequence[Value]) -> "_Sums":
        """Read some columns, and the amounts of rows and orders that they may come to."""
        numbers = [value for value in numbers_of_rows(values, found) if can_be_amount(value)]
        amounts = [found[name].value for name in _AMOUNTS if name in found]
        totals = [*dict.fromkeys([*amounts, *numbers])][:_MOST_TOTALS]
        every = [*dict.fromkeys([*columns, *totals])]
        named = [found[name].value for name in ("order_id", "date_time") if name in found]
        # The time tells refunds of one number apart, unless only one line of an order has it.
        keys = [value.column for value in named if values.filled(value) == values.row_count]
        is_known = bool(keys) and keys[0] == named[0].column and "order_id" in found
        place = f"dense_rank() OVER (ORDER BY {', '.join(keys)})" if is_known else "0"
        read = read_numbers(values, [place, *(values.number_sql(value) for value in every)])
        cells = {value.column: column for value, column in zip(every, read[1:], strict=True)}
        return cls(cells, np.unique(read[0], return_inverse=True)[1], totals)

    def of_order(self, value: Value, total: Value, beside: Sequence[tuple[Value, int]] = ()) -> str:
        """Return how the amounts of rows, plus and less parts of each, come to that of their order;
        empty if they do not.
        """
        parts = [part for part, _ in beside]
        if self._whole(value) is not None or total in parts:
            return ""
        if not all(map(self._is_often_filled, parts)):
            return ""
        others = [column for column in self.totals if column not in {value, total, *parts}]
        words = "".join(f" {'-' if sign < 0 else '+'} {part.name}" for part, sign in beside)
        amounts = self.cells[value.column]
        sums = sum((sign * self._filled(part) for part, sign in beside), amounts)
        equation = self._of_order(sums, [total, *others], with_few=True)
        return f"the sum of {value.name}{words}{equation}" if f"= {total.name} " in equation else ""

    def of(self, price: Value, whole: Value) -> Product:
        """Return a price times a quantity, and which amount it is: of the row, alone or with one
        part, or of the order, perhaps after a discount of the rows and with a charge of the order.
        """
        count = self.cells[whole.column]
        times, several = self.cells[price.column] * count, np.abs(count) != 1
        ends = [value for value in self.totals if value.column not in {price.column, whole.column}]
        product_text = f"{price.name} * {whole.name}"
        for end in ends:
            if _holds(times, self.cells[end.column], several):
                return Product(price, whole, f"{product_text} = {end.name}")
        for end, part in permutations(ends, 2):
            for sign, word in ((-1, "-"), (1, "+")):
                sums = times + sign * self._filled(part)
                if self._is_often_filled(part) and _holds(sums, self.cells[end.column], several):
                    return Product(price, whole, f"{product_text} {word} {part.name} = {end.name}")
        beside = [value for value in ends if self._is_often_filled(value)]
        # A part of the rows is a discount, or what the order has beside the goods, such as a tax.
        signed = [(value, sign) for sign in (-1, 1) for value in beside]
        tried: list[tuple[tuple[Value, int], ...]] = [
            (),
            *((signed_value,) for signed_value in signed),
        ]
        tried += [((off, -1), (on, 1)) for off, on in permutations(beside, 2)]
        for parts in tried:
            sums = sum((sign * self._filled(value) for value, sign in parts), times)
            others = [value for value in ends if value not in {value for value, _ in parts}]
            if equation := self._of_order(sums, others):
                words = (f" {'-' if sign < 0 else '+'} {value.name}" for value, sign in parts)
                text = f"the sum of {product_text}{''.join(words)}{equation}"
                total = equation.removesuffix(" of the order").rpartition(" = ")[2]
                less, plus = (
                    next((value.name for value, way in parts if way == sign), "")
                    for sign in (-1, 1)
                )
                return Product(price, whole, text, less, total, plus)
        return Product(price, whole)

    @cached_property
    def _counts(self) -> npt.NDArray[np.intp]:
        """Return how many rows each order has."""
        return np.bincount(self.orders)

    def is_more(self, value: Value, part: Value) -> bool:
        """Return whether an amount comes to more than another one, over all rows."""
        amount, other = (float(np.sum(np.abs(self._filled(column)))) for column in (value, part))
        return amount > other

    def _filled(self, value: Value) -> Numbers:
        return np.nan_to_num(self.cells[value.column])

    def _is_often_filled(self, part: Value) -> bool:
        return bool((self._filled(part) != 0).sum() >= _FEWEST)

    def _of_order(self, lines: Numbers, ends: Sequence[Value], *, with_few: bool = False) -> str:
        """Return which amount of an order the amounts of its rows come to; empty if none. With few
        orders of several rows, all of a few orders must show it, those of one row, too.
        """
        several = self._counts > 1
        if not several.any() or (several.sum() < _FEWEST and not with_few):
            return ""
        if several.sum() < _FEWEST:
            several = np.full(len(several), len(several) < 1 / (1 - _SHARE))
        sums: Numbers = np.bincount(self.orders, np.nan_to_num(lines)).astype(np.float64)
        of_order = {value: whole for value in ends if (whole := self._whole(value)) is not None}
        for end, total in of_order.items():
            if _holds(sums, total, several):
                return f" = {end.name} of the order"
        for end, part in permutations(of_order, 2):
            if _holds(sums + np.nan_to_num(of_order[part]), of_order[end], several):
                return f" + {part.name} = {end.name} of the order"
        return ""

    def _whole(self, value: Value) -> Numbers | None:
        """Return the amount of each order that all or one of its rows have; None if they differ."""
        if value.column not in self._wholes:
            self._wholes[value.column] = self._of_whole_orders(value)
        return self._wholes[value.column]

    def _of_whole_orders(self, value: Value) -> Numbers | None:
        number = self._filled(value)
        most = np.full(len(self._counts), -np.inf)
        least = np.full(len(self._counts), np.inf)
        np.maximum.at(most, self.orders, number)
        np.minimum.at(least, self.orders, number)
        is_one = np.abs(most - least) < _NEAR
        is_first = np.bincount(self.orders, number != 0) == 1
        if (is_one | is_first).mean() < _SHARE or not np.any(number):
            return None
        return np.where(np.abs(most) > np.abs(least), most, least)


def _holds(sums: Numbers, amounts: Numbers, telling: npt.NDArray[np.bool_]) -> bool:
    known = ~np.isnan(sums) & ~np.isnan(amounts)
    holds = np.abs(sums - amounts) < _NEAR
    rows = known & telling & (amounts != 0)
    if rows.sum() < _FEWEST or known.sum() * 2 < np.count_nonzero(~np.isnan(amounts)):
        return False
    return bool(holds[rows].mean() >= _SHARE <= holds[known].mean())
