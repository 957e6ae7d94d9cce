"""Reading pages whose content may shift meanwhile: again and again until two passes agree.

While pages are read, somebody on the first page may move to the last, and everybody between moves up by one: anyone who
crosses the edge of a page at the wrong moment is on none of those that were read, and the total is still right. So a
pass counts only if the next one confirms it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from ecom_assets.errors import SourceError
from ecom_assets.sources.customer_api.records import Customer, QuarantinedRecord, ReceivedRecord

MOST_PAGES = 1_000_000
"""More than any shop has: an answer that announces more is broken."""


@dataclass(frozen=True)
class Page:
    """One page: its number from 1, what it says about the whole where it does, and its records."""

    number: int
    total: int | None
    page_count: int | None
    """None where only the page before tells whether there is another: then `after` says what leads there."""
    records: tuple[Customer | QuarantinedRecord, ...]
    after: str | None = None


ReadPage = Callable[[int, str | None], Page]
"""Reads a page by its number from 1, and by what the page before said leads to it."""


@dataclass(frozen=True)
class Pass:
    """All pages, read once, in their order."""

    pages: tuple[Page, ...]

    @property
    def records(self) -> list[ReceivedRecord]:
        """Every record in the order of pages."""
        return [
            ReceivedRecord(page.number, position, record)
            for page in self.pages
            for position, record in enumerate(page.records, start=1)
        ]

    @property
    def customers(self) -> list[Customer]:
        """Every copy of every customer, in the order of pages."""
        return [record for page in self.pages for record in page.records if isinstance(record, Customer)]

    @property
    def quarantined(self) -> tuple[QuarantinedRecord, ...]:
        """Every record that is no customer."""
        return tuple(r for page in self.pages for r in page.records if isinstance(r, QuarantinedRecord))

    @property
    def ids(self) -> frozenset[str]:
        """Whom it found."""
        return frozenset(customer.id for customer in self.customers)

    @property
    def total(self) -> int | None:
        """What the last page says how many there are, if it does."""
        return self.pages[-1].total

    @property
    def adds_up(self) -> bool:
        """Whether all pages tell the same total, and it lies between customers and records: some count copies."""
        record_count = sum(len(page.records) for page in self.pages)
        is_one_total = len({page.total for page in self.pages}) == 1
        return is_one_total and (self.total is None or len(self.ids) <= self.total <= record_count)

    def agrees_with(self, before: "Pass") -> bool:
        """Whether this pass confirms the one before: page by page, or by the same customers, as many as the total.

        The same customers alone prove nothing: two passes can miss the same one and meet another twice instead. Where
        no total is told, the same customers must be on the same pages.
        """
        if not self.adds_up or self.total != before.total:
            return False
        if self.total is None:
            return self.ids_by_page == before.ids_by_page
        is_same = [page.records for page in self.pages] == [page.records for page in before.pages]
        return is_same or (self.ids == before.ids and len(self.ids) == self.total)

    @property
    def ids_by_page(self) -> list[list[str]]:
        """Whom it found on each page; where a record is no customer, what it holds."""
        return [[one.id if isinstance(one, Customer) else one.payload for one in page.records] for page in self.pages]


@dataclass(frozen=True)
class Reading:
    """The passes that were made; the last one holds everybody if it is settled."""

    passes: tuple[Pass, ...]
    is_settled: bool

    @property
    def unsettled_ids(self) -> tuple[str, ...]:
        """Customers whom only some passes found, where no two passes agreed."""
        if self.is_settled:
            return ()
        everybody = frozenset[str]().union(*(one.ids for one in self.passes))
        always = everybody.intersection(*(one.ids for one in self.passes))
        return tuple(sorted(everybody - always))


def read_until_settled(read_page: ReadPage, stop: Callable[[], None], *, concurrency: int, most_passes: int) -> Reading:
    """Read all pages until two passes in a row agree, `most_passes` times at most.

    `read_page` is called from `concurrency` threads; `stop` makes calls that are under way end soon, after one failed.
    """
    passes = [_read_pass(read_page, stop, concurrency)]
    while len(passes) < most_passes:
        passes.append(_read_pass(read_page, stop, concurrency))
        if passes[-1].agrees_with(passes[-2]):
            return Reading(tuple(passes), is_settled=True)
    return Reading(tuple(passes), is_settled=False)


def _read_pass(read_page: ReadPage, stop: Callable[[], None], concurrency: int) -> Pass:
    pages = [read_page(1, None)]
    if pages[0].page_count is None:
        return Pass(tuple(_one_after_another(read_page, pages)))
    with ThreadPoolExecutor(concurrency, "customer-page") as pool:
        # A page may announce more pages than the ones before it did.
        while (known := max(page.page_count or 0 for page in pages)) > len(pages):
            numbers = range(len(pages) + 1, known + 1)
            pages += _results(pool, [pool.submit(read_page, number, None) for number in numbers], stop)
    return Pass(tuple(pages))


def _one_after_another(read_page: ReadPage, pages: list[Page]) -> list[Page]:
    seen: set[str] = set()
    while (after := pages[-1].after) is not None:
        if after in seen or _goes_nowhere(pages) or len(pages) >= MOST_PAGES:
            raise SourceError(
                f"Page {pages[-1].number} of the customer API leads to one that was read already, so its pages have no "
                "end; correct `paging` in the mapping that ECOM_CUSTOMER_API_MAPPING names."
            )
        seen.add(after)
        pages.append(read_page(len(pages) + 1, after))
    return pages


def _goes_nowhere(pages: Sequence[Page]) -> bool:
    """Tell whether three pages in a row hold the same records: the API does not understand what it is asked."""
    last = [[one.payload for one in page.records] for page in pages[-3:]]
    return len(last) == 3 and last[0] == last[1] == last[2]  # noqa: PLR2004 (two may be a list that shifts)


def _results(pool: ThreadPoolExecutor, futures: Sequence[Future[Page]], stop: Callable[[], None]) -> list[Page]:
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in futures if future.done() and future.exception()]
        return [future.result() for future in failed or futures]
    except BaseException:  # an interrupt from the keyboard, too, must not wait for all pages
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
