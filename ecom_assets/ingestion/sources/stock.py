"""The source of stock: a catalogue file, the catalogue API, the sandbox's API, or none.

A catalogue lists current stock, not past stock, so its rows belong to one day: the newest of the
run.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import ibis.expr.types as ir
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import MissingFileError, SourceError
from ecom_assets.core.http.paging import PagedList
from ecom_assets.core.http.retry import HttpCosts
from ecom_assets.core.http.session import Api, ApiSession, header_value
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import has_rows
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.received import BROKEN_PROOF, PROOF, NoSource, SliceOutput
from ecom_assets.core.tables.values import MAX_STOCK
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets.ingestion.sources.files.lists import ListFile, opened_list
from ecom_assets.ingestion.sources.files.mapping import LEFT_OUT


@dataclass(frozen=True)
class CatalogueFetch:
    """The products of one fetch, with `product_id`, `stock` and optional fields,
    and the metrics of its requests.
    """

    products: list[dict[str, Any]]
    costs: HttpCosts


def fetched_stock(fetch: CatalogueFetch, day: date, source: str) -> SliceOutput:
    """Return the stock in the response of an API, which replaces earlier rows of the same day."""
    metadata = {"fetched": True, "stock_day": str(day), **asdict(fetch.costs)}
    return SliceOutput(
        stock_rows(fetch.products, day, source), Days((day,)), metadata, supersedes=Days((day,))
    )


def no_stock(reason: str) -> SliceOutput:
    """Return no rows for no days, with a reason; the table is not changed."""
    return SliceOutput.nothing(stock_rows((), date.min, ""), reason)


NO_STOCK = NoSource(partial(no_stock, "neither ECOM_CATALOGUE_API_URL nor ECOM_CATALOGUE is set"))


def require_catalogue(path: Path) -> None:
    """Look at the columns of the file of `ECOM_CATALOGUE`.

    Raises:
        SourceError: The file is missing or unreadable, or has stock but no product ids.
    """
    with opened_catalogue(str(path)):
        pass


@contextmanager
def opened_catalogue(path: str) -> Iterator[ListFile]:
    """Open a catalogue inside the block; one with stock has product ids.

    Raises:
        SourceError: It is missing or unreadable, or has stock but no product ids.
    """
    try:
        with opened_list(path) as listed:
            listed.require((), NUMBERS, (*REQUIRED, *OPTIONAL, LOCATION))
            if "stock" in listed.names and "product_id" not in listed.names:
                raise SourceError(
                    f"The catalogue {path} has a column stock but no column product_id; "
                    "rename the column with the id of the product to product_id."
                )
            yield listed
    except MissingFileError as error:
        raise SourceError(
            f"The catalogue {path} cannot be read, as there is no such file; give ECOM_CATALOGUE a "
            "file with the columns product_id and stock."
        ) from error


@dataclass(frozen=True)
class ApiStock:
    """The stock that the catalogue API returns;
    the nightly run stores it for the day that has just ended.
    """

    settings: Settings
    now: Clock = now_utc

    def received(self, days: Days) -> SliceOutput:
        """Fetch the stock if the newest of the days is today or yesterday;
        else return no rows for no days.

        Raises:
            SourceError: The API cannot be reached, returns an error, or does not follow the
                protocol.
        """
        today = today_in(self.settings.timezone, self.now)
        newest = days.dates[-1]
        if newest not in {today, today - ONE_DAY}:
            return no_stock(
                f"stock is only known as it is now, {today}, and these days end with {newest}"
            )
        return fetched_stock(
            fetch_catalogue(self.settings), newest, self.settings.catalogue_api_url
        )


def has_stock(settings: Settings) -> bool:
    """Return whether there is stock to load: a configured API or file, or uploads,
    or the sandbox's if there are no own data.
    """
    is_set = bool(settings.catalogue_api_url or settings.catalogue)
    return is_set or has_rows(settings.home, "stock") or not settings.has_own_data


REQUIRED = ("product_id", "stock")
LOCATION: Final = "location"
"""Where the stock of a line is; a product may have several lines then, which are added up."""
UNIT_COST = "unit_cost_amount"
OF_MAPPING: Final = "__left_out"
"""In a record of a file, the condition of its mapping that leaves it out, or the proof that it
breaks.
"""
OPTIONAL = ("name", "category", "reorder_point", "lead_time_days", UNIT_COST)
NUMBERS = ("stock", "reorder_point", "lead_time_days", UNIT_COST)
_NUMBERS = (
    ("stock", "stock_count", "unparseable_stock", -MAX_STOCK),
    ("reorder_point", "reorder_point_count", "unparseable_reorder_point", 0),
    ("lead_time_days", "lead_time_days", "unparseable_lead_time", 0),
)
"""Received name, column, reject reason if it is not a whole number, and smallest allowed value."""


def of_all_locations(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield records of stock, with the stock of all locations of a product in the last of them.

    Of two records about a product at one location the later one counts, and what is not known at
    one location is not known at all. A record that its mapping leaves out is of no location.
    """
    every = []
    for record in records:
        if reason_of_mapping(record) == LEFT_OUT:
            yield record
        else:
            every.append(record)
    values = [*stock_values(every, date.min, "")]
    at = [str(record.get(LOCATION) or "").strip() for record in every]
    last_of = {
        (line["product_id"], place): n
        for n, (line, place) in enumerate(zip(values, at, strict=True))
    }
    at_locations = dict[str | None, list[int]]()
    for (product, _), number in last_of.items():
        at_locations.setdefault(product, []).append(number)
    for number, record in enumerate(every):
        product = values[number]["product_id"]
        numbers = at_locations[product]
        if product is None or not at[number] or len(numbers) == 1:
            yield record
        elif number == max(numbers):
            counts = [values[index]["stock_count"] for index in numbers]
            unknown = every[numbers[counts.index(None)]] if None in counts else None
            total = unknown["stock"] if unknown else str(sum(counts))
            waits = unknown.get(OF_MAPPING) if unknown else None
            yield {**record, "stock": total, OF_MAPPING: waits or record.get(OF_MAPPING)}


def stock_rows(
    records: Iterable[Mapping[str, Any]], received_date: date, source: str, file: str | None = None
) -> ir.Table:
    """Return records as an in-memory table with the columns of `RawStock`."""
    return in_memory(stock_values(records, received_date, source, file), RawStock)


def stock_values(
    records: Iterable[Mapping[str, Any]],
    received_date: date,
    source: str,
    file: str | None = None,
    before: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield records as rows of `RawStock`; `before` is how many places are taken before them on
    their day.
    """
    for number, record in enumerate(records, start=before + 1):
        texts = {name: _text(record.get(name)) for name in (*REQUIRED, *OPTIONAL)}
        numbers, reason = _numbers(texts)
        cost = _unit_cost(texts[UNIT_COST])
        if why := reason_of_mapping(record):  # what the line says is not believed
            numbers, reason, cost = dict.fromkeys(numbers), why, None
        yield {
            "received_date": received_date,
            "record_number": number,
            "product_id": texts["product_id"],
            "product_name": texts["name"],
            "product_category": texts["category"],
            "received_stock": texts["stock"],
            "received_reorder_point": texts["reorder_point"],
            "received_lead_time_days": texts["lead_time_days"],
            "received_unit_cost_amount": texts[UNIT_COST],
            "unit_cost_amount": cost,
            **numbers,
            "reject_reason": reason,
            "source": source,
            "source_file": file,
        }


def reason_of_mapping(record: Mapping[str, Any]) -> str:
    """Return why its mapping lets a record not count; empty where it counts."""
    named = record.get(OF_MAPPING) or ""
    return named and (BROKEN_PROOF if named.startswith(PROOF) else LEFT_OUT)


def _numbers(texts: Mapping[str, str | None]) -> tuple[dict[str, int | None], str | None]:
    """Return the numbers of a record, and the first reason to reject it."""
    reasons = ["missing_product_id"] if texts["product_id"] is None else []
    reasons += ["missing_stock"] if texts["stock"] is None else []
    numbers: dict[str, int | None] = {}
    for name, column, reason, least in _NUMBERS:
        numbers[column] = _whole_number(texts[name], least)
        if texts[name] is not None and numbers[column] is None:
            reasons.append(reason)
    return numbers, reasons[0] if reasons else None


def _text(value: object) -> str | None:
    """Return a value as stripped text; None if it is empty."""
    return None if value is None or isinstance(value, dict | list) else str(value).strip() or None


def _whole_number(text: str | None, least: int) -> int | None:
    """Return a text as a whole number, or None; `12.0` is a whole number."""
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not least <= number <= MAX_STOCK or number != int(number):
        return None
    return int(number)


MILLIONTH: Final = Decimal("0.000001")
MOST_COST: Final = Decimal(10) ** 12
"""What is not less does not fit into a column of unit costs."""


def _unit_cost(text: str | None) -> Decimal | None:
    """Return a text as a cost to a millionth; None if it is not a number, or below zero."""
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    if not number.is_finite() or not 0 <= number < MOST_COST:
        return None
    cost = number.quantize(MILLIONTH, ROUND_HALF_UP)
    return cost if cost < MOST_COST else None


PAGE_SIZE = 500
MOST_PAGES = 100_000
"""More than any shop has: a response that announces more is broken."""


class _Envelope(BaseModel):
    """A page: its number, the total numbers of products and pages, and its products."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    page: int = Field(ge=1)
    total: int = Field(ge=0)
    total_pages: int = Field(ge=0, le=MOST_PAGES)
    data: list[dict[str, Any]]

    @property
    def number(self) -> int:
        """Return its number."""
        return self.page

    @property
    def page_count(self) -> int:
        """Return how many pages it says that there are."""
        return self.total_pages

    after: ClassVar[None] = None
    contents: ClassVar[Collection[str]] = ()


def fetch_catalogue(settings: Settings) -> CatalogueFetch:
    """Fetch every product, page by page.

    Raises:
        SettingError: The key cannot be sent.
        SourceError: The API cannot be reached, returns an error or another format, or changed
            during the fetch.
    """
    api = Api(
        "catalogue API",
        settings.catalogue_api_url,
        "ECOM_CATALOGUE_API_URL",
        "ECOM_CATALOGUE_API_KEY",
    )
    key = header_value(api.key_setting, settings.catalogue_api_key)
    headers = {"Accept": "application/json", **({"X-API-KEY": key} if key else {})}
    listed = PagedList(
        f"The list of the catalogue API at {without_secrets(api.url)}",
        settings.source_max_pages,
        "see that its number of pages is right, or raise that",
    )
    with ApiSession(api, settings) as session:
        pages = listed.pages(lambda number, _: _page(session, headers, number), session.stop)
        costs = session.stats.costs()
    products = [product for page in pages for product in page.data]
    if len(products) != (total := pages[0].total):
        raise SourceError(
            f"The catalogue API at {without_secrets(api.url)} announced {total:,} products "
            f"and returned {len(products):,}; it changed meanwhile, so run again."
        )
    return CatalogueFetch(products, costs)


def _page(session: ApiSession, headers: dict[str, str], number: int) -> _Envelope:
    address = without_secrets(session.api.url)
    response = session.get(session.api.url, {"page": number, "per_page": PAGE_SIZE}, headers)
    try:
        page = _Envelope.model_validate(response.json())
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise SourceError(
            f"Page {number} of the catalogue API at {address} is none: "
            f"{'.'.join(map(str, fault['loc'])) or 'the answer'}: {fault['msg']}; see that "
            f"{session.api.url_setting} is the address of a list with page, total, total_pages "
            "and data."
        ) from None
    if page.page != number:
        raise SourceError(
            f"The catalogue API at {address} was asked for page {number} and answers with page "
            f"{page.page}; see that {session.api.url_setting} is the address of a list that takes "
            "`page`."
        )
    return page
