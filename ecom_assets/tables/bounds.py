"""Bounds of the values in one row of a source; a row beyond a bound is quarantined.

Definitions: METRICS "Clean events and reject reasons".

The widest bounds that the settings accept leave room for nine million such rows on one day, so clean rows never make a
total overflow.
"""

from datetime import date
from decimal import Decimal
from typing import Final

MAX_AMOUNT: Final = Decimal(100_000_000)
"""The default for the money of one event or order line; a shop with a currency of small units, such as IDR, sets a
higher one."""
WIDEST_AMOUNT: Final = Decimal(10_000_000_000)
"""The highest value of `ECOM_MAX_AMOUNT`: attribution adds up the cents of a day as 64-bit numbers."""
MAX_QUANTITY: Final = 1_000_000
"""The default limit of the items in one order line."""
WIDEST_QUANTITY: Final = 1_000_000_000
MAX_STOCK: Final = 1_000_000_000_000
"""The bound for the items of one product in stock, and for its reorder point."""
LONGEST_EVENT_TYPE = 255
NOT_IN_EVENT_TYPES = "[^ -~\u00a0-\U0010fffd]"
"""A pattern that matches a control character. It is a negated class, as engines differ on anchors and class names."""


FIRST_PLAUSIBLE = date(1990, 1, 1)
LAST_PLAUSIBLE = date(2099, 12, 31)


def is_plausible(day: date) -> bool:
    """Return whether a day is plausible as the date of an event or an order."""
    return FIRST_PLAUSIBLE <= day <= LAST_PLAUSIBLE
