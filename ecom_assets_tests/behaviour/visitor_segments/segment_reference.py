"""Visitor segments by their definition, in plain Python: every event of every visitor is
looked at for every part.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from ecom_assets.behaviour.visitor_segments.segment import (
    Combined,
    Did,
    FirstSeen,
    Latest,
    Not,
    Rule,
)
from ecom_assets.core.tables.conditions import Condition
from ecom_assets_tests.behaviour.experiments.experiment_reference import Act


def members(acts: Sequence[Act], rule: Rule, as_of: date) -> set[str]:
    """Return the visitors in a segment."""
    seen = [act for act in acts if act.day <= as_of]
    return {
        who
        for who in {row.visitor_id for row in seen}
        if _holds(rule, [row for row in seen if row.visitor_id == who], as_of)
    }


def _holds(rule: Rule, own: Sequence[Act], as_of: date) -> bool:
    if isinstance(rule, Not):
        return not _holds(rule.part, own, as_of)
    if isinstance(rule, Combined):
        return (all if rule.kind == "all_of" else any)(
            _holds(part, own, as_of) for part in rule.parts
        )
    if isinstance(rule, Did):
        return _did(rule, own, as_of)
    if isinstance(rule, FirstSeen):
        first = min(row.day for row in own)
        begin = (
            as_of - timedelta(days=rule.within_days - 1)
            if rule.within_days
            else rule.first or date.min
        )
        return begin <= first <= (rule.last or date.max)
    return _latest(rule, own)


def _did(rule: Did, own: Sequence[Act], as_of: date) -> bool:
    begin = as_of - timedelta(days=rule.within_days - 1) if rule.within_days else date.min
    count = sum(row.day >= begin and rule.event.event_type in {None, row.event_type} for row in own)
    return rule.at_least <= count and (rule.at_most is None or count <= rule.at_most)


def _latest(rule: Latest, own: Sequence[Act]) -> bool:
    """Return whether the newest variant is the one of the condition;
    the only condition that the tests ask for.
    """
    assert isinstance(rule.where, Condition)
    with_variant = [row for row in own if row.variant]
    newest = max((row.event_at for row in with_variant), default=None)
    return any(
        row.event_at == newest and row.variant == rule.where.values[0] for row in with_variant
    )
