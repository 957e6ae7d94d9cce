"""Lineage: an asset's inputs are the tables whose rows are in its result;
what invalidates days comes before.
"""

from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import dagster as dg
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pytest

from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.commerce.attribution.order_sums import SentSums
from ecom_assets.commerce.attribution.queries import met_revenue
from ecom_assets.commerce.findings.findings import ids_of_purchases
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset, asset_key
from ecom_assets.core.tables.computed import KeptRows
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.definitions import build_definitions, table_assets
from ecom_assets.orchestration.rules import daily_funnels, rules
from ecom_assets.outputs.delivery.ledger.opening import DeliveryContext
from ecom_assets_tests.builders import DAY_ONE
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import NOON

SETTINGS = Settings(home=Path("never written"), vendor_delivery_days=("Aurora Textiles=21",))
"""With the setting without which no statement reads the vendors of sold items."""
ASSETS = {asset.key.to_user_string(): asset for asset in table_assets(SETTINGS)}
DAYS = Days((DAY_ONE,))
OF_ERASURE = {"raw/kept_event_ids"}
"""Tables that `ecom erase` writes, and no asset: there is no edge to them."""
OF_ORDERS_AND_EVENTS = {
    "mart/findings": {"mart/conversions", "mart/order_visits", "staging/events"}
}
"""Inputs that are asked for only if orders and events have a day in common, as no day of an empty
shop is: they are looked at by themselves below.
"""


class Reader:
    """An empty warehouse that notes which of its tables are in the statements
    that it is asked to compute.
    """

    def __init__(self) -> None:
        self.engine = DuckDBEngine(Path("memory"))
        self.engine.con = connect()
        self.seen: set[str] = set()
        self._compile, self._compile_streaming = (
            self.engine.con.compile,
            self.engine.con.compile_streaming,
        )
        self.engine.con.compile = self._noting  # type: ignore[method-assign]  # as a test may
        self.engine.con.compile_streaming = self._noting_streaming  # type: ignore[method-assign]  # as above

    def _noting(self, rows: ir.Expr, /, **how: Any) -> str:
        self.seen |= self.tables_in(rows)
        return str(self._compile(rows, **how))

    def _noting_streaming(self, rows: ir.Table) -> str:
        self.seen |= self.tables_in(rows)
        return str(self._compile_streaming(rows))

    def tables_in(self, rows: ir.Expr) -> set[str]:
        """Return the warehouse's tables that an expression reads, as `layer/name`."""
        stored = (
            table for table in rows.op().find(ops.DatabaseTable) if table.source is self.engine.con
        )
        kept = (statement.statement.read_columns for statement in rows.op().find(KeptRows))
        return {f"{dataset.namespace.database}/{dataset.name}" for dataset in stored} | {
            name.replace(".", "/") for read_columns in kept for name in read_columns
        }

    def read_by(self, asset: TableAsset, parameters: dict[str, Any]) -> set[str]:
        """Return the tables whose rows are in an asset's result, its own apart,
        which some look back at.
        """
        tables = {name: self.engine.table(reads.contract) for name, reads in asset.reads.items()}
        self.seen.clear()
        unconditional = TableAsset(asset.function, asset.contract, asset.reads)
        actual = unconditional.output(
            DAYS, {**parameters, **tables, "warehouse": self.engine}, self.engine
        )
        rows = actual.rows if isinstance(actual, SliceOutput) else actual
        return (self.tables_in(rows) | self.seen) - {asset.key.to_user_string()}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    opened = Reader()
    yield opened
    opened.engine.close()


@each("key", ASSETS)
def test_an_asset_s_inputs_are_the_tables_in_its_statements(key: str, reader: Reader) -> None:
    asset = ASSETS[key]
    declared = {asset_key(reads.contract).to_user_string() for reads in asset.reads.values()}
    if asset.contract.layer == "raw":
        assert declared == set(), "what comes from a source comes from no table"
        return
    with closing(DeliveryContext(SETTINGS, nullcontext({}))) as delivery_context:
        parameters = {
            # What the stored rows decide about a rule is in no result.
            **rules(SETTINGS),
            "funnels": daily_funnels(SETTINGS),
            "sent_sums": SentSums(),
            "unlinked_ids": lambda _ids: set(),
            "erased_users": lambda _ids: set(),
            "order_source": None,
            "clock": lambda: NOON,
            "delivery_context": delivery_context,
            "declared_segments": (VisitorSegment.from_definition("loyal", {"did": "purchase"}),),
        }
        of_empty_shop = declared - OF_ORDERS_AND_EVENTS.get(key, set())
        assert reader.read_by(asset, parameters) - OF_ERASURE == of_empty_shop
    assert OF_ERASURE.isdisjoint(ASSETS)


def test_what_findings_ask_of_shops_with_orders_and_events_are_their_other_inputs(
    reader: Reader,
) -> None:
    tables = {
        name: reader.engine.table(reads.contract)
        for name, reads in ASSETS["mart/findings"].reads.items()
    }
    met = met_revenue(tables["conversions"], tables["touches"])
    rule = rules(SETTINGS)["reconciliation_rule"]
    said = ids_of_purchases(tables["events"], tables["order_visits"], rule, DAYS)
    read = reader.tables_in(met) | reader.tables_in(said)
    assert read == OF_ORDERS_AND_EVENTS["mart/findings"] | {"mart/touches"}


def test_an_input_that_is_not_read_and_a_table_that_is_no_input_are_seen(reader: Reader) -> None:
    """What the test above compares is not what was declared, but what is read."""
    sessions, touches = ASSETS["mart/sessions"].contract, ASSETS["mart/touches"]
    idle = TableAsset(lambda sessions: sessions.limit(0), touches.contract, touches.reads)
    assert {reads.contract.name for reads in idle.reads.values()} == {"sessions", "session_sources"}
    assert reader.read_by(idle, {}) == {"mart/sessions"}
    undeclared = TableAsset(lambda warehouse: warehouse.table(sessions), touches.contract)
    assert reader.read_by(undeclared, {}) == {"mart/sessions"}


def test_dagster_s_edges_are_the_inputs_and_what_is_declared_to_come_first() -> None:
    specs = {spec.key: spec for spec in build_definitions(SETTINGS).resolve_all_asset_specs()}
    for asset in ASSETS.values():
        inputs = {asset_key(reads.contract) for reads in asset.reads.values()}
        assert inputs.isdisjoint(asset.deps), f"{asset.key}: an input comes first anyway"
        assert {dep.asset_key for dep in specs[asset.key].deps} == inputs | set(asset.deps), (
            asset.key
        )


def test_what_invalidates_a_table_s_days_is_computed_before_it() -> None:
    """Otherwise a run reads it as the run before left it; only tables that remember
    the last run may come after.
    """
    graph = build_definitions(SETTINGS).resolve_asset_graph()

    def before(key: dg.AssetKey) -> set[dg.AssetKey]:
        return set(dg.AssetSelection.assets(key).upstream().resolve(graph))

    for asset in ASSETS.values():
        for contract in asset.invalidated_by.reads.values() if asset.invalidated_by else ():
            answer = asset_key(contract)
            assert answer in before(asset.key) or asset.key in before(answer), (
                f"{answer} invalidates {asset.key}"
            )
