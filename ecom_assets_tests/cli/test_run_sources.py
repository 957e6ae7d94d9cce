"""Which sources a run is given does not decide what the numbers are made of: what is stored does.

Runs with one source each leave the tables that one run with all of them leaves, in whatever order
they come. In the shop, people visit and buy on the days before today; orders begin two days before
the events, and the last order day has no events.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.products.contracts import ProductPerformance
from ecom_assets.commerce.reconciliation.contracts import Restatements
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.command import HEADER, CommandResult, ecom
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_assets_tests.services import people
from ecom_sandbox.services.pages import CustomerService

pytestmark = pytest.mark.xdist_group("cli_sources")
TODAY = datetime.now(UTC).date()
DAYS = [TODAY - timedelta(days=n) for n in range(6, -1, -1)]
EVENTS = "\n".join(
    [
        HEADER,
        *(
            f"e{day}-{who},{who},{rest}"
            for day in DAYS[2:6]
            for who, rest in [
                (
                    "ann",
                    f"product_view,{day}T10:00:00Z,i1,hats,s1,https://shop.example/?utm_source=news&utm_medium=email,,",
                ),
                (
                    "ben",
                    f"product_view,{day}T11:00:00Z,i2,hats,s2,https://shop.example/,https://www.google.com/,",
                ),
            ]
        ),
        *(
            f"p{day},ann,purchase,{day}T10:05:00Z,i1,hats,s1,https://shop.example/done,,20.00"
            for day in DAYS[2:6]
        ),
        "",
    ]
)
ORDERS = "\n".join(
    [
        ORDER_HEADER,
        *(
            f"{n},l{n},{day}T10:06:00Z,1,Ulm,ann,A,B,i1,Hat,1,18.50,shipped"
            for n, day in enumerate(DAYS[:5], start=1)
        ),
        *(
            f"{n},l{n},{day}T12:00:00Z,1,Ulm,cem,C,D,i3,Cap,2,30,shipped"
            for n, day in enumerate(DAYS[:2], start=20)
        ),
        f"30,l30,{DAYS[6]}T00:00:01Z,2,Bonn,ben,E,F,i2,Fez,1,9,shipped",
        "",
    ]
)
ORDERS_OF_ARRIVAL = [
    ("events", "customers", "orders", "orders+stock"),
    ("orders", "orders+stock", "customers", "events"),
]
"""Runs one after the other, in which each source comes once before and once after each other one;
a catalogue alone is nothing to run over.
"""
OF_RUNS: dict[str, str] = {
    "restatements": "the log of what changed from run to run",
    "calendar": "one row per day of any run over orders",
    "stock": "the stock of the newest day of each run; only the newest counts",
}
"""Tables that depend on the runs, and why."""


class Shop:
    """The files and the customer service of one shop."""

    def __init__(self, folder: Path, api: CustomerService) -> None:
        self.folder = folder
        self.api = api
        for name, text in {"events": EVENTS, "orders": ORDERS}.items():
            (folder / f"{name}.csv").write_text(text)
        (folder / "stock.csv").write_text(
            "product_id,category,stock\ni1,hats,3\ni2,hats,900\ni9,hats,0\n"
        )
        self.known: dict[tuple[str, ...], dict[str, list[str]]] = {}

    def run(self, home: Path, *sources: str, only: str = "") -> CommandResult:
        """Run over some sources, and require that all is well; `only` selects tables."""
        arguments = [
            word
            for name in ("events", "orders")
            if name in sources
            for word in (f"--{name}", f"{name}.csv")
        ]
        env = {"ECOM_CATALOGUE": str(self.folder / "stock.csv")} if "stock" in sources else {}
        if "customers" in sources:
            env |= {
                "ECOM_CUSTOMER_API_URL": self.api.api_url,
                "ECOM_CUSTOMER_API_KEY": self.api.key,
            }
        days = (
            ("--from", str(DAYS[0]), "--to", str(TODAY))
            if {"customers", "stock"} & {*sources}
            else ()
        )
        chosen = ("--select", only) if only else ()
        result = ecom(
            "run", "--json", *arguments, *days, *chosen, home=home, cwd=self.folder, env=env
        )
        assert result.exit_code == 0, result.err
        return result

    def after(self, *runs: str) -> dict[str, list[str]]:
        """Return the tables after runs, each over the sources that its name has, in one home."""
        if runs not in self.known:
            self.known[runs] = tables(self.home_after(*runs))
        return self.known[runs]

    def home_after(self, *runs: str) -> Path:
        """Return the home of runs, which begins as a copy of that of the runs but the last."""
        home = self.folder / "-then-".join(runs)
        if not home.exists():
            if before := runs[:-1]:
                shutil.copytree(self.home_after(*before), home)
            self.run(home, *runs[-1].split("+"))
        return home


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    records = [
        person | {"id": who}
        for person, who in zip(people(1, 2, 3), ("ann", "ben", "dan"), strict=True)
    ]
    with CustomerService(records) as api:
        yield Shop(tmp_path_factory.mktemp("sources"), api)


def tables(home: Path) -> dict[str, list[str]]:
    """Return the sorted rows of every table but those that depend on the runs."""
    return {table.qualified_name(): rows(home, table) for table in ALL if table.name not in OF_RUNS}


def rows(home: Path, table: type[Table]) -> list[str]:
    """Return a table's rows as texts, sorted."""
    engine = new_engine(Settings(home=home)).open()
    try:
        if not engine.has(table):
            return []
        actual: list[dict[str, Any]] = engine.table(table).to_pyarrow().to_pylist()
    finally:
        engine.close()
    return sorted(
        str({name: value for name, value in row.items() if name != "fetched_at"}) for row in actual
    )


@pytest.mark.slow
def test_sales_stay_those_of_orders_when_only_events_are_run(shop: Shop) -> None:
    separate, both = shop.folder / "few-separate", shop.folder / "few-both"
    only = '+key:"mart/product_performance"'
    for sources in ("orders", "events"):
        shop.run(separate, sources, only=only)
    shop.run(both, "orders", "events", only=only)
    assert rows(separate, ProductPerformance) == rows(both, ProductPerformance)
    assert "'sales_source': 'orders'" in rows(both, ProductPerformance)[0]


@pytest.mark.slow
@pytest.mark.parametrize("runs", ORDERS_OF_ARRIVAL, ids=" then ".join)
def test_runs_with_a_source_each_leave_what_one_run_with_all_leaves(
    shop: Shop, runs: tuple[str, ...]
) -> None:
    separate, together = shop.after(*runs), shop.after("customers+events+orders+stock")
    assert {name for name in together if separate[name] != together[name]} == set()
    assert all(together[f"mart.{name}"] for name in ("sales", "sessions", "customer_profiles"))


@pytest.mark.slow
def test_orders_of_an_earlier_run_stay_the_source_of_sales_and_are_named_by_every_answer(
    shop: Shop,
) -> None:
    home = Path(shutil.copytree(shop.home_after("events+orders"), shop.folder / "answers"))
    before = rows(home, ProductPerformance)
    assert "'sales_source': 'orders'" in before[0]
    result = shop.run(home, "events")
    assert result.json["sales"]["source"] == "orders"
    assert result.json["missing"].keys() == {"customers", "stock"}
    assert rows(home, ProductPerformance) == before
    assert rows(home, Restatements) == []
    noted = json.loads((home / "own_data.json").read_text())
    assert noted["paths"] == {
        name: str(shop.folder / f"{name}.csv") for name in ("events", "orders")
    }
    assert noted["sources"] == ["events", "orders"]


@pytest.mark.slow
def test_the_first_orders_restate_what_purchase_events_had_said(shop: Shop) -> None:
    home = Path(shutil.copytree(shop.home_after("events"), shop.folder / "restated"))
    restated = shop.run(home, "orders").json["restatements"]
    assert restated["largest"] is not None
    engine = new_engine(Settings(home=home)).open()
    try:
        logged = engine.table(Restatements).to_pyarrow().to_pylist()
    finally:
        engine.close()
    changed = {
        (row["restated_date"], row["before_value"], row["after_value"])
        for row in logged
        if (row["table_name"], row["column_name"]) == ("mart.product_performance", "revenue_amount")
    }
    # On the last day with events nothing was ordered, on the last day of all only the order is new.
    assert changed == {*((day, 20.0, 18.5) for day in DAYS[2:5]), (DAYS[5], 20.0, 0.0)}
