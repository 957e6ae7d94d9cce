"""Queries of conversions by channel under each attribution model."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import ibis.expr.types as ir

from ecom_assets.commerce.attribution.contracts import (
    CREDIT,
    ChannelAttribution,
    Conversions,
    Touches,
)
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.coverage import LEAST_COVERAGE, coverage_note
from ecom_assets.core.tables.portable import NO
from ecom_assets.core.tables.queries import (
    DECIMALS,
    EVENTS,
    NOTHING,
    ZERO,
    Period,
    Reading,
    by_revenue,
    if_known,
    in_period,
    revenue_compared,
    revenue_of,
    share,
    with_previous,
)

Model = Literal[
    "first", "last", "last_non_direct", "linear", "position", "j", "time_decay", "markov"
]
DEFAULT_MODEL: Final = "last_non_direct"
Unit = Literal["order", "purchase"]
"""What channels get credit for: orders, or purchase events."""


@dataclass(frozen=True)
class VisitCoverage:
    """The revenue of orders of some days, and that of orders of whose buyers any visit is known."""

    revenue_amount: Decimal = ZERO
    met_amount: Decimal = ZERO

    @classmethod
    def of_row(cls, row: NamedValues) -> "VisitCoverage":
        """Return that of the row of `met_revenue`."""
        return cls(row["total"] or ZERO, row["met"] or ZERO)

    @property
    def rate(self) -> float | None:
        """Return the share whose visits are known; None without revenue."""
        return share(self.met_amount, self.revenue_amount) if self.revenue_amount else None

    @property
    def is_too_low(self) -> bool:
        """Return whether too few visits are known to say what brought the orders."""
        return self.rate is not None and self.rate < LEAST_COVERAGE

    def known(self, row: NamedValues, numbers: Iterable[str]) -> Answer:
        """Return a row, with None for some of its numbers where that is so."""
        return {**row, **(dict.fromkeys(numbers) if self.is_too_low else {})}


def coverage_sentence(
    rate: float | None,
    *,
    too_few: str = "too few to say what brought them",
    partly: str = "what is credited is a lower bound",
) -> str:
    """Return how many visits of buyers are known, and what follows from it, as a sentence; empty
    where all are, or nothing was ordered.
    """
    known = "Visits are known for {share} of the revenue of orders"
    return coverage_note(rate, known, too_few=too_few, partly=partly)


def visit_coverage(reading: Reading, period: Period | None) -> VisitCoverage:
    """Return how many of the orders of a period, or of all days, meet visits.

    Of days that events know, without refunds and without renewals, which no visit brings.
    """
    known = reading.known.get(EVENTS, NOTHING)
    if known.first is None or known.last is None:
        return VisitCoverage()
    conversions = reading.table(Conversions)
    conversions = conversions.filter(
        conversions.converted_date >= known.first, conversions.converted_date <= known.last
    )
    touches = reading.table(Touches)
    if period is None:
        (row,) = reading.state(met_revenue(conversions, touches))
    else:
        conversions = conversions.filter(in_period(conversions.converted_date))
        (row,) = reading.rows(met_revenue(conversions, touches), period)
    return VisitCoverage.of_row(row)


def met_revenue(conversions: ir.Table, touches: ir.Table) -> ir.Table:
    """Return one row with the revenue of orders, and that of orders of whose visitors any visit is
    known, for `VisitCoverage.of_row`; without refunds and renewals.

    Args:
        conversions: Rows of `Conversions`, of days that events know.
        touches: All rows of `Touches`.
    """
    orders = counted_orders(conversions)
    visitors = touches.select("visitor_id").distinct().mutate(has_visit=1)
    joined = orders.left_join(visitors, "visitor_id")
    revenue = joined.revenue_amount
    return joined.agg(
        met=joined.has_visit.notnull().ifelse(revenue, 0).sum().cast(MONEY),
        total=revenue.sum().cast(MONEY),
    )


def counted_orders(conversions: ir.Table) -> ir.Table:
    """Return the orders whose visits count, of rows of `Conversions`: no refunds, and no renewals,
    which no visit brings.
    """
    return conversions.filter(
        conversions.unit == "order",
        ~conversions.is_refund,
        ~conversions.is_renewal.fill_null(NO),
    )


def met_too_few(conversions: ir.Table, touches: ir.Table) -> ir.Table:
    """Return one row with `is_too_low`, as `VisitCoverage` has it, of all days that both know.

    For tables that keep numbers of customers' visits. `conversions` and `touches` are all rows of
    `Conversions` and `Touches`.
    """
    seen = touches.agg(first=touches.started_date.min(), last=touches.started_date.max())
    bought = conversions.cross_join(seen)
    bought = bought.filter(
        bought.converted_date >= bought.first, bought.converted_date <= bought.last
    )
    met = met_revenue(bought, touches)
    rate = met.met.cast("float64") / met.total.nullif(0).cast("float64")
    return met.select(is_too_low=(rate.round(DECIMALS) < LEAST_COVERAGE).fill_null(NO))


def credits_of(reading: Reading, period: Period, model: Model, unit: Unit) -> list[Row]:
    """Return the credit of each channel under a model in a period
    (`is_current`) and in the one before.
    """
    table = reading.table(ChannelAttribution)
    rows = with_previous(table.filter(table.unit == unit, table.model == model), "converted_date")
    return reading.rows(_credited(rows, "channel", "is_current"), period)


def compared_channels(rows: list[Row], nothing: Decimal | None, period: Period) -> list[Row]:
    """Return the channels in rows of `credits_of` that have credit in the period or the one before,
    most revenue first.

    `nothing` is the revenue of a channel without a row; None where revenue is unknown.
    """
    now, before = (
        {row["channel"]: row for row in rows if row["is_current"] == which} for which in (1, 0)
    )
    channels = [
        _channel(name, (now.get(name), before.get(name)), nothing, period)
        for name in {**now, **before}
    ]
    whole = revenue_of(channels)
    channels = [{**row, "revenue_share": share(row["revenue_amount"], whole)} for row in channels]
    return sorted(channels, key=lambda row: (by_revenue(row), row["channel"]))


def channels_by_model(reading: Reading, period: Period, unit: Unit) -> dict[str, list[Row]]:
    """Return the credit of each channel in a period by model;
    the channels with most revenue come first.
    """
    table = reading.table(ChannelAttribution)
    rows = table.filter(in_period(table.converted_date), table.unit == unit)
    models: dict[str, list[Row]] = {}
    for row in reading.rows(_credited(rows, "model", "channel"), period):
        models.setdefault(row.pop("model"), []).append(row)
    return {
        model: sorted(models[model], key=lambda row: (by_revenue(row), row["channel"]))
        for model in sorted(models)
    }


def _credited(rows: ir.Table, *keys: str) -> ir.Table:
    return rows.group_by(*keys).agg(
        credit=rows.credit.sum().cast(CREDIT), revenue_amount=rows.revenue_amount.sum().cast(MONEY)
    )


def _channel(
    name: str, rows: tuple[Row | None, Row | None], nothing: Decimal | None, period: Period
) -> Row:
    """Return the numbers of a channel; `nothing` is the revenue without a row,
    None where revenue is unknown.
    """
    now, _ = rows
    revenue, revenue_before = (
        row["revenue_amount"] if row and nothing is not None else nothing for row in rows
    )
    numbers: Answer = {"order_count": round(float(now["credit"]), DECIMALS) if now else 0.0}
    numbers["revenue_amount"] = revenue
    return {
        "channel": name,
        **if_known(numbers, period),
        **revenue_compared(revenue, revenue_before, period),
    }
