"""Items of an order that are packed into one cell: JSON, `sku:A|quantity:2;sku:B|quantity:1`,
`2 x Hat, 1 x Cap`, names with a sign between them, and lists in several cells.
"""

import ast
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

JSON: Final = "json"
"""What a mapping says of a cell with a list as JSON writes it, or as Python does."""
NAME: Final = "name"
"""What a part of a cell is called that is a text alone."""
LONGEST_ITEM: Final = 500
"""Characters of an item that a regular expression is tried on: what some take grows with the square
of the length.
"""
_decode: Final = json.JSONDecoder(parse_float=str, parse_constant=str).decode


@dataclass(frozen=True)
class PackedCell:
    """How items are packed in a cell.

    Attributes:
        lines: What stands between two items; empty for JSON.
        members: What stands between two members of an item.
        named: What stands between the name of a member and its value.
        like: The regular expression of an item, whose named groups are its members.
        beside: Columns that have as many values, each of which is a member of the item in its
            place.
    """

    lines: str = ""
    members: str = ""
    named: str = ""
    like: str = ""
    beside: tuple[str, ...] = ()

    def items_of(self, row: Mapping[str, Any], column: str) -> list[Any] | None:
        """Return the items in the cell of a row, none of an empty one; None if it is not packed so.

        A cell of JSON that is read as such already is returned as it is.
        """
        cell = row.get(column)
        if isinstance(cell, list):
            return cell
        if cell is None or not str(cell).strip():
            return []
        if not self.lines:
            items = _listed(str(cell))
            return items and [item if isinstance(item, dict) else {NAME: item} for item in items]
        parts = self.parts_of(str(cell))
        items = [self._item(part) for part in parts]
        if any(item is None for item in items):
            return None
        lists = {name: self.parts_of(str(row.get(name) or "")) for name in self.beside}
        if any(len(values) != len(parts) for values in lists.values()):
            return None
        return [
            {**(item or {}), **{name: values[place] for name, values in lists.items()}}
            for place, item in enumerate(items)
        ]

    @property
    def are_names(self) -> bool:
        """Return whether a cell has nothing but names, whose pieces and amounts nobody says."""
        return bool(self.lines) and not (self.named or self.like or self.beside)

    def as_keys(self) -> object:
        """Return it as the keys of a mapping, without those that say nothing."""
        keys = {name: getattr(self, name) for name in ("lines", "members", "named", "like")}
        said: dict[str, object] = {name: text for name, text in keys.items() if text}
        said |= {"beside": list(self.beside)} if self.beside else {}
        return said or JSON

    def parts_of(self, cell: str) -> list[str]:
        """Return the texts of the items in a cell."""
        parts = [part.strip() for part in cell.replace("\r\n", "\n").split(self.lines)]
        while parts and not parts[-1]:  # the sign stands behind the last one, too
            parts.pop()
        return parts

    def _item(self, part: str) -> dict[str, str] | None:
        if self.like:
            found = _pattern(self.like).fullmatch(part) if len(part) <= LONGEST_ITEM else None
            return (
                {name: text.strip() for name, text in found.groupdict().items() if text is not None}
                if found
                else None
            )
        return self._named_members(part) if self.named else {NAME: part}

    def _named_members(self, part: str) -> dict[str, str] | None:
        """Return the members of an item; a piece without a name goes on with the value before."""
        result: dict[str, str] = {}
        name = ""
        for piece in part.split(self.members) if self.members else [part]:
            before, sign, value = piece.partition(self.named)
            if sign and before.strip():
                name = before.strip()
                result[name] = value.strip()
            elif name:
                result[name] = f"{result[name]}{self.members}{piece}".strip()
            elif piece.strip():
                return None
        return result or None


@cache
def _pattern(like: str) -> re.Pattern[str]:
    return re.compile(like, re.IGNORECASE)


def _listed(cell: str) -> list[Any] | None:
    """Return the list in a cell, as JSON or Python writes it; one object is a list of one."""
    value: object = None
    with suppress(ValueError, RecursionError):
        value = _decode(cell)
    if value is None and cell.lstrip()[:1] in {"[", "{"}:
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            value = ast.literal_eval(cell.strip())
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) else None


def with_items(row: Mapping[str, Any], packed: Mapping[str, PackedCell]) -> dict[str, Any]:
    """Return a row with a list in each packed cell; one that is not packed so stays a text."""
    lists = {name: cell.items_of(row, name) for name, cell in packed.items()}
    return {**row, **{name: items for name, items in lists.items() if items is not None}}
