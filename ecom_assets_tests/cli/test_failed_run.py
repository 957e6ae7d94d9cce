"""A run that ends with 1 says why beside its counts, also where a check could not be evaluated."""

from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.tables.check import TableCheck
from ecom_assets_tests.command import UNTIL_DUE, ecom, page_views

BROKEN = "the table cannot be read; look at the server."


@pytest.mark.slow
def test_checks_that_could_not_be_evaluated_are_counted_and_named(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = TableCheck.begin

    def fails_for_one(self: TableCheck, *arguments: Any, **options: Any) -> Any:
        if self.contract is CleanEvents and self.name == "contract_holds":
            raise WarehouseError(BROKEN)
        return begin(self, *arguments, **options)

    monkeypatch.setattr(TableCheck, "begin", fails_for_one)
    events = page_views(tmp_path / "events.csv", "2026-01-10")
    run = ("run", "--events", events, "--select", UNTIL_DUE)
    result = ecom(*run, home=home)
    assert result.exit_code == 1
    counts = result.out[result.out.index("Checks: ") :].splitlines()
    assert counts[0].endswith(" passed, 0 failed, 1 could not be evaluated")
    assert counts[1:3] == [
        f"  FAILED staging/events_checks: {BROKEN}",
        "  NOT EVALUATED staging/events: contract_holds",
    ]
    assert "Next: " not in result.out
    assert "This run ends with exit code 1, because of what is FAILED above" in result.out
    checks = ecom(*run, "--json", home=home).json["checks"]
    assert checks["failed"] == []
    assert checks["not_evaluated"] == [{"table": "staging/events", "name": "contract_holds"}]


@pytest.mark.slow
def test_what_was_not_computed_was_not_checked_either(tmp_path: Path, home: Path) -> None:
    customers = tmp_path / "customers.csv"
    customers.write_text("number,first_name\n1,Anna\n")
    result = ecom("run", "--customers", customers, home=home)
    assert result.exit_code == 1
    counts = result.out[result.out.index("Checks: ") :].splitlines()
    assert counts[0] == "Checks: 0 passed, 0 failed, 18 could not be evaluated"
    assert counts[1].startswith("  FAILED raw/customers: customers.csv has no column 'id'")
    assert RawEvents.qualified_name() not in result.out
    assert "Next: " not in result.out
