"""Credit for a million purchases under every model, from sessions with channels to
credit by channel, on DuckDB.

A third of the visitors never buy, whose paths only removal effects need. Sums are checked before
the time counts; the one model that a few lines of SQL can give is compared channel by channel.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from ibis.backends.duckdb import Backend

from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.commerce.attribution.contracts import MODELS
from ecom_assets.commerce.attribution.credit import (
    AttributionRule,
    channel_attribution,
    conversion_credit,
)
from ecom_assets.commerce.attribution.markov import (
    converting_days,
    removal_effect_rows,
    removal_effects,
    step_spans,
    steps_on,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect

CHANNELS = (
    "Direct",
    "Organic Search",
    "Paid Search",
    "Email",
    "Paid Social",
    "Organic Social",
    "Referral",
    "Display",
)
FIRST, DAYS = "2026-01-01", 60
TARGET_S = 30.0
RULE = AttributionRule()


def make(con: Backend, purchases: int) -> Days:
    """Fill `touches` and `conversions`: four visits for each purchase, over sixty days."""
    names = ", ".join(f"'{name}'" for name in CHANNELS)
    con.raw_sql(f"""
        CREATE TABLE touches AS
        SELECT 'v' || visitor || '-' || epoch(started_at)::BIGINT AS session_id, 'v' || visitor
          AS visitor_id,
            started_at, started_at::DATE AS started_date, false AS is_bot, '' AS source, ''
              AS medium, '' AS campaign,
            [{names}][1 + (hash(n * 7 + 1) % {len(CHANNELS)})::INT] AS channel, ''
              AS source_lists_version
        FROM (SELECT n, hash(n) % {purchases * 3 // 2} AS visitor,
              TIMESTAMP '{FIRST}' + INTERVAL (hash(n + 3) % {DAYS * 86_400}) SECOND AS started_at
              FROM range({purchases * 4}) AS numbers(n))
    """)
    con.raw_sql(f"""
        CREATE TABLE conversions AS
        SELECT converted_at::DATE AS converted_date, 'purchase' AS unit, 'p' || n AS conversion_id,
            'v' || (hash(n + 11) % {purchases}) AS visitor_id, visitor_id AS customer_id,
            false AS is_refund, converted_at,
            (1 + hash(n) % 20000)::DECIMAL(18, 2) / 100 AS revenue_amount
        FROM (SELECT n, TIMESTAMP '{FIRST}' + INTERVAL (hash(n + 5) % {DAYS * 86_400}) SECOND
          AS converted_at
              FROM range({purchases}) AS numbers(n))
    """)
    con.raw_sql("ALTER TABLE conversions ALTER revenue_amount TYPE DECIMAL(18, 2)")
    ((first, last),) = con.raw_sql(
        "SELECT min(converted_date), max(converted_date) FROM conversions"
    ).fetchall()
    return Days.between(first, last).widened(after=1)


def credit(con: Backend, days: Days) -> tuple[list[tuple[Any, ...]], float, float]:
    """All credit by model and channel; seconds for removal effects, and for the rest."""
    begun = time.perf_counter()
    touches, conversions = con.table("touches"), con.table("conversions")
    spans = step_spans(conversions, touches, RULE, days)
    chains: dict[tuple[Any, str], dict[tuple[str, str], int]] = {}
    for row in con.to_pyarrow(
        steps_on(spans, days).semi_join(converting_days(spans), ["unit", "day"])
    ).to_pylist():
        chains.setdefault((row["day"], row["unit"]), {})[row["here"], row["there"]] = int(
            row["step_count"]
        )
    answer = removal_effect_rows(
        (*key, removal_effects(steps, 10**9)) for key, steps in sorted(chains.items())
    )
    con.create_table("effects", answer)
    solved = time.perf_counter()
    credited = con.create_table(
        "conversion_credit", conversion_credit(conversions, touches, RULE, days)
    )
    con.create_table("credit", channel_attribution(credited, con.table("effects")))
    done = time.perf_counter()
    rows: list[tuple[Any, ...]] = con.raw_sql(
        "SELECT model, channel, sum(credit), sum(revenue_amount) FROM credit GROUP BY ALL ORDER "
        "BY ALL"
    ).fetchall()
    return rows, solved - begun, done - solved


def check(con: Backend, rows: list[tuple[Any, ...]], purchases: int) -> None:
    """End with a word unless sums are whole, and the last touch is what SQL finds."""
    ((revenue,),) = con.raw_sql("SELECT sum(revenue_amount) FROM conversions").fetchall()
    for model in MODELS:
        sums = [(row[2], row[3]) for row in rows if row[0] == model]
        if (
            sum(credit for credit, _ in sums) != purchases
            or sum(amount for _, amount in sums) != revenue
        ):
            sys.exit(f"the credit of {model} does not add up")
    last = con.raw_sql("""
        SELECT coalesce(channel, '(none)') AS channel, count(*) FROM (
            SELECT c.conversion_id, arg_max(t.channel, t.started_at) AS channel
            FROM conversions c LEFT JOIN touches t ON t.visitor_id = c.visitor_id
                AND t.started_at BETWEEN c.converted_at - INTERVAL 30 DAY AND c.converted_at
            GROUP BY ALL) GROUP BY ALL ORDER BY ALL
    """).fetchall()
    if last != [(row[1], int(row[2])) for row in rows if row[0] == "last"]:
        sys.exit("the last touches are not those that SQL finds")


def measure(purchases: int, folder: Path) -> None:
    """Time one computation over all days."""
    con = connect()
    con.raw_sql(f"SET temp_directory = '{folder}'")
    days = make(con, purchases)
    cpu = time.process_time()
    rows, effects_s, credit_s = credit(con, days)
    cpu_s = round(time.process_time() - cpu, 2)
    check(con, rows, purchases)
    say(f"{purchases:,} purchases: removal effects {effects_s:.1f} s, credit {credit_s:.1f} s")
    about: dict[str, object] = {
        "effects_s": round(effects_s, 2),
        "credit_s": round(credit_s, 2),
        "cpu_s": cpu_s,
    }
    name = f"attribution: {purchases:,} purchases under {len(MODELS)} models"
    report(
        Result(
            name,
            effects_s + credit_s,
            "s",
            TARGET_S,
            about={"wall_s": round(effects_s + credit_s, 2), **about},
        )
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--purchases", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with scratch() as folder:
        measure(arguments.purchases, folder)


if __name__ == "__main__":
    main()
