"""Customers by story: what makes a version, and what behaviour says, each as of one day."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import ibis
import pytest

from ecom_assets.commerce.attribution.contracts import (
    Conversions,
    FirstTouches,
    OrderVisits,
    Touches,
)
from ecom_assets.commerce.attribution.touches import acquisition_channel, orders
from ecom_assets.commerce.customers.contracts import (
    Customers,
    CustomerVisitors,
    QuarantinedCustomers,
)
from ecom_assets.commerce.customers.customers import CustomerRule
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets_tests.builders import DAY_ONE, Row, as_table, at
from ecom_assets_tests.commerce.customers.customer_stories import (
    NEXT_DAY,
    PERFECT,
    computed,
    each_of,
    one_of,
    ordered_and_visited,
    shop_with,
    visits,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform

# Copies and versions


@pytest.mark.slow
def test_of_copies_the_one_that_was_changed_last_counts_and_of_one_time_the_greatest(
    shop: Platform,
) -> None:
    older = PERFECT | {"city": "Zwolle", "updated_at": "2026-02-01T00:00:00Z"}
    undated = PERFECT | {"city": "Zagreb", "updated_at": "never"}
    conflicting = PERFECT | {"city": "Aachen"}
    shop.receive_customers([older, undated, conflicting, PERFECT, {"id": -1}], DAY_ONE)
    shop.run(Days((DAY_ONE,)))
    assert [row["city"] for row in shop.rows(Customers)] == ["Berlin"]
    (refused,) = shop.rows(QuarantinedCustomers)
    assert (refused["record_number"], refused["payload"]) == (5, '{"id":-1}')
    assert refused["reject_reason"] == "id: it is not a text or a whole number from 0"


def spans(shop: Platform) -> list[tuple[Any, ...]]:
    """Return each version's city, the days it holds, whether it is current,
    and the day that it is described of.
    """
    names = ("city", "valid_from", "valid_to", "is_current", "as_of_date", "last_received_date")
    return [tuple(row[name] for name in names) for row in shop.rows(Customers)]


@pytest.mark.slow
def test_a_move_begins_a_version_and_a_sign_in_does_not(shop: Platform) -> None:
    days = [DAY_ONE + timedelta(days=n) for n in (0, 1, 2, 4)]
    for moment, city in zip(days, ("Berlin", "Berlin", "Rome", "Berlin"), strict=True):
        signed_in = {"last_login_at": f"{moment}T08:00:00Z", "updated_at": f"{moment}T09:00:00Z"}
        shop.receive_customers([PERFECT | {"city": city} | signed_in], moment)
    shop.run(Days.from_dates(days))
    day_1, day_2, day_3, day_5 = days
    # On the day after the third nobody asked: Rome held until the day before the fourth fetch.
    assert spans(shop) == [
        ("Berlin", day_1, day_3, False, day_2, day_2),
        ("Rome", day_3, day_5, False, day_5 - timedelta(days=1), day_3),
        ("Berlin", day_5, None, True, day_5, day_5),
    ]
    assert [row["last_login_at"].date() for row in shop.rows(Customers)] == [day_2, day_3, day_5]


def test_who_is_missing_in_a_fetch_keeps_their_version_and_is_described_of_the_newest_day(
    shop: Platform,
) -> None:
    shop.receive_customers([PERFECT, PERFECT | {"id": 8}], DAY_ONE)
    shop.receive_customers([PERFECT | {"id": 8}], NEXT_DAY)
    shop.run(Days((DAY_ONE, NEXT_DAY)))
    assert spans(shop) == [
        ("Berlin", DAY_ONE, None, True, NEXT_DAY, DAY_ONE),
        ("Berlin", DAY_ONE, None, True, NEXT_DAY, NEXT_DAY),
    ]


# What behaviour says


def test_active_is_who_was_seen_within_thirty_days(shop: Platform) -> None:
    status = {
        "2026-02-09T00:00:00Z": "active",  # 30 days of 24 h before the end of 10 March, exactly
        "2026-02-08T23:59:59Z": "inactive",
        "2999-01-01T00:00:00Z": "unknown",
        None: "unknown",
    }
    rows = each_of(shop, *({"last_login_at": last_login_at} for last_login_at in status))
    found = zip(status, (row["activity_status"] for row in rows), strict=True)
    assert dict(found) == status


@pytest.mark.slow
def test_an_event_is_a_sight_of_the_customer_too_and_one_of_tomorrow_is_not(shop: Platform) -> None:
    visits(shop, (at("09:00", date(2026, 3, 10)), {}), (at("09:00", date(2026, 3, 11)), {}))
    row = one_of(shop, last_login_at=None)
    assert (row["activity_status"], row["seen_at"]) == ("active", at("09:00", date(2026, 3, 10)))
    assert row["recent_session_count"] == 1


def test_visits_of_whoever_placed_an_order_of_the_customer_are_hers(shop: Platform) -> None:
    """She never signs in: her order is known by the visit of a device, and so is the e-mail that
    brought her.
    """
    mail = {"page_url": "https://shop.example/?utm_source=letter&utm_medium=email"}
    visits(shop, (at("09:00", date(2026, 3, 10)), mail), who="phone")
    assert one_of(shop, last_login_at=None)["recent_session_count"] == 0
    pair = {
        "customer_id": "7",
        "visitor_id": "phone",
        "matched_by": "order_id",
        "since_date": date(2026, 3, 10),
    }
    shop.engine.con.con.register("pairs", as_table([pair], CustomerVisitors))
    shop.engine.replace(CustomerVisitors, shop.engine.con.table("pairs"), None)
    row = one_of(shop, last_login_at=None)
    assert (row["recent_session_count"], row["activity_status"]) == (1, "active")
    assert row["default_channel_group"] == "Email"


@pytest.mark.slow
def test_a_visit_that_goes_on_after_midnight_was_seen_at_midnight(shop: Platform) -> None:
    visits(shop, (at("23:50", date(2026, 3, 10)), {}), (at("00:10", date(2026, 3, 11)), {}))
    assert one_of(shop)["seen_at"] == at("00:00", date(2026, 3, 11))


@pytest.mark.slow
def test_engagement_takes_sessions_and_engaged_time_of_thirty_days(shop: Platform) -> None:
    # 31 days ago does not count; the two visits that do are 40 s and 20 s long: 60 s in 2 sessions,
    # just medium.
    days = ((date(2026, 2, 8), 3000), (date(2026, 2, 9), 40), (date(2026, 3, 10), 20))
    starts = [(at("09:00", day), length_s) for day, length_s in days]
    visits(
        shop,
        *(
            (start + timedelta(seconds=s), {})
            for start, length_s in starts
            for s in range(0, length_s + 1, 20)
        ),
    )
    row = one_of(shop)
    assert (row["recent_session_count"], row["recent_engaged_s"], row["engagement_level"]) == (
        2,
        60.0,
        "medium",
    )


def test_without_sessions_the_score_of_the_api_gives_the_level(shop: Platform) -> None:
    levels = {100: "high", 70: "high", 69.9: "medium", 40: "medium", 39.9: "low", 0: "low"}
    rows = each_of(shop, *({"engagement_score": score} for score in levels))
    assert [
        (row["engagement_score"], row["engagement_level"], row["engagement_source"]) for row in rows
    ] == [(score, level, "api") for score, level in levels.items()]


@pytest.mark.slow
def test_where_there_are_sessions_they_give_the_level_whatever_the_api_says(shop: Platform) -> None:
    visits(shop, (at("09:00", date(2026, 3, 10)), {}))
    row = one_of(shop, engagement_score=100)
    assert (row["engagement_level"], row["engagement_source"]) == ("low", "sessions")


@pytest.mark.slow
@pytest.mark.parametrize("score", [None, 101, -1, True])
def test_without_either_the_level_is_low_and_no_source_is_named(
    shop: Platform, score: object
) -> None:
    visits(shop, (at("09:00", DAY_ONE), {}), who="someone else")
    shop.receive_customers(
        [PERFECT | {"engagement_score": score}, PERFECT | {"id": 8, "engagement_score": 50}],
        DAY_ONE,
    )
    shop.run(Days((DAY_ONE,)), only=["customers"])
    row = shop.rows(Customers)[0]
    assert (row["engagement_level"], row["engagement_source"], row["engagement_score"]) == (
        "low",
        None,
        None,
    )
    assert (row["flawed_fields"], row["data_quality_score"]) == ("engagement_score", 90), (
        "the record has one"
    )
    assert shop.rows(Customers)[1]["flawed_fields"] is None


def test_a_record_without_a_score_has_no_flaw(shop: Platform) -> None:
    row = one_of(shop)
    assert (row["engagement_score"], row["flawed_fields"], row["data_quality_score"]) == (
        None,
        None,
        100,
    )


@each(
    "session_count, engaged_s, level",
    [
        (5, 600, "high"),
        (5, 599, "medium"),
        (4, 600, "medium"),
        (2, 60, "medium"),
        (1, 9999, "low"),
        (9, 59, "low"),
        (None, None, "unknown"),
    ],
)
def test_both_thresholds_must_be_reached(
    session_count: int | None, engaged_s: int | None, level: str
) -> None:
    result = CustomerRule().engagement_level(
        ibis.literal(session_count, "int64"), ibis.literal(engaged_s, "float64")
    )
    assert computed(result) == level


@pytest.mark.slow
def test_the_tier_follows_the_revenue_of_a_year(shop: Platform) -> None:
    # 365 days before the end of 10 March 2026 is the beginning of 11 March 2025.
    bought = [
        (at("12:00", date(2025, 3, 10)), 900),
        (at("12:00", date(2025, 3, 11)), 99),
        (at("12:00", date(2026, 3, 10)), 1),
    ]
    visits(
        shop,
        *(
            (moment, {"event_type": "purchase", "cart_amount": Decimal(amount)})
            for moment, amount in bought
        ),
    )
    row = one_of(shop)
    assert (row["year_revenue_amount"], row["customer_tier"]) == (Decimal("100.00"), "premium")


@pytest.mark.slow
def test_a_purchase_without_an_amount_leaves_open_what_was_spent(shop: Platform) -> None:
    visits(shop, (at("12:00", date(2026, 3, 9)), {"event_type": "purchase"}))
    row = one_of(shop)
    assert (row["year_revenue_amount"], row["customer_tier"]) == (None, "unknown")


@pytest.mark.slow
def test_purchases_with_an_amount_are_added_up_beside_one_without(shop: Platform) -> None:
    reported = {"event_type": "purchase", "cart_amount": Decimal(30)}
    visits(
        shop,
        (at("12:00", date(2026, 3, 9)), {"event_type": "purchase"}),
        (at("12:00", date(2026, 3, 10)), reported),
    )
    row = one_of(shop)
    assert (row["year_revenue_amount"], row["customer_tier"]) == (Decimal("30.00"), "basic")


@pytest.mark.slow
def test_orders_less_refunds_decide_where_a_shop_has_orders_and_events_say_nothing(
    shop: Platform,
) -> None:
    visits(shop, (at("12:00", DAY_ONE), {"event_type": "purchase", "cart_amount": Decimal(900)}))
    sold = {
        "order_id": "o1",
        "customer_id": "7",
        "order_date": DAY_ONE,
        "ordered_at": at("12:00", DAY_ONE),
        "is_renewal": None,
    }
    lines = [
        sold | {"status": "shipped", "payment_amount": Decimal(600)},
        sold | {"status": "refunded", "payment_amount": Decimal("100.01")},
        sold | {"status": "shipped", "payment_amount": Decimal(900), "customer_id": "8"},
    ]
    kinds = {name: UserOrderLog.columns[name].type for name in lines[0]}
    shop.engine.con.con.register("sold", ibis.memtable(lines, schema=kinds).to_pyarrow())
    shop.engine.con.con.register("bought", shop.table(Conversions).to_pyarrow())
    of_events = shop.engine.con.table("bought")
    of_orders = orders(shop.engine.con.table("sold"), shop.table(OrderVisits))
    shop.engine.replace(Conversions, union_all(of_events, of_orders), None)
    row = one_of(shop)
    assert (row["year_revenue_amount"], row["customer_tier"]) == (Decimal("499.99"), "premium")


@each(
    "amount, tier",
    [
        ("0", "basic"),
        ("99.99", "basic"),
        ("100", "premium"),
        ("499.99", "premium"),
        ("500", "enterprise"),
    ],
)
def test_tiers_begin_at_their_amounts(amount: str, tier: str) -> None:
    assert (
        computed(CustomerRule().customer_tier(ibis.literal(Decimal(amount), "decimal(18, 2)")))
        == tier
    )


def test_thresholds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(
        DefinitionError,
        match="tier enterprise begin at 10, below the level under it, 20; raise them",
    ):
        CustomerRule(premium_amount=Decimal(20), enterprise_amount=Decimal(10))


@each(
    "page, referrer, agent, channel",
    [
        ("https://s.example/", None, None, "website"),
        (
            "https://s.example/?utm_source=google&utm_medium=cpc",
            "https://www.google.com/",
            "Mozilla/5.0",
            "website",
        ),
        ("https://s.example/?utm_source=crm&utm_medium=Email", None, None, "email_campaign"),
        ("https://s.example/?utm_source=newsletter", None, None, "email_campaign"),
        ("https://s.example/", "https://mail.google.com/mail/u/0", None, "email_campaign"),
        ("https://s.example/", "https://www.gmail-fans.example/", None, "website"),
        ("https://s.example/", None, "ShopApp/3.1 CFNetwork/1490 Darwin/23", "mobile_app"),
        ("https://s.example/", None, "okhttp/4.12.0", "mobile_app"),
        (
            "https://s.example/",
            None,
            "Mozilla/5.0 (Linux; Android 14; wv) Chrome/130 Mobile Safari",
            "mobile_app",
        ),
        (
            "https://s.example/",
            None,
            "Mozilla/5.0 (Linux; Android 14) Chrome/130 Mobile Safari",
            "website",
        ),
        ("https://s.example/", "android-app://com.example.shop", None, "mobile_app"),
        ("https://s.example/?utm_medium=email", None, "okhttp/4.12.0", "email_campaign"),
        (None, None, None, "website"),
    ],
)
def test_first_touches_give_channels(
    page: str | None, referrer: str | None, agent: str | None, channel: str
) -> None:
    result = acquisition_channel(
        *(ibis.literal(text, "string") for text in (page, referrer, agent))
    )
    assert computed(result) == channel


@pytest.mark.slow
def test_the_first_event_of_all_counts_whatever_came_later(shop: Platform) -> None:
    mail = {"page_url": "https://s.example/?utm_medium=email"}
    visits(
        shop,
        (at("09:00", date(2026, 3, 9)), mail),
        (at("09:01", date(2026, 3, 9)), {}),
        (at("09:00", date(2026, 3, 10)), {}),
    )
    assert one_of(shop)["acquisition_channel"] == "email_campaign"
    assert [row["event_id"] for row in shop.rows(FirstTouches)] == ["e0", "e2"]


@pytest.mark.slow
def test_before_the_first_event_the_channel_is_unknown(shop: Platform) -> None:
    visits(shop, (at("09:00", date(2026, 3, 11)), {}))
    assert one_of(shop)["acquisition_channel"] == "unknown"


# What no source has


BEHAVIOUR = ("recent_session_count", "recent_engaged_s", "engagement_level", "engagement_source")
SPENT = ("year_revenue_amount", "customer_tier")


@pytest.mark.slow
def test_without_events_nobody_knows_sessions_and_levels_unless_the_api_gives_a_score() -> None:
    with shop_with(orders="orders.csv") as shop:
        row = one_of(shop)
        assert [row[name] for name in BEHAVIOUR] == [None, None, "unknown", None]
        assert (row["acquisition_channel"], row["default_channel_group"]) == ("unknown", "unknown")
        assert [row[name] for name in SPENT] == [Decimal("0.00"), "basic"], "orders would say"
        shop.clear()
        assert [one_of(shop, engagement_score=80)[name] for name in BEHAVIOUR] == [
            None,
            None,
            "high",
            "api",
        ]


@pytest.mark.slow
def test_without_orders_and_events_nobody_knows_what_a_customer_spent() -> None:
    with shop_with() as shop:
        row = one_of(shop)
    assert [row[name] for name in (*SPENT, *BEHAVIOUR)] == [
        None,
        "unknown",
        None,
        None,
        "unknown",
        None,
    ]
    assert (row["activity_status"], row["data_quality_score"]) == ("active", 100), (
        "the API has these"
    )


def rarely_met(shop: Platform, met: int, **changed: Any) -> list[Row]:
    """Return what becomes of Ben and Carl in `ordered_and_visited`, who never signed in."""
    bought, touches = ordered_and_visited(met)
    of_carl: list[tuple[datetime, Row]] = [
        (touch["started_at"], {}) for touch in touches if touch["visitor_id"] == "carl"
    ]
    visits(shop, *of_carl, who="carl")
    for contract, rows in ((Conversions, bought), (Touches, touches)):
        shop.engine.con.con.register("told", as_table(rows, contract))
        shop.engine.replace(contract, shop.engine.con.table("told"), None)
    people = [PERFECT | {"id": who, "last_login_at": None} for who in ("ben", "carl")]
    shop.receive_customers([person | changed for person in people], DAY_ONE)
    shop.run(Days((DAY_ONE,)), only=["customers", "quarantined_customers"])
    return shop.rows(Customers)


def test_below_a_fifth_of_what_was_ordered_who_has_no_visit_has_an_unknown_number() -> None:
    """Visits of 19.00 of 100.00 are known: Ben came to order, and nobody knows how often. Carl's
    visits are his own, whatever is known of others.
    """
    with shop_with(events="events.csv", orders="orders.csv") as shop:
        ben, carl = rarely_met(shop, 19)
    assert [ben[name] for name in BEHAVIOUR] == [None, None, "unknown", None]
    assert (ben["seen_at"], ben["activity_status"]) == (None, "unknown")
    assert ben["year_revenue_amount"] == Decimal("81.00"), "orders need no visit"
    assert [carl[name] for name in BEHAVIOUR] == [2, 0.0, "low", "sessions"]
    assert (carl["seen_at"], carl["activity_status"]) == (at("09:00", DAY_ONE), "active")


@pytest.mark.slow
def test_from_a_fifth_on_who_has_no_visit_made_none() -> None:
    with shop_with(events="events.csv", orders="orders.csv") as shop:
        ben, _ = rarely_met(shop, 20)
    assert [ben[name] for name in BEHAVIOUR] == [0, 0.0, "low", None]


@pytest.mark.slow
def test_a_score_gives_the_level_of_whose_visits_are_unknown() -> None:
    with shop_with(events="events.csv", orders="orders.csv") as shop:
        ben, carl = rarely_met(shop, 19, engagement_score=80)
    assert [ben[name] for name in BEHAVIOUR] == [None, None, "high", "api"]
    assert [carl[name] for name in BEHAVIOUR] == [2, 0.0, "low", "sessions"]


@pytest.mark.slow
def test_with_events_only_who_did_nothing_is_low_and_basic() -> None:
    with shop_with(events="events.csv") as shop:
        row = one_of(shop)
    assert [row[name] for name in (*SPENT, *BEHAVIOUR)] == [
        Decimal("0.00"),
        "basic",
        0,
        0.0,
        "low",
        None,
    ]
