"""Numbers as people read them, the same on pages, in reports, messages and a terminal."""

from collections.abc import Container, Sequence
from decimal import Decimal
from typing import Final, Literal

from ecom_assets.core.tables.currencies import digits_of, rounded

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
    """Return a relative change with its sign: +12.5%; without one where it reads as 0.0%."""
    if share is None:
        return UNKNOWN
    sign = {"up": "+", "down": MINUS, "flat": ""}[direction_of(share)]
    return f"{sign}{percent(abs(share))}"


def direction_of(share: float) -> Literal["up", "down", "flat"]:
    """Return whether a relative change is up, down, or flat as it is shown."""
    if percent(abs(share)) == percent(0):
        return "flat"
    return "up" if share > 0 else "down"


def amount(value: Decimal | float | None, currency: str = "") -> str:
    """Return money in the digits of its currency, without the currency: 1,234.50."""
    if value is None:
        return UNKNOWN
    shown = rounded(value, currency) if isinstance(value, Decimal) else value
    return f"{shown:,.{digits_of(currency)}f}"


def exact_amount(value: Decimal) -> str:
    """Return money of an unknown currency with all digits, two at least: 1,234.50 or 0.375."""
    exponent = value.normalize().as_tuple().exponent
    digits = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{value:,.{digits}f}"


def number(value: float | None) -> str:
    """Return a count, or a number with two decimals: 1,234 or 2.50."""
    return (
        UNKNOWN if value is None else f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
    )


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun: 1 order or 1,234 orders; `plural` if not by `s`."""
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"


def quantity(value: Decimal | float | None) -> str:
    """Return how much of an item there is, without zeros behind the point: 1,234 or 1.85."""
    if value is None:
        return UNKNOWN
    text = f"{value:,.4f}"
    return text.rstrip("0").rstrip(".")


def plain_quantity(value: Decimal | float) -> int | float:
    """Return how much of an item there is as JSON has it: an integer where it is whole."""
    return int(value) if value == int(value) else float(value)


def with_minus(text: str) -> str:
    """Return a number with a minus sign in place of the hyphen, where letters can show it."""
    return text.replace("-", MINUS)


BAR_WIDTH: Final = 30


def bar(value: float | None, largest: float) -> str:
    """Return a bar as long as a value, `BAR_WIDTH` for the largest one; none for less than 0."""
    return "█" * round(BAR_WIDTH * max(value or 0, 0) / largest)


def by_text(by: str | Sequence[str]) -> str:
    """Return the column or columns of a breakdown as text."""
    return by if isinstance(by, str) else ", ".join(by)


def aligned_percent(share: float | None) -> str:
    """Return a share as a percentage, aligned with others."""
    return "    -" if share is None else f"{percent(share):>6}"


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters; what is cut off becomes an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def aligned(lines: Sequence[Sequence[str]], to_the_right: Container[int] = ()) -> list[str]:
    """Return the cells of lines in columns; those with the given positions to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            text.rjust(width) if column in to_the_right else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))


def duration(seconds: float) -> str:
    """Return a duration as text, in the largest unit in which it is at least 1."""
    for name, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"
