"""Explaining numbers over ten million events: each walk must end at received rows
that give the number again.

The events are those of 90 days, each day 22,222 visitors with a session of five. Times are CPU
seconds of a process that is warm, as a server is.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.behaviour.events.contracts import CleanEvents, DuplicateEvents, RawEvents
from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.behaviour.sessions.contracts import EngagementDaily, SessionDays, Sessions
from ecom_assets.cli.explain import reader_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.interfaces.explain.answer import explain
from ecom_assets.interfaces.explain.question import RowsQuestion, table_named

DAYS, EVENTS_A_SESSION = 90, 5
FIRST = "DATE '2026-01-01'"
DAY = "2026-03-11"
ASKED = (
    ("mart.engagement_daily", "session_count", f"event_date = {DAY}"),
    ("mart.engagement_daily", "daily_visitor_count", f"event_date = {DAY}"),
    ("mart.engagement_daily", "monthly_visitor_count", f"event_date = {DAY}"),
    ("mart.conversion_funnel", "unit_count", f"cohort_date = {DAY}"),
)
CPU_S = 1.0
GROUP = "explaining a number of 10 million events down to its rows"
KINDS = "['page_view', 'product_view', 'add_to_cart', 'checkout_start', 'purchase']"


def fill(engine: DuckDBEngine, sessions_a_day: int) -> None:
    """Write events, received and clean, their sessions, and the numbers of each day."""
    session = f"n // {EVENTS_A_SESSION}"
    day = f"({FIRST} + ({session} // {sessions_a_day})::INTEGER)::DATE"
    start = f"({day}::TIMESTAMP + INTERVAL 1 SECOND * (({session} % {sessions_a_day}) * 3 % 80000))"
    visitor = f"'u' || (({session}) * 7919 % 500000)"
    at = f"{start} + INTERVAL 1 MINUTE * (n % {EVENTS_A_SESSION})"
    event = {
        "event_id": "'e' || n",
        "event_at": at,
        "event_date": day,
        "user_id": visitor,
        "visitor_id": visitor,
        "event_type": f"{KINDS}[1 + n % {EVENTS_A_SESSION}]",
        "product_id": "'p' || (n % 1000)",
        "received_date": day,
        "page_url": "'https://shop.example/p/' || (n % 1000)",
        "source": "'made'",
        "source_file": "'made.parquet'",
        "is_bot": "false",
    }
    count = DAYS * sessions_a_day * EVENTS_A_SESSION
    engine.ensure(DuplicateEvents)
    for of_events in (RawEvents, CleanEvents):
        insert(engine, of_events, f"range({count}) r(n)", event)
    last = f"({start} + INTERVAL 1 MINUTE * {EVENTS_A_SESSION - 1})"
    run = {
        "visitor_id": visitor,
        "session_id": f"'s' || {session}",
        "event_date": day,
        "started_date": day,
        "ended_date": day,
        "started_at": start,
        "ended_at": last,
        "event_count": str(EVENTS_A_SESSION),
    }
    for of_runs in (SessionDays, Sessions):
        insert(engine, of_runs, f"range(0, {count}, {EVENTS_A_SESSION}) r(n)", run)
    days = f"range({DAYS}) r(n)"
    of_day = f"({FIRST} + n::INTEGER)::DATE"
    visitors = (
        "(SELECT count(DISTINCT visitor_id) FROM mart.session_days WHERE event_date > {0} - {1} "
        "AND event_date <= {0})"
    )
    numbers = {
        f"{name}_visitor_count": visitors.format(of_day, length)
        for name, length in (("daily", 1), ("monthly", 30))
    }
    insert(
        engine,
        EngagementDaily,
        days,
        {"event_date": of_day, "session_count": str(sessions_a_day), **numbers},
    )
    funnel = {
        "funnel_name": "'default'",
        "cohort_date": of_day,
        "unit": "'session'",
        "product_category": "'(all)'",
        "step": "3",
        "event_type": "'add_to_cart'",
        "unit_count": str(sessions_a_day),
    }
    insert(engine, ConversionFunnel, days, funnel)


def insert(engine: DuckDBEngine, contract: type[Table], rows: str, columns: dict[str, str]) -> None:
    """Write rows into a table; columns that are not named are empty."""
    engine.ensure(contract)
    answer = {name: columns.get(name, _nothing(contract, name)) for name in contract.columns}
    selected = ", ".join(f'{expression} AS "{name}"' for name, expression in answer.items())
    engine.execute(f"INSERT INTO {engine.name_of(contract)} SELECT {selected} FROM {rows}")


def _nothing(contract: type[Table], name: str) -> str:
    column = contract.columns[name]
    if column.nullable:
        return "NULL"
    return {"string": "'x'", "boolean": "false"}.get(column.type, "0")


def requested(
    engine: DuckDBEngine, home: Path
) -> Iterator[tuple[str, float, float, dict[str, Any]]]:
    """Explain each number several times; yield what it is, its median CPU seconds and seconds,
    and the last answer.
    """
    for table, column, where in ASKED:
        times, walls = [], []
        for _ in range(3):
            begun, at = time.process_time(), time.perf_counter()
            reader = reader_of(engine, Settings(home=home))
            answer = explain(RowsQuestion(table_named(table), parse_where([where]), column), reader)
            times.append(time.process_time() - begun)
            walls.append(time.perf_counter() - at)
        yield f"{table}.{column}", median(times), median(walls), answer["number"]


def main() -> None:
    """Fill a warehouse, and explain numbers of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    events = parser.parse_args().events
    with scratch() as folder:
        path = folder / "warehouse.duckdb"
        with closing(DuckDBEngine(path).open()) as engine:
            fill(engine, events // (DAYS * EVENTS_A_SESSION))
        say(f"{events:,} events of {DAYS} days are stored")
        with closing(DuckDBEngine(path, read_only=True).open()) as engine:
            for name, cpu_s, wall_s, number in requested(engine, folder):
                if number["adds_up"] is not True:
                    sys.exit(f"{name} does not add up: {number['down']}")
                rows = number["down"][0]["levels"][-1]["row_count"]
                about = {"value_explained": number["value"], "wall_s": round(wall_s, 2)}
                about |= {"rows": rows, "events": events}
                title = f"{GROUP}, {name}"
                report(Result(title, cpu_s, "CPU s", CPU_S, about=about, group=GROUP))


if __name__ == "__main__":
    main()
