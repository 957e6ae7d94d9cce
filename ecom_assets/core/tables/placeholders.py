"""Placeholders: what sources write in place of an id or a value.

The one list, and the one test in each language.

Who is only named by a placeholder is nobody. `0` is nobody among users, sessions and devices, but a
customer and a product, unless the mapping says otherwise (`unknown`). Countries are not tested:
`NA` is Namibia.
"""

import base64
import hashlib
from collections.abc import Collection, Iterator
from typing import Final
from uuid import UUID

import ibis
import ibis.expr.types as ir

NO_CONSENT: Final = "(no consent)"
"""The id that mappings write for visitors without consent; compared in lower case."""
ZERO_IDS: Final = ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000")
UNKNOWN_CUSTOMER: Final = "(unknown)"
"""Stands for all customers of orders who are placeholders.

Their orders count, and they are nobody's customer.
"""
NULLS: Final = (
    "",
    "null",
    "(null)",
    "<null>",
    "[null]",
    r"\n",
    "nil",
    "<nil>",
    "nan",
    "n/a",
    "#n/a",
    "na",
    "<na>",
    "undefined",
    "(undefined)",
    "[object object]",
)
"""What stands for no value in any column but those of places."""
HASHED_WORDS: Final = ("", "null", "undefined", "None", "nan")
"""What programs hash in place of an id that they do not have."""


def _hashes_of_nothing() -> Iterator[str]:
    """Yield the hashes of no id, in lower case: as digits and, of no text, in other forms."""
    for word in HASHED_WORDS:
        for name in ("md5", "sha1", "sha256", "sha512"):
            yield hashlib.new(name, word.encode(), usedforsecurity=False).hexdigest()
    for name in ("md5", "sha1", "sha256"):
        yield base64.b64encode(hashlib.new(name, usedforsecurity=False).digest()).decode().lower()
    md5 = hashlib.md5(usedforsecurity=False).digest()
    yield str(UUID(bytes=md5))
    yield str(UUID(bytes=md5, version=3))  # of Java's `nameUUIDFromBytes`


HASHES_OF_NOTHING: Final = (*_hashes_of_nothing(),)
"""Ids that all have in common who had none before ids were hashed."""
MARKS: Final = (
    *NULLS,
    "none",
    "(none)",
    "-",
    "--",
    "(not set)",
    "(not provided)",
    "unknown",
    *ZERO_IDS,
)
r"""What languages, databases and tools write for no value, in lower case.

Examples are `\N` of MySQL, Hive and Postgres, `nan` and `<NA>` of pandas, `undefined` of
JavaScript, and `(not set)` of Google Analytics.
"""
NO_PRODUCTS: Final = (*MARKS, *HASHES_OF_NOTHING)
"""Placeholders of products and items."""
NO_CUSTOMERS: Final = (
    *NO_PRODUCTS,
    "-1",
    "anonymous",
    "anon",
    "test",
    "testuser",
    "test_user",
    "test-user",
    NO_CONSENT,
)
"""Placeholders of people, and testers; the number 0 is a customer."""
NOBODY: Final = (*NO_CUSTOMERS, "0")
"""Placeholders of users, source sessions and devices."""
JOINS_NOBODY: Final = (
    *NOBODY,
    "guest",
    "distinctid",
    "distinct_id",
    "id",
    "not_authenticated",
    "email",
    "true",
    "false",
)
"""Ids that join no devices either; their events count.

PostHog, Segment and RudderStack refuse to merge them.
"""


def is_placeholder(value: ir.StringValue, words: Collection[str]) -> ir.BooleanValue:
    """Return whether an id is one of some placeholders, in any case; null for null.

    Reading has trimmed it.
    """
    result: ir.BooleanValue = value.lower().isin(words)
    return result


LONGEST_NULL: Final = max(map(len, NULLS))


def is_missing(value: ir.StringValue) -> ir.BooleanValue:
    r"""Return whether an id is null, or a word that stands for no value, such as `\N`."""
    # Most ids are longer, and comparing lengths takes a seventh of the time.
    is_word = (value.length() <= LONGEST_NULL).ifelse(
        is_placeholder(value, NULLS), ibis.literal(value=False)
    )
    result: ir.BooleanValue = value.isnull() | is_word
    return result


def stated(value: ir.StringValue) -> ir.StringValue:
    """Return an id; null where it is missing."""
    result: ir.StringValue = is_missing(value).ifelse(ibis.null("string"), value)
    return result


def known(value: ir.StringValue, words: Collection[str]) -> ir.StringValue:
    """Return an id; null for a placeholder."""
    result: ir.StringValue = is_placeholder(value, words).ifelse(ibis.null("string"), value)
    return result


def is_placeholder_text(value: str, words: Collection[str]) -> bool:
    """Return what `is_placeholder` says of one text."""
    return value.strip().lower() in words


def is_nobody_text(value: object) -> bool:
    """Return whether one id of a user, source session or device is missing or a placeholder."""
    return value is None or is_placeholder_text(str(value), NOBODY)
