"""Products whose stock needs attention. Not here: when it does (`transforms/inventory.py`)."""

from typing import Any, Final, Literal

import ibis

from ecom_assets.answers.reading import Reading
from ecom_assets.answers.sources import require
from ecom_assets.contracts.inventory import ALERTS, InventoryAlerts
from ecom_assets.transforms.inventory_rule import InventoryRule

Kind = Literal["out_of_stock", "low", "overstock", "dead"]
COLUMNS: Final = tuple(InventoryAlerts.columns)


def inventory_alerts(reading: Reading, alert: Kind | None, *, limit: int, offset: int = 0) -> dict[str, Any]:
    """Return the alerts, the most urgent kind first, within it those that last shortest; and how many of each kind.

    Raises:
        NoSourceError: There is no stock.
    """
    require(reading, "stock")
    table = reading.table(InventoryAlerts)
    counted = reading.rows(table.group_by("alert").agg(n=table.count()))
    counts = {row["alert"]: int(row["n"]) for row in counted}
    chosen = table if alert is None else table.filter(table.alert == alert)
    urgency = ibis.cases(*((chosen.alert == name, place) for place, name in enumerate(ALERTS)))
    by_cover = [urgency, chosen.days_of_cover.asc(nulls_first=False), chosen.product_id]
    rows = reading.rows(chosen.order_by(*by_cover).select(*COLUMNS).limit(limit, offset=offset))
    total = sum(counts.values()) if alert is None else counts.get(alert, 0)
    return {"counts": {name: counts.get(name, 0) for name in ALERTS}, "total_count": total, "alerts": rows}


def definition() -> dict[str, Any]:
    """Return what an alert means."""
    rule = InventoryRule()
    return {"alert": InventoryAlerts.columns["alert"].description, **vars(rule)}
