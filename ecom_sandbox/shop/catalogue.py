"""The products of the simulated shop: names, vendors, categories, prices that change, costs,
popularity and stock.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from ecom_sandbox.shop.rows import Dice, Floats, Ints, cumulative, pick

PRODUCTS_PER_CATEGORY = 40
FIRST_PRODUCT_ID = 1001
# Category, typical price in whole euros, share of popularity, nouns.
_CATEGORIES: tuple[tuple[str, int, float, tuple[str, ...]], ...] = (
    ("Shoes", 85, 0.15, ("Sneaker", "Boot", "Loafer", "Sandal", "Runner")),
    ("Jackets", 120, 0.11, ("Parka", "Rain Jacket", "Blazer", "Vest", "Down Jacket")),
    ("Shirts", 35, 0.14, ("T-Shirt", "Polo", "Flannel Shirt", "Blouse", "Henley")),
    ("Trousers", 60, 0.10, ("Jeans", "Chinos", "Joggers", "Shorts", "Leggings")),
    ("Accessories", 22, 0.09, ("Belt", "Scarf", "Beanie", "Cap", "Gloves")),
    ("Bags", 70, 0.08, ("Backpack", "Tote", "Duffel", "Crossbody Bag", "Wallet")),
    ("Watches", 150, 0.04, ("Field Watch", "Diver", "Chronograph", "Dress Watch", "Smartwatch")),
    ("Home", 40, 0.09, ("Cushion", "Throw", "Lamp", "Vase", "Candle")),
    ("Kitchen", 45, 0.07, ("Skillet", "Knife", "Teapot", "Grinder", "Mug Set")),
    ("Sports", 50, 0.06, ("Yoga Mat", "Kettlebell", "Bottle", "Ball", "Rope")),
    ("Beauty", 18, 0.05, ("Serum", "Hand Cream", "Soap", "Balm", "Shampoo")),
    ("Outdoor", 95, 0.02, ("Tent", "Headlamp", "Stove", "Sleeping Bag", "Trekking Poles")),
)
_ADJECTIVES = (
    "Classic",
    "Urban",
    "Nordic",
    "Coastal",
    "Alpine",
    "Everyday",
    "Heritage",
    "Featherlight",
)
_VENDORS = (
    "Fjordline",
    "Kestrel & Co",
    "Lumo",
    "Marlow",
    "Northfield",
    "Oak & Iron",
    "Pinea",
    "Solbakken",
)
CATEGORIES = tuple(name for name, _, _, _ in _CATEGORIES)
_CATEGORY_BOUNDS = cumulative([share for _, _, share, _ in _CATEGORIES])
CHANGING_SHARE = 0.1
"""Share of products whose price changes."""
_CHANGED_TO_PERCENT = np.array([70, 80, 90, 110], np.int64)
_SHORTEST_PRICE_DAYS, _LONGEST_PRICE_DAYS = 16, 28
"""A changing price is one that changes once or twice in 30 days."""


class PriceChange(NamedTuple):
    """The day from which a product has another price, and the price in cents before and after."""

    day: date
    product: int
    before: int
    after: int


@dataclass(frozen=True)
class Catalogue:
    """The products, ordered by category. A product's index is its position here.

    A price depends on the product and the day alone, so that days of the past keep theirs however a
    shop grows.
    """

    names: tuple[str, ...]
    vendors: tuple[str, ...]
    category: Ints
    price_cents: Ints
    changed_cents: Ints
    """The other price that a product has in turn with `price_cents`;
    the same if its price never changes.
    """
    price_days: Ints
    """The days between two changes of a price."""
    price_shift: Ints
    cost_cents: Ints
    bounds: Floats
    """Upper bound of each product's share of [0, 1), by popularity;
    the shares of a category are adjacent.
    """

    def choose(self, category: Ints, units: Floats) -> Ints:
        """Return products chosen by popularity within each category;
        a negative category means all products.
        """
        low = np.where(category <= 0, 0.0, _CATEGORY_BOUNDS[category - 1])
        high = np.where(category < 0, 1.0, _CATEGORY_BOUNDS[category])
        chosen = pick(self.bounds, low + units * (high - low))
        # Rounding of low + units * (high - low) can cross into the next category.
        first = np.where(category < 0, 0, category * PRODUCTS_PER_CATEGORY)
        last = np.where(category < 0, len(self.names) - 1, first + PRODUCTS_PER_CATEGORY - 1)
        return np.clip(chosen, first, last)

    def prices(self, product: Ints, day: Ints) -> Ints:
        """Return the prices of products in cents on days, counted from 1970."""
        is_changed = (day + self.price_shift[product]) // self.price_days[product] % 2 == 1
        prices: Ints = np.where(is_changed, self.changed_cents[product], self.price_cents[product])
        return prices

    def prices_on(self, day: date) -> Ints:
        """Return the price of each product in cents on a day."""
        product = np.arange(len(self.names), dtype=np.int64)
        return self.prices(product, np.full_like(product, (day - _EPOCH).days))

    def price_changes(self, first: date, days: int) -> list[PriceChange]:
        """Return the changes on these days, in order;
        the first may have some against the day before it.
        """
        result: list[PriceChange] = []
        for day in (first + timedelta(days=n) for n in range(days)):
            before, after = self.prices_on(day - timedelta(days=1)), self.prices_on(day)
            changed = np.flatnonzero(before != after).tolist()
            result.extend(
                PriceChange(day, product, int(before[product]), int(after[product]))
                for product in changed
            )
        return result


_EPOCH = date(1970, 1, 1)


def choose_category(units: Floats) -> Ints:
    """Return categories chosen by popularity."""
    return pick(_CATEGORY_BOUNDS, units)


def make_catalogue(dice: Dice) -> Catalogue:
    """Return the products of a seed."""
    size = len(CATEGORIES) * PRODUCTS_PER_CATEGORY
    product = np.arange(size, dtype=np.int64)
    category = product // PRODUCTS_PER_CATEGORY
    typical = np.array([euros * 100 for _, euros, _, _ in _CATEGORIES], np.int64)[category]
    # From 0.4 to 2.2 times the typical price, ending in .90 as is common in shops; at least 4.90.
    factor = 0.4 + 1.8 * dice.unit("price", product) ** 2
    price = np.maximum((typical * factor).astype(np.int64) // 100 * 100 + 90, 490)
    cost = (price * (0.4 + 0.3 * dice.unit("cost", product))).astype(np.int64)
    names = tuple(
        f"{adjective} {noun}"
        for *_, nouns in _CATEGORIES
        for adjective in _ADJECTIVES
        for noun in nouns
    )
    vendors = tuple(_VENDORS[i] for i in dice.below(len(_VENDORS), "vendor", product).tolist())
    percent = _CHANGED_TO_PERCENT[dice.below(len(_CHANGED_TO_PERCENT), "changed price", product)]
    changed = np.where(
        dice.chance(CHANGING_SHARE, "price changes", product), price * percent // 100, price
    )
    price_days = _SHORTEST_PRICE_DAYS + dice.below(
        _LONGEST_PRICE_DAYS + 1 - _SHORTEST_PRICE_DAYS, "price days", product
    )
    shift = dice.below(2 * _LONGEST_PRICE_DAYS, "price shift", product)
    popularity = _popularity(dice)
    return Catalogue(names, vendors, category, price, changed, price_days, shift, cost, popularity)


def _popularity(dice: Dice) -> Floats:
    """Return bounds of a long tail per category:
    the k-th most popular product has a weight of 1 / k.
    """
    weights: list[float] = []
    for index, (_, _, share, nouns) in enumerate(_CATEGORIES):
        size = len(nouns) * len(_ADJECTIVES)
        ranks = (
            np.argsort(
                np.argsort(dice.bits("rank", np.arange(size, dtype=np.int64) + index * size))
            )
            + 1
        )
        tail = 1.0 / ranks
        weights.extend((share * tail / tail.sum()).tolist())
    return cumulative(weights)


ITEMS_PER_VISITOR_AND_DAY = 0.0087
"""About as many items as the simulated visitors buy."""
SOLD_OUT_RATE = 0.04
LONGEST_COVER_DAYS = 500
LEAD_TIMES_DAYS = (3, 5, 7, 10, 14, 21)
SAFETY = 1.5
"""A product is reordered when its stock lasts for only this many lead times."""


@dataclass(frozen=True)
class Stock:
    """Per product: the items in stock, the reorder point,
    and the lead time of a reorder in days.
    """

    count: Ints
    reorder_point: Ints
    lead_time_days: Ints


def make_stock(dice: Dice, catalogue: Catalogue, visitors: int) -> Stock:
    """Return the stock of a shop with this many visitors."""
    product = np.arange(len(catalogue.names), dtype=np.int64)
    shares = np.diff(catalogue.bounds, prepend=0.0)
    daily = shares * visitors * ITEMS_PER_VISITOR_AND_DAY
    cover_days = 2 + LONGEST_COVER_DAYS * dice.unit("cover", product) ** 3
    count = np.ceil(daily * cover_days).astype(np.int64)
    count[dice.chance(SOLD_OUT_RATE, "sold out", product)] = 0
    lead_time_days = np.array(LEAD_TIMES_DAYS, np.int64)[
        dice.below(len(LEAD_TIMES_DAYS), "lead time", product)
    ]
    return Stock(count, np.ceil(daily * lead_time_days * SAFETY).astype(np.int64), lead_time_days)
