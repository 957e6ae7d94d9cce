"""What was decided on rows of what to look at, and whether a row is to be looked at again."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from ecom_assets.core.clock import today_in
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.model import FindingDecision
from ecom_assets.interfaces.boards.store import BoardStore


def finding_id(row: Mapping[str, Any]) -> str:
    """Return the id of a row of `mart.findings`, the same as long as it is about the same."""
    return " ".join(
        str(row[name]) for name in ("kind", "funnel_name", "step", "dimension", "subject")
    )


def distance_of(row: Mapping[str, Any]) -> float:
    """Return how far a number is from what is usual, as a share of that; of stock, how many
    products.
    """
    observed, expected = row["observed_number"], row["expected_number"]
    if expected is None:
        return float(observed)
    return float(abs(observed - expected) / expected if expected else observed)


def decision_on(
    row: Mapping[str, Any], decisions: Sequence[FindingDecision], today: date
) -> FindingDecision | None:
    """Return the decision by which a row need not be looked at; None if there is none, if it was
    put off until today or an earlier day, if the number is worse than it was then, or if it is of
    later days.

    Stock has no days of its own: it comes back with more products.
    """
    same = [one for one in decisions if one.finding == finding_id(row)]
    if not same:
        return None
    (decision,) = same
    is_due = decision.until is not None and decision.until <= today
    is_worse = distance_of(row) > decision.distance
    is_later = row["kind"] != "stock" and row["first_date"] > decision.last_date
    return None if is_due or is_worse or is_later else decision


def undecided(rows: Sequence[Mapping[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """Return the rows that are to be looked at, in their order, as of today."""
    kept = [version.item for version in BoardStore(settings).newest(FindingDecision)]
    today = today_in(settings.timezone)
    return [dict(row) for row in rows if decision_on(row, kept, today) is None]
