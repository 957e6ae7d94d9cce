"""Sales by country, region and city. Not here: which city is where (`transforms/known_cities.py`)."""

from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.answers.change import share
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import NoSourceError, Reading
from ecom_assets.answers.sales import added, by_revenue, numbers, revenue_of
from ecom_assets.answers.sources import ORDERS, sales_source
from ecom_assets.contracts.sales import City, PurchaseRevenueDaily, RevenueDaily
from ecom_assets.transforms.order_dimensions import UNKNOWN
from ecom_assets.transforms.orders import ALL

Level = Literal["country", "region", "city"]
PLACE_COLUMNS: Final = {
    "country": ["country"],
    "region": ["country", "region"],
    "city": ["country", "region", "city_id", "city_name"],
}
"""What tells places of a level apart."""


def geography(reading: Reading, period: Period, level: Level, *, limit: int, offset: int = 0) -> dict[str, Any]:
    """Return the sales of each place, most revenue first, and how many places there are.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
        NoSourceError: There are no order lines, and no purchase event tells a place.
    """
    source = sales_source(reading)
    placed = _of_orders(reading) if source == ORDERS else _of_purchases(reading)
    found = reading.rows(added(placed.filter(in_period(placed.order_date)), PLACE_COLUMNS[level]), period)
    whole = revenue_of(found)
    places = [
        {
            **{name: row.get(name) for name in PLACE_COLUMNS["city"]},
            **numbers(row),
            "revenue_share": share(row["revenue_amount"], whole),
        }
        for row in found
    ]
    places.sort(key=lambda row: (by_revenue(row), *(str(row[name]) for name in PLACE_COLUMNS[level])))
    total = None if period.data == "none" else len(places)
    return {"source": source, "level": level, "total_count": total, "places": places[offset : offset + limit]}


def _of_orders(reading: Reading) -> ir.Table:
    table, cities = reading.table(RevenueDaily), reading.table(City)
    rows = table.filter(table.channel == ALL, table.item_category == ALL, table.city_id != ALL)
    return rows.join(cities, "city_id")


def _of_purchases(reading: Reading) -> ir.Table:
    """Return daily rows by place; an event tells no id of a city."""
    table = reading.table(PurchaseRevenueDaily)
    rows = table.filter(table.product_category == ALL, table.country != ALL)
    if not reading.state(rows.filter(rows.country != UNKNOWN).select("country").limit(1)):
        raise NoSourceError(
            "There are no order lines, and no purchase event tells where it was made; set ECOM_ORDERS or "
            "ECOM_ORDER_API_URL, or name `country`, `region` and `city` among the properties of events."
        )
    return rows.rename(order_date="event_date").mutate(city_id=ibis.null("string"))
