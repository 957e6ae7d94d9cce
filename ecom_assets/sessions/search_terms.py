"""Search terms: the term that an event carries, and the term as people mean it.

The term is in the event's properties or in its address. It is taken out with patterns that every engine reads alike,
as every engine reads JSON and decodes addresses in its own way.
"""

from collections.abc import Iterator

import ibis
import ibis.expr.types as ir

PROPERTY_NAMES = ("query", "search_query", "search_term", "search_text", "term", "keyword", "q")
"""Names of JSON values that hold a term."""
PARAMETER_NAMES = ("q", "query", "search", "search_query", "search_term", "term", "keyword", "text", "s")
"""Parameters of an address that hold a term."""
LETTERS = "äöüßéèêàáâçíñóôúœÄÖÜÉ"
"""What is decoded beside spaces: in addresses its UTF-8 bytes in percent, in JSON its number. Others stay encoded."""
MARKS = "'\"&,/+:()!#%"
"""Decoded too, where it is in percent; `%` itself comes last."""
LONGEST_TERM = 200
QUOTE = "\u2033"


def with_search_terms(events: ir.Table) -> ir.Table:
    """Return clean events with the `search_term` of those that are searches."""
    asked = (events.event_type == "search").ifelse(
        received_term(events.properties, events.page_url), ibis.null("string")
    )
    return events.mutate(search_term=asked)


def received_term(properties: ir.StringColumn, page_url: ir.StringColumn) -> ir.StringValue:
    """Return the term as the event carries it, encoded as it is; null without one.

    A term in the properties wins over one in the address.
    """
    named = "|".join(PROPERTY_NAMES)
    # A quotation mark inside of a value must not end it.
    text = properties.replace('\\"', QUOTE).re_extract(f'"({named})" *: *"([^"]*)"', 2).nullif("")
    asked = page_url.re_extract(f"[?&]({'|'.join(PARAMETER_NAMES)})=([^&#]*)", 2).nullif("")
    spaced = asked.replace("+", " ").replace("%20", " ")
    return text.replace(QUOTE, '"').fill_null(spaced)


def plain_term(received: ir.StringValue) -> ir.StringValue:
    """Return a received term in small letters, decoded, with single spaces and at most 200 letters; null if empty."""
    term = received.lower()
    for encoded, letter in _encodings():
        term = term.replace(encoded, letter)
    # Spark's own trimming takes an `f` or a `v` for white space.
    return term.re_replace(" +", " ").substr(0, LONGEST_TERM).re_replace("^ | $", "").nullif("")


def _encodings() -> Iterator[tuple[str, str]]:
    """What stands for a letter once all letters are small, and that letter."""
    for letter in LETTERS:
        yield f"\\u{ord(letter):04x}", letter.lower()
    for letter in LETTERS + MARKS:
        yield "".join(f"%{byte:02x}" for byte in letter.encode()), letter.lower()
