"""What a funnel asks of events, as expressions over a table of events.

- `matches`: whether an event can be a step. `counted_events`: those that take part.
- `Matching`: which steps can match the same event. Where none can (`is_disjoint`), an event is at
  most one step, and counting is simple; else simultaneous events are counted by set of conditions.
- `with_flags`, `with_firsts`, `with_bins`: the same question in simpler words, for the kernel and
  for the expressions: conditions, first events and bins become columns of the events.
- `check_columns`: refuses columns that the events do not have.

A new kind of condition is made in `core/tables/conditions.py`; `matches` takes it from there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.steps import ANY, FunnelEvent, FunnelStep, equal_to
from ecom_assets.core.errors import DefinitionError, WorkError
from ecom_assets.core.tables.columns import (
    EVERY,
    FIRST,
    FIRST_EVER,
    comparable,
    holds,
    kind_of_column,
    meeting,
    text_of,
    with_edges,
    with_first,
)
from ecom_assets.core.tables.conditions import EVERYTHING, Condition, Group
from ecom_assets.core.tables.portable import NO, can_be_null
from ecom_assets.core.tables.values import (
    Scalar,
    bins_of,
    check_comparable,
    json_path,
    kind_of,
    unknown_column,
)

MAX_OVERLAPPING: Final = 6
"""The most conditions that may overlap each other:
each additional one doubles the number of sets to count.
"""
OverlappingSteps = frozenset[int]
"""The numbers of conditions that the same event can match."""
FLAG = "meets_conditions_"
"""Leads the name of a column that says whether an event meets the conditions of a step."""
ENTRY = "is_entry"
"""A column that events may have: if they do, attempts begin only at those for which it is true."""


@dataclass(frozen=True, slots=True)
class Matching:
    """The distinct conditions of a funnel, and which of them overlap.

    Conditions are numbered from 0, steps from 1.

    Attributes:
        conditions: One step per distinct condition, in order of first appearance.
        condition_of: For each step, the number of its condition.
        groups: Connected groups of conditions that can match the same event; each condition is in
            one group.
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
        return cls(
            conditions, tuple(number[step.identity] for step in funnel.steps), _groups(conditions)
        )

    @property
    def is_disjoint(self) -> bool:
        """Whether no event can match two steps; if so, simultaneous events need no counting."""
        return len(self.conditions) == len(self.condition_of) == len(self.groups)

    def overlaps(self) -> tuple[OverlappingSteps, ...]:
        """Return the sets of overlapping conditions whose events are counted:
        connected sets imply all others.

        Raises:
            DefinitionError: More than six conditions overlap one another.
        """
        sets = (chosen for group in self.groups for chosen in self.subsets(group))
        return tuple(
            frozenset(chosen)
            for chosen in sets
            if len(_groups([self.conditions[n] for n in chosen])) == 1
        )

    def subsets(self, group: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return all sets of conditions of a group, the smallest first.

        Raises:
            DefinitionError: The group has more than six conditions.
        """
        if len(group) > MAX_OVERLAPPING:
            raise DefinitionError(
                f"{len(group)} different conditions on {self.conditions[group[0]].event_type!r} "
                f"can match the same event, and at most {MAX_OVERLAPPING} can be counted exactly; "
                "use fewer, or the order strict_increase."
            )
        return [chosen for size in range(1, len(group) + 1) for chosen in combinations(group, size)]

    def overlaps_of(self, step: int) -> Iterator[tuple[OverlappingSteps, tuple[int, ...]]]:
        """Yield each set of `overlaps` with the step's condition,
        and its steps up to this one, latest first.

        If c simultaneous events match a set, they can serve the c latest of these steps. The step
        before those must have been reached earlier.
        """
        own = self.condition_of[step - 1]
        for overlapping in self.overlaps():
            if own in overlapping:
                yield (
                    overlapping,
                    tuple(k for k in range(step, 0, -1) if self.condition_of[k - 1] in overlapping),
                )


def may_overlap(step: FunnelStep, other: FunnelStep) -> bool:
    """Return whether an event could match both steps: same type,
    and no column that would need two values.

    Conditions other than equalities are not compared: with them, steps of one type may overlap.
    """
    types, other_types = _event_types(step), _event_types(other)
    if types and other_types and not types & other_types:
        return False
    shared = step.equal.keys() & other.equal.keys()
    return not any(
        kind_of(step.equal[column]) == kind_of(other.equal[column])
        and step.equal[column] != other.equal[column]
        for column in shared
    )


def _event_types(step: FunnelStep) -> frozenset[object]:
    """Return the event types that a step can have; empty for any."""
    if step.event_type != ANY:
        return frozenset({step.event_type})
    parts = step.others.parts if isinstance(step.others, Group) else (step.others,)
    is_each = not isinstance(step.others, Group) or step.others.kind == "all_of"
    listed = [
        frozenset(part.values)
        for part in parts
        if is_each
        and isinstance(part, Condition)
        and (part.column, part.operator) == ("event_type", "one_of")
    ]
    listed += [frozenset({step.equal["event_type"]})] if "event_type" in step.equal else []
    return frozenset[object].intersection(*listed) if listed else frozenset()


def _groups(conditions: Sequence[FunnelStep]) -> tuple[tuple[int, ...], ...]:
    groups: list[list[int]] = []
    for number, condition in enumerate(conditions):
        touching = [
            group for group in groups if any(may_overlap(condition, conditions[n]) for n in group)
        ]
        groups = [group for group in groups if group not in touching]
        groups.append(sorted([number, *(n for group in touching for n in group)]))
    return tuple(tuple(group) for group in sorted(groups))


def matches(events: ir.Table, step: FunnelEvent) -> ir.BooleanValue:
    """Return whether an event matches a step; never null.

    Raises:
        WorkError: The step counts first events only, which `with_firsts` finds among the events of
            all days.
    """
    if step.is_first:
        raise WorkError(
            "What is first is found among all events; give the events and the funnel of "
            "`with_firsts`."
        )
    tests = [] if step.event_type == ANY else [events.event_type == step.event_type]
    tests += [comparable(events, column, value) == value for column, value in step.equal.items()]
    equal = ibis.and_(ibis.literal(value=True), *tests).fill_null(NO)
    return equal if step.others == EVERYTHING else equal & holds(events, step.others)


def counted_events(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the events that take part in a funnel, with each held `properties.key` as a column."""
    return events_with_unit(with_held(meeting(events, funnel.where), funnel), units)


def with_flags(events: ir.Table, funnel: Funnel) -> tuple[ir.Table, Funnel]:
    """Return the same question with plain equalities only, which is all that the kernel reads.

    Events that do not meet the conditions on all events are gone, and each step's conditions are a
    boolean column. If attempts begin at certain events only, being one of these is a condition on
    step 1.
    """
    events = meeting(events, funnel.where)
    if funnel.has_any_step:
        return _with_any_step(events, funnel)
    # By their text, because to Python the conditions `= 1` and `= true` are equal.
    distinct = {
        repr(step.others): step.others for step in funnel.steps if step.others != EVERYTHING
    }
    names = {text: f"{FLAG}{number}" for number, text in enumerate(distinct, start=1)}
    flags = {name: holds(events, distinct[text]) for text, name in names.items()}
    equal = [
        step.equal if step.others == EVERYTHING else {**step.equal, names[repr(step.others)]: True}
        for step in funnel.steps
    ]
    plain = _with_equalities(events, funnel, equal)
    return (events.mutate(**flags) if flags else events), plain


def _with_equalities(
    events: ir.Table, funnel: Funnel, equal: Sequence[Mapping[str, Scalar]]
) -> Funnel:
    """Return the funnel with these equalities of each step as its only conditions,
    and that of entries.
    """
    first, *later_values = equal
    if ENTRY in events.columns:
        first = {**first, ENTRY: True}
    steps = zip(funnel.steps, (first, *later_values), strict=True)
    return funnel.changed(
        steps=tuple(step.changed(where=equal_to(values)) for step, values in steps),
        where=EVERYTHING,
    )


def _with_any_step(events: ir.Table, funnel: Funnel) -> tuple[ir.Table, Funnel]:
    """Return the same question with one event type:
    whether an event can be a step is a boolean column.
    """
    distinct = {step.identity: step for step in funnel.steps}
    names = {identity: f"{FLAG}{number}" for number, identity in enumerate(distinct, start=1)}
    flags = {names[identity]: matches(events, step) for identity, step in distinct.items()}
    plain = _with_equalities(
        events, funnel, [{names[step.identity]: True} for step in funnel.steps]
    )
    plain = plain.changed(steps=tuple(step.changed(event_type=ANY) for step in plain.steps))
    return events.mutate(**flags).mutate(event_type=ibis.literal(ANY)), plain


def with_firsts(events: ir.Table, funnel: Funnel) -> tuple[ir.Table, Funnel]:
    """Return the same question where being a visitor's first event is a column,
    on which steps have a condition.

    Args:
        events: The events of all days, with the columns that the funnel names.
        funnel: The definition.
    """
    names: dict[tuple[object, ...], str] = {}
    steps = []
    for step in funnel.steps:
        if not step.is_first:
            steps.append(step)
            continue
        if step.identity not in names:
            names[step.identity] = f"{FIRST}{len(names) + 1}"
            events = with_first(events, names[step.identity], _is_candidate(events, step, funnel))
        where = equal_to({**step.equal, names[step.identity]: True}, step.others)
        steps.append(step.changed(where=where, occurrence=EVERY))
    return events, funnel.changed(steps=tuple(steps))


def with_bins(events: ir.Table, funnel: Funnel, days: tuple[date, date] | None) -> Funnel:
    """Return the funnel with the edges of its bins,
    which are bounded by the numbers of events of its steps.

    Args:
        events: The events, with the columns that the funnel names.
        funnel: The definition.
        days: The first and the last day of entry, if not all days are asked for.
    """
    if not any(map(bins_of, funnel.by_columns)):
        return funnel
    events = events.filter(events.event_date.between(*days)) if days else events
    rows = meeting(events, funnel.where).filter(
        ibis.or_(*(matches(events, step) for step in funnel.steps))
    )
    by, limit = with_edges(rows, funnel.by_columns, funnel.limit)
    return funnel.changed(by=by, limit=limit)


def _is_candidate(events: ir.Table, step: FunnelStep, funnel: Funnel) -> ir.BooleanValue:
    """Return whether an event is one of those of which the first is the step."""
    if step.occurrence == FIRST_EVER:
        return matches(events, step.changed(where=EVERYTHING, occurrence=EVERY))
    return matches(events, step.changed(occurrence=EVERY)) & holds(events, funnel.where)


def may_begin(rows: ir.Table) -> ir.BooleanValue:
    """Return whether an attempt may begin at an event."""
    entry: ir.BooleanValue = rows[ENTRY] if ENTRY in rows.columns else ibis.literal(value=True)
    return entry


def events_with_unit(events: ir.Table, units: Sequence[str]) -> ir.Table:
    """Return the events that have a unit and a time; to Ibis,
    these columns are nullable in the result.
    """
    present = [events[column].notnull() for column in (*units, "event_at")]
    return can_be_null(events.filter(present), (*units, "event_at"))


def with_held(events: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the events with each held `properties.key` as a column."""
    inside = {column: text_of(events, column) for column in funnel.hold if json_path(column)}
    return events.mutate(**inside) if inside else events


def check_columns(events: ir.Table, funnel: Funnel, needed: Sequence[str]) -> None:
    """Refuse a funnel that names missing columns,
    or compares columns with values that they never have.

    Args:
        events: Events.
        funnel: The definition.
        needed: Columns that are required in addition to those that the definition names.

    Raises:
        DefinitionError: A column does not fit; the message names the first.
    """
    values = [(column, value) for event in funnel.events for column, value in event.equal.items()]
    columns = [column.partition(".")[0] for column in funnel.columns]
    for column in (*needed, "event_at", "event_type", *columns):
        if column not in events.columns:
            raise unknown_column(column, events.columns)
    for column, value in values:
        if not json_path(column):
            check_comparable(column, kind_of_column(events[column]), value)
