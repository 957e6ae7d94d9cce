"""Numbers of a period beside those of the period before. Not here: the numbers."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ecom_assets.answers.period import Period

DECIMALS = 6
"""Places of shares and means: enough for a share of a million, and the same on every engine."""

CHANGE = (
    "(this period minus the one before) ÷ |the one before|; null where that is zero, and where the data do not hold "
    "all of the days before (range.previous_data)"
)


def share(part: Decimal | float, whole: Decimal | float) -> float | None:
    """Return a share, or None where there is nothing to share."""
    return round(float(part) / float(whole), DECIMALS) if whole else None


def changes(now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str]) -> dict[str, float | None]:
    """Return the change of each number, as a share of its size before; None where that is zero or unknown."""
    return {name: _change(now[name], before[name]) for name in names}


def compared(
    now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str], period: Period
) -> dict[str, dict[str, Any] | None]:
    """Return the numbers of the days before, None where the data hold none of these; and how each number changed.

    Without all of the days before there is no change to tell: a shop does not grow by what was not kept.
    """
    is_whole = period.previous_data == "whole"
    return {
        "previous": None if period.previous_data == "none" else dict(before),
        "change": changes(now, before, names) if is_whole else dict.fromkeys(names),
    }


def revenue_compared(now: Decimal, before: Decimal, period: Period) -> dict[str, Any]:
    """Return the same of revenue alone, as rows of lists have it."""
    name = "revenue_amount"
    told = compared({name: now}, {name: before}, [name], period)
    previous, change = told["previous"], told["change"]
    return {"previous_revenue_amount": previous and previous[name], "revenue_change": change and change[name]}


def _change(now: Any, before: Any) -> float | None:  # noqa: ANN401 (whole numbers, money, shares or None)
    if now is None or before is None or not before:
        return None
    return round(float((Decimal(str(now)) - Decimal(str(before))) / abs(Decimal(str(before)))), DECIMALS)
