"""Which days' credit a change of some days can change. Not here: credit (`attribution.py`)."""

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.attribution_rule import AttributionRule
from ecom_assets.transforms.calendar import day_table
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import restated_start_days
from ecom_assets.transforms.stacking import stacked


def touched_days(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    converted: ir.Table,
    pieces: ir.Table,
    changed_orders: ir.Table,
    session_rule: SessionRule,
    rule: AttributionRule,
    days: Days,
) -> ir.Table:
    """Days, as `day`, of conversions whose touches, refunds or chain a change of `days` can change, and these days.

    They lie after the change: what a visitor did is looked for before a conversion only. On the newest days there are
    none.

    Args:
        converted: Days of conversions, in a column `day`, repeats included.
        pieces: All rows of `SessionDays`.
        changed_orders: Days of orders that `days` can change, in a column `day`.
        session_rule: The rule that cut sessions.
        rule: How far conversions look back.
        days: Days of events, or of arrival of orders.
    """
    moved = stacked(day_table(days), restated_start_days(pieces, session_rule, days), changed_orders).distinct()
    seen = converted.select(converted_date="day").distinct()
    last = (moved.day + ibis.interval(days=rule.reach_days)).cast("date")
    reached = seen.join(moved, [seen.converted_date >= moved.day, seen.converted_date <= last])
    return stacked(moved, reached.select(day=reached.converted_date)).distinct()
