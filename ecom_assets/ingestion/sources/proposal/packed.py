"""Which columns of a list of orders have several items in each cell, and how they are packed."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from ecom_assets.core.warehouse.sql_text import select, text
from ecom_assets.ingestion.sources.files.packed_cells import PackedCell
from ecom_assets.ingestion.sources.proposal.fields import (
    UNIT_PRICE,
    MappingKind,
    found_fields,
    item_field_count,
)
from ecom_assets.ingestion.sources.proposal.state_words import begins, words_of
from ecom_assets.ingestion.sources.proposal.values import TABLE, FileValues, Value

_BETWEEN_ITEMS: Final = ("\n", "||", "|", ";", " / ", " + ", ", ", ",")
_BETWEEN_MEMBERS: Final = ("|", ", ", ",", ";", "\n", "&", "~")
_NAMED: Final = (":", "=")
_SIGNS: Final = re.compile(r"[\[{|;/+,:=(*\n\u00d7]|x")
"""What some cell has where cells have several items, or one with its quantity."""
_MOST_CELLS, _FEWEST, _SHARE = 300, 3, 0.95
_MOST_NAMES, _LONGEST_NAME = 30, 40
_NUMBER: Final = r"\d+(?:[.,]\d+)?"
_TIMES: Final = r"[x*\u00d7]"
_COUNT_FIRST: Final = (
    rf"(?P<quantity>{_NUMBER})\s*{_TIMES}\s+(?P<name>.+)",
    rf"(?P<quantity>{_NUMBER})[x\u00d7]\s*(?P<name>.+)",
)
_PRICED: Final = (
    rf"(?P<name>.+?)\s*[-\u2013:]\s*(?P<quantity>{_NUMBER})\s*{_TIMES}\s*(?P<price>{_NUMBER})"
    rf"(?:\s*=\s*(?P<total>{_NUMBER}).*)?"
)
"""An item with its quantity and its price: `Hat - 2x19.90 = 39.80`."""
_LIKE: Final = (
    *_COUNT_FIRST,
    rf"(?P<name>.+?)\s*{_TIMES}\s*(?P<quantity>{_NUMBER})",
    rf"(?P<name>.+?)\s*\((?:[^\W\d]+[.:]*\s*)?(?P<quantity>{_NUMBER})\)",
    rf"(?P<name>[^:=]+)[:=]\s*(?P<quantity>{_NUMBER})",
)
"""How an item is written with its quantity: `2 x Hat`, `2x Hat`, `Hat x 2`, `Hat (2)`, `HAT:2`."""
_OF_ITEMS: Final = (
    *("item", "product", "artikel", "produkt", "produit", "article", "articul", "articol"),
    *("prodott", "sku", "goods", "line", "position", "content", "inhalt", "detail", "purchas"),
    *("warenkorb", "panier", "carrito", "товар", "商品"),
)
"""How words in the names of columns begin that have what was bought."""


def packed_columns(values: FileValues) -> Mapping[str, PackedCell]:
    """Return the columns of a list of orders whose cells have the items of each, with how they are
    packed; none where rows are lines.
    """
    found = found_fields(values, MappingKind.ORDERS)
    order = found.get("order_id")
    is_list = order is not None and values.different(order.value) >= values.row_count * _SHARE
    if values.spread or not is_list:
        return {}
    used = {match.value for name, match in found.items() if name not in {"item_id", "item_name"}}
    lists = {item_list.path for item_list in values.lists.items}
    cells = {
        value: dict(values.counts(value, _MOST_CELLS))
        for value in values.values
        if value.is_column
        and value not in used
        and value.name not in lists
        and "." not in value.name
        and any(map(_SIGNS.search, values.few(value)))
    }
    cells = {value: texts for value, texts in cells.items() if len(texts) >= _FEWEST}
    of_members = {
        value.name: cell
        for value, texts in cells.items()
        if (cell := _with_members([*texts])) is not None
    }
    if of_members or "quantity" in found:
        return of_members
    named = {value: texts for value, texts in cells.items() if _is_of_items(value)}
    priced = ((value.name, _counted([*texts], [_PRICED])) for value, texts in named.items())
    if first := next(((name, cell) for name, cell in priced if cell), None):
        return dict([first])
    if UNIT_PRICE in found:
        return {}
    counted = ((value.name, _counted([*texts])) for value, texts in named.items())
    first = next(((name, cell) for name, cell in counted if cell), None)
    return dict([first]) if first else _parted(values, named, cells)


def _is_of_items(value: Value) -> bool:
    return any(begins(word, _OF_ITEMS) for word in words_of(value.last_name))


def _with_members(cells: Sequence[str]) -> PackedCell | None:
    """Return how cells are packed whose items have members by name, of which two at least are of an
    item; None if they are not.
    """
    if _share_of(cells, lambda cell: cell[0] in "[{") >= _SHARE:
        return PackedCell() if _fits(PackedCell(), cells) else None
    best: tuple[tuple[int, int], PackedCell] | None = None
    for named, members, lines in product(_NAMED, _BETWEEN_MEMBERS, _BETWEEN_ITEMS):
        if members.strip() == lines.strip() and members.strip():
            continue
        if _share_of(cells, lambda cell: named in cell and members in cell) < _SHARE:  # noqa: B023
            continue
        cell = PackedCell(lines, members, named)
        if (names := _fits(cell, cells)) and (best is None or names < best[0]):
            best = names, cell
    return best[1] if best else None


def _share_of(cells: Sequence[str], is_so: Callable[[str], bool]) -> float:
    return sum(map(bool, map(is_so, cells))) / len(cells)


def _fits(cell: PackedCell, cells: Sequence[str]) -> tuple[int, int] | None:
    """Return how well cells are packed so, the least the best: few names of members, then many
    items; None where they are not, or their members are not those of an item.
    """
    read = [cell.items_of({"cell": text}, "cell") for text in cells]
    items = [item for each in read if each for item in each if isinstance(item, dict)]
    if sum(bool(each) for each in read) < len(cells) * _SHARE or not items:
        return None
    names = {name for item in items for name in item}
    are_names = all(len(name) <= _LONGEST_NAME and re.match(r"[^\W\d]", name) for name in names)
    if not are_names or len(names) > _MOST_NAMES:
        return None
    often = {name for name in names if sum(name in item for item in items) * 2 >= len(items)}
    return (len(names), -len(items)) if item_field_count({*often}) > 1 else None


def _counted(cells: Sequence[str], likes: Sequence[str] = _LIKE) -> PackedCell | None:
    """Return how cells are packed whose items are names with their quantities; None if they are
    not. Of several signs between items, the one that makes the most of them is.
    """
    best: tuple[int, PackedCell] | None = None
    for like, lines in product(likes, _BETWEEN_ITEMS):
        cell = PackedCell(lines, like=like)
        read = [cell.items_of({"cell": text}, "cell") for text in cells]
        count = sum(len(each) for each in read if each)
        if sum(bool(each) for each in read) < len(cells) * _SHARE:
            continue
        has_several = any(each and len(each) > 1 for each in read)
        if (has_several or like in _COUNT_FIRST) and (best is None or count > best[0]):
            best = count, cell
    return best[1] if best else None


def _parted(
    values: FileValues, named: Mapping[Value, Mapping[str, int]], every: Collection[Value]
) -> Mapping[str, PackedCell]:
    """Return the column whose cells are names with a sign between them, with the columns that have
    as many values in each row; none where no column does.
    """
    for value, texts in named.items():
        for lines in _BETWEEN_ITEMS:
            cell = PackedCell(lines)
            parts = [cell.parts_of(text) for text in texts]
            several = sum(
                count for each, count in zip(parts, texts.values(), strict=True) if len(each) > 1
            )
            are_numbers = all(part.isdecimal() for each in parts for part in each)
            if several < _FEWEST or are_numbers or not all(map(all, parts)):
                continue
            beside = tuple(
                _beside(values, value, lines, [column for column in every if column != value])
            )
            alone = {each[0] for each in parts if len(each) == 1}
            all_parts = [part for each in parts for part in each]
            # A name with a comma in it is none of several: its parts never stand alone.
            are_names = sum(part in alone for part in all_parts) * 2 >= len(all_parts)
            is_sure = bool(beside) or lines in {"\n", "||", "|"}
            if is_sure or are_names:
                return {value.name: PackedCell(lines, beside=beside)}
    return {}


def _beside(values: FileValues, value: Value, lines: str, others: Sequence[Value]) -> Iterator[str]:
    """Yield the columns with as many parts as another one has, in nearly all rows."""
    for other in others:
        counted = [
            f"len(string_split({each.column}, {text(lines)})) AS {name}"
            for each, name in ((value, "own"), (other, "parts"))
        ]
        of_rows = select(counted, TABLE, f"{value.column} IS NOT NULL")
        measures = ["count(*) FILTER (own > 1)", "count(*) FILTER (own > 1 AND own = parts)"]
        measures += ["count(*)", "count(*) FILTER (own = parts)"]
        several, same, rows, equal = values.rows(select(measures, f"({of_rows})"))[0]
        if several >= _FEWEST and same >= several * _SHARE and equal >= rows * _SHARE:
            yield other.name
