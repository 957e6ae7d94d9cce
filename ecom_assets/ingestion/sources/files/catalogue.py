"""The catalogue of products: a file with `product_id` and what is known of each product, or a
shop system's own export of products.
"""

from collections.abc import Collection
from typing import Final

import duckdb

from ecom_assets.core.warehouse.sql_text import ident, select
from ecom_assets.ingestion.sources.files.unpacked import catalogue_rows

HANDLE, TITLE, SKU = "Handle", "Title", "Variant SKU"
OF_SHOPIFY: Final = frozenset({HANDLE, TITLE, SKU, "Vendor"})
"""The columns by which Shopify's export of products is recognised."""
OF_PRODUCT: Final = {"name": TITLE, "category": "Type", "vendor": "Vendor"}
"""What the first row of a product says there for all its variants, by the catalogue's column."""


def catalogue_table(con: duckdb.DuckDBPyConnection, path: str) -> str:
    """Return a catalogue as the source of a SELECT: a reader call, or another SELECT.

    Raises:
        SourceError: It cannot be read to its end, or is a text file of an unknown encoding.
        duckdb.Error: It is missing, or no table.
    """
    rows = catalogue_rows(path)
    names = {row[0] for row in con.execute(f"DESCRIBE {select('*', rows)}").fetchall()}
    return _of_shopify(rows, names) if names >= OF_SHOPIFY else rows


def _of_shopify(rows: str, names: Collection[str]) -> str:
    """Return Shopify's export of products with a row per variant, by its SKU, as order lines have
    it, or else by the product's title; rows of further images are left out.
    """
    described = [
        f"max({ident(column)}) OVER (PARTITION BY {ident(HANDLE)}) AS {name}"
        for name, column in OF_PRODUCT.items()
        if column in names
    ]
    product_id = f"coalesce({ident(SKU)}, {ident(TITLE)}) AS product_id"
    return select("*", select([product_id, *described], rows), "product_id IS NOT NULL")
