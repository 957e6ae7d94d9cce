"""The source of customers: the configured API, read by its mapping, or none.

The API lists current customers, not past ones, so a fetch belongs to the day on which it is made. A
run over other days keeps what was received on them.
"""

import time
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from typing import Any

from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import MappingError, SettingError
from ecom_assets.core.http.retry import HttpCosts
from ecom_assets.core.http.session import Api, ApiSession, header_value
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import NoSource, SliceOutput
from ecom_assets.ingestion.sources.customer_api.paging import (
    CustomerReading,
    PageReader,
    read_until_settled,
)
from ecom_assets.ingestion.sources.customer_api.records import (
    Conflict,
    CustomerVersion,
    ReceivedRecord,
    customer_rows,
    mapping_of,
    merged,
)


@dataclass(frozen=True)
class CustomerFetch:
    """The result of one fetch: customers, and metrics of the requests.

    Its `repr` shows no customers.
    """

    customers: tuple[CustomerVersion, ...] = field(repr=False)
    """Each customer once, in the order of pages."""
    records: tuple[ReceivedRecord, ...] = field(repr=False)
    """All records of the last pass in page order; if not settled,
    then the records that only earlier passes had.
    """
    conflicts: tuple[Conflict, ...] = field(repr=False)
    unsettled_ids: tuple[str, ...] = field(repr=False)
    """Customers that only some passes returned; `customers` includes all of them."""
    is_settled: bool
    """Whether a pass returned as many customers as the API states,
    or two in a row the same customers.
    """
    total: int | None
    """Number of customers that the API reports, if it does."""
    record_count: int
    duplicate_count: int
    """Records of the last pass that are further copies of a customer."""
    pass_count: int
    took_s: float
    costs: HttpCosts

    @property
    def quarantined(self) -> tuple[ReceivedRecord, ...]:
        """Return the records that are not valid customers."""
        return tuple(record for record in self.records if record.customer is None)

    @property
    def shortfall(self) -> str:
        """Return a sentence about what could not be confirmed; empty if the fetch is settled."""
        if self.is_settled:
            return ""
        announced = "" if self.total is None else f", and the API says {self.total}"
        if not self.unsettled_ids and self.total not in {None, len(self.customers)}:
            return (
                f"All {self.pass_count} passes over the customer API's pages found the same "
                f"{len(self.customers)} customers, and the API says {self.total}; see whether a "
                "page is empty or leaves records out."
            )
        return (
            f"After {self.pass_count} passes over the customer API's pages no two in a row "
            f"agreed: {len(self.unsettled_ids)} customers were in some passes only (all are "
            f"taken), {len(self.customers)} were found{announced}; "
            "fetch at a quieter hour."
        )

    def metrics(self) -> dict[str, Any]:
        """Return the metrics for a materialization's metadata."""
        return {
            **asdict(self.costs),
            "took_s": self.took_s,
            "pass_count": self.pass_count,
            "is_settled": self.is_settled,
            "unsettled_count": len(self.unsettled_ids),
            "record_count": self.record_count,
            "customer_count": len(self.customers),
            "duplicate_count": self.duplicate_count,
            "conflict_count": len(self.conflicts),
            "quarantined_count": len(self.quarantined),
        }


def fetch_customers(settings: Settings) -> CustomerFetch:
    """Fetch every customer, several pages in parallel.

    Responses are cached in `<ECOM_HOME>/http_cache` and revalidated, so unchanged pages are not
    downloaded again.

    Raises:
        SettingError: No address is set, or the key cannot be sent.
        MappingError: The configured mapping cannot be read.
        SourceError: The API cannot be reached, returns an error, or does not match the mapping.
    """
    from ecom_assets.core.http.response_cache import cached_session  # noqa: PLC0415 (loads clients of other caches: 0.3 s)

    if not settings.customer_api_url:
        raise SettingError(
            "ECOM_CUSTOMER_API_URL is not set; set it to the address of the customer API."
        )
    api = Api(
        "customer API", settings.customer_api_url, "ECOM_CUSTOMER_API_URL", "ECOM_CUSTOMER_API_KEY"
    )
    mapping = mapping_of(settings)
    if "paging" not in mapping.model_fields_set:
        raise MappingError(
            f"mapping {mapping.name!r} has no `paging`, so only one page would be read; add it"
        )
    headers = {"Accept": "application/json"}
    if key := header_value(api.key_setting, settings.customer_api_key):
        headers[mapping.key.header] = f"{mapping.key.scheme} {key}".strip()
    began = time.monotonic()
    cache = cached_session(settings.home, "customer_api", mapping.key.header)
    with ApiSession(api, settings, cache) as session:
        reading = read_until_settled(
            PageReader(session, mapping, headers, settings.customer_api_page_size),
            session.stop,
            concurrency=settings.source_concurrency,
            most_passes=settings.customer_api_passes,
            most_pages=settings.source_max_pages,
        )
        return _fetch(reading, session.stats.costs(), round(time.monotonic() - began, 3))


def _fetch(reading: CustomerReading, costs: HttpCosts, took_s: float) -> CustomerFetch:
    last = reading.passes[-1]
    # If no two consecutive passes agree, the customers of all passes are taken, so that none is
    # lost.
    chosen = (last,) if reading.is_settled else (*reversed(reading.passes),)
    customers, conflicts = merged(
        customer for each_pass in chosen for customer in each_pass.customers
    )
    return CustomerFetch(
        customers=customers,
        records=(*last.records, *_of_earlier_passes(reading, customers)),
        conflicts=conflicts,
        unsettled_ids=reading.unsettled_ids,
        is_settled=reading.is_settled,
        total=last.total,
        record_count=len(last.records),
        duplicate_count=len(last.customers) - len(last.ids),
        pass_count=len(reading.passes),
        took_s=took_s,
        costs=costs,
    )


def _of_earlier_passes(
    reading: CustomerReading, customers: tuple[CustomerVersion, ...]
) -> list[ReceivedRecord]:
    """Return one record for each customer that only an earlier pass than the last returned."""
    *earlier, last = reading.passes
    last_payloads = {record.payload for record in last.records}
    before = {record.payload: record for each_pass in earlier for record in each_pass.records}
    return [
        before[customer.payload] for customer in customers if customer.payload not in last_payloads
    ]


def no_customers(reason: str) -> SliceOutput:
    """Return no rows for no days, with a reason; the table is not changed."""
    return SliceOutput.nothing(customer_rows((), date.min, ""), reason)


def customers_received(fetched: CustomerFetch, today: date, source: str) -> SliceOutput:
    """Return rows of `RawCustomers` that replace an earlier fetch of the same day."""
    metadata = {"fetched": True, **fetched.metrics(), "shortfall": fetched.shortfall or "none"}
    return SliceOutput(
        customer_rows(fetched.records, today, source),
        Days((today,)),
        metadata,
        supersedes=Days((today,)),
    )


NO_CUSTOMERS = NoSource(partial(no_customers, "ECOM_CUSTOMER_API_URL is not set"))


@dataclass(frozen=True)
class ApiCustomers:
    """The customers of the configured API."""

    settings: Settings
    now: Clock = now_utc

    def received(self, days: Days) -> SliceOutput:
        """Fetch the customers if today is one of the days; else return no rows for no days.

        Raises:
            SourceError: The API cannot be reached, returns an error, or does not match the mapping.
        """
        today = today_in(self.settings.timezone, self.now)
        if today not in days.dates:
            return no_customers(f"a fetch belongs to the day on which it is made, {today}")
        return customers_received(
            fetch_customers(self.settings), today, self.settings.customer_api_url
        )


def has_customers(settings: Settings) -> bool:
    """Return whether there are customers: of configured files or an API,
    or the sandbox's without own data.
    """
    return bool(settings.customers or settings.customer_api_url) or not settings.has_own_data
