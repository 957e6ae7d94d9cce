"""The daily funnels, by category and in total: METRICS "The daily funnel".

`funnel_entries` says of each session and visitor that took step 1 on a day how far they got, with
the steps of `DailyFunnel`; `conversion_funnel` counts them by step and category. Sessions count by
the events in them (`session_levels`), visitors by the attempts that began on the day, whose window
may go on for days (`visitor_levels`). Both are found by the kernel on DuckDB, else by
`funnel_levels`, with equal rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.contracts import FunnelEntries
from ecom_assets.behaviour.funnels.definition import CONSECUTIVE, EARLIEST, MAX_WINDOW_S, Funnel
from ecom_assets.behaviour.funnels.kernel.lists import can_find_attempts, fast_attempts
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.matching import matches
from ecom_assets.behaviour.funnels.steps import ANY, equal_to
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import SESSION, events_of_sessions, is_session
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.tables.columns import meeting
from ecom_assets.core.tables.days import Days, days_after
from ecom_assets.core.tables.portable import first_of_each, ratio, union_all
from ecom_assets.core.tables.rule_of_data import RowsOf, RuleOfData, TableOf
from ecom_assets.core.tables.values import hash_of, json_path

ALL_CATEGORIES = "(all)"
NO_CATEGORY = "(none)"


@dataclass(frozen=True)
class DailyFunnel:
    """A funnel that is counted by the day on which it began.

    Attributes:
        name: The name of the funnel in the table.
        funnel: The definition.
        units: `session`, `visitor` or both. With both, the window is that of visitors, and sessions
            have no window; sessions alone have the window.
        is_of_data: Whether the events that are stored decide which steps it has.
    """

    name: str
    funnel: Funnel
    units: tuple[str, ...] = ("session", "visitor")
    is_of_data: bool = False

    def __post_init__(self) -> None:
        subject = f"The daily funnel {self.name!r}"
        if json_path(self.funnel.per):
            raise DefinitionError(
                f"{subject} counts {self.funnel.per}; count per user or per session."
            )
        if self.funnel.per == "totals":
            raise DefinitionError(
                f"{subject} counts totals, which days do not have; count per user or per session."
            )
        if self.funnel.by is not None:
            raise DefinitionError(
                f"{subject} has `by`; leave it out, the table breaks down by the first category."
            )
        for name in ("over", "time_to_convert"):
            if getattr(self.funnel, name) is not None:
                raise DefinitionError(
                    f"{subject} has `{name}`; leave it out, days are cohorts already."
                )
        if self.funnel.optional_steps:
            raise DefinitionError(
                f"{subject} has optional steps, which the table does not count; leave them out."
            )
        if self.funnel.counts_firsts:
            raise DefinitionError(
                f"{subject} has an `occurrence`, which takes all days to know; leave it out."
            )
        if self.funnel.order not in EARLIEST and "visitor" in self.units:
            values = ", ".join(EARLIEST)
            raise DefinitionError(
                f"{subject} has the order {self.funnel.order!r}; use {values}, or count per "
                "session."
            )

    @property
    def definition_hash(self) -> str:
        """A short text that differs if the definition does."""
        return hash_of(self.name, self.funnel.to_mapping(), self.units)

    def check_columns(self, columns: Collection[str]) -> None:
        """Refuse conditions and held columns that are missing from the events table.

        Raises:
            DefinitionError: A column is not in `columns`; the message names the first.
        """
        for column in self.funnel.columns:
            if column not in columns:
                raise DefinitionError(
                    f"The daily funnel {self.name!r} names the column {column!r}; "
                    f"{did_you_mean(column, columns)}."
                )

    @property
    def of_sessions(self) -> Funnel:
        """The funnel within a session."""
        return self.funnel.changed(within=MAX_WINDOW_S) if "visitor" in self.units else self.funnel

    @property
    def event_types(self) -> set[str] | None:
        """The event types that the funnel needs; None if it needs all events."""
        if self.funnel.order in {"strict_order", "allow_reentry", *CONSECUTIVE}:
            return None
        types = {event.event_type for event in self.funnel.events}
        return None if ANY in types else types

    def events_of(self, events: ir.Table) -> ir.Table:
        """Return the events that the funnel needs."""
        types = self.event_types
        events_of_types = (
            events if types is None else events.filter(events.event_type.isin(sorted(types)))
        )
        return meeting(events_of_types, self.funnel.where)

    @property
    def window_days(self) -> int:
        """The number of days after a cohort day that a visitor's window can reach,
        including clock changes.
        """
        return days_after(self.funnel.within)


@dataclass(frozen=True)
class StepsOfData(RuleOfData):
    """The daily funnels when nobody has chosen their steps:
    they have those of which there are events.
    """

    funnels: tuple[DailyFunnel, ...]

    def value(self, table: TableOf, rows: RowsOf) -> tuple[DailyFunnel, ...]:
        """Return the funnels with the steps of which any event is stored."""
        events = table(CleanEvents)
        types = {row["event_type"] for row in rows(events.select("event_type").distinct())}
        return tuple(with_steps_of(daily, types) for daily in self.funnels)


def with_steps_of(daily: DailyFunnel, event_types: Collection[str]) -> DailyFunnel:
    """Return a funnel with its steps of these event types.

    Where these are less than two, it has its steps from the first one on: a single step is no
    funnel, and the first of them is the one that units can enter by.
    """
    steps = daily.funnel.steps
    kept = tuple(step for step in steps if step.event_type in event_types)
    if len(kept) == 1:
        kept = steps[steps.index(kept[0]) :]
    return replace(daily, funnel=daily.funnel.changed(steps=kept or steps), is_of_data=True)


def funnel_entries(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    session_events: ir.Table,
    session_days: ir.Table,
    sessions: ir.Table,
    days: Days,
    funnels: Sequence[DailyFunnel],
    session_rule: SessionRule,
) -> ir.Table:
    """Return the sessions and visitors of each day that took step 1 of each funnel,
    with the last step reached.

    Args:
        session_events: All rows of `SessionEvents`.
        session_days: All rows of `SessionDays`.
        sessions: All rows of `Sessions`.
        days: Cohort days: those on which the session, or the visitor's attempt, started.
        funnels: The definitions.
        session_rule: The rule by which sessions were computed.
    """
    parts = []
    for daily in funnels:
        relevant, units = daily.events_of(session_events), []
        if "session" in daily.units:
            of_sessions = session_levels(
                relevant, session_days, sessions, days, daily.of_sessions, session_rule
            )
            units.append(
                of_sessions.mutate(unit=ibis.literal("session"), unit_id=of_sessions.session_id)
            )
        if "visitor" in daily.units:
            of_visitors = visitor_levels(relevant, session_days, days, daily)
            units.append(
                of_visitors.mutate(unit=ibis.literal("visitor"), unit_id=of_visitors.visitor_id)
            )
        named = {"funnel_name": daily.name, "definition_hash": daily.definition_hash}
        parts += [
            rows.mutate(**{name: ibis.literal(value) for name, value in named.items()}).rename(
                last_step="level"
            )
            for rows in units
        ]
    return union_all(*(rows.select(*FunnelEntries.columns) for rows in parts))


def conversion_funnel(entries: ir.Table, funnels: Sequence[DailyFunnel]) -> ir.Table:
    """Return the units of each day that reached each step of each funnel,
    by the first category seen and in total.

    `entries` has rows of `FunnelEntries`.
    """
    counted = (
        _steps(_with_totals(_reached(entries_of(entries, daily), daily.funnel)), daily)
        for daily in funnels
    )
    return union_all(*counted)


def entries_of(entries: ir.Table, daily: DailyFunnel) -> ir.Table:
    """Return the rows of `FunnelEntries` of one funnel."""
    return entries.filter(entries.funnel_name == daily.name)


def _with_totals(reached: ir.Table) -> ir.Table:
    counts = [name for name in reached.columns if name.startswith("reached_")]
    total = reached.group_by("cohort_date", "unit").agg(
        product_category=ibis.literal(ALL_CATEGORIES),
        **{name: reached[name].sum() for name in counts},
    )
    return union_all(reached, total)


def session_levels(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    events: ir.Table,
    fragments: ir.Table,
    sessions: ir.Table,
    days: Days,
    funnel: Funnel,
    rule: SessionRule,
) -> ir.Table:
    """Return one row per session of `days` that took step 1: its id, visitor, day,
    first category and `level`.
    """
    members = events_of_sessions(events, fragments, days, rule)
    if can_find_attempts(events, funnel):
        every = ibis.literal(value=True)
        levels = fast_attempts(members, funnel, SESSION, "started_date", every)
    else:
        levels = funnel_levels(members, funnel, SESSION)
    sessions_of_days = sessions.filter(days.contain(sessions.started_date))
    joined = levels.join(sessions_of_days, is_session(sessions_of_days, levels))
    return joined.select(
        session_id=sessions_of_days.session_id,
        visitor_id=sessions_of_days.visitor_id,
        cohort_date=sessions_of_days.started_date,
        product_category=category_of(sessions_of_days.first_product_category),
        level=levels.level,
    )


def visitor_levels(
    events: ir.Table, fragments: ir.Table, days: Days, daily: DailyFunnel
) -> ir.Table:
    """Return one row per visitor and day of `days` with step 1: `visitor_id`, day,
    first category and `level`.
    """
    if can_find_attempts(events, daily.funnel):
        attempts = levels = fast_attempts_of_days(events, days, daily)
    else:
        attempts = attempts_of_days(events, days, daily.funnel)
        levels = attempt_levels(events, attempts, days, daily)
    closes_at = attempts.last_start_at + ibis.interval(seconds=daily.funnel.within)
    attempts = attempts.mutate(closes_at=closes_at)
    categories = _attempt_categories(fragments, attempts, days.widened(after=daily.window_days))
    joined = levels.left_join(categories, ["visitor_id", "cohort_date"])
    return joined.select(
        "visitor_id",
        cohort_date=joined.cohort_date,
        product_category=category_of(joined.product_category),
        level=joined.level,
    )


def fast_attempts_of_days(events: ir.Table, days: Days, daily: DailyFunnel) -> ir.Table:
    """Return the columns of `attempts_of_days` and `attempt_levels`, by the kernel."""
    near = events.filter(days.widened(after=daily.window_days).contain(events.event_date))
    near = near.mutate(cohort_date=near.event_date)
    is_of_days = days.contain(near.event_date)
    return fast_attempts(near, daily.funnel, ["visitor_id"], "cohort_date", is_of_days)


def attempts_of_days(events: ir.Table, days: Days, funnel: Funnel) -> ir.Table:
    """Return one row per visitor and day of `days` with step 1: `visitor_id`, `cohort_date`, and
    `last_start_at`, when the last attempt of the day began.
    """
    starts = events.filter(matches(events, funnel.steps[0]), days.contain(events.event_date))
    return starts.group_by("visitor_id", cohort_date="event_date").agg(
        last_start_at=starts.event_at.max()
    )


def attempt_levels(
    events: ir.Table, attempts: ir.Table, days: Days, daily: DailyFunnel
) -> ir.Table:
    """Return the `level` of each row of `attempts_of_days`: the most steps of an attempt that
    began on its day.
    """
    funnel = daily.funnel
    first, *later_steps = funnel.steps
    first_type = first.event_type
    closes_at = attempts.last_start_at + ibis.interval(seconds=funnel.within)
    later = events.filter(days.widened(after=daily.window_days).contain(events.event_date))
    in_attempt = (later.event_date >= attempts.cohort_date) & (later.event_at <= closes_at)
    inside = later.join(attempts, [later.visitor_id == attempts.visitor_id, in_attempt])
    inside = inside.select(
        *later.columns, "cohort_date", on_first_day=inside.event_date == inside.cohort_date
    )
    if first_type == ANY or {first_type, ANY} & {
        event.event_type for event in (*later_steps, *funnel.exclude)
    }:
        on_first_day = first.changed(
            where=equal_to({**first.equal, "on_first_day": True}, first.others)
        )
        funnel = funnel.changed(steps=(on_first_day, *later_steps))
    else:
        inside = inside.filter((inside.event_type != first_type) | inside.on_first_day)
    return funnel_levels(inside, funnel, ["visitor_id", "cohort_date"])


def category_of(result: ir.StringValue) -> ir.StringValue:
    """Return the category that a unit counts for; `(all)` counts as no category,
    as it would look like the total.
    """
    return result.nullif(ALL_CATEGORIES).fill_null(NO_CATEGORY)


def _attempt_categories(fragments: ir.Table, attempts: ir.Table, days: Days) -> ir.Table:
    seen = fragments.filter(
        fragments.first_product_category.notnull(), days.contain(fragments.event_date)
    )
    during = (seen.event_date >= attempts.cohort_date) & (seen.started_at <= attempts.closes_at)
    joined = seen.join(attempts, [seen.visitor_id == attempts.visitor_id, during]).select(
        attempts.visitor_id,
        attempts.cohort_date,
        seen.started_at,
        seen.session_device_id,
        seen.first_product_category,
    )
    # Fragments of a visitor on two devices may start at the same instant.
    first = first_of_each(
        joined, ["visitor_id", "cohort_date"], ["started_at", "session_device_id"]
    )
    return first.select("visitor_id", "cohort_date", product_category="first_product_category")


def _reached(entries: ir.Table, funnel: Funnel) -> ir.Table:
    reached = {
        f"reached_{n}": (entries.last_step >= n).ifelse(1, 0).sum()
        for n in range(1, len(funnel.steps) + 1)
    }
    return entries.group_by("cohort_date", "unit", "product_category").agg(**reached)


def _steps(reached: ir.Table, daily: DailyFunnel) -> ir.Table:
    rows = [
        reached.select(
            "cohort_date",
            "unit",
            "product_category",
            funnel_name=ibis.literal(daily.name),
            step=ibis.literal(n, "int64"),
            event_type=ibis.literal(step.event_type),
            unit_count=reached[f"reached_{n}"],
            conversion_from_start_rate=ratio(reached[f"reached_{n}"], reached.reached_1),
            conversion_from_previous_rate=ratio(
                reached[f"reached_{n}"], reached[f"reached_{max(n - 1, 1)}"]
            ),
        )
        for n, step in enumerate(daily.funnel.steps, start=1)
    ]
    return union_all(*rows)


UNITS: Final = {"session": "session", "user": "visitor"}
"""The names in the table of the units in a definition."""
DEFAULT_NAME: Final = "default"


def window_days(funnels: Collection[DailyFunnel]) -> int:
    """Return the number of days after a cohort day that a visitor's window can
    reach in any of the funnels.
    """
    return max((funnel.window_days for funnel in funnels if "visitor" in funnel.units), default=0)
