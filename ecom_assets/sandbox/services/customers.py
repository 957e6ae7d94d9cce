"""A stand-in for the customer API: the sandbox shop's customers, in pages."""

import hashlib
import json
from threading import Lock
from typing import Any

from ecom_assets.sandbox.services.service import Answer, Faults, Request, Service, page_of
from ecom_assets.sandbox.shop.customers import Record, earlier

KEY = "sandbox-customer-key"
PATH = "/api/customers"
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


class CustomerService(Service):
    """Serves `GET /api/customers?page=&per_page=`, with the key in `X-API-KEY`; responses have an ETag."""

    def __init__(self, records: list[Record], port: int = 0, faults: Faults | None = None, key: str = KEY) -> None:
        """Serve these records, in this order."""
        self._records = [dict(record) for record in records]
        self._changes = Lock()
        self._page_count = 0
        self.key = key
        super().__init__(port, faults)

    @property
    def api_url(self) -> str:
        """Return the value for `ECOM_CUSTOMER_API_URL`."""
        return f"{self.url}{PATH}"

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

    def answer(self, request: Request) -> Answer:
        """Return a page of customers, or an error."""
        if request.path != PATH:
            return Answer.json({"error": "not found"}, 404)
        if request.method != "GET":
            return Answer.json({"error": "method not allowed"}, 405)
        place = page_of(request, self.key, 6, MOST_PER_PAGE)
        if isinstance(place, Answer):
            return place
        page = self._page(*place)
        etag = f'"{hashlib.sha256(json.dumps(page).encode()).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == etag:
            return Answer(304, headers={"ETag": etag})
        return Answer.json(page, ETag=etag)

    def _page(self, number: int, size: int) -> dict[str, Any]:
        faults = self.faults
        with self._changes:
            total = len(self._records)
            data: list[Any] = [dict(record) for record in self._records[(number - 1) * size : number * size]]
            self._page_count += 1
            is_due = faults.shift_every > 0 and self._page_count % faults.shift_every == 0
            if self._records and is_due and self.plan.take("shift_count"):
                self._records.append(self._records.pop(0))
        if data and number <= faults.duplicated_pages:
            data.append({**data[0], "city": "Elsewhere", "updated_at": earlier(data[0]["updated_at"], days=1)})
        if data and number <= faults.conflicting_pages:
            data.append({**data[0], "city": "Nowhere"})
        if number <= faults.malformed_pages:
            data.append(_MALFORMED[(number - 1) % len(_MALFORMED)])
        return {"page": number, "per_page": size, "total": total, "total_pages": -(-total // size), "data": data}
