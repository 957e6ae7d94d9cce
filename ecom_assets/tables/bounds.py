"""How much one row of a source may carry: METRICS "Clean event". A row with more is quarantined.

The widest bounds that settings take leave room for nine million rows at the bound on one day, so no set of clean rows
makes a total overflow.
"""

from decimal import Decimal
from typing import Final

MAX_AMOUNT: Final = Decimal(100_000_000)
"""Money of one event or order line, by default; a shop whose currency has small units, such as IDR, sets it higher."""
WIDEST_AMOUNT: Final = Decimal(10_000_000_000)
"""What `ECOM_MAX_AMOUNT` may be: the cents of a day are added up as 64-bit numbers when credit is shared."""
MAX_QUANTITY: Final = 1_000_000
"""Items of one order line, by default."""
WIDEST_QUANTITY: Final = 1_000_000_000
MAX_STOCK: Final = 1_000_000_000_000
"""Items of one product in stock, and its reorder point."""
LONGEST_EVENT_TYPE = 255
NOT_IN_EVENT_TYPES = "[^ -~\u00a0-\U0010fffd]"
"""A pattern that finds a control character; a negated class, because engines differ on anchors and class names."""
