"""A snapshot of an engine whose writers leave no notes says which runs wrote its rows,
from Dagster's history.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.interfaces.explain.notes import Computation, Notes, stored_notes
from ecom_assets.outputs.serving.run_history import RunHistory
from ecom_assets.outputs.serving.snapshot import publish_snapshot
from ecom_assets_tests.core.warehouse.engines.visits_table import ONE, THREE, TWO, Visits
from ecom_assets_tests.outputs.serving.published_tables import TABLES, Cities, fill

CITIES_OF_VISITS = dg.TableColumnLineage(
    {"city": [dg.TableColumnDep(asset_key(Visits), "visitor_id")]}
)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DuckDBEngine]:
    """A warehouse without notes of writes, as Snowflake and Spark are."""
    with closing(DuckDBEngine(tmp_path / "source.duckdb").open()) as engine:
        assert not engine.notes_writes
        yield engine


def materialized(
    instance: dg.DagsterInstance,
    contract: type[Table],
    version: str,
    *days: date,
    code: str = "0.9",
    sql: str = "",
) -> None:
    """Log a write of a table, or of some days of it, as the IO manager reports it."""
    explained: dict[str, Any] = {"sql": dg.MetadataValue.md(f"```sql\n{sql}\n```")} if sql else {}
    if sql:
        explained["dagster/column_lineage"] = CITIES_OF_VISITS
    partitions: list[str | None] = [day.isoformat() for day in days]
    for day in partitions or [None]:
        event = dg.AssetMaterialization(
            asset_key(contract),
            partition=day,
            metadata={"code_version": code, **explained},
            tags={"dagster/data_version": version},
        )
        instance.report_runless_asset_event(event)


def runs(
    folder: Path, contract: type[Table], *days: date
) -> list[tuple[str | None, str | None, int]]:
    """Data version, version of the code and number of days of the writes
    that a snapshot's notes have.
    """
    return [
        (write.data_version, write.code_version, write.day_count)
        for write in notes(folder).writes(contract, days)
    ]


def notes(folder: Path) -> Notes:
    (path,) = sorted(folder.glob("marts-*.duckdb"), key=lambda path: path.stat().st_mtime)[-1:]
    engine = DuckDBEngine(path, read_only=True).open()
    return stored_notes(engine.query, engine.has, engine.name_of)


@pytest.mark.slow
def test_each_day_of_a_snapshot_has_the_run_that_wrote_its_rows(
    source: DuckDBEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "serving"
    with dg.DagsterInstance.ephemeral() as instance:

        def publish() -> None:
            publish_snapshot(source, folder, TABLES, {}, "run", history=RunHistory(instance))

        fill(source, {ONE: ["ann"], TWO: ["eva"]}, "Riga")
        materialized(instance, Visits, "first", ONE, TWO)
        materialized(instance, Cities, "cities", sql="SELECT 'Riga' AS city")
        publish()
        assert runs(folder, Visits, ONE, TWO) == [("first", "0.9", 2)]
        assert runs(folder, Cities) == [("cities", "0.9", 1)]
        assert notes(folder).computation(Cities) == Computation(
            "SELECT 'Riga' AS city", {"mart.visits": ["visitor_id"]}
        )

        fill(source, {TWO: ["eva", "kim"], THREE: ["bob"]}, "Riga")
        materialized(instance, Visits, "second", TWO, THREE, code="1.0")
        publish()
    assert runs(folder, Visits, ONE) == [("first", "0.9", 1)]
    assert runs(folder, Visits, TWO, THREE) == [("second", "1.0", 2)]
    assert runs(folder, Cities) == [("cities", "0.9", 1)]


@pytest.mark.slow
def test_rows_of_an_earlier_snapshot_without_notes_get_theirs(
    source: DuckDBEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "serving"
    with dg.DagsterInstance.ephemeral() as instance:
        fill(source, {ONE: ["ann"]}, "Riga")
        materialized(instance, Visits, "first", ONE)
        publish_snapshot(source, folder, TABLES, {}, "run")
        assert runs(folder, Visits, ONE) == []
        fill(source, {TWO: ["eva"]}, "Riga")
        publish_snapshot(source, folder, TABLES, {}, "run", history=RunHistory(instance))
    assert runs(folder, Visits, ONE, TWO) == [("first", "0.9", 1)]
