"""Numbers of a period beside those of the period before. Not here: the numbers."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

DECIMALS = 6
"""Places of shares and means: enough for a share of a million, and the same on every engine."""


def share(part: Decimal | float, whole: Decimal | float) -> float | None:
    """Return a share, or None where there is nothing to share."""
    return round(float(part) / float(whole), DECIMALS) if whole else None


def changes(now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str]) -> dict[str, float | None]:
    """Return the change of each number, as a share of its size before; None where that is zero or unknown."""
    return {name: _change(now[name], before[name]) for name in names}


def _change(now: Any, before: Any) -> float | None:  # noqa: ANN401 (whole numbers, money, shares or None)
    if now is None or before is None or not before:
        return None
    return round(float((Decimal(str(now)) - Decimal(str(before))) / abs(Decimal(str(before)))), DECIMALS)
