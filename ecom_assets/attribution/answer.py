"""Custom attribution: which channels the purchases are credited to. METRICS "Attribution"."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Final

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.attribution import credit
from ecom_assets.attribution.channels import DIRECT, NO_MEDIUM, ChannelRule
from ecom_assets.attribution.conversions import purchases
from ecom_assets.attribution.markov import removal_effect_rows, removal_effects, step_spans, steps_on
from ecom_assets.attribution.rule import PRESETS, AttributionRule, model_name
from ecom_assets.attribution.touches import sources_of_sessions, touches
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import session_events
from ecom_assets.tables.columns import meeting
from ecom_assets.tables.conditions import EVERYTHING, Where, columns_of, where_from, where_mapping
from ecom_assets.tables.days import Days, Ends, days_definition, of_days
from ecom_assets.tables.presets import values_set
from ecom_assets.tables.values import parse_duration

KEYS: Final = ("model", "lookback", "half_life", "two_touches", "session_rule", "where", "preset")
ALL_TIME_DAYS = 36_500
"""Makes all days one period, so that the Markov chain is built from all paths."""
LEAST_DAYS: Final = 1_000
NO_ADDRESSES = "No event has a page with UTM parameters or a referrer from elsewhere, so every visit is Direct."
NO_PURCHASES = "There is no purchase to give credit for."


@dataclass(frozen=True)
class AttributionQuestion:
    """A query about attribution.

    Attributes:
        model: The name of the model.
        rule: Which touches count, and how some models share their credit.
        session_rule: The name of the rule that cuts sessions.
        where: What must hold of an event to count.
    """

    model: str = "last_non_direct"
    rule: AttributionRule = field(default_factory=lambda: AttributionRule(period_days=ALL_TIME_DAYS))
    session_rule: str = "ga4"
    where: Where = EVERYTHING

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a session rule that does not exist."""
        SessionRule.preset(self.session_rule)

    @classmethod
    def from_mapping(cls, raw: object) -> "AttributionQuestion":
        """Build it from a definition: `model`, `lookback`, `half_life` and so on, and the `preset` of a tool.

        Raises:
            DefinitionError: A key is unknown, or a value does not fit.
        """
        values = values_set(raw, KEYS, "an attribution definition", PRESETS, "attribution")
        given: dict[str, Any] = {
            f"{key}_s": parse_duration(values[key]) for key in ("lookback", "half_life") if key in values
        }
        given |= {"two_touches": values["two_touches"]} if "two_touches" in values else {}
        return cls(
            model_name(str(values.get("model", cls.model))),
            AttributionRule(**given, period_days=ALL_TIME_DAYS),
            values.get("session_rule", cls.session_rule),
            where_from(values["where"]) if values.get("where") else EVERYTHING,
        )

    @property
    def columns(self) -> list[str]:
        """The columns that the conditions name."""
        return columns_of(self.where)

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for the answer, besides the model."""
        rule = {name: value for name, value in asdict(self.rule).items() if name != "period_days"}
        return {**rule, "session_rule": self.session_rule, **where_mapping(self.where)}


@dataclass(frozen=True)
class StoredSessions:
    """Sessions that were computed before: rows of `Sessions` and of `Touches`, by the session rule of a question."""

    sessions: ir.Table
    touches: ir.Table


def attribution_answer(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    con: SQLBackend,
    events: ir.Table,
    question: AttributionQuestion,
    channels: ChannelRule,
    ends: Ends = (None, None),
    stored: StoredSessions | None = None,
) -> dict[str, Any]:
    """Return each channel with the purchases and the revenue that it is credited with, most credit first.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`, of all days.
        question: The query.
        channels: How sessions get their channel.
        ends: The first and the last day of the purchases; None for no limit.
        stored: The sessions of the events, which are not cut into sessions then; left out if the question has
            conditions, or the channels of the touches are by other lists of sites.
    """
    if stored and question.where == EVERYTHING and _has_lists(con, stored.touches, channels):
        result = _prepare_stored(con, events, stored, ends)
    else:
        rule = SessionRule.preset(question.session_rule)
        result = _prepare(con, meeting(events, question.where), channels, rule, ends)
    bought = of_days(result.bought, "converted_date", ends)
    counted = bought.agg(conversions=bought.is_refund.ifelse(0, 1).sum().fill_null(0))
    conversions = int(con.to_pyarrow(counted).to_pylist()[0]["conversions"])
    of_channels = {"source_lists": channels.lists.version, "ai_assistants": channels.ai_assistants}
    return {
        "model": question.model,
        "definition": {**question.to_mapping(), **of_channels, **days_definition(ends)},
        "conversions": conversions,
        "channels": _credit(con, result, question.model, question.rule) if conversions else [],
        "notes": ([] if conversions else [NO_PURCHASES]) + ([] if result.has_addresses else [NO_ADDRESSES]),
    }


@dataclass(frozen=True)
class _Prepared:
    """Purchases, touches, the last day and the days before it, whether any session has a known source, and the ends.

    `ends` are the days to give credit on.
    """

    bought: ir.Table
    touched: ir.Table
    last: Days
    days_before: int
    has_addresses: bool
    ends: Ends


def _prepare(con: SQLBackend, clean: ir.Table, rule: ChannelRule, cut_by: SessionRule, ends: Ends) -> _Prepared:
    """Return what credit is computed from; sessions that started after the last day are ignored."""
    placed = session_events(clean, cut_by, by_day=False)
    started = placed.event_date.min().over(ibis.window(group_by=["visitor_id", "fragment_started_at"]))
    names = ("event_id", "visitor_id", "event_at", "fragment_started_at", "event_number", "event_type", "cart_amount")
    placed = placed.select(*names, "page_url", "referrer_url", "is_bot", event_date=started)
    placed = _kept(con, "placed", of_days(placed, "event_date", (None, ends[1])))
    arrived = _kept(con, "arrived", sources_of_sessions(placed, rule))
    touched = _kept(con, "touched", touches(_sessions(placed), arrived, rule))
    has_addresses = bool(con.to_pyarrow(arrived.count()).as_py())
    bought = _kept(con, "bought", purchases(placed))
    return _Prepared(bought, touched, *_last_day(con, placed.event_date), has_addresses, ends)


def _last_day(con: SQLBackend, column: ir.DateColumn) -> tuple[Days, int]:
    """Return the last day of a column, and how many days before it have all others.

    They are a power of two, so that statements in which they are stay the same from day to day.
    """
    (row,) = con.to_pyarrow(column.as_table().agg(first=column.min(), last=column.max())).to_pylist()
    if row["last"] is None:
        return Days(()), 0
    return Days((row["last"],)), 1 << max((row["last"] - row["first"]).days, LEAST_DAYS).bit_length()


def _has_lists(con: SQLBackend, touched: ir.Table, channels: ChannelRule) -> bool:
    """Return whether the channels of all touches are by the lists of sites of a rule."""
    other = touched.filter(touched.source_lists_version != channels.lists.version)
    return int(con.to_pyarrow(other.count()).as_py()) == 0


def _prepare_stored(con: SQLBackend, events: ir.Table, stored: StoredSessions, ends: Ends) -> _Prepared:
    """Return the same from stored sessions; a purchase is of the day on which its session started."""
    started = of_days(stored.sessions, "started_date", (None, ends[1]))
    started = started.select("visitor_id", "started_date", "started_at", "ended_at")
    paid = events.filter(events.event_type.isin(["purchase", "refund"])).drop("event_date")
    inside = [paid.visitor_id == started.visitor_id, paid.event_at.between(started.started_at, started.ended_at)]
    paid = paid.join(started, inside).select(paid, event_date="started_date")
    touched = of_days(stored.touches, "started_date", (None, ends[1]))
    sourced = touched.filter((touched.source != DIRECT) | (touched.medium != NO_MEDIUM))
    has_addresses = bool(con.to_pyarrow(sourced.count()).as_py())
    bought = _kept(con, "bought", purchases(paid))
    return _Prepared(bought, touched, *_last_day(con, started.started_date), has_addresses, ends)


def _sessions(placed: ir.Table) -> ir.Table:
    whole = placed.group_by("visitor_id", "fragment_started_at").agg(
        started_date=placed.event_date.min(),
        ended_at=placed.event_at.max(),
        event_count=placed.count(),
        refund_count=(placed.event_type == "refund").ifelse(1, 0).sum(),
        is_bot=placed.is_bot.ifelse(1, 0).max() == 1,
    )
    second = whole.fragment_started_at.truncate("s").epoch_seconds().cast("int64").cast("string")
    return whole.mutate(session_id=whole.visitor_id.concat("-").concat(second), ended_date=whole.started_date).rename(
        started_at="fragment_started_at"
    )


def _kept(con: SQLBackend, name: str, rows: ir.Table) -> ir.Table:
    return con.create_table(name, rows, temp=True)


def _credit(con: SQLBackend, result: _Prepared, model: str, rule: AttributionRule) -> list[dict[str, Any]]:
    everything = result.last.widened(before=result.days_before)
    # A refund on these days may be of an earlier purchase, so the days are chosen from the result.
    paths = of_days(credit.paths(result.bought, result.touched, rule, everything), "converted_date", result.ends)
    walked = _kept(con, "walked", paths)
    if model == "markov":
        return _by_markov(con, walked, result, rule)
    units = credit.shared(walked, rule, [model])
    sums = units.group_by("channel").agg(credit=units[f"credit_{model}"].sum(), cents=units[f"cents_{model}"].sum())
    rows = con.to_pyarrow(sums).to_pylist()
    return _shown((row["channel"], int(row["credit"]), int(row["cents"]), {}) for row in rows)


def _by_markov(con: SQLBackend, walked: ir.Table, prepared: _Prepared, rule: AttributionRule) -> list[dict[str, Any]]:
    last, rule = prepared.last, replace(rule, period_days=prepared.days_before)
    keep = partial(_kept, con, "unconverted")
    spans = _kept(con, "spans", step_spans(prepared.bought, prepared.touched, rule, last, keep))
    steps = con.to_pyarrow(steps_on(spans, last)).to_pylist()
    counts = {(row["here"], row["there"]): int(row["step_count"]) for row in steps}
    result = removal_effects(counts, credit.UNITS_OF_ONE)
    day = ibis.literal(last.first)
    con.create_table("effects", removal_effect_rows([(last.first, "purchase", result)]), temp=True)
    whole = walked.mutate(converted_date=day, anchor_date=day)
    units = credit.by_removal_effects(whole, con.table("effects"))
    effects = {one.channel: {"removal_effect": one.effect} for one in result}
    rows = con.to_pyarrow(units).to_pylist()
    return _shown((r["channel"], int(r["credit"]), int(r["cents"]), effects.get(r["channel"], {})) for r in rows)


def _shown(rows: Iterable[tuple[str, int, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    shown = [
        {"channel": channel, "credit": units / credit.UNITS_OF_ONE, "revenue": cents / 100, **more}
        for channel, units, cents, more in rows
        if units or cents
    ]
    return sorted(shown, key=lambda one: (-one["credit"], one["channel"]))
