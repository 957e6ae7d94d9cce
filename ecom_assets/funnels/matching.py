"""Which steps of a funnel can match the same event, and how many of them simultaneous events can serve.

Simultaneous events have no order, so only their counts matter: distinct events at one time can serve all of the steps
j+1 … k if and only if, for every set X of conditions, the steps among them with a condition in X are no more than the
events that match at least one condition in X (Hall's marriage theorem).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ecom_assets.errors import DefinitionError
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.steps import ANY, FunnelStep
from ecom_assets.tables.conditions import Condition, Group
from ecom_assets.tables.values import kind_of

MAX_OVERLAPPING: Final = 6
"""The most conditions that may overlap each other: each additional one doubles the number of sets to count."""
OverlappingSteps = frozenset[int]


@dataclass(frozen=True, slots=True)
class Matching:
    """The distinct conditions of a funnel, and which of them overlap.

    Conditions are numbered from 0, steps from 1.

    Attributes:
        conditions: One step per distinct condition, in order of first appearance.
        condition_of: For each step, the number of its condition.
        groups: Connected groups of conditions that can match the same event; each condition is in one group.
    """

    conditions: tuple[FunnelStep, ...]
    condition_of: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def from_funnel(cls, funnel: Funnel) -> "Matching":
        """Return the matching of a funnel's steps."""
        first: dict[tuple[object, ...], FunnelStep] = {}
        for step in funnel.steps:
            first.setdefault(step.identity, step)
        number = {identity: n for n, identity in enumerate(first)}
        conditions = tuple(first.values())
        return cls(conditions, tuple(number[step.identity] for step in funnel.steps), _groups(conditions))

    @property
    def is_disjoint(self) -> bool:
        """Whether no event can match two steps; if so, simultaneous events need no counting."""
        return len(self.conditions) == len(self.condition_of) == len(self.groups)

    def overlaps(self) -> tuple[OverlappingSteps, ...]:
        """Return the sets of overlapping conditions whose events are counted: connected sets imply all others.

        Raises:
            DefinitionError: More than six conditions overlap one another.
        """
        for group in self.groups:
            self.check(group)
        return tuple(result for group in self.groups for result in self._connected_sets(group))

    def check(self, group: tuple[int, ...]) -> None:
        """Refuse a group of more than six conditions.

        Raises:
            DefinitionError: The group is larger.
        """
        if len(group) > MAX_OVERLAPPING:
            raise DefinitionError(
                f"{len(group)} different conditions on {self.conditions[group[0]].event_type!r} can match the same "
                f"event, and at most {MAX_OVERLAPPING} can be counted exactly; use fewer, or the order strict_increase."
            )

    def overlaps_of(self, step: int) -> Iterator[tuple[OverlappingSteps, tuple[int, ...]]]:
        """Yield each set of `overlaps` with the step's condition, and its steps up to this one, latest first.

        If c simultaneous events match a set, they can serve the c latest of these steps. The step before those must
        have been reached earlier.
        """
        own = self.condition_of[step - 1]
        for overlapping in self.overlaps():
            if own in overlapping:
                yield overlapping, tuple(k for k in range(step, 0, -1) if self.condition_of[k - 1] in overlapping)

    def _connected_sets(self, group: tuple[int, ...]) -> Iterator[OverlappingSteps]:
        for size in range(1, len(group) + 1):
            for chosen in combinations(group, size):
                if len(_groups(tuple(self.conditions[n] for n in chosen))) == 1:
                    yield frozenset(chosen)


def may_overlap(one: FunnelStep, other: FunnelStep) -> bool:
    """Return whether an event could match both steps: same type, and no column that would need two values.

    Conditions other than equalities are not compared: with them, steps of one type may overlap.
    """
    types, others = _types(one), _types(other)
    if types and others and not types & others:
        return False
    shared = one.equal.keys() & other.equal.keys()
    return not any(
        kind_of(one.equal[column]) == kind_of(other.equal[column]) and one.equal[column] != other.equal[column]
        for column in shared
    )


def _types(step: FunnelStep) -> frozenset[object]:
    """Return the event types that a step can have; empty for any."""
    if step.event_type != ANY:
        return frozenset({step.event_type})
    parts = step.others.parts if isinstance(step.others, Group) else (step.others,)
    is_each = not isinstance(step.others, Group) or step.others.kind == "all_of"
    listed = [
        frozenset(part.values)
        for part in parts
        if is_each and isinstance(part, Condition) and (part.column, part.operator) == ("event_type", "one_of")
    ]
    listed += [frozenset({step.equal["event_type"]})] if "event_type" in step.equal else []
    return frozenset[object].intersection(*listed) if listed else frozenset()


def _groups(conditions: tuple[FunnelStep, ...]) -> tuple[tuple[int, ...], ...]:
    groups: list[list[int]] = []
    for number, condition in enumerate(conditions):
        touching = [group for group in groups if any(may_overlap(condition, conditions[n]) for n in group)]
        groups = [group for group in groups if group not in touching]
        groups.append(sorted([number, *(n for group in touching for n in group)]))
    return tuple(tuple(group) for group in sorted(groups))
