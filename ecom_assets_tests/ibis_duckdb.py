"""An Ibis connection to DuckDB 2 for tests: the one place that gives it the names that Ibis 12 calls."""

from typing import Any

import duckdb
import ibis
from ibis.backends.duckdb import Backend


def connect() -> Backend:
    """An in-memory DuckDB through Ibis, in UTC."""
    owner: Any
    for owner in (duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation):
        owner.fetch_arrow_table = owner.to_arrow_table
        owner.fetch_record_batch = owner.to_arrow_reader
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'UTC'")
    return connection
