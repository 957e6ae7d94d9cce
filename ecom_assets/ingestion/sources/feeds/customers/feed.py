"""How customers are read, and land."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from ecom_assets.commerce.customers.contracts import RawCustomers
from ecom_assets.ingestion.sources.customer_api.api import has_customers
from ecom_assets.ingestion.sources.customer_api.records import FOLDER, customer_values
from ecom_assets.ingestion.sources.feeds.customers import UPLOAD
from ecom_assets.ingestion.sources.record_feed import RecordFeed

if TYPE_CHECKING:
    from ecom_assets.ingestion.sources.reading import CustomerFileReading


def _listed(
    reading: "CustomerFileReading", day: date, source: str, before: int
) -> Iterator[dict[str, Any]]:
    return customer_values(reading.records, day, source, before)


FEED = RecordFeed(
    upload=UPLOAD,
    raw=RawCustomers,
    folder=FOLDER,
    id="id",
    reading="reading:CustomerFileReading.open",
    draft="list_drafts:CustomerDraft",
    key="customer_id",
    listed=_listed,
    keeps_mapping=True,
    is_set=has_customers,
)
