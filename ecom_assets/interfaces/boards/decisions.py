"""What was decided on rows of what to look at, and whether a row is to be looked at again."""

from collections.abc import Iterable
from datetime import date

from ecom_assets.core.clock import today_in
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.model import FindingDecision
from ecom_assets.interfaces.boards.store import BoardStore


def finding_id(row: NamedValues) -> str:
    """Return the id of a row of `mart.findings`, the same as long as it is about the same."""
    return " ".join(
        str(row[name]) for name in ("kind", "funnel_name", "step", "dimension", "subject")
    )


def distance_of(row: NamedValues) -> float:
    """Return how far a number is from what is usual, as a share of that; of stock, how many
    products; of what is usually not looked at, the number itself.
    """
    observed, expected = row["observed_number"], row["expected_number"]
    if expected is None:
        return float(observed)
    return float(abs(observed - expected) / expected if expected else observed)


def decision_on(
    row: NamedValues, decisions: Iterable[FindingDecision], today: date
) -> FindingDecision | None:
    """Return the decision by which a row need not be looked at; None if there is none, if it was
    put off until today or an earlier day, if the number is worse than it was then, or if it is of
    later days.

    Stock has no days of its own: it comes back with more products.
    """
    row_id = finding_id(row)
    return next(
        (
            decision
            for decision in decisions
            if decision.finding == row_id and _holds(decision, row, today)
        ),
        None,
    )


def _holds(decision: FindingDecision, row: NamedValues, today: date) -> bool:
    is_due = decision.until is not None and decision.until <= today
    is_worse = distance_of(row) > decision.distance
    is_later = row["kind"] != "stock" and row["first_date"] > decision.last_date
    return not (is_due or is_worse or is_later)


def with_decisions(rows: Iterable[Row], settings: Settings) -> list[Row]:
    """Return the rows in their order with `decision`, what was decided on each by which it need not
    be looked at as of today; None where it is to be looked at.
    """
    kept = [version.item for version in BoardStore(settings).newest(FindingDecision)]
    today = today_in(settings.timezone)
    decided = ((row, decision_on(row, kept, today)) for row in rows)
    return [{**row, "decision": decision and decision.decision} for row, decision in decided]
