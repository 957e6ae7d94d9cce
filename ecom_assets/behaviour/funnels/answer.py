"""Answers to custom funnels: the steps, and what else is asked for.

`compute` takes the question and its data (`QuestionData`), and `funnel_answer` the same without a
question around it: clean events, a `Funnel`, the days of entry. Both return the fields of
`FunnelAnswer`. `compute_who` returns who is at a step.

The kernel counts where it can (`fast_times`, `_is_fast_breakdown`), expressions elsewhere
(`funnel_chains`); `report.py` makes the same numbers of both. `check_size` refuses what would take
an engine that others use, too, too long. A new part of an answer is a field of the model, and made
in `_numbers`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from operator import itemgetter
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, Field

from ecom_assets.behaviour.events.missing import (
    SourceNames,
    missing_property_warnings,
    missing_type_warnings,
)
from ecom_assets.behaviour.funnels import report
from ecom_assets.behaviour.funnels.breakdown import fast_breakdown
from ecom_assets.behaviour.funnels.chains import NO_VALUE, SEPARATOR, funnel_chains
from ecom_assets.behaviour.funnels.definition import UNIT, Funnel
from ecom_assets.behaviour.funnels.entries import (
    COHORT,
    Entries,
    EntryCohort,
    EntryLimits,
    by_cohort,
    cohorts_of,
    key_of,
    with_entries,
)
from ecom_assets.behaviour.funnels.kernel.counts import (
    can_count,
    can_count_sets,
    funnel_times,
    times_of_periods,
)
from ecom_assets.behaviour.funnels.kernel.passes import StepTimes
from ecom_assets.behaviour.funnels.matching import ENTRY, with_bins, with_firsts, with_flags
from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.funnels.text import lines
from ecom_assets.behaviour.questions.answer import InUtc, Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import (
    Describe,
    Described,
    EventSource,
    QuestionData,
    QuestionTooLargeError,
)
from ecom_assets.behaviour.questions.whole_lists import Take, take_rows
from ecom_assets.behaviour.sessions.question import known_session_rule
from ecom_assets.behaviour.sessions.rule import TOOL_RULES, SessionRule
from ecom_assets.behaviour.sessions.sessions import SESSION, session_events
from ecom_assets.core.errors import DefinitionError, WorkError
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.columns import text_of
from ecom_assets.core.tables.portable import count_of, has_kernels, rows_of
from ecom_assets.core.tables.values import in_order, json_path


class Entered(BaseModel):
    """The days on which units entered."""

    first_date: date = Field(description="First day of entry")
    last_date: date = Field(description="Last day of entry")
    timezone: str = Field(description="The time zone of the days")
    complete: bool = Field(description="Whether the window of every entry is over in the data")


class FunnelBar(BaseModel):
    """A bar of a histogram: the number of units in a range of durations."""

    from_s: int = Field(description="From so many seconds on")
    to_s: int | None = Field(description="To so many; null for all that took longer")
    count: int = Field(description="Units")


class FunnelStepAnswer(BaseModel):
    """A step, with the number of units that reached it and the time that they took."""

    step: int = Field(description="Place of the step, from 1")
    event_type: str = Field(description="What happens")
    optional: bool | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="True for a step that need not be taken; else absent",
    )
    count: int | None = number("Count", "count", "Units that got there")
    conversion_from_start: float | None = number("Of step 1", "rate", "Share of those at step 1")
    conversion_from_previous: float | None = number(
        "Of the step before", "rate", "Share of those at the step before that has to be taken"
    )
    median_s_from_previous: float | None = number(
        "Median time since", "seconds", "Median of the seconds since the step before"
    )
    p90_s_from_previous: float | None = number(
        "90th percentile", "seconds", "90th percentile of these"
    )
    median_s_from_start: float | None = Field(description="Median of the seconds since step 1")
    p90_s_from_start: float | None = Field(description="90th percentile of these")
    average_s_from_previous: float | None = Field(
        description="Mean of the seconds since the step before"
    )
    average_s_from_start: float | None = Field(description="Mean of the seconds since step 1")
    histogram_from_previous: list[FunnelBar] = Field(
        description="How long it took since the step before"
    )


class FunnelPart(BaseModel):
    """The funnel of one value of the breakdown."""

    value: str | None = Field(description="The value; Other for those beyond the limit")
    values: list[str] = Field(description="The value of each column of the breakdown; Other alone")
    steps: list[FunnelStepAnswer] = Field(description="The steps in order")


class CohortOfEntry(BaseModel):
    """The funnel of those who entered in one period."""

    start: str = Field(description="When the period begins", examples=["2026-03-02"])
    complete: bool = Field(description="Whether the window of every entry is over in the data")
    steps: list[FunnelStepAnswer] = Field(description="The steps in order")
    breakdown: list[FunnelPart] | None = Field(
        None, description="By value, where `by` is requested, too"
    )


class ConversionTimes(BaseModel):
    """How long units took between two steps."""

    from_step: int = Field(description="The earlier step")
    to_step: int = Field(description="The later step")
    count: int | None = Field(description="Units that took both")
    average_s: float | None = Field(description="Mean of the seconds")
    median_s: float | None = Field(description="Median of the seconds")
    p90_s: float | None = Field(description="90th percentile of the seconds")
    bins: list[FunnelBar] = Field(description="How many took so long; half-open")


class FunnelAnswer(QuestionAnswer):
    """The result of a custom funnel."""

    steps: list[FunnelStepAnswer] = Field(description="The steps in order")
    total_count: int | None = Field(
        description="How many values the breakdown has, or with `over` how many cohorts there are"
    )
    breakdown: list[FunnelPart] = Field(description="By value, the most frequent first")
    entries: Entered | None = Field(
        None, description="Days of entry, where they or cohorts are requested"
    )
    cohorts: list[CohortOfEntry] | None = Field(None, description="By period of entry, with `over`")
    time_to_convert: ConversionTimes | None = Field(
        None, description="Between two steps, where it is requested"
    )
    session_rule: str | None = Field(
        None, description="When a session ends, for a funnel per session; else null"
    )


class AtStep(BaseModel):
    """Somebody at a step, or a session."""

    visitor_id: str = Field(title="Visitor", description="The visitor")
    event_at: InUtc = number("When (UTC)", "instant", "When they got to the step, in UTC")
    event_id: str | None = Field(None, title="Event", description="The event with which they did")


class WhoAnswer(QuestionAnswer):
    """Who is at a step of a custom funnel."""

    step: int = Field(description="Of this step")
    count: int | None = Field(description="How many they are")
    total_count: int | None = Field(description="How many the whole list has: all of them")
    who: list[AtStep] = Field(description="By visitor")


def fast_times(
    con: SQLBackend, events: ir.Table, funnel: Funnel, unit: Sequence[str]
) -> StepTimes | None:
    """Return the kernel's times; None if it cannot count this funnel,
    or cannot run in this engine.
    """
    # In any order an attempt may begin with each step, so that a condition on one of them does not
    # say which attempts count.
    is_counted = can_count(funnel) or (can_count_sets(funnel) and ENTRY not in events.columns)
    if not has_kernels(con) or not is_counted:
        return None
    flagged, plain = with_flags(events, funnel)
    return funnel_times(con.con, str(con.compile(flagged)), plain, unit)


MOST_COMPILED_STEPS: Final = 16
"""Steps of a funnel that the kernel does not count: the statement grows with their square,
and has to be planned.
"""


COMPILED: Final = "A funnel with a breakdown, exclusions, cohorts, times or this order has at most"
LISTED: Final = "The visitors at a step are listed for funnels of at most"


def check_size(funnel: Funnel, source: EventSource, instead: str, limited: str = COMPILED) -> None:
    """Refuse a funnel that an engine which others use too would plan for too long:
    one that the kernel does not count.

    Raises:
        QuestionTooLargeError: It has too many steps; `limited` says which funnels may not, and
            `instead` what to do.
    """
    is_plain = funnel.by is None and funnel.over is None and funnel.time_to_convert is None
    is_counted = source.has_kernel and limited == COMPILED and is_plain and can_count(funnel)
    if source.is_bounded and not is_counted and len(funnel.steps) > MOST_COMPILED_STEPS:
        raise QuestionTooLargeError(
            f"{limited} {MOST_COMPILED_STEPS} steps here, not {len(funnel.steps)}; {instead}."
        )


MOST_BROKEN_DOWN: Final = 50_000_000
"""Events of a funnel with a breakdown: which of their units took each step is held in memory."""


def check_breakdown(funnel: Funnel, source: EventSource, event_count: int) -> None:
    """Refuse a breakdown of so many events that it could take more than its process may.

    Raises:
        QuestionTooLargeError: They are more than `MOST_BROKEN_DOWN`, of a source that others ask.
    """
    if source.is_bounded and funnel.by is not None and event_count > MOST_BROKEN_DOWN:
        raise QuestionTooLargeError(
            f"A funnel with a breakdown is of at most {MOST_BROKEN_DOWN:,} events here, not "
            f"{event_count:,}; ask about fewer days, leave `by` out, or use `ecom funnel`."
        )


Keep = Callable[[ir.Table], object]
Rows = list[Row]
ALL_DAYS: Final = EntryLimits()


def funnel_answer(  # noqa: PLR0913 (each is a part of the question)
    con: SQLBackend,
    events: ir.Table,
    funnel: Funnel,
    *,
    rule: SessionRule | None = None,
    keep: Keep | None = None,
    source_names: SourceNames | None = None,
    limits: EntryLimits = ALL_DAYS,
    without_sessions: Described | None = None,
) -> Answer:
    """Return the definition, the number of units and their times at each step,
    what else is asked for, and warnings.

    Args:
        con: The engine in which the events are.
        events: Rows of `CleanEvents`.
        funnel: The definition.
        rule: When a session ends, for a funnel per session; GA4's by default.
        keep: Called with the list of who is at each step: a row per unit and step, in order.
        source_names: The source's own names of event types, for the warnings.
        limits: The days of entry, and the time zone of days; by default all days, in UTC.
        without_sessions: The same events without the columns of their sessions that only `by`
            names, and what adds these, where that is less work.

    Raises:
        DefinitionError: A column is unknown, or the funnel cannot be computed.
    """
    describe: Describe | None = None
    if _is_fast_breakdown(con, funnel, keep):
        events, describe = without_sessions or (events, _as_they_are)
    entries = _entries(events, limits) if limits.is_given or funnel.over else None
    counts = _counted(con, events, funnel, rule or SessionRule.preset("ga4"), entries)
    cohorts = cohorts_of(funnel, entries) if entries and funnel.over else []
    fast = _times_by_entry(counts, entries, cohorts) if entries else None
    entered = replace(counts, events=with_entries(counts.events, entries)) if entries else counts
    numbers, parts = (
        _numbers_by_value(entered, describe)
        if describe
        else _numbers(entered, keep, fast[0] if fast else None)
    )
    if entries:
        parts["entries"] = entries.as_json(funnel)
    if funnel.over:
        parts["cohorts"] = _cohorts(counts, entries, cohorts, fast) if entries and cohorts else []
    return {
        "definition": json.loads(json.dumps(funnel.to_mapping())),
        "steps": report.step_answers(funnel, numbers),
        **parts,
        "warnings": _missing(counts, funnel, numbers, source_names),
    }


def _is_fast_breakdown(con: SQLBackend, funnel: Funnel, keep: Keep | None) -> bool:
    """Return whether the kernel counts a funnel by the values of a column."""
    times = funnel.time_to_convert
    has_times = times is None or report.keeps_times_between(times)
    is_asked = funnel.by is not None and funnel.over is None and keep is None
    return is_asked and has_times and has_kernels(con) and can_count(funnel)


def _as_they_are(events: ir.Table) -> ir.Table:
    return events


def _missing(
    counted: "_Counted", funnel: Funnel, numbers: Rows, source_names: SourceNames | None
) -> list[str]:
    con, events = counted.con, counted.events
    of_types = missing_type_warnings(
        con, events, report.types_in_doubt(funnel, numbers), source_names
    )
    return [
        *of_types,
        *missing_property_warnings(con, events, funnel.columns, funnel.number_columns),
    ]


@dataclass(frozen=True)
class _Counted:
    """What is counted where: the funnel and the events as `with_firsts` returns them,
    and the columns of the unit.
    """

    con: SQLBackend
    events: ir.Table
    funnel: Funnel
    unit: list[str]


def _counted(
    con: SQLBackend, events: ir.Table, funnel: Funnel, rule: SessionRule, entries: Entries | None
) -> _Counted:
    events, unit = funnel_events(events, funnel, rule)
    events, funnel = with_firsts(events, funnel)
    return _Counted(
        con,
        events,
        with_bins(events, funnel, (entries.first, entries.last) if entries else None),
        unit,
    )


def _entries(events: ir.Table, limits: EntryLimits) -> Entries | None:
    """Return the days of entry; None if there are no events."""
    days, times = events.event_date, events.event_at
    (row,) = rows_of(events.agg(first=days.min(), last=days.max(), newest_at=times.max()))
    if row["first"] is None:
        return None
    return Entries.from_limits((row["first"], row["last"]), row["newest_at"], limits)


def _times_by_entry(
    counted: _Counted, entries: Entries, cohorts: Sequence[EntryCohort]
) -> list[StepTimes] | None:
    """Return the kernel's times of all entries, then of each cohort;
    None if the kernel cannot count them.
    """
    con, funnel = counted.con, counted.funnel
    if not cohorts or funnel.by or not has_kernels(con) or not can_count(funnel):
        return None
    flagged, plain = with_flags(counted.events, funnel)
    return times_of_periods(
        con.con, str(con.compile(flagged)), plain, counted.unit, entries.bounds_us(cohorts)
    )


def _cohorts(
    counted: _Counted,
    entries: Entries,
    cohorts: Sequence[EntryCohort],
    fast: Sequence[StepTimes] | None,
) -> Rows:
    """Return the funnel of each period of entry, in order;
    `fast` is what `_times_by_entry` returns.
    """
    funnel, unit, optional = counted.funnel, counted.unit, counted.funnel.optional_steps
    by_key: dict[object, Rows] = {}
    by_label: dict[object, Rows] = {}
    if fast:
        by_key = {
            cohort.key: report.step_rows(times)
            for cohort, times in zip(cohorts, fast[1:], strict=True)
        }
    else:
        chains = funnel_chains(
            by_cohort(counted.events, funnel, unit, entries), funnel, [*unit, COHORT]
        )
        with (report.labelled(chains, funnel) if funnel.by else chains).cache() as result:
            by_key = _by_cohort(rows_of(report.step_numbers(result, [COHORT], optional)))
            if funnel.by:
                by_label = _by_cohort(
                    rows_of(report.step_numbers(result, [COHORT, "label"], optional))
                )
    return [
        {
            "start": cohort.start,
            "complete": entries.are_complete(funnel, cohort.end),
            "steps": report.step_answers(funnel, by_key.get(cohort.key, ())),
            **(
                {"breakdown": _breakdown(funnel, by_label.get(cohort.key, []))} if funnel.by else {}
            ),
        }
        for cohort in cohorts
    ]


def _by_cohort(rows: Rows) -> dict[object, Rows]:
    return report.grouped(rows, lambda row: key_of(row[COHORT]))


def _numbers(
    counted: _Counted, keep: Keep | None, fast: StepTimes | None
) -> tuple[Rows, dict[str, Any]]:
    """Return a row per step, and the breakdown and times;
    call `keep` with the list of who is at each step.
    """
    con, events, funnel, unit = counted.con, counted.events, counted.funnel, counted.unit
    times = None if funnel.by or keep else fast or fast_times(con, events, funnel, unit)
    converted = (
        report.counted_times(times, funnel.time_to_convert)
        if times and funnel.time_to_convert
        else None
    )
    if times and (converted or not funnel.time_to_convert):
        return report.step_rows(times), {
            "breakdown": [],
            **({"time_to_convert": converted} if converted else {}),
        }
    chains = funnel_chains(events, funnel, unit)
    with (report.labelled(chains, funnel) if funnel.by else chains).cache() as result:
        by_label = (
            rows_of(report.step_numbers(result, ["label"], funnel.optional_steps))
            if funnel.by
            else []
        )
        parts: dict[str, Any] = {"breakdown": _breakdown(funnel, by_label)}
        if funnel.time_to_convert:
            parts["time_to_convert"] = report.conversion_times(result, funnel.time_to_convert)
        if keep:
            keys = report.key_columns(result)
            keep(report.with_value_columns(result, funnel.by_columns).order_by("step", *keys))
        return rows_of(report.step_numbers(result, (), funnel.optional_steps)), parts


def _numbers_by_value(counted: _Counted, describe: Describe) -> tuple[Rows, dict[str, Any]]:
    """Return what `_numbers` does, of a funnel with a breakdown that the kernel counts."""
    con, funnel = counted.con, counted.funnel
    if not has_kernels(con):
        raise WorkError("The kernel counts on DuckDB only; count by the expression.")
    result = fast_breakdown(con, counted.events, funnel, counted.unit, describe)
    parts: dict[str, Any] = {"breakdown": _breakdown(funnel, result.rows)}
    if funnel.time_to_convert:
        parts["time_to_convert"] = report.counted_times(result.times, funnel.time_to_convert)
    return report.step_rows(result.times), parts


def funnel_events(
    events: ir.Table, funnel: Funnel, rule: SessionRule
) -> tuple[ir.Table, list[str]]:
    """Return clean events with the columns that a funnel may name, and the columns of its unit.

    `session_id` and `cart_value` are added: a definition names these columns as received files do.
    """
    events = events.mutate(session_id=events.source_session_id, cart_value=events.cart_amount)
    if json_path(funnel.per):
        return events.mutate(**{UNIT: text_of(events, funnel.per)}), [UNIT]
    if funnel.per != "session":
        return events, [funnel.unit_column]
    return session_events(events, rule, by_day=False).rename(
        session_started_at="fragment_started_at"
    ), [*SESSION]


def _breakdown(funnel: Funnel, rows: Rows) -> Rows:
    """Return the steps for each value of `by`, the most frequent value first,
    or bins in order; "Other" last.
    """
    by_label: dict[str, Rows] = report.grouped(rows, itemgetter("label"))
    sizes = {
        label: sum(row["count"] for row in result if row["step"] == 1)
        for label, result in by_label.items()
    }
    labels = sorted(by_label, key=lambda label: (label == report.OTHER, -sizes[label], label))
    return [
        {
            "value": " / ".join(values),
            "values": values,
            "steps": report.step_answers(funnel, by_label[label]),
        }
        for label in in_order(funnel.by_columns, labels)
        for values in [_values(funnel, label)]
    ]


def _values(funnel: Funnel, label: str) -> list[str]:
    """Return the values of a label: one for each column of `by`, or "Other" alone."""
    if label == NO_VALUE:
        return [NO_VALUE] * len(funnel.by_columns)
    return label.split(SEPARATOR) if len(funnel.by_columns) > 1 else [label]


StepOrder = Literal["visitor", "newest"]
"""In which order a list of units at a step comes: by who, or who got there last first."""


@dataclass(frozen=True)
class StepList:
    """The list of units at a step: at most `limit`,
    with `only_stopped` those who did not take the next step.
    """

    step: int
    limit: int
    only_stopped: bool = False
    sort_by: StepOrder = "visitor"
    take: Take | None = None
    """What takes all of them, block by block; the answer then lists none."""


def _listed_by(funnel: Funnel, listed: StepList, values: Answer) -> Keep:
    """Return a function that puts who is at the step, and how many they are, into `values`."""

    def count_and_list(chains: ir.Table) -> None:
        keys = report.key_columns(chains)
        rows = chains.filter(chains.step == listed.step)
        if listed.only_stopped:
            following = next((n for n in funnel.required_steps if n > listed.step), None)
            rows = (
                rows
                if following is None
                else rows.anti_join(chains.filter(chains.step == following), keys)
            )
        names = [*keys, *(name for name in ("event_at", "event_id") if name in chains.columns)]
        values["count"] = values["total_count"] = count_of(rows)
        is_by_time = listed.sort_by == "newest" and "event_at" in names
        ordered = rows.select(*names).order_by(
            [*([ibis.desc("event_at")] if is_by_time else []), *keys]
        )
        if listed.take:
            take_rows(listed.take, ordered, AtStep)
        values["who"] = [] if listed.take else rows_of(ordered.limit(listed.limit))

    return count_and_list


def compute_who(listed: StepList, question: FunnelQuestion, data: QuestionData) -> Answer:
    """Return the first units at a step, in order, and the number of all of them.

    Raises:
        DefinitionError: The funnel has no such step, or counts totals.
        QuestionTooLargeError: The funnel has too many steps.
    """
    check_size(question, data.source, "ask for fewer, or use `ecom funnel --who`", LISTED)
    if listed.step > len(question.steps):
        raise DefinitionError(
            f"Step {listed.step} is not one of the {len(question.steps)} steps; give one of them."
        )
    if question.per not in {"user", "session"}:
        raise DefinitionError(
            "The visitors at a step are listed per user or session, not for totals or properties; "
            "set per."
        )
    values: Answer = {}
    answer = _answer(question, data, _listed_by(question, listed, values))
    # The days of entry are no field of this answer: by them it is known whether its numbers are.
    return {
        "definition": answer["definition"],
        "step": listed.step,
        **values,
        "entries": answer["entries"],
    }


def compute(question: FunnelQuestion, data: QuestionData) -> Answer:
    """Return the units and their times at each step, and what else is asked for.

    Raises:
        DefinitionError: A column is unknown, or the funnel cannot be computed.
        QuestionTooLargeError: It has too many steps, or is of too many events.
    """
    check_size(question, data.source, "ask for fewer, or use `ecom funnel`")
    check_breakdown(question, data.source, data.extent.event_count)
    return _answer(question, data, data.keep)


def _answer(question: FunnelQuestion, data: QuestionData, keep: Keep | None) -> Answer:
    entered = question.entry_days
    # That of the preset's tool, if it has sessions.
    session_rule = question.session_rule or TOOL_RULES.get(str(question.preset))
    rule = known_session_rule(session_rule, data.source) if question.per == "session" else None
    # The days are fixed by all events, because those of a visitor segment may end earlier.
    newest = data.opened.known.last if data.segment else None
    first, last, count = (
        (*entered.within(newest), None)
        if newest
        else (entered.first, entered.last, entered.day_count)
    )
    limits = EntryLimits(first, last, count, data.opened.timezone)
    result = funnel_answer(
        data.con,
        data.events,
        question,
        rule=SessionRule.preset(rule) if rule else None,
        keep=keep,
        source_names=data.source.source_names,
        limits=limits,
        without_sessions=data.without_sessions(question.condition_columns) if question.by else None,
    )
    entries = result.get("entries") or _entries_of_nobody(question, data, limits)
    return result | {"entries": entries, "session_rule": rule}


def _entries_of_nobody(
    question: FunnelQuestion, data: QuestionData, limits: EntryLimits
) -> Answer | None:
    """Return the days of entry that are asked for,
    where the visitor segment has no event to take them from.
    """
    known_days, newest_at = data.opened.known, data.opened.newest_at
    if (
        not limits.is_given
        or known_days.first is None
        or known_days.last is None
        or newest_at is None
    ):
        return None
    return Entries.from_limits((known_days.first, known_days.last), newest_at, limits).as_json(
        question
    )


FUNNEL: Final = Kind(
    "funnel",
    FunnelQuestion,
    FunnelAnswer,
    compute,
    "A custom funnel",
    lists=("cohorts", "breakdown"),
    writes=("--who", "Write who is at each step to this .parquet or .csv file."),
    lines=lines,
)


def who_is_at(listed: StepList) -> Kind[FunnelQuestion, WhoAnswer]:
    """Return the question who is at a step of a funnel."""
    return Kind(
        "funnel",
        FunnelQuestion,
        WhoAnswer,
        partial(compute_who, listed),
        "Who is at a step",
        lists=("who",),
    )
