"""Whether the platform's warehouse and a rival's Parquet files, or DuckDB file,
hold the same numbers, row by row.

`python -m benchmarks.same_tables WAREHOUSE RIVAL` says how many rows differ per table. Of a DuckDB
file it compares all tables with all of their columns, of Parquet files those of `COMPARED`.
"""

import json
import sys
from collections.abc import Iterator
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
OF_THE_PLATFORM = {
    "mart.findings",
    "mart.published_days",
    "raw.computations",
    "raw.computed_from",
    "raw.stored_rows",
    "raw.warehouse_owner",
    "raw.written_slices",
}
"""Notes of the platform about its own runs, and what to look at, whose bounds are Python: nobody
writes these by hand.
"""
LEFT_OUT = {
    "mart.conversion_credit": ("definition_hash",),
    "mart.funnel_entries": ("definition_hash",),
}
"""Columns that say which release's rule a row follows."""
MAY_BE_EMPTY = {"staging.changed_visitor_days"}
"""Tables without a row where all of history is computed at once."""


def require_equal(warehouse: Path, rival: Path) -> None:
    """Compare in a process of its own; rows that differ, or an empty table, end the benchmark."""
    tables = json.loads(run_process([*script("same_tables"), str(warehouse), str(rival)]).printed)
    if wrong := {name: rows for name, rows in tables.items() if not _is_same(name, rows)}:
        sys.exit(f"The platform and its rival disagree, so there is nothing to compare: {wrong}")
    say(
        "equal, row by row: "
        + ", ".join(f"{name} {rows['rows']:,}" for name, rows in tables.items())
    )


def _is_same(name: str, rows: dict[str, int]) -> bool:
    return not rows["differing"] and (rows["rows"] > 0 or name in MAY_BE_EMPTY)


def differences(warehouse: Path, rival: Path) -> dict[str, dict[str, int]]:
    """For each table its rows, and the rows that only one of the two has."""
    with duckdb.connect() as con:
        con.execute("SET memory_limit = '6GB'; SET preserve_insertion_order = false")
        con.execute(
            f"SET temp_directory = '{warehouse}.spill'; ATTACH '{warehouse}' AS ours (READ_ONLY)"
        )
        if rival.suffix == ".duckdb":
            con.execute(f"ATTACH '{rival}' AS theirs (READ_ONLY)")
            return dict(_of_database(con))
        return dict(_of_files(con, rival))


def _of_files(con: duckdb.DuckDBPyConnection, rival: Path) -> Iterator[tuple[str, dict[str, int]]]:
    for name, (table, columns) in COMPARED.items():
        own_columns = columns.format(purchase="(purchase_amount * 10_000)::BIGINT")
        rival_columns = columns.format(purchase="purchase_parts")
        files = f"read_parquet('{rival}/{name}.parquet')"
        yield (
            name,
            _compared(
                con, table, _hashes(f"ours.{table}", own_columns), _hashes(files, rival_columns)
            ),
        )


def _of_database(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, dict[str, int]]]:
    """Compare the tables that either side has rows of, by all columns of ours but `LEFT_OUT`."""
    theirs = {table for table, *_ in _columns(con, "theirs")}
    columns: dict[str, list[str]] = {}
    for table, column, kind in _columns(con, "ours"):
        if table not in OF_THE_PLATFORM and column not in LEFT_OUT.get(table, ()):
            value = f"round({column}, 9)" if kind == "DOUBLE" else f"CAST({column} AS {kind})"
            columns.setdefault(table, []).append(value)
    for table, values in columns.items():
        ((row_count,),) = con.execute(f"SELECT count(*) FROM ours.{table}").fetchall()
        if table not in theirs:
            if row_count:
                yield table, {"rows": row_count, "differing": row_count}
            continue
        own, other = (_hashes(f"{side}.{table}", ", ".join(values)) for side in ("ours", "theirs"))
        yield table, _compared(con, table, own, other)


def _columns(con: duckdb.DuckDBPyConnection, side: str) -> list[tuple[str, str, str]]:
    """Return the name of each table of a side with each of its columns and their types."""
    found: list[tuple[str, str, str]] = con.execute(
        """SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns()
        WHERE database_name = ? AND schema_name IN ('raw', 'staging', 'mart') ORDER BY ALL""",
        [side],
    ).fetchall()
    return found


def _compared(con: duckdb.DuckDBPyConnection, table: str, own: str, other: str) -> dict[str, int]:
    """Return the number of our rows, and of the rows that only one side has."""
    ((row_count,),) = con.execute(f"SELECT count(*) FROM ours.{table}").fetchall()
    # All rows are equal where the sums of their hashes are, which costs less than to sort them.
    ((own_sum,), (other_sum,)) = (
        con.execute(f"SELECT (count(*), sum(h::HUGEINT)) FROM ({side})").fetchall()[0]
        for side in (own, other)
    )
    if own_sum == other_sum:
        return {"rows": row_count, "differing": 0}
    ((count,),) = con.execute(
        f"""SELECT sum(abs(n)) FROM (SELECT h, sum(side) AS n FROM (
            SELECT h, 1 AS side FROM ({own}) UNION ALL SELECT h, -1 FROM ({other})) GROUP BY h)"""
    ).fetchall()
    return {"rows": row_count, "differing": int(count)}


def _hashes(table: str, columns: str) -> str:
    values = ", ".join(f"coalesce(({part})::VARCHAR, '-')" for part in _parts(columns))
    return f"SELECT hash({values}) AS h FROM {table}"


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
