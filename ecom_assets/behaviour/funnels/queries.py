"""Numbers of the daily funnels, and of abandoned carts."""

from collections.abc import Iterable
from datetime import date
from operator import itemgetter
from typing import Final, Literal, get_args

import ibis.expr.types as ir

from ecom_assets.behaviour.events.recorded import not_recorded
from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.behaviour.funnels.daily import ALL_CATEGORIES, DEFAULT_NAME
from ecom_assets.behaviour.funnels.measures import CartAmounts, CartMeasures
from ecom_assets.behaviour.funnels.report import grouped, plain_steps
from ecom_assets.behaviour.retention.contracts import ReturningVisitorsDaily
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.measures import completed, measures_of, sums_of_periods
from ecom_assets.core.tables.queries import Period, Reading, in_period, share, with_previous

Unit = Literal["session", "visitor"]


def known_funnel(reading: Reading, funnel: str | None) -> str:
    """Return the name of a daily funnel that there is, by default `default` or else the first.

    Raises:
        DefinitionError: There is no such funnel.
    """
    table = reading.table(ConversionFunnel)
    rows = reading.state(table.select("funnel_name").distinct().order_by("funnel_name"))
    names = [row["funnel_name"] for row in rows]
    if funnel is None:
        return DEFAULT_NAME if DEFAULT_NAME in names or not names else names[0]
    if funnel not in names:
        raise DefinitionError(
            f"There is no daily funnel {funnel!r}; {did_you_mean(funnel, names)}."
        )
    return funnel


def default_steps(reading: Reading) -> tuple[str, ...]:
    """Return the event types of the default daily funnel as it is stored; none if nothing is."""
    table = reading.table(ConversionFunnel)
    totals = table.filter(
        table.funnel_name == DEFAULT_NAME, table.product_category == ALL_CATEGORIES
    )
    steps = totals.select("step", "event_type").distinct().order_by("step", "event_type")
    return tuple(row["event_type"] for row in reading.state(steps))


def funnel_totals(
    reading: Reading, period: Period, funnel: str, unit: Unit
) -> tuple[list[Row], list[Row]]:
    """Return the steps of a daily funnel in total, in the period and in the one before."""
    table = reading.table(ConversionFunnel)
    rows = table.filter(
        table.funnel_name == funnel, table.unit == unit, table.product_category == ALL_CATEGORIES
    )
    result = reading.rows(added_units(with_previous(rows, "cohort_date"), ["is_current"]), period)
    parts = grouped(result, itemgetter("is_current"))
    return steps_of(parts.get(1, ())), steps_of(parts.get(0, ()))


ENTERED: Final = "entered_unit_count"
"""The name of how many got to the first step on a day."""


def daily_conversion(
    reading: Reading, period: Period, funnel: str | None = None, unit: Unit = "session"
) -> list[Row]:
    """Return the conversion rate of a daily funnel on each day of a period, and how many entered.

    Raises:
        DefinitionError: There is no such funnel.
    """
    table, name = reading.table(ConversionFunnel), known_funnel(reading, funnel)
    rows = table.filter(
        table.funnel_name == name, table.unit == unit, table.product_category == ALL_CATEGORIES
    )
    sums = reading.rows(
        added_units(rows.filter(in_period(rows.cohort_date)), ["cohort_date"]), period
    )
    days: dict[date, list[Row]] = grouped(sums, itemgetter("cohort_date"))
    steps = {day: steps_of(days[day]) for day in sorted(days)}
    return [
        {
            "event_date": day,
            "conversion_rate": conversion_rate_of(of_day),
            ENTERED: of_day[0]["unit_count"],
        }
        for day, of_day in steps.items()
    ]


def added_units(rows: ir.Table, unit: list[str]) -> ir.Table:
    """Return the units that reached each step, added up by some columns."""
    return rows.group_by(*unit, "step", "event_type").agg(
        unit_count=rows.unit_count.sum().cast("int64")
    )


def steps_of(rows: Iterable[Row]) -> list[Row]:
    """Return the steps of a funnel with their rates, from the units that reached each."""
    counted = sorted(rows, key=lambda row: (row["step"], row["event_type"]))
    counts = [int(row["unit_count"]) for row in counted]
    return [
        {
            "step": int(row["step"]),
            "event_type": row["event_type"],
            "unit_count": count,
            "conversion_from_start_rate": share(count, counts[0]),
            "conversion_from_previous_rate": share(count, counts[max(number - 1, 0)]),
        }
        for number, (row, count) in enumerate(zip(counted, counts, strict=True))
    ]


def conversion_rate_of(steps: list[Row]) -> float | None:
    """Return the share of units at step 1 that reached the last step; None without steps."""
    return share(steps[-1]["unit_count"], steps[0]["unit_count"]) if steps else None


def cart_totals(reading: Reading, period: Period) -> tuple[Row, Row]:
    """Return the abandoned carts and checkouts of sessions, in the period and in the one before."""
    table = reading.table(CartAbandonment)
    daily = table.filter(table.unit == "session")
    now, before = sums_of_periods(reading, daily, "cart_date", period, CartMeasures, CartAmounts)
    lacks = not_recorded(reading)
    return _abandonment(now, lacks), _abandonment(before, lacks)


def _abandonment(row: Row | None, lacks: frozenset[str]) -> Row:
    amounts = {name: row[name] if row else None for name in measures_of(CartAmounts)}
    return completed(row, CartMeasures, lacks) | amounts


UNITS: Final = get_args(Unit)


def daily_funnels(reading: Reading, period: Period) -> dict[str, dict[str, list[Row]]]:
    """Return the steps of each daily funnel, by its name and unit, over the days of a period."""
    table = reading.table(ConversionFunnel)
    period_rows = table.filter(
        in_period(table.cohort_date), table.product_category == ALL_CATEGORIES
    )
    keys = ["funnel_name", "unit", "step", "event_type"]
    sums = reading.rows(
        period_rows.group_by(keys).agg(units=period_rows.unit_count.sum()).order_by(keys), period
    )
    return {
        name: {unit: _plain_steps([row for row in rows if row["unit"] == unit]) for unit in UNITS}
        for name, rows in grouped(sums, itemgetter("funnel_name")).items()
    }


def _plain_steps(rows: list[Row]) -> list[Row]:
    return plain_steps([row["event_type"] for row in rows], [int(row["units"]) for row in rows])


def final_carts(reading: Reading, period: Period) -> list[Row]:
    """Return the carts of a period by unit and horizon,
    counting only those whose horizon is over in the data.
    """
    table = reading.table(CartAbandonment)
    newest_date = reading.table(ReturningVisitorsDaily).event_date.max().as_scalar()
    carts = table.filter(in_period(table.cart_date), table.final_from_date <= newest_date)
    sums = carts.group_by("unit", "horizon_s").agg(
        carts=carts.cart_count.sum(),
        abandoned=carts.abandoned_cart_count.sum(),
        recovered=carts.recovered_cart_count.sum(),
        abandoned_amount=carts.abandoned_cart_amount.sum(),
    )
    rows = reading.rows(sums.order_by("horizon_s"), period)
    return [
        row | {"rate": row["abandoned"] / row["carts"] if row["carts"] else None} for row in rows
    ]
