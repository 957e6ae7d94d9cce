"""One step of a funnel, and events that may not come between steps: an event type with conditions on columns.

Not here: the funnel (`funnel_definition.py`), and how a condition is asked of a table (`funnel_columns.py`).
Nothing heavy is imported, because the `ecom` command reads a definition before it starts an engine.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean

Scalar = str | int | float | bool

_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_JSON_COLUMN: Final = "properties"
_MAX_EXACT_DOUBLE: Final = 2**53


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One step: an event of this type whose columns have these values.

    Attributes:
        event_type: The value of `event_type`, compared exactly.
        where: Column to value; all must hold. `properties.key` names a value in the JSON text column
            `properties` (a further dot goes one level deeper). Text equals text, numbers equal numbers,
            true equals true: the JSON text "2" is not the number 2.
    """

    event_type: str
    where: Mapping[str, Scalar] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.event_type, str) or not self.event_type:
            raise DefinitionError(f"A funnel step needs an event type, a non-empty text; got {self.event_type!r}.")
        if not isinstance(self.where, Mapping):
            raise DefinitionError(
                f"`where` of the step {self.event_type!r} must map columns to values; got {self.where!r}."
            )
        for column, value in self.where.items():
            _check_condition(self.event_type, column, value)
        object.__setattr__(self, "where", dict(self.where))

    @classmethod
    def from_mapping(cls, raw: object) -> "FunnelStep":
        """A step from a definition file: `{event_type: …, where: {…}}`, or the event type alone."""
        if isinstance(raw, str):
            return cls(raw)
        if not isinstance(raw, Mapping):
            raise DefinitionError(f"A funnel step is an event type or {{event_type, where}}; got {raw!r}.")
        for key in raw:
            _check_key(key, ("event_type", "where"), "a funnel step")
        return cls(raw.get("event_type", ""), raw.get("where") or {})

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for steps that the same events match: 2 and 2.0 are one value, 1 and True are not."""
        return (self.event_type, *sorted((c, kind_of(v), str(_canonical(v))) for c, v in self.where.items()))

    def covers(self, other: "FunnelStep") -> bool:
        """Whether every event that matches the other step matches this one: the same type, and no condition more."""
        return self.event_type == other.event_type and set(self.identity[1:]) <= set(other.identity[1:])

    def to_mapping(self) -> dict[str, Any]:
        """The step as a definition file has it; the inverse of `from_mapping`."""
        return {"event_type": self.event_type} | ({"where": dict(self.where)} if self.where else {})


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An event that may not come between two steps.

    An event at the very time of either step is not between them.

    Attributes:
        event: What may not happen: an event type, with conditions like a step's.
        after: The step after which it may not happen, from 1; 1, because that is where a try begins.
        before: The step before which it may not happen; None for the last, so that all of the try is meant.
    """

    event: FunnelStep
    after: int = 1
    before: int | None = None

    @classmethod
    def from_mapping(cls, raw: object) -> "Exclusion":
        """An exclusion from a definition file: `{event_type, where, after, before}`, or the event type alone."""
        if not isinstance(raw, Mapping):
            return cls(FunnelStep.from_mapping(raw))
        event = {key: value for key, value in raw.items() if key not in {"after", "before"}}
        for key in event:
            _check_key(key, ("event_type", "where", "after", "before"), "an exclusion")
        return cls(FunnelStep.from_mapping(event), raw.get("after", 1), raw.get("before"))

    def to_mapping(self) -> dict[str, Any]:
        """The exclusion as a definition file has it; the inverse of `from_mapping`."""
        return self.event.to_mapping() | {"after": self.after} | ({"before": self.before} if self.before else {})

    def within(self, steps: int) -> "Exclusion":
        """The exclusion in a funnel of so many steps, with `before` filled in.

        Raises:
            DefinitionError: The steps that it names are no two steps of the funnel, the earlier one first.
        """
        before = steps if self.before is None else self.before
        are_whole = all(isinstance(step, int) and not isinstance(step, bool) for step in (self.after, before))
        if not are_whole or not 1 <= self.after < before <= steps:
            raise DefinitionError(
                f"The exclusion of {self.event.event_type!r} is after step {self.after!r} and before step {before!r}; "
                f"name two of the {steps} steps by their numbers, the earlier one first."
            )
        return Exclusion(self.event, self.after, before)


def kind_of(value: Scalar) -> str:
    """What a value may be compared with: `text`, `number` or `boolean`."""
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def check_comparable(column: str, column_kind: str, value: Scalar) -> None:
    """Refuses a value that a column of this kind (as `kind_of` names it) equals never, or only by a cast."""
    if column_kind != kind_of(value):
        raise DefinitionError(
            f"`where` compares {column}, which holds {column_kind}, with the {kind_of(value)} {value!r}; "
            "write the value in the column's own type, or choose another column."
        )


def json_path(column: str) -> tuple[str, ...]:
    """The keys below `properties` that a `where` column names; empty for an ordinary column."""
    head, *keys = column.split(".")
    return tuple(keys) if head == _JSON_COLUMN else ()


def _canonical(value: Scalar) -> Scalar:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_column(place: str, column: object) -> None:
    """Refuses what can be no column and no `properties.key`; `place` begins the sentence."""
    if not isinstance(column, str) or not _COLUMN.fullmatch(column):
        raise DefinitionError(f"{place} names the column {column!r}; write a column or properties.key.")
    if "." in column and not json_path(column):
        raise DefinitionError(f"{place} names {column!r}; only {_JSON_COLUMN} has keys, as in {_JSON_COLUMN}.key.")


def _check_condition(event_type: str, column: object, value: object) -> None:
    place = f"`where` of the step {event_type!r}"
    check_column(place, column)
    if not isinstance(value, str | int | float | bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise DefinitionError(f"{place} compares {column} with {value!r}; use one text, number or boolean.")
    if kind_of(value) == "number" and abs(float(value)) > _MAX_EXACT_DOUBLE:
        raise DefinitionError(
            f"{place} compares {column} with {value!r}, which engines round; keep such a value as text."
        )


def _check_key(key: object, known: tuple[str, ...], place: str) -> None:
    if key not in known:
        raise DefinitionError(f"Unknown key {key!r} in {place}; {did_you_mean(key, known)}.")
