"""The answer to a custom journey query: sessions, transitions and the most frequent paths. METRICS "Journeys"."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import DefinitionError
from ecom_assets.journeys.choices import PRESETS, JourneyChoices, part_of, step_events
from ecom_assets.journeys.journeys import JourneyRule, counted_transitions, journey_steps, paths_of, sessions_of
from ecom_assets.journeys.kernel import journey_counts
from ecom_assets.journeys.queries import path_row, path_rows
from ecom_assets.sessions.kernel import suits
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import SESSION, session_events, source_session_of
from ecom_assets.tables.columns import meeting
from ecom_assets.tables.conditions import EVERYTHING, columns_of, where_from
from ecom_assets.tables.days import Ends, days_definition, of_days
from ecom_assets.tables.portable import has_kernels
from ecom_assets.tables.presets import values_set

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

MOST_PATHS: Final = 1_000
LISTS: Final = {"exclude": "excluded", "group": "pages"}
"""What a definition calls the choices that are lists."""
CHOSEN: Final = ("by", "from_step", "to_step", "min_count", "most_steps")
KEYS: Final = (*CHOSEN, *LISTS, "where", "top", "session_rule", "preset")


@dataclass(frozen=True)
class JourneyQuestion:
    """A journey query.

    Attributes:
        choices: What steps are, and which of them are looked at.
        session_rule: The name of the rule that cuts sessions.
        top: How many of the most frequent paths to return, of all sessions, with a purchase and without.
    """

    choices: JourneyChoices = field(default_factory=JourneyChoices)
    session_rule: str = "ga4"
    top: int = 10

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a rule that does not exist, or an impossible number of paths."""
        SessionRule.preset(self.session_rule)
        if type(self.top) is not int or not 1 <= self.top <= MOST_PATHS:
            raise DefinitionError(f"`top` {self.top!r} shows no path, or too many; give 1 to {MOST_PATHS:,}.")

    @classmethod
    def from_mapping(cls, raw: object) -> "JourneyQuestion":
        """Build it from a definition: `by`, `from_step`, `exclude` and so on, and the `preset` of a tool.

        Raises:
            DefinitionError: A key is unknown, or a value does not fit.
        """
        values = values_set(raw, KEYS, "a journey definition", PRESETS, "journeys")
        given: dict[str, Any] = {key: values[key] for key in CHOSEN if key in values}
        given |= {LISTS[key]: _texts(key, values[key]) for key in LISTS if key in values}
        given |= {"where": where_from(values["where"])} if values.get("where") else {}
        for key in ("min_count", "most_steps"):
            if type(given.get(key, 1)) is not int:
                raise DefinitionError(f"`{key}` of a journey definition is a whole number; got {given[key]!r}.")
        return cls(JourneyChoices(**given), **{key: values[key] for key in ("session_rule", "top") if key in values})

    @property
    def columns(self) -> list[str]:
        """The columns that the conditions name."""
        return columns_of(self.choices.where)

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for the answer: the choices, and the whole rules."""
        choices, cut_by = self.choices, SessionRule.preset(self.session_rule)
        made: dict[str, Any] = {
            "from_step": choices.from_step,
            "to_step": choices.to_step,
            "excluded": list(choices.excluded),
            "pages": list(choices.pages),
            "where": choices.where.to_mapping() if choices.where != EVERYTHING else None,
            "min_count": choices.min_count if choices.min_count > 1 else None,
        }
        rules = {"by": choices.by, "session_rule": self.session_rule, **asdict(cut_by), **asdict(choices.rule)}
        return rules | {name: value for name, value in made.items() if value}


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise DefinitionError(f"`{key}` of a journey definition is a list of texts; got {value!r}.")
    return tuple(value)


def journeys_answer(
    con: SQLBackend, events: ir.Table, question: JourneyQuestion, ends: Ends = (None, None)
) -> dict[str, Any]:
    """Return sessions, transitions (in total and by place) and the most frequent paths.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`, of all days.
        question: The query.
        ends: The first and the last day on which the sessions started; None for no limit.
    """
    events = meeting(events, question.choices.where)
    answer = _by_kernel(con, events, question, ends) if has_kernels(con) else None
    answer = answer or _by_expression(events, question, ends)
    return {"definition": question.to_mapping() | days_definition(ends), **answer}


def _by_kernel(con: "Backend", events: ir.Table, question: JourneyQuestion, ends: Ends) -> dict[str, Any] | None:
    """Return the answer of the kernel; None if it does not know the rule of sessions, or there is too much."""
    choices, cut_by = question.choices, SessionRule.preset(question.session_rule)
    counted = journey_counts(con, events, choices, cut_by.idle_timeout_s, ends) if suits(cut_by) else None
    if counted is None:
        return None
    sessions, converted = counted.session_counts, counted.converted_counts
    tops = {}
    lists = {"top": (sessions, converted), "converting": (converted, converted), "other": (sessions - converted, None)}
    for name, (counts, bought) in lists.items():
        rows = counted.top_paths(counts, 0 * counts if bought is None else bought, question.top)
        tops[f"{name}_paths"] = [path_row(row, int(counts.sum())) for row in rows]
    sums = {"sessions": int(sessions.sum()), "converted_sessions": int(converted.sum())}
    return {**sums, **_both_transitions(counted.transitions, choices.min_count), **tops}


def _by_expression(events: ir.Table, question: JourneyQuestion, ends: Ends) -> dict[str, Any]:
    choices, rule = question.choices, question.choices.rule
    numbered = _in_sessions(events, SessionRule.preset(question.session_rule))
    with numbered.cache() as placed, _started(placed, ends).cache() as sessions:
        result = journey_steps(step_events(placed.semi_join(sessions, list(SESSION)), choices), sessions, rule)
        result = part_of(result, choices) if choices.from_step or choices.to_step else result
        with result.cache() as steps, _paths(steps, sessions, rule).cache() as paths:
            counted = counted_transitions(steps.join(sessions, list(SESSION)), rule)
            return {
                "sessions": int(paths.count().to_pyarrow().as_py()),
                "converted_sessions": int(paths.is_converted.ifelse(1, 0).sum().fill_null(0).to_pyarrow().as_py()),
                **_both_transitions(counted, choices.min_count),
                "top_paths": path_rows(paths, question.top),
                "converting_paths": path_rows(paths.filter(paths.is_converted), question.top),
                "other_paths": path_rows(paths.filter(~paths.is_converted), question.top),
            }


def _both_transitions(counted: ir.Table, min_count: int) -> dict[str, Any]:
    """Return the transitions in total and by place."""
    return {
        "transitions": _transitions(counted, ("from_step", "to_step"), min_count),
        "steps": _transitions(counted, ("place", "from_step", "to_step"), min_count),
    }


def _in_sessions(events: ir.Table, cut_by: SessionRule) -> ir.Table:
    """Return the events with their sessions."""
    numbered = session_events(events, cut_by, by_day=False).rename(session_started_at="fragment_started_at")
    if cut_by.trust_source_session_id:  # two sessions of one visitor can start at the same time
        numbered = numbered.mutate(visitor_id=numbered.visitor_id.concat("-", source_session_of(numbered)))
    columns = (*SESSION, "event_at", "event_date", "event_id", "event_type", "product_category", "page_url")
    return numbered.select(*columns)


def _started(events: ir.Table, ends: Ends) -> ir.Table:
    """Return the sessions that started on the days."""
    started = events.group_by(*SESSION).agg(started_date=events.event_date.min())
    return sessions_of(events).semi_join(of_days(started, "started_date", ends), list(SESSION))


def _paths(steps: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the path of each session; one that is cut at its beginning is cut, too."""
    rows = paths_of(steps, rule).join(sessions, list(SESSION))
    if "is_late" not in steps.columns:
        return rows
    late = steps.group_by(*SESSION).agg(late=steps.is_late.ifelse(1, 0).max())
    rows = rows.join(late, list(SESSION))
    return rows.mutate(is_cut=rows.is_cut | (rows.late == 1)).drop("late")


def _transitions(steps: ir.Table, by: tuple[str, ...], min_count: int) -> list[dict[str, Any]]:
    sums = steps.group_by(*by).agg(count=steps.transition_count.sum(), converted=steps.converted_transition_count.sum())
    sums = sums.filter(sums["count"] >= min_count)
    first = [sums.place] if "place" in by else []
    ordered = sums.order_by(*first, sums["count"].desc(), sums.from_step, sums.to_step)
    return [
        {
            **({"step": int(row["place"])} if first else {}),
            "from": row["from_step"],
            "to": row["to_step"],
            "count": int(row["count"]),
            "converted": int(row["converted"]),
        }
        for row in ordered.to_pyarrow().to_pylist()
    ]
