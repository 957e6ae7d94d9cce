"""The events that a funnel counted: for each unit, the event of each step that it took.

`funnel_chains` takes events and a definition, and returns one row per unit and step. Everything
that a funnel reports is computed from these rows: counts, times between steps, breakdowns, and who
is at each step. `funnels/levels.py` computes counts alone with less work.

- A *unit* is a visitor, a session, or a value of a column.
- An *attempt* begins at an event of step 1, `start_at`, and takes each next step by the first event
  that may be it, `next_at`, until the window is over. `follow_all` follows all of them.
- The *chain* of a unit is its longest attempt, or of equally long ones the earliest.
- A *moment* is all events of a unit at one time. They have no order; where one event can be several
  steps, `attempts_by_moment` follows moments, and not events.

If several simultaneous events match a step, the one with the smallest id is used. Orders in which
nothing may lie between are in `funnels/orders.py`.
"""

from collections.abc import Callable, Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.definition import CONSECUTIVE, INTERRUPTED, Funnel
from ecom_assets.behaviour.funnels.matching import (
    ENTRY,
    Matching,
    OverlappingSteps,
    check_columns,
    counted_events,
    matches,
    may_begin,
)
from ecom_assets.behaviour.funnels.orders import (
    any_order_events,
    consecutive_events,
    excluded_events,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.columns import text_by
from ecom_assets.core.tables.portable import NO, first_of_each

VALUE = "by_value"
"""The column of the value of the breakdown, as text."""
NO_VALUE = "(none)"
SEPARATOR = "\x1f"
"""Between the values of several columns: the separator of units, which no text of people holds."""
NO_STEP = 0
"""The step of an event that matches no step."""
Follow = Callable[[ir.Table, int], ir.Table]
"""Takes attempts and a step, and returns the attempts with `next_at`:
when the step is taken, or null.
"""


def follow_all(
    starts: ir.Table,
    follow: Follow,
    funnel: Funnel,
    units: Sequence[str],
    excluded: Sequence[ir.Table],
) -> ir.Table:
    """Follow every attempt through all steps.

    Args:
        starts: Units, `start_at`, `event_at` (the same), and the columns that `follow` needs.
        follow: Finds the next step of each attempt.
        funnel: The definition.
        units: The columns that identify a unit.
        excluded: Units and `event_at` of the events of each exclusion.

    Returns:
        One row per attempt and step: units, `start_at` (which identifies the attempt), `step`,
        `event_at`. Steps after an excluded event are missing, by the rule `posthog` all steps of
        such an attempt.
    """
    invalid: list[ir.Table] = []
    current = _with_excluded_at(starts, 1, funnel, units, excluded)
    chains = [_chain_rows(current, 1, units)]
    for step in range(2, len(funnel.steps) + 1):
        current = follow(current, step)
        if funnel.drops_attempts:
            current = _without_overtaken(current, funnel, units)
            invalid += _invalid_attempts(current, step, funnel, units)
        in_time = current.next_at <= _deadline(current, funnel)
        excluded_at = [
            current[_excluded_at(number)]
            for number, exclusion in enumerate(funnel.exclude)
            if exclusion.is_before(step)
        ]
        is_free = [(current.next_at <= limit) | limit.isnull() for limit in excluded_at]
        current = current.filter(current.next_at.notnull(), in_time, *is_free)
        columns = [name for name in current.columns if name not in {"event_at", "next_at"}]
        current = current.select(*columns, event_at=current.next_at)
        chains.append(_chain_rows(current, step, units))
        current = _with_excluded_at(current, step, funnel, units, excluded)
    attempts = ibis.union(*chains)
    return without_invalid(attempts, ibis.union(*invalid), funnel, units) if invalid else attempts


def with_next_at(
    current: ir.Table, candidates: ir.Table, units: Sequence[str], *, strictly: bool
) -> ir.Table:
    """Return the rows of `current` with `next_at`, the time of the first candidate;
    null if there is none.

    Candidates count at or after the row's `event_at`, with `strictly` only after it.
    """
    # Sorted, because to Ibis two selections that differ only in the order of names are the same.
    columns = sorted(set(current.columns) - {*units, "event_at"})
    none = {name: ibis.null(current[name].type().copy(nullable=True)) for name in columns}
    clock = current.event_at.type()
    timeline = ibis.union(
        current.select(
            *units,
            "event_at",
            *columns,
            candidate_at=ibis.null(clock),
            is_candidate=ibis.literal(0, "int8"),
        ),
        candidates.select(
            *units,
            "event_at",
            **none,
            candidate_at=candidates.event_at,
            is_candidate=ibis.literal(1, "int8"),
        ),
    )
    # The window goes backwards in time. Of simultaneous rows, candidates come first, or last if
    # only later ones count.
    first = timeline.is_candidate if strictly else timeline.is_candidate.desc()
    so_far = ibis.window(
        group_by=list(units), order_by=[timeline.event_at.desc(), first], rows=(None, 0)
    )
    rows = timeline.mutate(next_at=timeline.candidate_at.min().over(so_far))
    return rows.filter(rows.is_candidate == 0).select(*units, "event_at", *columns, "next_at")


def _chain_rows(current: ir.Table, step: int, units: Sequence[str]) -> ir.Table:
    return current.select(*units, "start_at", "event_at", step=ibis.literal(step, "int64"))


def _deadline(current: ir.Table, funnel: Funnel) -> ir.TimestampValue:
    return current.start_at + ibis.interval(seconds=funnel.within)


def _excluded_at(number: int) -> str:
    return f"excluded_{number}_at"


def _with_excluded_at(
    current: ir.Table, step: int, funnel: Funnel, units: Sequence[str], excluded: Sequence[ir.Table]
) -> ir.Table:
    """Return the attempts with the time of the first excluded event after this step,
    if an exclusion begins here.
    """
    for number, exclusion in enumerate(funnel.exclude):
        if exclusion.after == step:
            result = with_next_at(current, excluded[number], units, strictly=True)
            current = result.rename({_excluded_at(number): "next_at"})
    return current


def _without_overtaken(current: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the attempts of which none that began later takes the next step at the
    same time, as in PostHog.

    The window of the later one is open for longer, so it can meet an excluded event that the
    earlier one cannot.
    """
    latest_at = current.start_at.max().over(ibis.window(group_by=[*units, "next_at"]))
    in_time = (current.next_at <= _deadline(current, funnel)).fill_null(NO)
    attempts = current.mutate(is_overtaken=in_time & (current.start_at < latest_at))
    return attempts.filter(~attempts.is_overtaken).drop("is_overtaken")


def _invalid_attempts(
    current: ir.Table, step: int, funnel: Funnel, units: Sequence[str]
) -> list[ir.Table]:
    """Return the attempts with an excluded event before this step,
    or before the window ends if it is not taken.

    `step` is how far each got, with the step after the excluded event.
    """
    result = []
    for number, exclusion in enumerate(funnel.exclude):
        if exclusion.is_before(step):
            limit = current[_excluded_at(number)]
            in_time = (current.next_at <= _deadline(current, funnel)).fill_null(NO)
            is_inside = ibis.cases(
                (in_time, limit < current.next_at), else_=limit <= _deadline(current, funnel)
            )
            reached = in_time.ifelse(ibis.literal(step, "int64"), ibis.literal(step - 1, "int64"))
            rows = current.mutate(step=reached).filter(limit.notnull(), is_inside)
            result.append(rows.select(*units, "start_at", "event_at", "step"))
    return result


def without_invalid(
    attempts: ir.Table, invalid: ir.Table, funnel: Funnel, units: Sequence[str]
) -> ir.Table:
    """Return the attempts without excluded events,
    of units of which none with one got further (PostHog's rule).

    Args:
        attempts: Units, `start_at`, `step` and `event_at`, also of attempts with an excluded event.
        invalid: The same columns of the attempts with an excluded event: `step` is how far they
            got.
        funnel: The definition. Of totals, each attempt counts for itself.
        units: The columns that identify a unit.
    """
    marked = ibis.union(
        attempts.mutate(marks=ibis.literal(0, "int8")),
        invalid.select(*attempts.columns).mutate(marks=ibis.literal(1, "int8")),
    )
    marked = marked.mutate(
        has_excluded=marked.marks.max().over(ibis.window(group_by=[*units, "start_at"])) == 1
    )
    whole = ibis.window(group_by=list(units))
    marked = marked.mutate(
        furthest=marked.step.max().over(whole),
        furthest_free=marked.has_excluded.ifelse(0, marked.step).max().over(whole),
    )
    valid = marked.filter(~marked.has_excluded)
    if funnel.per != "totals":
        valid = valid.filter(valid.furthest_free == valid.furthest)
    return valid.select(*attempts.columns)


def funnel_chains(
    events: ir.Table, funnel: Funnel, unit: str | Sequence[str] | None = None
) -> ir.Table:
    """Return one row per unit and step that it took.

    Args:
        events: The unit column(s), `event_id`, `event_at`, `event_type`, and the columns that the
            definition names. The orders `strict_order`, `allow_reentry`, `exact` and `strict` need
            all events of a unit, others only those of the steps and exclusions.
        funnel: The definition.
        unit: Column or columns that identify the unit; by default the column of `funnel.per`.

    Returns:
        The columns of the unit, the held columns, `start_at` for totals (it identifies the attempts
        of a visitor), `step` from 1, `event_at`, `event_id`, and with a breakdown `by_value` (text,
        null without a value).

    Raises:
        DefinitionError: A column is missing or of the wrong type, or more than six conditions
            overlap.
    """
    units = funnel.unit_columns(unit)
    check_columns(events, funnel, [*units, "event_id"])
    units = funnel.counted_columns(units)
    if funnel.optional_steps:
        return with_optional(
            funnel_chains(events, funnel.required(), unit),
            _with_value(events, funnel, units),
            funnel,
            units,
        )
    matching = Matching.from_funnel(funnel)
    if funnel.per == "totals" and funnel.order == "ordered" and not matching.is_disjoint:
        raise DefinitionError(
            "Totals cannot separate attempts where one event can serve two steps; use the order "
            "strict_increase, or count per user."
        )
    events = _with_value(events, funnel, units)
    value = [VALUE] if funnel.by else []
    if funnel.order in {*CONSECUTIVE, "any"}:
        events_of_steps = any_order_events if funnel.order == "any" else consecutive_events
        result = events_of_steps(events, funnel, matching, units)
        return result.select(*units, "step", "event_at", "event_id", *value)
    rows = _step_rows(events, funnel, units, value)
    attempts = _all_attempts(events, rows, funnel, matching, units)
    chains = (
        _merge_attempts(attempts, units)
        if funnel.per == "totals"
        else _longest_attempts(attempts, units)
    )
    return _with_events(chains, rows, units, value)


def _with_value(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the events that take part, with the value of the breakdown if there is one."""
    events = counted_events(events, funnel, units)
    return (
        events.mutate(**{VALUE: breakdown_value(events, funnel.by_columns)})
        if funnel.by
        else events
    )


def breakdown_value(events: ir.Table, columns: Sequence[str]) -> ir.StringValue:
    """Return the value of a breakdown as text, those of several columns with a separator;
    null if all are missing.
    """
    first, *more_texts = texts = [text_by(events, column) for column in columns]
    if not more_texts:
        return first
    joined: ir.StringValue = ibis.literal(SEPARATOR).join(
        [text.fill_null(NO_VALUE) for text in texts]
    )
    return ibis.coalesce(*texts).isnull().ifelse(ibis.null("string"), joined)


def _step_rows(
    events: ir.Table, funnel: Funnel, units: Sequence[str], value: Sequence[str]
) -> ir.Table:
    """Return each event once for each step that it matches; in orders that need them,
    others with step 0.
    """
    columns = [*units, "event_at", "event_id", *value, *({ENTRY} & set(events.columns))]
    hits = [matches(events, step) for step in funnel.steps]
    if Matching.from_funnel(funnel).is_disjoint:
        step = ibis.cases(*((hit, n) for n, hit in enumerate(hits, start=1)), else_=NO_STEP)
        rows = events.select(*columns, step=step.cast("int64"))
    else:
        every = [
            events.filter(hit).select(*columns, step=ibis.literal(n, "int64"))
            for n, hit in enumerate(hits, 1)
        ]
        stray = events.filter(~ibis.or_(*hits)).select(
            *columns, step=ibis.literal(NO_STEP, "int64")
        )
        rows = ibis.union(*every, stray)
    return (
        rows
        if funnel.order in {"strict_order", "allow_reentry"}
        else rows.filter(rows.step != NO_STEP)
    )


def _all_attempts(
    events: ir.Table, rows: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]
) -> ir.Table:
    excluded = [kept.select(*units, "event_at") for kept in excluded_events(events, funnel, units)]
    if funnel.order == "ordered" and not matching.is_disjoint:
        return attempts_by_moment(events, funnel, matching, units, excluded)
    attempts = _attempts_by_event(rows, funnel, units, excluded)
    return (
        interrupted(attempts, rows, funnel.order, units)
        if funnel.order in INTERRUPTED
        else attempts
    )


def _attempts_by_event(
    rows: ir.Table, funnel: Funnel, units: Sequence[str], excluded: Sequence[ir.Table]
) -> ir.Table:
    begun = rows.filter(rows.step == 1, may_begin(rows))
    starts = begun.select(*units, "event_at", start_at=begun.event_at).distinct()

    def follow(current: ir.Table, step: int) -> ir.Table:
        # Few units get far: of later steps, only the events of these are sorted.
        candidates = rows.filter(rows.step == step).semi_join(current, list(units))
        return with_next_at(current, candidates, units, strictly=funnel.order == "strict_increase")

    return follow_all(starts, follow, funnel, units, excluded)


def _longest_attempts(attempts: ir.Table, units: Sequence[str]) -> ir.Table:
    best_first = ibis.window(
        group_by=list(units), order_by=[attempts.step.desc(), attempts.start_at], rows=(None, 0)
    )
    chains = attempts.mutate(best_start_at=attempts.start_at.first().over(best_first))
    return chains.filter(chains.start_at == chains.best_start_at).select(*units, "step", "event_at")


def _merge_attempts(attempts: ir.Table, units: Sequence[str]) -> ir.Table:
    """Merge attempts that share an event, from there on: keep the one that began last,
    which has the most time left.
    """
    return attempts.group_by(*units, "step", "event_at").agg(start_at=attempts.start_at.max())


def _with_events(
    chains: ir.Table, rows: ir.Table, units: Sequence[str], value: Sequence[str]
) -> ir.Table:
    keys = [name for name in chains.columns if name not in {"step", "event_at"}]
    result = chains.join(rows, [*units, "step", "event_at"])
    first = first_of_each(result, [*keys, "step"], ["event_id", *value])
    return first.select(*keys, "step", "event_at", "event_id", *value)


def attempts_by_moment(
    events: ir.Table,
    funnel: Funnel,
    matching: Matching,
    units: Sequence[str],
    excluded: Sequence[ir.Table],
) -> ir.Table:
    """Follow every attempt as in `follow_all`, for steps that can match the same events."""
    moments = moments_of(events, matching, list(units))
    counts = [count_name(overlapping) for overlapping in matching.overlaps()]
    starts = moments.filter(moments[count_name(own_condition(matching, 1))] > 0)
    if ENTRY in events.columns:
        begun = events.filter(may_begin(events), matches(events, funnel.steps[0]))
        starts = starts.semi_join(begun, [*units, "event_at"])
    starts = starts.select(
        *units, "event_at", start_at=starts.event_at, served=ibis.literal(0, "int64")
    )

    def follow(current: ir.Table, step: int) -> ir.Table:
        current = current.inner_join(moments, [*units, "event_at"])
        candidates = moments.filter(moments[count_name(own_condition(matching, step))] > 0)
        result = with_next_at(current, candidates, units, strictly=True)
        can_stay = _can_stay(result, step, matching)
        return result.mutate(
            next_at=can_stay.ifelse(result.event_at, result.next_at),
            served=can_stay.ifelse(result.served, step - 1),
        ).drop(*counts)

    return follow_all(starts, follow, funnel, units, excluded)


def _can_stay(current: ir.Table, step: int, matching: Matching) -> ir.BooleanValue:
    """Return whether the simultaneous events serve all steps from `served` + 1 to this one."""
    tests = []
    for overlapping, overlapping_steps in matching.overlaps_of(step):
        count = current[count_name(overlapping)]
        # n events serve the n latest of the overlapping steps; the step before those must be served
        # already.
        needed = ibis.cases(
            *((count == n, late) for n, late in enumerate(overlapping_steps)), else_=ibis.literal(0)
        )
        tests.append(needed <= current.served)
    return ibis.and_(*tests)


def interrupted(attempts: ir.Table, rows: ir.Table, order: str, units: Sequence[str]) -> ir.Table:
    """Return the steps of attempts that were taken before the unit's stream ended.

    Args:
        attempts: Units, `start_at`, `step`, `event_at`, as if no event ended a stream.
        rows: Units, `event_at`, `event_id` and `step`: each event once for each step that it
            matches; events that match no step have step 0.
        order: One of `INTERRUPTED`.
        units: The columns that identify a unit.
    """
    reached = attempts.group_by(*units, "step").agg(reached_at=attempts.event_at.min())
    ends = (
        _second_events(rows, reached, units)
        if order == "strict_deduplication"
        else _first_strays(rows, reached, order, units)
    )
    ends = first_of_each(ends, list(units), ["event_at", "step"]).select(
        *units, ends_at="event_at", ends_with="step"
    )
    attempts = attempts.left_join(ends, list(units))
    # At the time of the end, steps before the ending one still count. In `strict_deduplication` so
    # does the ending one, because only its second event ends the stream.
    at_end = (attempts.event_at == attempts.ends_at) & (attempts.step <= attempts.ends_with)
    is_before = attempts.ends_at.isnull() | (attempts.event_at < attempts.ends_at)
    if order != "strict_deduplication":
        at_end &= attempts.step < attempts.ends_with
    return attempts.filter(is_before | at_end).select(*attempts.columns)


def _first_strays(rows: ir.Table, reached: ir.Table, order: str, units: Sequence[str]) -> ir.Table:
    """Return, per unit and step, the first event after step 1 that matches no step or comes before
    the step that it is the next of.
    """
    begun = reached.filter(reached.step == 1).select(*units, begun_at="reached_at")
    later = rows.join(begun, list(units))
    is_later = ibis.cases(
        (later.step == NO_STEP, later.event_at > later.begun_at),
        else_=later.event_at >= later.begun_at,
    )
    later = later.filter(is_later, later.step != 1)
    if order == "allow_reentry":
        later = later.filter(later.step == NO_STEP)
    first = later.group_by(*units, "step").agg(event_at=later.event_at.min())
    before = reached.select(*units, "reached_at", step=reached.step + 1)
    result = first.left_join(before, [*units, "step"])
    is_stray = (
        (result.step == NO_STEP)
        | result.reached_at.isnull()
        | (result.reached_at > result.event_at)
    )
    return result.filter(is_stray).select(*units, "step", "event_at")


def _second_events(rows: ir.Table, reached: ir.Table, units: Sequence[str]) -> ir.Table:
    """Return, per unit and step after the first,
    the second event of the step since it was reached.
    """
    again = rows.join(reached.filter(reached.step > 1), [*units, "step"])
    again = again.filter(again.event_at >= again.reached_at)
    in_order = ibis.window(group_by=[*units, "step"], order_by=[again.event_at, again.event_id])
    again = again.mutate(place=ibis.row_number().over(in_order))
    return again.filter(again.place == 1).select(*units, "step", "event_at")


def moments_of(events: ir.Table, matching: Matching, units: list[str]) -> ir.Table:
    """Return one row per unit and time,
    with the number of events that match each set of overlapping conditions.

    Simultaneous events have no order, so their counts decide which steps they can serve
    (`funnels/matching.py`).
    """
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{number}": hit.ifelse(1, 0) for number, hit in enumerate(hits)}
    events = events.filter(ibis.or_(*hits)).select(*units, "event_at", **marks)
    counts = {
        count_name(overlapping): ibis.or_(
            *(events[f"condition_{number}"] == 1 for number in sorted(overlapping))
        )
        for overlapping in matching.overlaps()
    }
    return events.group_by([*units, "event_at"]).agg(
        **{name: is_of_set.ifelse(1, 0).sum() for name, is_of_set in counts.items()}
    )


def count_name(overlapping: OverlappingSteps) -> str:
    """Return the name of the column that counts the events of a set of conditions."""
    return "count_" + "_".join(str(number) for number in sorted(overlapping))


def own_condition(matching: Matching, step: int) -> OverlappingSteps:
    """Return the set that has only a step's own condition."""
    return frozenset({matching.condition_of[step - 1]})


def with_optional(
    chains: ir.Table, events: ir.Table, funnel: Funnel, units: Sequence[str]
) -> ir.Table:
    """Return the rows of `funnel_chains` with those of optional steps.

    Steps that have to be taken are found as if there were no others. A unit took an optional step
    if an event of it, which is none of those, lies between the steps around it that have to be
    taken: at or after the one before, and at or before the one after, or where that was not taken,
    the end of the window. The first such event counts. Of several optional steps in a row each is
    looked for by itself, so they may come in any order.

    Args:
        chains: The rows of `funnel_chains` for the steps that have to be taken.
        events: The events that take part, with the columns of `chains` but `step`.
        funnel: The definition.
        units: The columns that identify a unit, held ones included.
    """
    # `chains` numbers the required steps alone; the answer numbers all steps.
    numbers = enumerate(funnel.required_steps, start=1)
    step_of_funnel = ibis.cases(
        *((chains.step == position, ibis.literal(number, "int64")) for position, number in numbers)
    )
    chains = chains.mutate(step=step_of_funnel.cast("int64"))
    optional_rows = (
        _optional_step_rows(chains, events, funnel, units, step)
        for step in sorted(funnel.optional_steps)
    )
    return ibis.union(chains, *(rows.select(*chains.columns) for rows in optional_rows))


def _optional_step_rows(
    chains: ir.Table, events: ir.Table, funnel: Funnel, units: Sequence[str], step: int
) -> ir.Table:
    """Return the row of an optional step for each unit that took it."""
    keys = list(units)
    gaps = _times_between(chains, funnel, units, step)
    candidates = events.filter(matches(events, funnel.steps[step - 1]))
    candidates = candidates.select(*(name for name in chains.columns if name != "step"))
    if funnel.order != "clickhouse_default":
        candidates = candidates.anti_join(chains.select(*keys, "event_id"), [*keys, "event_id"])
    rows = candidates.join(gaps, keys)
    begins, ends = rows.event_at >= rows.from_at, rows.event_at <= rows.next_at
    if funnel.order == "strict_increase":
        begins, ends = rows.event_at > rows.from_at, rows.event_at < rows.next_at
    rows = rows.filter(begins, ends | rows.next_at.isnull(), rows.event_at <= rows.ends_at)
    other_columns = [
        name for name in candidates.columns if name not in {*keys, "event_at", "event_id"}
    ]
    return first_of_each(rows, keys, ["event_at", "event_id", *other_columns]).mutate(
        step=ibis.literal(step, "int64")
    )


def _times_between(chains: ir.Table, funnel: Funnel, units: Sequence[str], step: int) -> ir.Table:
    """Return the times between which an optional step counts: of the steps around it,
    and of the window's end.
    """
    required_steps = funnel.required_steps
    before = max(n for n in required_steps if n < step)
    after = min(n for n in required_steps if n > step)
    begun = chains.filter(chains.step == 1)
    windows = begun.select(*units, ends_at=begun.event_at + ibis.interval(seconds=funnel.within))
    earlier = chains.filter(chains.step == before).select(*units, from_at="event_at")
    gaps = earlier.join(windows, list(units))
    later = chains.filter(chains.step == after).select(*units, next_at="event_at")
    return gaps.left_join(later, list(units)).select(*units, "from_at", "ends_at", "next_at")
