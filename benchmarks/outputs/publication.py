"""Publishing a mart in Postgres against `pandas.to_sql(method="multi")`;
one more day after short and long history.

Both write the same rows into tables of the same columns, types and keys, which are compared first.
pandas writes few rows, and its time is scaled to as many as were published. Days have as many rows
whatever the history.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2
import sqlalchemy as sa

from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.migration import content_of
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.postgres import publish
from ecom_assets_tests.postgres_server import fresh_database, running_postgres

TARGET, SAME = 10.0, 1.1
DAY_ROWS = 55_000
FIRST = date(2026, 1, 1)
TABLES: tuple[type[Table], ...] = (SessionEvents,)
EVENTS = """
SELECT DATE '{first}' + (i // {day_rows})::INT AS event_date, 'v' || (i * 7919 % 500000)
  AS visitor_id,
  TIMESTAMP '{first}' + INTERVAL (i // 10) SECOND AS fragment_started_at, i % 40 + 1
    AS event_number,
  TIMESTAMP '{first}' + INTERVAL (i) SECOND AS event_at, md5(i::TEXT) AS event_id, 'page_view'
    AS event_type,
  'p' || (i % 700) AS product_id, 'shoes' AS product_category, NULL::TEXT AS search_term,
  'https://shop.example/p/' || i AS page_url,
  (i % 1000 / 100.0)::DECIMAL(18, 2) AS cart_amount, (i % 77) / 3.0 + {shift} AS until_next_s,
    i % 99 = 0 AS is_bot, '' AS session_device_id
FROM range({begin}, {end}) AS t(i)
"""


class PandasEvents(SessionEvents):
    """One row per event, as pandas writes it."""

    layer = "peer"


def filled(folder: Path, days: int) -> DuckDBEngine:
    """A warehouse with so many days."""
    engine = DuckDBEngine(folder / f"{days}.duckdb", memory_limit="1500MB").noting_writes().open()
    give(engine, 0, days)
    return engine


def give(engine: DuckDBEngine, first: int, end: int, *, shift: int = 0) -> None:
    """Put days into the warehouse, or other values into days that it has."""
    made = EVENTS.format(
        first=FIRST, day_rows=DAY_ROWS, begin=first * DAY_ROWS, end=end * DAY_ROWS, shift=shift
    )
    days = Days.from_dates(FIRST + timedelta(days=n) for n in range(first, end))
    engine.replace(SessionEvents, engine.con.sql(made), days)


def seconds(call: Callable[[], object]) -> float:
    """The wall time of a call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def with_pandas(source: DuckDBEngine, target: PostgresEngine, url: str, rows: int) -> float:
    """The seconds that `to_sql` takes for some rows, into a table of the
    contract's columns and key.
    """
    target.drop(PandasEvents)
    target.create(PandasEvents)
    some = source.table(SessionEvents).order_by("event_at").limit(rows)
    frame = some.to_pandas()
    database = sa.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(url))
    kinds: Any = {
        "cart_amount": sa.Numeric(18, 2),
        "event_date": sa.Date(),
    }  # pandas would send them as text

    def write() -> None:
        name, chunk = PandasEvents.name, 1000
        frame.to_sql(
            name,
            database,
            schema="peer",
            if_exists="append",
            index=False,
            method="multi",
            chunksize=chunk,
            dtype=kinds,
        )

    took_s = seconds(write)
    database.dispose()
    written = target.table(PandasEvents).order_by("event_at").to_pyarrow()
    if not written.equals(some.to_pyarrow().cast(written.schema)):
        sys.exit("pandas wrote other rows than it was given")
    return took_s


def with_us(source: DuckDBEngine, url: str) -> tuple[float, PostgresEngine]:
    """The seconds that the first publication takes, and the Postgres that it is in."""
    target = publication_target(Settings(postgres_url=url)).open()
    took_s = seconds(lambda: publish(source, target, TABLES, "benchmark"))
    if content_of(source, SessionEvents) != content_of(target, SessionEvents):
        sys.exit("the published rows are not those of the warehouse")
    return took_s, target


def one_more_day(
    source: DuckDBEngine, target: PostgresEngine, days: int, repetitions: int
) -> float:
    """The median seconds of publishing a newest day that has changed."""
    times = []
    for repetition in range(repetitions):
        give(source, days - 1, days, shift=repetition + 1)
        times.append(seconds(lambda: publish(source, target, TABLES, "benchmark")))
    if content_of(source, SessionEvents) != content_of(target, SessionEvents):
        sys.exit("the published rows are not those of the warehouse")
    return median(times)


def measure(histories: list[int], peer_rows: int, repetitions: int) -> None:
    """Publish each history whole, then a day more;
    pandas writes as many rows as are asked of it.
    """
    of_a_day: dict[int, float] = {}
    with scratch() as folder, running_postgres(folder / "pg") as server:
        for days in histories:
            source, url = filled(folder, days), fresh_database(server)
            took_s, target = with_us(source, url)
            pandas_s = with_pandas(source, target, url, peer_rows)
            rows = days * DAY_ROWS
            scaled_s = pandas_s / peer_rows * rows
            say(
                f"{rows} rows: {took_s:.1f} s; pandas {pandas_s:.1f} s for {peer_rows}, "
                f"{scaled_s:.0f} s for as many"
            )
            of_a_day[days] = one_more_day(source, target, days, repetitions)
            say(f"a day of {DAY_ROWS} rows after {days}: {of_a_day[days]:.2f} s")
            about: dict[str, object] = {
                "wall_s": round(took_s, 2),
                "pandas_s": round(pandas_s, 2),
                "peer_rows": peer_rows,
            }
            name = f"publication of {rows} rows: to_sql(method='multi'), scaled / ours"
            report(Result(name, scaled_s / took_s, "x", TARGET, at_most=False, about=about))
            target.close()
            source.close()
    short, long = of_a_day[histories[0]], of_a_day[histories[-1]]
    about = {"wall_s": round(long, 3), "short_s": round(short, 3)}
    report(
        Result(
            f"publication of one more day: {histories[-1]} days / {histories[0]}",
            long / short,
            "x",
            SAME,
            about=about,
        )
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--days", type=int, nargs=2, default=[9, 91], help="days of the short and the long history"
    )
    parser.add_argument("--peer-rows", type=int, default=20_000, help="rows that pandas writes")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    measure(arguments.days, arguments.peer_rows, arguments.repetitions)


if __name__ == "__main__":
    main()
