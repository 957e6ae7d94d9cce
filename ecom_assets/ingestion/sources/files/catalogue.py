"""The catalogue of products: a file with `product_id` and what is known of each product, or a
shop system's own export of products.
"""

from pathlib import Path
from typing import Final

import duckdb

from ecom_assets.core.errors import EcomError, SourceError
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.files.lists import ListFile

HANDLE, TITLE, SKU = "handle", "title", "variant sku"
OF_SHOPIFY: Final = frozenset({HANDLE, TITLE, SKU, "vendor"})
"""The columns by which Shopify's export of products is recognised."""
ATTRIBUTES: Final = {"category": "type", "vendor": "vendor"}
"""What a catalogue says of products besides their ids, by its column, and what the first row of a
product in Shopify's export says for all its variants.
"""


def products_sql(con: duckdb.DuckDBPyConnection, catalogue: Path) -> str:
    """Return a SELECT of the catalogue's products: `product_id`, `title`, and what it says of them,
    `ATTRIBUTES`; null where it has none.

    Raises:
        SourceError: The catalogue is missing or unreadable, or has no product ids.
    """
    try:
        listed = ListFile.open(con.cursor(), catalogue)
        if listed.names.keys() >= OF_SHOPIFY:
            rows = _of_shopify(listed)
        else:
            listed.require(["product_id"], optional=ATTRIBUTES)
            rows = select(
                ["product_id", f"coalesce({TITLE}, name) AS {TITLE}", *ATTRIBUTES],
                f"({listed.sql(['product_id', TITLE, 'name', *ATTRIBUTES])})",
            )
        listed.cells.log_malformed()
    except EcomError as error:
        raise SourceError(
            f"ECOM_CATALOGUE: {str(error).rstrip('.')}; it needs the columns product_id and "
            "category."
        ) from error
    return rows


def categories_sql(products: str) -> str:
    """Return a SELECT of the category and vendor of each product in `products_sql`."""
    attributes = [f"min({name}) AS {name}" for name in ATTRIBUTES]
    return select(["product_id", *attributes], f"({products})", group_by="product_id")


def titles_sql(products: str) -> str:
    """Return a SELECT of the category and vendor of each title in `products_sql`; null where
    products of one title differ.
    """
    attributes = [
        f"CASE WHEN min({name}) = max({name}) THEN min({name}) END AS {name}" for name in ATTRIBUTES
    ]
    return select([TITLE, *attributes], f"({products})", f"{TITLE} IS NOT NULL", TITLE)


def _of_shopify(listed: ListFile) -> str:
    """Return Shopify's export of products with a row per variant, by its SKU, as order lines have
    it, or else by the product's title; rows of further images are left out.
    """
    described = [
        f'max("{column}") OVER (PARTITION BY {HANDLE}) AS {name}'
        for name, column in ATTRIBUTES.items()
    ]
    rows = listed.sql([HANDLE, TITLE, SKU, *ATTRIBUTES.values()])
    products = select([f'coalesce("{SKU}", {TITLE}) AS product_id', TITLE, *described], f"({rows})")
    return select("*", f"({products})", "product_id IS NOT NULL")
