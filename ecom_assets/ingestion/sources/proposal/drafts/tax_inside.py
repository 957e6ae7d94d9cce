"""The tax in the amounts of rows, where no amount of the row says it: that of the order does, or an
amount of the order without it, or a rate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Final

import numpy as np

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.drafts.draft import AmountReading, Draft, Factor
from ecom_assets.ingestion.sources.proposal.drafts.goods_amounts import (
    amount_to_explain,
    ask_for_parts,
)
from ecom_assets.ingestion.sources.proposal.fields import decimals_of, numbers_of_rows
from ecom_assets.ingestion.sources.proposal.parts import (
    HIGHEST_TAX,
    NEAR,
    OrderParts,
    Part,
    RowParts,
    is_net,
    is_tax_rate,
    is_total,
    part_of,
)
from ecom_assets.ingestion.sources.proposal.questions import PARTS, shown
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value

_MOST_READINGS: Final = 8
"""The most amounts of the goods that a question names, among them those without a rate."""


def find_tax_inside(draft: Draft) -> None:
    """Take the tax that is in the amounts of rows off them where the amounts of orders show it, and
    ask where it may be.
    """
    begin, rows = amount_to_explain(draft)
    if rows is None or draft.goods is None or any(reading.factor for reading in draft.readings):
        return
    name, parts = draft.of_orders or (draft.goods.name, rows)
    inside = _TaxInside(draft, name, parts, rows)
    if inside.is_known():
        return
    factor, is_proven = inside.found()
    if factor is None:
        return
    plain = draft.readings or (AmountReading(begin),)
    without = tuple(replace(reading, factor=factor) for reading in plain)
    asked = without[: max(_MOST_READINGS - len(plain), 0)]
    _carry_to_each_line(draft, factor)
    if is_proven:
        draft.readings = without
        draft.notes.append(f"{shown(begin)} counts{factor.text}: {inside.proof}")
    elif inside.is_likely():
        draft.readings = (*asked, *plain)
    else:
        draft.readings = (*plain, *asked)
    if len(draft.readings) > 1:
        draft.questions = [question for question in draft.questions if question.key != PARTS]
        ask_for_parts(draft, rows)


def _carry_to_each_line(draft: Draft, factor: Factor) -> None:
    """Carry what only one line of an order has to all of its lines."""
    if not draft.can_group() or draft.has_row_per_order():
        return
    carried = draft.continued or draft.carried
    for value in factor.columns:
        if draft.values.filled(value) < draft.values.row_count and value.path[0] not in carried:
            carried.append(value.path[0])


@dataclass(frozen=True)
class _TaxInside:
    """The amounts beside that of a row, or of what rows come to in an order."""

    draft: Draft
    begin: str
    parts: RowParts
    rows: RowParts

    @cached_property
    def _reached(self) -> dict[str, dict[str, int]]:
        """Return the amounts to which sums lead from that of the rows, with the parts between."""
        return self.parts.reached(self.begin)

    @cached_property
    def _taxes(self) -> list[str]:
        return [name for name, part in self.parts.parts.items() if part is Part.TAX]

    def is_known(self) -> bool:
        """Return whether a tax is known already: of the row, or beside its amount by a sum; or a
        name says that none is in it.
        """
        of_rows = {name for name, part in self.rows.parts.items() if part is Part.TAX}
        if isinstance(self.parts, OrderParts):  # what one row of an order says is the order's
            of_rows -= {*self.parts.amounts} - {*self.parts.lines}
        used = {name for reading in self.draft.readings for name in (*reading.less, *reading.plus)}
        is_of_rows = self.parts is not self.rows and bool(of_rows)
        is_in_sum = any({*offset} & {*self._taxes} for offset in self._reached.values())
        return is_of_rows or bool(used & of_rows) or is_in_sum

    @cached_property
    def _wholes(self) -> list[str]:
        """Return the amounts that rows, and their postage, come to, the largest first."""
        names = [name for name in self._reached if name in self.parts.amounts]
        lines = getattr(self.parts, "lines", {})
        return sorted(
            (name for name in names if name not in lines),
            key=lambda name: -float(np.nansum(self.parts.numbers[name])),
        )

    def found(self) -> tuple[Factor | None, bool]:
        """Return by what the amount is to be multiplied, and whether sums prove it."""
        digits = max(
            (decimals_of(self.draft.values, v) for v in self.draft.line_columns()), default=2
        )
        whole, tax, is_proven = self._tax_of_whole()
        rate = self._rate(tax)
        if rate is not None and (tax or not self._taxes):
            return Factor.without_rate(rate, self._all_of(rate), digits), is_proven
        if whole is not None and tax is not None:
            factor = Factor.without_tax(self._value(tax), self._value(whole), digits)
            return factor, is_proven
        if self._taxes or self._says_net():
            return None, False
        for net, total in self._nets():
            return Factor.part_of(self._value(net), self._value(total), digits), False
        return None, False

    @property
    def proof(self) -> str:
        """Return what proves that a tax is in the amount."""
        whole, tax, _ = self._tax_of_whole()
        return f"{shown(str(tax))} is a rate of what {shown(str(whole))} leaves without it"

    def _value(self, name: str) -> Value:
        return self.parts.amounts[name]

    def _tax_of_whole(self) -> tuple[str | None, str | None, bool]:
        """Return an amount and the tax that is in it, and whether its rates prove it."""
        likely: tuple[str | None, str | None, bool] = (None, None, False)
        for tax in self._taxes:
            for whole in self._wholes:
                beside, within = self.parts.ways_of_rate(whole, tax)
                if beside and not within:
                    return None, None, False
                if within and not beside:
                    return whole, tax, True
            if likely[0] is None and not self._says_net():
                likely = next(((whole, tax, False) for whole in self._paid_with(tax)), likely)
        return likely

    def _paid_with(self, tax: str) -> Iterator[str]:
        """Yield the amounts that seem to be what was paid, with a tax in them: rows come to them by
        a sum, or are no more than them, and at times more than what is left of them without it.
        """
        reached = [name for name in self._wholes if is_total(self._value(name))]
        yield from (name for name in reached[:1] if self.parts.is_within(tax, name))
        own = self.parts.numbers[self.begin]
        for name, value in self.parts.amounts.items():
            if name in self._reached or not is_total(value) or part_of(value) is not None:
                continue
            paid, charged = self.parts.numbers[name], self.parts.filled(tax)
            is_more = own > paid - charged + NEAR
            if np.all(own <= paid + NEAR) and np.any(is_more & (charged > NEAR)):
                yield name

    def _rate(self, tax: str | None) -> Value | None:
        """Return the column of the rate of the tax, where it may be in the amount of each row."""
        if self._says_net() and tax is None:
            return None
        rates = filter(is_tax_rate, numbers_of_rows(self.draft.values, {}))
        for rate in rates:
            all_of = self._all_of(rate)
            if self._is_beside(rate, all_of):
                return None
            # One of each line says nothing of the amount of an order.
            if all_of and (not self.draft.is_shared or self.draft.is_one_per_order(rate)):
                return rate
        return None

    def _is_beside(self, rate: Value, all_of: int) -> bool:
        """Return whether the amount of a row with a tax of some rates is another amount of it."""
        if not all_of or rate not in self.rows.rates or self.draft.goods is None:
            return False
        return self.rows.is_rate_beside(self.draft.goods.name, rate, all_of)

    def _all_of(self, rate: Value) -> int:
        """Return what a rate says of all: 100 percent or 1; 0 where it is no rate of a tax."""
        number = self.draft.values.number_sql(rate)
        sides = select(f"min({number})::DOUBLE, max({number})::DOUBLE", TABLE)
        lowest, highest = self.draft.values.rows(sides)[0]
        if lowest is None or lowest < 0 or not highest:
            return 0
        if highest <= HIGHEST_TAX:
            return 1
        return 100 if 1 <= highest <= 100 * HIGHEST_TAX else 0

    def _nets(self) -> Iterator[tuple[str, str]]:
        """Yield the amounts of orders that may be others without their tax, with those."""
        lines = getattr(self.parts, "lines", {})
        others = [
            (name, value)
            for name, value in self.parts.amounts.items()
            if name not in self._reached and name not in lines and part_of(value) is None
        ]
        for whole, (name, value) in product(self._wholes, others):
            is_named = is_net(value) and self._is_little_less(name, whole)
            if is_named or self.parts.is_without_tax(name, whole):
                yield name, whole

    def _is_little_less(self, net: str, whole: str) -> bool:
        """Return whether an amount is another one less at most the highest tax, on all rows."""
        own, money = self.parts.filled(net), self.parts.filled(whole)
        is_less = (own <= money + NEAR) & (money <= own * (1 + HIGHEST_TAX) + NEAR)
        return bool(np.all(is_less) and np.any(own < money - NEAR))

    def _says_net(self) -> bool:
        return any(map(is_net, self._own_columns))

    @property
    def _own_columns(self) -> Sequence[Value]:
        return self.draft.line_columns()

    def is_likely(self) -> bool:
        """Return whether the tax is probably in the amount: rows come to what was paid."""
        return self._tax_of_whole()[0] is not None or any(
            is_total(self._value(name)) for name in self._wholes
        )
