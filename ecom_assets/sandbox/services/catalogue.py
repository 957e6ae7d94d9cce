"""A stand-in for the catalogue API: the sandbox shop's products with their stock, in pages."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecom_assets.sandbox.services.service import Answer, Faults, Request, Service, page_of

KEY = "sandbox-catalogue-key"
PATH = "/api/products"
MOST_PER_PAGE = 500
REPORTED = ("product_id", "name", "category", "stock", "reorder_point", "lead_time_days")


class CatalogueService(Service):
    """Serves `GET /api/products?page=&per_page=`, with the key in `X-API-KEY`."""

    def __init__(self, catalogue: Path, port: int = 0, faults: Faults | None = None, key: str = KEY) -> None:
        """Serve the rows of `catalogue.parquet`."""
        table = pq.read_table(catalogue)
        # Shops of earlier versions have no reorder points.
        columns = [name for name in REPORTED if name in table.column_names]
        self.products: list[dict[str, Any]] = table.select(columns).to_pylist()
        self.key = key
        super().__init__(port, faults)

    @property
    def api_url(self) -> str:
        """Return the value for `ECOM_CATALOGUE_API_URL`."""
        return f"{self.url}{PATH}"

    def answer(self, request: Request) -> Answer:
        """Return a page of products, or an error."""
        if (request.method, request.path) != ("GET", PATH):
            return Answer.json({"error": "not found"}, 404)
        page = page_of(request, self.key, 100, MOST_PER_PAGE)
        if isinstance(page, Answer):
            return page
        number, size = page
        total = len(self.products)
        data = self.products[(number - 1) * size : number * size]
        return Answer.json({"page": number, "total": total, "total_pages": -(-total // size), "data": data})
