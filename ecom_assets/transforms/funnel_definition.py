"""What a funnel is: its steps, window, order and unit, and the rules that a definition must keep.

Not here: how a funnel is computed (`funnel.py` is the definition in Ibis, `warehouse/funnel_kernel.py` the
faster one for DuckDB) and how steps compete for an event (`funnel_matching.py`). Nothing heavy is imported,
because the `ecom` command reads a definition before it starts an engine.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean

Scalar = str | int | float | bool

MIN_STEPS: Final = 2
MAX_STEPS: Final = 64
MAX_WINDOW_S: Final = 100 * 366 * 86_400
ORDERS: Final = ("ordered", "strict_increase")
UNIT_COLUMNS: Final = {"user": "visitor_id", "session": "session_id"}

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_JSON_COLUMN: Final = "properties"
_KEYS: Final = ("steps", "within", "order", "per")
_LATER_KEYS: Final = ("hold", "exclude", "by", "by_attribution")
_MAX_EXACT_DOUBLE: Final = 2**53


def parse_duration(text: object) -> int:
    """Seconds in `"45s"`, `"30m"`, `"12h"`, `"7d"` or `"2w"`; anything else is a DefinitionError.

    A bare number is refused: 7 could be days or seconds, and a wrong guess gives a plausible wrong funnel.
    """
    match = re.fullmatch(r"\s*(\d{1,12})\s*([smhdw])\s*", text) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(
            f"The duration {text!r} is not understood; write a number and a unit, as in 45s, 30m, 12h or 7d."
        )
    return int(match[1]) * _SECONDS[match[2]]


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
            if key not in {"event_type", "where"}:
                raise DefinitionError(
                    f"Unknown key {key!r} in a funnel step; {did_you_mean(key, ('event_type', 'where'))}."
                )
        return cls(raw.get("event_type", ""), raw.get("where") or {})

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for steps that the same events match: 2 and 2.0 are one value, 1 and True are not."""
        return (self.event_type, *sorted((c, kind_of(v), str(_canonical(v))) for c, v in self.where.items()))

    def to_mapping(self) -> dict[str, Any]:
        """The step as a definition file has it; the inverse of `from_mapping`."""
        return {"event_type": self.event_type} | ({"where": dict(self.where)} if self.where else {})


@dataclass(frozen=True, slots=True)
class Funnel:
    """A funnel: how many units get how far through the steps inside the window.

    A unit reaches level k if it has distinct events e1 … ek, ei matching step i, at t1 <= t2 <= … <= tk with
    tk - t1 <= `within_s` seconds. This is ClickHouse's `windowFunnel(…, 'strict_once')`.

    Attributes:
        steps: 2 to 64 steps.
        within_s: The window from the first step to the last, in seconds, both ends included; seven days,
            because that is what shops mostly ask for.
        order: `ordered` as above; `strict_increase` demands t1 < t2 < … < tk, and is exact. ClickHouse's
            `'strict_increase'` without `'strict_once'` is greedy: of views at 0 and 1 and a cart at 1 it
            keeps the view at 1 only and misses the chain from 0. On a real clickstream of 4,504 visitors it
            misses 1 for view, cart and 2,814 for view, view.
        per: The unit that is counted, `user` (visitor_id) or `session` (session_id).
    """

    steps: tuple[FunnelStep, ...]
    within_s: int = 7 * 86_400
    order: str = "ordered"
    per: str = "user"

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if not MIN_STEPS <= len(self.steps) <= MAX_STEPS:
            raise DefinitionError(
                f"A funnel has {MIN_STEPS} to {MAX_STEPS} steps, this one has {len(self.steps)}; "
                f"{'add a step' if len(self.steps) < MIN_STEPS else 'split it into several funnels'}."
            )
        for step in self.steps:
            if not isinstance(step, FunnelStep):
                raise DefinitionError(f"The steps of a Funnel are FunnelStep objects; got {step!r}.")
        if isinstance(self.within_s, bool) or not isinstance(self.within_s, int) or self.within_s < 0:
            raise DefinitionError(f"`within_s` is a whole number of seconds, 0 or more; got {self.within_s!r}.")
        if self.within_s > MAX_WINDOW_S:
            raise DefinitionError(f"`within_s` is at most {MAX_WINDOW_S} (100 years); got {self.within_s}.")
        _check_choice("order", self.order, ORDERS)
        _check_choice("per", self.per, UNIT_COLUMNS)

    @classmethod
    def from_mapping(cls, raw: object) -> "Funnel":
        """A funnel from its YAML or JSON definition: `steps`, `within`, `order`, `per`.

        Raises:
            DefinitionError: A key is unknown or not supported yet, a value is wrong, or there are too few
                steps.
        """
        if not isinstance(raw, Mapping):
            raise DefinitionError(f"A funnel definition maps {', '.join(_KEYS)} to values; got {raw!r}.")
        for key in raw:
            if key in _LATER_KEYS:
                raise DefinitionError(f"`{key}` in a funnel definition is not supported yet; remove it.")
            if key not in _KEYS:
                raise DefinitionError(f"Unknown key {key!r} in a funnel definition; {did_you_mean(key, _KEYS)}.")
        steps = raw.get("steps")
        if not isinstance(steps, list | tuple):
            raise DefinitionError(f"A funnel definition needs `steps`, a list of event types; got {steps!r}.")
        given: dict[str, Any] = {key: raw[key] for key in ("order", "per") if key in raw}
        if "within" in raw:
            given["within_s"] = parse_duration(raw["within"])
        return cls(tuple(FunnelStep.from_mapping(step) for step in steps), **given)

    @property
    def unit_column(self) -> str:
        """The column that `per` names."""
        return UNIT_COLUMNS[self.per]

    def to_mapping(self) -> dict[str, Any]:
        """The definition as a file has it; the inverse of `from_mapping`."""
        steps = [step.to_mapping() for step in self.steps]
        return {"steps": steps, "within": f"{self.within_s}s", "order": self.order, "per": self.per}


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


def _check_condition(event_type: str, column: object, value: object) -> None:
    place = f"`where` of the step {event_type!r}"
    if not isinstance(column, str) or not _COLUMN.fullmatch(column):
        raise DefinitionError(f"{place} names the column {column!r}; write a column or properties.key.")
    if "." in column and not json_path(column):
        raise DefinitionError(f"{place} names {column!r}; only {_JSON_COLUMN} has keys, as in {_JSON_COLUMN}.key.")
    if not isinstance(value, str | int | float | bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise DefinitionError(f"{place} compares {column} with {value!r}; use one text, number or boolean.")
    if kind_of(value) == "number" and abs(float(value)) > _MAX_EXACT_DOUBLE:
        raise DefinitionError(
            f"{place} compares {column} with {value!r}, which engines round; keep such a value as text."
        )


def _check_choice(name: str, value: object, known: Iterable[str]) -> None:
    if value not in tuple(known):
        raise DefinitionError(f"The funnel's `{name}` {value!r} is unknown; {did_you_mean(value, known)}.")


FIVE_STEP_FUNNEL: Final = Funnel(
    tuple(
        FunnelStep(event_type)
        for event_type in ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
    )
)
