"""The warnings about event types that a shop has not sent before,
and about purchases without amounts.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.checks import (
    no_event_type_is_new,
    purchases_have_amounts,
    rows_of_an_id_agree,
    standard_type,
    standard_types_are_spelled_so,
)
from ecom_assets.behaviour.events.contracts import EVENT_TYPES, CleanEvents
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, Step, at, journeys, received
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

ALL_DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))
SECOND = Days((DAY_ONE + timedelta(days=1),))
THIRD = Days((DAY_ONE + timedelta(days=2),))


@pytest.fixture(scope="module")
def shop() -> Iterator[Platform]:
    """A shop that sends `$pageview` from the first day, and `wish` and its
    first refund from the second.
    """
    platform = Platform()
    visit = [
        ("09:00", "$pageview"),
        ("+1 09:00", "$pageview"),
        ("+1 09:01", "wish"),
        ("+1 09:02", "wish"),
    ]
    rows = journeys({"anna": [*visit, ("+1 09:03", "refund"), ("+2 09:00", "wish")]})
    platform.receive(rows, ALL_DAYS)
    platform.run(ALL_DAYS, only=("duplicate_events", "events"))
    yield platform
    platform.close()


@each(
    "days, expected",
    [
        (SECOND, [{"event_type": "wish", "event_count": 2}]),
        (Days((*SECOND.dates, *THIRD.dates)), [{"event_type": "wish", "event_count": 3}]),
        (THIRD, []),
        (
            Days((DAY_ONE,)),
            [],
        ),  # the first day has nothing before it that a type could be new after
        (ALL_DAYS, []),
        (None, []),
    ],
)
def test_a_type_is_new_where_it_is_first(
    shop: Platform, days: Days | None, expected: list[dict[str, object]]
) -> None:
    actual = no_event_type_is_new.evaluate(days, shop.table(CleanEvents))
    assert (actual.broken_count, actual.examples) == (len(expected), expected)
    assert actual.looked_at_count > 0


def test_it_warns_and_holds_nothing_back() -> None:
    assert no_event_type_is_new.warns
    assert not no_event_type_is_new.blocking


@pytest.fixture(scope="module")
def free_shop() -> Iterator[Platform]:
    """A shop with two purchases without an amount on the first day,
    and one of three with an amount on the second.
    """
    platform = Platform()
    first = [("09:00", "page_view"), ("09:01", "purchase"), ("10:01", "purchase")]
    second: list[Step] = [
        ("+1 09:00", "purchase"),
        ("+1 09:01", "purchase", {"cart_amount": 0}),
        ("+1 10:00", "purchase"),
    ]
    platform.receive(journeys({"anna": [*first, *second, ("+2 09:00", "page_view")]}), ALL_DAYS)
    platform.run(ALL_DAYS, only=("duplicate_events", "events"))
    yield platform
    platform.close()


@each(
    "days, expected",
    [
        (Days((DAY_ONE,)), [{"event_type": "purchase", "purchase_count": 2, "amount_count": 0}]),
        (SECOND, []),
        (THIRD, []),
        (None, []),
    ],
)
def test_purchases_without_any_amount_are_noticed(
    free_shop: Platform, days: Days | None, expected: list[dict[str, object]]
) -> None:
    actual = purchases_have_amounts.evaluate(days, free_shop.table(CleanEvents))
    assert (actual.broken_count, actual.examples) == (len(expected), expected)
    assert purchases_have_amounts.warns


def test_a_standard_type_in_other_letters_is_named_with_did_you_mean() -> None:
    platform = Platform()
    visit: list[Step] = [
        ("09:00", "Purchase"),
        ("09:01", "Add To Cart"),
        ("09:02", "purchase"),
        ("09:03", "wish"),
    ]
    platform.receive(journeys({"anna": [*visit, ("09:04", "Purchase")]}), SECOND)
    platform.receive(journeys({"anna": [*visit, ("09:04", "Purchase")]}), Days((DAY_ONE,)))
    platform.run(ALL_DAYS, only=("duplicate_events", "events"))
    result = standard_types_are_spelled_so.evaluate(ALL_DAYS, platform.table(CleanEvents))
    platform.close()
    assert (result.broken_count, result.looked_at_count) == (2, 4)
    sentence = str(result.metadata["sentence"])
    assert "Purchase (2 events; did you mean purchase?)" in sentence
    assert "event_types: {Purchase: purchase, Add To Cart: add_to_cart}" in sentence
    assert standard_types_are_spelled_so.warns


@examples(100)
@given(st.sampled_from(EVENT_TYPES), st.data())
def test_every_standard_type_is_known_in_any_case(event_type: str, data: st.DataObject) -> None:
    upper = data.draw(st.lists(st.booleans(), min_size=len(event_type), max_size=len(event_type)))
    spelled = "".join(
        c.upper() if is_upper else c for c, is_upper in zip(event_type, upper, strict=True)
    )
    spelled = spelled.replace("_", data.draw(st.sampled_from(("_", " ", "-"))))
    assert standard_type(spelled) == (None if spelled == event_type else event_type)


def test_a_conflict_of_an_id_is_shown_with_both_rows_and_without_their_users() -> None:
    """A stranger sent the id of the shop's order, and a cent, an hour before the shop did."""
    platform = Platform()
    rows = [
        received(
            "o-5001",
            at(clock),
            event_type="purchase",
            user_id=user,
            cart_amount=amount,
            cart_value=str(amount),
            received_at=at(clock),
            sent_by=sender,
        )
        for clock, user, amount, sender in (
            ("08:00", "eve", Decimal("0.01"), "public-key:1a2b3c4d"),
            ("09:00", "anna", Decimal("59.90"), "key:5e6f7a8b"),
        )
    ]
    platform.receive(rows, ALL_DAYS)
    platform.run(ALL_DAYS, only=("duplicate_events", "events"))
    tables = [platform.table(contract) for contract in rows_of_an_id_agree.tables]
    result = rows_of_an_id_agree.evaluate(ALL_DAYS, *tables)
    (shop_id,) = (row["event_id"] for row in platform.rows(CleanEvents) if row["user_id"] == "anna")
    assert (result.broken_count, rows_of_an_id_agree.warns) == (2, True)
    assert result.metadata["sentence"].startswith(
        "2 events share 1 id and disagree in who, what or amount, such as 'o-5001' (purchase of "
        f"0.01 on {DAY_ONE}, sent by public-key:1a2b3c4d); {shop_id!r} (purchase of 59.90 on "
        f"{DAY_ONE}, sent by key:5e6f7a8b). All of "
    )
    assert [row["cart_amount"] for row in result.examples] == [Decimal("0.01"), Decimal("59.90")]
    assert "user_id" not in result.examples[0]
    platform.close()
