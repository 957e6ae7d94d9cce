"""Settings that are lists: how their text is read, and what their parts may be."""

import json
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from ecom_assets.tables.bounds import LONGEST_EVENT_TYPE, NOT_IN_EVENT_TYPES


def by_commas(value: object) -> object:
    """Read `a, b`; what is not text stays as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def parts_of(value: object) -> object:
    """Read `a, b` or `["a", "b"]`; what is not text stays as it is.

    Raises:
        ValueError: It begins like a JSON list, but is not one.
    """
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return by_commas(value)
    try:
        names = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError('is not a JSON list, such as ["page_view", "purchase"]') from error
    if not all(isinstance(name, str) for name in names):
        raise ValueError('is not a JSON list of texts, such as ["page_view", "purchase"]')
    return tuple(names)


def event_types(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names that can be event types.

    Raises:
        ValueError: One of them cannot be an event type.
    """
    for name in names:
        if not 0 < len(name) <= LONGEST_EVENT_TYPE or name != name.strip() or re.search(NOT_IN_EVENT_TYPES, name):
            raise ValueError(f"{name!r} is not an event type, 1 to {LONGEST_EVENT_TYPE} characters of text")
    return names


ByCommas = Annotated[tuple[str, ...], NoDecode, BeforeValidator(by_commas)]
"""A list of texts, written with commas."""
Parts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(parts_of)]
"""A list of texts, written with commas or as JSON."""
EventTypes = Annotated[Parts, AfterValidator(event_types)]
"""A list of event types."""
