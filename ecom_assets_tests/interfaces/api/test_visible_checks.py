"""Which results of checks who may not see costs sees."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.operations.requests import OperationsStore
from ecom_assets.core.operations.run_notes import NOTE_CHECK
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.interfaces.api.visible_checks import failing_checks

FEE = {"order_id": "A", "payment_fee_amount": "1.24", "paid_amount": "5.00"}


def noted(table: str, check: str, *examples: dict[str, Any]) -> dict[str, Any]:
    """Return a failed check as runs note it."""
    return {
        "table_name": table,
        "check_name": check,
        "description": "What must hold",
        "is_passed": False,
        "is_warning": True,
        "sentence": f"Seen of {table}",
        "observed": "1",
        "limit_value": "0",
        "examples": json.dumps(examples),
        "evaluated_at": "2026-06-01T07:00:00+00:00",
        "failing_since": "2026-06-01T07:00:00+00:00",
        "run_id": "r",
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which three checks failed."""
    checks = [
        noted("mart.profit_daily", "margin_does_not_fall_by_half"),
        noted("mart.item_costs", "costs_do_not_contradict", {"contradiction": "two_costs"}),
        noted("staging.user_order_log", "fees_are_small", FEE),
    ]
    with OperationsStore(tmp_path).writing() as con:
        con.executemany(NOTE_CHECK, checks)
    return tmp_path


def test_who_may_see_costs_sees_all_checks(home: Path) -> None:
    result = failing_checks(home, with_costs=True)
    assert (len(result["checks"]), result["evaluated_count"]) == (3, 3)
    assert FEE in [row for check in result["checks"] for row in check["examples"]]


def test_others_see_no_check_of_costs_and_no_cost_in_a_row(home: Path) -> None:
    result = failing_checks(home, with_costs=False)
    (check,) = result["checks"]
    assert (check["check_name"], result["evaluated_count"]) == ("fees_are_small", 1)
    assert check["examples"] == [FEE | {"payment_fee_amount": HIDDEN}]
