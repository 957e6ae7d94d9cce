"""Lists in JSON records: where the records of a document lie, and the lists of items that records have."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ecom_assets.errors import SourceError
from ecom_assets.sources.files.formats import InputFile
from ecom_assets.sources.files.shape import RowShape, at
from ecom_assets.sources.files.shaped_files import shaped_records

_SAMPLE = 1000


@dataclass(frozen=True)
class ItemList:
    """A list of objects in records: its path, the most elements that a record of the sample has, and their members."""

    path: str
    most: int
    members: frozenset[str]


@dataclass(frozen=True)
class RecordLists:
    """The path of the records in a document, empty if they are its lines, and the lists that records have."""

    records: str = ""
    items: tuple[ItemList, ...] = ()

    @classmethod
    def in_file(cls, file: InputFile) -> "RecordLists":
        """Return those of a file; of other files than JSON none."""
        if file.format != "ndjson":
            return cls()
        try:
            documents = [
                document for document in islice(shaped_records(file, RowShape()), _SAMPLE) if isinstance(document, dict)
            ]
        except SourceError:
            return cls()
        records = _records_path(documents[0]) if len(documents) == 1 else ""
        listed = at(documents[0], records) if records else documents
        sample = [record for record in listed if isinstance(record, dict)][:_SAMPLE]
        return cls(records, tuple(_item_lists(sample)))


def _records_path(document: dict[str, Any]) -> str:
    """Return the path of the list that a document is about; empty if it is a record itself."""
    lists = dict(_lists_of(document, ""))
    if not lists:
        return ""
    name = max(lists, key=lambda path: len(lists[path]))
    steps = name.split(".")
    around = [document, *(at(document, ".".join(steps[:depth])) for depth in range(1, len(steps)))]
    own = [member for parent in around for member, value in parent.items() if not isinstance(value, dict | list)]
    # An answer of an API has little around its records; a record has more than the elements of its lists.
    return name if len(own) < len(lists[name][0]) and not any("id" in member.lower() for member in own) else ""


def _item_lists(records: list[dict[str, Any]]) -> Iterator[ItemList]:
    most: dict[str, int] = {}
    members: dict[str, set[str]] = {}
    for record in records:
        for path, elements in _lists_of(record, ""):
            most[path] = max(most.get(path, 0), len(elements))
            members.setdefault(path, set()).update(*elements)
    for path, count in most.items():
        yield ItemList(path, count, frozenset(members[path]))


def _lists_of(record: dict[str, Any], prefix: str, depth: int = 2) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name, value in record.items():
        if _is_of_objects(value):
            yield f"{prefix}{name}", value
        elif isinstance(value, dict) and depth:
            yield from _lists_of(value, f"{prefix}{name}.", depth - 1)


def _is_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, dict) for element in value)
