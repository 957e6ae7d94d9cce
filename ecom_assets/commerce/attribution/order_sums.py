"""What the amount of a purchase event has of an order: its items, or more of its parts.

Orders are counted without taxes, shipping and tips, and after discounts; a source of events may
send any sum of these. docs/metrics/reconciliation.md#what-amounts-have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import add
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.rule_of_data import RowsOf, RuleOfData, TableOf

PARTS: Final[Mapping[str, str]] = {
    "tax_amount": "taxes",
    "shipping_amount": "shipping",
    "tip_amount": "tip",
    "discount_amount": "discounts",
}
"""What a sum may have beside the items, with its word; with `discounts` it is before these."""
SUMS: Final = tuple(
    parts for count in range(len(PARTS) + 1) for parts in combinations(PARTS, count)
)
"""The parts of each sum beside the items; the first is the items alone."""
BY_ORDER_ID: Final = "order_id"
"""How an order and an event are matched where the event names the order."""
HALF_A_CENT: Final = ibis.literal("0.005", MONEY)


def parts_of(lines: ir.Table) -> dict[str, ir.DecimalValue]:
    """Return what each part of the orders in groups of `UserOrderLog` comes to, by its column; 0
    where no line says it.
    """
    zero = ibis.literal(0, MONEY)
    return {part: lines[part].cast(MONEY).fill_null(zero).sum().cast(MONEY) for part in PARTS}


def sum_of(orders: ir.Table, parts: tuple[str, ...]) -> ir.DecimalValue:
    """Return the items of orders with some of their parts."""
    amounts = [orders.order_amount, *(orders[part] for part in parts)]
    result: ir.DecimalValue = reduce(add, amounts).cast(MONEY)
    return result


def equal_sums(pairs: ir.Table) -> ir.IntegerValue:
    """Return which sums of an order's parts the amount of an event equals to the cent: 2 to the
    power of the place in `SUMS` of each, added up; 0 of an event without an amount.

    Args:
        pairs: Rows with an order's `order_amount` and parts, and an `event_amount`.
    """
    bits = [
        ((sum_of(pairs, parts) - pairs.event_amount).abs() < HALF_A_CENT).ifelse(2**place, 0)
        for place, parts in enumerate(SUMS)
    ]
    result: ir.IntegerValue = reduce(add, bits).fill_null(0).cast("int64")
    return result


@dataclass(frozen=True)
class SentSums:
    """What senders send as the amount of a purchase or refund.

    Attributes:
        parts: Sender, kind and the parts beside the items, where these are any.
    """

    parts: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def beside_items(self, pairs: ir.Table) -> ir.DecimalValue:
        """Return what amounts of events have beside the items of their orders, by their `sender`
        and `kind`; 0 of events without an amount.
        """
        zero = ibis.literal(0, MONEY)
        cases = [
            (
                (pairs.sender == sender) & (pairs.kind == kind) & pairs.event_amount.notnull(),
                sum_of(pairs, parts) - pairs.order_amount,
            )
            for sender, kind, parts in self.parts
        ]
        return ibis.cases(*cases, else_=zero).cast(MONEY) if cases else zero

    def text(self) -> str:
        """Return it in words, such as `purchase + shipping; key:app purchase + taxes + shipping`;
        empty where all send the items alone.
        """
        return "; ".join(
            " + ".join([f"{sender} {kind}".strip(), *(PARTS[part] for part in parts)])
            for sender, kind, parts in self.parts
        )


@dataclass(frozen=True)
class SumsOfData(RuleOfData):
    """Finds out what each sender sends, from pairs whose event names the order.

    Attributes:
        least_pairs: Fewer pairs say nothing.
        least_share: The share of them that has to equal the sum to the cent.
    """

    least_pairs: int = 10
    least_share: float = 0.9

    def value(self, table: TableOf, rows: RowsOf) -> SentSums:
        """Return the sums that most pairs of each sender and kind equal."""
        pairs = table(OrderVisits)
        pairs = pairs.filter(pairs.matched_by == BY_ORDER_ID, pairs.equal_sums.notnull())
        pairs = pairs.mutate(sender=pairs.sent_by.fill_null(""))
        counted = rows(pairs.group_by("sender", "kind", "equal_sums").agg(n=pairs.count()))
        counts: dict[tuple[str, str], dict[int, int]] = {}
        for row in counted:
            of_sender = counts.setdefault((row["sender"], row["kind"]), {})
            of_sender[int(row["equal_sums"])] = int(row["n"])
        found = {key: self.parts_sent(counts[key]) for key in sorted(counts)}
        return SentSums(tuple((*key, parts) for key, parts in found.items() if parts))

    def parts_sent(self, counts: Mapping[int, int]) -> tuple[str, ...]:
        """Return the parts beside the items of the sum that a sender sends; none where too few
        pairs equal one, or two sums that have as many parts.

        A part that no order has makes no other sum: of sums that as many pairs equal, the one with
        the fewest parts counts.

        Args:
            counts: How many pairs equal which sums, by their `equal_sums`.
        """
        total = sum(counts.values())
        equal = [
            sum(count for sums, count in counts.items() if sums >> place & 1)
            for place in range(len(SUMS))
        ]
        most = max(equal)
        if total < self.least_pairs or most < self.least_share * total:
            return ()
        best = [parts for parts, count in zip(SUMS, equal, strict=True) if count == most]
        fewest = [parts for parts in best if len(parts) == len(best[0])]
        return fewest[0] if len(fewest) == 1 else ()
