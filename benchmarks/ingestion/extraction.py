"""Events out of Snowflake's stand-in: as Arrow batches, as the platform takes them,
against a `fetchone` per row.

Both end as columns in memory, which is what an engine takes in.

Both send the same statement; their rows are compared first. Measured is the CPU time of this
process once the stand-in's answer is there and unpacked, which costs both alike, and more than
either.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

import pyarrow as pa
from snowflake.connector import result_batch

from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engine import BATCH_ROWS
from ecom_assets.core.warehouse.engines.snowflake.engine import PlainBackend
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.ingestion.sources.event_table import EventTable
from ecom_assets_tests.core.warehouse.engines.snowflake_server import (
    fresh_database,
    running_snowflake,
)

TARGET = 10.0
FIRST = date(2026, 3, 1)
EVENTS = """
CREATE TABLE sales.ecommerce_events AS
SELECT 'e' || seq4() AS event_id, 'u' || (seq4() % 5000) AS user_id, 'page_view' AS event_type,
  DATEADD(SECOND, seq4() % 86400, '{first}'::TIMESTAMP_NTZ) AS event_timestamp,
    'p' || (seq4() % 700) AS product_id,
  'shoes' AS product_category, 's' || (seq4() % 9000) AS session_id,
    'https://shop.example/p/' || seq4() AS page_url,
  'https://search.example/' AS referrer_url, 19.99::NUMBER(18, 2) AS cart_value,
  DATEADD(SECOND, seq4() % 86400, '{first}'::TIMESTAMP_NTZ) AS received_at, 'a' || (seq4() % 6000)
    AS anonymous_id,
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' AS user_agent,
  'properties of event ' || seq4() AS properties
FROM (SELECT ROW_NUMBER() OVER (ORDER BY 1) AS n FROM TABLE(GENERATOR(ROWCOUNT => {rows})))
"""


def batches(table: EventTable, days: Days) -> pa.Table:
    """All rows, as the platform fetches them."""
    return table.rows(days).to_pyarrow_batches(chunk_size=BATCH_ROWS).read_all()


def row_by_row(table: EventTable, days: Days) -> pa.Table:
    """All rows, each asked for by itself, and put into columns, as an engine takes them in."""
    expression = table.rows(days)
    rows: list[tuple[Any, ...]] = []
    with closing(table.con.raw_sql(table.con.compile(expression))) as cursor:
        while (row := cursor.fetchone()) is not None:
            rows.append(tuple(row))
    kinds = expression.schema().to_pyarrow()
    columns = [
        pa.array(values, kind)
        for values, kind in zip(zip(*rows, strict=True), kinds.types, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=kinds)


class Waiting:
    """Adds up what it costs until answers are there and unpacked, so that it can be left out."""

    def __init__(self, con: PlainBackend) -> None:
        self.seconds = 0.0
        con.raw_sql = self._timed(con.raw_sql)  # type: ignore[method-assign]  # the clock is put between
        # The stand-in packs all rows into its answer as text; the service does so with the first
        # few only.
        result_batch.b64decode = self._timed(result_batch.b64decode)  # type: ignore[attr-defined]  # it is imported there

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever the call takes)
            begun = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - begun

        return timed


def seconds(call: Callable[[], object], waiting: Waiting, repetitions: int) -> float:
    """The median of a call's CPU time, waiting for answers left out."""
    times = []
    for _ in range(repetitions):
        begun, waited = time.process_time(), waiting.seconds
        call()
        times.append(time.process_time() - begun - (waiting.seconds - waited))
    return median(times)


def measure(events: int, repetitions: int) -> None:
    """Fill a table and take its rows out in both ways."""
    days = Days((FIRST,))
    with scratch() as home, running_snowflake() as port:
        address, _, query = fresh_database(port).partition("?")
        engine = new_engine(Settings(home=home, warehouse=f"{address}?{query}")).open()
        engine.execute("CREATE SCHEMA sales")
        engine.execute(EVENTS.format(first=FIRST, rows=events))
        engine.close()
        settings = Settings(home=home, events=f"{address}/SALES/ECOMMERCE_EVENTS?{query}")
        noon = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(hours=12)
        with closing(EventTable(settings, now=lambda: noon)) as table:
            fetched, requested = (
                method(table, days).sort_by("event_id") for method in (batches, row_by_row)
            )
            if not fetched.equals(requested) or fetched.num_rows != events:
                sys.exit("the two ways give different rows")
            say(f"{events} rows, equal both ways")
            waiting = Waiting(table.con)
            in_batches = seconds(lambda: batches(table, days), waiting, repetitions)
            one_by_one = seconds(lambda: row_by_row(table, days), waiting, repetitions)
    costs = {"cpu_s": in_batches, "one_by_one_cpu_s": one_by_one}
    about: dict[str, object] = {
        "events": events,
        **{name: round(value, 3) for name, value in costs.items()},
    }
    name = "extraction: fetchone per row / Arrow batches"
    report(Result(name, one_by_one / in_batches, "x", TARGET, at_most=False, about=about))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    measure(arguments.events, arguments.repetitions)


if __name__ == "__main__":
    main()
