"""The events that questions are asked of: the native layout with categories,
amounts and properties, in one file, or with integer ids in a folder per day.
"""

import sys
from pathlib import Path

from benchmarks.behaviour.funnel import make_events
from benchmarks.shop_data import DATA, in_day_folders

CATEGORIES = ("shoes", "shirts", "hats", "bags", "toys", "books", "garden", "audio")


def question_events(events: int) -> Path:
    """The events of `funnel.py` with more columns; made once.

    One in twelve page views is a search instead, so that visitors do what is no step of a funnel. A
    plan and the variant of an experiment are properties; carts and purchases have an amount.
    """
    import duckdb  # noqa: PLC0415 (a process that only asks need not load it)

    file = DATA / f"question_events_{events}.parquet"
    if not file.exists():
        part = file.with_suffix(".part")
        categories = ", ".join(f"'{category}'" for category in CATEGORIES)
        duckdb.connect().execute(f"""
            COPY (
                SELECT lpad(to_hex(number), 16, '0') AS event_id, visitor_id AS user_id, event_type,
                  event_timestamp,
                    (1000 + of_visitor % 500)::VARCHAR AS product_id,
                    [{categories}][1 + of_event % 8] AS product_category, 's' || visitor_id
                      AS session_id,
                    'https://shop.example.com/' || event_type AS page_url, NULL::VARCHAR
                      AS referrer_url,
                    CASE WHEN event_type IN ('add_to_cart', 'purchase')
                        THEN ((100 + of_event % 20000) / 100)::DECIMAL(18, 2) END AS cart_value,
                    '{{"plan":"' || ['free', 'free', 'pro', 'team'][1 + of_visitor // 7 % 4]
                        || '","screen":' || (300 + of_event % 1700)
                        || CASE WHEN event_type = 'page_view'
                        THEN ',"variant":"' || ['control', 'test'][1 + of_visitor // 31 % 2] || '"'
                          ELSE '' END
                        || '}}' AS properties
                FROM (
                    SELECT number, visitor_id, event_at AS event_timestamp, of_event,
                        (hash(visitor_id) % 1000000)::BIGINT AS of_visitor,
                        CASE WHEN event_type = 'page_view' AND of_event % 12 = 0 THEN 'search'
                          ELSE event_type
                            END AS event_type
                    FROM (
                        SELECT *, (hash(number) % 1000000)::BIGINT AS of_event FROM (
                            SELECT *, row_number() OVER () AS number FROM '{make_events(events)}'
                        )
                    )
                )
            ) TO '{part}' (FORMAT parquet, COMPRESSION zstd)
        """)
        part.rename(file)
    return file


def in_folders(events: int) -> Path:
    """The same events with integer ids, a folder for each day of arrival; made once."""
    return in_day_folders(question_events(events), DATA / f"question_days_{events}")


def clickhouse_path(file: Path) -> str:
    """Return what ClickHouse reads: the file, or all files in a folder of folders."""
    return f"{file}{'' if file.is_file() else '/*/*.parquet'}"


if __name__ == "__main__":
    events = int(sys.argv[1])
    print(question_events(events), in_folders(events))
