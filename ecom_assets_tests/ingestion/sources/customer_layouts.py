"""Customer APIs of other layouts, served on this machine, with every way of paging."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.services import settings_for
from ecom_sandbox.services.service import Service, ServiceRequest, ServiceResponse

Page = Callable[[ServiceRequest, list[Any]], ServiceResponse]
TWELVE = (
    ("George", "Bluth"),
    ("Janet", "Weaver"),
    ("Emma", "Wong"),
    ("Eve", "Holt"),
    ("Charles", "Morris"),
    ("Tracey", "Ramos"),
    ("Michael", "Lawson"),
    ("Lindsay", "Ferguson"),
    ("Tobias", "Funke"),
    ("Byron", "Fields"),
    ("George", "Edwards"),
    ("Rachel", "Howell"),
)


def twelve() -> list[dict[str, Any]]:
    """Return users as reqres.in lists them."""
    return [
        {
            "id": number,
            "email": f"{first}.{last}@reqres.in".lower(),
            "first_name": first,
            "last_name": last,
            "avatar": f"https://reqres.in/img/faces/{number}-image.jpg",
        }
        for number, (first, last) in enumerate(TWELVE, start=1)
    ]


class LayoutService(Service):
    """Serves records as `page` lays them out, and keeps what it was asked: address,
    query and headers.
    """

    def __init__(self, page: Page, records: list[Any]) -> None:
        """Serve these records."""
        self.page, self.records = page, records
        self.asked: list[ServiceRequest] = []
        super().__init__()

    def answer(self, request: ServiceRequest) -> ServiceResponse:
        """Answer with a page."""
        self.asked.append(request)
        return self.page(request, self.records)

    def settings(self, home: Path, mapping: str | Path, **options: Any) -> Settings:
        """Return settings that read this API by a mapping."""
        answer = {"customer_api_url": f"{self.url}/users", "customer_api_mapping": str(mapping)}
        return settings_for(home, **(answer | {"customer_api_key": "k3y"} | options))


def reqres(request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """Six users a page unless asked for others, with what reqres.in puts around them."""
    number, size = int(request.query.get("page", 1)), min(int(request.query.get("per_page", 6)), 6)
    body = {
        "page": number,
        "per_page": size,
        "total": len(records),
        "total_pages": -(-len(records) // size),
        "data": records[(number - 1) * size : number * size],
        "support": {"url": "https://reqres.in/#support-heading", "text": "..."},
    }
    return ServiceResponse.json(body)


def by_offset(request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """At most five records a page, however many are asked for."""
    begin, size = int(request.query["skip"]), min(int(request.query["limit"]), 5)
    return ServiceResponse.json(
        {"items": records[begin : begin + size], "meta": {"count": len(records)}}
    )


def by_link(request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """Five a page, and the next page's address as a path."""
    begin = int(request.query.get("from", 0))
    after = f"/users?from={begin + 5}" if begin + 5 < len(records) else None
    return ServiceResponse.json(
        {"result": {"customers": records[begin : begin + 5]}, "links": {"next": after}}
    )


def by_header(request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """Five a page as a bare list, and the next page's address in the header `Link`."""
    begin = int(request.query.get("from", 0))
    host = request.headers["host"]
    answer = ServiceResponse.json(records[begin : begin + 5])
    if begin + 5 < len(records):
        answer.headers["Link"] = f'<http://{host}/users?from={begin + 5}>; rel="next"'
    return answer


def by_cursor(request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """Five after the one that is named, and whether there are more."""
    ids = [str(record["uid"]) for record in records]
    begin = (
        ids.index(request.query["starting_after"]) + 1 if "starting_after" in request.query else 0
    )
    return ServiceResponse.json(
        {"data": records[begin : begin + 5], "has_more": begin + 5 < len(records)}
    )


def at_once(_request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """Everybody."""
    return ServiceResponse.json({"users": records})


def numbered_from_zero(request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """Five a page, the first of which is 0, with nothing said about the whole."""
    begin = int(request.query["p"]) * 5
    return ServiceResponse.json({"data": records[begin : begin + 5]})


def deaf(_request: ServiceRequest, records: list[Any]) -> ServiceResponse:
    """The same page, whatever is asked."""
    return ServiceResponse.json({"data": records[:5]})


def mapping_file(folder: Path, **content: Any) -> Path:
    """Write a mapping, as JSON, which YAML understands."""
    path = folder / "own.yaml"
    path.write_text(json.dumps(content))
    return path
