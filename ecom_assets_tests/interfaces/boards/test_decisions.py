"""Decisions on what to look at: a row that was decided on comes back only when it is worse."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from ecom_assets.core.errors import EcomError
from ecom_assets.interfaces.boards.decisions import decision_on, distance_of, finding_id
from ecom_assets.interfaces.boards.model import FindingDecision

TODAY = date(2026, 3, 16)
ROW: dict[str, Any] = {
    "kind": "visits",
    "funnel_name": "(none)",
    "step": 0,
    "dimension": "channel",
    "subject": "Email",
    "first_date": date(2026, 3, 9),
    "last_date": date(2026, 3, 15),
    "observed_number": 60.0,
    "expected_number": 100.0,
}


def decided(**changed: Any) -> FindingDecision:
    """Return the decision on the row that it is done, or another one."""
    return FindingDecision.from_mapping(
        {
            "finding": finding_id(ROW),
            "finding_title": "Fewer visits from Email",
            "decision": "done",
            "last_date": "2026-03-15",
            "distance": distance_of(ROW),
            **changed,
        }
    )


def test_a_row_that_is_done_is_hidden_until_its_number_is_worse() -> None:
    """60 of 100 are 0.4 from usual: done. 65 is better, 59 is worse."""
    assert distance_of(ROW) == pytest.approx(0.4)
    assert decision_on(ROW, [decided()], TODAY) is not None
    assert decision_on(ROW | {"observed_number": 65.0}, [decided()], TODAY) is not None
    assert decision_on(ROW | {"observed_number": 59.0}, [decided()], TODAY) is None
    assert decision_on(ROW | {"subject": "Direct"}, [decided()], TODAY) is None


def test_of_several_decisions_on_a_row_any_that_holds_is_enough() -> None:
    """The API keeps each that is sent under an id of its own."""
    milder = decided(distance=0.1)
    assert decision_on(ROW, [milder], TODAY) is None
    assert decision_on(ROW, [milder, decided()], TODAY) is not None


def test_the_same_of_later_days_is_another_matter() -> None:
    later = ROW | {"first_date": date(2026, 3, 16), "last_date": date(2026, 3, 22)}
    assert decision_on(later, [decided()], TODAY) is None


def test_stock_has_no_days_of_its_own_and_comes_back_with_more_products() -> None:
    stock = ROW | {"kind": "stock", "observed_number": 3.0, "expected_number": None}
    done = decided(finding=finding_id(stock), distance=3)
    tomorrow = stock | {"first_date": TODAY, "last_date": TODAY}
    assert decision_on(tomorrow, [done], TODAY) is not None
    assert decision_on(tomorrow | {"observed_number": 4.0}, [done], TODAY) is None


def test_a_row_that_is_put_off_comes_back_on_the_day() -> None:
    until = decided(decision="put_off", until="2026-03-17")
    assert decision_on(ROW, [until], TODAY) is not None
    assert decision_on(ROW, [until], date(2026, 3, 17)) is None


def test_what_is_dismissed_has_a_reason_and_what_is_put_off_a_day() -> None:
    for wrong in ({"decision": "dismissed"}, {"decision": "put_off"}, {"until": "2026-03-17"}):
        with pytest.raises((EcomError, ValidationError)):
            decided(**wrong)
    assert decided(decision="dismissed", reason="No newsletter").title == (
        "Dismissed: Fewer visits from Email"
    )


def test_ids_of_products_that_differ_in_a_sign_have_decisions_of_their_own() -> None:
    slugs = {
        decided(finding=finding_id(ROW | {"subject": subject})).own_slug
        for subject in ("a/b", "a-b", "A-b", "ü" * 300, "ü" * 299)
    }
    assert len(slugs) == 5
    assert all(len(slug) <= 60 for slug in slugs)
