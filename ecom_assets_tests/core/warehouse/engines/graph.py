"""The whole asset graph, run through Dagster on any warehouse, and the tables that it leaves."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa

from ecom_assets.cli.platform_run import QUIET
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START, asset_key
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation.jobs import EVERYTHING
from ecom_assets.orchestration.registry import ALL

Rows = list[tuple[Any, ...]]
OF_THE_RUN = (
    "run_id",
    "published_run_id",
    "restated_at",
    "intended_at",
    "answered_at",
    "changed_at",
    "held_at",
)
"""Columns about the run and not about the data."""
EXPORT = "export"
DayRange = tuple[date, date]
"""First and last day, both included."""


def run_everything(
    settings: Settings,
    ranges: Iterable[DayRange],
    resources: Mapping[str, Any] | None = None,
    only: Iterable[type[Table]] = (),
) -> dict[str, bool]:
    """Materialize every table for each range in turn, one run each;
    return the last run's checks by name, which no run before it evaluates.

    `resources` stand in for the platform's own; `only` chooses some tables.
    """
    job = build_definitions(settings, resources=resources).resolve_job_def(EVERYTHING)
    if only:
        job = job.get_subset(asset_selection={asset_key(contract) for contract in only})
    layer = job.asset_layer
    # A delivery and its checks are one step.
    of_deliveries = {
        key for key in layer.asset_graph.asset_check_keys if key.asset_key.path[0] == EXPORT
    }
    tables_only = job.get_subset(
        asset_selection={*layer.executable_asset_keys}, asset_check_selection=of_deliveries
    )
    *before, last_range = ranges
    with dg.DagsterInstance.ephemeral() as instance:
        for each in before:
            _execute(tables_only, instance, each)
        result = _execute(job, instance, last_range)
    return {
        f"{check.asset_key.to_user_string()} {check.check_name}": check.passed
        for check in result.get_asset_check_evaluations()
    }


def tables_up_to(contract: type[Table], settings: Settings) -> list[type[Table]]:
    """Return a table, and those that it is made of."""
    graph = build_definitions(settings).resolve_asset_graph()
    chosen = dg.AssetSelection.assets(asset_key(contract)).upstream().resolve(graph)
    return [table for table in ALL if asset_key(table) in chosen]


def _execute(
    job: dg.JobDefinition, instance: dg.DagsterInstance, days: DayRange
) -> dg.ExecuteInProcessResult:
    first, last = (day.isoformat() for day in days)
    tags = {RANGE_START: first, RANGE_END: last}
    return job.execute_in_process(instance=instance, tags=tags, run_config=QUIET)


def stored_tables(settings: Settings, of: Iterable[type[Table]] = ALL) -> dict[str, Rows]:
    """Return the sorted rows of tables, as Python values, by name."""
    engine = new_engine(settings).open()
    try:
        return {contract.qualified_name(): stored_rows(engine, contract) for contract in of}
    finally:
        engine.close()


def stored_rows(engine: Engine, contract: type[Table]) -> Rows:
    """Return a table's rows as sorted tuples, exact to the microsecond,
    the cent and the last bit of a float.
    """
    kinds = schema_of(contract).to_pyarrow()
    kinds = pa.schema(
        [pa.field(kind.name, kind.type) for kind in kinds if kind.name not in OF_THE_RUN]
    )
    actual = engine.table(contract).select(*kinds.names).to_pyarrow().cast(kinds)
    return sorted(zip(*(actual[name].to_pylist() for name in kinds.names), strict=True), key=repr)
