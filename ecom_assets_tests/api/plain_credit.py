"""Which channels the small shop's orders are credited to, in plain Python."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import pytest

from ecom_assets_tests.api.plain_shop import ZERO, PlainShop, Row, Span
from ecom_assets_tests.attribution.attribution_reference import LOOKBACK_S, shares

Credit = dict[str, tuple[Fraction, Fraction]]
"""Orders and revenue by channel."""
NOTHING: Final = (Fraction(0), Fraction(0))


def credited(shop: PlainShop, span: Span, model: str) -> Credit:
    """Orders and revenue of some days; a refund takes back from those to whom the last order was credited."""
    actual: Credit = defaultdict(lambda: NOTHING)
    by_order: dict[tuple[Any, str], list[Row]] = defaultdict(list)
    for line in shop.lines:
        if span.has(line["day"]):
            by_order[line["order"], line["status"]].append(line)
    for (order, status), lines in by_order.items():
        is_sale = status == "shipped"
        amount = Fraction(sum((line["amount"] for line in lines), ZERO)) * (1 if is_sale else -1)
        who, at = order if is_sale else _last_order(shop, *order)
        for channel, share in shares(model, _touches(shop, who, at), _second(at)).items():
            orders, revenue = actual[channel]
            actual[channel] = (orders + share * is_sale, revenue + share * amount)
    return dict(actual)


def attribution(shop: PlainShop) -> Row:
    """`POST /analytics/attribution` of all purchase events, each to the visits before it in equal parts."""
    actual: Credit = defaultdict(lambda: NOTHING)
    bought = [event for event in shop.events if event["event_type"] == "purchase"]
    for event in bought:
        paid = Fraction(Decimal(event["cart_value"] or 0))
        for channel, share in shares(
            "linear", _touches(shop, event["user_id"], event["at"]), _second(event["at"])
        ).items():
            credit, revenue = actual[channel]
            actual[channel] = (credit + share, revenue + share * paid)
    in_order = sorted(actual, key=lambda channel: (-actual[channel][0], channel))
    channels = [
        {
            "channel": channel,
            "credit": pytest.approx(float(actual[channel][0]), abs=1e-6),
            "revenue": pytest.approx(float(actual[channel][1]), abs=0.05),
            "removal_effect": None,
        }
        for channel in in_order
    ]
    counts = {"event_count": len(shop.events), "conversions": len(bought), "total_count": len(channels)}
    return {**counts, "model": "linear", "channels": channels, "notes": []}


def _last_order(shop: PlainShop, who: str, at: datetime) -> tuple[str, datetime]:
    """The last order before a refund."""
    shipped = (line["order"] for line in shop.lines if line["status"] == "shipped")
    return who, max(when for customer, when in shipped if customer == who and when <= at)


def _touches(shop: PlainShop, who: str, at: datetime) -> list[tuple[int, str]]:
    """When sessions of the look-back started, and the channel by which each came."""
    starts = sorted((_second(one.events[0]["at"]), one.channel) for one in shop.sessions if one.who == who)
    return [touch for touch in starts if _second(at) - LOOKBACK_S <= touch[0] <= _second(at)]


def _second(at: datetime) -> int:
    return int(at.timestamp())


def money(amount: Fraction) -> str:
    """An amount as answers have it."""
    return f"{Decimal(amount.numerator) / Decimal(amount.denominator):.2f}"
