"""Revenue by channel, as an attribution model credits it. Not here: the models (`attribution/credit.py`)."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, Literal

from ecom_assets.attribution.contracts import ChannelAttribution
from ecom_assets.attribution.rule import AttributionRule
from ecom_assets.orders.orders import NONE
from ecom_assets.sales.coverage import DEFINITION as SOURCE
from ecom_assets.sales.coverage import ORDERS, find_sales_source, knows_revenue, sales_source
from ecom_assets.sales.queries import by_revenue, revenue_of, sales_by
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.queries import (
    CHANGE,
    DECIMALS,
    ZERO,
    NoSourceError,
    Period,
    Reading,
    Row,
    if_known,
    require,
    revenue_compared,
    share,
    with_previous,
)

Model = Literal["first", "last", "last_non_direct", "linear", "position", "j", "time_decay", "markov"]
DEFAULT_MODEL: Final = "last_non_direct"
ORDER, PURCHASE = "order", "purchase"
Dimension = Literal["marketing_channel", "sales_channel"]
MARKETING_CHANNEL: Final[Dimension] = "marketing_channel"
SALES_CHANNEL: Final[Literal["sales_channel"]] = "sales_channel"
Coverage = Literal["whole", "part", "none"]
CHANNEL_NUMBERS: Final = ("order_count", "revenue_amount", "revenue_share", "previous_revenue_amount", "revenue_change")
CREDIT: Final = "decimal(18, 9)"
DEFINITION: Final = {
    "channel": "GA4's default channel group of the sessions before the order",
    "order_count": "Credit: over channels it adds up to the orders of the range",
    "revenue_amount": "Credited revenue, net of refunds: over channels it adds up to the revenue of the range",
    "revenue_change": CHANGE,
    "channel_data": "How much of the range names a channel: all of it (whole), some, or nothing; `(none)` has "
    "the rest; null where nothing was sold",
    "unit": "What is credited: orders; where there are none in the data, purchase events",
    **SOURCE,
}


def by_channel(reading: Reading, period: Period, model: Model) -> dict[str, Any]:
    """Return each channel that is credited with anything in the period or the one before, most revenue first.

    Raises:
        NoSourceError: There are no events, which tell channels, or neither order lines nor purchase events.
    """
    require(reading, "events")
    source, table = sales_source(reading), reading.table(ChannelAttribution)
    unit = ORDER if source == ORDERS else PURCHASE
    rows = with_previous(table.filter(table.unit == unit, table.model == model), "converted_date")
    found = reading.rows(
        rows.group_by("channel", "is_current").agg(
            credit=rows.credit.sum().cast(CREDIT), revenue_amount=rows.revenue_amount.sum().cast(MONEY)
        ),
        period,
    )
    now, before = ({row["channel"]: row for row in found if row["is_current"] == which} for which in (1, 0))
    nothing = ZERO if knows_revenue(reading) else None
    channels = [_channel(name, (now.get(name), before.get(name)), nothing, period) for name in {**now, **before}]
    whole = revenue_of(channels)
    channels = [{**row, "revenue_share": share(row["revenue_amount"], whole)} for row in channels]
    channels.sort(key=lambda row: (by_revenue(row), row["channel"]))
    told = {"source": source, "dimension": MARKETING_CHANNEL, "model": model, "unit": unit}
    return {**told, "channel_data": coverage((row["channel"], row) for row in channels), "channels": channels}


def by_sales_channel(reading: Reading, period: Period) -> dict[str, Any]:
    """Return each sales channel that anything was sold or refunded on in the period or the one before, likewise.

    Raises:
        NoSourceError: There are no order lines, which tell sales channels.
    """
    if find_sales_source(reading) != ORDERS:
        raise NoSourceError(
            "There are no order lines, which tell sales channels; set ECOM_ORDERS or ECOM_ORDER_API_URL, and run "
            "`ecom run`."
        )
    found = sales_by(reading, period, SALES_CHANNEL)
    channels = [
        {"channel": name, **{one: row[one] for one in CHANNEL_NUMBERS}}
        for name, row in sorted(found.items(), key=lambda pair: (by_revenue(pair[1]), pair[0]))
    ]
    told = {"source": ORDERS, "dimension": SALES_CHANNEL, "model": None, "unit": ORDER}
    return {**told, "channel_data": coverage(found.items()), "channels": channels}


def coverage(rows: Iterable[tuple[str, Row]]) -> Coverage | None:
    """Return how much of what was sold names a channel, or a category; None where nothing was sold.

    Args:
        rows: Names with their numbers; `(none)` has what names none.
    """
    known = [name != NONE for name, row in rows if row["order_count"] or row["revenue_amount"]]
    if not known:
        return None
    return "whole" if all(known) else "part" if any(known) else "none"


SALES_DEFINITION: Final = {
    **DEFINITION,
    "channel": "Where it was sold, as the order line says: web, app, store, marketplace, or the shop's own names",
    "order_count": "Orders with a line sold there; an order of two sales channels counts in both",
    "revenue_amount": "Revenue, net of refunds: over sales channels it adds up to the revenue of the range",
}


def definition(rule: AttributionRule) -> dict[str, Any]:
    """Return what credit means, with the look-back that it was given by."""
    return {**DEFINITION, "lookback_days": rule.lookback_days}


def _channel(name: str, rows: tuple[Row | None, Row | None], nothing: Decimal | None, period: Period) -> Row:
    """Return a channel's numbers; `nothing` is what no row comes to, None where revenue is unknown."""
    now, _ = rows
    here, there = (row["revenue_amount"] if row and nothing is not None else nothing for row in rows)
    told = {"order_count": round(float(now["credit"]), DECIMALS) if now else 0.0, "revenue_amount": here}
    return {"channel": name, **if_known(told, period), **revenue_compared(here, there, period)}
