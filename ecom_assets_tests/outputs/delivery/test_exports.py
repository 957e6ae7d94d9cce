"""What a day's delivery and its tables come to over a small shop."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ecom_assets.core.tables.days import Days
from ecom_assets.outputs.delivery.contracts import DeadLetters, Deliveries, ReconciliationDaily
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.pending import events_due
from ecom_assets_tests.builders import Row, received
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop

MONDAY = date(2026, 3, 9)
TUESDAY = MONDAY + timedelta(days=1)
BOTH = Days((MONDAY, TUESDAY))
DOWN = DeliveryResult(DeliveryState.POSTPONED, "busy", "Come back later.")
UNLIKED = DeliveryResult(DeliveryState.REJECTED, "bad_value", "No such currency.")


def event(
    event_id: str, day: date, kind: str = "page_view", who: str = "anna", hour: int = 9
) -> Row:
    return received(
        event_id,
        datetime.combine(day, datetime.min.time()).replace(hour=hour),
        event_type=kind,
        user_id=who,
    )


SHOP = [
    event("m1", MONDAY),
    event("m2", MONDAY, who="ben"),
    event("m3", MONDAY, "purchase", "ben", 10),
    event("m4", MONDAY, "bad"),
    event("t1", TUESDAY),
    event("t2", TUESDAY, "purchase"),
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[DeliveredShop]:
    opened = DeliveredShop(tmp_path)
    opened.land(SHOP)
    opened.land_orders({MONDAY: 1, TUESDAY: 2})
    yield opened
    opened.close()


def outcomes(shop: DeliveredShop) -> dict[str, str]:
    return {row["record_id"].partition("@")[0]: row["outcome"] for row in shop.rows(Deliveries)}


def test_all_that_is_due_has_an_outcome_and_a_second_run_sends_nothing(shop: DeliveredShop) -> None:
    first = shop.deliver(BOTH)
    assert (first.total.due, first.total.sent, first.unaccounted, first.late) == (6, 5, {}, [])
    assert outcomes(shop) == {
        **dict.fromkeys(("m1", "m2", "m3", "t1", "t2"), "delivered"),
        "m4": "refused",
    }
    before = {table: shop.rows(table) for table in (Deliveries, DeadLetters, ReconciliationDaily)}
    again = shop.deliver(BOTH)
    assert (again.total.sent, again.total.delivered) == (0, 0)
    assert {table: shop.rows(table) for table in before} == before


def test_events_of_ids_that_too_many_share_join_nobody_in_tools(shop: DeliveredShop) -> None:
    seen = [("clerk", "phone"), ("ben", "kiosk"), ("ben", "phone"), ("anna", None)]
    shop.land(
        {**row, "user_id": user, "device_id": device}
        for row, (user, device) in zip(SHOP, seen, strict=False)
    )
    shop.share({"user": "clerk", "device": "kiosk", "source_session": "phone"})
    (chunk,) = events_due(shop.engine, shop.settings).chunks(MONDAY)
    assert dict(
        zip(chunk["event_id"].to_pylist(), chunk["joins_nobody"].to_pylist(), strict=True)
    ) == {
        "m1": True,
        "m2": True,
        "m3": False,
        "m4": False,
    }


@pytest.mark.slow
def test_robots_are_not_due(shop: DeliveredShop) -> None:
    shop.land(SHOP, "m1", "m2")
    assert shop.deliver(BOTH).total.due == 4
    assert set(outcomes(shop)) == {"m3", "m4", "t1", "t2"}


@pytest.mark.slow
def test_a_dead_letter_says_why_and_goes_when_a_person_asks(shop: DeliveredShop) -> None:
    shop.tool.answers = {"m2": UNLIKED}
    shop.deliver(BOTH)
    answer = [
        (row["record_id"], row["outcome"], row["reason"], row["words"])
        for row in shop.rows(DeadLetters)
    ]
    assert answer == [
        ("m2@2026-03-09", "rejected", "bad_value", "No such currency."),
        ("m4@2026-03-09", "refused", "bad_name", "The name is reserved."),
    ]
    shop.tool.answers = {}
    assert shop.deliver(BOTH).total.sent == 0
    assert shop.deliver(BOTH, retry_rejected=True).total.delivered == 1
    assert [row["record_id"] for row in shop.rows(DeadLetters)] == ["m4@2026-03-09"]


@pytest.mark.slow
def test_what_waits_is_delivered_by_a_later_run_over_other_days(shop: DeliveredShop) -> None:
    """Monday's delivery finds the tool down; Tuesday's run delivers Monday, too,
    and says so in its tables.
    """
    shop.tool.script = [DOWN]
    down = shop.deliver(Days((MONDAY,)))
    assert (down.total.pending, down.late) == (3, [])
    (row,) = shop.rows(ReconciliationDaily)
    assert (
        row["due_count"],
        row["pending_count"],
        row["refused_count"],
        row["accepted_count"],
    ) == (4, 3, 1, 0)
    shop.deliver(Days((TUESDAY,)))
    monday, tuesday = shop.rows(ReconciliationDaily)
    assert (monday["accepted_count"], monday["pending_count"], tuesday["accepted_count"]) == (
        3,
        0,
        2,
    )


@pytest.mark.slow
def test_what_waits_for_long_is_reported(shop: DeliveredShop) -> None:
    shop.tool.script = [DOWN] * 9
    shop.land([*SHOP, event("f1", TUESDAY + timedelta(days=3))])
    assert shop.deliver(Days((MONDAY,))).late == [MONDAY]


@pytest.mark.slow
def test_the_tables_come_back_from_the_ledger_when_the_warehouse_is_lost(
    shop: DeliveredShop, tmp_path: Path
) -> None:
    shop.deliver(BOTH)
    before = {table: shop.rows(table) for table in (Deliveries, DeadLetters, ReconciliationDaily)}
    rebuilt = DeliveredShop(tmp_path)
    rebuilt.land(SHOP)
    rebuilt.land_orders({MONDAY: 1, TUESDAY: 2})
    assert rebuilt.deliver(Days((TUESDAY,))).total.sent == 0
    # Monday was not asked for, but the ledger has it.
    assert {table: rebuilt.rows(table) for table in before} == before
    rebuilt.close()


def test_a_changed_event_is_listed_and_not_sent_again(shop: DeliveredShop) -> None:
    shop.deliver(BOTH)
    shop.land(
        [event("m1", MONDAY, "product_view") if row["event_id"] == "m1" else row for row in SHOP]
    )
    assert shop.deliver(BOTH).total.changed == 1
    assert [row["record_id"] for row in shop.rows(Deliveries) if row["changed_at"]] == [
        "m1@2026-03-09"
    ]
    assert [row["changed_count"] for row in shop.rows(ReconciliationDaily)] == [1, 0]
