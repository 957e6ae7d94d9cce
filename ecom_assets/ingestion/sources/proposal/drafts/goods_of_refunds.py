"""How much of what was paid back was paid for goods: without the tax and the postage in it.

What went back of a whole order shows what is in it: it comes to the goods, or to all that was paid.
Of what went back of a part, columns of the refund itself say it; else it is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from ecom_assets.core.tables import formats
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.proposal.drafts.amount_options import goods_sql, plain_number
from ecom_assets.ingestion.sources.proposal.drafts.cents import in_cents
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    ORDER_ID,
    AmountReading,
    Draft,
    GoodsOfBack,
)
from ecom_assets.ingestion.sources.proposal.fields import (
    REFUNDED_AMOUNT,
    has_decimals,
)
from ecom_assets.ingestion.sources.proposal.parts import (
    Numbers,
    Part,
    is_rate,
    is_tax_of,
    is_total,
    part_of,
)
from ecom_assets.ingestion.sources.proposal.questions import BACK, PARTS, quoted, shown
from ecom_assets.ingestion.sources.proposal.state_words import Meaning, says_no_sale_or_refund
from ecom_assets.ingestion.sources.proposal.states import OrderStates
from ecom_assets.ingestion.sources.proposal.unnamed import several_rows_at_once
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value

_NEAR: Final = 0.0051
_MOSTLY: Final = 0.98
_NEAR_OF_PIECES: Final = 0.0205
_MOST_ROWS: Final = 100_000
MOST_PARTS: Final = 4
"""Columns of taxes and postage of which each combination is tried."""
Flags = npt.NDArray[np.bool_]


def is_of_order(draft: Draft, back: Value) -> bool:
    """Return whether what was paid back is of a whole order."""
    if draft.is_back_shared or draft.has_row_per_order():
        return True
    return ORDER_ID in draft.found and draft.is_one_per_order(back)


def is_of_row(draft: Draft) -> bool:
    """Return whether rows are orders, or each is one where no column has the number of an order."""
    is_single = ORDER_ID not in draft.found and not several_rows_at_once(draft.values, draft.found)
    return draft.has_row_per_order() or is_single


def find_goods_of_refunds(draft: Draft, states: OrderStates | None) -> None:
    """Find what of the money that was paid back was for goods, and ask where nothing shows it."""
    if states and not states.is_final:
        _note_parts_without_refunds(draft, states)
    back = draft.found.get(REFUNDED_AMOUNT)
    is_known = back is not None and back.value.is_column
    if not draft.refund or draft.refunds_pieces or not (is_known or draft.left_of_total):
        return
    reading = draft.reading()
    is_plain = not (draft.order_rows or draft.are_kinds or len(draft.readings) > 1)
    is_plain |= reading is not None and reading.text == draft.answers.get(PARTS)
    cells = draft.line_columns()
    if not is_plain or not cells or not draft.is_cell(*cells):
        return
    no_sale = states.of(Meaning.NO_SALE) if states else []
    left_out = f"list_contains({texts(no_sale)}, {states.value.column})" if states else "false"
    amounts = _BackAmounts(draft, left_out)
    ways = amounts.ways()
    draft.back = ways[0]
    if len(ways) == 1:
        return
    sums = {way.text_of(amounts.name): amounts.sum_of(way) for way in ways}
    some = " or ".join(f"{shown(text)} ({formats.amount(sums[text])})" for text in sums)
    sentence = (
        f"what of {shown(amounts.name)} was paid back for goods, as no column says what of it is "
        f"tax or postage: {some}"
    )
    draft.ask(BACK, sentence, tuple(sums), next(iter(sums)))
    said = draft.answers.get(BACK)
    draft.back = next((way for way in ways if way.text_of(amounts.name) == said), ways[0])


def _note_parts_without_refunds(draft: Draft, states: OrderStates) -> None:
    """Note what is taken off sales and stands in no row of a refund: all of such a row counts as
    paid back for goods.
    """
    reading, refunds, paid = draft.reading(), states.of(Meaning.REFUND), draft.line_columns()
    if reading is None or not refunds or not paid:
        return
    is_refund = f"coalesce(list_contains({texts(refunds)}, {states.value.column}), false)"
    units = " / 100" if any(value in draft.cents for value in paid) else ""
    money = " * ".join(map(draft.values.number_sql, paid)) + units
    for name in reading.less:
        is_filled = f"coalesce({draft.values.number_sql(_named(draft, name))}, 0) <> 0"
        cells = [
            f"count(*) FILTER ({is_filled} AND {is_refund})",
            f"count(*) FILTER ({is_filled} AND NOT {is_refund})",
            f"coalesce(sum(abs({money})) FILTER ({is_refund}), 0)::DOUBLE",
        ]
        of_refunds, of_sales, back = draft.values.rows(select(cells, TABLE))[0]
        if back and of_sales and not of_refunds:
            draft.notes.append(
                f"{shown(name)} is taken off sales and stands in no row of a refund, so that all "
                f"of what was paid back ({formats.amount(back)}) counts as of goods; check this"
            )


def are_pieces_worth_it(draft: Draft, share: str) -> bool:
    """Return whether what was paid back of a line, or of an order, is no less than what its pieces
    that went back cost, and nothing was where none did; true where no column says how much was.

    Args:
        draft: The mapping that is written.
        share: The SQL of which share of the pieces of a line went back.
    """
    match, order = draft.found.get(REFUNDED_AMOUNT), draft.found.get(ORDER_ID)
    if match is None or not match.value.is_column or order is None:
        return True
    amounts = _BackAmounts(draft)
    is_whole = is_of_order(draft, match.value) and not draft.has_row_per_order()
    back = f"abs({draft.values.number_sql(match.value)})"
    cells = [f"({amounts.goods_sql()}) * {share} AS worth", f"{back} AS back"]
    rows = select(cells, TABLE, f"{order.value.column} IS NOT NULL")
    if is_whole:
        cells = [f"sum(({amounts.goods_sql()}) * {share}) AS worth", f"max({back}) AS back"]
        rows = select(cells, TABLE, f"{order.value.column} IS NOT NULL", order.value.column)
    money, worth = "coalesce(back, 0)", "coalesce(worth, 0)"
    differs = f"({money} > 0) <> ({worth} > 0) OR {money} < {worth} - {_NEAR_OF_PIECES}"
    return not draft.values.rows(select(f"count(*) FILTER ({differs})", f"({rows})"))[0][0]


@dataclass(frozen=True)
class _BackAmounts:
    """What was paid back of orders, or of lines, beside what was paid for them."""

    draft: Draft
    left_out: str = "false"
    """The SQL of the rows that are no sales: what went back of them shows what is in it, too."""

    @property
    def name(self) -> str:
        """Return what the amount is called."""
        if self.draft.left_of_total:
            return " less ".join(self.draft.left_of_total)
        return self.draft.found[REFUNDED_AMOUNT].value.name

    @cached_property
    def _is_of_order(self) -> bool:
        if self.draft.left_of_total:
            return True
        return is_of_order(self.draft, self.draft.found[REFUNDED_AMOUNT].value)

    def _number(self, value: Value) -> str:
        draft = self.draft
        # Where the goods are in cents, whole numbers beside them are, too.
        is_like_goods = self._are_goods_in_cents and not has_decimals(draft.values, value)
        is_money = value not in (*self._pieces, *self._rates)
        is_in_cents = value in draft.cents or (is_like_goods and is_money)
        return f"coalesce({draft.values.number_sql(value)}, 0){' / 100' if is_in_cents else ''}"

    @cached_property
    def _are_goods_in_cents(self) -> bool:
        return any(value in self.draft.cents for value in self.draft.line_columns())

    @cached_property
    def _pieces(self) -> tuple[Value, ...]:
        """Return the columns of numbers of pieces."""
        return tuple(match.value for name, match in self.draft.found.items() if name == "quantity")

    def goods_sql(self) -> str:
        """Return the SQL of the amount of the goods of a row."""
        return goods_sql(self.draft, self._number)

    @cached_property
    def _rates(self) -> tuple[Value, ...]:
        """Return the columns of what is taken off in percent."""
        reading = self.draft.reading()
        factor = reading.factor if reading else None
        return tuple(filter(is_rate, factor.columns)) if factor else ()

    @cached_property
    def _columns(self) -> tuple[Value, ...]:
        """Return the columns that may be of what was paid, or of what went back of it."""
        numbers = self.draft.amounts_of_sales()
        if self.draft.values.spread:
            inside = f"{self.draft.values.spread}."
            of_list = {value for value in numbers if value.name.startswith(inside)}
            numbers = [value for value in numbers if (value not in of_list) is self._is_of_order]
        elif not is_of_row(self.draft):
            is_whole = self.draft.is_one_per_order
            numbers = [value for value in numbers if is_whole(value) is self._is_of_order]
        return tuple(value for value in numbers if value not in self._pieces)

    @cached_property
    def _read(self) -> dict[str, Numbers]:
        """Return what was paid back, what the goods cost, and each amount, where any was paid
        back; by the first rows.
        """
        draft, order = self.draft, self.draft.found.get(ORDER_ID)
        by_name = {value.name: value for value in draft.values.values}
        if draft.left_of_total:
            back = " - ".join(self._number(by_name[name]) for name in draft.left_of_total)
        else:
            back = f"abs({self._number(draft.found[REFUNDED_AMOUNT].value)})"
        is_sale = f"(NOT coalesce({self.left_out}, false))::INTEGER"
        reading = draft.reading()
        factor = reading.factor.sql(self._number) if reading and reading.factor else "1"
        cells = {"back": back, "goods": self.goods_sql(), "is_sale": is_sale, "factor": factor}
        cells |= {f"c{n}": self._number(value) for n, value in enumerate(self._columns)}
        is_grouped = self._is_of_order and order is not None and not draft.has_row_per_order()
        if is_grouped and order is not None:
            of_lines = {"goods"} if not draft.is_shared else set()
            ways = {name: "sum" if name in of_lines else "max" for name in cells}
            named = [f"{ways[name]}({sql})::DOUBLE AS {name}" for name, sql in cells.items()]
            known = f"{order.value.column} IS NOT NULL"
            number = order.value.column
            orders = select(named, TABLE, known, number)
            rows = f"{orders} ORDER BY {number} LIMIT {_MOST_ROWS}"
        else:
            named = [f"({sql})::DOUBLE AS {name}" for name, sql in cells.items()]
            rows = f"{select(named, TABLE)} LIMIT {_MOST_ROWS}"
        read = draft.values.columns_of_numbers(rows)
        return {name: np.nan_to_num(np.ma.filled(read[name].astype(float), 0)) for name in cells}

    @cached_property
    def _is_back(self) -> Flags:
        return np.asarray(self._read["back"] > _NEAR)

    def _of(self, value: Value) -> Numbers:
        return self._read[f"c{self._columns.index(value)}"]

    def _wholes(self) -> list[Value]:
        """Return the columns that may be all that was paid: never less than the goods, and more
        where something was paid back; the one to which most came back first, then the largest.
        """
        back, goods, is_back = self._read["back"], self._read["goods"], self._is_back
        wholes = []
        for value in self._columns:
            money = self._of(value)
            is_named = part_of(value) is None and not says_no_sale_or_refund(value.last_name)
            is_whole = np.mean((money >= np.maximum(goods, back) - _NEAR)[is_back]) >= _MOSTLY
            is_more = np.any((money > goods + _NEAR)[is_back])
            if is_named and is_whole and is_more:
                wholes.append(value)
        equal = {
            column: int(np.sum((np.abs(back - self._of(column)) < _NEAR)[is_back]))
            for column in wholes
        }
        return sorted(
            (column for column in wholes if equal[column] or is_total(column)),
            key=lambda column: (
                -equal[column],
                not is_total(column),
                -float(self._of(column).sum()),
            ),
        )

    def ways(self) -> list[GoodsOfBack]:
        """Return what may have been paid back for goods, the most likely first; one if the amounts
        show it.
        """
        back, goods, is_back = self._read["back"], self._read["goods"], self._is_back
        if not is_back.any():
            return [GoodsOfBack()]
        if less := self._less():
            return [GoodsOfBack(less)]
        is_more = bool(np.any((back > goods + _NEAR)[is_back]))
        whole = next(iter(self._wholes()), None)
        if whole is None:
            beside = self._beside() if is_more else GoodsOfBack()
            return [beside] if beside.is_part else self._without_tax(is_more=is_more)
        ways = [*self._without_postage(whole), GoodsOfBack(whole=whole)]
        wholes = [self._whole_of(way) for way in ways]
        is_beside = (wholes[0] > goods + _NEAR) & is_back
        if not is_more and np.any(is_beside & (np.abs(back - goods) < _NEAR)):
            return [GoodsOfBack()]
        is_kept = (np.abs(back - wholes[0]) < _NEAR) & (wholes[0] < wholes[-1] - _NEAR) & is_back
        ways = ways[:1] if np.any(is_kept) else ways
        is_shown = is_more and self._is_tax_beside(ways[0])
        ways += [] if is_shown else [GoodsOfBack()]
        by_sum: dict[str, GoodsOfBack] = {}
        for way in ways:
            by_sum.setdefault(formats.amount(self.sum_of(way)), way)
        return [*by_sum.values()]

    def _without_tax(self, *, is_more: bool) -> list[GoodsOfBack]:
        """Return what may have been paid back of amounts with a tax in them: it has the tax in it,
        too, as where more went back than the goods cost without it, or not.
        """
        reading = self.draft.reading()
        factor = reading.factor if reading and reading.factor and reading.factor.is_of_tax else None
        if factor is None:
            return [GoodsOfBack()]
        ways = [GoodsOfBack(factor=factor), GoodsOfBack()]
        return ways[:1] if is_more else ways

    @cached_property
    def _factor(self) -> Numbers:
        """Return by what what was paid back is multiplied where the amount of the goods is."""
        return self._read["factor"]

    def _is_tax_beside(self, way: GoodsOfBack) -> bool:
        """Return whether what was paid beside the goods is a tax alone, by a column or by its
        rates: a part of the goods has a part of it. Of a postage that no column says, it has none.
        """
        goods = self._read["goods"]
        beside = self._whole_of(way) - goods
        rows = beside > _NEAR
        if way.tax is not None or not rows.any():
            return True
        taxes = (self._of(value) for value in self._columns if part_of(value) is Part.TAX)
        if any(np.mean((np.abs(beside - tax) < _NEAR)[rows]) >= _MOSTLY for tax in taxes):
            return True
        return is_tax_of(goods[rows], beside[rows])

    def _beside(self) -> GoodsOfBack:
        """Return the goods' part of what they and a tax or postage beside them come to, as what
        went back as a whole does; what it is, where nothing does.
        """
        back, goods, is_back = self._read["back"], self._read["goods"], self._is_back
        parts = [column for column in self._columns if part_of(column) in {Part.TAX, Part.SHIPPING}]
        for some in _some_of(parts[:MOST_PARTS]):
            whole = goods + sum(self._of(value) for value in some)
            is_shown = (np.abs(back - whole) < _NEAR) & (whole > goods + _NEAR)
            if np.any(is_shown[is_back]) and np.all((back < whole + _NEAR)[is_back]):
                return GoodsOfBack(beside=some)
        return GoodsOfBack()

    def _less(self) -> tuple[Value, ...]:
        """Return the columns of the postage and the tax that went back with the goods, as what was
        paid back has them in it: without them, what went back as a whole comes to its goods.
        """
        back, goods, is_back = self._read["back"], self._read["goods"], self._is_back
        named = [
            value
            for value in self._columns
            if says_no_sale_or_refund(value.last_name)
            and part_of(value, but=Part.REFUND) in {Part.SHIPPING, Part.TAX}
            and np.any(self._of(value) != 0)
        ]
        of_goods = [
            value
            for value in self._columns
            if says_no_sale_or_refund(value.last_name)
            and part_of(value, but=Part.REFUND) is None
            and value.name != self.name
        ]
        best: tuple[int, tuple[Value, ...]] = 0, ()
        for some in _some_of(named[:MOST_PARTS]):
            left = back - sum(self._of(value) for value in some)
            is_in = is_back & np.any([self._of(value) != 0 for value in some], axis=0)
            fits = np.abs(left - goods) < _NEAR
            for other in of_goods:
                fits |= (np.abs(left - self._of(other)) < _NEAR) & (self._of(other) != 0)
            count = int(np.sum(fits & is_in))
            if count > best[0] and not np.any(left[is_back] > goods[is_back] + _NEAR):
                best = count, some
        return best[1]

    def _without_postage(self, whole: Value) -> Iterator[GoodsOfBack]:
        """Yield the goods' part of all that was paid but for the postage, where a column has it."""
        left = self._of(whole) - self._read["goods"]
        rows = self._of(whole) > _NEAR
        taxes = [value for value in self._columns if part_of(value) is Part.TAX]
        postages = [
            value
            for value in self._columns
            if part_of(value) is Part.SHIPPING and np.any(self._of(value) > _NEAR)
        ]
        found: list[tuple[float, GoodsOfBack]] = []
        for postage in postages:
            charged = self._of(postage)
            if np.mean(charged[rows] <= left[rows] + _NEAR) < _MOSTLY:
                continue
            rest = left - charged
            if np.mean(np.abs(rest)[rows] < _NEAR) >= _MOSTLY:
                found.append((0, GoodsOfBack(whole=whole, postage=postage)))
                continue
            of_goods = _spread(rest, self._read["goods"], rows)
            of_both = _spread(rest, self._read["goods"] + charged, rows)
            of_rest = [
                value
                for value in taxes
                if np.mean(np.abs(rest - self._of(value))[rows] < _NEAR) >= _MOSTLY
            ]
            is_of_both = bool(of_rest) and of_both < of_goods
            tax = of_rest[0] if is_of_both else None
            way = GoodsOfBack(whole=whole, postage=postage, tax=tax)
            found.append((min(of_goods, of_both) if is_of_both else of_goods, way))
        if found:
            yield min(found, key=lambda entry: entry[0])[1]

    def sum_of(self, way: GoodsOfBack) -> float:
        """Return what was paid back for goods in all."""
        back, goods = self._read["back"], self._read["goods"]
        is_back = self._is_back & (self._read["is_sale"] > 0)
        back = back - sum(self._of(value) for value in way.less)
        if way.factor is not None:
            back = back * self._factor
        if not way.is_part:
            return float(np.minimum(back, np.maximum(goods, 0))[is_back].sum())
        whole = self._whole_of(way)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.nan_to_num(np.minimum(back, whole) * goods / whole)
        return float(np.round(part[is_back], 2).sum())

    def _whole_of(self, way: GoodsOfBack) -> Numbers:
        """Return all that was paid that may have gone back."""
        if way.whole is None:
            return self._read["goods"] + sum(self._of(value) for value in way.beside)
        whole = self._of(way.whole)
        if way.postage is None:
            return whole
        charged = self._of(way.postage)
        if way.tax is not None:
            tax = self._of(way.tax)
            with np.errstate(divide="ignore", invalid="ignore"):
                charged = charged + np.nan_to_num(tax * charged / (whole - tax))
        return whole - charged


def _some_of(values: Sequence[Value]) -> Iterator[tuple[Value, ...]]:
    for count in range(1, len(values) + 1):
        yield from combinations(values, count)


def _spread(tax: Numbers, money: Numbers, rows: Flags) -> float:
    """Return how far rates of a tax are from each other."""
    some = rows & (tax > _NEAR) & (money > 1)
    rates = tax[some] / money[some]
    return float(rates.std()) if some.any() else 0.0


def back_by_part(draft: Draft, back: Value | None, sale: str) -> str:
    """Return the origin of what was paid back for goods, as its part of all that was paid; empty
    where it is not one, or no column shows what the goods of the row cost.

    Args:
        draft: The mapping that is written.
        back: The column of what was paid back; None where it is what is less of a total.
        sale: The origin of the amount of the goods of a row.
    """
    if not draft.back.is_part:
        return ""
    cells = draft.line_columns()
    units = in_cents(draft, cells[0])
    whole = _whole_sql(draft)
    is_by_lines = draft.is_back_shared and not draft.is_shared
    is_column = draft.back.whole is not None and not draft.is_less_shared()
    if is_by_lines and back is not None and is_column:
        out_of = f"{{{', '.join([f'expression: {quoted(whole)}', *units])}}}"
        absolute = ["absolute: true"] if _is_below_zero(draft, back) else []
        options = [f"column: {quoted(back.path[0])}", *in_cents(draft, back), *absolute]
        return f"{{{', '.join([*options, f'shared_by: {sale}', f'out_of: {out_of}'])}}}"
    is_whole = back is not None and not is_of_row(draft) and is_of_order(draft, back)
    goods = goods_sql(draft)
    if is_whole and not (is_by_lines or draft.is_shared):
        goods = _goods_of_order_sql(draft, back)
    if is_by_lines or not goods:
        return ""
    if back is None:
        first, left = (_plain(draft, _named(draft, name)) for name in draft.left_of_total)
        money = f"({first} - {left})"
    else:
        money = f"abs({_plain(draft, back)})"
        if draft.refund.startswith("where"):
            money = f"coalesce(nullif({money}, 0), {whole})"
    is_in_cents = cells[0] in draft.cents
    hundredth = " / 100" if is_in_cents and not units else ""
    digits = 2 if hundredth or (has_decimals(draft.values, cells[0]) and not is_in_cents) else 0
    part = f"{goods}::DOUBLE / nullif({whole}, 0){hundredth}"
    sql = f"round(least({money}, {whole})::DOUBLE * {part}, {digits})"
    sharing = [f"shared_by: {sale}"] if draft.is_shared else []
    return f"{{{', '.join([f'expression: {quoted(sql)}', *units, *sharing])}}}"


def back_without_tax(draft: Draft, back: Value, sale: str) -> str:
    """Return the origin of what was paid back without the tax in it, by which the amount of the
    goods is multiplied, no more than that; empty where there is none in it.

    Args:
        draft: The mapping that is written.
        back: The column of what was paid back.
        sale: The origin of the amount of the goods of a row.
    """
    factor = draft.back.factor
    if factor is None:
        return ""
    units = in_cents(draft, back)
    number = partial(plain_number, draft)
    digits = 0 if units else factor.digits
    sql = f"round(abs({_plain(draft, back)}) * {factor.sql(number)}, {digits})"
    bound = "shared_by" if draft.is_back_shared else "at_most"
    return f"{{{', '.join([f'expression: {quoted(sql)}', *units, f'{bound}: {sale}'])}}}"


def goods_of_order(draft: Draft) -> AmountReading | None:
    """Return the amount of an order that its goods come to by a sum, after its discounts; None
    where no sum shows one.
    """
    ways = []
    for row_sum in draft.order_sums:
        sign = 1 if row_sum.base == draft.lines_of_sums[0] else -1
        total = row_sum.whole if sign > 0 else row_sum.base
        parts = {name: sign * way for name, way in row_sum.parts}
        kept = {name for name in parts if part_of(_named(draft, name)) is Part.DISCOUNT}
        ways.append((not kept, len(parts), total, {n: parts[n] for n in parts.keys() - kept}))
    if not ways:
        return None
    _, _, total, parts = min(ways, key=lambda way: way[:3])
    less = tuple(sorted(name for name, way in parts.items() if way > 0))
    plus = tuple(sorted(name for name, way in parts.items() if way < 0))
    return AmountReading(total, less, plus)


def _goods_of_order_sql(draft: Draft, back: Value | None) -> str:
    """Return the SQL of what the goods of an order cost, on the line that says what went back of
    it; empty where no sum shows it, or another line says a part of it.
    """
    goods, reading = goods_of_order(draft), draft.reading()
    if goods is None or back is None or (reading and reading.factor):
        return ""
    columns = [_named(draft, name) for name in (goods.name, *goods.less, *goods.plus)]
    columns += [value for value in (draft.back.whole, draft.back.postage, draft.back.tax) if value]
    some_empty = " OR ".join(f"{value.column} IS NULL" for value in columns)
    number = draft.values.number_sql(back)
    if draft.values.scalar(f"count(*) FILTER ({number} <> 0 AND ({some_empty}))"):
        return ""
    sql = _plain(draft, columns[0])
    for sign, names in (("-", goods.less), ("+", goods.plus)):
        sql += "".join(f" {sign} {_plain(draft, _named(draft, name))}" for name in names)
    return f"({sql})"


def _whole_sql(draft: Draft) -> str:
    """Return the SQL of all that was paid, over the columns of the file: of that which can have
    gone back.
    """
    way = draft.back
    if way.whole is None:
        beside = "".join(f" + {_plain(draft, value)}" for value in way.beside)
        return f"({goods_sql(draft)}{beside})"
    whole = _plain(draft, way.whole)
    if way.postage is None:
        return whole
    postage = _plain(draft, way.postage)
    if way.tax is None:
        return f"({whole} - {postage})"
    tax = _plain(draft, way.tax)
    return f"({whole} - {postage} - {tax} * {postage} / nullif({whole} - {tax}, 0))"


def _plain(draft: Draft, value: Value) -> str:
    return f"coalesce({plain_number(draft, value)}, 0)"


def _named(draft: Draft, name: str) -> Value:
    return next(value for value in draft.values.values if value.name == name)


def _is_below_zero(draft: Draft, value: Value) -> bool:
    return bool(draft.values.scalar(f"count(*) FILTER ({draft.values.is_below_zero(value)})"))
