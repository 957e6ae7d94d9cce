"""Where a search's term is, and what it means."""

from functools import cache

import ibis
import pytest

from ecom_assets.behaviour.sessions.sessions import LONGEST_TERM, plain_term, received_term
from ecom_assets.core.warehouse.local import connect


@cache
def sql() -> str:
    """Compile once."""
    events = ibis.table({"properties": "string", "page_url": "string"}, name="searches")
    received = received_term(events.properties, events.page_url)
    return str(connect().compile(events.select(received=received, plain=plain_term(received))))


def terms(properties: str | None, page_url: str | None) -> tuple[str | None, str | None]:
    """Return a term as received and as it is meant."""
    con = connect().con
    con.execute("CREATE TABLE searches (properties VARCHAR, page_url VARCHAR)")
    con.execute("INSERT INTO searches VALUES (?, ?)", [properties, page_url])
    [(received, plain)] = con.sql(sql()).fetchall()
    return received, plain


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("page_url", "plain"),
    [
        ("https://shop.example.com/search?q=running+shoes", "running shoes"),
        ("https://shop.example.com/search?page=2&query=Red%20Hat#top", "red hat"),
        ("/s?s=tea", "tea"),
        ("https://shop.example.com/?q=%C3%9Cber%20Schuhe", "über schuhe"),
        ("https://shop.example.com/?q=cr%c3%a8me+br%C3%BBl%C3%A9e", "crème br%c3%bbl\u00e9e"),
        ("https://shop.example.com/?q=100%25+wool+%26+silk", "100% wool & silk"),
        ("https://shop.example.com/?q=++two+++spaces+", "two spaces"),
        ("https://shop.example.com/?faq=1&sq=2", None),
        ("https://shop.example.com/?q=&query=", None),
        ("https://shop.example.com/?q=+", None),
        ("https://shop.example.com/hats", None),
        (None, None),
    ],
)
def test_a_term_in_an_address_is_decoded(page_url: str | None, plain: str | None) -> None:
    assert terms(None, page_url)[1] == plain


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("properties", "plain"),
    [
        ('{"device":"mobile","query":"Running Shoes"}', "running shoes"),
        ('{"search_term" : "hat"}', "hat"),
        ('{"search": {"query": "nested"}}', "nested"),
        ('{"query": "19\\" screen"}', '19" screen'),
        ('{"query": "\\u00dcber"}', "über"),
        ('{"query": "a+b%20c"}', "a+b%20c"),
        ('{"query": ""}', None),
        ('{"query": null}', None),
        ('{"results": 3}', None),
        ("no json", None),
    ],
)
def test_a_term_in_the_properties_is_read(properties: str, plain: str | None) -> None:
    assert terms(properties, None)[1] == plain


def test_the_properties_win_over_the_address() -> None:
    assert terms('{"query":"Red hat"}', "/s?q=blue") == ("Red hat", "red hat")
    assert terms('{"query":""}', "/s?q=Blue+hat") == ("Blue hat", "blue hat")


def test_a_very_long_term_is_cut() -> None:
    received, plain = terms(None, f"/s?q={'x' * 1000}")
    assert (len(received or ""), len(plain or "")) == (1000, LONGEST_TERM)
