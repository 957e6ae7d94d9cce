"""Sales by place: an order counts once in each city, and once in the country of all of them."""

from datetime import date, timedelta

import pytest

from ecom_assets.commerce.sales.queries import Level, geography
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.queries import KnownDays, Period
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.builders import order_line
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=2))


@pytest.mark.slow
@each(
    "level, expected",
    [
        ("city", {"Berlin": 2, "Munich": 2, "Toronto": 1}),
        ("country", {"Germany": 3, "Canada": 1}),
    ],
)
def test_an_order_with_lines_in_two_cities_is_one_order_of_its_country(
    level: Level, expected: dict[str, int]
) -> None:
    """Ann's order of Monday went to Berlin and Munich; Ben, Clara and Dora
    ordered in one city each.
    """
    shop = OrderPlatform()
    germany = {"country": "DE"}
    lines = [
        order_line("a-1", MONDAY, order_id="a", city_id="1", city_name="Berlin", **germany),
        order_line("a-2", MONDAY, order_id="a", city_id="2", city_name="Munich", **germany),
        order_line("b-1", MONDAY, order_id="b", city_id="1", city_name="Berlin", **germany),
        order_line("c-1", DAYS.dates[-1], order_id="a", city_id="2", city_name="Munich", **germany),
        order_line("d-1", MONDAY, order_id="d", city_id="3", city_name="Toronto", country="CA"),
    ]
    shop.receive(lines, DAYS)
    shop.run(DAYS)
    known = {"orders": KnownDays(DAYS.first, DAYS.dates[-1])}
    reading = WarehouseReading(shop.engine, DAYS.dates[-1], known=known)
    answer = geography(reading, Period("custom", DAYS.first, DAYS.dates[-1]), level)
    name = "city_name" if level == "city" else "country"
    assert {row[name]: row["order_count"] for row in answer["places"]} == expected
    assert sum(row["sold_item_count"] for row in answer["places"]) == len(lines)
