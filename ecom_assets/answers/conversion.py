"""Funnels and abandoned carts of a period, in total and by device, channel or category: METRICS "Funnel".

Sums of daily funnels. Not here: how those are counted (`transforms/conversion_funnel.py`,
`transforms/conversion_dimensions.py`), other funnels (`funnel.py`).
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

import ibis.expr.types as ir

from ecom_assets.answers.change import CHANGE, compared, if_known, share
from ecom_assets.answers.period import Period, in_period, with_previous
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.answers.sources import require
from ecom_assets.contracts.cart_abandonment import CartAbandonment
from ecom_assets.contracts.conversion_dimensions import CARTS, ConversionByDimension
from ecom_assets.contracts.conversion_funnel import ConversionFunnel
from ecom_assets.contracts.table import MONEY
from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.transforms.conversion_funnel import ALL_CATEGORIES
from ecom_assets.transforms.daily_funnel import DEFAULT_NAME

Unit = Literal["session", "visitor"]
By = Literal["device", "channel", "category"]
CART_COUNTS: Final = ("cart_count", "abandoned_cart_count", "checkout_count", "abandoned_checkout_count")
CART_AMOUNTS: Final = ("cart_amount", "abandoned_cart_amount")
ABANDONMENT: Final = ("cart_abandonment_rate", "checkout_abandonment_rate")
DEFINITION: Final = {
    "conversion_rate": "Units at the last step, among those at the first",
    "funnel": "The daily funnel of mart.conversion_funnel: units by the day on which they started, in order of steps",
    "abandonment": "Per session: carts (sessions with an add_to_cart) without a purchase in the session; checkouts "
    "(sessions with a checkout_start) likewise",
    "cart_amount": CartAbandonment.columns["cart_amount"].description,
    "change": CHANGE,
    "device": "Told by the browser of the session's first event; `other` where it says nothing",
    "channel": "The session's, see mart.touches; `(none)` without one",
    "category": "The first that the session saw; `(none)` without one",
}


def conversion(reading: Reading, period: Period, funnel: str | None, unit: Unit, by: By | None) -> dict[str, Any]:
    """Return the funnel and the abandoned carts of a period, of the one before, and by a dimension.

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
        {"conversion_rate": _rate(one), **abandoned} for one, abandoned in ((steps, carts), (before, carts_before))
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
    found = reading.state(table.select("funnel_name").distinct().order_by("funnel_name"))
    names = [row["funnel_name"] for row in found]
    if funnel is None:
        return DEFAULT_NAME if DEFAULT_NAME in names or not names else names[0]
    if funnel not in names:
        raise DefinitionError(f"There is no daily funnel {funnel!r}; {did_you_mean(funnel, names)}.")
    return funnel


def _totals(reading: Reading, period: Period, funnel: str, unit: Unit) -> tuple[list[Row], list[Row]]:
    table = reading.table(ConversionFunnel)
    rows = table.filter(table.funnel_name == funnel, table.unit == unit, table.product_category == ALL_CATEGORIES)
    found = reading.rows(_added(with_previous(rows, "cohort_date"), ["is_current"]), period)
    return tuple(_steps(row for row in found if row["is_current"] == which) for which in (1, 0))  # type: ignore[return-value]  # two, as there are two


def _by_dimension(reading: Reading, period: Period, funnel: str, unit: Unit, by: By) -> list[Row]:
    values = _funnel_rows(reading, period, funnel, unit, by)
    table = reading.table(ConversionByDimension)
    rows = table.filter(table.dimension == by, table.funnel_name.isin(list(CARTS)), in_period(table.cohort_date))
    carts: dict[str, list[Row]] = {}
    if unit == "session":
        for row in reading.rows(_added(rows, ["funnel_name", "value"]), period):
            carts.setdefault(row["value"], []).append(row)
    parts = [
        {
            "value": value,
            "steps": _steps(values.get(value, ())),
            "conversion_rate": _rate(_steps(values.get(value, ()))),
            **_left_behind(carts.get(value, []), unit),
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
    found: dict[str, list[Row]] = {}
    for row in reading.rows(_added(rows, ["value"]), period):
        found.setdefault(row["value"], []).append(row)
    return found


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
            "conversion_from_previous_rate": share(count, counts[max(place - 1, 0)]),
        }
        for place, (row, count) in enumerate(zip(counted, counts, strict=True))
    ]


def _rate(steps: list[Row]) -> float | None:
    return share(steps[-1]["unit_count"], steps[0]["unit_count"]) if steps else None


def _carts(reading: Reading, period: Period) -> tuple[Row, Row]:
    """Return abandoned carts and checkouts of sessions, of the period and of the one before."""
    table = reading.table(CartAbandonment)
    rows = with_previous(table.filter(table.unit == "session"), "cart_date")
    sums: dict[str, ir.Value] = {name: rows[name].sum().cast("int64") for name in CART_COUNTS}
    sums |= {name: rows[name].sum().cast(MONEY) for name in CART_AMOUNTS}
    found = {row["is_current"]: row for row in reading.rows(rows.group_by("is_current").agg(**sums), period)}
    return _abandonment(found.get(1)), _abandonment(found.get(0))


def _abandonment(row: Row | None) -> Row:
    counts = {name: int(row[name]) if row else 0 for name in CART_COUNTS}
    return {
        **counts,
        "cart_abandonment_rate": share(counts["abandoned_cart_count"], counts["cart_count"]),
        "checkout_abandonment_rate": share(counts["abandoned_checkout_count"], counts["checkout_count"]),
        **{name: row[name] if row else None for name in CART_AMOUNTS},
    }


def _left_behind(rows: list[Row], unit: Unit) -> Row:
    """Return abandonment from the two-step funnels of carts and checkouts, which are counted of sessions alone."""
    counts = {(CARTS[row["funnel_name"]], row["step"]): int(row["unit_count"]) for row in rows}
    told: Row = {}
    for name in CARTS.values():
        if unit != "session":
            told |= dict.fromkeys((f"{name}_count", f"abandoned_{name}_count", f"{name}_abandonment_rate"))
            continue
        begun, paid = counts.get((name, 1), 0), counts.get((name, 2), 0)
        told[f"{name}_count"] = begun
        told[f"abandoned_{name}_count"] = begun - paid
        told[f"{name}_abandonment_rate"] = share(begun - paid, begun)
    return told
