"""The tables of advertising beside the same tables by hand-written SQL, on DuckDB: which loads of
spend count, what campaigns cost, what orders are credited to them, and what customers are worth.

`marketing.sql` is written for shops as these. Times count only if all numbers are equal.
"""

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from benchmarks.commerce.profit import Spent, fill, timed
from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.commerce.attribution.contracts import Conversions, Touches
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.marketing import campaigns, cohorts, performance, spend
from ecom_assets.commerce.marketing.account_zones import AccountZones
from ecom_assets.commerce.marketing.campaigns import CampaignRule
from ecom_assets.commerce.marketing.contracts import (
    AdCampaigns,
    AdSpend,
    AdSpendDaily,
    CampaignCredit,
    CampaignTags,
    CustomerCohortValue,
    MarketingDaily,
    RawAdSpend,
    SpendReconciliationDaily,
)
from ecom_assets.commerce.sales.contracts import Calendar, City, Sales
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.local import connect

SQL: Final = Path(__file__).with_suffix(".sql")
RATIO: Final = 1.3
FIRST, DAYS = date(2025, 1, 1), 360
LOADS: Final = 4
"""How often each day is loaded: on the next day, and restated on the three after it."""
CITIES, COUNTRIES, CATEGORIES = 200, 20, 30
RUN: Final = Days.between(FIRST - timedelta(days=60), FIRST + timedelta(days=DAYS + 30))
"""The days of the run: also those of visits before the first order, and of refunds."""


def make(con: Backend, spend_count: int, order_count: int) -> None:
    """Fill spend of three platforms with two accounts each, restated on three days; orders of one
    or two lines, a fiftieth of them paid back, a twentieth renewals; and two visits for each order,
    half of them from ads.
    """
    units = max(spend_count // (DAYS * LOADS), 18)
    con.raw_sql(f"""
        CREATE TEMP TABLE numbered AS
        SELECT n, hash(n) AS h, DATE '{FIRST}' + (n // {units * LOADS})::INTEGER AS spend_date,
            n // {units} % {LOADS} AS lag, n % {units} AS u, u % 3 AS p, u // 3 % 2 AS a,
            u // 6 // if(p = 1, 3, 1) AS c
        FROM range({units * LOADS * DAYS}) AS t(n)
    """)
    # Every tenth campaign of TikTok is in an export of its own; of each load one row is a total.
    con.raw_sql("""
        CREATE TEMP TABLE spend_rows AS
        SELECT 's' || n AS spend_id, ['google_ads', 'meta', 'tiktok'][1 + p] AS platform,
            'account ' || a AS account_id, if(u = 0, NULL, (p * 2 + a) * 100000 + c) AS number,
            number::VARCHAR AS campaign_id,
            if(u = 0, 'Total: Campaigns', if(c % 10 = 0, 'Brand ', 'Campaign ') || number)
              AS campaign_name,
            if(p = 0, 'Europe/Berlin', NULL) AS account_time_zone,
            if(p = 1, number || '-' || u // 6 % 3, NULL) AS ad_group_id, ad_group_id AS
              ad_group_name,
            if(u = 0, NULL, spend_date) AS spend_date, if(u = 0, NULL, spend_date) AS until_date,
            spend_date::VARCHAR AS received_spend_date,
            if(h % 1000 = 1, '--', 'spent') AS received_spend_amount, 'EUR' AS received_currency,
            'EUR' AS currency,
            if(h % 1000 = 1, NULL, (1000000 + h % 90000000 + lag)::DECIMAL(18, 6) / 1000000)
              ::DECIMAL(18, 6) AS account_spend_amount, account_spend_amount AS spend_amount,
            (h % 9000)::BIGINT AS impression_count, (h % 300)::BIGINT AS click_count,
            if(p = 2, NULL, (h % 40)::DECIMAL(18, 6) / 10)::DECIMAL(18, 6)
              AS platform_conversion_count,
            (platform_conversion_count * 50)::DECIMAL(18, 6) AS account_conversion_amount,
            account_conversion_amount AS platform_conversion_amount,
            spend_date + lag::INTEGER + 1 AS received_date, received_date::TIMESTAMP AS received_at,
            'native=ads' AS source,
            if(p = 2 AND c % 10 = 0, 'brand-', 'ads-') || received_date || '.csv' AS source_file
        FROM numbered
    """)
    customers = max(order_count // 4, 1)
    con.raw_sql(f"""
        CREATE TEMP TABLE orders AS
        SELECT n, hash(n) AS h, 'o' || n AS order_id, 'c' || h // 7 % {customers} AS customer_id,
            DATE '{FIRST}' + (n * {DAYS} // {order_count})::INTEGER AS order_date,
            order_date + INTERVAL (h % 86400) SECOND AS ordered_at
        FROM range({order_count}) AS t(n)
    """)
    con.raw_sql(f"""
        CREATE TEMP TABLE lines AS
        SELECT order_id || '-' || line AS uniq_id, order_id, customer_id, order_date, ordered_at,
            'city' || h // 3 % {CITIES} AS city_id, hash(n * 2 + line) AS g,
            'i' || g % 5000 AS item_id, 'cat' || g % {CATEGORIES} AS item_category,
            ['Email', 'Direct', 'Paid Search'][1 + (h // 5 % 3)::INTEGER] AS channel,
            'web' AS sales_channel, 'shipped' AS status, 'new' AS customer_type, 1 AS quantity,
            false AS is_restock_assumed,
            order_date AS placed_date, ((100 + g // 11 % 9000)::DECIMAL(18, 4) / 100)
              ::DECIMAL(18, 4) AS revenue_amount,
            h // 19 % 20 = 0 AS is_renewal,
            [NULL, NULL, 'SPRING', 'FRIEND, SPRING'][1 + (h // 13 % 4)::INTEGER] AS discount_codes,
            if(h // 17 % 10 = 0, 0, revenue_amount) AS contribution_revenue_amount,
            if(h // 17 % 10 = 0, NULL, (revenue_amount * 3 / 7)::DECIMAL(38, 6))
              AS contribution_before_ads_amount
        FROM orders, range(2) AS lines(line) WHERE line = 0 OR n % 2 = 0
    """)
    con.raw_sql("""
        INSERT INTO lines
        SELECT * REPLACE (uniq_id || '-back' AS uniq_id, order_date + 10 AS order_date,
            ordered_at + INTERVAL 10 DAY AS ordered_at, 'refunded' AS status, -1 AS quantity,
            -revenue_amount AS revenue_amount,
            -contribution_revenue_amount AS contribution_revenue_amount,
            -contribution_before_ads_amount AS contribution_before_ads_amount)
        FROM lines WHERE hash(order_id) % 50 = 0
    """)
    con.raw_sql("""
        CREATE TEMP TABLE bought_rows AS
        SELECT 'order' AS unit, order_id AS conversion_id, customer_id AS visitor_id,
            customer_id,
            status = 'refunded' AS is_refund, order_date AS converted_date,
            bool_or(is_renewal) AS is_renewal, min(ordered_at) AS converted_at,
            sum(revenue_amount) AS revenue_amount
        FROM lines GROUP BY order_id, customer_id, status, order_date
    """)
    per_account = max(units // 6, 1)
    con.raw_sql(f"""
        CREATE TEMP TABLE visits AS
        SELECT 's' || n || '-' || v AS session_id, customer_id AS visitor_id,
            hash(n * 2 + v + 1) AS g, g % 10 AS kind,
            ordered_at - INTERVAL (g // 10 % (40 * 86400)) SECOND AS started_at,
            started_at::DATE AS started_date, g // 97 % 100 = 0 AS is_bot,
            g // 101 % 2 AS a, g // 103 % {per_account} AS c,
            'source' AS source, 'medium' AS medium, '1' AS source_lists_version,
            CASE
                WHEN kind < 3 THEN 'Paid Search' WHEN kind < 6 THEN 'Paid Social'
                WHEN kind = 6 THEN 'Email' WHEN kind = 7 THEN 'Direct' WHEN kind = 8 THEN 'Display'
                ELSE 'Organic Search'
            END AS channel,
            CASE
                WHEN kind < 3 THEN 'google_ads' WHEN kind < 5 THEN 'meta'
                WHEN kind = 8 THEN 'microsoft_ads'
            END AS ad_platform,
            if(kind < 3, (a * 100000 + c)::VARCHAR, NULL) AS campaign_id,
            CASE
                WHEN kind IN (3, 4) THEN if(c // 3 % 10 = 0, 'brand ', 'campaign ')
                    || ((2 + a) * 100000 + c // 3)
                WHEN kind = 5 THEN 'unknown' WHEN kind = 6 THEN 'letter ' || c ELSE '(not set)'
            END AS campaign
        FROM orders, range(2) AS visits(v)
    """)
    fill(con, "raw_spend", RawAdSpend, "spend_rows")
    fill(con, "sales", Sales, "lines")
    fill(con, "profit_lines", ProfitLines, "lines")
    fill(con, "conversions", Conversions, "bought_rows")
    fill(con, "touches", Touches, "visits")
    cities = f"range({CITIES}) AS t(n)"
    of_city = f"'city' || n AS city_id, 'country' || n % {COUNTRIES} AS country"
    fill(con, "cities", City, f"(SELECT {of_city} FROM {cities})")
    days = f"range({DAYS + 10}) AS t(n)"
    fill(
        con,
        "calendar",
        Calendar,
        f"(SELECT DATE '{FIRST}' + n::INTEGER AS calendar_date FROM {days})",
    )
    for name in ("numbered", "spend_rows", "orders", "lines", "bought_rows", "visits"):
        con.raw_sql(f"DROP TABLE {name}")


Compute = Callable[[Mapping[str, ir.Table]], ir.Table]
COMPUTED: Final[Mapping[type[Table], Compute]] = {
    AdSpend: lambda of: spend.ad_spend(of["raw_spend"], RUN),
    AdSpendDaily: lambda of: spend.ad_spend_daily(of["own_ad_spend"], AccountZones(), RUN),
    CampaignCredit: lambda of: campaigns.campaign_credit(
        of["conversions"], of["touches"], AttributionRule(), RUN
    ),
    CampaignTags: lambda of: campaigns.campaign_tags(
        of["touches"], of["own_ad_spend_daily"], CampaignRule()
    ),
    AdCampaigns: lambda of: campaigns.ad_campaigns(
        of["own_ad_spend_daily"], of["own_campaign_tags"], CampaignRule()
    ),
    MarketingDaily: lambda of: performance.marketing_daily(
        of["own_ad_spend_daily"],
        of["touches"],
        of["own_campaign_credit"],
        of["conversions"],
        of["profit_lines"],
        of["own_campaign_tags"],
        days=RUN,
    ),
    SpendReconciliationDaily: lambda of: performance.spend_reconciliation_daily(
        of["own_marketing_daily"], RUN
    ),
    CustomerCohortValue: lambda of: cohorts.customer_cohort_value(
        of["sales"], of["profit_lines"], of["cities"], of["calendar"]
    ),
}
"""How the platform computes each table, in the order of a run."""
NOT_COMPARED: Final = {
    *("ad_group_id", "ad_group_name", "final_url", "received_at"),
    *("definition_hash", "unit"),
}
"""Columns that the tables by hand lack: they say nothing of such shops."""
TABLES: Final = (
    "raw_spend",
    "touches",
    "conversions",
    "sales",
    "profit_lines",
    "cities",
    "calendar",
)


def own_table(con: Backend, contract: type[Table]) -> None:
    """Compute a table as runs do, from tables that are there."""
    of = {name: con.table(name) for name in con.list_tables()}
    rows = COMPUTED[contract](of)
    con.create_table(f"own_{contract.name}", rows.cast(dict(schema_of(contract).items())))


def parts_by_hand() -> Iterator[tuple[str, str]]:
    """Return the name and the statements of each table by hand."""
    for part in SQL.read_text(encoding="utf-8").split("-- == ")[1:]:
        name, _, statements = part.partition("\n")
        yield name, statements


def check(con: Backend, contract: type[Table]) -> None:
    """End with a word unless both sides have the same rows of a table, and there are any."""
    name = contract.name
    by_hand = con.table(f"hand_{name}").schema()
    if missing := {*contract.columns} - {*by_hand} - NOT_COMPARED:
        sys.exit(f"by hand, {name} lacks {sorted(missing)}")
    columns = ", ".join(
        f"round({column}, 9)" if kind.type == "float64" else column
        for column, kind in contract.columns.items()
        if column in by_hand
    )
    own, other = (f"SELECT {columns} FROM {side}_{name}" for side in ("own", "hand"))
    for left, right in ((own, other), (other, own)):
        rows = con.raw_sql(f"({left}) EXCEPT ALL ({right}) LIMIT 3").fetchall()
        if rows:
            sys.exit(f"the tables {name} differ by {columns}: {rows}")
    if not con.raw_sql(f"SELECT 1 FROM own_{name} LIMIT 1").fetchall():
        sys.exit(f"{name} is empty")


Costs = dict[str, tuple[Spent, Spent]]
"""What each table cost the platform, and by hand."""


def run(con: Backend, *, own_first: bool = True) -> Costs:
    """Compute each table on both sides in turn, and compare them; return what both cost.

    The second of both finds memory that the first had to ask for.
    """
    by_hand = dict(parts_by_hand())
    spent: Costs = {}
    for contract in COMPUTED:
        sides = [
            partial(own_table, con, contract),
            partial(con.raw_sql, by_hand[contract.name]),
        ]
        first, second = map(timed, sides if own_first else reversed(sides))
        check(con, contract)
        spent[contract.name] = (first, second) if own_first else (second, first)
    return spent


def measure(spend_count: int, order_count: int, repetitions: int) -> None:
    """Report the costs of all tables, and of each, as multiples of those by hand."""
    runs: list[Costs] = []
    with scratch() as folder:
        for repetition in range(repetitions):
            con = connect()
            con.raw_sql(f"SET temp_directory = '{folder}'")
            make(con, spend_count, order_count)
            runs.append(run(con, own_first=repetition % 2 == 0))
            con.disconnect()
            for name, (own, hand) in runs[-1].items():
                say(f"{name}: own {own.cpu_s:.2f} CPU s, by hand {hand.cpu_s:.2f} CPU s")
    scale = f"{spend_count:,} rows of spend and {order_count:,} orders"
    for kind, target in (("wall", RATIO), ("cpu", None)):
        about: dict[str, object] = {name: round(_ratio(runs, [name], kind), 2) for name in runs[0]}
        name = f"marketing: tables of {scale} / hand-written SQL, {kind}"
        value = _ratio(runs, runs[0], kind)
        report(Result(name, value, "x", target, about=about))


def _ratio(runs: Sequence[Costs], names: Collection[str], kind: str) -> float:
    """Return what some tables cost, as a multiple of those by hand: the median of runs."""

    def cost(spent: Costs, side: int) -> float:
        return sum(float(getattr(spent[name][side], f"{kind}_s")) for name in names)

    return median(cost(spent, 0) / cost(spent, 1) for spent in runs)


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spend", type=int, default=1_000_000, help="received rows of spend")
    parser.add_argument("--orders", type=int, default=2_000_000)
    parser.add_argument("--repetitions", type=int, default=2)
    arguments = parser.parse_args()
    measure(arguments.spend, arguments.orders, arguments.repetitions)


if __name__ == "__main__":
    main()
