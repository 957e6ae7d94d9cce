"""Customers in eleven segments by recency, frequency and money: METRICS "Segments of customers"."""

from collections.abc import Callable, Mapping
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.customers.contracts import CustomerSegments
from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.core.tables.contract import MONEY

QUINTILES = 5
CODES: Final[Mapping[str, tuple[int, ...]]] = {
    "Champions": (555, 554, 544, 545, 454, 455, 445),
    "Loyal": (543, 444, 435, 355, 354, 345, 344, 335),
    "Potential Loyalist": (
        553,
        551,
        552,
        541,
        542,
        533,
        532,
        531,
        452,
        451,
        442,
        441,
        431,
        453,
        433,
        432,
        423,
        353,
        352,
        351,
        342,
        341,
        333,
        323,
    ),
    "New": (512, 511, 422, 421, 412, 411, 311),
    "Promising": (525, 524, 523, 522, 521, 515, 514, 513, 425, 424, 413, 414, 415, 315, 314, 313),
    "Need Attention": (535, 534, 443, 434, 343, 334, 325, 324),
    "About To Sleep": (331, 321, 312, 221, 213, 231, 241, 251),
    "At Risk": (
        255,
        254,
        245,
        244,
        253,
        252,
        243,
        242,
        235,
        234,
        225,
        224,
        153,
        152,
        145,
        143,
        142,
        135,
        134,
        133,
        125,
        124,
    ),
    "Can't Lose": (155, 154, 144, 214, 215, 115, 114, 113),
    "Hibernating": (332, 322, 233, 232, 223, 222, 132, 123, 122, 212, 211),
    "Lost": (111, 112, 121, 131, 141, 151),
}
"""The scores of recency, frequency and money of each segment, as three digits:
the table that most tools use.
"""

SCORES: Final = {
    "percent_rank": "the lowest that any of them could have",
    "cume_dist": "the highest",
}
"""What scores tied customers get, by the method.

`percent_rank` uses the share of the other customers who are below, like PERCENT_RANK in SQL;
`cume_dist` the share of customers who are not above, like CUME_DIST in SQL. NTILE, which many tools
use, is not supported, because it separates tied customers by the order of rows.
"""


def customer_segments(purchases: Purchases, scores: str = "percent_rank") -> ir.Table:
    """Return one row per customer with an order, in the columns of `CustomerSegments`.

    `scores` is a method of `SCORES`, by which each customer gets 1 to 5, 5 for the greatest values.
    Scores are computed in integers, to avoid rounding errors.
    """
    orders, score = purchases.orders, _SCORES[scores]
    sums = orders.group_by("customer_id").agg(
        last_order_date=orders.last_order_date.max(),
        order_count=orders.order_count.sum(),
        revenue_amount=orders.revenue_amount.sum().cast(MONEY),
    )
    buyers = sums.filter(sums.order_count > 0).cross_join(purchases.as_of)
    scored = buyers.mutate(
        recency_days=buyers.as_of_date.delta(buyers.last_order_date, unit="day"),
        recency_score=score(buyers.last_order_date),
        frequency_score=score(buyers.order_count),
        monetary_score=score(buyers.revenue_amount),
    )
    code = scored.recency_score * 100 + scored.frequency_score * 10 + scored.monetary_score
    return scored.mutate(segment=segment_of(code)).select(*CustomerSegments.columns)


def segment_of(code: ir.IntegerValue) -> ir.StringValue:
    """Return the segment of three scores, written as a three-digit number."""
    *first_segments, (last, _) = CODES.items()
    return ibis.cases(*((code.isin(codes), name) for name, codes in first_segments), else_=last)


def _by_percent_rank(value: ir.Column) -> ir.IntegerValue:
    lower_count = ibis.rank().over(ibis.window(order_by=value))
    other_count = value.count().over(ibis.window()) - 1
    # A single customer has no others, and without `lower_count > 0` would reach every step.

    def is_reached(step: int) -> ir.BooleanValue:
        return (QUINTILES * lower_count >= step * other_count) & (lower_count > 0)

    return _score(is_reached)


def _by_cume_dist(value: ir.Column) -> ir.IntegerValue:
    higher_count = ibis.rank().over(ibis.window(order_by=ibis.desc(value)))
    customer_count = value.count().over(ibis.window())

    def is_reached(step: int) -> ir.BooleanValue:
        return QUINTILES * (customer_count - higher_count) > step * customer_count

    return _score(is_reached)


def _score(is_reached: Callable[[int], ir.BooleanValue]) -> ir.IntegerValue:
    """Return 1, and 1 more for each of the four steps that is reached."""
    score = ibis.literal(1, "int64")
    for step in range(1, QUINTILES):
        score = score + is_reached(step).ifelse(1, 0)
    return score


_SCORES: Final = {"percent_rank": _by_percent_rank, "cume_dist": _by_cume_dist}
