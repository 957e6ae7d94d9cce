"""One more day of orders after a short and after a long history:
what an increment costs must not depend on it; and in a shop that knows what its items cost, beside
the same shop without costs.

Each repetition takes fresh copies of two warehouses, in turn. Both are first compared with their
lines: as many sales, of the same amount, as were made; and as much profit.
"""

import argparse
import csv
import logging
import random
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from statistics import median
from typing import Protocol

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
COSTS_RATIO = 1.2
"""How much longer a day may take with costs."""
COST_STARTS = ("2025-01-01", "2025-12-01", "2026-01-15", "2026-02-20")
"""From when on each item has another cost."""


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


def write_costs(path: Path) -> Path:
    """Write what items cost since when: half of their price, and 1 more from each start on."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("item_id", "unit_cost_amount", "valid_from_date"))
        for item in range(ITEMS):
            for number, start in enumerate(COST_STARTS):
                writer.writerow((item, (10 + item % 90) / 2 + number, start))
    return path


@dataclass(frozen=True)
class Shop:
    """A home with a history, the increments with the next day in place, and its other sources."""

    home: Path
    orders: Path
    line_count: int
    source: dict[str, str]

    @classmethod
    def with_history(
        cls, days: int, line_count: int, folder: Path, costs: Path | None = None
    ) -> "Shop":
        """Return a shop that holds so many days."""
        name = f"{days}_with_costs" if costs else str(days)
        source = {"costs": str(costs)} if costs else {}
        home, orders = folder / f"home_{name}", folder / f"orders_{name}"
        first = NEXT_DAY - days * ONE_DAY
        for number in range(days):
            write_day(first + number * ONE_DAY, line_count, orders)
        spent = run_days(home, first, NEXT_DAY - ONE_DAY, orders=str(orders), **source)
        write_day(NEXT_DAY, line_count, orders)
        say(f"{name} days of history: {spent['wall_s']:.1f} s")
        return cls(home, orders, (days + 1) * line_count, source)

    def one_more(self) -> Figures:
        """Run the next day on a copy of the home, and see that every line is there."""
        return run_next_day(self.home, self._check, orders=str(self.orders), **self.source)

    def _check(self, con: duckdb.DuckDBPyConnection) -> None:
        actual = con.execute(
            "SELECT count(*), sum(revenue_amount), (SELECT sum(revenue_amount) FROM "
            "mart.product_sales_daily) FROM mart.sales"
        ).fetchone()
        if not actual or actual[0] != self.line_count or actual[1] != actual[2]:
            sys.exit(f"{actual} is not {self.line_count} sales that add up")
        of_sold = con.execute(
            "SELECT count(gross_profit_amount), sum(cost_amount) FROM mart.profit_lines "
            "WHERE status = 'shipped'"
        ).fetchone()
        expected = con.execute(f"""
            SELECT count(*), sum(quantity * (SELECT (10 + item_id::INTEGER % 90) / 2 + count(*) - 1
                FROM unnest({list(COST_STARTS)}) AS s(start) WHERE start::DATE <= order_date))
            FROM mart.sales WHERE status = 'shipped'
        """).fetchone()
        wanted = expected if self.source else (0, None)
        if not of_sold or not wanted or of_sold != wanted:
            sys.exit(f"{of_sold} is not the profit of {wanted}")


def measure_costs(days: int, line_count: int, repetitions: int) -> None:
    """Compare a day with costs with one without."""
    with scratch() as folder:
        without, with_costs = in_turn(
            {
                "without costs": Shop.with_history(days, line_count, folder),
                "with costs": Shop.with_history(
                    days, line_count, folder, write_costs(folder / "costs.csv")
                ),
            },
            repetitions,
        )
    report_ratios(f"with costs / without, after {days} days", without, with_costs, COSTS_RATIO)


def measure(histories: tuple[int, int], line_count: int, repetitions: int) -> None:
    """Compare a day after a long history with one after a short history."""
    short, long = histories
    with scratch() as folder:
        after_short, after_long = in_turn(
            {
                f"after {days} days": Shop.with_history(days, line_count, folder)
                for days in histories
            },
            repetitions,
        )
    report_ratios(f"{long} days of history / {short}", after_short, after_long, RATIO)


def run_next_day(
    home: Path, check: Callable[[duckdb.DuckDBPyConnection], None], **sources: str
) -> Figures:
    """Run the next day on a copy of a home, and let its warehouse be checked."""
    copied = home.with_name("copy")
    shutil.copytree(home, copied)
    try:
        spent = run_days(copied, NEXT_DAY, NEXT_DAY, **sources)
        with duckdb.connect(str(copied / "warehouse.duckdb"), read_only=True) as con:
            check(con)
        return spent
    finally:
        shutil.rmtree(copied)


class HasNextDay(Protocol):
    """A shop of which the next day can be run."""

    def one_more(self) -> Figures:
        """Run the next day on a copy of the home."""


def in_turn(shops: Mapping[str, HasNextDay], repetitions: int) -> list[list[Figures]]:
    """Run the next day of each shop in turn; return the runs of each, without the first, which
    warms caches.
    """
    runs: dict[str, list[Figures]] = {name: [] for name in shops}
    for repetition in range(repetitions + 1):
        for name, shop in shops.items():
            spent = shop.one_more()
            if repetition:
                runs[name].append(spent)
                say(f"{name}: {spent['wall_s']:.2f} s, CPU {spent['cpu_s']:.2f} s")
    return [*runs.values()]


def report_ratios(
    name: str,
    plain: list[Figures],
    compared: list[Figures],
    target: float,
    subject: str = "one_more_order_day",
) -> None:
    """Report how much longer one kind of day takes than the other: the median of pairs."""
    about: dict[str, object] = {
        kind: round(median(run[kind] for run in compared), 3) for kind in ("wall_s", "cpu_s")
    }
    for kind, bound in (("wall", target), ("cpu", None)):
        key = f"{kind}_s"
        value = median(
            after[key] / before[key] for before, after in zip(plain, compared, strict=True)
        )
        report(Result(f"{subject}: {name}, {kind}", value, "x", bound, about=about))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, nargs=2, default=(30, 360), help="days of history")
    parser.add_argument("--lines", type=int, default=5_000, help="order lines a day")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only-costs", action="store_true", help="only with costs and without")
    arguments = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    if not arguments.only_costs:
        measure(tuple(arguments.days), arguments.lines, arguments.repetitions)
    measure_costs(arguments.days[0], arguments.lines, arguments.repetitions)


if __name__ == "__main__":
    main()
