"""Deliveries as the ledger notes them: a real delivery to a scripted tool, asked for over HTTP while it goes on."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ecom_assets.api.app import build_app
from ecom_assets.delivery.destination import Answer, DeliveryState
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets_tests.api.conftest import Asked, served
from ecom_assets_tests.delivery.delivered_shop import DeliveredShop
from ecom_assets_tests.delivery.test_exports import event

MONDAY = date(2026, 2, 2)
TUESDAY = MONDAY + timedelta(days=1)
UNLIKED = Answer(DeliveryState.REJECTED, "bad_value", "No such currency.")
PATH = "/analytics/deliveries"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[DeliveredShop]:
    """Two days: four events on Monday, one of which cannot go and one that the tool refuses, and one on Tuesday."""
    opened = DeliveredShop(tmp_path)
    opened.tool.answers = {"m2": UNLIKED}
    opened.land([*(event(f"m{n}", MONDAY) for n in (1, 2, 3)), event("m4", MONDAY, "bad"), event("t1", TUESDAY)])
    opened.land_orders({MONDAY: 0, TUESDAY: 0})
    yield opened
    opened.close()


@pytest.fixture
def api(settings: Settings, shop: DeliveredShop) -> Iterator[Asked]:
    ledger = f"sqlite://{shop.settings.home / 'ledger.sqlite'}"
    with served(build_app(settings.model_copy(update={"ledger_url": type(settings.ledger_url)(ledger)}))) as answer:
        yield answer


def test_each_day_of_a_destination_says_what_became_of_its_records(api: Asked, shop: DeliveredShop) -> None:
    shop.deliver(Days((MONDAY,)))
    answer = api.json(PATH, start_date=MONDAY, end_date=TUESDAY)
    nothing = dict.fromkeys(("unacknowledged_count", "in_doubt_count", "pending_count", "changed_count"), 0)
    monday = {"due_count": 4, "accepted_count": 2, "rejected_count": 1, "refused_count": 1, **nothing}
    assert answer["totals"] == monday
    (row,) = answer["deliveries"]
    assert {name: row[name] for name in monday} == monday
    assert (row["reconciled_date"], row["destination"]) == ("2026-02-02", shop.tool.name)
    shop.deliver(Days((TUESDAY,)))
    again = api.get(PATH, start_date=MONDAY, end_date=TUESDAY)
    assert again.json()["totals"] == {**monday, "due_count": 5, "accepted_count": 3}, "at once, without a publication"
    assert (again.headers["cache-control"], "etag" in again.headers) == ("no-store", False)


@pytest.mark.slow
def test_a_page_a_day_and_a_destination_can_be_asked_for(api: Asked, shop: DeliveredShop) -> None:
    shop.deliver(Days((MONDAY, TUESDAY)))
    page = api.json(PATH, limit=1, offset=1)
    assert (page["total_count"], [one["reconciled_date"] for one in page["deliveries"]]) == (2, ["2026-02-03"])
    assert page["totals"]["due_count"] == 5, "of all rows"
    assert api.json(PATH, start_date=TUESDAY, end_date=TUESDAY)["totals"]["due_count"] == 1
    assert api.json(PATH, destination="heap_users")["total_count"] == 0


def test_no_one_s_record_is_named(api: Asked, shop: DeliveredShop) -> None:
    shop.deliver(Days((MONDAY,)))
    assert "m2" not in api.get(PATH, start_date=MONDAY, end_date=TUESDAY).text


def test_without_a_ledger_it_says_what_would_make_one(settings: Settings) -> None:
    with served(build_app(settings)) as answer:
        result = answer.get(PATH)
    assert (result.status_code, result.headers["content-type"]) == (409, "application/problem+json")
    assert result.json()["detail"].startswith("There is no ledger of deliveries here; set a tool's key")
