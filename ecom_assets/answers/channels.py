"""Revenue by channel, as an attribution model credits it. Not here: the models (`transforms/attribution.py`)."""

from decimal import Decimal
from typing import Any, Final, Literal

from ecom_assets.answers.change import CHANGE, DECIMALS, revenue_compared, share
from ecom_assets.answers.period import Period, with_previous
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.answers.sales import ZERO
from ecom_assets.contracts.attribution import ChannelAttribution
from ecom_assets.contracts.table import MONEY
from ecom_assets.transforms.attribution_rule import AttributionRule

Model = Literal["first", "last", "last_non_direct", "linear", "position", "j", "time_decay", "markov"]
DEFAULT_MODEL: Final = "last_non_direct"
ORDER, PURCHASE = "order", "purchase"
CREDIT: Final = "decimal(18, 9)"
DEFINITION: Final = {
    "channel": "GA4's default channel group of the sessions before the order",
    "order_count": "Credit: over channels it adds up to the orders of the range",
    "revenue_amount": "Credited revenue, net of refunds: over channels it adds up to the revenue of the range",
    "revenue_change": CHANGE,
    "unit": "What is credited: orders; where there are none in the data, purchase events",
}


def by_channel(reading: Reading, period: Period, model: Model) -> dict[str, Any]:
    """Return each channel that is credited with anything in the period or the one before, most revenue first."""
    table = reading.table(ChannelAttribution)
    has_orders = bool(reading.state(table.filter(table.unit == ORDER).select("unit").limit(1)))
    unit = ORDER if has_orders else PURCHASE
    rows = with_previous(table.filter(table.unit == unit, table.model == model), "converted_date")
    found = reading.rows(
        rows.group_by("channel", "is_current").agg(
            credit=rows.credit.sum().cast(CREDIT), revenue_amount=rows.revenue_amount.sum().cast(MONEY)
        ),
        period,
    )
    now, before = ({row["channel"]: row for row in found if row["is_current"] == which} for which in (1, 0))
    whole = sum((row["revenue_amount"] for row in now.values()), ZERO)
    channels = [_channel(name, (now.get(name), before.get(name)), whole, period) for name in {**now, **before}]
    channels.sort(key=lambda row: (-row["revenue_amount"], row["channel"]))
    return {"model": model, "unit": unit, "channels": channels}


def definition(rule: AttributionRule) -> dict[str, Any]:
    """Return what credit means, with the look-back that it was given by."""
    return {**DEFINITION, "lookback_days": rule.lookback_days}


def _channel(name: str, rows: tuple[Row | None, Row | None], whole: Decimal, period: Period) -> Row:
    now, _ = rows
    here, there = (row["revenue_amount"] if row else ZERO for row in rows)
    return {
        "channel": name,
        "order_count": round(float(now["credit"]), DECIMALS) if now else 0.0,
        "revenue_amount": here,
        "revenue_share": share(here, whole),
        **revenue_compared(here, there, period),
    }
