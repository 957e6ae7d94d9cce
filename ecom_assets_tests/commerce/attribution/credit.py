"""From stories of touches and conversions to the credit that the transforms give."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from ibis.backends.duckdb import Backend

from ecom_assets.commerce.attribution.contracts import ChannelRemovalEffects, Conversions, Touches
from ecom_assets.commerce.attribution.credit import (
    AttributionRule,
    channel_attribution,
    conversion_credit,
)
from ecom_assets.commerce.attribution.markov import (
    converting_days,
    removal_effect_rows,
    removal_effects,
    step_spans,
    steps_on,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, as_table
from ecom_assets_tests.commerce.attribution.attribution_reference import Story

RULE = AttributionRule()
START = datetime.combine(DAY_ONE, datetime.min.time())
ONE_DAY_S = 86_400
ONE_PERIOD = AttributionRule(period_days=400)
"""A chain of every path of a story."""


@cache
def warehouse() -> Backend:
    """A DuckDB in memory whose tables the tests exchange."""
    con = connect()
    con.raw_sql("SET threads = 1")
    for name, contract in TABLES.items():
        con.con.register(name, as_table([], contract))
    return con


TABLES = {"touches": Touches, "conversions": Conversions, "effects": ChannelRemovalEffects}


@cache
def sql(output: str, rule: AttributionRule, days: Days) -> str:
    """Compile once per rule and days."""
    con = warehouse()
    touches, conversions, effects = (con.table(name) for name in TABLES)
    if output == "credit":
        return str(
            con.compile(
                channel_attribution(conversion_credit(conversions, touches, rule, days), effects)
            )
        )
    spans = step_spans(conversions, touches, rule, days)
    return str(
        con.compile(steps_on(spans, days).semi_join(converting_days(spans), ["unit", "day"]))
    )


def moment(at_s: int) -> datetime:
    """Return the instant so many seconds after the first day began."""
    return START + timedelta(seconds=at_s)


def let_happen(
    stories: Sequence[Story], cents: Sequence[int] = (), refunds: Sequence[Row] = ()
) -> None:
    """Let these be all touches and conversions;
    `cents` are worth in the order of the conversions.
    """
    touches, conversions = [], list(refunds)
    worth = iter(cents)
    for number, story in enumerate(stories):
        who = f"v{number}"
        touches += [touch(who, at_s, channel) for at_s, channel in story.touches]
        conversions += [
            bought(who, at_s, next(worth, 0), f"{who}-{n}")
            for n, at_s in enumerate(story.conversions)
        ]
    con = warehouse().con
    con.register("touches", as_table(touches, Touches))
    con.register("conversions", as_table(conversions, Conversions))


def touch(who: str, at_s: int, channel: str) -> Row:
    """Return a session that started then and came by that channel."""
    started_at = moment(at_s)
    named = dict.fromkeys(("source", "medium", "campaign", "source_lists_version"), "")
    row: Row = {
        "session_id": f"{who}-{at_s}",
        "visitor_id": who,
        "started_at": started_at,
        "is_bot": False,
    }
    return row | named | {"started_date": started_at.date(), "channel": channel}


def bought(who: str, at_s: int, cents: int, name: str, **changed: Any) -> Row:
    """Return a purchase, or a refund if `is_refund`, worth so many cents."""
    at = moment(at_s)
    row: Row = {"unit": "purchase", "conversion_id": name, "visitor_id": who, "is_refund": False}
    row |= {
        "converted_at": at,
        "converted_date": at.date(),
        "revenue_amount": Decimal(cents).scaleb(-2),
    }
    return row | changed


def effects_on(days: Days, rule: AttributionRule = RULE) -> list[Row]:
    """Solve the chains of some days, keep their effects, and return them."""
    con = warehouse().con
    counted = con.sql(sql("steps", rule, days)).to_arrow_table().to_pylist()
    chains: dict[tuple[date, str], dict[tuple[str, str], int]] = {}
    for row in counted:
        chains.setdefault((row["day"], row["unit"]), {})[row["here"], row["there"]] = int(
            row["step_count"]
        )
    answer = removal_effect_rows(
        (*key, removal_effects(steps, 10**9)) for key, steps in sorted(chains.items())
    )
    con.register("effects", answer)
    rows: list[Row] = answer.to_pylist()
    return rows


def credit_on(days: Days, rule: AttributionRule = RULE) -> list[Row]:
    """Return the rows of `ChannelAttribution` for some days; `effects_on` comes
    first where Markov matters.
    """
    rows: list[Row] = warehouse().con.sql(sql("credit", rule, days)).to_arrow_table().to_pylist()
    return rows


def by_channel(rows: Sequence[Row], model: str, column: str = "credit") -> Mapping[str, Decimal]:
    """Add up what a model credits each channel with."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row["model"] == model:
            sums[row["channel"]] = sums.get(row["channel"], Decimal(0)) + row[column]
    return sums
