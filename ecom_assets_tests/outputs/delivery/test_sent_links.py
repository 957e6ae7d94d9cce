"""What tools were sent of who is who and does not hold any more is counted by a check."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ecom_assets.core.clock import now_utc
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop

CHECK = "sent_links_still_hold"
DAY = Days((DAY_ONE,))
LATER = now_utc().date() + timedelta(days=2)
"""When a file arrives after a delivery of today."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[DeliveredShop]:
    opened = DeliveredShop(tmp_path, name="mixpanel_events")
    opened.land_orders({})
    yield opened
    opened.close()


def signed_in(user: str, arrived: date = DAY_ONE, device: str = "kiosk") -> Row:
    return received(
        f"{user}-{device}", at("09:00"), user_id=user, device_id=device, received_date=arrived
    )


def after_delivery(shop: DeliveredShop, *rows: Row, **bounds: int) -> tuple[int, str]:
    """Deliver what has landed; return what the check counts, and its sentence."""
    shop.land(rows)
    shop.link(**bounds)
    shop.deliver(DAY)
    actual = shop.check(CHECK)
    return actual.broken_count, str(actual.metadata.get("sentence", ""))


@pytest.mark.slow
def test_a_device_that_a_tool_joined_before_too_many_shared_it_is_counted(
    shop: DeliveredShop,
) -> None:
    """Ben alone is sent with the kiosk; then a second user arrives, which is the bound."""
    assert after_delivery(shop, signed_in("ben"), identity_device_users=2) == (0, "")
    count, sentence = after_delivery(shop, signed_in("ben"), signed_in("anna", LATER))
    assert (count, "sent, ids that too many share since: 1 (mixpanel_events); see" in sentence) == (
        1,
        True,
    )


@pytest.mark.slow
def test_a_user_whom_a_tool_joined_before_the_user_was_on_too_many_devices_is_counted(
    shop: DeliveredShop,
) -> None:
    assert after_delivery(shop, signed_in("ben"), identity_user_devices=2) == (0, "")
    assert after_delivery(shop, signed_in("ben"), signed_in("ben", LATER, "phone"))[0] == 1


@pytest.mark.slow
def test_a_device_that_was_never_sent_with_its_users_is_not_counted(shop: DeliveredShop) -> None:
    assert after_delivery(shop, signed_in("ben"), signed_in("anna"), identity_device_users=2) == (
        0,
        "",
    )


@pytest.mark.slow
def test_events_that_went_out_and_are_gone_with_their_file_are_counted(shop: DeliveredShop) -> None:
    assert after_delivery(shop, signed_in("ben"), signed_in("anna")) == (0, "")
    count, sentence = after_delivery(shop, signed_in("ben"))
    assert (count, "events that are gone since: 1 (mixpanel_events)" in sentence) == (1, True)


@pytest.mark.slow
def test_aliases_that_went_out_are_listed_but_are_no_fault(shop: DeliveredShop) -> None:
    """They are one person here and two in the tool, as docs/destinations.md says."""
    alias = received(
        "a", at("10:00"), user_id="anna", event_type="alias", properties='{"previous_id": "ann"}'
    )
    assert after_delivery(shop, alias, signed_in("anna")) == (0, "")
    assert shop.check(CHECK).metadata["alias_count"] == 1
    assert "aliases of two users: 1 (mixpanel_events)" in after_delivery(shop, alias)[1]


@pytest.mark.slow
def test_a_tool_that_joins_no_devices_has_none_to_take_back(tmp_path: Path) -> None:
    heap = DeliveredShop(tmp_path, name="heap_events")
    heap.land_orders({})
    assert after_delivery(heap, signed_in("ben"), identity_device_users=2) == (0, "")
    assert after_delivery(heap, signed_in("ben"), signed_in("anna", LATER)) == (0, "")
    heap.close()
