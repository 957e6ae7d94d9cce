"""Numbers of the daily funnels, and of abandoned carts."""

from collections.abc import Iterable
from datetime import date
from operator import itemgetter
from typing import Any, Final, Literal, get_args

import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.funnels.contracts import CARTS, CartAbandonment, ConversionByDimension, ConversionFunnel
from ecom_assets.funnels.daily import ALL_CATEGORIES, DEFAULT_NAME
from ecom_assets.funnels.measures import CartAmounts, CartMeasures
from ecom_assets.funnels.report import grouped, plain_steps
from ecom_assets.retention.contracts import ReturningVisitorsDaily
from ecom_assets.tables.measures import completed, measures_of, sums
from ecom_assets.tables.queries import (
    Period,
    Reading,
    Row,
    compared,
    if_known,
    in_period,
    require,
    share,
    with_previous,
)

Unit = Literal["session", "visitor"]
By = Literal["device", "channel", "category"]
ABANDONMENT: Final = ("cart_abandonment_rate", "checkout_abandonment_rate")


def conversion(reading: Reading, period: Period, funnel: str | None, unit: Unit, by: By | None) -> dict[str, Any]:
    """Return a daily funnel and the abandoned carts of a period, of the period before, and by a dimension.

    Raises:
        DefinitionError: There is no such funnel, or the dimension is not counted for the unit.
        NoSourceError: There are no events.
    """
    require(reading, "events")
    if by in {"device", "channel"} and unit != "session":
        raise DefinitionError(f"by={by} is counted per session; ask with unit=session, or by=category.")
    name = _known_funnel(reading, funnel)
    steps, before = _totals(reading, period, name, unit)
    carts, carts_before = _carts(reading, period)
    now, then = (
        {"conversion_rate": _rate(counts), **abandoned}
        for counts, abandoned in ((steps, carts), (before, carts_before))
    )
    beside = compared(now, then, ("conversion_rate", *ABANDONMENT), period)
    previous = {"steps": before, "conversion_rate": then["conversion_rate"], "abandonment": carts_before}
    return {
        "funnel_name": name,
        "unit": unit,
        "by": by,
        "steps": steps,
        "conversion_rate": now["conversion_rate"],
        "abandonment": if_known(carts, period),
        **beside,
        "previous": beside["previous"] and previous,
        "breakdown": _by_dimension(reading, period, name, unit, by) if by else [],
    }


def _known_funnel(reading: Reading, funnel: str | None) -> str:
    table = reading.table(ConversionFunnel)
    rows = reading.state(table.select("funnel_name").distinct().order_by("funnel_name"))
    names = [row["funnel_name"] for row in rows]
    if funnel is None:
        return DEFAULT_NAME if DEFAULT_NAME in names or not names else names[0]
    if funnel not in names:
        raise DefinitionError(f"There is no daily funnel {funnel!r}; {did_you_mean(funnel, names)}.")
    return funnel


def _totals(reading: Reading, period: Period, funnel: str, unit: Unit) -> tuple[list[Row], list[Row]]:
    table = reading.table(ConversionFunnel)
    rows = table.filter(table.funnel_name == funnel, table.unit == unit, table.product_category == ALL_CATEGORIES)
    result = reading.rows(_added(with_previous(rows, "cohort_date"), ["is_current"]), period)
    parts = grouped(result, itemgetter("is_current"))
    return _steps(parts.get(1, ())), _steps(parts.get(0, ()))


def daily_conversion(reading: Reading, period: Period, funnel: str | None = None, unit: Unit = "session") -> list[Row]:
    """Return the conversion rate of a daily funnel on each day of a period.

    Raises:
        DefinitionError: There is no such funnel.
    """
    table, name = reading.table(ConversionFunnel), _known_funnel(reading, funnel)
    rows = table.filter(table.funnel_name == name, table.unit == unit, table.product_category == ALL_CATEGORIES)
    sums = reading.rows(_added(rows.filter(in_period(rows.cohort_date)), ["cohort_date"]), period)
    days: dict[date, list[Row]] = grouped(sums, itemgetter("cohort_date"))
    return [{"event_date": day, "conversion_rate": _rate(_steps(days[day]))} for day in sorted(days)]


def _by_dimension(reading: Reading, period: Period, funnel: str, unit: Unit, by: By) -> list[Row]:
    values = _funnel_rows(reading, period, funnel, unit, by)
    table = reading.table(ConversionByDimension)
    rows = table.filter(table.dimension == by, table.funnel_name.isin(list(CARTS)), in_period(table.cohort_date))
    carts: dict[str, list[Row]] = {}
    if unit == "session":
        carts = grouped(reading.rows(_added(rows, ["funnel_name", "value"]), period), itemgetter("value"))
    parts = [
        {
            "value": value,
            "steps": _steps(values.get(value, ())),
            "conversion_rate": _rate(_steps(values.get(value, ()))),
            **_abandonment_of_value(carts.get(value, []), unit),
        }
        for value in {**values, **carts}
    ]
    return sorted(parts, key=lambda part: (-(part["steps"][0]["unit_count"] if part["steps"] else 0), part["value"]))


def _funnel_rows(reading: Reading, period: Period, funnel: str, unit: Unit, by: By) -> dict[str, list[Row]]:
    if by == "category":
        table = reading.table(ConversionFunnel)
        rows = table.filter(table.unit == unit, table.product_category != ALL_CATEGORIES)
        rows = rows.mutate(value=rows.product_category)
    else:
        table = reading.table(ConversionByDimension)
        rows = table.filter(table.dimension == by)
    rows = rows.filter(rows.funnel_name == funnel, in_period(rows.cohort_date))
    return grouped(reading.rows(_added(rows, ["value"]), period), itemgetter("value"))


def _added(rows: ir.Table, unit: list[str]) -> ir.Table:
    return rows.group_by(*unit, "step", "event_type").agg(unit_count=rows.unit_count.sum().cast("int64"))


def _steps(rows: Iterable[Row]) -> list[Row]:
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


def _rate(steps: list[Row]) -> float | None:
    return share(steps[-1]["unit_count"], steps[0]["unit_count"]) if steps else None


def _carts(reading: Reading, period: Period) -> tuple[Row, Row]:
    """Return the abandoned carts and checkouts of sessions, in the period and in the one before."""
    table = reading.table(CartAbandonment)
    rows = with_previous(table.filter(table.unit == "session"), "cart_date")
    added = rows.group_by("is_current").agg(**sums(rows, CartMeasures), **sums(rows, CartAmounts))
    result = {row["is_current"]: row for row in reading.rows(added, period)}
    return _abandonment(result.get(1)), _abandonment(result.get(0))


def _abandonment(row: Row | None) -> Row:
    amounts = {name: row[name] if row else None for name in measures_of(CartAmounts)}
    return completed(row, CartMeasures) | amounts


def _abandonment_of_value(rows: list[Row], unit: Unit) -> Row:
    """Return abandonment from the two-step funnels of carts and checkouts, which count sessions only."""
    counts = {(CARTS[row["funnel_name"]], row["step"]): int(row["unit_count"]) for row in rows}
    totals: Row = {}
    for name in CARTS.values():
        if unit != "session":
            totals |= dict.fromkeys((f"{name}_count", f"abandoned_{name}_count", f"{name}_abandonment_rate"))
            continue
        begun, paid = counts.get((name, 1), 0), counts.get((name, 2), 0)
        totals[f"{name}_count"] = begun
        totals[f"abandoned_{name}_count"] = begun - paid
        totals[f"{name}_abandonment_rate"] = share(begun - paid, begun)
    return totals


UNITS: Final = get_args(Unit)


def daily_funnels(reading: Reading, period: Period) -> dict[str, dict[str, list[Row]]]:
    """Return the steps of each daily funnel, by its name and unit, over the days of a period."""
    table = reading.table(ConversionFunnel)
    period_rows = table.filter(in_period(table.cohort_date), table.product_category == ALL_CATEGORIES)
    keys = ["funnel_name", "unit", "step", "event_type"]
    sums = reading.rows(period_rows.group_by(keys).agg(units=period_rows.unit_count.sum()).order_by(keys), period)
    return {
        name: {unit: _plain_steps([row for row in rows if row["unit"] == unit]) for unit in UNITS}
        for name, rows in grouped(sums, itemgetter("funnel_name")).items()
    }


def _plain_steps(rows: list[Row]) -> list[Row]:
    return plain_steps([row["event_type"] for row in rows], [int(row["units"]) for row in rows])


def final_carts(reading: Reading, period: Period) -> list[dict[str, Any]]:
    """Return the carts of a period by unit and horizon, counting only those whose horizon is over in the data."""
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
    return [row | {"rate": row["abandoned"] / row["carts"] if row["carts"] else None} for row in rows]
