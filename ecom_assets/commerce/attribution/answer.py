"""Custom attribution: which channels the purchases are credited to. METRICS "Attribution"."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import EventSource, QuestionData, StoredTables
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.sessions.question import known_session_rule
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import UNIT, is_inside, session_events, session_id_of
from ecom_assets.commerce.attribution import credit
from ecom_assets.commerce.attribution.contracts import ADDRESS, Touches
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.attribution.markov import (
    removal_effect_rows,
    removal_effects,
    step_spans,
    steps_on,
)
from ecom_assets.commerce.attribution.question import AttributionQuestion
from ecom_assets.commerce.attribution.session_columns import NO_ADDRESSES, NO_CHANNELS
from ecom_assets.commerce.attribution.text import lines
from ecom_assets.commerce.attribution.touches import (
    DIRECT,
    NO_MEDIUM,
    ChannelRule,
    purchases,
    sources_of_sessions,
    touches,
)
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables import portable
from ecom_assets.core.tables.columns import meeting
from ecom_assets.core.tables.conditions import EVERYTHING
from ecom_assets.core.tables.days import Days, Ends, days_definition, rows_between
from ecom_assets.core.tables.portable import count_of, rows_of

LEAST_DAYS: Final = 1_000
NO_PURCHASES = "There is no purchase to give credit for."


class CreditedChannel(BaseModel):
    """A channel, and what it is credited with."""

    channel: str = Field(
        description="Its name; (none) of purchases without a visit", examples=["Email"]
    )
    credit: float = number("Purchases", "decimal", "Purchases that it is credited with")
    revenue: float | None = number(
        "Revenue",
        "decimal",
        "What they brought, less refunds; null where no purchase of the data has an amount",
    )
    removal_effect: float | None = Field(
        None, description="With markov: share of conversions lost without it"
    )


class AttributionAnswer(QuestionAnswer):
    """The result of custom attribution."""

    model: str = Field(description="The model", examples=["time_decay"])
    conversions: int | None = Field(description="Purchases")
    channels: list[CreditedChannel] = Field(description="Most credit first")
    notes: list[str] = Field(description="What there is no credit for, a sentence each")


ChannelsOf = Callable[[EventSource], ChannelRule]
"""Returns what the channels of a shop are, by the settings of the source of its events."""


def attribution_by(channels_of: ChannelsOf) -> Kind[AttributionQuestion, AttributionAnswer]:
    """Return the question of attribution to the channels that a rule makes for the
    source of a shop's events.
    """
    return Kind(
        "attribution",
        AttributionQuestion,
        AttributionAnswer,
        partial(compute, channels_of=channels_of),
        "Which channels purchase events are credited to, by a model and with choices of your own",
        lists=("channels",),
        lines=lines,
    )


def compute(
    question: AttributionQuestion, data: QuestionData, *, channels_of: ChannelsOf
) -> Answer:
    """Return each channel with the purchases and the revenue that it is credited with,
    most credit first.

    Raises:
        DefinitionError: The session rule needs session ids that the events do not have.
    """
    question = question.changed(session_rule=known_session_rule(question.session_rule, data.source))
    con, channels = data.con, channels_of(data.source)
    stored = _stored(question, data, channels)
    if stored:
        result = _prepare_stored(con, data.events, stored, data.days)
    else:
        result = _prepare(
            con, meeting(data.events, question.where), channels, question.cut_by, data.days
        )
    conversions = result.conversions
    on_days = rows_between(conversions, "converted_date", data.days)
    conversion_count = count_of(on_days.filter(~on_days.is_refund))
    has_money = count_of(conversions.filter(conversions.revenue_amount.notnull())) > 0
    channels_credited = (
        _credit(con, result, question.model, question.rule) if conversion_count else []
    )
    of_channels = {"source_lists": channels.lists.version, "ai_assistants": channels.ai_assistants}
    why_none = [] if result.has_addresses else [NO_ADDRESSES]
    return {
        "model": question.model,
        "definition": {**question.to_mapping(), **of_channels, **days_definition(data.days)},
        "conversions": conversion_count,
        "channels": [row if has_money else row | {"revenue": None} for row in channels_credited],
        "notes": ([] if conversion_count else [NO_PURCHASES])
        + (why_none if channels.has_addresses else [NO_CHANNELS]),
    }


def _stored(
    question: AttributionQuestion, data: QuestionData, channels: ChannelRule
) -> StoredTables | None:
    """Return the stored sessions and touches of the same events;
    None if their channels are by other lists of sites.
    """
    if data.segment or question.where != EVERYTHING:
        return None
    stored = data.opened.stored(str(question.session_rule))
    return stored if stored and _has_lists(stored.table(Touches), channels) else None


RUN = (*UNIT, "fragment_started_at")
"""What identifies a whole session among numbered events."""


@dataclass(frozen=True)
class _Prepared:
    """What credit is computed from.

    Attributes:
        conversions: Purchases and refunds, as rows of `Conversions`.
        touches: Sessions with their channels, as rows of `Touches`.
        last: The last day with a session.
        days_before: How many days before it have all others.
        has_addresses: Whether any session has a known source.
        ends: The days to give credit on.
    """

    conversions: ir.Table
    touches: ir.Table
    last: Days
    days_before: int
    has_addresses: bool
    ends: Ends


def _prepare(
    con: SQLBackend, clean: ir.Table, rule: ChannelRule, cut_by: SessionRule, ends: Ends
) -> _Prepared:
    """Return what credit is computed from; sessions that started after the last day are ignored."""
    events_in_sessions = session_events(clean, cut_by, by_day=False)
    started = events_in_sessions.event_date.min().over(ibis.window(group_by=RUN))
    names = ("event_id", *RUN, "event_at", "event_number", "event_type", "cart_amount")
    events_in_sessions = events_in_sessions.select(*names, *ADDRESS, "is_bot", event_date=started)
    events_in_sessions = portable.stored(
        con, "prepared_events", rows_between(events_in_sessions, "event_date", (None, ends[1]))
    )
    session_sources = portable.stored(
        con, "prepared_sources", sources_of_sessions(events_in_sessions, rule)
    )
    session_touches = portable.stored(
        con, "prepared_touches", touches(_sessions(events_in_sessions), session_sources, rule)
    )
    conversions = portable.stored(con, "prepared_conversions", purchases(events_in_sessions))
    return _Prepared(
        conversions,
        session_touches,
        *_last_day(events_in_sessions.event_date),
        count_of(session_sources) > 0,
        ends,
    )


def _last_day(column: ir.DateColumn) -> tuple[Days, int]:
    """Return the last day of a column, and how many days before it have all others.

    They are a power of two, so that statements in which they are stay the same from day to day.
    """
    (row,) = rows_of(column.as_table().agg(first=column.min(), last=column.max()))
    if row["last"] is None:
        return Days(()), 0
    return Days((row["last"],)), 1 << max(
        (row["last"] - row["first"]).days, LEAST_DAYS
    ).bit_length()


def _has_lists(session_touches: ir.Table, channels: ChannelRule) -> bool:
    """Return whether the channels of all touches are by the lists of sites of a rule."""
    is_other = session_touches.source_lists_version != channels.lists.version
    return count_of(session_touches.filter(is_other)) == 0


def _prepare_stored(
    con: SQLBackend, events: ir.Table, stored: StoredTables, ends: Ends
) -> _Prepared:
    """Return the same from stored sessions;
    a purchase is of the day on which its session started.
    """
    started = rows_between(stored.table(Sessions), "started_date", (None, ends[1]))
    started = started.select(*UNIT, "started_date", "started_at", "ended_at")
    paid = events.filter(events.event_type.isin(["purchase", "refund"])).drop("event_date")
    paid = paid.join(started, is_inside(paid, started)).select(paid, event_date="started_date")
    session_touches = rows_between(stored.table(Touches), "started_date", (None, ends[1]))
    sourced = session_touches.filter(
        (session_touches.source != DIRECT) | (session_touches.medium != NO_MEDIUM)
    )
    conversions = portable.stored(con, "prepared_conversions", purchases(paid))
    return _Prepared(
        conversions, session_touches, *_last_day(started.started_date), count_of(sourced) > 0, ends
    )


def _sessions(events_in_sessions: ir.Table) -> ir.Table:
    sessions = events_in_sessions.group_by(*RUN).agg(
        started_date=events_in_sessions.event_date.min(),
        ended_at=events_in_sessions.event_at.max(),
        event_count=events_in_sessions.count(),
        refund_count=(events_in_sessions.event_type == "refund").ifelse(1, 0).sum(),
        is_bot=events_in_sessions.is_bot.ifelse(1, 0).max() == 1,
    )
    sessions = sessions.rename(started_at="fragment_started_at")
    return sessions.mutate(session_id=session_id_of(sessions), ended_date=sessions.started_date)


WHOSE: Final = (
    "conversion_id",
    "visitor_id",
    "converted_at",
    "bought_at",
    "session_id",
    "touched_at",
    "revenue_amount",
)
"""Columns of `conversion_touches` that sums by channel do not need; storing them takes time."""


def _credit(con: SQLBackend, result: _Prepared, model: str, rule: AttributionRule) -> list[Row]:
    everything = result.last.widened(before=result.days_before)
    models = [] if model == "markov" else [model]
    every_touch = credit.conversion_touches(
        result.conversions, result.touches, rule, everything, models
    )
    # A refund on these days may be of an earlier purchase, so the days are chosen from the result.
    chosen = rows_between(every_touch, "converted_date", result.ends)
    counted = chosen.drop(*(name for name in WHOSE if name in chosen.columns))
    conversion_touches = portable.stored(con, "prepared_conversion_touches", counted)
    if model == "markov":
        return _by_markov(con, conversion_touches, result, rule)
    rows = rows_of(credit.sum_credit(conversion_touches, rule, models, ("channel",)))
    return _channel_rows(
        (row["channel"], int(row[f"credit_{model}"]), int(row[f"money_{model}"]), {})
        for row in rows
    )


def _by_markov(
    con: SQLBackend, conversion_touches: ir.Table, prepared: _Prepared, rule: AttributionRule
) -> list[Row]:
    last, rule = prepared.last, replace(rule, period_days=prepared.days_before)
    keep = partial(portable.stored, con, "unconverted")
    spans = portable.stored(
        con, "spans", step_spans(prepared.conversions, prepared.touches, rule, last, keep)
    )
    counts = {
        (row["here"], row["there"]): int(row["step_count"])
        for row in rows_of(steps_on(spans, last))
    }
    result = removal_effects(counts, credit.UNITS_OF_ONE)
    day = ibis.literal(last.first)
    portable.stored(con, "effects", removal_effect_rows([(last.first, "purchase", result)]))
    # The first touch of a conversion stands for it.
    conversions = conversion_touches.filter(conversion_touches.touch_position == 1)
    totals = conversions.group_by("unit", "is_touched", converted_date=day, bought_date=day).agg(
        conversion_count=conversions.is_refund.ifelse(0, 1).sum().cast("int64"),
        total_money=conversions.money.sum().cast(credit.PARTS),
    )
    effects = {removal.channel: {"removal_effect": removal.effect} for removal in result}
    rows = rows_of(credit.share_by_removal_effects(totals, con.table("effects")))
    return _channel_rows(
        (r["channel"], int(r["credit"]), int(r["money"]), effects.get(r["channel"], {}))
        for r in rows
    )


def _channel_rows(rows: Iterable[tuple[str, int, int, Row]]) -> list[Row]:
    shown = [
        {
            "channel": channel,
            "credit": units / credit.UNITS_OF_ONE,
            "revenue": money / credit.MONEY_PARTS,
            **more,
        }
        for channel, units, money, more in rows
        if units or money
    ]
    return sorted(shown, key=lambda row: (-row["credit"], row["channel"]))
