"""The answer of `ecom retention`, by Ibis, which is imported with this module only."""

from dataclasses import dataclass, replace
from typing import Any

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.cli.question import ends_of
from ecom_assets.cli.question_events import QuestionSegment
from ecom_assets.cli.retention import Scope
from ecom_assets.retention.activity import event_activity, order_activity
from ecom_assets.retention.answers import Build, Question, answer_activity, check_types, missing_warnings
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.events import FileEvents
from ecom_assets.sources.files.opened import OpenedFiles
from ecom_assets.sources.files.orders import FileOrders
from ecom_assets.sources.files.output import check_format, write_rows
from ecom_assets.tables.days import ONE_DAY, DayRange, of_days

ORDER_TYPES = ("purchase", "refund")


@dataclass(frozen=True)
class _Rows:
    """Rows of files, the names of their day and time, and how they become activity."""

    con: Backend
    rows: ir.Table
    day: str
    at: str
    build: Build


def retention_of_events(opened: OpenedFiles, scope: Scope, rule: RetentionRule) -> dict[str, Any]:
    """Return the retention of the visitors in files of events."""
    check_format("--who", scope.who)
    files = FileEvents.of(opened)
    rule = rule.translated(files.mapping.translate)
    only = QuestionSegment.read(scope.segment, files)
    files = files.naming([*rule.columns, *only.columns])
    events = files.clean()
    rows, scope = _of_segment(only, events, scope)
    answer = _answer(
        _Rows(files.con, rows, "event_date", "event_at", event_activity), scope, rule, files.settings.timezone
    )
    answer = only.complete(answer, events)
    missing = missing_warnings(files.con, events, rule, answer, files.mapping.own_words())
    return answer | {"warnings": [*answer["warnings"], *missing], "rows": files.rows.as_json()}


def _of_segment(only: QuestionSegment, events: ir.Table, scope: Scope) -> tuple[ir.Table, Scope]:
    """Return the events of the visitors in question; how far the data reach is what all events say."""
    (known,) = events.agg(newest=events.event_date.max()).to_pyarrow().to_pylist() if only.segment else ({},)
    if not known.get("newest"):
        return events, scope
    first, last = scope.days.within(known["newest"])
    whole_until = scope.whole_until or known["newest"] - ONE_DAY
    rows = only.events(events, last or known["newest"])
    return rows, replace(scope, days=DayRange(first, last), whole_until=whole_until)


def retention_of_orders(settings: Settings, scope: Scope, rule: RetentionRule) -> dict[str, Any]:
    """Return the retention of orders, whose event types are purchase (the default) and refund."""
    check_format("--who", scope.who)
    rule = rule.changed(start=rule.start or "purchase", returning=rule.returning or "purchase")
    check_types([name for name in (rule.start, rule.returning) if name], ORDER_TYPES)
    files = FileOrders.open(scope.data.orders, settings)
    rows = _Rows(files.con, files.clean(), "order_date", "ordered_at", order_activity)
    return _answer(rows, scope, rule, settings.timezone) | {"rows": files.rows.as_json()}


def _answer(result: _Rows, scope: Scope, rule: RetentionRule, timezone: str) -> dict[str, Any]:
    between, warnings = ends_of(result.rows, result.day, scope.days)
    rows = result.rows
    if scope.range_of == "events":
        rows, between = of_days(rows, result.day, between), (None, None)
    who = scope.who
    keep = None if who is None else lambda cells: write_rows(result.con, cells, who)
    question = Question(result.con, rows, rule, timezone, _day_count(result), result.build, between, keep)
    return answer_activity(question, scope.whole_until) | {"warnings": warnings}


def _day_count(result: _Rows) -> int:
    """Return at least the number of days of the rows; the ends of times are known without reading all of them."""
    (known,) = (
        result.rows.agg(first=result.rows[result.at].min(), last=result.rows[result.at].max()).to_pyarrow().to_pylist()
    )
    return (known["last"] - known["first"]).days + 2 if known["first"] else 0
