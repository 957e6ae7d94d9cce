"""A run without news leaves tables alone, and a shop in which it did has the tables that computing
everything again gives.

One shop serves the whole module: its events alone come three times, then all of its files, then a
late purchase and another cost.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.commerce.customers.contracts import CustomerVisitors
from ecom_assets.commerce.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
)
from ecom_assets.core.tables.contract import Table
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.xdist_group("cli_left_alone"),
]
EVENTS = f"""{HEADER}
1,anna,product_view,2026-01-10T09:00:00Z,p1,shoes,s1,,,
2,anna,purchase,2026-01-10T09:02:00Z,p1,shoes,s1,,,69.80
3,ben,page_view,2026-01-12T09:00:00Z,,,s2,https://shop.example/?utm_campaign=Spring,,
"""
LATE = "4,ben,purchase,2026-01-12T09:05:00Z,p1,shoes,s2,,,69.80\n"
FILES = {
    "orders": f"""{ORDER_HEADER}
1,a,2026-01-10T09:00:00,1,Rome,anna,,,p1,Shoe,1,69.80,shipped
2,b,2026-01-12T10:00:00,1,Rome,ben,,,p1,Shoe,1,69.80,shipped
""",
    "customers": "id,first_name,email\nanna,Anna,anna@example.com\nben,Ben,ben@example.com\n",
    "costs": "item_id,unit_cost_amount\np1,10\n",
    "ad_spend": """spend_date,platform,account_id,campaign_id,campaign_name,spend_amount,currency
2026-01-10,meta,act_1,1,Spring,10.50,EUR
""",
}
OF_RUNS = ("run_id", "_at")
"""Ends of the names of columns that differ between two runs over the same rows."""
ALWAYS = {
    "raw.events",
    "mart.findings",
    "mart.purchase_revenue_daily",
    "mart.restatements",
    "mart.shared_ids",
    "staging.changed_visitor_days",
    "staging.identity_aliases",
}
"""The tables of events that are computed each time."""


def computed_by(home: Path, run_id: str) -> set[str]:
    """Return the tables that a run computed."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute("SELECT table_name FROM raw.computations WHERE run_id = ?", [run_id])
        return {name for (name,) in rows.fetchall()}


def run(home: Path, files: dict[str, str], cache: str = "on") -> dict[str, Any]:
    """Run a shop over its files, which lie beside its home; return the summary with the
    tables that it computed: the warehouse notes the last run of each only.
    """
    paths: list[str | Path] = []
    for name, rows in files.items():
        path = home.parent / f"{name}.csv"
        path.write_text(rows)
        named = f"native={path}" if name == "ad_spend" else path
        paths += [f"--{name.replace('_', '-')}", named]
    ran = ecom("run", *paths, "--json", home=home, env={"ECOM_CACHE": cache})
    assert ran.exit_code == 0, ran.err
    return {**ran.json, "computed": computed_by(home, ran.json["run_id"])}


def rows_of(home: Path, contract: type[Table]) -> list[tuple[Any, ...]]:
    """Return the rows of a table without what differs between runs, sorted."""
    columns = [name for name in contract.columns if not name.endswith(OF_RUNS)]
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        is_there = con.execute(
            "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?",
            [contract.layer, contract.name],
        ).fetchone()
        if not is_there:
            return []
        names = ", ".join(f'"{name}"' for name in columns)
        return sorted(
            con.execute(f"SELECT {names} FROM {contract.qualified_name()}").fetchall(), key=repr
        )


@dataclass(frozen=True)
class Shop:
    """A home, what each run over it said, and the files of the last one."""

    home: Path
    runs: list[dict[str, Any]]
    files: dict[str, str]


@pytest.fixture(scope="module")
def of_events(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Three runs over the same, since the first one changes tables that read their own rows."""
    home, files = tmp_path_factory.mktemp("of_events") / "home", {"events": EVENTS}
    return Shop(home, [run(home, files) for _ in range(3)], files)


@pytest.fixture(scope="module")
def of_all(of_events: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The same shop, after a run with all its files, and one with a late purchase and another cost
    in them.
    """
    home = Path(shutil.copytree(of_events.home, tmp_path_factory.mktemp("of_all") / "home"))
    files = {"events": EVENTS, **FILES}
    later = {**files, "events": EVENTS + LATE, "costs": "item_id,unit_cost_amount\np1,12\n"}
    return Shop(home, [run(home, files), run(home, later)], later)


def test_a_run_without_news_computes_sources_and_what_reads_outside_of_tables(
    of_events: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, third = of_events.runs
    assert third["computed"] == ALWAYS
    monkeypatch.setenv("DAGSTER_HOME", str(of_events.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        key = dg.AssetKey(["mart", "sessions"])
        records = instance.fetch_materializations(key, limit=100).records
    by_run: dict[str, list[dg.AssetMaterialization]] = {}
    for record in records:
        assert record.asset_materialization is not None
        by_run.setdefault(record.run_id, []).append(record.asset_materialization)
    days = {run_id: {one.partition for one in each} for run_id, each in by_run.items()}
    assert days[third["run_id"]] == days[first["run_id"]], "each day is shown as materialized"
    newest = by_run[third["run_id"]][0].metadata
    assert newest["as_computed_by"].value == first["run_id"]
    assert "sql" in newest, "what the first run explained"
    assert third["checks"] == first["checks"]


MEETING = {
    contract.qualified_name()
    for contract in (
        OrderVisits,
        CustomerVisitors,
        OrderEventReconciliation,
        OrderEventReconciliationDaily,
    )
}
"""The tables in which orders and visits meet."""


def test_a_shop_with_one_source_computes_nothing_of_what_joins_two(
    of_events: Shop, of_all: Shop, tmp_path: Path
) -> None:
    """Nor does it check any of it; a shop with both does."""
    of_orders = run(tmp_path / "home", {"orders": FILES["orders"]})
    for raw, alone in (("raw.events", of_events.runs[0]), ("raw.user_order_log", of_orders)):
        assert raw in alone["computed"]
        assert alone["computed"] & MEETING == set(), raw
        assert [name for name in MEETING if name in json.dumps(alone["checks"])] == [], raw
    assert of_all.runs[0]["computed"] >= MEETING
    assert rows_of(of_all.home, OrderVisits) != []


def test_tables_are_those_that_computing_everything_again_gives(of_all: Shop) -> None:
    """After runs without news, new sources, a late purchase and another cost. The copy lies beside
    the shop, so that it reads the same files.
    """
    computing = Path(shutil.copytree(of_all.home, of_all.home.with_name("computing")))
    run(computing, of_all.files, "off")
    stored = {contract: rows_of(of_all.home, contract) for contract in ALL}
    assert len([contract for contract, rows in stored.items() if rows]) > 50
    different = [
        contract.qualified_name()
        for contract, rows in stored.items()
        if rows != rows_of(computing, contract)
    ]
    assert different == []
