"""How stock is read, and lands."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.ingestion.sources.feeds.stock import UPLOAD
from ecom_assets.ingestion.sources.files.mapping import STOCK, StockMapping
from ecom_assets.ingestion.sources.record_feed import RecordFeed
from ecom_assets.ingestion.sources.stock import has_stock, stock_values

if TYPE_CHECKING:
    from ecom_assets.ingestion.sources.stock_reading import StockFileReading


def _listed(
    reading: "StockFileReading", day: date, source: str, before: int
) -> Iterator[dict[str, Any]]:
    return stock_values(reading.totals, day, source, before=before)


FEED = RecordFeed(
    upload=UPLOAD,
    raw=RawStock,
    folder=STOCK.folder,
    id=STOCK.id,
    reading="stock_reading:StockFileReading.open",
    draft="list_drafts:ListDraft",
    key="product_id",
    mapping=StockMapping,
    listed=_listed,
    is_set=has_stock,
)
