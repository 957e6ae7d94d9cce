"""How many of each product the simulated shop has left, and when it orders more.

A shop buys by what it expects to sell: most products last weeks, some are nearly gone, some will last for years.
Not here: who buys (`shop_visits`).
"""

from dataclasses import dataclass

import numpy as np

from ecom_assets.sandbox.shop_catalogue import Catalogue
from ecom_assets.sandbox.shop_dice import Dice, Ints

ITEMS_PER_VISITOR_AND_DAY = 0.0087
"""About as many as `shop_visits` sells."""
SOLD_OUT_RATE = 0.04
LONGEST_COVER_DAYS = 500
LEAD_TIMES_DAYS = (3, 5, 7, 10, 14, 21)
SAFETY = 1.5
"""More is ordered when what is left lasts this many lead times."""


@dataclass(frozen=True)
class Stock:
    """By product: what is left, below how many more are ordered, and days until they come."""

    count: Ints
    reorder_point: Ints
    lead_time_days: Ints


def make_stock(dice: Dice, catalogue: Catalogue, visitors: int) -> Stock:
    """Stock the products of a shop to which so many people may come."""
    product = np.arange(len(catalogue.names), dtype=np.int64)
    shares = np.diff(catalogue.bounds, prepend=0.0)
    daily = shares * visitors * ITEMS_PER_VISITOR_AND_DAY
    cover_days = 2 + LONGEST_COVER_DAYS * dice.unit("cover", product) ** 3
    count = np.ceil(daily * cover_days).astype(np.int64)
    count[dice.chance(SOLD_OUT_RATE, "sold out", product)] = 0
    lead_time_days = np.array(LEAD_TIMES_DAYS, np.int64)[dice.below(len(LEAD_TIMES_DAYS), "lead time", product)]
    return Stock(count, np.ceil(daily * lead_time_days * SAFETY).astype(np.int64), lead_time_days)
