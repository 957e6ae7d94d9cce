"""A catalogue that does not answer holds back neither profit nor anything else of a run."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.received import SourceGate
from ecom_assets.core.warehouse.day_notes import UnansweredDays
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.ingestion.sources.checks import source_checks
from ecom_assets_tests.command import ecom
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_sandbox.services.pages import CatalogueService

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)


def test_the_check_says_for_which_day_no_answer_came_and_of_which_day_stock_is_used() -> None:
    [check] = [
        check
        for check in source_checks(SourceGate(), 7, lambda days: days, lambda: "")
        if check.name == "the_source_answered"
    ]
    days = Days((YESTERDAY, TODAY))
    note = {
        "received_date": TODAY,
        "source_table": RawStock.qualified_name(),
        "kept_count": 0,
        "noticed_at": datetime.now(UTC).replace(tzinfo=None),
        "run_id": "run",
    }
    noted = ibis.memtable([note], schema=schema_of(UnansweredDays))
    columns = schema_of(RawStock)
    no_stock = ibis.memtable(pa.Table.from_pylist([], schema=columns.to_pyarrow()))
    row = dict.fromkeys(columns.names) | {"received_date": YESTERDAY, "record_number": 1}
    kept = ibis.memtable(pa.Table.from_pylist([row], schema=columns.to_pyarrow()))

    assert check.evaluate(days, kept, noted.filter(noted.kept_count > 0)).broken_count == 0
    assert check.evaluate(Days((YESTERDAY,)), kept, noted).broken_count == 0
    result = check.evaluate(days, kept, noted)
    assert (result.broken_count, check.blocking, check.warns) == (1, False, False)
    assert result.metadata["sentence"] == (
        f"The source of stock did not answer for {TODAY}; that of {YESTERDAY} is used instead, "
        "also for what items cost. See the run's log, and run the day again."
    )
    nothing = check.evaluate(days, no_stock, noted).metadata["sentence"]
    assert f"for {TODAY}; there is none of other days" in nothing


@pytest.mark.slow
def test_profit_is_counted_with_the_costs_that_are_there_and_the_run_says_so(
    tmp_path: Path,
) -> None:
    """A hat for 20.00 costs 8 by yesterday's catalogue; today's order has no answer of it."""
    home, orders = tmp_path / "home", tmp_path / "orders.csv"

    def line(number: int, day: object) -> str:
        return f"{number},l{number},{day}T00:00:01Z,1,Ulm,ann,A,B,hat,Hat,1,20,shipped"

    pq.write_table(
        pa.Table.from_pylist([{"product_id": "hat", "stock": 9}]),
        tmp_path / "catalogue.parquet",
    )
    with CatalogueService(tmp_path / "catalogue.parquet") as api:
        api.products[0]["unit_cost_amount"] = "8"
        env = {"ECOM_CATALOGUE_API_URL": api.api_url, "ECOM_CATALOGUE_API_KEY": api.key}
        env |= {"ECOM_SOURCE_RETRY_BASE_S": "0.01"}
        orders.write_text("\n".join([ORDER_HEADER, line(1, YESTERDAY), ""]))
        words = ("run", "--json", "--orders", str(orders))
        first = ecom(*words, "--from", str(YESTERDAY), "--to", str(YESTERDAY), home=home, env=env)
        assert first.exit_code == 0, first.err
    orders.write_text("\n".join([ORDER_HEADER, line(1, YESTERDAY), line(2, TODAY), ""]))
    second = ecom(*words, "--from", str(TODAY), "--to", str(TODAY), home=home, env=env)

    assert second.exit_code == 1
    summary = json.loads(second.out)
    assert not summary["failures"]
    assert [failed["name"] for failed in summary["checks"]["failed"]] == ["the_source_answered"]
    engine = new_engine(Settings(home=home))
    engine.open()
    profit = engine.query("SELECT order_date, gross_profit_amount FROM mart.profit_lines")
    engine.close()
    assert {row["order_date"]: row["gross_profit_amount"] for row in profit} == {
        YESTERDAY: 12,
        TODAY: 12,
    }
