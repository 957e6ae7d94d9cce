"""The products of a paginated catalogue API: `page`, `total`, `total_pages`, `data`, as the customer API has it.

Not here: retries (`http_retry.py`), what a product's stock says (`stock_rows.py`).
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecom_assets.address import without_secrets
from ecom_assets.errors import SourceError
from ecom_assets.settings import Settings
from ecom_assets.sources.http_session import Api, ApiSession, header_value
from ecom_assets.sources.http_tally import HttpCosts

PAGE_SIZE = 500
MOST_PAGES = 100_000
"""More than any shop has: an answer that announces more is broken."""


class _Envelope(BaseModel):
    """A page: its number, how many products and pages there are, and the products."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    page: int = Field(ge=1)
    total: int = Field(ge=0)
    total_pages: int = Field(ge=0, le=MOST_PAGES)
    data: list[dict[str, Any]]


@dataclass(frozen=True)
class CatalogueFetch:
    """The products of one fetch, with `product_id`, `stock` and what else there is, and what it cost."""

    products: list[dict[str, Any]]
    costs: HttpCosts


def fetch_catalogue(settings: Settings) -> CatalogueFetch:
    """Fetch every product, page by page.

    Raises:
        SettingError: The key cannot be sent.
        SourceError: The API cannot be reached, refuses, does not speak this protocol, or changed on the way.
    """
    api = Api("catalogue API", settings.catalogue_api_url, "ECOM_CATALOGUE_API_URL", "ECOM_CATALOGUE_API_KEY")
    key = header_value(api.key_setting, settings.catalogue_api_key)
    headers = {"Accept": "application/json", **({"X-API-KEY": key} if key else {})}
    products: list[dict[str, Any]] = []
    with ApiSession(api, settings) as session:
        first = _page(session, headers, 1)
        products += first.data
        for number in range(2, first.total_pages + 1):
            products += _page(session, headers, number).data
        costs = session.tally.costs()
    if len(products) != first.total:
        raise SourceError(
            f"The catalogue API at {without_secrets(api.url)} announced {first.total:,} products and told "
            f"{len(products):,}; it changed meanwhile, so run again."
        )
    return CatalogueFetch(products, costs)


def _page(session: ApiSession, headers: dict[str, str], number: int) -> _Envelope:
    place = without_secrets(session.api.url)
    response = session.get(session.api.url, {"page": number, "per_page": PAGE_SIZE}, headers)
    try:
        page = _Envelope.model_validate(response.json())
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise SourceError(
            f"Page {number} of the catalogue API at {place} is none: "
            f"{'.'.join(map(str, fault['loc'])) or 'the answer'}: {fault['msg']}; see that "
            f"{session.api.url_setting} is the address of a list with page, total, total_pages and data."
        ) from None
    if page.page != number:
        raise SourceError(
            f"The catalogue API at {place} was asked for page {number} and answers with page {page.page}; see that "
            f"{session.api.url_setting} is the address of a list that takes `page`."
        )
    return page
