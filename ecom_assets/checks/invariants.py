"""What must hold between the marts whatever the data: sums that agree, funnels that only narrow.

Not here: contracts (`contract_holds.py`), the accounting of received rows (`accounting.py`).
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import Claim, Verdict, of_days, verdict_of
from ecom_assets.contracts.conversion_funnel import ConversionFunnel
from ecom_assets.contracts.engagement_daily import EngagementDaily
from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.sessions import SessionDays, SessionEvents, Sessions
from ecom_assets.transforms.conversion_funnel import ALL_CATEGORIES
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.stacking import stacked


def invariant_claims() -> list[Claim]:
    """Return every invariant of the marts."""
    return [
        Claim(
            contract=SessionDays,
            name="events_add_up_to_clean_events",
            description="Per day, the events of the sessions' pieces are as many as the clean events.",
            judge=_pieces_add_up,
            tables=(CleanEvents, SessionEvents, SessionDays),
            blocking=True,
        ),
        Claim(
            contract=Sessions,
            name="every_piece_is_in_one_session",
            description="Every piece of the days lies in exactly one session of its visitor, and the events add up.",
            judge=_sessions_cover,
            tables=(SessionDays, Sessions),
        ),
        Claim(
            contract=ConversionFunnel,
            name="steps_never_increase",
            description="No step of a funnel has more units than the step before it.",
            judge=_steps_narrow,
            tables=(ConversionFunnel,),
        ),
        Claim(
            contract=ConversionFunnel,
            name="categories_add_up_to_total",
            description="Per day, unit and step, the categories add up to the total.",
            judge=_categories_add_up,
            tables=(ConversionFunnel,),
        ),
        Claim(
            contract=EngagementDaily,
            name="sessions_agree",
            description="Per day, engagement counts as many sessions as started, and DAU <= WAU <= MAU.",
            judge=_engagement_agrees,
            tables=(Sessions, EngagementDaily),
        ),
    ]


def _pieces_add_up(days: Days | None, clean: ir.Table, numbered: ir.Table, pieces: ir.Table) -> Verdict:
    sides = stacked(
        *(
            rows.group_by(day=rows.event_date).agg(**{f"n{k}": number(rows) if k == side else ibis.literal(0) for k in range(3)})
            for side, (rows, number) in enumerate(
                (
                    (of_days(clean, "event_date", days), lambda rows: rows.count()),
                    (of_days(numbered, "event_date", days), lambda rows: rows.count()),
                    (of_days(pieces, "event_date", days), lambda rows: rows.event_count.sum()),
                )
            )
        )
    )
    per_day = sides.group_by("day").agg(
        clean_count=sides.n0.sum(), numbered_count=sides.n1.sum(), piece_event_count=sides.n2.sum()
    )
    differs = (per_day.clean_count != per_day.numbered_count) | (per_day.clean_count != per_day.piece_event_count)
    return verdict_of(per_day.filter(differs), per_day)


def _sessions_cover(days: Days | None, pieces: ir.Table, sessions: ir.Table) -> Verdict:
    pieces = of_days(pieces, "event_date", days)
    reaching = sessions.filter(
        (sessions.ended_date >= pieces.event_date.min().as_scalar())
        & (sessions.started_date <= pieces.event_date.max().as_scalar())
    )
    homes = pieces.left_join(
        reaching,
        [
            pieces.visitor_id == reaching.visitor_id,
            pieces.started_at >= reaching.started_at,
            pieces.ended_at <= reaching.ended_at,
        ],
    )
    homes = homes.group_by("visitor_id", "started_at", "event_date").agg(
        home_count=homes.session_id.count(), event_count=homes.event_count.max()
    )
    return verdict_of(homes.filter(homes.home_count != 1), homes)


def _steps_narrow(days: Days | None, funnel: ir.Table) -> Verdict:
    funnel = of_days(funnel, "cohort_date", days)
    in_order = ibis.window(group_by=["cohort_date", "unit", "product_category"], order_by="step")
    funnel = funnel.mutate(previous_count=funnel.unit_count.lag().over(in_order))
    return verdict_of(funnel.filter(funnel.unit_count > funnel.previous_count), funnel)


def _categories_add_up(days: Days | None, funnel: ir.Table) -> Verdict:
    funnel = of_days(funnel, "cohort_date", days)
    is_total = funnel.product_category == ALL_CATEGORIES
    sums = funnel.group_by("cohort_date", "unit", "step").agg(
        total_count=funnel.unit_count.sum(where=is_total).fill_null(0),
        category_count=funnel.unit_count.sum(where=~is_total).fill_null(0),
    )
    return verdict_of(sums.filter(sums.total_count != sums.category_count), sums)


def _engagement_agrees(days: Days | None, sessions: ir.Table, engagement: ir.Table) -> Verdict:
    engagement = of_days(engagement, "event_date", days)
    started = sessions.group_by("started_date").agg(started_count=sessions.count())
    started = of_days(started, "started_date", days)
    joined = engagement.left_join(started, engagement.event_date == started.started_date)
    differs = joined.session_count != joined.started_count.fill_null(0)
    unordered = (joined.daily_visitor_count > joined.weekly_visitor_count) | (
        joined.weekly_visitor_count > joined.monthly_visitor_count
    )
    return verdict_of(joined.filter(differs | unordered), joined)
