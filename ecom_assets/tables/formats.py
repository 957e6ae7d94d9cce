"""Numbers as people read them: the same on pages, in the weekly report, in messages and in a terminal."""

from decimal import Decimal
from typing import Final

MINUS: Final = "\N{MINUS SIGN}"
UNKNOWN: Final = "-"
_SMALL: Final = 0.1


def percent(share: float | None) -> str:
    """Return a share as a percentage: 29.3%."""
    return UNKNOWN if share is None else f"{share:,.1%}"


def rate(share: float) -> str:
    """Return a share as a percentage, a small one with a digit more: 2.84%."""
    return f"{share:,.2%}" if 0 < abs(share) < _SMALL else percent(share)


def change(share: float | None) -> str:
    """Return a relative change with its sign: +12.5%."""
    return UNKNOWN if share is None else f"{'+' if share > 0 else MINUS if share < 0 else ''}{percent(abs(share))}"


def amount(value: Decimal | float | None) -> str:
    """Return money to the cent, without its currency: 1,234.50."""
    return UNKNOWN if value is None else f"{value:,.2f}"


def number(value: float | None) -> str:
    """Return a count, or a number with two decimals: 1,234 or 2.50."""
    return UNKNOWN if value is None else f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def with_minus(text: str) -> str:
    """Return a number with a minus sign in place of the hyphen, where letters can show it."""
    return text.replace("-", MINUS)
