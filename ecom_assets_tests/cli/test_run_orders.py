"""`ecom run` over a shop's own orders: real files, whose totals are recomputed in plain Python,
and gates that hold.
"""

import csv
import gzip
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import checks, without_source
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import (
    FEW_SALES,
    FEW_TABLES,
    CommandResult,
    ecom,
    page_views,
    real_file,
    small_shop,
)

HEADER = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount"
)
SALES_TABLES = (
    "mart.sales",
    "mart.customer_retention",
    "mart.revenue_daily",
    "mart.product_sales_daily",
)


def orders_csv(path: Path, day: str, customers: Iterable[str], amount: str = "10") -> Path:
    """Write one line of each customer at midnight of a day."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{n},{day}-{who},{day}T00:00:00,1,Berlin,{who},,,7,Hat,1,{amount}"
        for n, who in enumerate(customers)
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def queried(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def contents(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the sales tables."""
    names = ("staging.user_order_log", "staging.duplicate_orders", "mart.customer", *SALES_TABLES)
    return {name: sorted(queried(home, f"SELECT * FROM {name}"), key=repr) for name in names}


def of_file(path: Path) -> dict[str, Row]:
    """Return the lines of a real order report by uniq_id, in plain Python."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["uniq_id"]: row for row in csv.DictReader(file)}


def added(rows: Iterable[Row], status: str) -> Decimal:
    return sum(
        (Decimal(row["payment_amount"]) for row in rows if row.get("status", "shipped") == status),
        Decimal(0),
    )


@pytest.fixture(scope="module")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which the real report and its increment were taken."""
    home = tmp_path_factory.mktemp("real_orders") / "home"
    log, increment = real_file("user_order_log.csv"), real_file("user_order_log_inc.csv")
    result = ecom("run", "--json", "--orders", log, "--orders", increment, home=home)
    assert result.exit_code == 0, result.err
    settings = Settings(orders="the report")
    skipped = {key.to_user_string() for key in without_source(settings)}
    values = [
        check
        for check in checks(settings)
        if f"{check.contract.layer}/{check.contract.name}" not in skipped
    ]
    assert result.json["checks"] == {
        "passed": len(values),
        "failed": [],
        "warned": [],
        "not_evaluated": [],
    }
    return home


@pytest.mark.slow
@pytest.mark.xdist_group("cli_real_orders")
def test_retention_over_the_real_report_adds_up_to_the_files_own_totals(real_home: Path) -> None:
    old, new = (
        of_file(real_file("user_order_log.csv")),
        of_file(real_file("user_order_log_inc.csv")),
    )
    lines = [*old.values(), *new.values()]
    assert (len(old), added(old.values(), "shipped")) == (3_790, Decimal(1_987_570))
    assert (added(new.values(), "shipped"), added(new.values(), "refunded")) == (
        Decimal(58_865),
        Decimal(2_390),
    )
    # Of categories and cities either the totals or all parts: both add up.
    for where in (
        "item_category = '(all)' AND city_id = '(all)'",
        "item_category <> '(all)' AND city_id <> '(all)'",
    ):
        sums = "sum(new_revenue_amount + returning_revenue_amount), sum(refunded_amount)"
        actual = queried(real_home, f"SELECT {sums} FROM mart.customer_retention WHERE {where}")
        assert actual == [(added(lines, "shipped"), -added(lines, "refunded"))]


@pytest.mark.slow
@pytest.mark.xdist_group("cli_real_orders")
def test_the_real_customers_of_each_week_are_new_or_returning_as_plain_python_finds(
    real_home: Path,
) -> None:
    files = (real_file("user_order_log.csv"), real_file("user_order_log_inc.csv"))
    weeks: dict[str, set[str]] = {}
    for line in (line for path in files for line in of_file(path).values()):
        if line.get("status", "shipped") == "shipped":
            day = date.fromisoformat(line["date_time"][:10])
            weeks.setdefault(str(day - timedelta(days=day.weekday())), set()).add(
                line["customer_id"]
            )
    seen: set[str] = set()
    expected = []
    for monday, customers in sorted(weeks.items()):
        expected.append((monday, len(customers - seen), len(customers & seen)))
        seen |= customers
    columns = "week_start_date::VARCHAR, new_customers_count, returning_customers_count"
    where = "item_category = '(all)' AND city_id = '(all)' ORDER BY 1"
    assert (
        queried(real_home, f"SELECT {columns} FROM mart.customer_retention WHERE {where}")
        == expected
    )


@pytest.mark.slow
@pytest.mark.xdist_group("cli_real_orders")
def test_weeks_of_the_real_report_are_by_item_as_it_has_no_category(real_home: Path) -> None:
    lines = of_file(real_file("user_order_log.csv")) | of_file(real_file("user_order_log_inc.csv"))
    buyers: dict[tuple[str, str], set[str]] = {}
    for line in (line for line in lines.values() if line.get("status", "shipped") == "shipped"):
        day = date.fromisoformat(line["date_time"][:10])
        key = (str(day - timedelta(days=day.weekday())), line["item_id"])
        buyers.setdefault(key, set()).add(line["customer_id"])
    columns = "week_start_date::VARCHAR, item_category, customers_count"
    where = "item_category <> '(all)' AND city_id = '(all)' AND customers_count > 0"
    actual = queried(real_home, f"SELECT {columns} FROM mart.customer_retention WHERE {where}")
    assert {row[:2]: row[2] for row in actual} == {key: len(ids) for key, ids in buyers.items()}


@pytest.mark.slow
@pytest.mark.xdist_group("cli_real_orders")
def test_a_second_run_of_any_day_changes_no_row(real_home: Path) -> None:
    before = contents(real_home)
    sources = (
        "--orders",
        real_file("user_order_log.csv"),
        "--orders",
        real_file("user_order_log_inc.csv"),
    )
    for first, last in (("2022-11-16", "2022-11-16"), ("2022-11-09", "2022-12-05")):
        assert (
            ecom("run", "--json", *sources, "--from", first, "--to", last, home=real_home).exit_code
            == 0
        )
        assert contents(real_home) == before


@pytest.mark.slow
def test_online_retail_gives_the_totals_of_its_readme(tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = real_file("online_retail_2010_2011.parquet")
    arguments = ("run", "--json", "--orders", file, "--orders-mapping", "online_retail", *FEW_SALES)
    result = ecom(*arguments, home=home)
    assert result.exit_code == 0, result.err
    sales = result.json["sales"]
    assert (sales["customers"], sales["shipped_amount"]) == (4_338, "8887208.89")
    assert sales["refunded_amount"] == "-608689.47"
    assert sales["quarantined"] == {"missing_customer": 135_080, "missing_amount": 40}
    # 5,268 double entries, of which the others are among the lines without customer.
    assert sales["duplicates"] == 541_909 - 135_120 - 401_564
    assert queried(home, "SELECT status, count(*) FROM mart.sales GROUP BY 1 ORDER BY 1") == [
        ("refunded", 8_872),
        ("shipped", 392_692),
    ]


@pytest.mark.slow
def test_the_summary_says_that_weeks_are_by_item_until_a_catalogue_names_categories(
    home: Path, tmp_path: Path
) -> None:
    arguments = ("run", "--orders", orders_csv(tmp_path / "o.csv", "2026-01-02", "abcd"))
    plain = ecom(*arguments, home=home)
    assert (
        "  no order line has a category: in mart.customer_retention the item stands for it; a "
        "catalogue" in plain.out
    )
    categories = "SELECT DISTINCT item_category FROM mart.customer_retention ORDER BY 1"
    assert queried(home, categories) == [("(all)",), ("7",)]
    (tmp_path / "catalogue.csv").write_text("product_id,stock,category\n7,5,hats\n")
    named = ecom(*arguments, home=home, env={"ECOM_CATALOGUE": str(tmp_path / "catalogue.csv")})
    assert (queried(home, categories), "the item stands" in named.out) == (
        [("(all)",), ("hats",)],
        False,
    )


# Own data, one rule each


def rows_by_table(result: CommandResult) -> dict[str, int]:
    actual: dict[str, int] = result.json["tables"]
    return actual


@pytest.mark.slow
def test_orders_alone_skip_the_tables_of_behaviour_and_say_so(home: Path, tmp_path: Path) -> None:
    result = ecom(
        "run", "--orders", orders_csv(tmp_path / "o.csv", "2026-01-02", "abcd"), home=home
    )
    assert result.exit_code == 0
    assert (
        "No events were given: the tables of behaviour are skipped. With events: ecom run "
        "--events PATH" in result.err
    )
    assert (
        "Orders and events are compared only where there are both: the tables of that are skipped."
        in result.err
    )
    assert "raw.events" not in result.err
    assert "mart.order_event_reconciliation" not in result.err
    assert "4 orders of 4 customers, 4 items" in result.out
    assert "Funnel" not in result.out


@pytest.mark.slow
def test_events_alone_skip_the_tables_of_sales_and_say_so(home: Path, tmp_path: Path) -> None:
    result = ecom("run", "--events", page_views(tmp_path / "e.csv", "2026-01-02"), home=home)
    assert result.exit_code == 0
    assert (
        "No orders were given: the tables of sales are skipped. With orders: ecom run --orders PATH"
        in result.err
    )
    assert "user_order_log" not in result.err
    assert "Sales" not in result.out


@pytest.mark.slow
def test_events_and_orders_together_cover_the_days_of_both(home: Path, tmp_path: Path) -> None:
    events = page_views(tmp_path / "e.csv", "2026-01-05")
    orders = orders_csv(tmp_path / "o.csv", "2026-01-02", "abcd")
    some = '+key:"mart/revenue_daily" or +key:"mart/engagement_daily"'
    result = ecom(
        "run", "--json", "--events", events, "--orders", orders, "--select", some, home=home
    )
    assert result.exit_code == 0
    assert result.json["days"] == {"from": "2026-01-02", "to": "2026-01-05"}
    assert (result.json["sales"]["orders"], result.json["sessions"]["sessions"]) == (4, 1)


@pytest.mark.slow
def test_gzip_folders_and_globs_will_do(home: Path, tmp_path: Path) -> None:
    plain = orders_csv(tmp_path / "plain.csv", "2026-01-02", "abcd")
    (tmp_path / "landed").mkdir()
    (tmp_path / "landed" / "orders.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    result = ecom("run", "--json", "--orders", tmp_path / "landed" / "*.gz", *FEW_SALES, home=home)
    assert result.exit_code == 0
    assert result.json["sales"]["revenue_amount"] == "40.00"


def test_paths_that_may_be_either_are_refused(home: Path) -> None:
    result = ecom("run", "--events", "a.csv", "--orders", "b.csv", "c.csv", home=home)
    assert result.exit_code == 2
    assert result.sentence.startswith(
        "'c.csv' may be events or orders; write --events or --orders in front of it"
    )


def test_a_selection_of_tables_without_data_is_refused(home: Path, tmp_path: Path) -> None:
    events = page_views(tmp_path / "e.csv", "2026-01-02")
    result = ecom("run", "--events", events, "--select", "mart/sales", home=home)
    assert result.exit_code == 2
    assert "selects no table that has data" in result.sentence


@pytest.mark.slow
def test_own_orders_clear_the_sandbox_and_the_sandbox_is_refused_after_them(
    home: Path, tmp_path: Path
) -> None:
    small_shop(home)
    assert ecom("run", *FEW_TABLES, home=home).exit_code == 0
    result = ecom(
        "run",
        "--orders",
        orders_csv(tmp_path / "o.csv", "2026-01-02", "abcd"),
        *FEW_SALES,
        home=home,
    )
    assert (
        "The sandbox shop's tables were cleared: this warehouse now holds your own orders."
        in result.err
    )
    refused = ecom("run", home=home)
    assert refused.exit_code == 2
    assert refused.sentence.startswith("This warehouse holds your own orders, from ")
    assert "name them again with --orders or ECOM_ORDERS" in refused.sentence


# Gates


@pytest.mark.slow
def test_a_report_of_three_customers_holds_everything_back_and_four_do_not(
    home: Path, tmp_path: Path
) -> None:
    env = {"ECOM_ORDER_CUSTOMERS_OVER": "3"}
    arguments = ("run", "--json", *FEW_SALES, "--orders")
    few = ecom(*arguments, orders_csv(tmp_path / "o.csv", "2026-01-02", "abc"), home=home, env=env)
    assert few.exit_code == 1
    [failed] = few.json["checks"]["failed"]
    assert (failed["table"], failed["name"]) == (
        "raw/user_order_log",
        "report_has_enough_customers",
    )
    assert (failed["observed"], failed["limit"]) == (3, 3)
    said = "The 3 order lines on 2026-01-02 have 3 customers, and 3 or fewer are too few"
    assert said in few.err
    assert "set ECOM_ORDER_CUSTOMERS_OVER lower than 3" in few.err
    assert rows_by_table(few)["raw.user_order_log"] == 3
    assert rows_by_table(few)["staging.user_order_log"] == 0
    enough = ecom(
        *arguments, orders_csv(tmp_path / "o.csv", "2026-01-02", "abcd"), home=home, env=env
    )
    assert enough.exit_code == 0
    assert rows_by_table(enough)["mart.sales"] == 4


@pytest.mark.slow
def test_the_limit_of_customers_is_a_setting(home: Path, tmp_path: Path) -> None:
    orders = orders_csv(tmp_path / "o.csv", "2026-01-02", "abc")
    result = ecom(
        "run",
        "--json",
        "--orders",
        orders,
        *FEW_SALES,
        home=home,
        env={"ECOM_ORDER_CUSTOMERS_OVER": "2"},
    )
    assert result.exit_code == 0


def test_an_empty_report_is_refused_before_anything_runs(home: Path, tmp_path: Path) -> None:
    file = orders_csv(
        tmp_path / "reports" / "increment_date=2026-01-02" / "user_order_log_inc.csv",
        "2026-01-02",
        "",
    )
    file.write_text("")
    result = ecom("run", "--orders", tmp_path / "reports", home=home)
    assert result.exit_code == 1
    assert "user_order_log_inc.csv is empty (0 bytes)" in result.sentence


@pytest.mark.slow
def test_a_report_that_comes_again_corrected_replaces_the_one_before(
    home: Path, tmp_path: Path
) -> None:
    report = tmp_path / "reports" / "increment_date=2026-01-02" / "user_order_log_inc.csv"
    orders_csv(report, "2026-01-02", "abcd")
    arguments = ("run", "--json", *FEW_SALES, "--orders", tmp_path / "reports")
    assert ecom(*arguments, home=home).json["sales"]["revenue_amount"] == "40.00"
    orders_csv(report, "2026-01-02", "abcde", amount="7")
    assert ecom(*arguments, home=home).json["sales"]["revenue_amount"] == "35.00"


@pytest.mark.slow
def test_a_home_from_before_a_column_goes_on_with_the_next_run(tmp_path: Path) -> None:
    """The column `region` is added to the tables of the first run, which an older release wrote."""
    home, select = tmp_path / "home", '+key:"mart/city"'
    file = orders_csv(tmp_path / "orders.csv", "2026-01-01", ["a", "b", "c", "d"])
    assert ecom("run", "--orders", file, "--select", select, home=home).exit_code == 0
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        for table in ("raw.user_order_log", "staging.user_order_log"):
            con.execute(f"ALTER TABLE {table} DROP COLUMN region")
    result = ecom("run", "--orders", file, "--select", select, home=home)
    assert result.exit_code == 0, result.err
    assert queried(home, "SELECT city_name, region, country FROM mart.city") == [
        ("Berlin", "Berlin", "Germany")
    ]
    assert queried(home, "SELECT DISTINCT region FROM raw.user_order_log") == [(None,)]
