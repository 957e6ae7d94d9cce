"""One more day of a shop with visits and orders, with what its ads cost and without; and what ads
add to a run over the sandbox shop.

Each repetition takes fresh copies of two warehouses, in turn. Of the history, each day of spend is
loaded on the next day, and restated on the three after it.
"""

import argparse
import csv
import logging
import random
import shutil
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.commerce.one_more_order_day import (
    CUSTOMERS,
    NEXT_DAY,
    in_turn,
    report_ratios,
    run_next_day,
    write_day,
)
from benchmarks.measuring import Result, costs, report, run_platform, say, scratch
from benchmarks.orchestration.one_more_day import ONE_DAY, Figures, run_days
from ecom_assets.core.clock import now_utc
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.ingestion.sources.sandbox_shop import AD_SPEND
from ecom_assets.orchestration.sandbox import ensure_sandbox

RATIO, MORE_S = 1.2, 1.0
RESTATED_DAYS = 4
PLATFORMS = ("google_ads", "meta")
SPENT = (
    *("spend_date", "platform", "account_id", "campaign_id", "campaign_name", "spend_amount"),
    *("currency", "impression_count", "click_count", "platform_conversion_count"),
)


def write_visits(day: date, count: int, folder: Path) -> None:
    """Write the visits of a day: pages that customers see, half of them from ads."""
    into = folder / f"received_date={day}"
    into.mkdir(parents=True)
    duckdb.sql(f"""
        COPY (
            SELECT '{day}-' || n AS event_id, h % {CUSTOMERS} AS user_id, 'page_view' AS event_type,
                TIMESTAMP '{day}' + INTERVAL (h // 7 % 86400) SECOND AS event_timestamp,
                '1' AS product_id, '{day}-' || n AS session_id, NULL::VARCHAR AS product_category,
                'https://shop.example/' || CASE h % 4
                    WHEN 0 THEN '?utm_source=google&utm_medium=cpc&gclid=1&utm_id=' || h // 11 % 500
                    WHEN 1 THEN '?utm_source=facebook&utm_medium=paid_social&utm_campaign='
                        || 'Campaign%20' || h // 11 % 500
                    ELSE '' END AS page_url,
                NULL::VARCHAR AS referrer_url, NULL::DECIMAL(18, 2) AS cart_value,
                'd' || h % {CUSTOMERS} AS anonymous_id, NULL::VARCHAR AS properties
            FROM (SELECT n, hash(n * 1000 + {day.toordinal()}) AS h FROM range({count}) AS t(n))
        ) TO '{into / "events.parquet"}'
    """)


def write_spend(arrived: date, count: int, folder: Path, first: date) -> None:
    """Write what arrives on a day: so many rows of each of the days before it, of two platforms."""
    folder.mkdir(exist_ok=True)
    with (folder / f"spend-{arrived}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(SPENT)
        for lag in range(RESTATED_DAYS):
            day = arrived - (lag + 1) * ONE_DAY
            dice = random.Random(day.toordinal())  # noqa: S311 (made data)
            for number in range(count if day >= first else 0):
                platform, campaign = PLATFORMS[number % 2], number // 2
                amount = f"{dice.randrange(1, 90_000) + lag / 4:.2f}"
                of_what = (day, platform, "1", campaign, f"Campaign {campaign}", amount)
                writer.writerow((*of_what, "EUR", dice.randrange(9_000), dice.randrange(90), "1.5"))


@dataclass(frozen=True)
class AdShop:
    """A home with a history, the next day in place, and its sources."""

    home: Path
    source: dict[str, str]

    @classmethod
    def with_history(cls, days: int, counts: tuple[int, int, int], folder: Path) -> "AdShop":
        """Return a shop that holds so many days of so many lines, visits and rows of spend each;
        without ads if there is no spend.
        """
        lines, visits, spend = counts
        name = "with_ads" if spend else "without_ads"
        first, of = NEXT_DAY - days * ONE_DAY, folder / name
        source = {"orders": str(of / "orders"), "events": str(of / "events")}
        if spend:
            source["ad_spend"] = f"native={of / 'spend'}"

        def land(day: date) -> None:
            write_day(day, lines, of / "orders")
            write_visits(day, visits, of / "events")
            if spend:
                write_spend(day, spend, of / "spend", first)

        of.mkdir()
        for number in range(days):
            land(first + number * ONE_DAY)
        spent = run_days(of / "home", first, NEXT_DAY - ONE_DAY, **source)
        land(NEXT_DAY)
        say(f"{name}: {days} days of history: {spent['wall_s']:.1f} s")
        return cls(of / "home", source)

    def one_more(self) -> Figures:
        """Run the next day on a copy of the home, and see that its newest spend is there."""
        return run_next_day(self.home, self._check, **self.source)

    def _check(self, con: duckdb.DuckDBPyConnection) -> None:
        """End with a word unless the newest load of each day, and nothing else, was spent."""
        found = con.execute(
            "SELECT sum(spend_amount), max(marketing_date) FROM mart.marketing_daily "
            "WHERE model = 'linear' AND spend_amount <> 0"
        ).fetchone()
        wanted: object = (None, None)
        if path := self.source.get("ad_spend", "").removeprefix("native="):
            wanted = con.execute(f"""
                SELECT sum(spend_amount)::DECIMAL(38, 6), max(spend_date) FROM (
                    SELECT spend_date, spend_amount::DECIMAL(18, 6) AS spend_amount
                    FROM read_csv('{path}/*.csv', filename = true)
                    QUALIFY rank() OVER (PARTITION BY spend_date ORDER BY filename DESC) = 1)
            """).fetchone()
        if found != wanted:
            sys.exit(f"spent are {found}, not {wanted}")


def measure(days: int, counts: tuple[int, int, int], repetitions: int) -> None:
    """Compare a day with ads with one without."""
    lines, visits, _ = counts
    with scratch() as folder:
        without, with_ads = in_turn(
            {
                "without ads": AdShop.with_history(days, (lines, visits, 0), folder),
                "with ads": AdShop.with_history(days, counts, folder),
            },
            repetitions,
        )
    name = f"with ads / without, after {days} days"
    report_ratios(name, without, with_ads, RATIO, subject="one_more_ad_day")


def measure_sandbox(repetitions: int) -> None:
    """Report how many seconds more a run over the sandbox shop takes with its ads."""
    more: dict[str, list[float]] = {"wall_s": [], "cpu_s": []}
    about: dict[str, object] = {}
    with scratch() as folder:
        made = load_settings(home=folder / "made")
        ensure_sandbox(made, now_utc)
        for repetition in range(repetitions + 1):
            spent = {}
            for has_ads in (False, True):
                home = folder / "home"
                shutil.copytree(folder / "made", home)
                if not has_ads:
                    shutil.rmtree(load_settings(home=home).sandbox_folder / AD_SPEND)
                spent[has_ads], summary = run_platform(ECOM_HOME=str(home))
                if bool(summary["tables"].get("mart.marketing_daily")) is not has_ads:
                    sys.exit(f"with ads: {has_ads}, but {summary['tables']}")
                shutil.rmtree(home)
            about = costs(spent[True])
            for kind, values in more.items() if repetition else ():  # the first fills caches
                values.append(getattr(spent[True], kind) - getattr(spent[False], kind))
                say(f"sandbox, {kind} more with ads: {values[-1]:.2f}")
    for kind, unit, target in (("wall_s", "s", MORE_S), ("cpu_s", "CPU s", None)):
        name = f"`ecom run` over the sandbox shop: more with ads than without, {unit}"
        report(Result(name, median(more[kind]), unit, target, about=about, tolerance=0.5))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=30, help="days of history")
    parser.add_argument("--lines", type=int, default=5_556, help="order lines a day")
    parser.add_argument("--visits", type=int, default=11_000, help="visits a day")
    parser.add_argument("--spend", type=int, default=700, help="campaigns, each day, of each load")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", choices=("day", "sandbox"), help="only one of both")
    arguments = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    counts = (arguments.lines, arguments.visits, arguments.spend)
    if arguments.only != "sandbox":
        measure(arguments.days, counts, arguments.repetitions)
    if arguments.only != "day":
        measure_sandbox(arguments.repetitions)


if __name__ == "__main__":
    main()
