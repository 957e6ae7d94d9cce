"""A funnel's conditions, held columns and breakdown as expressions over an events table.

Columns are checked against the table's types first, so that no engine compares values by an implicit cast.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import WorkError
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.steps import ANY, FunnelEvent, FunnelStep, equal_to
from ecom_assets.tables.columns import (
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
from ecom_assets.tables.conditions import EVERYTHING
from ecom_assets.tables.portable import can_be_null
from ecom_assets.tables.values import Scalar, bins_of, check_comparable, json_path, unknown_column


def matches(events: ir.Table, step: FunnelEvent) -> ir.BooleanValue:
    """Return whether an event matches a step; never null.

    Raises:
        WorkError: The step counts first events only, which `with_firsts` finds among the events of all days.
    """
    if step.is_first:
        raise WorkError("What is first is found among all events; give the events and the funnel of `with_firsts`.")
    tests = [] if step.event_type == ANY else [events.event_type == step.event_type]
    tests += [comparable(events, column, value) == value for column, value in step.equal.items()]
    equal = ibis.and_(ibis.literal(value=True), *tests).fill_null(ibis.literal(value=False))
    return equal if step.others == EVERYTHING else equal & holds(events, step.others)


def counted_events(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the events that take part in a funnel, with each held `properties.key` as a column."""
    return of_units(with_held(meeting(events, funnel.where), funnel), units)


def with_flags(events: ir.Table, funnel: Funnel) -> tuple[ir.Table, Funnel]:
    """Return the same question with plain equalities only, which is all that the kernel reads.

    Events that do not meet the conditions on all events are gone, and each step's conditions are a boolean column. If
    attempts begin at certain events only, being one of these is a condition on step 1.
    """
    events = meeting(events, funnel.where)
    if funnel.has_any_step:
        return _with_any_step(events, funnel)
    # By their text, because to Python the conditions `= 1` and `= true` are equal.
    distinct = {repr(step.others): step.others for step in funnel.steps if step.others != EVERYTHING}
    names = {text: f"{FLAG}{number}" for number, text in enumerate(distinct, start=1)}
    flags = {name: holds(events, distinct[text]) for text, name in names.items()}
    equal = [
        step.equal if step.others == EVERYTHING else {**step.equal, names[repr(step.others)]: True}
        for step in funnel.steps
    ]
    plain = _with_equalities(events, funnel, equal)
    return (events.mutate(**flags) if flags else events), plain


def _with_equalities(events: ir.Table, funnel: Funnel, equal: Sequence[Mapping[str, Scalar]]) -> Funnel:
    """Return the funnel with these equalities of each step as its only conditions, and that of entries."""
    first, *others = equal
    if ENTRY in events.columns:
        first = {**first, ENTRY: True}
    steps = zip(funnel.steps, (first, *others), strict=True)
    return funnel.changed(steps=tuple(step.changed(where=equal_to(values)) for step, values in steps), where=EVERYTHING)


def _with_any_step(events: ir.Table, funnel: Funnel) -> tuple[ir.Table, Funnel]:
    """Return the same question with one event type: whether an event can be a step is a boolean column."""
    distinct = {step.identity: step for step in funnel.steps}
    names = {identity: f"{FLAG}{number}" for number, identity in enumerate(distinct, start=1)}
    flags = {names[identity]: matches(events, step) for identity, step in distinct.items()}
    plain = _with_equalities(events, funnel, [{names[step.identity]: True} for step in funnel.steps])
    plain = plain.changed(steps=tuple(step.changed(event_type=ANY) for step in plain.steps))
    return events.mutate(**flags).mutate(event_type=ibis.literal(ANY)), plain


def with_firsts(events: ir.Table, funnel: Funnel) -> tuple[ir.Table, Funnel]:
    """Return the same question where being a visitor's first event is a column, on which steps have a condition.

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
    """Return the funnel with the edges of its bins, which are bounded by the numbers of events of its steps.

    Args:
        events: The events, with the columns that the funnel names.
        funnel: The definition.
        days: The first and the last day of entry, if not all days are asked for.
    """
    if not any(map(bins_of, funnel.by_columns)):
        return funnel
    events = events.filter(events.event_date.between(*days)) if days else events
    rows = meeting(events, funnel.where).filter(ibis.or_(*(matches(events, step) for step in funnel.steps)))
    by, limit = with_edges(rows, funnel.by_columns, funnel.limit)
    return funnel.changed(by=by, limit=limit)


def _is_candidate(events: ir.Table, step: FunnelStep, funnel: Funnel) -> ir.BooleanValue:
    """Return whether an event is one of those of which the first is the step."""
    if step.occurrence == FIRST_EVER:
        return matches(events, step.changed(where=EVERYTHING, occurrence=EVERY))
    return matches(events, step.changed(occurrence=EVERY)) & holds(events, funnel.where)


FLAG = "meets_conditions_"
ENTRY = "is_entry"
"""A column that events may have: if they do, attempts begin only at those for which it is true."""


def may_begin(rows: ir.Table) -> ir.BooleanValue:
    """Return whether an attempt may begin at an event."""
    entry: ir.BooleanValue = rows[ENTRY] if ENTRY in rows.columns else ibis.literal(value=True)
    return entry


def of_units(events: ir.Table, units: Sequence[str]) -> ir.Table:
    """Return the events that have a unit and a time; to Ibis, these columns are nullable in the result."""
    present = [events[column].notnull() for column in (*units, "event_at")]
    return can_be_null(events.filter(present), (*units, "event_at"))


def with_held(events: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the events with each held `properties.key` as a column."""
    inside = {column: text_of(events, column) for column in funnel.hold if json_path(column)}
    return events.mutate(**inside) if inside else events


def check_columns(events: ir.Table, funnel: Funnel, needed: Sequence[str]) -> None:
    """Refuse a funnel that names missing columns, or compares columns with values that they never have.

    Args:
        events: Events.
        funnel: The definition.
        needed: Columns that are required in addition to those that the definition names.

    Raises:
        DefinitionError: A column does not fit; the message names the first.
    """
    values = [(column, value) for event in funnel.events for column, value in event.equal.items()]
    named = [column.partition(".")[0] for column in funnel.columns]
    for column in (*needed, "event_at", "event_type", *named):
        if column not in events.columns:
            raise unknown_column(column, events.columns)
    for column, value in values:
        if not json_path(column):
            check_comparable(column, kind_of_column(events[column]), value)
