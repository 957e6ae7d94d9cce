"""Numbers, dates and durations as people read them."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from ecom_assets.core.tables import formats
from ecom_assets.core.tables.contract import TEXT_FORMATS, Format
from ecom_assets.core.tables.currencies import rounded
from ecom_assets.core.tables.formats import MINUS
from ecom_assets.core.tables.intervals import interval_of_share

Kind = Format
DASH = "\N{EN DASH}"
UNKNOWN: Final = DASH
SIGNS: Final = {
    "EUR": "€",
    "USD": "$",
    "GBP": "£",
    "JPY": "¥",
    "CHF": "CHF ",
    "SEK": "SEK ",
    "PLN": "PLN ",
}
AGAINST: Final = {1: "▲ higher", -1: "▼ lower", 0: ""}
"""What is said of a share that differs from that of all others by more than chance."""
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def exact(value: Any, kind: Kind, currency: str = "") -> str:  # noqa: ANN401 (any cell of an answer)
    """Return a value as scripts read it in a page: as the API writes it,
    money in its currency's digits.
    """
    if value is None:
        return ""
    return str(
        rounded(value, currency) if kind == "money" and isinstance(value, Decimal) else value
    )


def formatted(value: Any, kind: Kind, currency: str = "") -> str:  # noqa: ANN401 (any cell of an answer)
    """Return a value of the API's routes as text, a dash if it is unknown;
    `currency` is the ISO 4217 code.
    """
    if value is None or value == "":
        return UNKNOWN
    if kind == "money":
        return money(Decimal(str(value)), currency)
    is_exact = isinstance(value, str) and kind not in TEXT_FORMATS
    text = _FORMATS[kind](Decimal(value) if is_exact else value)
    return text if kind in TEXT_FORMATS else formats.with_minus(text)


def money(amount: Decimal, currency: str) -> str:
    """Return an amount with the sign of its currency: €1,234.50."""
    return (
        f"{MINUS if amount < 0 else ''}{sign_of(currency)}{formats.amount(abs(amount), currency)}"
    )


def change_of_money(amount: Decimal, currency: str) -> str:
    """Return a difference of amounts with its sign, and that of its currency: +€1,234.50."""
    return f"{'+' if amount > 0 else ''}{money(amount, currency)}"


def sign_of(currency: str) -> str:
    """Return the sign of a currency; its code and a space if it has none here."""
    return SIGNS.get(currency, f"{currency} " if currency else "")


def day_range(start: date, end: date) -> str:
    """Return a range of days, with the parts that both ends share written once:
    `3` to `28 Jan 2026`.
    """
    if start == end:
        return _day(start)
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day}{DASH}{_day(end)}"
    if start.year == end.year:
        return f"{start.day} {start:%b} {DASH} {_day(end)}"
    return f"{_day(start)} {DASH} {_day(end)}"


def in_words(name: str) -> str:
    """Return a name of code as people read it: `out_of_stock` as Out of stock."""
    return name.replace("_", " ").capitalize()


def chance(share: float | None, whole: float | None) -> str:
    """Return the range that chance allows a share of so many: 5.1% to 25.2%; empty of a number that
    is unknown, or no share of them.
    """
    if share is None or not whole or not 0 <= share <= 1:
        return ""
    low, high = interval_of_share(share * float(whole), float(whole))
    return f"{formats.rate(low)} to {formats.rate(high)}"


def _day(value: date) -> str:
    return f"{value.day} {value:%b} {value.year}"


def _instant(value: datetime | str) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _seconds(value: float) -> str:
    value = round(value)  # or 59.7 s are 60 s
    if value < _MINUTE_S:
        return f"{value:.0f} s"
    if value < _HOUR_S:
        return f"{value // _MINUTE_S:.0f} min {value % _MINUTE_S:02.0f} s"
    if value < _DAY_S:
        return f"{value // _HOUR_S:.0f} h {value % _HOUR_S // _MINUTE_S:02.0f} min"
    return f"{value / _DAY_S:.1f} d"


_FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "text": str,
    "count": lambda value: f"{value:,.0f}",
    "quantity": formats.quantity,
    "decimal": lambda value: f"{value:,.1f}",
    "times": lambda value: f"{value:,.2f}",
    "score": lambda value: f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}",  # noqa: PLR2004 (without an exponent)
    "rate": formats.rate,
    "change": formats.change,
    "date": lambda value: value.isoformat() if isinstance(value, date) else str(value),
    "instant": _instant,
    "seconds": _seconds,
}
