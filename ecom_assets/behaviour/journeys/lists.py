"""The fast form of journeys and their transitions on DuckDB: one list of numbers for each session.

A number holds the day, the place in that day's run of events, and the step, so that sorting a list
puts the steps in order: no window sorts all events. Steps are numbered by name, and only the lists
that are left after repeats become texts. `journeys.py` has the portable form, which is the
definition, and tests require that both give equal rows.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.journeys.contracts import Journeys
from ecom_assets.behaviour.journeys.journeys import (
    ARROW,
    EXIT,
    NODES,
    PAIR,
    PAIR_COUNTS,
    START,
    JourneyRule,
    counted_place,
    step_name,
    with_ending,
)
from ecom_assets.behaviour.sessions.sessions import SESSION
from ecom_assets.core.tables.portable import backend_with_kernels, fetched, union_distinct

STEP_BITS: Final = 16
PLACE_BITS: Final = 32
"""The bits of a number below 2^63 that hold the step and the place; the day has 15, 89 years."""
MOST_STEPS: Final = 2**STEP_BITS
"""There are fewer different steps than this: all names are one list, in memory."""


def _list_select(values: list[str], places: list[int]) -> list[str]:
    raise NotImplementedError(values, places)  # DuckDB computes it


_SELECTED: Final = ibis.udf.scalar.builtin(
    _list_select,
    name="list_select",
    signature=(("array<string>", "array<int64>"), "array<string>"),
)


def step_counts(events: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return in one row how many different steps the rows of `SessionEvents` have, by dimension."""
    return events.aggregate(**{name: events[NODES[name]].nunique() for name in rule.dimensions})


def are_few_steps(counts: Iterable[int]) -> bool:
    """Return whether so many different steps can be numbered."""
    return sum(map(int, counts)) < MOST_STEPS


def has_few_steps(events: ir.Table, rule: JourneyRule) -> bool:
    """Return whether the rows of `SessionEvents` are in DuckDB, and have few different steps."""
    con = backend_with_kernels(events)
    if con is None:
        return False
    [found] = fetched(con, step_counts(events, rule))
    return are_few_steps(found)


def listed_journeys(
    members: ir.Table, sessions: ir.Table, events: ir.Table, rule: JourneyRule
) -> ir.Table:
    """Return what `journeys` in `journeys.py` does.

    Args:
        members: The events of sessions.
        sessions: The result of `session_starts`.
        events: Rows of `SessionEvents` that have every step of `members`.
        rule: What steps are, and how many of them are kept.
    """
    paths = _paths(members, _step_numbers(events, rule), rule)
    rows = sessions.left_join(paths, list(SESSION)).select(
        *sessions.columns, **{name: paths[name] for name in paths.columns if name not in SESSION}
    )
    result = rows.select(
        *sessions.columns,
        dimension=ibis.array(list(rule.dimensions)).unnest(),
        path=ibis.array([rows[f"{name}_path"] for name in rule.dimensions]).unnest(),
        step_count=ibis.array(
            [rows[f"{name}_count"].fill_null(0) for name in rule.dimensions]
        ).unnest(),
    )
    result = with_ending(result, rule).rename(started_at="session_started_at")
    return result.select(*Journeys.columns)


def listed_cut_pairs(
    cut: ir.Table, members: ir.Table, events: ir.Table, rule: JourneyRule
) -> ir.Table:
    """Return what `cut_pairs` in `journeys.py` does; `events` are as above."""
    numbers = _step_numbers(events, rule)
    chosen = members.semi_join(cut, list(SESSION))
    lists = _lists(chosen, numbers, rule).join(cut, list(SESSION))
    of_dimension = [(lists.dimension == name, lists[name]) for name in rule.dimensions]
    steps, none = ibis.cases(*of_dimension), ibis.array([ibis.literal(0, "int64")])
    pairs = lists.select(
        "started_date",
        "dimension",
        "is_converted",
        place=ibis.range(0, steps.length() + 1).unnest(),
        from_number=none.concat(steps).unnest(),
        to_number=steps.concat(none).unnest(),
    )
    counted = pairs.group_by(
        "started_date",
        "dimension",
        "from_number",
        "to_number",
        place=counted_place(pairs.place, rule),
    ).agg(
        session_count=pairs.count(),
        converted_session_count=pairs.is_converted.ifelse(1, 0).sum(),
    )
    names = numbers.select("number", "name").distinct()
    for end, other in (("from", START), ("to", EXIT)):
        named = names.select(**{f"{end}_number": names.number, f"{end}_step": names.name})
        counted = counted.left_join(named, f"{end}_number").drop(f"{end}_number_right")
        counted = counted.mutate(**{f"{end}_step": counted[f"{end}_step"].fill_null(other)})
    return counted.select(*PAIR, *PAIR_COUNTS)


def _paths(members: ir.Table, numbers: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the steps that are kept of each session as text, and how many it has, by dimension.

    All names are put to the lists before anything is joined, since a join would copy them.
    """
    names = numbers.select("number", "name").distinct()
    names = names.agg(names=names.name.collect(order_by=names.number))
    rows = _lists(members, numbers, rule).cross_join(names)
    paths, counts = {}, {}
    for name in rule.dimensions:
        paths[f"{name}_path"] = _SELECTED(rows.names, rows[name][: rule.most_steps]).join(ARROW)
        counts[f"{name}_count"] = rows[name].length()
    return rows.select(*SESSION, **paths, **counts)


def _step_numbers(events: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the number of each value that a step is named by, from 1, in the order of names."""
    columns = [NODES[dimension] for dimension in rule.dimensions]
    raw = union_distinct(*(events.select(raw=column).distinct() for column in columns))
    named = raw.filter(raw.raw.notnull()).mutate(name=step_name(raw.raw))
    return named.mutate(number=ibis.dense_rank().over(order_by=named.name) + 1)


def _lists(members: ir.Table, numbers: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the steps of each session and dimension as a list of numbers, without repeats."""
    day = members.event_date.delta(members.started_date, unit="day")
    numbered = members.mutate(
        at=day * 2 ** (STEP_BITS + PLACE_BITS) + members.event_number * 2**STEP_BITS
    )
    columns = {name: f"{name}_number" for name in rule.dimensions}
    for dimension, column in columns.items():
        of_it = numbers.select(numbers.raw, **{column: numbers.number})
        joined = numbered.left_join(of_it, numbered[NODES[dimension]] == of_it.raw)
        numbered = joined.drop("raw")
    lists = numbered.group_by(*SESSION).agg(
        **{name: (numbered["at"] + numbered[column]).collect() for name, column in columns.items()}
    )
    lists = lists.mutate(**{name: lists[name].sort().map(_number_of) for name in rule.dimensions})
    return lists.mutate(
        **{name: lists[name].filter(partial(_is_other, lists[name])) for name in rule.dimensions}
    )


def _number_of(key: ir.IntegerValue) -> ir.IntegerValue:
    """Return the step that a number holds."""
    return key & (MOST_STEPS - 1)


def _is_other(
    steps: ir.ArrayValue, step: ir.IntegerValue, place: ir.IntegerValue
) -> ir.BooleanValue:
    """Return whether a step of a list is not the one before it."""
    return (place == 0) | (step != steps[place - 1])
