"""Numbers of a daily funnel and its abandoned carts: of a period, of the one before,
and by a dimension.
"""

from operator import itemgetter
from typing import Final, Literal

from ecom_assets.behaviour.funnels.contracts import CARTS, ConversionFunnel
from ecom_assets.behaviour.funnels.daily import ALL_CATEGORIES
from ecom_assets.behaviour.funnels.queries import (
    Unit,
    added_units,
    cart_totals,
    conversion_rate_of,
    funnel_totals,
    known_funnel,
    steps_of,
)
from ecom_assets.behaviour.funnels.report import grouped
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.queries import (
    Period,
    Reading,
    compared,
    if_known,
    in_period,
    require,
    share,
)

By = Literal["device", "channel", "category"]
ABANDONMENT: Final = ("cart_abandonment_rate", "checkout_abandonment_rate")


def conversion(
    reading: Reading, period: Period, funnel: str | None, unit: Unit, by: By | None
) -> Answer:
    """Return a daily funnel and the abandoned carts of a period, of the period before,
    and by a dimension.

    Raises:
        DefinitionError: There is no such funnel, or the dimension is not counted for the unit.
        NoSourceError: There are no events.
    """
    require(reading, "events")
    if by in {"device", "channel"} and unit != "session":
        raise DefinitionError(
            f"by={by} is counted per session; ask with unit=session, or by=category."
        )
    name = known_funnel(reading, funnel)
    steps, before = funnel_totals(reading, period, name, unit)
    carts, carts_before = cart_totals(reading, period)
    now, then = (
        {"conversion_rate": conversion_rate_of(counts), **abandoned}
        for counts, abandoned in ((steps, carts), (before, carts_before))
    )
    beside = compared(now, then, ("conversion_rate", *ABANDONMENT), period)
    previous = {
        "steps": before,
        "conversion_rate": then["conversion_rate"],
        "abandonment": carts_before,
    }
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


def _by_dimension(reading: Reading, period: Period, funnel: str, unit: Unit, by: By) -> list[Row]:
    values = _funnel_rows(reading, period, funnel, unit, by)
    table = reading.table(ConversionByDimension)
    rows = table.filter(
        table.dimension == by, table.funnel_name.isin(list(CARTS)), in_period(table.cohort_date)
    )
    carts: dict[str, list[Row]] = {}
    if unit == "session":
        carts = grouped(
            reading.rows(added_units(rows, ["funnel_name", "value"]), period), itemgetter("value")
        )
    parts = [
        {
            "value": value,
            "steps": steps_of(values.get(value, ())),
            "conversion_rate": conversion_rate_of(steps_of(values.get(value, ()))),
            **_abandonment_of_value(carts.get(value, []), unit),
        }
        for value in {**values, **carts}
    ]
    return sorted(
        parts,
        key=lambda part: (-(part["steps"][0]["unit_count"] if part["steps"] else 0), part["value"]),
    )


def _funnel_rows(
    reading: Reading, period: Period, funnel: str, unit: Unit, by: By
) -> dict[str, list[Row]]:
    if by == "category":
        table = reading.table(ConversionFunnel)
        rows = table.filter(table.unit == unit, table.product_category != ALL_CATEGORIES)
        rows = rows.mutate(value=rows.product_category)
    else:
        table = reading.table(ConversionByDimension)
        rows = table.filter(table.dimension == by)
    rows = rows.filter(rows.funnel_name == funnel, in_period(rows.cohort_date))
    return grouped(reading.rows(added_units(rows, ["value"]), period), itemgetter("value"))


def _abandonment_of_value(rows: list[Row], unit: Unit) -> Row:
    """Return abandonment from the two-step funnels of carts and checkouts,
    which count sessions only.
    """
    counts = {(CARTS[row["funnel_name"]], row["step"]): int(row["unit_count"]) for row in rows}
    totals: Row = {}
    for name in CARTS.values():
        if unit != "session":
            totals |= dict.fromkeys(
                (f"{name}_count", f"abandoned_{name}_count", f"{name}_abandonment_rate")
            )
            continue
        begun, paid = counts.get((name, 1), 0), counts.get((name, 2), 0)
        totals[f"{name}_count"] = begun
        totals[f"abandoned_{name}_count"] = begun - paid
        totals[f"{name}_abandonment_rate"] = share(begun - paid, begun)
    return totals
