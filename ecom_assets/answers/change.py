"""Numbers of a period beside those of the period before. Not here: the numbers."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ecom_assets.answers.period import Period

DECIMALS = 6
"""Places of shares and means: enough for a share of a million, and the same on every engine."""

CHANGE = (
    "(this period minus the one before) ÷ |the one before|; null where that is zero, and where the data do not hold "
    "all days of both (range.data, range.previous_data)"
)


def share(part: Decimal | float | None, whole: Decimal | float | None) -> float | None:
    """Return a share, or None where there is nothing to share, or the part is unknown."""
    return round(float(part) / float(whole), DECIMALS) if whole and part is not None else None


def changes(now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str]) -> dict[str, float | None]:
    """Return the change of each number, as a share of its size before; None where that is zero or unknown."""
    return {name: _change(now[name], before[name]) for name in names}


def compared(
    now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str], period: Period
) -> dict[str, dict[str, Any] | None]:
    """Return the numbers of the days before, None where the data hold none of these; and how each number changed.

    Without all days of both there is no change to tell: a shop does not grow by what was not kept, nor shrink by days
    that have not happened.
    """
    return {
        "previous": None if period.previous.data == "none" else dict(before),
        "change": changes(now, before, names) if period.is_comparable else dict.fromkeys(names),
    }


def if_known(numbers: Mapping[str, Any], period: Period) -> dict[str, Any]:
    """Return the numbers of a period; None for each where none of its days is known, as nothing is not zero."""
    return dict(numbers) if period.data != "none" else dict.fromkeys(numbers)


def revenue_compared(now: Decimal | None, before: Decimal | None, period: Period) -> dict[str, Any]:
    """Return the same of revenue alone, as rows of lists have it."""
    name = "revenue_amount"
    told = compared({name: now}, {name: before}, [name], period)
    previous, change = told["previous"], told["change"]
    return {"previous_revenue_amount": previous and previous[name], "revenue_change": change and change[name]}


def _change(now: Any, before: Any) -> float | None:  # noqa: ANN401 (whole numbers, money, shares or None)
    if now is None or before is None or not before:
        return None
    return round(float((Decimal(str(now)) - Decimal(str(before))) / abs(Decimal(str(before)))), DECIMALS)
