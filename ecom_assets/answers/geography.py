"""Sales by country, region and city. Not here: which city is where (`transforms/known_cities.py`)."""

from typing import Any, Final, Literal

from ecom_assets.answers.change import share
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import Reading
from ecom_assets.answers.sales import ZERO, added, numbers, require_orders
from ecom_assets.contracts.sales import City, RevenueDaily
from ecom_assets.transforms.orders import ALL

Level = Literal["country", "region", "city"]
COLUMNS: Final = {
    "country": ["country"],
    "region": ["country", "region"],
    "city": ["country", "region", "city_id", "city_name"],
}
"""What tells places of a level apart."""


def geography(reading: Reading, period: Period, level: Level, *, limit: int, offset: int = 0) -> dict[str, Any]:
    """Return the sales of each place, most revenue first, and how many places there are.

    Raises:
        NoOrdersError: There is not a single order line.
    """
    table, cities = reading.table(RevenueDaily), reading.table(City)
    rows = table.filter(
        table.channel == ALL, table.item_category == ALL, table.city_id != ALL, in_period(table.order_date)
    )
    placed = rows.join(cities, "city_id")
    found = reading.rows(added(placed, COLUMNS[level]), period)
    if not found:
        require_orders(reading)
    whole = sum((row["revenue_amount"] for row in found), ZERO)
    places = [
        {
            **{name: row.get(name) for name in COLUMNS["city"]},
            **numbers(row),
            "revenue_share": share(row["revenue_amount"], whole),
        }
        for row in found
    ]
    places.sort(key=lambda row: (-row["revenue_amount"], *(row[name] for name in COLUMNS[level])))
    return {"level": level, "total_count": len(places), "places": places[offset : offset + limit]}
