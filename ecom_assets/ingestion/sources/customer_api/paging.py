"""The pagination of a customer API, whose pages can shift while they are read.

They are read once if they have as many different customers as the API states, else until two passes
agree.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from requests import Response

from ecom_assets.core.errors import SourceError
from ecom_assets.core.http.paging import PagedList, ReadPage
from ecom_assets.core.http.session import ApiSession, same_origin
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.ingestion.sources.customer_api.records import (
    EPOCHS,
    ID_TYPES,
    MISSING,
    ApiConsent,
    ApiField,
    ApiScore,
    ApiTime,
    CursorPages,
    CustomerMapping,
    CustomerVersion,
    LinkedPages,
    NumberedPages,
    OffsetPages,
    ReceivedRecord,
    read_id,
    read_record,
    value_at,
)
from ecom_assets.ingestion.sources.mapping_file import bracketed_guess

CORRECTION = "correct `paging` in the mapping that ECOM_CUSTOMER_API_MAPPING names"


@dataclass(frozen=True)
class CustomerPage:
    """One page: its number from 1, its records, and the totals that it reports, if any."""

    number: int
    total: int | None
    page_count: int | None
    """Number of pages; None if each page only links to the next one, which is `after`."""
    records: tuple[ReceivedRecord, ...]
    after: str | None = None

    @property
    def contents(self) -> frozenset[str]:
        """Return the contents of its records."""
        return frozenset(record.payload for record in self.records)


@dataclass(frozen=True)
class Pass:
    """All pages, read once, in page order."""

    pages: tuple[CustomerPage, ...]

    @property
    def records(self) -> list[ReceivedRecord]:
        """Return every record, in page order."""
        return [record for page in self.pages for record in page.records]

    @property
    def customers(self) -> list[CustomerVersion]:
        """Return every copy of every customer, in page order."""
        return [record.customer for record in self.records if record.customer]

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

        It must lie between the number of customers and the number of records, because some APIs
        count copies.
        """
        is_one_total = len({page.total for page in self.pages}) == 1
        return is_one_total and (
            self.total is None or len(self.ids) <= self.total <= len(self.records)
        )

    @property
    def is_whole(self) -> bool:
        """Return whether the pass has exactly as many different records as all of its pages state.

        A record that moved to another page meanwhile was read twice or not at all, and the numbers
        differ. Nobody was missed then, so no second pass is needed.
        """
        broken = {record.payload for record in self.records if record.customer is None}
        different_count = len(self.ids) + len(broken)
        states_one_total = {page.total for page in self.pages} == {len(self.records)}
        return states_one_total and different_count == len(self.records)

    def agrees_with(self, before: "Pass") -> bool:
        """Return whether this pass confirms the previous one.

        It does if all pages are equal, or if it has the same customers and as many as the total.
        The same customers alone prove nothing: both passes can miss the same customer and read
        another one twice. Without a total, the same customers must be on the same pages.
        """
        if not self.adds_up or self.total != before.total:
            return False
        if self.total is None:
            return self.ids_by_page == before.ids_by_page
        return self.records == before.records or (
            self.ids == before.ids and len(self.ids) == self.total
        )

    @property
    def ids_by_page(self) -> list[list[str]]:
        """Return the customer ids on each page;
        for a record that is not a customer, its payload.
        """
        return [
            [record.customer.id if record.customer else record.payload for record in page.records]
            for page in self.pages
        ]


@dataclass(frozen=True)
class CustomerReading:
    """The passes that were made; if it is settled, the last one has every customer."""

    passes: tuple[Pass, ...]
    is_settled: bool

    @property
    def unsettled_ids(self) -> tuple[str, ...]:
        """Return the customers that only some passes returned; empty if the reading is settled."""
        if self.is_settled:
            return ()
        everybody = frozenset[str]().union(*(each_pass.ids for each_pass in self.passes))
        always = everybody.intersection(*(each_pass.ids for each_pass in self.passes))
        return tuple(sorted(everybody - always))


def read_until_settled(
    read_page: ReadPage[CustomerPage],
    stop: Callable[[], None],
    *,
    concurrency: int,
    most_passes: int,
    most_pages: int,
) -> CustomerReading:
    """Read all pages until a pass is whole or agrees with the previous one,
    at most `most_passes` times.

    `read_page` is called from `concurrency` threads. After one call fails, `stop` makes the others
    end soon.

    Raises:
        SourceError: The pages have no end, or are more than `most_pages`.
    """
    passes: list[Pass] = []
    listed = PagedList(
        "The list of the customer API",
        most_pages,
        f"{CORRECTION}, or raise that or ECOM_CUSTOMER_API_PAGE_SIZE",
        CORRECTION,
    )
    while len(passes) < most_passes:
        passes.append(Pass(tuple(listed.pages(read_page, stop, concurrency))))
        is_confirmed = len(passes) > 1 and passes[-1].agrees_with(passes[-2])
        if passes[-1].is_whole or is_confirmed:
            return CustomerReading(tuple(passes), is_settled=True)
    return CustomerReading(tuple(passes), is_settled=False)


_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


class Misfit(Exception):  # noqa: N818 (it is caught where it becomes a SourceError)
    """A response does not match its mapping;
    the message is part of a sentence and quotes no value.
    """

    @classmethod
    def at(cls, path: str, expected: str, value: object) -> "Misfit":
        """Return the error for a path of the response whose value is not the expected one."""
        where = "the answer itself" if path == "." else f"`{path}`"
        return cls(f"{where} is {described(value)}, expected {expected}")


def described(value: object) -> str:
    """Return a description of the type of a value, without the value."""
    if value is MISSING:
        return "missing"
    return "null" if value is None else _NAMES.get(type(value), "something else")


def require_fit(mapping: CustomerMapping, records: Sequence[Any]) -> None:
    """Check that records match a mapping.

    Raises:
        Misfit: A field is missing from all records, has only values of a wrong type, or is unknown
            to the mapping.
    """
    objects = [record for record in records if isinstance(record, dict)]
    if not objects:
        return
    for name, api_field in mapping.fields.mapped():
        _require_field(name, api_field, mapping.id_type, objects)
    if mapping.other_fields == "refuse":
        _require_known(mapping, objects)


def _require_field(
    name: str, api_field: ApiField, id_type: str, objects: Sequence[dict[str, Any]]
) -> None:
    expected = _expected(name, api_field, id_type)
    values = [api_field.value_in(record) for record in objects]
    present = [value for value in values if value is not MISSING]
    if not present and not api_field.optional:
        keys = sorted({key for record in objects for key in record})
        guess = bracketed_guess(api_field.paths[0], keys)
        raise Misfit(
            f"no record has `{api_field.paths[0]}`{guess}, which is the field {name} and expected "
            f"to be {expected}"
        )
    wrong = [
        value
        for value in present
        if value is not None and not _is_right(name, api_field, id_type, value)
    ]
    if wrong and len(wrong) == sum(value is not None for value in present):
        kind = Counter(map(described, wrong)).most_common(1)[0][0]
        raise Misfit(
            f"in every record `{api_field.paths[0]}`, the field {name}, is {kind}, expected "
            f"{expected}"
        )


def _expected(name: str, api_field: ApiField, id_type: str) -> str:
    if name == "id":
        return ID_TYPES[id_type]
    if isinstance(api_field, ApiConsent):
        return "true, false or a text"
    if isinstance(api_field, ApiScore):
        return f"a number from 0 to {api_field.out_of:g}"
    return "a number" if isinstance(api_field, ApiTime) and api_field.format in EPOCHS else "a text"


def _is_right(name: str, api_field: ApiField, id_type: str, value: object) -> bool:
    if name == "id":
        # A wrong type is an error of the layout; a placeholder id such as "null" is an error of the
        # record.
        return not read_id(value, id_type, None)[1].startswith("it is not")
    if isinstance(api_field, ApiConsent):
        return isinstance(value, str | int)  # also 0 and 1
    if isinstance(api_field, ApiScore):
        return api_field.score_of(value) is not None
    if isinstance(api_field, ApiTime) and api_field.format in EPOCHS:
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _require_known(mapping: CustomerMapping, objects: Sequence[dict[str, Any]]) -> None:
    names = {
        path.split(".")[0]
        for _, api_field in mapping.fields.mapped()
        for path in api_field.all_paths
    }
    names |= set(mapping.ignore_fields)
    for record in objects:
        for key in record:
            if key not in names:
                raise Misfit(
                    f"records have `{key}`, which the mapping does not name; expected are "
                    f"{', '.join(sorted(names))}, so name it under `fields` or `ignore_fields`, "
                    "or set `other_fields: ignore`"
                )


MOST_PAGES = 1_000_000
"""More than any shop has: a response that announces more is broken."""
MOST_RECORDS = 1_000 * MOST_PAGES


@dataclass
class PageReader:
    """Reads pages through a session, according to a mapping.

    The first page of each pass shows the real page size, because an API may return fewer records
    than requested.
    """

    session: ApiSession
    mapping: CustomerMapping
    headers: Mapping[str, str]
    page_size: int
    _step: int = field(default=1, init=False)

    def __call__(self, number: int, after: str | None) -> CustomerPage:
        """Return a page.

        Raises:
            SourceError: The API cannot be reached, returns an error, or its response does not match
                the mapping.
        """
        response = self.session.get(*self._address(number, after), self.headers)
        try:
            return self._page(number, response)
        except Misfit as misfit:
            api = self.session.api
            raise SourceError(
                f"Page {number} of the customer API at {without_secrets(api.url)} does not fit "
                f"the mapping {self.mapping.name}: {misfit}; correct {api.url_setting}, or name a "
                "mapping that fits in ECOM_CUSTOMER_API_MAPPING."
            ) from None

    def _address(self, number: int, after: str | None) -> tuple[str, dict[str, str | int]]:
        paging, url = self.mapping.paging, self.session.api.url
        if isinstance(paging, LinkedPages) and after is not None:
            return self._linked(number, url, after), {}
        size = getattr(paging, "size", None)
        params: dict[str, str | int] = {size: self.page_size} if size else {}
        if isinstance(paging, NumberedPages):
            params[paging.parameter] = paging.first + number - 1
        elif isinstance(paging, OffsetPages):
            params[paging.parameter] = (number - 1) * self._step
        elif isinstance(paging, CursorPages) and after is not None:
            params[paging.parameter] = after
        return url, params

    def _linked(self, number: int, url: str, after: str) -> str:
        next_url = urljoin(url, after)
        if not same_origin(next_url, url):
            raise SourceError(
                f"Page {number - 1} of the customer API at {without_secrets(url)} leads to "
                f"another server, {without_secrets(next_url)}, which must not get the key; set "
                "ECOM_CUSTOMER_API_URL to where it leads if you trust that."
            )
        return next_url

    def _page(self, number: int, response: Response) -> CustomerPage:
        answer, mapping = response.json(), self.mapping
        records = value_at(answer, mapping.records)
        if not isinstance(records, list):
            raise Misfit.at(mapping.records, "the list of customers", records)
        self._require_number(number, answer)
        total = _count_at(answer, getattr(mapping.paging, "total", None))
        if number == 1:
            require_fit(mapping, records)
            self._step = max(1, len(records))
        page_count = self._page_count(answer, total)
        after = self._after(number, answer, response, records) if page_count is None else None
        read = (
            read_record(record, number, position, mapping)
            for position, record in enumerate(records, start=1)
        )
        return CustomerPage(number, total, page_count, tuple(read), after)

    def _require_number(self, number: int, answer: object) -> None:
        paging = self.mapping.paging
        if not isinstance(paging, NumberedPages) or paging.number is None:
            return
        expected = paging.first + number - 1
        if (value := _count_at(answer, paging.number)) != expected:
            raise Misfit(f"it was asked for as page {expected} and says that it is page {value}")

    def _page_count(self, answer: object, total: int | None) -> int | None:
        """Return the number of pages; None if each page only leads to the next."""
        paging = self.mapping.paging
        if isinstance(paging, LinkedPages | CursorPages):
            return None
        if isinstance(paging, NumberedPages) and paging.page_count is not None:
            return _count_at(answer, paging.page_count, MOST_PAGES)
        if isinstance(paging, NumberedPages | OffsetPages):
            return None if total is None else -(-total // self._step)
        return 1

    def _after(
        self, number: int, answer: object, response: Response, records: list[Any]
    ) -> str | None:
        """Return the number, link or cursor of the next page; None after the last page."""
        paging = self.mapping.paging
        if isinstance(paging, LinkedPages) and paging.next is None:
            return response.links.get("next", {}).get("url")
        if isinstance(paging, LinkedPages | CursorPages):
            if isinstance(paging, CursorPages) and paging.more:
                more = value_at(answer, paging.more)
                if not isinstance(more, bool):
                    raise Misfit.at(paging.more, "true or false", more)
                if not more:
                    return None
            return _leads_to(
                answer, paging.next if isinstance(paging, LinkedPages) else paging.cursor
            )
        return str(number + 1) if records else None


def _count_at(answer: object, path: str | None, most: int = MOST_RECORDS) -> int | None:
    """Return the number at a path of a response, at most `most`; None without a path."""
    if path is None:
        return None
    value = value_at(answer, path)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Misfit.at(path, f"a whole number from 0 to {most}", value)
    return value


def _leads_to(answer: object, path: str | None) -> str | None:
    value = MISSING if path is None else value_at(answer, path)
    if value is MISSING or value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Misfit.at(str(path), "a text or a number that leads to the next page", value)
    return str(value)
