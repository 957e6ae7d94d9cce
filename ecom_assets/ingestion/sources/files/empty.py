"""The columns of records that no row of some files has a value in."""

import re
from collections.abc import Collection
from itertools import chain
from typing import Final

import duckdb

from ecom_assets.core.warehouse.sql_text import ident, select
from ecom_assets.ingestion.sources.files.field_sql import field_sql
from ecom_assets.ingestion.sources.files.fit import columns_used
from ecom_assets.ingestion.sources.files.mapping import RecordMapping
from ecom_assets.ingestion.sources.files.shape import ADDED

INTERNAL: Final = "__"
"""What the names of columns begin with that rows have beside those of their file."""
_FIELD: Final = re.compile(r"\be\.(\w+)")


def empty_columns(
    con: duckdb.DuckDBPyConnection, mapping: RecordMapping, present: Collection[str]
) -> frozenset[str]:
    """Return the columns that are null in every row, whatever it says.

    These are read from columns alone that no file has, and are null where all of these are.

    Args:
        con: An engine.
        mapping: What the columns are read by.
        present: The columns of the files.
    """
    kind = mapping.kind
    named = [ident(name) for name in present]
    absent = {
        name: sql
        for name in kind.fields
        if name != kind.id
        and INTERNAL not in (sql := field_sql(mapping, name))
        and not any(name in sql for name in named)
    }
    read = {
        name: sql
        for name, (_, sql) in kind.read.items()
        if absent.keys() >= set(_FIELD.findall(sql))
    }
    if not absent:
        return frozenset()
    # `by_row` reads the kind of a row, also where no expression of the mapping does.
    columns = {*chain.from_iterable(columns_used(mapping).values()), *ADDED}
    nowhere = [f"NULL::VARCHAR AS {ident(column)}" for column in sorted(columns)]
    fields = [f"{sql} AS {name}" for name, sql in absent.items()]
    rows = select(fields, select(nowhere, "(VALUES (0))"))
    texts = {kind.renamed.get(name, name): f"e.{name}" for name in absent}
    values = texts | read
    (row,) = con.execute(select(list(values.values()), f"({rows}) AS e")).fetchall()
    return frozenset(name for name, value in zip(values, row, strict=True) if value is None)
