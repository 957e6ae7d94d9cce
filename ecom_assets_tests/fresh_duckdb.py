"""Empty databases of DuckDB in memory, for tests that read or write a file by it.

To open DuckDB takes 25 ms of CPU time, as it fills its catalog; another database in one that is
open takes 3.
"""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count

import duckdb

_NUMBERS = count()


@cache
def _opened() -> duckdb.DuckDBPyConnection:
    """Open DuckDB, once in a process, until its end."""
    con = duckdb.connect()
    atexit.register(con.close)
    return con


@contextmanager
def fresh_duckdb() -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to a database with nothing in it, which is gone at the end.

    Settings of the whole of DuckDB, such as its threads, are shared: who sets them opens their own.
    """
    name = f"fresh_{next(_NUMBERS)}"
    with _opened().cursor() as con:
        con.execute(f"ATTACH ':memory:' AS {name}; USE {name}")
        try:
            yield con
        finally:
            with suppress(duckdb.Error):  # there is a transaction after an error only
                con.rollback()
    with _opened().cursor() as con:
        con.execute(f"DETACH {name}")
