"""Repeated reading of pages whose content can shift, until two consecutive passes agree.

While pages are read, a customer on the first page may move to the last, and all customers between move up by one. A
customer who crosses a page boundary at the wrong moment is on none of the pages that were read, although the total is
still right. So a pass counts only if the next one confirms it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from ecom_assets.errors import SourceError
from ecom_assets.sources.customer_api.records import Customer, QuarantinedRecord, ReceivedRecord

MOST_GROWTHS = 20
"""How often a list may say during one pass that it has more pages than before."""


@dataclass(frozen=True)
class Page:
    """One page: its number from 1, its records, and the totals that it reports, if any."""

    number: int
    total: int | None
    page_count: int | None
    """Number of pages; None if each page only links to the next one, which is `after`."""
    records: tuple[Customer | QuarantinedRecord, ...]
    after: str | None = None


ReadPage = Callable[[int, str | None], Page]
"""Reads a page by its number from 1, and by the `after` of the previous page."""


@dataclass(frozen=True)
class Pass:
    """All pages, read once, in page order."""

    pages: tuple[Page, ...]

    @property
    def records(self) -> list[ReceivedRecord]:
        """Return every record, in page order."""
        return [
            ReceivedRecord(page.number, position, record)
            for page in self.pages
            for position, record in enumerate(page.records, start=1)
        ]

    @property
    def customers(self) -> list[Customer]:
        """Return every copy of every customer, in page order."""
        return [record for page in self.pages for record in page.records if isinstance(record, Customer)]

    @property
    def quarantined(self) -> tuple[QuarantinedRecord, ...]:
        """Return the records that are not valid customers."""
        return tuple(r for page in self.pages for r in page.records if isinstance(r, QuarantinedRecord))

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids of all customers."""
        return frozenset(customer.id for customer in self.customers)

    @property
    def total(self) -> int | None:
        """Return the total that the last page reports, if it does."""
        return self.pages[-1].total

    @property
    def adds_up(self) -> bool:
        """Return whether all pages report the same total, and it is plausible.

        It must lie between the number of customers and the number of records, because some APIs count copies.
        """
        record_count = sum(len(page.records) for page in self.pages)
        is_one_total = len({page.total for page in self.pages}) == 1
        return is_one_total and (self.total is None or len(self.ids) <= self.total <= record_count)

    def agrees_with(self, before: "Pass") -> bool:
        """Return whether this pass confirms the previous one.

        It does if all pages are equal, or if it has the same customers and as many as the total. The same customers
        alone prove nothing: both passes can miss the same customer and read another one twice. Without a total, the
        same customers must be on the same pages.
        """
        if not self.adds_up or self.total != before.total:
            return False
        if self.total is None:
            return self.ids_by_page == before.ids_by_page
        is_same = [page.records for page in self.pages] == [page.records for page in before.pages]
        return is_same or (self.ids == before.ids and len(self.ids) == self.total)

    @property
    def ids_by_page(self) -> list[list[str]]:
        """Return the customer ids on each page; for a record that is not a customer, its payload."""
        return [[one.id if isinstance(one, Customer) else one.payload for one in page.records] for page in self.pages]


@dataclass(frozen=True)
class Reading:
    """The passes that were made; if it is settled, the last one has every customer."""

    passes: tuple[Pass, ...]
    is_settled: bool

    @property
    def unsettled_ids(self) -> tuple[str, ...]:
        """Return the customers that only some passes returned; empty if the reading is settled."""
        if self.is_settled:
            return ()
        everybody = frozenset[str]().union(*(one.ids for one in self.passes))
        always = everybody.intersection(*(one.ids for one in self.passes))
        return tuple(sorted(everybody - always))


def read_until_settled(
    read_page: ReadPage, stop: Callable[[], None], *, concurrency: int, most_passes: int, most_pages: int
) -> Reading:
    """Read all pages until two consecutive passes agree, at most `most_passes` times.

    `read_page` is called from `concurrency` threads. After one call fails, `stop` makes the others end soon.

    Raises:
        SourceError: The pages have no end, or are more than `most_pages`.
    """
    passes = [_read_pass(read_page, stop, concurrency, most_pages)]
    while len(passes) < most_passes:
        passes.append(_read_pass(read_page, stop, concurrency, most_pages))
        if passes[-1].agrees_with(passes[-2]):
            return Reading(tuple(passes), is_settled=True)
    return Reading(tuple(passes), is_settled=False)


def _read_pass(read_page: ReadPage, stop: Callable[[], None], concurrency: int, most_pages: int) -> Pass:
    pages = [read_page(1, None)]
    if pages[0].page_count is None:
        return Pass(tuple(_one_after_another(read_page, pages, most_pages)))
    growths = -1
    with ThreadPoolExecutor(concurrency, "customer-page") as pool:
        # A page may announce more pages than the ones before it did.
        while (known := max(page.page_count or 0 for page in pages)) > len(pages):
            growths += 1
            if known > most_pages:
                raise _too_many_pages(f"says that it has {known:,} pages", most_pages)
            if growths > MOST_GROWTHS:
                raise SourceError(
                    f"The list of the customer API grows while it is read: it said {growths} times that it has more "
                    f"pages than before, now {known:,}; see that its number of pages is right, or fetch at a quieter "
                    "hour."
                )
            numbers = range(len(pages) + 1, known + 1)
            pages += _results(pool, [pool.submit(read_page, number, None) for number in numbers], stop)
    return Pass(tuple(pages))


def _one_after_another(read_page: ReadPage, pages: list[Page], most_pages: int) -> list[Page]:
    seen: set[str] = set()
    repeated = _Repeats()
    while (after := pages[-1].after) is not None:
        if after in seen or repeated.are_many(pages[-1]):
            raise SourceError(
                f"Page {pages[-1].number} of the customer API leads to one that was read already, so its pages have no "
                "end; correct `paging` in the mapping that ECOM_CUSTOMER_API_MAPPING names."
            )
        if len(pages) >= most_pages:
            raise _too_many_pages(f"goes on after {len(pages):,} pages", most_pages)
        seen.add(after)
        pages.append(read_page(len(pages) + 1, after))
    return pages


class _Repeats:
    """Counts pages in a row that bring nothing new: from some page on, the API ignores what it is asked for."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._count = -1  # the first page brings something new, even if it is empty

    def are_many(self, page: Page) -> bool:
        """Return whether, with a further page, there are two or more; one alone may be of a list that shifts."""
        payloads = {one.payload for one in page.records}
        self._count = self._count + 1 if payloads <= self._seen else 0
        self._seen |= payloads
        return self._count > 1


def _too_many_pages(what: str, most_pages: int) -> SourceError:
    return SourceError(
        f"The list of the customer API {what}, and ECOM_SOURCE_MAX_PAGES is {most_pages:,}; correct `paging` in the "
        "mapping that ECOM_CUSTOMER_API_MAPPING names, or raise that or ECOM_CUSTOMER_API_PAGE_SIZE."
    )


def _results(pool: ThreadPoolExecutor, futures: Sequence[Future[Page]], stop: Callable[[], None]) -> list[Page]:
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in futures if future.done() and future.exception()]
        return [future.result() for future in failed or futures]
    except BaseException:  # a KeyboardInterrupt must not wait for all pages either
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
