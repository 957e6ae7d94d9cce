"""A rule that stored rows decide is read for the tables that take it, and for no others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from ecom_assets.core.tables.asset import Reads, TableAsset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.rule_of_data import RowsOf, RuleOfData, TableOf
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets_tests.core.warehouse.engines.visits_table import ONE, Visits, from_outside


class VisitorCount(RuleOfData):
    """How many visits are stored."""

    def __init__(self) -> None:
        self.asked = 0

    def value(self, table: TableOf, rows: RowsOf) -> int:
        """Count them."""
        self.asked += 1
        return len(rows(table(Visits)))


def all_visits(visits: ir.Table) -> ir.Table:
    return visits


def as_many(visits: ir.Table, most: int) -> ir.Table:
    return visits.limit(most)


def test_a_rule_of_data_is_read_for_the_tables_that_take_it(tmp_path: Path) -> None:
    engine = DuckDBEngine(tmp_path / "warehouse.duckdb").open()
    engine.replace(Visits, from_outside((ONE, "ann"), (ONE, "bob")), None)
    most = VisitorCount()
    parameters: Mapping[str, Any] = {"visits": engine.table(Visits), "most": most}
    for function, asked in ((all_visits, 0), (as_many, 1)):
        asset = TableAsset(function, Visits, {"visits": Reads(Visits)})
        rows = asset.output(Days((ONE,)), parameters, engine)
        assert rows.count().to_pyarrow().as_py() == 2, function
        assert most.asked == asked, function
    engine.close()
