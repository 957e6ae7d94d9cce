"""One more day of orders after a short and after a long history:
what an increment costs must not depend on it.

Each repetition takes fresh copies of two warehouses, in turn. Both are first compared with their
lines: as many sales, of the same amount, as were made.
"""

import argparse
import csv
import logging
import random
import shutil
import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.measuring import Result, report, say, scratch
from benchmarks.orchestration.one_more_day import ONE_DAY, Figures, run_days

NEXT_DAY = date(2026, 3, 2)
CUSTOMERS, ITEMS, CITIES = 20_000, 2_000, 200
COLUMNS = (
    "id",
    "uniq_id",
    "date_time",
    "city_id",
    "city_name",
    "customer_id",
    "first_name",
    "last_name",
    "item_id",
    "item_name",
    "quantity",
    "payment_amount",
    "status",
)
RATIO = 1.1


def write_day(day: date, line_count: int, folder: Path) -> None:
    """Write a day's increment: lines of random customers, items and cities,
    one in fifty a refund.
    """
    dice = random.Random(day.toordinal())  # noqa: S311 (made data)
    path = folder / f"increment_date={day}" / "user_order_log_inc.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(line_count):
            at = datetime.combine(day, time()) + timedelta(seconds=dice.randrange(86_400))
            city, customer, item = (
                dice.randrange(CITIES),
                dice.randrange(CUSTOMERS),
                dice.randrange(ITEMS),
            )
            status = "refunded" if dice.randrange(50) == 0 else "shipped"
            of_whom = (
                city,
                f"City {city}",
                customer,
                "Ann",
                "Adler",
                item,
                f"Item {item}",
                1,
                10 + item % 90,
                status,
            )
            writer.writerow((number, f"{day}-{number}", at.isoformat(), *of_whom))


def with_history(days: int, line_count: int, folder: Path) -> tuple[Path, Path]:
    """Return a home that holds so many days, and the increments with the next day in place."""
    home, orders = folder / f"home_{days}", folder / f"orders_{days}"
    first = NEXT_DAY - days * ONE_DAY
    for number in range(days):
        write_day(first + number * ONE_DAY, line_count, orders)
    spent = run_days(home, first, NEXT_DAY - ONE_DAY, orders=str(orders))
    write_day(NEXT_DAY, line_count, orders)
    say(f"{days} days of history: {spent['wall_s']:.1f} s")
    return home, orders


def one_more(home: Path, orders: Path, expected_count: int) -> Figures:
    """Run the next day on a copy of the home, and see that every line is there."""
    copied = home.with_name("copy")
    shutil.copytree(home, copied)
    try:
        spent = run_days(copied, NEXT_DAY, NEXT_DAY, orders=str(orders))
        with duckdb.connect(str(copied / "warehouse.duckdb"), read_only=True) as con:
            actual = con.execute(
                "SELECT count(*), sum(revenue_amount), (SELECT sum(revenue_amount) FROM "
                "mart.product_sales_daily) FROM mart.sales"
            ).fetchone()
        if not actual or actual[0] != expected_count or actual[1] != actual[2]:
            sys.exit(f"{actual} is not {expected_count} sales that add up")
        return spent
    finally:
        shutil.rmtree(copied)


def measure(histories: tuple[int, int], line_count: int, repetitions: int) -> None:
    """Both histories in turn; the ratio is the median of pairs."""
    short, long = histories
    with scratch() as folder:
        made = {days: with_history(days, line_count, folder) for days in histories}
        runs: dict[int, list[Figures]] = {days: [] for days in histories}
        for repetition in range(repetitions + 1):
            for days, (home, orders) in made.items():
                spent = one_more(home, orders, (days + 1) * line_count)
                if repetition:  # the first round warms caches
                    runs[days].append(spent)
                    say(f"after {days} days: {spent['wall_s']:.2f} s, CPU {spent['cpu_s']:.2f} s")
    for kind, target in (("wall", RATIO), ("cpu", None)):
        pairs = zip(runs[short], runs[long], strict=True)
        value = median(
            after_long[f"{kind}_s"] / after_short[f"{kind}_s"] for after_short, after_long in pairs
        )
        about: dict[str, object] = {
            name: round(median(run[name] for run in runs[long]), 3) for name in ("wall_s", "cpu_s")
        }
        name = f"one_more_order_day: {long} days of history / {short}, {kind}"
        report(Result(name, value, "x", target, about=about))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, nargs=2, default=(30, 360), help="days of history")
    parser.add_argument("--lines", type=int, default=5_000, help="order lines a day")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    measure(tuple(arguments.days), arguments.lines, arguments.repetitions)


if __name__ == "__main__":
    main()
