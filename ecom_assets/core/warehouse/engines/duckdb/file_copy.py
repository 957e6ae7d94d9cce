"""A copy of a DuckDB file with some of its tables, and with no byte of the others.

Copying the blocks of a file takes a fiftieth of the time of writing its rows again. But DuckDB only
marks the blocks of a dropped table as free, and their bytes stay: each free block is overwritten
here, and so are the free parts of blocks with metadata, which have the least and the greatest value
of each column. See docs/adr/0047-first-snapshot-by-blocks.md.
"""

from collections.abc import Set

import duckdb

from ecom_assets.core.warehouse.sql_text import ident

TABLES = (
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
)
BLOCKS = "SELECT total_blocks FROM pragma_database_size()"
METADATA_BLOCKS = "SELECT block_id FROM pragma_metadata_info()"
FREE_METADATA = "SELECT block_id, unnest(free_list) FROM pragma_metadata_info()"
ROWS_PER_BLOCK = 262_144 // 8
"""Whole numbers of eight bytes that fill a block if they are not compressed."""
WIDE = ", ".join(f'"overwritten_column_{number}" VARCHAR' for number in range(300))
METADATA_OF_WIDE = 16
"""Parts of metadata that a table of so many columns takes at least."""
MOST_FREE = 0.5
"""The share of free blocks from which on the rows are better written again:
every later snapshot is a copy of this file.
"""
Name = tuple[str, str]
"""The schema and the name of a table."""


def keep_tables(con: duckdb.DuckDBPyConnection, kept: Set[Name]) -> bool:
    """Drop all tables but some of the file of a connection, and overwrite what is free then.

    Returns whether no byte of a dropped table is left; if not, the file is to be thrown away.
    """
    # Without it, parts of the metadata that tables share stay as long as one of these is unchanged.
    con.execute("SET experimental_metadata_reuse = false")
    # A checkpoint of DuckDB's own would free blocks that are looked at.
    con.execute("SET wal_autocheckpoint = '1TB'")
    tables = set(con.execute(TABLES).fetchall())
    if _blocks_of(con, tables - kept) & _blocks_of(con, tables & kept):
        return False
    for schema, name in sorted(tables - kept):
        con.execute(f"DROP TABLE {ident(schema)}.{ident(name)}")
    con.execute("CHECKPOINT")
    # What is replaced by a checkpoint is free from the next one on.
    con.execute(f"CREATE TABLE overwritten_0 ({WIDE})")
    con.execute("CHECKPOINT")
    con.execute("DROP TABLE overwritten_0")
    con.execute("CHECKPOINT")
    (total,) = con.execute(BLOCKS).fetchall()[0]
    free = set(range(total)) - _used_blocks(con)
    return len(free) <= total * MOST_FREE and _overwrite(con, free)


def _used_blocks(con: duckdb.DuckDBPyConnection) -> set[int]:
    """Return the ids of the blocks that have rows or metadata."""
    of_metadata = {block for (block,) in con.execute(METADATA_BLOCKS).fetchall()}
    return of_metadata | _blocks_of(con, set(con.execute(TABLES).fetchall()))


def _blocks_of(con: duckdb.DuckDBPyConnection, tables: Set[Name]) -> set[int]:
    """Return the ids of the blocks that have rows of some tables."""
    result: set[int] = set()
    for schema, name in tables:
        segments = con.execute(
            "SELECT block_id, additional_block_ids FROM pragma_storage_info(?) WHERE persistent",
            [f"{ident(schema)}.{ident(name)}"],
        )
        for block, more in segments.fetchall():
            result |= {block, *(more or ())}
    return result - {None, -1}


def _overwrite(con: duckdb.DuckDBPyConnection, free: Set[int]) -> bool:
    """Fill free blocks, and what is free of those with metadata, by tables, which are dropped
    again; return whether they filled all of it.
    """
    free_metadata, row_count = _free_metadata(con), len(free) * ROWS_PER_BLOCK
    con.execute("PRAGMA force_compression = 'uncompressed'")
    con.execute(f"CREATE TABLE overwritten AS SELECT range AS number FROM range({row_count})")  # noqa: S608 (a number)
    wide = [f"overwritten_{number}" for number in range(len(free_metadata) // METADATA_OF_WIDE + 1)]
    for name in wide:
        con.execute(f"CREATE TABLE {name} ({WIDE})")
        con.execute(f"INSERT INTO {name} (overwritten_column_0) VALUES ('x')")  # noqa: S608 (above)
    con.execute("CHECKPOINT")
    is_overwritten = free <= _used_blocks(con) and not free_metadata & _free_metadata(con)
    for name in ("overwritten", *wide):
        con.execute(f"DROP TABLE {name}")
    con.execute("CHECKPOINT")
    return is_overwritten


def _free_metadata(con: duckdb.DuckDBPyConnection) -> set[tuple[int, int]]:
    """Return the free parts of blocks with metadata: block and number in it."""
    return set(con.execute(FREE_METADATA).fetchall())
