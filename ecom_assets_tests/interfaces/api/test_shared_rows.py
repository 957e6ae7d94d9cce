"""What all answers from a state share, nobody can change: each question about one is asked, and a
key that may not see costs reads none, whoever asked before it.

The small shop of the API's tests, with a campaign that fell below its break-even: see
`commerce/findings/test_ads.py`.
"""

import ast
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ecom_assets.behaviour.events.queries import event_types
from ecom_assets.behaviour.funnels.queries import default_steps, known_funnel
from ecom_assets.behaviour.retention.queries import retention_totals
from ecom_assets.behaviour.visitor_segments.queries import visitor_segments_daily
from ecom_assets.cli.summary import run as summary
from ecom_assets.commerce.costs.queries import has_costs, profit_of_days
from ecom_assets.commerce.customers.due_again import due_state
from ecom_assets.commerce.customers.queries import (
    customer_profiles,
    customer_records,
    expected_value,
    value,
)
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.findings.queries import findings
from ecom_assets.commerce.marketing.contracts import (
    CUTS,
    DEFAULT_MODEL,
    AdCampaigns,
    AdSpendDaily,
    CustomerCohortValue,
    MarketingDaily,
)
from ecom_assets.commerce.marketing.queries import cohort_value
from ecom_assets.commerce.orders.queries import days_of_run, held_days, waiting_days
from ecom_assets.commerce.products import queries as products
from ecom_assets.commerce.products.contracts import ProductPerformance
from ecom_assets.commerce.products.queries import product_names, stock_totals, top_products
from ecom_assets.commerce.quality.queries import known_days, newest_days
from ecom_assets.commerce.sales.contracts import RevenueDaily, Sales
from ecom_assets.commerce.sales.coverage import find_sales_source, knows_revenue
from ecom_assets.commerce.sales.queries import (
    customers_of_period,
    geography,
    has_purchases,
    sales_of_days,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.queries import NoSourceError, Page, Period, StateRow, read_only
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.interfaces.api.store.question_source import PublishedEvents
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.dashboard.forms import keys_of_events
from ecom_assets.interfaces.dashboard.pages import mapping_costs
from ecom_assets.orchestration.rules import order_rule
from ecom_assets.outputs.serving.assets import IN_SNAPSHOT
from ecom_assets.outputs.serving.places import serving_folder
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets.outputs.serving.snapshot import Origin, publish_snapshot
from ecom_assets_tests.commerce.findings.test_ads import weeks
from ecom_assets_tests.commerce.marketing.shop import spent
from ecom_assets_tests.interfaces.api.conftest import Api, Row, published_shop, served

PACKAGE: Final = Path(summary.__file__).parents[2]
NEWEST: Final = date(2026, 2, 9)
MONTH: Final = Period("custom", date(2026, 1, 11), NEWEST)
KEYS: Final = {"costs": "a-key-that-may-see-costs-too", "read": "a-key-that-reads-revenue-only"}
LOST: Final = "spring (meta) costs more than its orders leave"


def rows_with(contract: type[Table], *rows: Mapping[str, Any]) -> pa.Table:
    """Return rows of a table with some values, and else nothing: 0, no text, or null."""
    nothing = {
        name: None if column.nullable else {"string": "", "boolean": False}.get(column.type, 0)
        for name, column in contract.columns.items()
    }
    complete = [{**nothing, **row} for row in rows]
    return pa.Table.from_pylist(complete, schema=schema_of(contract).to_pyarrow())


def hold(engine: Engine, contract: type[Table], *rows: Mapping[str, Any]) -> None:
    """Put rows into a table, in place of all that it has."""
    engine.ensure(contract)
    engine.replace(contract, ibis.memtable(rows_with(contract, *rows)), None)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small shop with a campaign that loses, a cohort, and a finding of each kind."""
    shop = published_shop(tmp_path_factory.getbasetemp() / "api")
    home = tmp_path_factory.mktemp("shared") / "home"
    shutil.copytree(shop.home, home)
    keys = f"read+costs:{KEYS['costs']},read:{KEYS['read']}"
    changed: Row = {"home": home, "api_keys": type(shop.api_keys)(keys)}
    changed |= {"rate_limit_key": "none", "rate_limit_address": "none"}
    settings = shop.model_copy(update=changed)
    named = {"platform": "meta", "account_id": "1", "campaign_key": "spring"}
    late = NEWEST - timedelta(days=1) - date(2026, 3, 29)
    days = [
        {**row, "model": DEFAULT_MODEL, "marketing_date": row["marketing_date"] + late}
        for row in weeks("spring", 60, 60, 60, 60, 22)
    ]
    found = {"dimension": "(all)", "subject": "(all)", "observed_number": 1.0}
    found |= {"first_date": date(2026, 2, 2), "last_date": date(2026, 2, 8)}
    left = {"contribution_before_ads_amount": 5, "contribution_revenue_amount": 10}
    cohort = {"cohort_month_date": date(2026, 1, 1), **dict.fromkeys(CUTS, "(all)")}
    with closing(new_engine(settings).open()) as engine:
        hold(engine, AdSpendDaily, spent("2026-02-01", "meta", "spring", "100"))
        hold(engine, AdCampaigns, {**named, "campaign_name": "spring"})
        hold(engine, MarketingDaily, *days)
        hold(engine, CustomerCohortValue, {**cohort, **left})
        hold(
            engine,
            ShopFindings,
            {**found, "kind": "conversion", "funnel_name": "(checkout)", "step": 2},
            {**found, "kind": "refunds", "subject": "p1"},
        )
        hold(engine, ProductPerformance)  # so that what sold its products is looked up
        origins = {
            table.qualified_name(): Origin("run-2", "2", "2026-02-10") for table in IN_SNAPSHOT
        }
        publish_snapshot(engine, serving_folder(settings.home), IN_SNAPSHOT, origins, "run-2")
    return settings


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[WarehouseReading]:
    """Its open warehouse."""
    with closing(new_engine(settings).open()) as engine:
        yield WarehouseReading.from_engine(engine, settings, order_rule(settings), NEWEST)


def without_orders(reading: WarehouseReading) -> WarehouseReading:
    """Return a reading of a shop that has no order lines, as far as its days say."""
    known = {source: days for source, days in reading.known.items() if source != "orders"}
    return WarehouseReading(reading.engine, NEWEST, reading.timezone, reading.currency, known)


def events_elsewhere(reading: WarehouseReading) -> PublishedEvents:
    """Return the events with the days of another zone than that of reports."""
    source = SimpleNamespace(reading=reading)
    return PublishedEvents(source, reading.engine.con, "Asia/Tokyo")  # type: ignore[arg-type]  # what it reads of it


def advice(reading: WarehouseReading, settings: Settings) -> str:
    """Return what a run says of steps that events lack."""
    return summary._funnel_advice(reading.engine, settings, {"sessions": 0})  # noqa: SLF001 (the only place that asks)


CALLED: Final[tuple[Callable[[WarehouseReading], Any], ...]] = (
    event_types,
    lambda reading: known_funnel(reading, None),
    default_steps,
    retention_totals,
    lambda reading: visitor_segments_daily(reading, MONTH, None, Page(1)),
    lambda reading: profit_of_days(reading, MONTH.days),
    has_costs,
    due_state,
    value,
    lambda reading: customer_records(reading, (), MONTH),
    customer_profiles,
    expected_value,
    lambda reading: findings(reading, with_costs=True),
    cohort_value,
    held_days,
    waiting_days,
    lambda reading: days_of_run(reading, MONTH.days),
    stock_totals,
    lambda reading: product_names(reading, ["p1"]),
    lambda reading: products._item_names(reading, ["p1"]),  # noqa: SLF001 (asked where items lack categories)
    lambda reading: products._names_of(reading, products.categories_of_items(reading)),  # noqa: SLF001 (likewise)
    lambda reading: top_products(without_orders(reading), MONTH, "revenue", None, Page(1)),
    known_days,
    lambda reading: newest_days(reading, [RevenueDaily]),
    lambda reading: find_sales_source(without_orders(reading)),
    lambda reading: knows_revenue(without_orders(reading)),
    lambda reading: geography(without_orders(reading), MONTH, "country"),
    lambda reading: sales_of_days(reading, MONTH.days),
    lambda reading: customers_of_period(reading, MONTH),
    lambda reading: mapping_costs._values(reading, Sales, "sales_channel"),  # noqa: SLF001 (the only place that asks)
    has_purchases,
    lambda reading: events_elsewhere(reading).known,
    lambda reading: events_elsewhere(reading).newest_at,
    lambda reading: keys_of_events(SimpleNamespace(context=SimpleNamespace(reading=reading))),  # type: ignore[arg-type]  # what it reads of it
)
"""Each function that asks about a state; which these are, the test reads from the code."""


def calls() -> set[tuple[str, int]]:
    """Return the file and line of each call of `state` of a reading."""
    return {
        (str(path.relative_to(PACKAGE)), node.lineno)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "state"
        and ast.unparse(node.func.value).endswith("reading")
    }


def try_to_change(rows: Any) -> list[str]:
    """Return what could be changed of rows, or of what is inside them."""
    changed = [name for name in ("append", "clear", "sort") if hasattr(rows, name)]
    for row in rows:
        for name, inside in dict(row).items():
            try:
                row[name] = None
                changed.append(f"[{name}]")
            except TypeError:
                changed += [name] if isinstance(inside, list | dict | set) else []
    return changed


@pytest.mark.slow
def test_what_each_question_about_a_state_returns_cannot_be_changed(
    warehouse: WarehouseReading, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: dict[tuple[str, int], Any] = {}
    ask = WarehouseReading.state

    def noted(reading: WarehouseReading, question: ir.Table) -> tuple[StateRow, ...]:
        caller = sys._getframe(1)  # noqa: SLF001 (who asks)
        path = Path(caller.f_code.co_filename)
        rows = ask(reading, question)
        if path.is_relative_to(PACKAGE):
            returned[str(path.relative_to(PACKAGE)), caller.f_lineno] = rows
        return rows

    monkeypatch.setattr(WarehouseReading, "state", noted)
    for called in CALLED:
        with suppress(NoSourceError):  # of a place of purchases, once it was asked for
            called(warehouse)
    advice(warehouse, settings)
    assert calls() - {*returned} == set(), "asked by no function of this list"
    assert {
        call: changed for call, rows in returned.items() if (changed := try_to_change(rows))
    } == {}
    assert sum(map(bool, returned.values())) > len(returned) / 2, "most have rows"


def test_rows_inside_rows_cannot_be_changed_either() -> None:
    (row,) = read_only([{"steps": [{"step": 1}], "by": {"day": 2}}])
    assert (row["steps"][0]["step"], row["by"]["day"]) == (1, 2)
    assert try_to_change((row, row["by"], *row["steps"])) == []


def test_an_answer_changes_nothing_of_the_next_one_from_a_snapshot(settings: Settings) -> None:
    with closing(open_store(settings)) as store:
        counts = []
        for _ in range(3):
            with store.reading() as reading:
                found = findings(reading, with_costs=True)
                counts.append(len(found))
                for row in found:
                    row.clear()
        assert counts == [3, 3, 3], "conversion, refunds and a campaign"


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[Api]:
    with served(build_dashboard_stack(settings)) as running:  # type: ignore[arg-type]  # an ASGI application
        yield running


def asked(api: Api, key: str, **query: object) -> Row:
    answer = api.get("/v1/analytics/findings", {"X-API-Key": KEYS[key]}, **query)
    assert answer.status_code == 200, answer.text
    body: Row = answer.json()
    return body


@pytest.mark.slow
def test_a_key_without_costs_reads_none_whoever_asked_before(api: Api) -> None:
    for n in range(3):
        of_costs, of_read = asked(api, "costs", offset=n), asked(api, "read", offset=n)
        assert (of_costs["total_count"], of_read["total_count"]) == (3, 2)
        assert {row["kind"] for row in of_read["findings"]} <= {"conversion", "refunds"}
        pages = {
            key: api.get("/dashboard/last-week", {"X-API-Key": KEYS[key]}).text for key in KEYS
        }
        file = api.get("/v1/analytics/findings", {"X-API-Key": KEYS["read"]}, format="csv")
        assert file.text.count("\n") == 3, "a header, and two findings"
        assert LOST in pages["costs"]
        assert "spring" not in pages["read"]


def test_what_customers_are_expected_to_leave_is_known_of_a_snapshot(api: Api) -> None:
    """Those of January left 5 of net sales of 10, so that a half of what is expected is left."""
    path, header = "/v1/analytics/customers/cohort-value", {"X-API-Key": KEYS["costs"]}
    (row,) = api.get(path, header).json()["expected"]
    assert (row["cohort_month_date"], row["contribution_rate"]) == ("2026-01-01", 0.5)
    assert float(row["expected_contribution_amount"]) > 0
