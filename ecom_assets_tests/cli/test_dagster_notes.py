"""Runs and SQL from Dagster's history, for engines in which writers leave no notes."""

from datetime import date
from typing import Any

import dagster as dg
import pytest

from ecom_assets.commerce.sales.contracts import Customer, RevenueDaily
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.tables.contract import Table
from ecom_assets.interfaces.explain.notes import Computation, Notes
from ecom_assets.outputs.serving.run_history import RunHistory

SQL = "SELECT 1"
LINEAGE = dg.TableColumnLineage(
    {
        "order_count": [dg.TableColumnDep(dg.AssetKey(["mart", "sales"]), "uniq_id")],
        "order_date": [dg.TableColumnDep(dg.AssetKey(["mart", "sales"]), "order_date")],
    }
)
EXPLAINED: dict[str, Any] = {
    "sql": dg.MetadataValue.md(f"```sql\n{SQL}\n```"),
    "dagster/column_lineage": LINEAGE,
}


@pytest.fixture
def notes() -> Notes:
    """Notes of two days, with the SQL on the second, of the first day again,
    and of a table without days.
    """
    instance = dg.DagsterInstance.ephemeral()
    written: list[tuple[str, str, dict[str, Any]]] = [
        ("2026-01-01", "one", {}),
        ("2026-01-02", "one", EXPLAINED),
        ("2026-01-01", "two", {"seconds": 1.0}),
    ]
    for day, version, metadata in written:
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key(RevenueDaily), partition=day, metadata=metadata, tags=tags
            )
        )
    whole = dg.AssetMaterialization(
        asset_key(Customer), metadata=EXPLAINED, tags={"dagster/data_version": "three"}
    )
    instance.report_runless_asset_event(whole)
    return Notes(RunHistory(instance).writes, RunHistory(instance).computations)


def versions(notes: Notes, contract: type[Table], *days: int) -> list[tuple[str | None, int]]:
    """Return the data versions of the writes of some days of January, with their number of days."""
    return [
        (write.data_version, write.day_count)
        for write in notes.writes(contract, [date(2026, 1, day) for day in days])
    ]


def test_each_day_has_its_newest_write(notes: Notes) -> None:
    assert versions(notes, RevenueDaily, 1, 2) == [("two", 1), ("one", 1)]
    assert versions(notes, RevenueDaily, 2, 3) == [("one", 1)]


def test_a_table_without_days_has_one_write(notes: Notes) -> None:
    assert versions(notes, Customer) == [("three", 1)]


def test_the_newest_statement_that_was_noted_is_shown_with_the_columns_that_it_reads(
    notes: Notes,
) -> None:
    for contract in (RevenueDaily, Customer):
        assert notes.computation(contract) == Computation(
            SQL, {"mart.sales": ["order_date", "uniq_id"]}
        )
