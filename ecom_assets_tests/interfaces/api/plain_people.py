"""What the small shop's customers are worth, in plain Python from the papers.

The models are those of P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting Your Customers" the
Easy Way (2005), whose equations are named, and of P. S. Fader and B. G. S. Hardie, The Gamma-Gamma
Model of Monetary Value (2013). They are fitted by a search that knows no slopes, and orders to come
are the paper's closed formula.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

from ecom_assets_tests.interfaces.api.plain_shop import ZERO, PlainShop, Row

MOST_SHAPE: Final = 1_000.0
"""Where docs/metrics/ ends a spread: customers who are all alike have none that is likeliest."""
METRICS: Final = Path(__file__).parents[3] / "docs" / "metrics" / "customers.md"
MONTHS, DISCOUNT = 12, 0.1


class History(NamedTuple):
    """Days with an order after the first (x), weeks from the first to the last (t_x) and
    until now (T), and money.
    """

    x: int
    t_x: float
    until_now: float
    paid: float


def histories(shop: PlainShop) -> list[History]:
    """One per customer with an order; an order's money is of the first day, and is not shown."""
    days: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for line in shop.lines:
        if line["status"] == "shipped":
            days[line["customer_id"]][line["day"]] += line["amount"]
    now = max(line["day"] for line in shop.lines)
    return [
        History(
            len(paid) - 1,
            (max(paid) - min(paid)).days / 7,
            (now - min(paid)).days / 7,
            float(sum((amount for day, amount in paid.items() if day > min(paid)), ZERO)),
        )
        for paid in days.values()
    ]


def worth(shop: PlainShop) -> tuple[list[float], list[float]]:
    """The chance of each customer to still be one,
    and what they are worth over the months to come.
    """
    answer = histories(shop)
    x, t_x, until_now, paid = (
        np.array(column, dtype=float) for column in zip(*answer, strict=True)
    )
    r, alpha, a, b = _bg_nbd(x, t_x, until_now)
    chance = 1 / (
        1
        + (x > 0)
        * a
        / (b + np.maximum(x, 1) - 1)
        * ((alpha + until_now) / (alpha + t_x)) ** (r + x)
    )

    def orders_within(weeks: float) -> Any:
        """Equation 10."""
        until = alpha + until_now + weeks
        series = hyp2f1(r + x, b + x, a + b + x - 1, weeks / until)
        return (
            (a + b + x - 1)
            / (a - 1)
            * (1 - ((alpha + until_now) / until) ** (r + x) * series)
            * chance
        )

    p, q, v = _gamma_gamma(x[x > 0], paid[x > 0])
    months = [orders_within(30 * month / 7) for month in range(MONTHS + 1)]
    discounted = sum(
        (months[month] - months[month - 1]) / (1 + DISCOUNT) ** (30 * month / 365)
        for month in range(1, MONTHS + 1)
    )
    value = p * (v + paid) / (p * x + q - 1)
    return list(chance), list(discounted * value)


def _bg_nbd(x: Any, t_x: Any, until_now: Any) -> tuple[float, float, float, float]:
    def parameters(logarithms: Sequence[float]) -> tuple[float, float, float, float]:
        shape, rate, leave, total = np.exp(logarithms)
        return shape, shape / rate, leave / (1 + leave) * total, total / (1 + leave)

    def likelihood(logarithms: Sequence[float]) -> float:
        """Equation 6, by its four parts."""
        r, alpha, a, b = parameters(logarithms)
        a1 = gammaln(r + x) - gammaln(r) + r * math.log(alpha)
        a2 = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        a3 = -(r + x) * np.log(alpha + until_now)
        a4 = math.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x)
        return float((a1 + a2 + np.where(x > 0, np.logaddexp(a3, a4), a3)).sum())

    limit = math.log(MOST_SHAPE)
    ends = ((-limit, limit), (-2 * limit, 2 * limit), (-2 * limit, 2 * limit), (-limit, limit))
    return parameters(_top(likelihood, (0.0, -1.0, -1.0, 0.0), ends))


def _gamma_gamma(x: Any, paid: Any) -> tuple[float, float, float]:
    mean = paid / x

    def parameters(logarithms: Sequence[float]) -> tuple[float, float, float]:
        p, q, middle = np.exp(logarithms)
        return p, q, middle * q / p

    def likelihood(logarithms: Sequence[float]) -> float:
        """Equation 1a."""
        p, q, v = parameters(logarithms)
        gammas = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * math.log(v)
        return float(
            (
                gammas
                + (p * x - 1) * np.log(mean)
                + p * x * np.log(x)
                - (p * x + q) * np.log(paid + v)
            ).sum()
        )

    limit = math.log(MOST_SHAPE)
    ends = ((-limit, limit), (-limit, limit), (-20, 20))
    return parameters(_top(likelihood, (0.0, 1.0, math.log(paid.mean())), ends))


def _top(height: Callable[[Sequence[float]], float], start: Sequence[float], ends: Any) -> Any:
    """Walk uphill, again and again from where the last walk ended,
    until there is nothing to gain.
    """
    position, options = (
        np.array(start),
        {"maxiter": 4_000, "maxfev": 4_000, "xatol": 1e-9, "fatol": 1e-12},
    )
    before = -math.inf
    while height(list(position)) > before + 1e-10:
        before = height(list(position))
        position = minimize(
            lambda at: -height(at), position, method="Nelder-Mead", bounds=ends, options=options
        ).x
    return position


@cache
def _segment_table() -> dict[str, str]:
    """Segments by their scores, as docs/metrics/ lists them."""
    text = METRICS.read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([A-Z][A-Za-z' ]+) \| (\d{3}(?: \d{3})*) \|$", text, re.MULTILINE)
    return {code: name for name, codes in listed for code in codes.split()}


def segments(shop: PlainShop) -> list[Row]:
    """The eleven segments as they are answered."""
    orders, last, revenue = _ordered(shop)
    scores = {who: [_score(of, who) for of in (last, orders, revenue)] for who in orders}
    names = dict.fromkeys(_segment_table().values())
    members = {
        name: [who for who, code in scores.items() if _named(code) == name] for name in names
    }
    whole = sum(revenue.values(), ZERO)
    return [
        {
            "segment": name,
            "customer_count": len(mine),
            "customer_share": round(len(mine) / len(orders), 6),
            "order_count": sum(orders[who] for who in mine),
            "revenue_amount": f"{(brought := sum((revenue[who] for who in mine), ZERO)):.2f}",
            "revenue_share": round(float(brought) / float(whole), 6),
            "mean_recency_days": round(
                sum((shop.newest - last[who]).days for who in mine) / len(mine), 6
            )
            if mine
            else None,
        }
        for name, mine in members.items()
    ]


def _ordered(shop: PlainShop) -> tuple[dict[str, int], dict[str, date], dict[str, Decimal]]:
    """How often each customer ordered, when last, and for how much less what was paid back."""
    orders: dict[str, set[Any]] = defaultdict(set)
    last: dict[str, date] = {}
    revenue: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in shop.lines:
        who, is_sale = line["customer_id"], line["status"] == "shipped"
        revenue[who] += line["amount"] if is_sale else -line["amount"]
        if is_sale:
            orders[who].add(line["order"])
            last[who] = max(line["day"], last.get(who, date.min))
    return {who: len(some) for who, some in orders.items()}, last, revenue


def _score(of: dict[str, Any], who: str) -> int:
    lower_count = sum(bool(other < of[who]) for other in of.values())
    return min(5, 1 + 5 * lower_count // (len(of) - 1))


def _named(scores: list[int]) -> str:
    return _segment_table()["".join(map(str, scores))]
