"""Warnings about requested event types that no event has."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ecom_assets.errors import nearest
from ecom_assets.tables.query_runner import QueryRunner

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.sql import SQLBackend

Words = Mapping[str, tuple[str, ...]]
"""The source's names for the platform's event types, if they differ."""
MOST_LISTED = 20
"""The number of event types that are listed if none has a similar name; a file can have thousands."""


def missing_type_warnings(
    con: "SQLBackend | QueryRunner", events: "ir.Table", event_types: Iterable[str], words: Words | None = None
) -> list[str]:
    """Return one sentence for each requested event type that no event has."""
    names = list(dict.fromkeys(event_types))
    if not names:
        return []
    return warnings_of(names, (row["event_type"] for row in QueryRunner.wrap(con).rows(types_of, events)), words)


def types_of(events: "ir.Table") -> "ir.Table":
    """Return every type that an event has."""
    return events.select("event_type").distinct()


def warnings_of(names: Iterable[str], matches: Iterable[str | None], words: Words | None = None) -> list[str]:
    """Return one sentence for each requested event type that is not among those found."""
    present = sorted(name for name in matches if name is not None)
    return [_sentence(name, present, words or {}) for name in dict.fromkeys(names) if name not in present]


def _sentence(name: str, present: list[str], words: Words) -> str:
    if not present:
        return f"No event has the type {name!r}, so it counts 0; there is no clean event at all."
    own = [word for one in present for word in words.get(one, (one,))]
    near = nearest(name, [*own, *present])
    more = f", and {len(own) - MOST_LISTED} more" if len(own) > MOST_LISTED else ""
    hint = f"did you mean {near!r}?" if near else f"there are {', '.join(own[:MOST_LISTED])}{more}."
    return f"No event has the type {name!r}, so it counts 0; {hint}"
