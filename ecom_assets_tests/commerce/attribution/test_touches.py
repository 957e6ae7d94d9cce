"""Sessions and where they came from, as stories; orders and the channels that led to them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ecom_assets.commerce.attribution.contracts import (
    ChannelAttribution,
    Conversions,
    FirstTouches,
    Touches,
)
from ecom_assets.commerce.attribution.credit import AttributionRule, order_touches
from ecom_assets.commerce.sales.contracts import RevenueDaily, Sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.site_lists import channel_rule
from ecom_assets_tests.builders import DAY_ONE, Row, Step, as_table, at, journeys, order_line
from ecom_assets_tests.platform import ShopPlatform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))
SHOP = "https://shop.example/"
MAIL = {"page_url": f"{SHOP}?utm_source=letter&utm_medium=email"}
SEARCH = {"page_url": SHOP, "referrer_url": "https://www.google.com/"}
WITHIN = {"page_url": f"{SHOP}hat", "referrer_url": SHOP}
VISITS = ("events", "session_events", "session_days", "sessions", "session_sources", "touches")


@pytest.fixture(scope="module")
def opened() -> Iterator[ShopPlatform]:
    platform = ShopPlatform()
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: ShopPlatform) -> ShopPlatform:
    opened.clear()
    return opened


def touches(shop: ShopPlatform, *steps: Step) -> list[tuple[str, str]]:
    """Return start and channel of each of Anna's touches."""
    shop.receive(journeys({"anna": steps}), DAYS)
    shop.run(DAYS, only=VISITS)
    actual = sorted(shop.rows(Touches), key=lambda row: row["started_at"])
    return [(row["started_at"].strftime("%d %H:%M"), row["channel"]) for row in actual]


def test_a_click_without_a_referrer_stays_direct_and_says_its_platform(shop: ShopPlatform) -> None:
    """An app's browser sends no referrer; a letter that is opened in the same visit is the source.
    Both visits cross midnight, so that each is of two parts.
    """
    click = {"page_url": f"{SHOP}?fbclid=a&utm_id=42"}
    bob = [("23:50", "page_view", click), ("+1 00:10", "page_view", MAIL)]
    anna = [("23:50", "page_view", click), ("+1 00:10", "page_view", WITHIN)]
    shop.receive(journeys({"anna": anna, "bob": bob}), DAYS)
    shop.run(DAYS, only=VISITS)
    names = ("channel", "source", "ad_platform", "campaign_id")
    actual = {row["visitor_id"]: tuple(row[name] for name in names) for row in shop.rows(Touches)}
    assert actual == {
        "anna": ("Direct", "(direct)", "meta", "42"),
        "bob": ("Email", "letter", None, None),
    }


def test_the_first_event_with_a_source_gives_that_of_the_session(shop: ShopPlatform) -> None:
    assert touches(
        shop,
        ("09:00", "page_view", WITHIN),
        ("09:05", "page_view", MAIL),
        ("09:10", "page_view", SEARCH),
    ) == [("10 09:00", "Email")]


def test_what_came_after_midnight_gives_the_source_of_the_evening_s_session(
    shop: ShopPlatform,
) -> None:
    assert touches(shop, ("23:50", "page_view", WITHIN), ("+1 00:10", "page_view", MAIL)) == [
        ("10 23:50", "Email")
    ]


def test_what_came_before_midnight_comes_first(shop: ShopPlatform) -> None:
    steps: list[Step] = [
        ("23:50", "page_view", SEARCH),
        ("+1 00:10", "page_view", MAIL),
        ("+1 09:00", "page_view"),
    ]
    assert touches(shop, *steps) == [("10 23:50", "Organic Search"), ("11 09:00", "Direct")]


def test_a_refund_alone_is_no_visit_but_with_a_view_it_is(shop: ShopPlatform) -> None:
    steps: list[Step] = [("09:00", "refund"), ("12:00", "refund"), ("12:01", "page_view", MAIL)]
    assert touches(shop, *steps) == [("10 12:00", "Email")]


def lines(*rows: Row) -> list[Row]:
    """Return order lines at the times that they say."""
    return [
        order_line(
            f"o{n}", row["at"].date(), row.pop("who", "anna"), ordered_at=row.pop("at"), **row
        )
        for n, row in enumerate(rows)
    ]


def day_one(hour: int, days: int = 0) -> datetime:
    return datetime.combine(DAY_ONE, datetime.min.time()) + timedelta(hours=hour, days=days)


@pytest.mark.slow
def test_an_order_has_the_last_channel_that_is_not_direct(shop: ShopPlatform) -> None:
    anna: list[Step] = [
        ("08:00", "page_view", MAIL),
        ("10:00", "page_view"),
        ("14:00", "page_view", SEARCH),
    ]
    shop.receive(journeys({"anna": anna, "ben": [("08:00", "page_view")]}), DAYS)
    sold = lines(
        {"at": day_one(11)},
        {"at": day_one(11), "item_id": "8", "payment_amount": 5},
        {"at": day_one(15, 1), "status": "refunded", "payment_amount": 3},
        {"at": day_one(9), "who": "ben"},
        {"at": day_one(9), "who": "cara"},
        {"at": day_one(7), "payment_amount": 1},
    )
    shop.receive_orders(sold, DAYS)
    shop.run(DAYS)
    channels = {row["uniq_id"]: row["channel"] for row in shop.rows(Sales)}
    assert channels == {
        "o0": "Email",
        "o1": "Email",
        "o2": "Email",
        "o3": "Direct",
        "o4": "(none)",
        "o5": "(none)",
    }
    revenue = {
        (row["order_date"] - DAY_ONE, row["channel"]): row["revenue_amount"]
        for row in shop.rows(RevenueDaily)
        if row["channel"] != "(all)"
    }
    first, second = timedelta(0), timedelta(days=1)
    assert revenue == {
        (first, "Email"): Decimal("25.00"),
        (first, "Direct"): Decimal("20.00"),
        (first, "(none)"): Decimal("21.00"),
        (second, "Email"): Decimal("-3.00"),
    }
    credited = {
        (row["converted_date"] - DAY_ONE, row["channel"]): row["revenue_amount"]
        for row in shop.rows(ChannelAttribution)
        if (row["unit"], row["model"]) == ("order", "last_non_direct")
    }
    assert credited == revenue, "one definition behind both tables"


@pytest.mark.slow
def test_where_events_cannot_say_where_a_visit_came_from_its_channel_is_unknown() -> None:
    activities = replace(channel_rule(Settings()), has_addresses=False)
    anna: list[Step] = [("08:00", "action_7"), ("10:00", "action_3")]
    mailed: list[Step] = [("08:00", "action_7", MAIL), ("10:00", "action_3")]
    with closing(ShopPlatform(channel_rule=activities)) as shop:
        shop.receive(journeys({"anna": anna, "ben": mailed}), DAYS)
        sold = lines(
            {"at": day_one(11)},
            {"at": day_one(15, 1), "status": "refunded", "payment_amount": 3},
            {"at": day_one(12), "who": "ben"},
            {"at": day_one(9), "who": "cara"},
        )
        shop.receive_orders(sold, DAYS)
        shop.run(DAYS)
        assert {
            (row["visitor_id"], row["source"], row["channel"]) for row in shop.rows(Touches)
        } == {
            ("anna", "(unknown)", "(unknown)"),
            ("ben", "letter", "Email"),
            ("ben", "(unknown)", "(unknown)"),
        }
        channels = {row["uniq_id"]: row["channel"] for row in shop.rows(Sales)}
        assert channels == {"o0": "(unknown)", "o1": "(unknown)", "o2": "Email", "o3": "(none)"}
        credited = {
            (row["converted_date"] - DAY_ONE, row["channel"]): row["revenue_amount"]
            for row in shop.rows(ChannelAttribution)
            if (row["unit"], row["model"]) == ("order", "last_non_direct")
        }
        first, second = timedelta(0), timedelta(days=1)
        assert credited == {
            (first, "(unknown)"): Decimal(20),
            (first, "Email"): Decimal(20),
            (first, "(none)"): Decimal(20),
            (second, "(unknown)"): Decimal(-3),
        }
        channels = {
            row["visitor_id"]: row["default_channel_group"] for row in shop.rows(FirstTouches)
        }
        assert channels == {"ben": "Email"}, "of anna nobody knows how she came"


def test_an_order_is_one_conversion_however_many_lines_it_has(shop: ShopPlatform) -> None:
    shop.receive_orders(
        lines({"at": day_one(11)}, {"at": day_one(11), "item_id": "8", "payment_amount": 5}), DAYS
    )
    shop.receive(
        journeys({"anna": [("11:00", "purchase", {"cart_amount": 25}), ("11:01", "purchase")]}),
        DAYS,
    )
    shop.run(DAYS, only=["events", "session_events", "user_order_log", "conversions"])
    actual = [(row["unit"], row["revenue_amount"]) for row in shop.rows(Conversions)]
    assert actual == [
        ("order", Decimal("25.00")),
        ("purchase", Decimal("25.00")),
        ("purchase", None),
    ], "unknown is no zero"


def test_a_refund_takes_back_the_credit_of_its_own_order() -> None:
    """Anna bought by an ad, then by a letter, and sends back what the ad sold; of another refund
    nobody knows the order, so that it is of her last one.
    """
    con = connect()
    orders = [("o-1", 2, False), ("o-2", 6, False), ("o-1", 8, True), ("o-9", 9, True)]
    sold = [
        {
            "converted_date": DAY_ONE + timedelta(days=day),
            "unit": "order",
            "conversion_id": order,
            "visitor_id": "device",
            "customer_id": "anna",
            "is_refund": is_refund,
            "converted_at": at(f"+{day} 12:00"),
            "revenue_amount": Decimal(-20 if is_refund else 20),
        }
        for order, day, is_refund in orders
    ]
    came = [
        {
            "session_id": f"s{day}",
            "visitor_id": "device",
            "started_at": at(f"+{day} 11:00"),
            "started_date": DAY_ONE + timedelta(days=day),
            "channel": channel,
        }
        for day, channel in ((2, "Paid Search"), (6, "Email"))
    ]
    con.con.register("sold", as_table(sold, Conversions))
    con.con.register("came", as_table(came, Touches))
    days = Days.between(DAY_ONE, DAY_ONE + timedelta(days=10))
    rows = order_touches(con.table("sold"), con.table("came"), AttributionRule(), days)
    found = {(row["order_id"], row["status"]): row["channel"] for row in rows_of(rows)}
    assert found == {
        ("o-1", "shipped"): "Paid Search",
        ("o-2", "shipped"): "Email",
        ("o-1", "refunded"): "Paid Search",
        ("o-9", "refunded"): "Email",
    }
