"""Search terms: the term as an event has it, and its normalized form.

The term is in the properties or in the page URL of the event. It is extracted with patterns that behave the same on
every engine, because engines differ in how they parse JSON and decode URLs.
"""

from collections.abc import Iterator

import ibis
import ibis.expr.types as ir

PROPERTY_NAMES = ("query", "search_query", "search_term", "search_text", "term", "keyword", "q")
"""JSON keys whose values are search terms."""
PARAMETER_NAMES = ("q", "query", "search", "search_query", "search_term", "term", "keyword", "text", "s")
"""URL parameters whose values are search terms."""
LETTERS = "äöüßéèêàáâçíñóôúœÄÖÜÉ"
"""Letters that are decoded: from percent-encoded UTF-8 in URLs, and from escapes in JSON. Others stay encoded."""
MARKS = "'\"&,/+:()!#%"
"""Punctuation that is decoded from percent-encoding; `%` itself must come last."""
LONGEST_TERM = 200
QUOTE = "\u2033"


def with_search_terms(events: ir.Table) -> ir.Table:
    """Return clean events with a `search_term`, which is null unless the event is a search."""
    term = (events.event_type == "search").ifelse(
        received_term(events.properties, events.page_url), ibis.null("string")
    )
    return events.mutate(search_term=term)


def received_term(properties: ir.StringColumn, page_url: ir.StringColumn) -> ir.StringValue:
    """Return the search term of an event, still encoded; null without one.

    A term in the properties takes precedence over a term in the URL.
    """
    named = "|".join(PROPERTY_NAMES)
    # An escaped quotation mark must not end the value.
    text = properties.replace('\\"', QUOTE).re_extract(f'"({named})" *: *"([^"]*)"', 2).nullif("")
    term = page_url.re_extract(f"[?&]({'|'.join(PARAMETER_NAMES)})=([^&#]*)", 2).nullif("")
    spaced = term.replace("+", " ").replace("%20", " ")
    return text.replace(QUOTE, '"').fill_null(spaced)


def plain_term(received: ir.StringValue) -> ir.StringValue:
    """Return a term decoded, in lower case, with single spaces and at most 200 characters; null if empty."""
    term = received.lower()
    for encoded, letter in _encodings():
        term = term.replace(encoded, letter)
    # A pattern instead of trim(): on Spark, trim() removes the letters `f` and `v` as whitespace.
    return term.re_replace(" +", " ").substr(0, LONGEST_TERM).re_replace("^ | $", "").nullif("")


def _encodings() -> Iterator[tuple[str, str]]:
    """Yield each encoded letter, in lower case, with the letter."""
    for letter in LETTERS:
        yield f"\\u{ord(letter):04x}", letter.lower()
    for letter in LETTERS + MARKS:
        yield "".join(f"%{byte:02x}" for byte in letter.encode()), letter.lower()
