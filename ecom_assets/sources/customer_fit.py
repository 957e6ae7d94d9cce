"""Whether the first page of a customer API fits its mapping, before anything is made of it.

A record that differs from the others is quarantined; a layout that no record has is refused. Not here: reading records
(`customer_records`).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ecom_assets.sources.customer_mapping import (
    EPOCHS,
    MISSING,
    ApiField,
    ApiScore,
    ApiTime,
    CustomerMapping,
    value_at,
)
from ecom_assets.sources.customer_records import ID_TYPES, read_id
from ecom_assets.sources.mapping_file import did_you_mean

_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


class Misfit(Exception):  # noqa: N818 (it is caught where it becomes a SourceError)
    """What of an answer does not fit its mapping, as part of a sentence; it quotes no value."""

    @classmethod
    def at(cls, path: str, expected: str, said: object) -> "Misfit":
        """Return that a path of the answer does not lead to what is expected."""
        where = "the answer itself" if path == "." else f"`{path}`"
        return cls(f"{where} is {described(said)}, expected {expected}")


def described(said: object) -> str:
    """Return the kind of a value, without the value."""
    if said is MISSING:
        return "missing"
    return "null" if said is None else _NAMES.get(type(said), "something else")


def require_fit(mapping: CustomerMapping, records: Sequence[Any]) -> None:
    """Refuse a layout: a field that no record has, one whose values are all of a wrong type, an unknown one.

    Raises:
        Misfit: The first page's records do not fit.
    """
    objects = [one for one in records if isinstance(one, dict)]
    if not objects:
        return
    for name, one in mapping.fields.given():
        _require_field(name, one, mapping.id_type, objects)
    if mapping.other_fields == "refuse":
        _require_known(mapping, objects)


def _require_field(name: str, one: ApiField, id_type: str, objects: Sequence[dict[str, Any]]) -> None:
    expected = _expected(name, one, id_type)
    values = [value_at(record, one.path) for record in objects]
    there = [value for value in values if value is not MISSING]
    if not there and not one.optional:
        known = sorted({key for record in objects for key in record})
        raise Misfit(
            f"no record has `{one.path}`{did_you_mean(one.path, known)}, which is the field {name} and expected to be "
            f"{expected}"
        )
    wrong = [value for value in there if value is not None and not _is_right(name, one, id_type, value)]
    if wrong and len(wrong) == sum(value is not None for value in there):
        kind = Counter(map(described, wrong)).most_common(1)[0][0]
        raise Misfit(f"in every record `{one.path}`, the field {name}, is {kind}, expected {expected}")


def _expected(name: str, one: ApiField, id_type: str) -> str:
    if name == "id":
        return ID_TYPES[id_type]
    if isinstance(one, ApiScore):
        return f"a number from 0 to {one.out_of:g}"
    return "a number" if isinstance(one, ApiTime) and one.format in EPOCHS else "a text"


def _is_right(name: str, one: ApiField, id_type: str, value: object) -> bool:
    if name == "id":
        # A wrong type is the layout's fault, an id that stands for nobody the record's.
        return not read_id(value, id_type)[1].startswith("it is not")
    if isinstance(one, ApiScore):
        return one.score_of(value) is not None
    if isinstance(one, ApiTime) and one.format in EPOCHS:
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _require_known(mapping: CustomerMapping, objects: Sequence[dict[str, Any]]) -> None:
    known = {one.path.split(".")[0] for _, one in mapping.fields.given()} | set(mapping.ignore_fields)
    for record in objects:
        for key in record:
            if key not in known:
                raise Misfit(
                    f"records have `{key}`, which the mapping does not name; expected are {', '.join(sorted(known))}, "
                    "so name it under `fields` or `ignore_fields`, or set `other_fields: ignore`"
                )
