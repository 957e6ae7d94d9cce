"""Customers, costs and stock of a shop by the browser: loaded beside its orders, in newer versions,
through a kill, and taken back; and the same marts as from the same files without uploads.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.questions import FORMAT, ZONE
from ecom_assets.ingestion.uploads.asking import ask_load, ask_undo, waiting_requests
from ecom_assets.ingestion.uploads.look import Chosen, keep_choices, look_at
from ecom_assets.ingestion.uploads.store import Upload, Uploads
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.uploads.lists import (
    COSTS_1,
    COSTS_2,
    CUSTOMERS_1,
    CUSTOMERS_2,
    STOCK_1,
    STOCK_2,
    written,
)
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    chosen,
    export,
    sent,
    settings_of,
)

TABLES: Final = " or ".join(
    f'+key:"{key}"'
    for key in (
        "mart/customer_profiles",
        "mart/profit_daily",
        "mart/inventory_alerts",
        "staging/duplicate_customers",
    )
)


def run_some_tables(settings: Settings, first: date, last: date | None) -> RunEnd:
    """Compute the tables of these kinds in this process."""
    days = ("--from", str(first), "--to", str(last))
    done = ecom("run", *days, "--json", "--select", TABLES, home=settings.home)
    return RunEnd(done.exit_code == 0, done.err)


def work_off(home: Path) -> list[str]:
    return UploadRun(home, "a-run", run_some_tables, emptied).do(waiting_requests(home))


def asked(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def cities(home: Path) -> Mapping[str, str]:
    """Return where the current customers live."""
    sql = "SELECT customer_id, city FROM staging.customers WHERE is_current"
    return {str(customer): str(city) for customer, city in sorted(asked(home, sql))}


def gross_profit(home: Path) -> Decimal:
    names = ("channel", "city_id", "item_category", "sales_channel", "customer_type")
    total = " AND ".join(f"{name} = '(all)'" for name in names)
    sql = f"SELECT sum(gross_profit_amount) FROM mart.profit_daily WHERE {total}"
    return Decimal(asked(home, sql)[0][0])


def alerts(home: Path) -> list[tuple[str, str, int]]:
    sql = "SELECT product_id, alert, stock_count FROM mart.inventory_alerts ORDER BY 1"
    return [(str(product), str(alert), int(count)) for product, alert, count in asked(home, sql)]


AT_HOME: Final = {"1": "Berlin", "2": "Graz", "3": "Bern", "4": "Kiel", "5": "Linz"}
"""The cities of `CUSTOMERS_1`."""


def load_all(home: Path, *paths: Path) -> list[Upload]:
    uploads = [chosen(home, path) for path in paths]
    for upload in uploads:
        ask_load(home, upload, "ann")
    return uploads


@pytest.mark.slow
def test_lists_are_loaded_beside_orders_and_each_goes_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    stock = written(tmp_path / "stock.csv", STOCK_1)
    # Stock says nothing alone, and nothing of it stays.
    load_all(home, stock)
    (sentence,) = work_off(home)
    assert "is not loaded: A file of stock says nothing alone" in sentence
    assert not settings_of(home).has_own_data
    # Whatever comes first in the list, the lists are of the newest day of the orders.
    first, *_ = load_all(
        home,
        written(tmp_path / "customers.csv", CUSTOMERS_1),
        written(tmp_path / "costs.csv", COSTS_1),
        stock,
        export(tmp_path / "orders.csv", WEEK_1),
    )
    assert work_off(home) == []
    assert cities(home) == AT_HOME
    # 100 + 80 + 30 for three lamps, each of which costs 30.50.
    assert gross_profit(home) == 210 - 3 * Decimal("30.50")
    assert alerts(home) == [("D1", "out_of_stock", 0), ("L1", "low", 9)]
    same_as_from_files(home, tmp_path)
    seconds = load_all(
        home,
        written(tmp_path / "customers2.csv", CUSTOMERS_2),
        written(tmp_path / "costs2.csv", COSTS_2),
        written(tmp_path / "stock2.csv", STOCK_2),
    )

    def killed(settings: Settings, first: date, last: date | None) -> RunEnd:
        run_some_tables(settings, first, last)  # its tables are written when it happens
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        UploadRun(home, "killed", killed, emptied).do(waiting_requests(home))
    assert work_off(home) == []
    assert cities(home) == AT_HOME | {"2": "Wien", "6": "Ulm"}
    assert gross_profit(home) == 210 - 3 * 20
    assert alerts(home) == [("D1", "out_of_stock", 0)], "forty lamps are enough"
    for upload in seconds:
        ask_undo(home, Uploads(home).numbered(upload.number), "ann")
    assert work_off(home) == []
    assert cities(home) == AT_HOME
    assert gross_profit(home) == 210 - 3 * Decimal("30.50")
    assert alerts(home) == [("D1", "out_of_stock", 0), ("L1", "low", 9)]
    # The first of three: what the second says of Bob stays, and who only the first has goes.
    third = "id,email,city\n7,gus@shop.example,Hof\n8,ida@shop.example,Ulm\n9,jo@shop.example,Ulm\n"
    again = Uploads(home).numbered(seconds[0].number)
    ask_load(home, again, "ann")
    load_all(home, written(tmp_path / "customers3.csv", third))
    ask_undo(home, Uploads(home).numbered(first.number), "ann")
    assert work_off(home) == []
    assert cities(home) == {"2": "Wien", "6": "Ulm", "7": "Hof", "8": "Ulm", "9": "Ulm"}


def same_as_from_files(home: Path, folder: Path) -> None:
    """Hold the tables beside those of `ecom run` over the same files, by the same mappings."""
    mapping = {
        upload.kind: home / "uploads" / "mappings" / f"{upload.mapping}.yaml"
        for upload in Uploads(home).with_rows()
    }
    options: list[str | Path] = []
    for kind in ("orders", "customers", "costs"):
        options += [f"--{kind}", folder / f"{kind}.csv", f"--{kind}-mapping", mapping[kind]]
    catalogue = "product_id,name,stock,reorder_point\nL1,Lamp,9,10\nD1,Desk,0,\n"
    plain = folder / "plain"
    done = ecom(
        "run",
        *options,
        "--json",
        "--select",
        TABLES,
        home=plain,
        env={"ECOM_CATALOGUE": str(written(folder / "catalogue.csv", catalogue))},
    )
    assert done.exit_code == 0, done.err
    for table in (
        "mart.profit_daily",
        "mart.inventory_alerts",
        "mart.customer_profiles",
        "staging.customers",
        "mart.item_costs",
    ):
        columns = "* EXCLUDE (source_file)" if table == "mart.item_costs" else "*"
        ours, theirs = (
            sorted(map(str, asked(place, f"SELECT {columns} FROM {table}")))
            for place in (home, plain)
        )
        assert ours == theirs, table


PRODUCTS: Final = (
    "Handle,Title,Type,Variant SKU,Variant Inventory Qty,Variant Price,Cost per item\n"
    "lamp,Lamp,Lighting,L1,0,100.00,30.50\n"
    "lamp,,,L2,4,110.00,31.00\n"
)
"""Shopify's export of products: a lamp of two variants, of which one was sold out."""


@pytest.mark.slow
def test_one_file_of_products_is_costs_stock_and_catalogue_and_goes_as_all(tmp_path: Path) -> None:
    home = tmp_path / "home"
    orders = export(tmp_path / "orders.csv", WEEK_1)
    _, products = load_all(home, orders, written(tmp_path / "products.csv", PRODUCTS))
    assert products.kind == "stock"
    assert work_off(home) == []
    assert gross_profit(home) == 210 - 3 * Decimal("30.50")
    assert alerts(home) == [("L1", "out_of_stock", 0)]
    listed = "SELECT product_id, product_category FROM raw.stock ORDER BY 1"
    assert asked(home, listed) == [("L1", "Lighting"), ("L2", "Lighting")]
    ask_undo(home, Uploads(home).numbered(products.number), "ann")
    assert work_off(home) == []
    assert asked(home, listed) == alerts(home) == []
    assert asked(home, "SELECT sum(gross_profit_amount) FROM mart.profit_daily") == [(None,)]


SUPPLIED: Final = "SKU,Description,Type,Cost per item\nL1,Lamp,Lighting,30.50\nD1,Desk,Office,70\n"
"""A supplier's list: what a lamp and a desk cost, and of what type they are, and no stock."""


@pytest.mark.slow
def test_a_list_of_costs_with_types_is_catalogue_too_and_goes_as_both(tmp_path: Path) -> None:
    home = tmp_path / "home"
    orders = export(tmp_path / "orders.csv", WEEK_1)
    _, supplied = load_all(home, orders, written(tmp_path / "supplied.csv", SUPPLIED))
    assert supplied.kind == "costs"
    assert work_off(home) == []
    assert gross_profit(home) == 210 - 3 * Decimal("30.50")
    listed = "SELECT item_id, item_category FROM raw.costs ORDER BY 1"
    assert asked(home, listed) == [("D1", "Office"), ("L1", "Lighting")]
    ask_undo(home, Uploads(home).numbered(supplied.number), "ann")
    assert work_off(home) == []
    assert asked(home, listed) == []
    assert asked(home, "SELECT sum(gross_profit_amount) FROM mart.profit_daily") == [(None,)]


@pytest.mark.slow
def test_a_changed_answer_moves_rows_to_other_days_and_leaves_none_behind(tmp_path: Path) -> None:
    home, store = tmp_path / "home", Uploads(tmp_path / "home")
    path = written(
        tmp_path / "sales.csv",
        "order_id,order_date,customer_id,item,quantity,amount\n"
        "A1,03/02/2026,ann,lamp,1,10.00\nA2,04/02/2026,bob,lamp,2,20.00\n",
    )
    upload = sent(home, path)

    def answered(form: str) -> Upload:
        chosen_now = Chosen({FORMAT: form, ZONE: "UTC"}, "orders")
        now = store.numbered(upload.number)
        return keep_choices(store, look_at(store, now, settings_of(home), chosen_now))

    days = "SELECT order_date::VARCHAR FROM staging.user_order_log ORDER BY 1"
    ask_load(home, answered("%m/%d/%Y"), "ann")
    assert work_off(home) == []
    assert asked(home, days) == [("2026-03-02",), ("2026-04-02",)]
    ask_load(home, answered("%d/%m/%Y"), "ann")
    assert work_off(home) == []
    assert asked(home, days) == [("2026-02-03",), ("2026-02-04",)]
