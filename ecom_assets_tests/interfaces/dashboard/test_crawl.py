"""Links of every kind of every page lead to a page or a file, and so do a share of the choices of
every form.

Links to one path with the same parameters are of a kind: they differ by the row that they stand in.
"""

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, all_pages
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read

NEEDS = {
    "product": {"product": "p1"},
    "board": {"board": "shop"},
    "board-tile": {"board": "shop", "tile": "0"},
    "versions": {"kind": "boards", "id": "shop"},
}
"""What the address of a page must say."""
DAYS = {"time_range": "week"}
Fields = dict[str, str]


class Visits:
    """The addresses that a server answered; what it answered is not kept,
    as thousands of pages are gigabytes.
    """

    def __init__(self, client: Client) -> None:
        """Open nothing yet."""
        self._client = client
        self._opened: set[str] = set()

    def open(self, address: str) -> Node:
        """Return the page at an address; a file has no elements."""
        address = address.partition("#")[0]
        answer = self._client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.text[:1000]}"
        self._opened.add(address)
        is_page = answer.headers["content-type"].startswith("text/html")
        return read(answer.text) if is_page else Node("file")

    def follow(self, page: Node, most: int) -> None:
        """Open every link of a page's navigation to this server, and at most so many of
        the others, evenly spread.
        """
        links = addresses_in(page.one("main"))
        self._open_new([*addresses_in(page.one("nav")), *links[:: len(links) // most + 1]])

    def follow_each_kind(self, page: Node) -> None:
        """Open every link of a page's navigation to this server, and of each kind of the others
        the first and the last.
        """
        kinds: dict[tuple[str, ...], list[str]] = {}
        for address in addresses_in(page.one("main")):
            parts = urlsplit(address)
            kinds.setdefault((parts.path, *sorted(parse_qs(parts.query))), []).append(address)
        ends = [address for links in kinds.values() for address in (links[0], links[-1])]
        self._open_new([*addresses_in(page.one("nav")), *ends])

    def _open_new(self, addresses: list[str]) -> None:
        """Open what was not opened before of the addresses of this server."""
        for address in addresses:
            if address.startswith("/") and address.partition("#")[0] not in self._opened:
                self.open(address)


def addresses_in(part: Node) -> list[str]:
    """Return where the links of a part of a page lead."""
    return [link.attributes["href"] for link in part.all("a")]


@pytest.fixture(scope="module")
def visits(client: Client) -> Visits:
    """The addresses that the tests of this file have opened."""
    return Visits(client)


def address_of(page: DashboardPage, fields: Fields) -> str:
    """Return the address that a browser opens for the fields of a form."""
    return f"{page.address}?{urlencode(fields)}"


def submissions(form: Node) -> Iterator[Fields]:
    """Yield the fields of a form as they are, with each option of each select,
    and with an odd text in each input.
    """
    inputs = [field.attributes for field in form.all("input")]
    selects = {field.attributes["name"]: field.all("option") for field in form.all("select")}
    chosen = {
        name: next(
            (option for option in options if "selected" in option.attributes), options[0]
        ).attributes["value"]
        for name, options in selects.items()
    }
    shown = {input_["name"]: input_.get("value", "") for input_ in inputs} | chosen
    yield shown
    for name, options in selects.items():
        yield from (shown | {name: option.attributes["value"]} for option in options)
    yield from (
        shown | {input_["name"]: "a'b, 1;"}
        for input_ in inputs
        if input_.get("type", "text") == "text"
    )


def forms_of(page: Node) -> list[Node]:
    """Return the forms of a page that ask for another view of it."""
    return page.all("form", method="get")


@pytest.mark.slow
@each("page", all_pages())
def test_every_link_of_a_page_whose_days_are_chosen_leads_somewhere(
    visits: Visits, page: DashboardPage
) -> None:
    days = DAYS if issubclass(page.asks, Filters) else {}
    visits.follow(visits.open(address_of(page, NEEDS.get(page.path, {}) | days)), most=8)


@pytest.mark.slow
@each("page", all_pages())
def test_links_of_each_kind_and_some_with_a_choice_lead_somewhere(
    visits: Visits, page: DashboardPage
) -> None:
    first = visits.open(address_of(page, NEEDS.get(page.path, {})))
    visits.follow_each_kind(first)
    for form in forms_of(first):
        asked = list(submissions(form))
        random.Random(page.path).shuffle(asked)  # noqa: S311 (an order, not a secret)
        for number in seeds(range(len(asked))):
            visits.follow(visits.open(address_of(page, asked[number])), most=2)


def test_a_builder_shows_its_first_question_for_the_days_that_were_chosen(visits: Visits) -> None:
    sales = visits.open("/dashboard/sales?time_range=week")
    links: dict[str, Any] = {
        link.text: link.attributes["href"] for link in sales.one("nav").all("a")
    }
    dates = {
        field.attributes["name"]: field.attributes["value"]
        for field in sales.all("input", type="date")
    }
    assert links["Sales"].endswith("?time_range=week")
    assert links["Live"].endswith("/live")
    form = visits.open(links["Funnel"]).one("form", class_="builder")
    fields = next(submissions(form))
    assert {name: fields[name] for name in dates} == dates
    assert fields["step1"], "the first question"


@each(
    "sent, days",
    [
        ({}, ("2026-01-11", "2026-02-09")),
        ({"start_date": "2026-02-01"}, ("2026-02-01", "2026-02-09")),
        ({"start_date": "2026-03-01"}, ("2026-03-01", "2026-03-01")),
        ({"end_date": "2026-01-30"}, ("2026-01-01", "2026-01-30")),
    ],
)
def test_days_of_ones_own_that_a_form_sends_empty_are_filled(
    visits: Visits, sent: Fields, days: tuple[str, str]
) -> None:
    # The shop has no costs, so the page has no numbers whose days its form could send.
    fields = {"time_range": "custom", "start_date": "", "end_date": "", **sent}
    form = visits.open(f"/dashboard/profit?{urlencode(fields)}").one("form", class_="filters")
    shown = next(submissions(form))
    assert shown["time_range"] == "custom"
    assert (shown["start_date"], shown["end_date"]) == days


def test_an_unknown_parameter_is_answered_with_the_closest_known_ones(client: Client) -> None:
    answer = client.get("/dashboard/funnel?step_1=page_view")
    assert answer.status_code == 422
    sentence = read(answer.text).one("p", class_="notice").text
    assert "'step1'" in sentence
    assert len(sentence) < 200, "not a list of all"
    assert read(answer.text).all("a", href="/dashboard/funnel"), "the page without them"
