"""Versions of orders in any order of arrival: each order counts as its newest version says, and no more.

The reference is a few lines of Python over the list of versions; it knows nothing of tables.
"""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.orders.checks import ACCOUNTED
from ecom_assets.orders.contracts import UserOrderLog
from ecom_assets.orders.orders import order_accounting
from ecom_assets.tables.days import Days
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=10))
PLACED = datetime(2026, 3, 9, 10)  # noqa: DTZ001 (UTC, as tables have it)
LONG_AGO = datetime(1970, 1, 1)  # noqa: DTZ001 (UTC, as tables have it)


@pytest.fixture(scope="module")
def opened() -> OrderPlatform:
    return OrderPlatform()


@pytest.fixture
def shop(opened: OrderPlatform) -> OrderPlatform:
    opened.clear()
    return opened


def version(number: str, lines: list[str], arrived: int, **said: Any) -> list[Row]:
    """Return the rows of a version of an order of Monday: a line per word `item:amount`, perhaps left out."""
    day = MONDAY + timedelta(days=arrived)
    common = {
        "received_date": day,
        "record_id": number,
        "order_id": number,
        "placed_at": PLACED,
        "record_number": 1,
        "source_file": f"day {arrived}",
        **said,
    }
    return [
        order_line(f"{number}/{item}", MONDAY, item_id=item, payment_amount=Decimal(amount)) | common
        for item, amount in (line.split(":") for line in lines)
    ]


def sold(shop: OrderPlatform) -> dict[str, Decimal]:
    return {row["uniq_id"]: row["payment_amount"] for row in shop.rows(UserOrderLog)}


def ran(shop: OrderPlatform, *versions: list[Row]) -> dict[str, Decimal]:
    shop.receive([row for rows in versions for row in rows], DAYS)
    shop.run(DAYS)
    per_day = order_accounting(None, *(shop.table(table) for table in ACCOUNTED))
    assert per_day.filter(per_day.residue != 0).count().to_pyarrow().as_py() == 0
    return sold(shop)


def changed(day: int) -> dict[str, datetime]:
    return {"changed_at": PLACED + timedelta(days=day)}


def test_a_shorter_version_has_no_line_of_the_older_one(shop: OrderPlatform) -> None:
    first = version("101", ["hat:20", "cap:10"], 0, **changed(0))
    assert ran(shop, first, version("101", ["hat:25"], 2, **changed(2))) == {"101/hat": Decimal(25)}


@pytest.mark.parametrize("said", [{"left_out": "not_a_sale"}, {"payment_amount": None}])
def test_a_version_that_is_left_out_or_refused_replaces_the_sale(shop: OrderPlatform, said: Row) -> None:
    cancelled = version("101", ["hat:20"], 2, **changed(2), **said)
    assert ran(shop, version("101", ["hat:20"], 0, **changed(0)), cancelled) == {}


def test_an_older_version_that_arrives_later_changes_nothing(shop: OrderPlatform) -> None:
    newest = version("101", ["hat:25"], 0, **changed(2))
    assert ran(shop, newest, version("101", ["hat:20", "cap:10"], 3, **changed(1))) == {"101/hat": Decimal(25)}


def test_without_a_time_of_change_the_later_arrival_counts(shop: OrderPlatform) -> None:
    assert ran(shop, version("101", ["hat:20", "cap:5"], 0), version("101", ["hat:25"], 3)) == {"101/hat": Decimal(25)}


def test_of_one_file_the_later_record_counts(shop: OrderPlatform) -> None:
    first = version("101", ["hat:20", "cap:10"], 0, record_number=4)
    assert ran(shop, first, version("101", ["hat:25"], 0, record_number=9)) == {"101/hat": Decimal(25)}


def test_two_orders_of_one_number_both_count(shop: OrderPlatform) -> None:
    ours = version("101", ["hat:20"], 0, customer_id="anna", source_file="de.csv")
    theirs = version("101", ["hat:30"], 0, customer_id="ben", source_file="fr.csv")
    assert ran(shop, ours, theirs) == {"101/hat": Decimal(20), "101/hat (2)": Decimal(30)}
    rows = shop.rows(UserOrderLog)
    assert [(row["order_id"], row["shared_order_id"]) for row in rows] == [("101", "101"), ("101 (2)", "101")]


def test_orders_of_another_time_are_other_orders_even_if_they_say_when_they_changed(shop: OrderPlatform) -> None:
    later = {"placed_at": PLACED + timedelta(hours=1)}
    both = version("101", ["hat:20"], 0, **changed(0)), version("101", ["hat:30"], 0, **changed(1), **later)
    assert sum(ran(shop, *both).values()) == 50


def test_other_amounts_in_two_files_of_one_day_are_a_conflict(shop: OrderPlatform) -> None:
    both = (version("101", [f"hat:{amount}"], 0, source_file=f"{amount}.csv") for amount in (20, 30))
    assert sum(ran(shop, *both).values()) == 50


def test_overlapping_exports_are_copies(shop: OrderPlatform) -> None:
    both = (version("101", ["hat:20", "cap:5"], 0, source_file=f"{name}.csv") for name in "ab")
    assert ran(shop, *both) == {"101/hat": Decimal(20), "101/cap": Decimal(5)}


def test_another_customer_in_a_newer_version_is_no_conflict(shop: OrderPlatform) -> None:
    guest = version("101", ["hat:20"], 0, customer_id="a@example.com", **changed(0))
    assert ran(shop, guest, version("101", ["hat:20"], 2, customer_id="ann", **changed(2))) == {"101/hat": Decimal(20)}


def test_a_row_from_before_there_were_records_is_replaced_by_its_line(shop: OrderPlatform) -> None:
    old = version("101", ["hat:20"], 0, record_id=None, placed_at=None, record_number=None)
    assert ran(shop, old, version("101", ["hat:25"], 2, **changed(2))) == {"101/hat": Decimal(25)}
    shop.clear()
    assert ran(shop, old, version("101", ["hat:25"], 2, left_out="not_a_sale", **changed(2))) == {}


def random_versions(dice: random.Random) -> list[list[Row]]:
    """Return versions of a few orders, each with a time of change of its own, in any order of arrival."""
    result: list[list[Row]] = []
    for number in range(dice.randint(1, 5)):
        for change in range(dice.randint(1, 4)):
            lines = [f"i{n}:{dice.randint(1, 99)}" for n in range(4) if dice.random() < 0.6] or ["i0:7"]
            arrived, file = dice.randint(0, 8), dice.choice("abc")
            said = {"left_out": "not_a_sale"} if dice.random() < 0.25 else {}
            place = {"record_number": len(result), "source_file": file}
            result.append(version(f"o{number}", lines, arrived, **changed(change), **place, **said))
    dice.shuffle(result)
    return result


def newest(versions: list[list[Row]]) -> dict[str, Decimal]:
    """Return the lines that count, by nothing but the time of change of each order's versions."""
    latest: dict[str, list[Row]] = {}
    for rows in sorted(versions, key=lambda rows: rows[0].get("changed_at") or LONG_AGO):
        latest[rows[0]["record_id"]] = rows
    return {row["uniq_id"]: row["payment_amount"] for rows in latest.values() for row in rows if not row["left_out"]}


@pytest.mark.slow
def test_whatever_the_order_of_arrival_each_order_counts_by_its_newest_version(shop: OrderPlatform) -> None:
    for seed in seeds(range(12)):
        versions = random_versions(random.Random(seed))  # noqa: S311 (stories, not secrets)
        shop.clear()
        assert ran(shop, *versions) == newest(versions), f"seed {seed}"


@pytest.mark.slow
def test_days_that_are_run_as_versions_arrive_end_as_one_run(shop: OrderPlatform) -> None:
    for seed in seeds(range(100, 106)):
        dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
        versions = random_versions(dice)
        shop.clear()
        days = list(DAYS.dates)
        dice.shuffle(days)
        for day in days:
            shop.receive([row for rows in versions for row in rows], Days((day,)))
            shop.run(Days((day,)))
        assert sold(shop) == newest(versions), f"seed {seed}"
