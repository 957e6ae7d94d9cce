"""The pictures of marts in Dagster's UI: the numbers of the queries,
in a few kilobytes that hold no person.
"""

import base64
import re
from collections.abc import Iterator
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest

from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.behaviour.retention.contracts import RetentionCohorts
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.outputs.serving.plots import plot_of
from ecom_assets_tests.builders import journeys, order_line
from ecom_assets_tests.platform import ShopPlatform

MONDAY = date(2026, 3, 2)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=15))
MOST_BYTES = 12_000
NEEDED = (
    "duplicate_events",
    "events",
    "session_events",
    "session_days",
    "sessions",
    "returning_visitors_daily",
    "retention_cohorts",
    "funnel_entries",
    "conversion_funnel",
    "changed_order_days",
    "held_order_days",
    "duplicate_orders",
    "user_order_log",
    "conversions",
    "city",
    "item",
    "customer",
    "calendar",
    "sales",
    "product_sales_daily",
    "revenue_daily",
)
"""The tables that the pictures are of, and what these are made of."""


def texts(shop: ShopPlatform, contract: type[Table], days: Days | None = DAYS) -> list[str]:
    """Return the texts of a table's picture, after its size was looked at."""
    markdown = plot_of(shop.engine, contract, days, "UTC", "EUR")
    assert markdown is not None
    assert len(markdown) < MOST_BYTES
    (data,) = re.findall(r"!\[[^]]+\]\(data:image/svg\+xml;base64,([^)]+)\)", markdown)
    picture = ET.fromstring(base64.b64decode(data))  # noqa: S314 (our own)
    return [
        markdown.partition("\n")[0],
        *(element.text or "" for element in picture.iter() if element.tag.endswith("text")),
    ]


@pytest.fixture(scope="module")
def shop() -> Iterator[ShopPlatform]:
    """Anna and Ben look around on a Monday and Anna buys; she comes back a
    week later, Ben does not.
    """
    buys = [
        (f"09:0{n}", kind, {"cart_amount": 20, "product_id": "7"})
        for n, kind in enumerate(STEPS, start=1)
    ]
    rows = journeys(
        {"anna": [("09:00", "page_view"), *buys], "ben": [("09:00", "page_view")]}, day=MONDAY
    )
    again = journeys(
        {"anna": [("09:00", "page_view", {"event_id": "again"})]}, day=MONDAY + timedelta(days=7)
    )
    orders = [
        order_line("o-1", MONDAY, payment_amount=20),
        order_line("o-2", MONDAY + timedelta(days=1), payment_amount=5),
    ]
    shop_platform = ShopPlatform()
    shop_platform.receive([*rows, *again], DAYS)
    shop_platform.receive_orders(orders, DAYS)
    shop_platform.run(DAYS, only=NEEDED)
    yield shop_platform
    shop_platform.close()


STEPS = ("product_view", "add_to_cart", "checkout_start", "purchase")


@pytest.mark.slow
def test_the_funnel_shows_each_step_with_its_share_of_the_one_before(shop: ShopPlatform) -> None:
    title, *shown = texts(shop, ConversionFunnel)
    assert title == "Funnel per session, 2026-02-15 to 2026-03-16"
    assert shown == [
        "page_view",
        "3",
        "product_view",
        "1 33.3%",
        "add_to_cart",
        "1 100.0%",
        "checkout_start",
        "1 100.0%",
        "purchase",
        "1 100.0%",
    ]


@pytest.mark.slow
def test_retention_shows_the_share_of_each_week_s_new_visitors_who_came_back(
    shop: ShopPlatform,
) -> None:
    _, *shown = texts(shop, RetentionCohorts, None)
    assert shown[:2] == ["2026-03-02", "50.0%"], "Anna of the two, one week later"


@pytest.mark.slow
def test_revenue_shows_a_bar_for_each_day(shop: ShopPlatform) -> None:
    title, *shown = texts(shop, RevenueDaily)
    assert title == "Revenue by day, 2026-02-15 to 2026-03-16"
    assert shown == ["20 EUR", "2026-02-15", "2026-03-16"]


@pytest.mark.slow
def test_a_table_without_a_picture_and_days_without_numbers_have_none(shop: ShopPlatform) -> None:
    assert plot_of(shop.engine, Sessions, DAYS, "UTC", "EUR") is None
    long_ago = Days.from_dates([date(2020, 1, 1)])
    assert plot_of(shop.engine, ConversionFunnel, long_ago, "UTC", "EUR") is None
    assert plot_of(shop.engine, RevenueDaily, Days(()), "UTC", "EUR") is None
