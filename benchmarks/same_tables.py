"""Whether the platform's warehouse and a rival's Parquet files, or DuckDB file,
hold the same numbers, row by row.

`python -m benchmarks.same_tables WAREHOUSE RIVAL` says how many rows differ per table.
"""

import json
import sys
from pathlib import Path

import duckdb

from benchmarks.measuring import run_process, say, script

_SESSION = """session_id, visitor_id, started_at, ended_at, started_date::DATE, ended_date::DATE,
    event_count, view_count, key_event_count, page_view_count, product_view_count,
    category_view_count, search_count, add_to_cart_count, remove_from_cart_count,
    checkout_start_count, purchase_count, refund_count, entry_page_url, exit_page_url,
    first_product_category, is_bot, is_engaged, is_single_page, round(duration_s, 6), {purchase}"""
_ENGAGEMENT = """event_date::DATE, session_count, engaged_session_count, single_page_session_count,
    bot_session_count, daily_visitor_count, weekly_visitor_count, monthly_visitor_count,
    round(engagement_rate, 9), round(bounce_rate, 9), round(single_page_rate, 9),
    round(pages_per_session, 9), round(mean_duration_s, 9), round(median_duration_s, 9),
    round(stickiness_rate, 9)"""
_FUNNEL = """cohort_date::DATE, unit, product_category, step, event_type, unit_count,
    round(conversion_from_start_rate, 9), round(conversion_from_previous_rate, 9)"""
_EVENT = """event_id, event_at, visitor_id, event_type, page_url,
    cart_amount::DECIMAL(18, 4), is_bot, received_date::DATE,
    source_session_id, product_id, product_category, properties"""
_FRAGMENT = (
    "visitor_id, started_at, ended_at, event_count, is_bot, is_near_previous_midnight, "
    "is_near_next_midnight"
)
_NUMBERED = "event_id, visitor_id, fragment_started_at, event_number, round(until_next_s, 6)"
_QUARANTINED = "reject_reason, accounted_date::DATE, event_timestamp, received_date::DATE"
SAME_RULE = {"ECOM_IDENTITY": "user"}
"""The identity rule that the rivals know; `identity.py` has the default's."""
COMPARED = {
    "sessions": ("mart.sessions", _SESSION),
    "funnel": ("mart.conversion_funnel", _FUNNEL),
    "engagement": ("mart.engagement_daily", _ENGAGEMENT),
    "events": ("staging.events", _EVENT),
    "session_events": ("mart.session_events", _NUMBERED),
    "session_days": ("mart.session_days", _FRAGMENT),
    "quarantined": ("staging.quarantined_events", _QUARANTINED),
    "duplicates": (
        "staging.duplicate_events",
        "event_date::DATE, event_id, surplus_count, has_kept_copy",
    ),
}
"""The rival's Parquet file, the platform's table, and what must be equal."""


def require_equal(warehouse: Path, rival: Path) -> None:
    """Compare in a process of its own; rows that differ, or an empty table, end the benchmark."""
    tables = json.loads(run_process([*script("same_tables"), str(warehouse), str(rival)]).printed)
    if wrong := {
        name: rows for name, rows in tables.items() if rows["differing"] or not rows["rows"]
    }:
        sys.exit(f"The platform and its rival disagree, so there is nothing to compare: {wrong}")
    say(
        "equal, row by row: "
        + ", ".join(f"{name} {rows['rows']:,}" for name, rows in tables.items())
    )


def differences(warehouse: Path, rival: Path) -> dict[str, dict[str, int]]:
    """For each table its rows, and the rows that only one of the two has."""
    con = duckdb.connect()
    con.execute("SET memory_limit = '6GB'; SET preserve_insertion_order = false")
    con.execute(
        f"SET temp_directory = '{warehouse}.spill'; ATTACH '{warehouse}' AS ours (READ_ONLY)"
    )
    is_database = rival.suffix == ".duckdb"
    if is_database:
        con.execute(f"ATTACH '{rival}' AS theirs (READ_ONLY)")
    actual = {}
    for name, (table, columns) in COMPARED.items():
        own_columns = columns.format(purchase="(purchase_amount * 10_000)::BIGINT")
        rival_columns = own_columns if is_database else columns.format(purchase="purchase_parts")
        ours = _hashes(f"ours.{table}", own_columns)
        other = _hashes(
            f"theirs.{table}" if is_database else f"read_parquet('{rival}/{name}.parquet')",
            rival_columns,
        )
        row = con.execute(
            f"""SELECT sum(abs(n)) FROM (SELECT h, sum(side) AS n FROM (
                SELECT h, 1 AS side FROM ({ours}) UNION ALL SELECT h, -1 FROM ({other}))
                  GROUP BY h)"""
        ).fetchone()
        count = con.execute(f"SELECT count(*) FROM ours.{table}").fetchone()
        actual[name] = {
            "rows": int(count[0]) if count else 0,
            "differing": int(row[0] or 0) if row else 0,
        }
    return actual


def _hashes(table: str, columns: str) -> str:
    names = [f"({part}) AS c{number}" for number, part in enumerate(_parts(columns))]
    texts = ", ".join(f"coalesce(c{number}::VARCHAR, '-')" for number in range(len(names)))
    return f"SELECT hash({texts}) AS h FROM (SELECT {', '.join(names)} FROM {table})"


def _parts(columns: str) -> list[str]:
    """Split at the commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(columns):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append(columns[start:position].strip())
            start = position + 1
    return [*parts, columns[start:].strip()]


if __name__ == "__main__":
    print(json.dumps(differences(Path(sys.argv[1]), Path(sys.argv[2]))))
