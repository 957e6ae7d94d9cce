"""Compaction: events per second from many small landing files into few.

Usage: compaction.py [FILES] [ROWS].
"""

import sys
import tempfile
import time
from pathlib import Path

import duckdb

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.compaction import compact

DAY = "2026-03-05"
COLUMNS = """uuid()::VARCHAR AS event_id, 'u' || i % 5000 AS user_id, 'product_view' AS event_type,
'2026-03-05T10:00:00.000Z' AS event_timestamp, 'sku-' || i % 900 AS product_id,
'shoes' AS product_category, 's-' || i % 9000 AS session_id,
'https://shop.example/p/' || i % 900 AS page_url, 'Mozilla/5.0' AS user_agent"""


def main(file_count: int = 400, row_count: int = 10_000) -> None:
    """Write files, merge them, and print the rate."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as con:
        landed = Path(folder, "landing", f"received_date={DAY}")
        landed.mkdir(parents=True)
        for number in range(file_count):
            path = landed / f"kafka-topic-0-{number * row_count:020}.parquet"
            con.execute(f"COPY (SELECT {COLUMNS} FROM range({row_count}) t(i)) TO '{path}'")
        settings = Settings(
            home=Path(folder, "home"), events=str(landed.parent), compact_after_hours=0
        )
        began = time.perf_counter()
        done = compact(settings, now=lambda: time.time() + 1)
        took_s = time.perf_counter() - began
    print(
        f"{done.row_count:,} events of {done.merged_count:,} files in {took_s:.2f} s: "
        f"{done.row_count / took_s:,.0f}/s"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
