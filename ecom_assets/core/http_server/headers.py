"""Headers of answers that several parts of a server read or write."""

from typing import Final

TOTAL_HEADER: Final = "x-total-count"
"""How many rows a list has as a whole."""
