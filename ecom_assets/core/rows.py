"""Values by name: what rows of tables and answers to questions are in Python."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

Row = dict[str, Any]
"""A row of a table, or of a list in an answer: its values by column."""
Answer = dict[str, Any]
"""What a question or a route answers: numbers by name, lists of rows, and the days they are of."""
NamedValues = Mapping[str, Any]
"""Values by name that are only read."""


def named_rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Return rows of values in the order of some names as rows by these names."""
    return [dict(zip(names, row, strict=True)) for row in rows]


def without_none(values: Mapping[Key, Value | None]) -> dict[Key, Value]:
    """Return the values that are not None, by the same keys."""
    return {key: value for key, value in values.items() if value is not None}
