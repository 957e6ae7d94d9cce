"""The answer to a custom question about sessions: how many, how long, and of how many visitors. METRICS "Session"."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.sessions.contracts import Sessions
from ecom_assets.sessions.kernel import session_sums, suits
from ecom_assets.sessions.queries import session_totals, totals_of
from ecom_assets.sessions.rule import TOOL_RULES, SessionRule
from ecom_assets.sessions.sessions import whole_sessions
from ecom_assets.tables.columns import meeting
from ecom_assets.tables.conditions import EVERYTHING, Where, columns_of, where_from, where_mapping
from ecom_assets.tables.days import Ends, days_definition, of_days
from ecom_assets.tables.portable import has_kernels, union_all
from ecom_assets.tables.presets import values_set
from ecom_assets.tables.queries import Fetch
from ecom_assets.tables.values import parse_duration

KEYS: Final = ("session_rule", "idle", "where", "preset")
PRESETS: Final = {tool: {"session_rule": rule} for tool, rule in TOOL_RULES.items()}
Keep = Callable[[ir.Table], ir.Table]
"""A function that receives the sessions, and returns the same from where they are kept."""


@dataclass(frozen=True)
class SessionQuestion:
    """A query about sessions.

    Attributes:
        session_rule: The name of the rule that cuts sessions.
        idle: The silence that ends a session, such as 45m; None for that of the rule.
        where: What must hold of an event to count.
    """

    session_rule: str = "ga4"
    idle: str | None = None
    where: Where = EVERYTHING

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a rule that does not exist, or an impossible idle time."""
        _ = self.rule

    @classmethod
    def from_mapping(cls, raw: object) -> "SessionQuestion":
        """Build it from a definition: `session_rule`, `idle`, `where`, and the `preset` of a tool.

        Raises:
            DefinitionError: A key is unknown, or a value does not fit.
        """
        given = values_set(raw, KEYS, "a session definition", PRESETS, "sessions")
        where = where_from(given.pop("where")) if given.get("where") else EVERYTHING
        return cls(**{**given, "where": where})

    @property
    def rule(self) -> SessionRule:
        """The rule that cuts sessions."""
        return SessionRule.preset(self.session_rule, idle_timeout_s=parse_duration(self.idle) if self.idle else None)

    @property
    def columns(self) -> list[str]:
        """The columns that the conditions name."""
        return columns_of(self.where)

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for the answer: the whole rule, and the conditions."""
        return {"session_rule": self.session_rule, **asdict(self.rule), **where_mapping(self.where)}


def sessions_answer(
    con: SQLBackend, events: ir.Table, question: SessionQuestion, ends: Ends = (None, None), keep: Keep | None = None
) -> dict[str, Any]:
    """Return the totals of the sessions that started on some days.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`, of all days.
        question: The query.
        ends: The first and the last day on which the sessions started; None for no limit.
        keep: Receives the sessions.
    """
    events = meeting(events, question.where)
    definition = {**question.to_mapping(), **days_definition(ends)}
    if has_kernels(con) and suits(question.rule) and keep is None:
        sums = session_sums(con, events, question.rule, ends)
        if sums is not None:
            return {"definition": definition, **totals_of(sums)}
    rows = of_days(whole_sessions(events, question.rule).select(*Sessions.columns), "started_date", ends)
    rows = keep(rows) if keep else rows
    totals = session_totals(rows)
    if question.rule.source_session_alone:  # a session has one visitor_id, even if it has events of several visitors
        totals["visitors"] = _visitor_count(con, events, rows, ends)
    return {"definition": definition, **totals}


def stored_answer(sessions: ir.Table, question: SessionQuestion, ends: Ends, fetch: Fetch) -> dict[str, Any]:
    """Return the same from rows of `Sessions` by the rule of a question, which has no conditions."""
    totals = session_totals(of_days(sessions, "started_date", ends), fetch)
    return {"definition": {**question.to_mapping(), **days_definition(ends)}, **totals}


def _visitor_count(con: SQLBackend, events: ir.Table, sessions: ir.Table, ends: Ends) -> int:
    """Return the number of visitors in sessions that may have several."""
    if ends == (None, None):
        return int(con.to_pyarrow(events.visitor_id.nunique()).as_py())
    by_source = events.filter(events.source_session_id.notnull())
    started = by_source.group_by("source_session_id").agg(started_date=by_source.event_date.min())
    mine = by_source.semi_join(of_days(started, "started_date", ends), "source_session_id").select("visitor_id")
    everybody = union_all(mine, sessions.select("visitor_id"))
    return int(con.to_pyarrow(everybody.visitor_id.nunique()).as_py())
