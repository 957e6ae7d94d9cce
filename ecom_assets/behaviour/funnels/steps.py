"""The parts of a funnel's definition: its steps, the events that exclude,
and the two steps of the time to convert.

Values are equal only to values of the same kind: the JSON text "2" is not the number 2. An excluded
event at the same time as a step is not between steps. Steps after an optional one count as without
it, see `with_optional`.
"""

import csv
import re
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final

from ecom_assets.behaviour.questions.fields import Choices, Conditions, Count, EventType, field
from ecom_assets.behaviour.questions.model import QuestionPart
from ecom_assets.core.errors import DefinitionError, UsageError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.columns import EVERY, OCCURRENCES
from ecom_assets.core.tables.conditions import EVERYTHING, Condition, Group, Where, columns_of
from ecom_assets.core.tables.values import Scalar, kind_of, parse_duration

ANY: Final = "*"
"""The event type of a step that any event can be."""
MAX_STEPS: Final = 64
MAX_BINS: Final = 100
OCCURRENCE: Final = Choices("occurrence of a step", OCCURRENCES)


class FunnelEvent(QuestionPart):
    """An event type with conditions."""

    CALLED: ClassVar[str] = "a funnel step"

    event_type: EventType = field(
        ..., "Event type", "What happens; * is anything", examples=["product_view"]
    )
    where: Conditions = field(
        [],
        "where",
        "Values of columns, or conditions such as `cart_amount > 20` or {column, operator, "
        "value}; `properties.key` is a value inside the JSON column",
        examples=[{"product_category": "shoes"}],
    )

    @classmethod
    def from_text(cls, text: str) -> NamedValues:
        """Return the event type as a definition has it."""
        return {"event_type": text}

    @property
    def is_first(self) -> bool:
        """Whether only the first event of a visitor counts."""
        return False

    @cached_property
    def equal(self) -> dict[str, Scalar]:
        """The values that columns must equal, by column."""
        return _equalities(self.where)[0]

    @cached_property
    def others(self) -> Where:
        """All other conditions."""
        return _equalities(self.where)[1]

    @property
    def identity(self) -> tuple[object, ...]:
        """A key that is equal only for what matches the same events: 2 and 2.0 are equal,
        1 and True are not.
        """
        equal = sorted((c, kind_of(v), str(_canonical(v))) for c, v in self.equal.items())
        return (self.event_type, *equal, *sorted(map(repr, _parts(self.others))))

    @property
    def columns(self) -> list[str]:
        """The columns that are compared, as they are written."""
        return [*self.equal, *columns_of(self.others)]

    def covers(self, other: "FunnelEvent") -> bool:
        """Return whether all events that match the other match this one: same type,
        no additional condition.
        """
        is_of_type = self.event_type in {ANY, other.event_type}
        return is_of_type and set(self.identity[1:]) <= set(other.identity[1:])

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        equal = [self.equal] if self.equal else []
        other_conditions = [] if self.others == EVERYTHING else [self.others.to_mapping()]
        where: list[Any] = [*equal, *other_conditions]
        return {"event_type": self.event_type} | (
            {"where": where if len(where) > 1 else where[0]} if where else {}
        )


class FunnelStep(FunnelEvent):
    """A step: an event type with conditions, and which of a visitor's events count."""

    occurrence: Annotated[str, OCCURRENCE] = field(
        EVERY,
        "counts",
        "first_time: only the first that meets the conditions, in all data; first_ever: of its "
        "type",
    )
    optional: bool = field(
        default=False,
        label="optional",
        help="Whether it need not be taken; as text, `add_to_cart?`",
    )

    @classmethod
    def from_text(cls, text: str) -> NamedValues:
        """Return a step that is written as its event type, with `?` after it if it is optional.

        What stands in double quotes is the event type as it is, such as one that ends in `?`
        itself.
        """
        name = text.strip()
        if quoted := re.fullmatch(r'"([^"]+)"', name):
            return {"event_type": quoted[1]}
        is_optional = len(name) > 1 and name.endswith("?")
        return (
            {"event_type": name[:-1].rstrip(), "optional": True}
            if is_optional
            else {"event_type": text}
        )

    @property
    def is_first(self) -> bool:
        """Whether only the first event of a visitor counts."""
        return self.occurrence != EVERY

    @property
    def identity(self) -> tuple[object, ...]:
        """A key that is equal only for steps that match the same events."""
        return (*super().identity, *([("occurrence", self.occurrence)] if self.is_first else []))

    def to_mapping(self) -> dict[str, Any]:
        """Return the step as in a definition file."""
        first = {"occurrence": self.occurrence} if self.is_first else {}
        return super().to_mapping() | first | ({"optional": True} if self.optional else {})


class Exclusion(FunnelEvent):
    """An event that must not occur between two steps."""

    CALLED: ClassVar[str] = "an exclusion"

    after: Count = field(1, "after", "The step after which it may not happen", ge=1, le=MAX_STEPS)
    before: Count | None = field(
        None, "before", "The step before which it may not; default the last", ge=2, le=MAX_STEPS
    )

    def to_mapping(self) -> dict[str, Any]:
        """Return the exclusion as in a definition file."""
        return (
            super().to_mapping()
            | {"after": self.after}
            | ({"before": self.before} if self.before else {})
        )

    def is_before(self, step: int) -> bool:
        """Return whether the event must not occur between the step before a step and this one."""
        return self.after < step <= (self.before or 0)

    def completed_for(self, steps: int) -> "Exclusion":
        """Return the exclusion for a funnel with this number of steps, with `before` filled in.

        Raises:
            DefinitionError: `after` and `before` are not two steps of the funnel, the earlier one
                first.
        """
        if steps == 1:
            raise DefinitionError(
                f"The exclusion of {self.event_type!r} is in a funnel of one step, which has "
                "nothing between steps; leave it out, or add a step."
            )
        before = steps if self.before is None else self.before
        if not self.after < before <= steps:
            raise DefinitionError(
                f"The exclusion of {self.event_type!r} is after step {self.after!r} and before "
                f"step {before!r}; name two of the {steps} steps by their numbers, the earlier "
                "one first."
            )
        return self.changed(before=before)


class TimeToConvert(QuestionPart):
    """Two steps, the time between which is counted in bins."""

    CALLED: ClassVar[str] = "`time_to_convert`"

    first: Count = field(..., "from", "The earlier step", alias="from", ge=1, le=MAX_STEPS)
    last: Count = field(..., "to", "The later step", alias="to", ge=1, le=MAX_STEPS)
    bins: Count | str | list[str] | None = field(
        None,
        "bins",
        "A number of bins, the width of each, such as 1h, or where they end; default chosen",
    )

    @classmethod
    def from_text(cls, text: str) -> NamedValues:
        """Return two steps that are written as `1:3`."""
        match = re.fullmatch(r"\s*(\d{1,3})\s*[:-]\s*(\d{1,3})\s*", text)
        if not match:
            raise DefinitionError(
                f"`time_to_convert` names two steps, as in 1:3, or {{from, to, bins}}; got "
                f"{text!r}."
            )
        return {"from": int(match[1]), "to": int(match[2])}

    @property
    def bin_count(self) -> int | None:
        """How many bins of equal width are asked for; None to choose,
        or where their width or ends are given.
        """
        return self.bins if isinstance(self.bins, int) else None

    @property
    def width_s(self) -> int | None:
        """The width of all bins, from 0 on; None where it is not given."""
        return parse_duration(self.bins) if isinstance(self.bins, str) else None

    @property
    def edges_s(self) -> tuple[int, ...]:
        """Where bins end, rising, where that is given; the last bin has no end."""
        return tuple(map(parse_duration, self.bins)) if isinstance(self.bins, list) else ()

    def check(self, steps: int) -> None:
        """Refuse steps that the funnel does not have, and bins that cannot be.

        Raises:
            DefinitionError: One of them is wrong.
        """
        if not self.first < self.last <= steps:
            raise DefinitionError(
                f"`time_to_convert` is from step {self.first!r} to step {self.last!r}; name two "
                f"of the {steps} steps by their numbers, the earlier one first."
            )
        if self.bin_count is not None and not 1 <= self.bin_count <= MAX_BINS:
            raise DefinitionError(
                f"The bins of `time_to_convert` are 1 to {MAX_BINS}, not {self.bins!r}."
            )
        is_rising = self.width_s != 0 and all(
            low < high for low, high in pairwise((0, *self.edges_s))
        )
        if not is_rising or len(self.edges_s) >= MAX_BINS:
            raise DefinitionError(
                "The ends of the bins of `time_to_convert` have to rise, and be fewer than "
                f"{MAX_BINS}; write them as in 1m, 10m, 1h."
            )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        width = self.width_s and f"{self.width_s}s"
        bins = self.bin_count or width or [f"{edge}s" for edge in self.edges_s]
        return {"from": self.first, "to": self.last} | ({"bins": bins} if bins else {})


def equal_to(values: Mapping[str, Scalar], other_conditions: Where = EVERYTHING) -> Where:
    """Return the conditions that columns equal values, and others."""
    return Group(
        "all_of",
        (
            *(Condition(column, "equals", (value,)) for column, value in values.items()),
            other_conditions,
        ),
    )


def _equalities(where: Where) -> tuple[dict[str, Scalar], Where]:
    """Return the values that columns must equal, by column, and all other conditions."""
    equal: dict[str, Scalar] = {}
    other_conditions: list[Where] = []
    for part in _parts(where):
        if isinstance(part, Condition) and part.operator == "equals" and part.column not in equal:
            equal[part.column] = part.values[0]
        else:
            other_conditions.append(part)
    return equal, other_conditions[0] if len(other_conditions) == 1 else Group(
        "all_of", tuple(other_conditions)
    )


def _parts(where: Where) -> list[Where]:
    """Return the conditions of which all must hold."""
    if isinstance(where, Group) and where.kind == "all_of":
        return [part for inner in where.parts for part in _parts(inner)]
    return [where]


def _canonical(value: Scalar) -> Scalar:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def exclusion_from_text(text: str) -> dict[str, Any]:
    """Read `a` or `a:2:3`; an event type may hold colons itself."""
    name, *ends = text.rsplit(":", 2)
    if len(ends) == 2 and all(end.isdigit() for end in ends):  # noqa: PLR2004 (after and before)
        return {"event_type": name, "after": int(ends[0]), "before": int(ends[1])}
    if ends and ends[-1].isdigit():
        raise UsageError(
            f"--exclude {text!r} names one step; name both, as in {name}:1:2, or none."
        )
    return {"event_type": text}


def step_names(text: str) -> list[str]:
    """Return the event types of a list with commas;
    a type that contains a comma is in double quotes.

    Raises:
        UsageError: The quotes do not match.
    """
    try:
        (names,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise UsageError(
            f"--steps {text!r} is not understood; write event types between commas, one with a "
            "comma in double quotes."
        ) from error
    return [name.strip() for name in names]
