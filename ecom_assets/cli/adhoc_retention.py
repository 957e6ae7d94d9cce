"""`ecom retention`: cohorts over files of events or orders.

Not here: what retention is (`transforms/retention.py`), and how it is answered (`answers/retention.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ecom_assets.answers.missing_types import missing_type_warnings
from ecom_assets.answers.retention import Question, answer_activity, check_types, types_in_doubt
from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.file_orders import FileOrders
from ecom_assets.cli.options import OwnData
from ecom_assets.errors import UsageError
from ecom_assets.settings import Settings, load_settings
from ecom_assets.sources.record_files import RecordFiles
from ecom_assets.transforms.retention import event_activity, order_activity
from ecom_assets.transforms.retention_rule import RetentionRule

ORDER_TYPES = ("purchase", "refund")


@dataclass(frozen=True)
class Asked:
    """Where events or orders come from, and the last day that they hold whole, if a person says so."""

    data: OwnData
    whole_until: date | None


def answer_retention(asked: Asked, rule: RetentionRule) -> dict[str, Any]:
    """Return INTERFACE's `retention`.

    Raises:
        UsageError: Neither or both of events and orders were given, or orders were asked for another type of event.
    """
    data = asked.data
    if bool(data.events) == bool(data.orders):
        raise UsageError("Retention is asked of events or of orders; give one of --events PATH and --orders PATH.")
    if data.orders:
        settings = load_settings(orders_mapping=data.orders_mapping)
        return _of_orders(data.orders, settings, rule, asked.whole_until)
    return _of_events(data.events, load_settings(events_mapping=data.events_mapping), rule, asked.whole_until)


def _of_events(
    paths: Sequence[str], settings: Settings, rule: RetentionRule, whole_until: date | None
) -> dict[str, Any]:
    files = FileEvents.open(paths, settings)
    start, returning = (name and files.mapping.translate(name) for name in (rule.start, rule.returning))
    rule = replace(rule, start=start, returning=returning)
    events = files.clean()
    question = Question(files.con, event_activity(events, rule), rule, settings.timezone, _day_count(files.files))
    answer = answer_activity(question, whole_until)
    doubted = types_in_doubt(rule, answer)
    warnings = missing_type_warnings(files.con, events, doubted, files.mapping.own_words())
    return answer | {"warnings": warnings, "rows": files.rows.as_json()}


def _of_orders(
    paths: Sequence[str], settings: Settings, rule: RetentionRule, whole_until: date | None
) -> dict[str, Any]:
    """Orders know purchases and refunds; what is not asked is about purchases."""
    rule = rule.changed(start=rule.start or "purchase", returning=rule.returning or "purchase")
    check_types([name for name in (rule.start, rule.returning) if name], ORDER_TYPES)
    files = FileOrders.open(paths, settings)
    activity = order_activity(files.clean(), rule)
    question = Question(files.con, activity, rule, settings.timezone, _day_count(files.files))
    return answer_activity(question, whole_until) | {"warnings": [], "rows": files.rows.as_json()}


def _day_count(files: RecordFiles) -> int:
    arrived = files.received_days()
    return (arrived[1] - arrived[0]).days + 1 if arrived else 0
