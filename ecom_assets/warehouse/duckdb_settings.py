"""The settings of every DuckDB connection of this process, through Ibis or not."""

import duckdb

from ecom_assets.warehouse.sql_text import text

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET preserve_insertion_order = false",
    # Under `python -c` DuckDB draws its progress bar on standard output, in the middle of our JSON.
    "SET enable_progress_bar = false",
    # This optimizer materializes all columns of a scan that two parts of a query share. That takes three times as long
    # as scanning twice.
    "SET disabled_optimizers = 'common_subplan'",
)


def plain_connection(memory_limit: str | None) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, with these settings; Ibis takes it by `adopted`."""
    con = duckdb.connect(":memory:")
    for statement in SETTINGS:
        con.execute(statement)
    if memory_limit:
        con.execute(f"SET memory_limit = {text(memory_limit)}")
    return con
