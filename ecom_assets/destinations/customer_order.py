"""Customers in the order in which people sort names, which no engine's own order of texts changes.

Every engine compares texts in its own way, so rows are sorted here, by keys that are made here: on disk, where there
are many. Not here: what is written of them (`customers_json.py`).
"""

import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

MEMORY = "400MB"
_FOLDED = str.maketrans({
    "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th",
})  # fmt: skip
"""Letters that Unicode does not take apart into a letter and an accent, and that people sort as if it did."""


def sort_key(name: str | None) -> str | None:
    """Return a name without case and accents."""
    if name is None:
        return None
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(one for one in letters if not unicodedata.combining(one)).translate(_FOLDED)


def in_order(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, chunk_rows: int, place: Path
) -> Iterator[pa.RecordBatch]:
    """Yield rows with `full_name` and `customer_id` by name, then by id, ids that are numbers by their value.

    Those without a name come last. What is sorted lies in a folder of its own in `place`, for its owner only, until all
    rows were taken.
    """
    with TemporaryDirectory(prefix=".sorting-", dir=place) as folder, closing(_scratch(Path(folder))) as con:
        empty = schema.append(pa.field("sort_name", pa.string())).empty_table()
        con.register("no_rows", empty)
        con.execute("CREATE TABLE rows_ AS FROM no_rows")
        for batch in batches:
            con.register("some_rows", _with_key(batch))
            con.execute("INSERT INTO rows_ FROM some_rows")
        # The bytes of UTF-8 are in the order of code points; equal lengths make digits sort as numbers do.
        found = con.sql(
            "SELECT * EXCLUDE (sort_name) FROM rows_ ORDER BY sort_name NULLS LAST,"
            " NOT regexp_full_match(customer_id, '[0-9]+'),"
            " CASE WHEN regexp_full_match(customer_id, '[0-9]+') THEN length(ltrim(customer_id, '0')) END,"
            " CASE WHEN regexp_full_match(customer_id, '[0-9]+') THEN ltrim(customer_id, '0') END, customer_id"
        )
        reader: pa.RecordBatchReader = found.to_arrow_reader(chunk_rows)
        yield from reader


def _scratch(folder: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(folder / "sorting.duckdb")
    con.execute(f"SET memory_limit = '{MEMORY}'")
    con.execute(f"SET temp_directory = '{folder / 'spilled'}'")
    return con


def _with_key(batch: pa.RecordBatch) -> pa.Table:
    keys = pa.array((sort_key(name.as_py()) for name in batch.column("full_name")), pa.string())
    return pa.Table.from_batches([batch]).append_column("sort_name", keys)
