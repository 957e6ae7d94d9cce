"""Questions about sales over two million order lines, and products bought together.

A question by three dimensions is asked by `ecom sales` of a Parquet file and of a CSV file, and of
the API over the same lines, where nobody asked before. Pairs of products are counted for all of
history, and for one more day. Times count only if all numbers are those of hand-written SQL.
"""

import argparse
import json
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.interfaces.api import answered, ask, served
from benchmarks.measuring import ECOM, Result, Spent, costs, report, run_process, say, scratch
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.products.contracts import ProductsBoughtTogether
from ecom_assets.commerce.products.together import products_bought_together
from ecom_assets.commerce.sales.contracts import City, Customer, Item, RevenueDaily, Sales
from ecom_assets.core.tables.contract import Column, Table
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.outputs.serving.assets import IN_SNAPSHOT
from ecom_assets.outputs.serving.snapshot import publish_snapshot

FIRST_DAY, DAYS = date(2025, 1, 1), 360
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
CITIES, CATEGORIES = 200, 100
PARQUET_S, CSV_S, API_S, TOGETHER_S, DAY_S = 2.0, 6.0, 1.0, 5.0, 1.0
PATH = "/analytics/sales"
QUESTION: dict[str, Any] = {
    "measures": ["revenue_amount", "order_count"],
    "by": ["category", "city", "payment_method"],
    "limit": 20,
}
OTHER = "(other)"
Numbers = dict[str, tuple[Decimal, int]]
"""Revenue and orders by the values of the dimensions; the total under the empty text."""


def made_lines(line_count: int, item_count: int) -> str:
    """Return the SELECT of order lines as a shop exports them: three an order, a fiftieth of them
    paid back ten days later.
    """
    sold = f"""
        SELECT n AS id, 'l' || n AS uniq_id, 'o' || (n // 3) AS order_id,
            DATE '{FIRST_DAY}' + (n // 3 * 3 * {DAYS - 10} // {line_count})::INTEGER
                + INTERVAL 1 SECOND * (hash(n // 3) % 86400)::INTEGER AS date_time,
            'city' || hash(n // 3) % {CITIES} AS city_id,
            'Town ' || hash(n // 3) % {CITIES} AS city_name,
            'c' || hash(n // 3) // 1000 % {max(line_count // 10, 1)} AS customer_id,
            'Ann' AS first_name, 'Adler' || hash(n // 3) % 5000 AS last_name,
            'i' || hash(n) % {item_count} AS item_id,
            'Item number ' || hash(n) % {item_count} AS item_name,
            'cat' || hash(n) % {item_count} % {CATEGORIES} AS item_category,
            ['web', 'app'][1 + (hash(n // 3) // 11 % 2)::INTEGER] AS sales_channel,
            1 + hash(n) // 100000 % 3 AS quantity,
            ((100 + hash(n) % 9000) / 100)::DECIMAL(18, 2) AS payment_amount, 'shipped' AS status,
            ['card', 'paypal', 'invoice', 'gift', 'cash'][1 + (hash(n // 3) // 7 % 5)::INTEGER]
                AS payment_method
        FROM range({line_count} * 50 // 51) AS t(n)
    """
    return f"""
        WITH sold AS ({sold})
        SELECT * FROM sold
        UNION ALL
        SELECT * REPLACE (uniq_id || '-back' AS uniq_id, date_time + INTERVAL 10 DAY AS date_time,
            'refunded' AS status)
        FROM sold WHERE hash(uniq_id) // 13 % 50 = 0
    """


def expected_numbers(con: duckdb.DuckDBPyConnection) -> Numbers:
    """Return what the question must answer, by hand-written SQL over the same lines."""
    con.execute("""
        CREATE OR REPLACE TEMP TABLE signed AS
        SELECT item_category || ' / ' || city_id || ' / ' || payment_method AS label,
            if(status = 'shipped', 1, -1) * payment_amount AS revenue,
            if(status = 'shipped', date_time::DATE || ' ' || order_id, NULL) AS order_key
        FROM lines
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE first_labels AS
        SELECT label FROM signed GROUP BY label
        ORDER BY sum(revenue) DESC, label LIMIT {QUESTION["limit"]}
    """)
    named = f"if(label IN (FROM first_labels), label, '{OTHER}')"
    rows = con.execute(f"""
        SELECT {named}, sum(revenue), count(DISTINCT order_key) FROM signed GROUP BY 1
        UNION ALL
        SELECT '', sum(revenue), count(DISTINCT order_key) FROM signed
    """).fetchall()
    return {label: (revenue, orders) for label, revenue, orders in rows}


def answered_numbers(answer: dict[str, Any]) -> Numbers:
    """Return the same from an answer."""
    rows = [*answer["sales"], {"by": {}, **answer["total"]}]
    return {
        _label(row): (
            Decimal(row["numbers"]["revenue_amount"]),
            row["numbers"]["order_count"],
        )
        for row in rows
    }


def _label(row: dict[str, Any]) -> str:
    values = list(row["by"].values())
    return OTHER if {*values} == {OTHER} else " / ".join(values)


def check(name: str, answer: dict[str, Any], expected: Numbers) -> None:
    """End with a word unless an answer has these numbers."""
    if (numbers := answered_numbers(answer)) != expected:
        other = {
            label: numbers.get(label) for label in expected if numbers.get(label) != expected[label]
        }
        sys.exit(f"{name} differs from hand-written SQL: {other}")


def by_command(path: Path, home: Path) -> tuple[Spent, dict[str, Any]]:
    """Ask the command of a file, as somebody does who has asked something before."""
    names = ("measures", "by")
    options = [part for name in names for part in (f"--{name}", ",".join(QUESTION[name]))]
    limit = ["--limit", str(QUESTION["limit"])]
    command = [ECOM, "sales", "--orders", str(path), *options, *limit, "--json"]
    spent = run_process(command, {"ECOM_HOME": str(home)})
    return spent, json.loads(spent.printed)


@dataclass(frozen=True)
class FilledTable:
    """A table that is filled from `lines`: with some columns, and the rest of the statement."""

    contract: type[Table]
    columns: dict[str, str]
    rows: str = "lines"


SAME = (
    *("uniq_id", "order_id", "city_id", "customer_id", "item_id", "item_category", "status"),
    *("sales_channel", "payment_method"),
)
OF_LINE = {name: name for name in SAME} | {
    "ordered_at": "date_time",
    "order_date": "date_time::DATE",
}
SIGN = "if(status = 'shipped', 1, -1)"
FILLED = (
    FilledTable(
        UserOrderLog,
        OF_LINE
        | {name: name for name in ("city_name", "first_name", "last_name", "item_name")}
        | {"quantity": "quantity", "payment_amount": "payment_amount"}
        | {"received_date": f"DATE '{LAST_DAY}'"},
    ),
    FilledTable(
        Sales,
        OF_LINE
        | {"quantity": f"{SIGN} * quantity", "revenue_amount": f"{SIGN} * payment_amount"}
        | {"channel": "'(none)'"},
    ),
    FilledTable(
        RevenueDaily,
        {"order_date": "date_time::DATE"}
        | {name: "'(all)'" for name in RevenueDaily.key if name != "order_date"},
        "lines GROUP BY date_time::DATE",
    ),
    FilledTable(
        City,
        {"city_id": "city_id", "city_name": "any_value(city_name)"},
        "lines GROUP BY city_id",
    ),
    FilledTable(
        Item,
        {"item_id": "item_id", "item_name": "any_value(item_name)"},
        "lines GROUP BY item_id",
    ),
    FilledTable(
        Customer,
        {
            "customer_id": "customer_id",
            "first_order_date": "min(date_time)::DATE",
            "first_paid_date": "min(date_time)::DATE",
            "is_first_paid_renewal": "false",
        },
        "lines GROUP BY customer_id",
    ),
)


def fill(engine: DuckDBEngine, parquet: Path) -> None:
    """Fill the tables that follow from the lines."""
    engine.execute(f"CREATE TEMP VIEW lines AS FROM '{parquet}'")
    for contract in IN_SNAPSHOT:
        engine.ensure(contract)
    engine.ensure(ProductsBoughtTogether)
    for table in FILLED:
        values = [
            f'{table.columns.get(name, _nothing(column))} AS "{name}"'
            for name, column in table.contract.columns.items()
        ]
        engine.execute(
            f"INSERT INTO {engine.name_of(table.contract)} SELECT {', '.join(values)} "
            f"FROM {table.rows}"
        )


def _nothing(column: Column) -> str:
    if column.nullable:
        return "NULL"
    kinds = {"string": "'-'", "date": f"DATE '{FIRST_DAY}'", "boolean": "FALSE"}
    return kinds.get(column.type, "0")


def by_api(home: Path, expected: Numbers) -> float:
    """Return how long the API takes for an answer that nobody asked for before."""
    with served(home) as connection:
        ask(connection, PATH, {"measures": ["order_count"]})  # as of somebody who came before
        took_s, answer = answered(connection, PATH, QUESTION)
    check("the API", json.loads(answer), expected)
    return took_s


def pairs_of(engine: DuckDBEngine, days: Days) -> Spent:
    """Count the pairs of some days, and write them, as a run does."""
    wall, cpu = time.perf_counter(), time.process_time()
    engine.replace(
        ProductsBoughtTogether, products_bought_together(engine.table(Sales), days), days
    )
    return Spent(time.perf_counter() - wall, time.process_time() - cpu, 0)


def check_pairs(engine: DuckDBEngine) -> None:
    """End with a word unless the pairs are those of hand-written SQL."""
    name = engine.name_of(ProductsBoughtTogether)
    by_hand = """
        WITH bought AS (
            SELECT DISTINCT date_time::DATE AS day, order_id, item_id FROM lines
            WHERE status = 'shipped'
        )
        SELECT a.day, a.item_id, b.item_id, count(*)::BIGINT
        FROM bought a JOIN bought b USING (day, order_id) WHERE a.item_id <= b.item_id
        GROUP BY ALL
        UNION ALL
        SELECT day, '(all)', '(all)', count(DISTINCT order_id)::BIGINT FROM bought GROUP BY 1
    """
    own = f"SELECT order_date, product_id, other_product_id, order_count FROM {name}"
    for left, right in ((own, by_hand), (by_hand, own)):
        if rows := engine.query(f"({left}) EXCEPT ALL ({right}) LIMIT 3"):
            sys.exit(f"the pairs differ from hand-written SQL: {rows}")


def _median(name: str, runs: list[Spent], target: float) -> Result:
    wall = median(run.wall_s for run in runs)
    return Result(name, wall, "s", target, about=costs(runs[-1]))


def measure(line_count: int, item_count: int, repetitions: int) -> None:
    """Make the lines, compare all answers, and report what they took."""
    with scratch() as folder:
        home, parquet, csv = folder / "home", folder / "lines.parquet", folder / "lines.csv"
        home.mkdir()
        with duckdb.connect() as con:
            con.execute(
                f"COPY ({made_lines(line_count, item_count)}) TO '{parquet}' (FORMAT parquet)"
            )
            con.execute(f"COPY (FROM '{parquet}') TO '{csv}' (FORMAT csv, HEADER)")
            con.execute(f"CREATE VIEW lines AS FROM '{parquet}'")
            expected = expected_numbers(con)
        say(f"{line_count:,} lines, {parquet.stat().st_size / 1e6:.0f} MB of Parquet")
        report(
            *_of_command(line_count, {"Parquet": parquet, "CSV": csv}, home, expected, repetitions)
        )
        with closing(DuckDBEngine(home / "warehouse.duckdb").open()) as engine:
            fill(engine, parquet)
            report(*_of_pairs(line_count, engine))
            publish_snapshot(engine, home / "serving", IN_SNAPSHOT, {}, "benchmark")
        took = [by_api(home, expected) for _ in range(repetitions)]
        name = f"sales by three dimensions over {line_count:,} order lines, API, first time"
        report(Result(name, median(took), "s", API_S))


def _of_command(
    line_count: int, files: dict[str, Path], home: Path, expected: Numbers, repetitions: int
) -> list[Result]:
    targets = {"Parquet": PARQUET_S, "CSV": CSV_S}
    runs: dict[str, list[Spent]] = {kind: [] for kind in files}
    for repetition in range(repetitions + 1):
        for kind, path in files.items():
            spent, answer = by_command(path, home)
            check(f"the command over {kind}", answer, expected)
            if repetition:  # the first round keeps statements
                runs[kind].append(spent)
                say(f"{kind}: {spent.wall_s:.2f} s, CPU {spent.cpu_s:.2f} s")
    return [
        _median(
            f"sales by three dimensions over {line_count:,} order lines, {kind}",
            runs[kind],
            targets[kind],
        )
        for kind in files
    ]


def _of_pairs(line_count: int, engine: DuckDBEngine) -> list[Result]:
    every = Days.between(FIRST_DAY, LAST_DAY + 2 * ONE_DAY)
    whole = pairs_of(engine, every)
    check_pairs(engine)
    days = [
        Days.between(LAST_DAY - n * ONE_DAY, LAST_DAY - (n - 1) * ONE_DAY) for n in (40, 30, 20)
    ]
    single = [pairs_of(engine, day) for day in days]
    check_pairs(engine)
    return [
        _median(f"bought together, {line_count:,} order lines", [whole], TOGETHER_S),
        _median(f"bought together, a day after {DAYS - 1} days", single, DAY_S),
    ]


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    measure(arguments.lines, arguments.items, arguments.repetitions)


if __name__ == "__main__":
    main()
