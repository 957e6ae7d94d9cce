"""Where a search's term is, and what it means."""

from collections.abc import Sequence

import ibis
import pytest

from ecom_assets.behaviour.sessions.sessions import LONGEST_TERM, received_term, with_plain_terms
from ecom_assets.core.warehouse.local import connect

Search = tuple[str | None, str | None]
"""The properties and the address of a search."""
Term = tuple[str | None, str | None]
"""A term as received and as it is meant."""
IN_ADDRESSES: dict[str | None, str | None] = {
    "https://shop.example.com/search?q=running+shoes": "running shoes",
    "https://shop.example.com/search?page=2&query=Red%20Hat#top": "red hat",
    "/s?s=tea": "tea",
    "https://shop.example.com/?q=%C3%9Cber%20Schuhe": "über schuhe",
    "https://shop.example.com/?q=cr%c3%a8me+br%C3%BBl%C3%A9e": "crème br%c3%bbl\u00e9e",
    "https://shop.example.com/?q=100%25+wool+%26+silk": "100% wool & silk",
    "https://shop.example.com/?q=++two+++spaces+": "two spaces",
    "https://shop.example.com/?faq=1&sq=2": None,
    "https://shop.example.com/?q=&query=": None,
    "https://shop.example.com/?q=+": None,
    "https://shop.example.com/hats": None,
    None: None,
}
IN_PROPERTIES: dict[str | None, str | None] = {
    '{"device":"mobile","query":"Running Shoes"}': "running shoes",
    '{"search_term" : "hat"}': "hat",
    '{"search": {"query": "nested"}}': "nested",
    '{"query": "19\\" screen"}': '19" screen',
    '{"query": "\\u00dcber"}': "über",
    '{"query": "a+b%20c"}': "a+b%20c",
    '{"query": ""}': None,
    '{"query": null}': None,
    '{"results": 3}': None,
    "no json": None,
}
IN_BOTH: dict[Search, Term] = {
    ('{"query":"Red hat"}', "/s?q=blue"): ("Red hat", "red hat"),
    ('{"query":""}', "/s?q=Blue+hat"): ("Blue hat", "blue hat"),
}
LONG = f"/s?q={'x' * 1000}"
SEARCHES: list[Search] = [
    *((None, address) for address in IN_ADDRESSES),
    *((properties, None) for properties in IN_PROPERTIES),
    *IN_BOTH,
    (None, LONG),
]


@pytest.fixture(scope="module")
def terms() -> dict[Search, Term]:
    """The term of each search, all by one statement."""
    return dict(zip(SEARCHES, terms_of(SEARCHES), strict=True))


def terms_of(searches: Sequence[Search]) -> list[Term]:
    """Return the terms of searches, in their order."""
    events = ibis.table(
        {"number": "int64", "properties": "string", "page_url": "string"}, name="searches"
    )
    received = received_term(events.properties, events.page_url)
    rows = with_plain_terms(events.select("number", received=received, search_term=received))
    con = connect()
    con.con.execute("CREATE TABLE searches (number BIGINT, properties VARCHAR, page_url VARCHAR)")
    con.con.executemany(
        "INSERT INTO searches VALUES (?, ?, ?)",
        [(number, *search) for number, search in enumerate(searches)],
    )
    found = con.con.sql(str(con.compile(rows.order_by("number")))).fetchall()
    return [(received, plain) for _, received, plain in found]


def test_a_term_in_an_address_is_decoded(terms: dict[Search, Term]) -> None:
    assert {address: terms[None, address][1] for address in IN_ADDRESSES} == IN_ADDRESSES


def test_a_term_in_the_properties_is_read(terms: dict[Search, Term]) -> None:
    found = {properties: terms[properties, None][1] for properties in IN_PROPERTIES}
    assert found == IN_PROPERTIES


def test_the_properties_win_over_the_address(
    terms: dict[Search, Term],
) -> None:
    assert {search: terms[search] for search in IN_BOTH} == IN_BOTH


def test_a_very_long_term_is_cut(terms: dict[Search, Term]) -> None:
    received, plain = terms[None, LONG]
    assert (len(received or ""), len(plain or "")) == (1000, LONGEST_TERM)
