"""Stand-ins for the customer API and the catalogue API:
the sandbox shop's customers and products, in pages.
"""

import hashlib
from abc import abstractmethod
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import pyarrow.parquet as pq

from ecom_sandbox.services.service import Faults, Service, ServiceRequest, ServiceResponse
from ecom_sandbox.shop.customers import Record, earlier

MOST_PER_PAGE = 500
_MALFORMED: tuple[Any, ...] = (
    {"email": "nobody@example.com"},
    {"id": 17.5, "email": "x@example.com"},
    "a line of text",
    {"id": -4},
    {"id": 17, "first_name": 42},
    None,
)
"""Malformed records; page n has the n-th of them."""


class PagedService(Service):
    """Serves `GET <api_path>?page=&per_page=`, with the key in `X-API-KEY`."""

    key: ClassVar[str]
    page_size: ClassVar[int]
    """Records of a page by default; it has `MOST_PER_PAGE` at most."""

    @abstractmethod
    def page(self, number: int, size: int) -> dict[str, Any]:
        """Return a page of the records, from 1 on."""

    def answer(self, request: ServiceRequest) -> ServiceResponse:
        """Return a page, or the error if the address, the key or the page is invalid."""
        if request.path != self.api_path:
            return ServiceResponse.json({"error": "not found"}, 404)
        if request.method != "GET":
            return ServiceResponse.json({"error": "method not allowed"}, 405)
        if (key := request.headers.get("x-api-key")) != self.key:
            return ServiceResponse.json(
                {"error": "missing or unknown API key"}, 401 if key is None else 403
            )
        try:
            number, size = (
                int(request.query.get("page", 1)),
                int(request.query.get("per_page", self.page_size)),
            )
        except ValueError:
            return ServiceResponse.json({"error": "page and per_page are numbers"}, 400)
        if number < 1 or size < 1:
            return ServiceResponse.json({"error": "page and per_page begin at 1"}, 400)
        return ServiceResponse.json(self.page(number, min(size, MOST_PER_PAGE)))


class CustomerService(PagedService):
    """Serves `GET /api/customers`; responses have an ETag."""

    key, api_path, page_size = "sandbox-customer-key", "/api/customers", 6

    def __init__(self, records: list[Record], port: int = 0, faults: Faults | None = None) -> None:
        """Serve these records, in this order."""
        self._records = [dict(record) for record in records]
        self._changes = Lock()
        self._page_count = 0
        super().__init__(port, faults)

    @property
    def records(self) -> list[Record]:
        """Return the served records, in order."""
        with self._changes:
            return [dict(record) for record in self._records]

    @records.setter
    def records(self, records: list[Record]) -> None:
        """Replace the served records."""
        with self._changes:
            self._records = [dict(record) for record in records]

    def answer(self, request: ServiceRequest) -> ServiceResponse:
        """Return a page of customers, only its ETag if the client has the page, or an error."""
        answer = super().answer(request)
        if answer.status != HTTPStatus.OK:
            return answer
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == etag:
            return ServiceResponse(304, headers={"ETag": etag})
        return replace(answer, headers={**answer.headers, "ETag": etag})

    def page(self, number: int, size: int) -> dict[str, Any]:
        """Return a page of customers, with faults."""
        faults = self.faults
        with self._changes:
            total = len(self._records)
            data: list[Any] = [
                dict(record) for record in self._records[(number - 1) * size : number * size]
            ]
            self._page_count += 1
            is_due = faults.shift_every > 0 and self._page_count % faults.shift_every == 0
            if self._records and is_due and self.plan.take("shift_count"):
                self._records.append(self._records.pop(0))
        if data and number <= faults.duplicated_pages:
            data.append(
                {
                    **data[0],
                    "city": "Elsewhere",
                    "updated_at": earlier(data[0]["updated_at"], days=1),
                }
            )
        if data and number <= faults.conflicting_pages:
            data.append({**data[0], "city": "Nowhere"})
        if number <= faults.malformed_pages:
            data.append(_MALFORMED[(number - 1) % len(_MALFORMED)])
        return {
            "page": number,
            "per_page": size,
            "total": total,
            "total_pages": -(-total // size),
            "data": data,
        }


REPORTED = ("product_id", "name", "category", "stock", "reorder_point", "lead_time_days")


class CatalogueService(PagedService):
    """Serves `GET /api/products`."""

    key, api_path, page_size = "sandbox-catalogue-key", "/api/products", 100

    def __init__(self, catalogue: Path, port: int = 0, faults: Faults | None = None) -> None:
        """Serve the rows of `catalogue.parquet`."""
        table = pq.read_table(catalogue)
        columns = [name for name in REPORTED if name in table.column_names]
        self.products: list[dict[str, Any]] = table.select(columns).to_pylist()
        super().__init__(port, faults)

    def page(self, number: int, size: int) -> dict[str, Any]:
        """Return a page of products."""
        total = len(self.products)
        data = self.products[(number - 1) * size : number * size]
        return {"page": number, "total": total, "total_pages": -(-total // size), "data": data}
