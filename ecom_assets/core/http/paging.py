"""The pages of a list that an API has: all that it announces, several at once, or each after the
one that leads to it. Both are bounded, as an API may be wrong about them.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ecom_assets.core.errors import SourceError

MOST_GROWTHS = 20
"""How often a list may say while it is read that it has more pages than before."""
T = TypeVar("T")


class ListPage(Protocol):
    """What an API answers of a list to one request."""

    @property
    def number(self) -> int:
        """Return its position in the list, from 1."""

    @property
    def page_count(self) -> int | None:
        """Return how many pages it says that there are; None if each page only leads to the next
        one.
        """

    @property
    def after(self) -> str | None:
        """Return what the next page is asked for by, where there is one."""

    @property
    def contents(self) -> Collection[Hashable]:
        """Return what it lists, by which a page that was read already is known."""


PageOfApi = TypeVar("PageOfApi", bound=ListPage)
ReadPage = Callable[[int, str | None], PageOfApi]
"""Reads a page by its number from 1, and by the `after` of the previous page."""


@dataclass(frozen=True)
class PagedList:
    """A list that an API has on pages.

    Attributes:
        name: What sentences call it, such as "The list of the catalogue API".
        most_pages: The pages that are read at most, ECOM_SOURCE_MAX_PAGES.
        remedy: What to do where it has more, without its end.
        correction: What to correct where its pages have no end.
    """

    name: str
    most_pages: int
    remedy: str
    correction: str = ""

    def pages(
        self, read_page: ReadPage[PageOfApi], stop: Callable[[], None], concurrency: int = 1
    ) -> list[PageOfApi]:
        """Return all pages, in order.

        Args:
            read_page: Reads one page; it is called from `concurrency` threads.
            stop: Makes the other calls end soon, after one has failed.
            concurrency: How many pages are read at once, where their number is known.

        Raises:
            SourceError: The pages have no end, or are more than `most_pages`.
        """
        pages = [read_page(1, None)]
        if pages[0].page_count is None:
            return list(self.bounded(self._one_after_another(read_page, pages[0])))
        growths = -1
        with ThreadPoolExecutor(concurrency, "page") as pool:
            # A page may announce more pages than the ones before it did.
            while (page_count := max(page.page_count or 0 for page in pages)) > len(pages):
                growths += 1
                if page_count > self.most_pages:
                    raise self._too_many(f"says that it has {page_count:,} pages")
                if growths > MOST_GROWTHS:
                    raise SourceError(
                        f"{self.name} grows while it is read: it said {growths} times that it has "
                        f"more pages than before, now {page_count:,}; see that its number of pages "
                        "is right, or fetch at a quieter hour."
                    )
                numbers = range(len(pages) + 1, page_count + 1)
                pages += _results(
                    pool, [pool.submit(read_page, number, None) for number in numbers], stop
                )
        return pages

    def bounded(self, pages: Iterable[T]) -> Iterator[T]:
        """Yield pages that are read one after another.

        Raises:
            SourceError: They are more than `most_pages`.
        """
        for number, page in enumerate(pages):
            if number == self.most_pages:
                raise self._too_many(f"goes on after {number:,} pages")
            yield page

    def _one_after_another(
        self, read_page: ReadPage[PageOfApi], page: PageOfApi
    ) -> Iterator[PageOfApi]:
        yield page
        followed: set[str] = set()
        listed: set[Hashable] = {*page.contents}
        repeated_count = 0
        while (after := page.after) is not None:
            # Two pages in a row without anything new: the API ignores what it is asked for. One may
            # be of a shifting list.
            if after in followed or repeated_count > 1:
                raise SourceError(
                    f"Page {page.number} of {self.name[:1].lower()}{self.name[1:]} leads to one "
                    f"that was read already, so its pages have no end; {self.correction}."
                )
            followed.add(after)
            page = read_page(page.number + 1, after)
            repeated_count = repeated_count + 1 if listed.issuperset(page.contents) else 0
            listed.update(page.contents)
            yield page

    def _too_many(self, problem: str) -> SourceError:
        return SourceError(
            f"{self.name} {problem}, and ECOM_SOURCE_MAX_PAGES is {self.most_pages:,}; "
            f"{self.remedy}."
        )


def _results(
    pool: ThreadPoolExecutor, futures: Sequence[Future[T]], stop: Callable[[], None]
) -> list[T]:
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in futures if future.done() and future.exception()]
        return [future.result() for future in failed or futures]
    except BaseException:  # a KeyboardInterrupt must not wait for all pages either
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
