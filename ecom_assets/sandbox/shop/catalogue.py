"""The products of the simulated shop: names, categories, prices, costs, popularity and stock."""

from dataclasses import dataclass

import numpy as np

from ecom_assets.sandbox.shop.rows import Dice, Floats, Ints, cumulative, pick

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
_ADJECTIVES = ("Classic", "Urban", "Nordic", "Coastal", "Alpine", "Everyday", "Heritage", "Featherlight")
CATEGORIES = tuple(name for name, _, _, _ in _CATEGORIES)
_CATEGORY_BOUNDS = cumulative([share for _, _, share, _ in _CATEGORIES])


@dataclass(frozen=True)
class Catalogue:
    """The products, ordered by category. A product's index is its position here."""

    names: tuple[str, ...]
    category: Ints
    price_cents: Ints
    cost_cents: Ints
    bounds: Floats
    """Upper bound of each product's share of [0, 1), by popularity; the shares of a category are adjacent."""

    def choose(self, category: Ints, units: Floats) -> Ints:
        """Return products chosen by popularity within each category; a negative category means all products."""
        low = np.where(category <= 0, 0.0, _CATEGORY_BOUNDS[category - 1])
        high = np.where(category < 0, 1.0, _CATEGORY_BOUNDS[category])
        chosen = pick(self.bounds, low + units * (high - low))
        # Rounding of low + units * (high - low) can cross into the next category.
        first = np.where(category < 0, 0, category * PRODUCTS_PER_CATEGORY)
        last = np.where(category < 0, len(self.names) - 1, first + PRODUCTS_PER_CATEGORY - 1)
        return np.clip(chosen, first, last)


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
    names = tuple(f"{adjective} {noun}" for *_, nouns in _CATEGORIES for adjective in _ADJECTIVES for noun in nouns)
    return Catalogue(names, category, price, cost, _popularity(dice))


def _popularity(dice: Dice) -> Floats:
    """Return bounds of a long tail per category: the k-th most popular product has a weight of 1 / k."""
    weights: list[float] = []
    for index, (_, _, share, nouns) in enumerate(_CATEGORIES):
        size = len(nouns) * len(_ADJECTIVES)
        ranks = np.argsort(np.argsort(dice.bits("rank", np.arange(size, dtype=np.int64) + index * size))) + 1
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
    """Per product: the items in stock, the reorder point, and the lead time of a reorder in days."""

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
    lead_time_days = np.array(LEAD_TIMES_DAYS, np.int64)[dice.below(len(LEAD_TIMES_DAYS), "lead time", product)]
    return Stock(count, np.ceil(daily * lead_time_days * SAFETY).astype(np.int64), lead_time_days)
