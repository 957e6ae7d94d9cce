"""Rows that are not the lines of a file: lists in JSON documents,
and the lines of one order in a CSV file.

A row is a flat object: the members of nested objects are named by their path (`customer.id`), lists
stay JSON. Three columns are added: `_row` names the kind of row (`sale`, `refund`), `_group`
numbers the records, or the runs of CSV lines of one order, and `_position` the rows of a kind
within their group, from 1. Written to a file, each row is one JSON object.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, Final

from ecom_assets.core.errors import SourceError
from ecom_assets.core.json_text import json_text
from ecom_assets.ingestion.sources.files.formats import InputFile
from ecom_assets.ingestion.sources.files.text_blocks import UTF_8, blocks_of

KIND, GROUP, POSITION = "_row", "_group", "_position"
ADDED = (KIND, GROUP, POSITION)
WHOLE, LINES = ".", "lines"
"""The path of the whole record, and that of the lines of a group."""
_NOTHING = re.compile(r"|[^1-9\w]*0[^1-9]*")
"""No text, or a zero, perhaps with the sign of a currency."""
FlatRow = dict[str, Any]


@dataclass(frozen=True)
class RowKind:
    """One kind of rows of a record: the path of their list,
    and the records or elements that have such a row.

    One of the columns in `if_any` is neither empty nor zero, each column in `where` has one of its
    values, and those in `if_differ` have numbers or texts that are not all the same. The record has
    no rows of the kinds in `unless`, which are listed before it. With `first_has_list`, the first
    row also has the list that the rows are elements of, for sums over it.
    """

    name: str
    path: str = WHOLE
    if_any: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    first_has_list: bool = False
    unless: tuple[str, ...] = ()
    if_differ: tuple[str, ...] = ()

    def exists(self, row: Mapping[str, Any]) -> bool:
        """Return whether a record has a row of this kind."""
        if any(_cell_text(row.get(name)) not in values for name, values in self.where):
            return False
        said = {_without_zeros(row.get(name)) for name in self.if_differ}
        if self.if_differ and ("" in said or len(said) == 1):
            return False
        return not self.if_any or any(
            not _NOTHING.fullmatch(str(row.get(name) or "")) for name in self.if_any
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that decide it."""
        return (*self.if_any, *self.if_differ, *(name for name, _ in self.where))


def _cell_text(value: object) -> str:
    """Return what a cell says as the text by which it is compared; a list is JSON."""
    if isinstance(value, list):
        return json_text(value, separators=(",", ":"))
    return str(value or "").strip()


def _without_zeros(value: object) -> str:
    """Return a text without zeros behind its decimals, as 23.80 and 23.8 are the same."""
    said = "" if value is None else str(value).strip()
    return re.sub(r"(?<=\d)[.,]0+$|(?<=[.,]\d)0+$|(?<=[.,]\d\d)0+$", "", said)


@dataclass(frozen=True)
class RowShape:
    """How the rows of a file follow from its content.

    Attributes:
        records: The paths of lists of records in a JSON document; without one, documents are
            records or lists of them.
        rows: The kinds of rows of a record. Of a group of CSV lines, `.` is one row with what
            stands on its first line, and any other path all lines.
        group_by: The columns that the lines of one group have in common; CSV only.
        carry_down: The columns whose text only the first line of a group has.
        fill_down: The columns that are empty on all lines of a group but its first, also those of
            `group_by`.
        first_line: Columns of which only the first line of a group has any, so that another one
            begins another group.
    """

    records: tuple[str, ...] = ()
    rows: tuple[RowKind, ...] = (RowKind(""),)
    group_by: tuple[str, ...] = ()
    carry_down: tuple[str, ...] = ()
    first_line: tuple[str, ...] = ()
    fill_down: tuple[str, ...] = ()

    @property
    def columns(self) -> set[str]:
        """Return the columns that decide what the rows are."""
        return {
            *self.group_by,
            *self.carry_down,
            *self.first_line,
            *self.fill_down,
            *(name for kind in self.rows for name in kind.columns),
        }


def documents_in(text: str) -> Iterator[object]:
    """Yield the JSON documents that follow each other in a text.

    Floating point numbers become text, so that no digit is lost.

    Raises:
        ValueError: It is not JSON to its end.
    """
    decoder = json.JSONDecoder(parse_float=str, parse_constant=str)
    at = _next(text, 0)
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        yield document
        at = _next(text, end)


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def records_in(document: object, shape: RowShape) -> Iterator[object]:
    """Yield the records of a document: a list of them,
    an object with such a list, or one record.
    """
    listed = [
        value for value in (at(document, path) for path in shape.records) if isinstance(value, list)
    ]
    if listed:
        yield from chain.from_iterable(listed)
    elif isinstance(document, list):
        for element in document:  # pages that were put into one list
            yield from records_in(element, shape)
    else:
        yield document


def at(value: Any, path: str) -> Any:  # noqa: ANN401 (any value of JSON)
    """Return what a document has at a path of names; None if it has nothing there."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


class ShapeError(ValueError):
    """A record has something else where the mapping names a list."""


def rows_of(record: Mapping[str, Any], shape: RowShape, number: int) -> list[FlatRow]:
    """Return the rows of a record, of one kind after the other.

    A record without any row is one of the first kind, and so is one whose list of that kind is
    empty, so that it is counted and explained: an order of fees only was sold, also if some of it
    was paid back.

    Raises:
        ShapeError: What should be a list is an object, a text or a number.
    """
    first = shape.rows[0]
    kinds: set[str] = set()
    rows: list[FlatRow] = []
    if _has_empty_list(record, first.path):
        kinds.add(first.name)
        rows.append({**_flat(record, ""), KIND: first.name, GROUP: number, POSITION: 1})
    for kind in shape.rows:
        if kinds.intersection(kind.unless):
            continue
        elements = [{}] if kind.path == WHOLE else _elements(record, kind.path.split("."), "")
        own = _flat(record, "", without=kind.path)
        of_kind = ({**own, **element} for element in elements)
        for position, row in enumerate(filter(kind.exists, of_kind), start=1):
            kinds.add(kind.name)
            if kind.first_has_list and position == 1:
                row = {**_flat(record, ""), **row}  # noqa: PLW2901 (of the first only, or a long list would be squared)
            rows.append({**row, KIND: kind.name, GROUP: number, POSITION: position})
    if not kinds:
        rows.append({**_flat(record, ""), KIND: first.name, GROUP: number, POSITION: 1})
    return rows


def _has_empty_list(record: Mapping[str, Any], path: str) -> bool:
    """Return whether a record names a list and has nothing in it."""
    *outer, name = path.split(".")
    holder = at(record, ".".join(outer)) if outer else record
    return isinstance(holder, dict) and name in holder and _is_empty(holder[name])


def _is_empty(value: object) -> bool:
    """Return whether a value stands for an empty list, as sources write it."""
    return value is None or value in ("", [], {})


def _elements(value: Mapping[str, Any], path: Sequence[str], prefix: str) -> Iterable[FlatRow]:
    """Yield the members of each element of the list at a path,
    with those of the elements that it lies in.

    Raises:
        ShapeError: What is at the path, or on the way to it, is no list.
    """
    name, rest = path[0], path[1:]
    inner, inner_prefix = value.get(name), f"{prefix}{name}."
    if isinstance(inner, dict) and rest:
        yield from _elements(inner, rest, inner_prefix)
        return
    if _is_empty(inner):
        return
    if not isinstance(inner, list):
        raise ShapeError(f"{prefix}{name} is not a list")
    for element in inner:
        if not isinstance(element, dict):
            yield {inner_prefix.removesuffix("."): element}
        elif not rest:
            yield _flat(element, inner_prefix)
        else:
            own = _flat(element, inner_prefix, without=f"{inner_prefix}{'.'.join(rest)}")
            yield from ({**own, **members} for members in _elements(element, rest, inner_prefix))


def _flat(value: Mapping[str, Any], prefix: str, without: str | None = None) -> FlatRow:
    """Return the members of an object by their paths, without the list at one of these.

    What stands beside that list, at any depth, is of each of its elements.
    """
    result: FlatRow = {}
    for name, member in value.items():
        path = f"{prefix}{name}"
        if (
            without
            and f"{without}.".startswith(f"{path}.")
            and not _leads_on(member, path, without)
        ):
            continue
        if isinstance(member, dict):
            result |= _flat(member, f"{path}.", without)
        else:
            result[f"{prefix}{name}"] = member
    return result


def _leads_on(member: object, path: str, without: str) -> bool:
    """Return whether a member on the way to a list is an object with more than that list."""
    return isinstance(member, dict) and path != without


def _filled_down(
    lines: Iterable[dict[str, str]], columns: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Yield lines, those in which all of some columns are empty with the texts of
    the last line that has any.
    """
    if not columns:
        yield from lines
        return
    above: dict[str, str] = {}
    for line in lines:
        own = {name: line[name] for name in columns}
        if any(own.values()):
            above = own
        yield {**line, **above}


CsvLine = dict[str, str]
Key = tuple[str, ...]


def grouped(read: Callable[[], Iterable[CsvLine]], shape: RowShape) -> Iterator[FlatRow]:
    """Yield CSV lines, each with the texts that stand on the first line of its group only.

    The lines of a group may lie apart, as in a sorted file; such groups come last.

    Args:
        read: Begins to read the lines; it is called twice, so that only groups that lie apart are
            kept in memory.
        shape: How lines are grouped.
    """
    apart = _keys_apart(_filled_down(read(), shape.fill_down), shape)
    kept: dict[Key, list[CsvLine]] = {}
    number = 0
    for key, lines in _runs(_filled_down(read(), shape.fill_down), shape):
        if key in apart:
            kept.setdefault(key, []).extend(lines)
            continue
        for order in _orders_in([*lines], shape):
            number += 1
            yield from _rows_of_group(order, shape, number)
    for lines_apart in kept.values():
        for order in _orders_in(lines_apart, shape):
            number += 1
            yield from _rows_of_group(order, shape, number)


def _runs(lines: Iterable[CsvLine], shape: RowShape) -> Iterator[tuple[Key, Iterator[CsvLine]]]:
    """Yield the lines that follow each other with one key;
    a line without any is a run of its own, with no key.
    """
    numbered = (
        (tuple(line[name] for name in shape.group_by), at, line) for at, line in enumerate(lines)
    )
    for _, run in groupby(numbered, key=_key_or_number):
        first = next(run)
        key = first[0] if any(first[0]) else ()
        yield key, (line for _, _, line in chain([first], run))


def _key_or_number(numbered: tuple[Key, int, CsvLine]) -> Key | int:
    key, at, _ = numbered
    return key if any(key) else at


def _keys_apart(lines: Iterable[CsvLine], shape: RowShape) -> set[Key]:
    """Return the keys of groups whose lines do not follow each other."""
    seen: set[Key] = set()
    apart: set[Key] = set()
    for key, run in _runs(lines, shape):
        for _ in run:
            pass
        if key in seen:
            apart.add(key)
        elif key:
            seen.add(key)
    return apart


def _orders_in(lines: list[CsvLine], shape: RowShape) -> list[list[CsvLine]]:
    """Return the lines of each order among those with one key, its first line first."""
    named = shape.first_line or shape.carry_down
    is_first = [any(line.get(name) for name in named) for line in lines]
    heads = [number for number, is_head in enumerate(is_first) if is_head]
    if len(heads) <= 1 or not shape.first_line:
        return [
            [lines[number] for number in sorted(range(len(lines)), key=lambda at: not is_first[at])]
        ]
    orders = {head: [lines[head]] for head in heads}
    for number, line in enumerate(lines):
        if not is_first[number]:
            orders[_head_of(number, line, heads, lines, shape)].append(line)
    return list(orders.values())


def _head_of(
    number: int, line: CsvLine, heads: Sequence[int], lines: Sequence[CsvLine], shape: RowShape
) -> int:
    """Return which first line another one belongs to: one that says nothing else,
    the last before it if it can.
    """
    fitting = [head for head in heads if _agree(line, lines[head], shape.carry_down)] or heads
    return max((head for head in fitting if head < number), default=min(fitting))


def _agree(line: CsvLine, other: CsvLine, names: Iterable[str]) -> bool:
    pairs = ((line.get(name), other.get(name)) for name in names)
    return all(text == other_text for text, other_text in pairs if text and other_text)


def _rows_of_group(lines: Iterable[CsvLine], shape: RowShape, number: int) -> Iterator[FlatRow]:
    """Yield the rows of the lines of one order."""
    lines_of_group = [*lines]
    if shape.carry_down:
        carried = dict.fromkeys(shape.carry_down, "")
        for position, line in enumerate(lines_of_group):
            carried = {name: line.get(name) or text for name, text in carried.items()}
            lines_of_group[position] = {**line, **carried}
    kinds: set[str] = set()
    for kind in shape.rows:
        of_kind = lines_of_group[:1] if kind.path == WHOLE else lines_of_group
        if kinds.intersection(kind.unless):
            continue
        for position, row in enumerate(filter(kind.exists, of_kind), start=1):
            kinds.add(kind.name)
            yield {**row, KIND: kind.name, GROUP: number, POSITION: position}


_encoded = json.JSONEncoder(ensure_ascii=False).encode
FORMULA = frozenset("0123456789+-=@")
"""What begins a number or a formula; an apostrophe before anything else is part of a name,
as in 's-Gravenhage.
"""


def shaped_rows(file: InputFile, shape: RowShape) -> Iterator[FlatRow | str]:
    """Yield the rows of a JSON file; a line that is not JSON, or a record that is no object or has
    no list where the mapping names one, as text.

    Raises:
        SourceError: The file is not JSON to its end.
    """
    for number, record in enumerate(shaped_records(file, shape), start=1):
        if not isinstance(record, dict):
            yield record if isinstance(record, str) else json_text(record)
            continue
        try:
            yield from rows_of(record, shape, number)
        except ShapeError:
            yield json_text(record)


def shaped_records(file: InputFile, shape: RowShape) -> Iterator[object]:
    """Yield the records of a JSON file, and lines that are not JSON as text.

    Raises:
        SourceError: The file is not JSON to its end.
    """
    for document in _documents(file):
        yield from records_in(document, shape)


def _documents(file: InputFile) -> Iterator[object]:
    text = b"".join(blocks_of(file)).decode(UTF_8, "backslashreplace")
    lines = [line for line in text.split("\n") if line.strip()]
    # Where the first line is a document of its own, the others are, too, and a damaged one is lost
    # alone.
    if len(lines) > 1 and (first := _documents_of(lines[0])):
        yield from first
        for line in lines[1:]:
            yield from _documents_of(line) or [line]
        return
    try:
        yield from documents_in(text)
    except (ValueError, RecursionError) as error:
        where = (
            f"; it cannot be read at line {error.lineno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise SourceError(f"{file.name} is not JSON to its end{where}; deliver it again") from error


def json_in(line: str | bytes) -> object:
    """Return the JSON of a line; None if it is damaged."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


_MEETING = re.compile(rb"\}[\s,]*(?:\{|$)")
_BETWEEN = re.compile(r"[\s,]*")
_whole = json.JSONDecoder()


def objects_on(line: bytes) -> list[bytes]:
    """Return the JSON objects that follow each other on a line,
    and what is left of it where it is damaged.

    A line that is one object, or begins with none, is returned as it is. Senders that put records
    together without line ends write such lines, and those that end each with a comma.
    """
    if not _MEETING.search(line) or json_in(line) is not None:
        return [line]
    try:
        text = line.decode(UTF_8)
    except UnicodeDecodeError:
        return [line]
    objects: list[bytes] = []
    end = 0
    while (start := _BETWEEN.match(text, end).end()) < len(text):  # type: ignore[union-attr]
        try:
            found, end = _whole.raw_decode(text, start)
        except (ValueError, RecursionError):
            found, end = None, len(text)
        if not isinstance(found, dict) and len(objects) < 2:  # noqa: PLR2004 (of two, one follows the other)
            return [line]
        objects.append(text[start:end].encode(UTF_8))
    return objects


def _documents_of(line: str) -> list[object]:
    """Return the documents of a line; none if it is damaged."""
    try:
        return list(documents_in(line))
    except (ValueError, RecursionError):
        return []


def as_json(row: FlatRow, needed: Iterable[str]) -> bytes:
    """Return the columns of a row that are needed as a line of JSON."""
    needed_values = {name: row[name] for name in needed if row.get(name) is not None}
    return _encoded(needed_values).encode(UTF_8, "replace")


def without_apostrophe(cell: str) -> str:
    """Return a value without the apostrophe that keeps a spreadsheet from
    reading a number or a formula.
    """
    return cell[1:] if cell.startswith("'") and cell[1:2] in FORMULA else cell


def text_in_formula(cell: str) -> str:
    """Return the text that a cell has in a formula, such as `="00123"`, or the cell as it is."""
    is_formula = cell.startswith('="') and cell[2:].endswith('"')
    return cell[2:-1].replace('""', '"') if is_formula else cell


def cells_in(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line of CSV; Python's reader refuses long ones unless it is told."""
    if len(line) <= _USUAL_CELL:
        return next(csv.reader([line], delimiter=delimiter))
    before = csv.field_size_limit(len(line))
    try:
        return next(csv.reader([line], delimiter=delimiter))
    finally:
        csv.field_size_limit(before)


_USUAL_CELL: Final = 131_072
"""The most characters of a cell that Python's reader takes by default."""


def csv_rows(
    lines: Iterable[bytes],
    indexes: Mapping[str, int],
    delimiter: str,
    *,
    has_apostrophes: bool,
    has_formulas: bool = False,
) -> Iterator[CsvLine]:
    """Yield some columns of the lines of a CSV file, each of which is a record, given the index of
    each column.
    """
    names, places = tuple(indexes), tuple(indexes.values())
    needed = max(places, default=0) + 1
    for line in lines:
        text = line.decode(UTF_8)
        # Without quotes, as most lines are, to split one is several times as fast.
        cells = cells_in(text, delimiter) if '"' in text else text.split(delimiter, needed)
        own = [cells[place] for place in places]
        own = [*map(text_in_formula, own)] if has_formulas else own
        yield dict(
            zip(names, map(without_apostrophe, own) if has_apostrophes else own, strict=True)
        )
