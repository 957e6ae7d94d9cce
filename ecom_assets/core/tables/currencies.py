"""Currencies: the digits of their amounts by ISO 4217, and how large usual amounts are in them."""

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from typing import Final

from ecom_assets.core.tables.values import MAX_AMOUNT, WIDEST_AMOUNT

USUAL_DIGITS: Final = 2
"""The digits of amounts whose currency is not known, or is not in ISO 4217."""
MAGNITUDES: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "BWP",
        "CNY",
        "CZK",
        "DKK",
        "EGP",
        "GTQ",
        "HKD",
        "MAD",
        "MDL",
        "MKD",
        "MUR",
        "MVR",
        "MXN",
        "NIO",
        "NOK",
        "PHP",
        "RUB",
        "SEK",
        "SZL",
        "THB",
        "TRY",
        "TWD",
        "UAH",
        "UYU",
        "ZAR",
        "ZMW",
    ),
    2: (
        "AFN",
        "ALL",
        "AMD",
        "AOA",
        "BDT",
        "BTN",
        "CRC",
        "CVE",
        "DJF",
        "DOP",
        "DZD",
        "ETB",
        "GMD",
        "HTG",
        "HUF",
        "INR",
        "ISK",
        "JMD",
        "JPY",
        "KES",
        "KGS",
        "KMF",
        "KZT",
        "LKR",
        "LRD",
        "MZN",
        "NPR",
        "PKR",
        "RSD",
        "SDG",
        "SOS",
        "VES",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
        "YER",
    ),
    3: (
        "ARS",
        "BIF",
        "CDF",
        "CLP",
        "COP",
        "IQD",
        "KHR",
        "KRW",
        "MGA",
        "MMK",
        "MNT",
        "MWK",
        "NGN",
        "PYG",
        "RWF",
        "TZS",
        "UGX",
    ),
    4: ("GNF", "IDR", "LAK", "SLL", "STD", "SYP", "UZS", "VND"),
    5: ("IRR", "LBP"),
}
"""Currencies with small units, by the power of ten nearest to their units in a euro.

A euro is some 25,000 to 30,000 dong. These are rough values that no publication lists; only the
default of a bound against typing errors follows from them, see docs/adr/0045.
"""
SMALL_CURRENCIES: Final = tuple(code for codes in MAGNITUDES.values() for code in codes)
_POWERS: Final = {code: power for power, codes in MAGNITUDES.items() for code in codes}


@cache
def _digits() -> dict[str, int]:
    from iso4217 import Currency  # noqa: PLC0415 (reads its list of all currencies)

    return {member.code: int(member.exponent) for member in Currency if member.exponent is not None}


def digits_of(currency: str) -> int:
    """Return how many digits after the point the amounts of a currency have, by ISO 4217.

    A currency that is not known, or that has none by the list, such as gold, has two.
    """
    return _digits().get(currency, USUAL_DIGITS) if currency else USUAL_DIGITS


@cache
def unusual_digits() -> dict[int, tuple[str, ...]]:
    """Return the currencies whose amounts do not have two digits, by their number of digits."""
    numbers = sorted({digits for digits in _digits().values() if digits != USUAL_DIGITS})
    return {
        number: tuple(sorted(code for code, digits in _digits().items() if digits == number))
        for number in numbers
    }


def unit_of(currency: str) -> Decimal:
    """Return the smallest amount that the digits of a currency can write: 0.01, of yen 1."""
    return Decimal(1).scaleb(-digits_of(currency))


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Return an amount in the digits of its currency, half of the last one away from zero."""
    return amount.quantize(unit_of(currency), ROUND_HALF_UP)


def rounded_parts(parts: Sequence[Fraction], total: Decimal, quantum: Decimal) -> list[Decimal]:
    """Return parts rounded to a quantum so that they add up to a total that is rounded to it.

    Args:
        parts: The exact parts.
        total: Their sum; as a difference of rounded numbers it may differ from it by a quantum.
        quantum: The unit to round to, such as a cent.

    Raises:
        ValueError: The total is not that of the parts.
    """
    unit = Fraction(quantum)
    if abs(sum(parts, Fraction(0)) - Fraction(total)) > unit:
        raise ValueError(f"{total} is not the sum of the {len(parts)} parts")
    floors = [math.floor(part / unit) for part in parts]
    largest_first = sorted(
        range(len(parts)),
        key=lambda position: (floors[position] - parts[position] / unit, position),
    )
    left = int(Fraction(total) / unit) - sum(floors)
    for number in range(abs(left)):
        position = (
            largest_first[number % len(parts)]
            if left > 0
            else largest_first[-1 - number % len(parts)]
        )
        floors[position] += 1 if left > 0 else -1
    return [number * quantum for number in floors]


def largest_amount(currency: str) -> Decimal:
    """Return the default limit of one row's amount: 100 million, or as many euros."""
    return min(MAX_AMOUNT * Decimal(10 ** int(_POWERS.get(currency, 0))), WIDEST_AMOUNT)
