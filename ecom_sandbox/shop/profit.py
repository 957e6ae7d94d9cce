"""What the simulated shop earns: codes and discounts, gifts, fees of payments, shipping, returns
that are not sold again, and costs that change or that nobody knows.

All of it follows from the numbers of orders and products. The discount of a line with a price of 0
is the price of its product: it is a gift, or of an order with a code for 100 %. Amounts are cents.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop.catalogue import CATEGORIES, FIRST_PRODUCT_ID, Catalogue
from ecom_sandbox.shop.people import known_customer_id
from ecom_sandbox.shop.rows import Dice, Flags, Ints, Rows, cumulative, pick, total_cents

_CODES = ((), ("WELCOME10",), ("SPRING20",), ("VIP5",), ("VIP5", "WELCOME10"), ("THANKS-{}",))
"""The codes of an order; the last one is of one customer only."""
FREE_CODE = "TEAM100"
"""The code that takes 100 % off an order."""
_PERCENT = np.array([0, 10, 20, 5, 15, 15], np.int64)
_CODE_BOUNDS = cumulative([73, 11, 6, 6, 3, 1])
_METHODS = ("card", "paypal", "invoice", "cash", "marketplace")
_METHOD_BOUNDS = cumulative([60, 28, 12])
_CASH, _COMMISSION = 3, 4
_FEE_PER_MILLE = np.array([15, 25, 0, 0, 120], np.int64)
_FEE_CENTS = np.array([25, 35, 0, 0, 0], np.int64)
FREE_SHIPPING_FROM = 5_000
SHIPPING_CENTS, PARCEL_CENTS, ITEM_CENTS, LABEL_CENTS = 490, 420, 60, 390
RESTOCKED_RATE = 0.7
UNKNOWN_COST_RATE = 0.08
_COST_STEPS = np.array([0, 0, 0, 5, 8, -4], np.int64)
"""By how many percent of its first cost the cost of a product changes, twice, before it is as it
was.
"""
_COST_DAYS, _COST_STAGES = 45, 3


@dataclass(frozen=True)
class Costs:
    """What products cost the shop, by day."""

    catalogue: Catalogue
    is_known: Flags
    step: Ints
    shift: Ints

    @classmethod
    def of_shop(cls, dice: Dice, catalogue: Catalogue) -> "Costs":
        """Return the costs of a seed."""
        product = np.arange(len(catalogue.names), dtype=np.int64)
        return cls(
            catalogue,
            ~dice.chance(UNKNOWN_COST_RATE, "cost is unknown", product),
            _COST_STEPS[dice.below(len(_COST_STEPS), "cost step", product)],
            dice.below(_COST_DAYS * _COST_STAGES, "cost shift", product),
        )

    def on(self, product: Ints, day: Ints) -> Ints:
        """Return the costs of products in cents on days, counted from 1970, known or not."""
        stage = (day + self.shift[product]) // _COST_DAYS % _COST_STAGES
        cents: Ints = self.catalogue.cost_cents[product] * (100 + self.step[product] * stage) // 100
        return cents

    def table(self, first: date, last: date) -> pa.Table:
        """Return the costs that are known, in the platform's layout: those of the first day,
        and those of each day on which they change.
        """
        epoch = date(1970, 1, 1)
        product = np.flatnonzero(self.is_known)
        before = np.full(len(product), -1, np.int64)
        rows: list[tuple[str, str, str]] = []
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
            cents = self.on(product, np.full(len(product), (day - epoch).days, np.int64))
            rows.extend(
                (str(FIRST_PRODUCT_ID + int(product[i])), r.money_text(int(cents[i])), str(day))
                for i in np.flatnonzero(cents != before).tolist()
            )
            before = cents
        names = ("item_id", "unit_cost_amount", "valid_from_date")
        return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


@dataclass(frozen=True)
class OrderProfits:
    """What orders, or refunds, say beside what was paid; an entry for each order."""

    percent: Ints
    is_free: Flags
    codes: list[str]
    method: Ints
    shipping: Ints
    fee: Ints
    shipping_cost: Ints
    is_restocked: Flags

    @classmethod
    def of_orders(cls, dice: Dice, orders: Rows) -> "OrderProfits":
        """Return what the shop notes of orders; refunds have no code and no fee."""
        number, is_refund, channel = orders["number"], orders["is_refund"], orders["channel"]
        chosen = np.where(is_refund, 0, pick(_CODE_BOUNDS, dice.unit("code", number)))
        goods = total_cents(orders)
        is_free = goods == 0
        chosen = np.where(is_free, 0, chosen)
        is_sent = channel != r.STORE
        is_small = (goods < FREE_SHIPPING_FROM) & ~is_free
        shipping = np.where(is_sent & is_small, SHIPPING_CENTS, 0)
        shipping = np.where(is_refund, 0, shipping)
        method = pick(_METHOD_BOUNDS, dice.unit("payment method", number))
        method = np.where(channel == r.STORE, _CASH, method)
        method = np.where(channel == r.MARKETPLACE, _COMMISSION, method)
        fee = ((goods + shipping) * _FEE_PER_MILLE[method] + 500) // 1000 + _FEE_CENTS[method]
        fee = np.where(is_free, 0, fee)
        parcel = PARCEL_CENTS + ITEM_CENTS * orders["quantities"].sum(axis=1)
        customers = known_customer_id(orders["visitor"]).tolist()
        return cls(
            _PERCENT[chosen],
            is_free,
            [
                FREE_CODE if free else ",".join(_CODES[i]).format(customer)
                for i, free, customer in zip(
                    chosen.tolist(), is_free.tolist(), customers, strict=True
                )
            ],
            method,
            shipping,
            np.where(is_refund, 0, fee),
            np.where(is_sent, np.where(is_refund, LABEL_CENTS, parcel), 0),
            dice.chance(RESTOCKED_RATE, "back on sale", number),
        )

    def discounts(self, orders: Rows, catalogue: Catalogue) -> Ints:
        """Return what was taken off each line, in cents, a row per order."""
        paid, rest = orders["prices"] * orders["quantities"], 100 - self.percent[:, np.newaxis]
        cents: Ints = (2 * paid * self.percent[:, np.newaxis] + rest) // (2 * rest)
        price = catalogue.prices(orders["products"], orders["at"][:, np.newaxis] // r.DAY)
        return np.where(orders["prices"] == 0, price * orders["quantities"], cents)

    def methods(self) -> list[str]:
        """Return the names of the payment methods."""
        return [_METHODS[i] for i in self.method.tolist()]


_OF_LINES = ("gross", "discount", "returns", "cost", "revenue_with_cost", "known_lines")
_OF_ORDERS = ("shipping", "payment_fee", "shipping_cost")
_OF_KNOWN_ORDERS = ("contribution", "known_orders")
"""Of orders whose products all have a known cost."""


class ProfitTruth:
    """Sums what orders and refunds earn by day, and by product."""

    def __init__(self, dice: Dice, costs: Costs, *, first_day: date, days: int) -> None:
        self._dice, self._costs = dice, costs
        self._first_day, self._days = first_day, days
        self._first = (first_day - date(1970, 1, 1)).days
        size = len(costs.catalogue.names)
        self._by_day = {
            name: np.zeros(days, np.int64) for name in (*_OF_LINES, *_OF_ORDERS, *_OF_KNOWN_ORDERS)
        }
        self._by_product = {name: np.zeros(size, np.int64) for name in _OF_LINES}

    def add(self, orders: Rows) -> tuple[Ints, Ints]:
        """Count orders or refunds; return what each leaves before ads, in cents, and whether that
        is known: it is 0 where the cost of a product is not.
        """
        said = OrderProfits.of_orders(self._dice, orders)
        day = orders["at"] // r.DAY - self._first
        for name, cents in zip(
            _OF_ORDERS, (said.shipping, said.fee, said.shipping_cost), strict=True
        ):
            np.add.at(self._by_day[name], day, cents)
        is_line = np.arange(r.CART_LINES) < orders["lines"][:, np.newaxis]
        product, quantity = orders["products"][is_line], orders["quantities"][is_line]
        whole = np.repeat(np.arange(len(orders)), orders["lines"])
        is_refund, is_restocked = orders["is_refund"][whole], said.is_restocked[whole]
        paid = orders["prices"][is_line] * quantity
        discount = said.discounts(orders, self._costs.catalogue)[is_line]
        placed = np.where(orders["is_refund"], orders["placed"], orders["at"])[whole]
        cost = self._costs.on(product, placed // r.DAY) * quantity
        cost = np.where(is_refund, np.where(is_restocked, -cost, 0), cost)
        is_known = self._costs.is_known[product]
        sums = {
            "gross": np.where(is_refund, 0, paid + discount),
            "discount": np.where(is_refund, 0, discount),
            "returns": np.where(is_refund, paid, 0),
            "cost": np.where(is_known, cost, 0),
            "revenue_with_cost": np.where(is_known, np.where(is_refund, -paid, paid), 0),
            "known_lines": is_known.astype(np.int64),
        }
        for name, cents in sums.items():
            np.add.at(self._by_day[name], day[whole], cents)
            np.add.at(self._by_product[name], product, cents)
        profits = np.bincount(whole, sums["revenue_with_cost"] - sums["cost"], len(orders))
        left = profits.astype(np.int64) + said.shipping - said.fee - said.shipping_cost
        is_whole = np.bincount(whole, ~is_known, len(orders)) == 0
        contribution: Ints = np.where(is_whole, left, 0)
        np.add.at(self._by_day["contribution"], day, contribution)
        np.add.at(self._by_day["known_orders"], day, is_whole)
        return contribution, is_whole

    def truth(self) -> dict[str, object]:
        """Return the sums as in `truth.json`; only products of which something was sold."""
        catalogue = self._costs.catalogue
        by_category = {
            name: np.bincount(catalogue.category, cents, len(CATEGORIES)).astype(np.int64)
            for name, cents in self._by_product.items()
        }
        sold = np.flatnonzero(self._by_product["gross"] + self._by_product["returns"]).tolist()
        days = [(self._first_day + timedelta(days=i)).isoformat() for i in range(self._days)]
        return {
            "by_date": {day: _amounts(self._by_day, i) for i, day in enumerate(days)},
            "by_product": {str(FIRST_PRODUCT_ID + i): _amounts(self._by_product, i) for i in sold},
            "by_category": {name: _amounts(by_category, i) for i, name in enumerate(CATEGORIES)},
        }


def _amounts(cents: dict[str, Ints], i: int) -> dict[str, str | None]:
    """Return the sums of a day, product or category, and what follows from them; cost and profit
    are null where the cost of no line is known, the contribution of a day where no order has all.
    """
    of = {name: int(sums[i]) for name, sums in cents.items()}
    revenue = of["gross"] - of["discount"] - of["returns"]
    named: dict[str, int | None] = {
        "gross_sales_amount": of["gross"],
        "discount_amount": of["discount"],
        "returns_amount": of["returns"],
        "revenue_amount": revenue,
        "cost_amount": of["cost"],
        "revenue_with_cost_amount": of["revenue_with_cost"],
        "gross_profit_amount": of["revenue_with_cost"] - of["cost"],
    }
    if not of["known_lines"]:
        named |= {"cost_amount": None, "gross_profit_amount": None}
    named |= {f"{name}_amount": of[name] for name in _OF_ORDERS if name in of}
    if "known_orders" in of:
        left = of["contribution"] if of["known_orders"] else None
        named["contribution_before_ads_amount"] = left
    return {name: None if value is None else r.money_text(value) for name, value in named.items()}
