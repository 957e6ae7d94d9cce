"""The tables of profit beside the same tables by hand-written SQL: what items cost since when, what
each order line, day and category left, all on DuckDB.

`profit.sql` is written for shops as these: each cost names its first day, each refund its item, and
orders state their fees and shipping. Times count only if all numbers are equal.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.commerce.costs.contracts import CostVersions, ItemCosts, ProfitLines
from ecom_assets.commerce.costs.costs import item_costs
from ecom_assets.commerce.costs.profit import category_profitability, profit_daily, profit_lines
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.sales.contracts import City, Customer, Sales
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.local import connect

SQL = Path(__file__).with_suffix(".sql")
RATIO = 1.3
DAYS, CITIES, CATEGORIES = 360, 200, 100
PART = """
    CREATE MACRO part(total, weight, whole) AS if(
        weight = whole, total::DECIMAL(37, 4),
        (floor(floor(total::DOUBLE * 10000 + 0.5) / 100 * weight / whole + 0.5) * 100
        )::BIGINT::DECIMAL(23, 4) * 0.0001::DECIMAL(18, 4))::DECIMAL(38, 6)
"""
DIMENSIONS = ("channel", "city_id", "item_category", "sales_channel", "customer_type")


def make(con: Backend, line_count: int, item_count: int, cost_count: int) -> None:
    """Fill sales of three lines an order, a fiftieth of them paid back ten days later, their
    customers and cities, and costs of items that change; of a tenth nobody knows the cost.
    """
    con.raw_sql(f"""
        CREATE TEMP TABLE sold AS
        SELECT n, n // 3 AS number, hash(n) AS h, hash(n // 3 + 1) AS g,
            DATE '2025-01-01' + (n // 3 * 3 * {DAYS} // {line_count})::INTEGER AS order_date
        FROM range({line_count} * 50 // 51) AS t(n)
    """)
    con.raw_sql(f"""
        CREATE TEMP TABLE lines AS
        SELECT 'l' || n AS uniq_id, 'o' || number AS order_id, order_date::TIMESTAMP AS ordered_at,
            order_date, 'c' || g // 1000 % {max(line_count // 10, 1)} AS customer_id,
            'city' || g % {CITIES} AS city_id, 'i' || h % {item_count} AS item_id,
            'cat' || h % {item_count} % {CATEGORIES} AS item_category,
            ['Email', 'Direct', 'Paid'][1 + (g // 7 % 3)::INTEGER] AS channel,
            ['web', 'app'][1 + (g // 11 % 2)::INTEGER] AS sales_channel,
            'shipped' AS status, (1 + h // 100000 % 3)::DECIMAL(18, 4) AS quantity,
            (100 + h % 9000)::DECIMAL(18, 4) / 100 AS revenue_amount,
            if(n % 3 = 0, 4.9, NULL) AS shipping_amount,
            if(n % 3 = 0, 3.75, NULL) AS shipping_cost_amount,
            if(n % 3 = 0, 0.37, NULL) AS payment_fee_amount, h
        FROM sold
    """)
    con.raw_sql("""
        INSERT INTO lines
        SELECT * REPLACE (uniq_id || '-back' AS uniq_id, order_date + 10 AS order_date,
            ordered_at + INTERVAL 10 DAY AS ordered_at, 'refunded' AS status, -1 AS quantity,
            (-revenue_amount / quantity)::DECIMAL(18, 2) AS revenue_amount,
            NULL AS shipping_amount, NULL AS shipping_cost_amount, NULL AS payment_fee_amount)
        FROM lines WHERE h // 13 % 50 = 0
    """)
    con.raw_sql(f"""
        CREATE TEMP TABLE cost_rows AS
        SELECT 'i' || n % {item_count} AS item_id,
            DATE '2024-12-01' + (n // {item_count} * 100 + hash(n) % 90)::INTEGER
              AS valid_from_date,
            ((hash(n) % 3000 + 100) / 100)::DECIMAL(18, 6) AS unit_cost_amount,
            true AS is_dated, DATE '2026-01-01' AS received_date, 'costs.csv' AS source_file,
            1 AS version_count, 0 AS other_cost_count
        FROM range({cost_count}) AS t(n) WHERE n % {item_count} % 10 > 0
    """)
    con.raw_sql("""
        CREATE TEMP TABLE buyers AS
        SELECT customer_id, min(order_date) FILTER (status = 'shipped') AS first_order_date,
            first_order_date AS first_paid_date, false AS is_first_paid_renewal
        FROM lines GROUP BY 1
    """)
    fill(con, "sales", Sales, "lines")
    fill(con, "versions", CostVersions, "cost_rows")
    fill(con, "customers", Customer, "buyers")
    fill(con, "cities", City, "(SELECT DISTINCT city_id FROM lines)")
    fill(con, "stock", RawStock, "(SELECT NULL AS product_id WHERE false)")


def fill(con: Backend, name: str, contract: type[Table], rows: str) -> None:
    """Make a table of a contract; null where rows have no such column."""
    kinds = {column: kind.copy(nullable=True) for column, kind in schema_of(contract).items()}
    con.create_table(name, schema=ibis.schema(kinds))
    found = con.raw_sql(f"DESCRIBE SELECT * FROM {rows}").fetchall()
    columns = ", ".join(column for column, *_ in found if column in kinds)
    con.raw_sql(f"INSERT INTO {name} BY NAME SELECT {columns} FROM {rows}")


@dataclass(frozen=True)
class Spent:
    """What a computation cost, in seconds."""

    wall_s: float
    cpu_s: float


def timed(compute: Callable[[], object]) -> Spent:
    """Return what a computation costs."""
    wall, cpu = time.perf_counter(), time.process_time()
    compute()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def platform(con: Backend) -> None:
    """Compute the platform's tables, each from those before, as runs do."""

    def stored(name: str, contract: type[Table] | None, rows: ir.Table) -> ir.Table:
        kinds = schema_of(contract) if contract else None
        return con.create_table(name, rows.cast(dict(kinds.items())) if kinds else rows)

    sold, customers, cities, versions, stock = map(
        con.table, ("sales", "customers", "cities", "versions", "stock")
    )
    costs = stored("own_costs", ItemCosts, item_costs(versions, stock))
    lines = stored("own_lines", ProfitLines, profit_lines(sold, costs, customers, cities))
    stored("own_daily", None, profit_daily(lines))
    stored("own_weekly", None, category_profitability(sold, lines))


def by_hand(con: Backend) -> None:
    """Run the hand-written statements."""
    con.raw_sql(SQL.read_text(encoding="utf-8"))


def check(con: Backend) -> None:
    """End with a word unless both sides have the same numbers."""
    shared = {
        "costs": ("item_id", "valid_from_date", "valid_to_date", "unit_cost_amount"),
        "lines": (
            *("uniq_id", "placed_date", "customer_type", "cost_amount", "returns_amount"),
            *("gross_profit_amount", "shipping_amount", "shipping_cost_amount"),
            *("payment_fee_amount", "goodwill_amount", "contribution_before_ads_amount"),
        ),
        "daily": (
            *("order_date", "order_count", "revenue_amount", "cost_amount", "gross_profit_amount"),
            *("costed_shipped_amount", "contribution_before_ads_amount", "shipping_amount"),
        ),
        "weekly": (
            *("week_start_date", "item_category", "profit_rank", "popularity_rank", "order_count"),
            *("revenue_amount", "gross_profit_amount", "contribution_before_ads_amount"),
        ),
    }
    for name, columns in shared.items():
        listed = ", ".join(columns)
        hand = listed
        if name == "daily":
            listed += "".join(f", nullif({dimension}, '(all)')" for dimension in DIMENSIONS)
            hand += "".join(f", {dimension}" for dimension in DIMENSIONS)
        own, other = f"SELECT {listed} FROM own_{name}", f"SELECT {hand} FROM hand_{name}"
        for left, right in ((own, other), (other, own)):
            rows = con.raw_sql(f"({left}) EXCEPT ALL ({right}) LIMIT 3").fetchall()
            if rows:
                sys.exit(f"the tables of {name} differ: {rows}")


def measure(line_count: int, item_count: int, cost_count: int, repetitions: int) -> None:
    """Both sides in turn; the ratio is the median of pairs."""
    pairs: list[tuple[Spent, Spent]] = []
    with scratch() as folder:
        for _ in range(repetitions):
            con = connect()
            con.raw_sql(f"SET temp_directory = '{folder}'")
            con.raw_sql(PART)
            make(con, line_count, item_count, cost_count)
            sides = [timed(partial(platform, con)), timed(partial(by_hand, con))]
            check(con)
            con.disconnect()
            pairs.append((sides[0], sides[1]))
            say(f"own {sides[0].cpu_s:.1f} CPU s, by hand {sides[1].cpu_s:.1f} CPU s")
    for kind, target in (("wall", RATIO), ("cpu", None)):
        value = median(
            getattr(own, f"{kind}_s") / getattr(other, f"{kind}_s") for own, other in pairs
        )
        about: dict[str, object] = {
            name: round(median(getattr(own, name) for own, _ in pairs), 2)
            for name in ("wall_s", "cpu_s")
        }
        name = f"profit: {line_count:,} order lines / hand-written SQL, {kind}"
        report(Result(name, value, "x", target, about=about))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--costs", type=int, default=200_000)
    parser.add_argument("--repetitions", type=int, default=2)
    arguments = parser.parse_args()
    measure(arguments.lines, arguments.items, arguments.costs, arguments.repetitions)


if __name__ == "__main__":
    main()
