"""Which steps of a funnel compete for the same event, and how many of them simultaneous events can serve.

Simultaneous events can stand in any order, so only counts matter there: steps j+1 … k can all be served
at one instant by distinct events if and only if, for every set X of conditions, the steps among them with a
condition in X are no more than the events that match at least one condition in X (Hall's marriage theorem).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError
from ecom_assets.funnels.columns import matches
from ecom_assets.funnels.definition import Funnel, FunnelStep, kind_of

MAX_RIVALS: Final = 6
"""Conditions that may overlap one another: each further one doubles the sets to count."""
Rivals = frozenset[int]


@dataclass(frozen=True, slots=True)
class Matching:
    """The distinct conditions of a funnel and who competes with whom.

    Conditions are numbered from 0, steps from 1.

    Attributes:
        conditions: One step per distinct condition, in order of first appearance.
        condition_of: For each step, the number of its condition.
        groups: Conditions that may match a common event, as connected groups; each condition is in one group.
    """

    conditions: tuple[FunnelStep, ...]
    condition_of: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, funnel: Funnel) -> "Matching":
        """The matching of a funnel's steps."""
        first: dict[tuple[object, ...], FunnelStep] = {}
        for step in funnel.steps:
            first.setdefault(step.identity, step)
        number = {identity: n for n, identity in enumerate(first)}
        conditions = tuple(first.values())
        return cls(conditions, tuple(number[step.identity] for step in funnel.steps), _groups(conditions))

    @property
    def is_disjoint(self) -> bool:
        """Whether no event can match two steps; then ties need no counting."""
        return len(self.conditions) == len(self.condition_of) == len(self.groups)

    def rivalries(self) -> tuple[Rivals, ...]:
        """The sets of conditions whose counts decide: the connected ones, since the others follow from them.

        Raises:
            DefinitionError: More than six conditions overlap one another.
        """
        for group in self.groups:
            if len(group) > MAX_RIVALS:
                raise DefinitionError(
                    f"{len(group)} different conditions on {self.conditions[group[0]].event_type!r} can "
                    f"match the same event, and at most {MAX_RIVALS} can be counted exactly; use fewer, or "
                    "the order strict_increase."
                )
        return tuple(found for group in self.groups for found in self._connected_sets(group))

    def contests(self, step: int) -> Iterator[tuple[Rivals, tuple[int, ...]]]:
        """For a step: each rivalry it is in, and the steps up to this one, latest first, in that rivalry.

        With c events for a rivalry at an instant, the c latest of those steps can be served there, and the
        next one must have been reached before.
        """
        own = self.condition_of[step - 1]
        for rivals in self.rivalries():
            if own in rivals:
                yield rivals, tuple(k for k in range(step, 0, -1) if self.condition_of[k - 1] in rivals)

    def _connected_sets(self, group: tuple[int, ...]) -> Iterator[Rivals]:
        for size in range(1, len(group) + 1):
            for chosen in combinations(group, size):
                if len(_groups(tuple(self.conditions[n] for n in chosen))) == 1:
                    yield frozenset(chosen)


def may_overlap(one: FunnelStep, other: FunnelStep) -> bool:
    """Whether an event could match both: same type, and no column that would need two values at once."""
    if one.event_type != other.event_type:
        return False
    shared = one.where.keys() & other.where.keys()
    return not any(
        kind_of(one.where[column]) == kind_of(other.where[column]) and one.where[column] != other.where[column]
        for column in shared
    )


def _groups(conditions: tuple[FunnelStep, ...]) -> tuple[tuple[int, ...], ...]:
    groups: list[list[int]] = []
    for number, condition in enumerate(conditions):
        touching = [group for group in groups if any(may_overlap(condition, conditions[n]) for n in group)]
        groups = [group for group in groups if group not in touching]
        groups.append(sorted([number, *(n for group in touching for n in group)]))
    return tuple(tuple(group) for group in sorted(groups))


_NEVER = dt.datetime(1, 1, 1)  # noqa: DTZ001  # before any event; it takes the type of the events' own clock
_STEPS_PER_QUERY = 8
"""So many steps nest before their rows are named and read twice: deeper SQL overruns the compiler's stack."""


def levels_by_instant(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """One row per unit that did step 1, with its `level`.

    `start_at` is the latest start with which steps 1 … k can end at this instant. The instant itself serves
    as many of the latest steps as every rivalry's count allows; the step before them must have been reached
    earlier. A step is always reached with a start no earlier than its successor's, so the tightest rivalry
    is the smallest start.
    """
    rows = instants_of(events, matching, units)
    rows = rows.mutate(start_at=rows.event_at, level=ibis.literal(0, "int64"))
    levels = []
    for step in range(1, len(funnel.steps) + 1):
        rows = _after_step(rows, step, funnel.within_s, matching, units)
        if step % _STEPS_PER_QUERY == 0 or step == len(funnel.steps):
            levels.append(rows.select(*units, "level"))
    every = ibis.union(*levels) if len(levels) > 1 else levels[0]
    best = every.group_by(units).agg(level=every.level.max())
    return best.filter(best.level > 0)


def _after_step(rows: ir.Table, step: int, within_s: int, matching: Matching, units: list[str]) -> ir.Table:
    """The rows with `start_at` and `level` moved on by a step, and `reached_<step>`, its start before."""
    never = ibis.literal(_NEVER, type=rows.event_at.type())
    starts = [rows.start_at if step == 1 else _served(rows, step - 1, matching)]
    for rivals, contested in matching.contests(step):
        earlier = [(rows[count_name(rivals)] == n, rows[f"reached_{contested[n]}"]) for n in range(1, len(contested))]
        starts += [ibis.cases(*earlier, else_=rows.event_at)] if earlier else []
    start_at = ibis.least(*starts) if len(starts) > 1 else starts[0]
    in_time = start_at >= rows.event_at - ibis.interval(seconds=within_s)
    is_reached = (rows[count_name(alone(matching, step))] > 0) & in_time
    before = ibis.window(group_by=units, order_by="event_at", rows=(None, -1))
    reached_at = is_reached.ifelse(start_at, never).max().over(before).coalesce(never)
    new = {"start_at": start_at, "level": is_reached.ifelse(step, rows.level), f"reached_{step}": reached_at}
    return rows.select(*(rows[name] for name in rows.columns if name not in new), **new)


def _served(rows: ir.Table, step: int, matching: Matching) -> ir.Value:
    """The best start of a chain of `step` steps up to and with this instant, for later steps to use."""
    return (rows[count_name(alone(matching, step))] > 0).ifelse(rows.start_at, rows[f"reached_{step}"])


def instants_of(events: ir.Table, matching: Matching, units: list[str]) -> ir.Table:
    """One row per unit and instant, with the number of events that match each set of rivals."""
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{number}": hit.ifelse(1, 0) for number, hit in enumerate(hits)}
    events = events.filter(ibis.or_(*hits)).select(*units, "event_at", **marks)
    counts = {
        count_name(rivals): ibis.or_(*(events[f"condition_{number}"] == 1 for number in sorted(rivals)))
        for rivals in matching.rivalries()
    }
    return events.group_by([*units, "event_at"]).agg(**{k: v.ifelse(1, 0).sum() for k, v in counts.items()})


def count_name(rivals: Rivals) -> str:
    """The column that counts the events for these rivals."""
    return "count_" + "_".join(str(number) for number in sorted(rivals))


def alone(matching: Matching, step: int) -> Rivals:
    """The rivals that are a step's own condition and no other."""
    return frozenset({matching.condition_of[step - 1]})
