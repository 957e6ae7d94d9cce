"""Every table that the API reads, computed from files without Dagster, in seconds,
and published as a snapshot.

The assets, their sources and the publication are the platform's own; only the run is not.
"""

import inspect
import json
from collections.abc import Mapping, Set
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import ibis.expr.types as ir

from ecom_assets.commerce.customers.contracts import EmailConsents
from ecom_assets.commerce.sales.contracts import Calendar
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.tables.rule_of_data import resolved_rule
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import table_assets, without_source
from ecom_assets.ingestion.sources.costs import NO_COSTS, FileCosts
from ecom_assets.ingestion.sources.customer_api.records import customer_rows, read_record
from ecom_assets.ingestion.sources.events import ReceivedEventFiles
from ecom_assets.ingestion.sources.first_partition import remember_paths
from ecom_assets.orchestration.rules import rules
from ecom_assets.outputs.serving.assets import IN_SNAPSHOT
from ecom_assets.outputs.serving.email_consents import publish_email_consents
from ecom_assets.outputs.serving.places import serving_folder
from ecom_assets.outputs.serving.snapshot import Origin, publish_snapshot
from ecom_assets.resources import order_source_of, stock_source_of

SERVED_TABLES: Final[Set[type[Table]]] = {
    *IN_SNAPSHOT,
    EmailConsents,
    Calendar,  # sales point to the calendar where there are foreign keys
}


class FileCustomers:
    """The customers of the small shop's file, as an API would have returned them on
    the newest day, on one page.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings: the file is beside the events."""
        self._events = settings.events

    def received(self, days: Days) -> SliceOutput:
        """Return the rows, all of the last of the days."""
        file = Path(self._events).with_name("customers.json")
        people = json.loads(file.read_text(encoding="utf-8"))
        records = [
            read_record(person, 1, position) for position, person in enumerate(people, start=1)
        ]
        newest = max(days.dates)
        return SliceOutput(customer_rows(records, newest, "test"), Days((newest,)))


def settings_of(home: Path, files: Path, **more: object) -> Settings:
    """Return settings over the small shop's files."""
    options: dict[str, Any] = {
        "events": str(files / "events.csv"),
        "orders": str(files / "orders.csv"),
        **more,
    }
    return Settings(home=home, catalogue=files / "catalogue.csv", order_customers_over=0, **options)


def run(settings: Settings, days: Days, tables: Set[type[Table]] = SERVED_TABLES) -> None:
    """Compute what the API reads, for days that are all of the data, and publish it.

    Args:
        settings: The settings of the shop.
        days: All days of its data.
        tables: What is computed, with all that it is made of: as a rule everything.
    """
    remember_paths(
        settings
    )  # as `ecom run` does, so that a process without these settings knows the data as own
    with closing(new_engine(settings).open()) as engine:
        assert isinstance(engine, DuckDBEngine)
        dependencies = {
            **rules(settings),
            "unlinked_ids": lambda _ids: set(),
            "erased_users": lambda _ids: set(),
            "days": days,
            "run_days": days,
            "only_visitors": None,
            "warehouse": engine,
            "event_source": ReceivedEventFiles(engine.con, settings, _nothing),
            "order_source": order_source_of(engine.con, settings),
            "stock_source": stock_source_of(settings),
            "customer_source": FileCustomers(settings),
            "cost_source": FileCosts(engine.con, settings) if settings.costs else NO_COSTS,
        }
        for asset in needed(table_assets(settings), tables):
            if asset.key not in without_source(settings):
                _materialize(engine, asset, dependencies)
        origins = {
            table.qualified_name(): Origin("run-1", f"version of {table.name}", "2026-02-10")
            for table in IN_SNAPSHOT
        }
        publish_snapshot(engine, serving_folder(settings.home), IN_SNAPSHOT, origins, "run-1")
        publish_email_consents(engine, settings)


def needed(assets: list[TableAsset], tables: Set[type[Table]]) -> list[TableAsset]:
    """Return the assets that tables are made of, in order."""
    wanted = set(tables)
    for asset in reversed(assets):
        if asset.contract in wanted:
            wanted |= {reads.contract for reads in asset.reads.values()}
    return [asset for asset in assets if asset.contract in wanted]


def _materialize(engine: Engine, asset: TableAsset, dependencies: Mapping[str, Any]) -> None:
    all_dependencies = {
        **dependencies,
        **{name: engine.table(reads.contract) for name, reads in asset.reads.items()},
    }
    names = inspect.signature(asset.function).parameters
    arguments = {name: resolved_rule(all_dependencies[name], engine.table, _rows) for name in names}
    actual = computed(asset.function, arguments, asset.contract)
    rows: ir.Table = actual.rows if isinstance(actual, SliceOutput) else actual
    engine.replace(asset.contract, rows, None)


def _rows(result: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = result.to_pyarrow().to_pylist()
    return rows


def _nothing(_settings: Settings) -> None:
    return
