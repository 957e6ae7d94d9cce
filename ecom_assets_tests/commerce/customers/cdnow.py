"""The CDNOW purchases that both models were published with: 2,357 customers,
a tenth of those of early 1997.

The file comes with the package `lifetimes`, which has it from Bruce Hardie's page. Nothing of it is
copied here, and no code of the package is run.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.metadata import files
from pathlib import Path

CALIBRATION_END = date(1997, 9, 30)
"""The last day of the 39 weeks that the models were fitted to."""


@dataclass(frozen=True)
class Purchase:
    """What a customer bought at a time, in dollars."""

    customer_id: str
    day: date
    amount: Decimal


@cache
def purchases() -> tuple[Purchase, ...]:
    """Return every purchase of the file, that of the half year after the calibration too."""
    lines = _path().read_text().splitlines()
    return tuple(_purchase(line.split()) for line in lines if line.strip())


def calibration() -> list[Purchase]:
    """Return the purchases that the models were fitted to."""
    return [purchase for purchase in purchases() if purchase.day <= CALIBRATION_END]


def _path() -> Path:
    (actual,) = (file for file in files("lifetimes") or [] if file.name == "CDNOW_sample.txt")
    return Path(str(actual.locate()))


def _purchase(fields: list[str]) -> Purchase:
    _, customer_id, day, _, amount = fields
    return Purchase(
        customer_id, date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}"), Decimal(amount)
    )
