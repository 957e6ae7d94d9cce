"""A view over checked Parquet files, with only the rules of cleaning that some row breaks. Without Ibis."""

from typing import Final

import duckdb

from ecom_assets.sources.files.coded_events import OF_TIME, REPEATED_HASHES, CheckedRows
from ecom_assets.sources.files.compiled import compiled
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.warehouse.sql_text import select

DIRECT: Final = "direct_events"


def view_direct(
    con: duckdb.DuckDBPyConnection, files: RecordFiles, late_days: int, checked: CheckedRows, *, is_dated: bool
) -> bool:
    """Make the view `DIRECT` of the clean rows whose user and id say all.

    Args:
        con: The engine.
        files: The files.
        late_days: The setting.
        checked: What the check of all rows says.
        is_dated: Whether to have the days of arrival.

    Returns:
        Whether the view has the days of arrival, which some rules need, too.
    """
    broken = [name for name, count in checked.rejected.items() if count]
    is_dated = is_dated or not {*OF_TIME}.isdisjoint(broken)
    conditions = ["t0.user_id IS NOT NULL"] if checked.has_anonymous else []
    conditions += [f"hash(t0.event_id) NOT IN {repeated()}"] if checked.has_repeated else []
    if broken:
        cases = " ".join(f"WHEN {compiled().rules[name]} THEN false" for name in broken)
        conditions.append(f"CASE {cases} ELSE true END")
    rows = select("*, event_at::DATE AS event_date", f"({files.sure_sql(late_days, is_dated=is_dated)})")
    rows = select("*", f"({rows}) AS t0", " AND ".join(conditions))
    con.execute(f"CREATE OR REPLACE TEMP VIEW {DIRECT} AS {rows}")
    return is_dated


def repeated() -> str:
    """Return the hashes of ids that may repeat, as a subquery."""
    return f"({select('id_hash', REPEATED_HASHES)})"
