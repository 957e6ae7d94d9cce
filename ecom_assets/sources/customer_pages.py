"""Reading numbered pages whose content may shift meanwhile: again and again until two passes agree.

While pages are read, somebody on the first page may move to the last, and everybody between moves up by one: whoever
crosses the edge of a page at the wrong moment is on none of those that were read, and the total is still right. So a
pass counts only if the next one confirms it. Not here: HTTP, what a record holds.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from ecom_assets.sources.customer_records import Customer, QuarantinedRecord, ReceivedRecord


@dataclass(frozen=True)
class Page:
    """One page: its number from 1, what it says about the whole, and its records."""

    number: int
    total: int
    page_count: int
    records: tuple[Customer | QuarantinedRecord, ...]


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
    def ids(self) -> frozenset[int]:
        """Whom it found."""
        return frozenset(customer.id for customer in self.customers)

    @property
    def total(self) -> int:
        """What the last page says how many there are."""
        return self.pages[-1].total

    @property
    def adds_up(self) -> bool:
        """Whether all pages tell the same total, and it lies between customers and records: some count copies."""
        record_count = sum(len(page.records) for page in self.pages)
        return len({page.total for page in self.pages}) == 1 and len(self.ids) <= self.total <= record_count

    def agrees_with(self, before: "Pass") -> bool:
        """Whether this pass confirms the one before: page by page, or by the same customers, as many as the total.

        The same customers alone prove nothing: two passes can miss the same one and meet another twice instead.
        """
        if not self.adds_up or self.total != before.total:
            return False
        is_same = [page.records for page in self.pages] == [page.records for page in before.pages]
        return is_same or (self.ids == before.ids and len(self.ids) == self.total)


@dataclass(frozen=True)
class Reading:
    """The passes that were made; the last one holds everybody if it is settled."""

    passes: tuple[Pass, ...]
    is_settled: bool

    @property
    def unsettled_ids(self) -> tuple[int, ...]:
        """Customers whom only some passes found, where no two passes agreed."""
        if self.is_settled:
            return ()
        everybody = frozenset[int]().union(*(one.ids for one in self.passes))
        always = everybody.intersection(*(one.ids for one in self.passes))
        return tuple(sorted(everybody - always))


def read_until_settled(
    read_page: Callable[[int], Page], stop: Callable[[], None], *, concurrency: int, most_passes: int
) -> Reading:
    """Read all pages until two passes in a row agree, `most_passes` times at most.

    `read_page` is called from `concurrency` threads; `stop` makes calls that are under way end soon, after one failed.
    """
    passes = [_read_pass(read_page, stop, concurrency)]
    while len(passes) < most_passes:
        passes.append(_read_pass(read_page, stop, concurrency))
        if passes[-1].agrees_with(passes[-2]):
            return Reading(tuple(passes), is_settled=True)
    return Reading(tuple(passes), is_settled=False)


def _read_pass(read_page: Callable[[int], Page], stop: Callable[[], None], concurrency: int) -> Pass:
    pages = [read_page(1)]
    with ThreadPoolExecutor(concurrency, "customer-page") as pool:
        # A page may announce more pages than the ones before it did.
        while (known := max(page.page_count for page in pages)) > len(pages):
            numbers = range(len(pages) + 1, known + 1)
            pages += _results(pool, [pool.submit(read_page, number) for number in numbers], stop)
    return Pass(tuple(pages))


def _results(pool: ThreadPoolExecutor, futures: Sequence[Future[Page]], stop: Callable[[], None]) -> list[Page]:
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in futures if future.done() and future.exception()]
        return [future.result() for future in failed or futures]
    except BaseException:  # an interrupt from the keyboard, too, must not wait for all pages
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
