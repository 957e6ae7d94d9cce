"""Versions of orders in any order of arrival: each order counts as its newest
version says, and no more.

The reference is a few lines of Python over the list of versions; it knows nothing of tables.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.cli.explain import reader_of
from ecom_assets.commerce.orders.checks import ACCOUNTED, refunds_are_of_sales
from ecom_assets.commerce.orders.contracts import HeldOrderDays, RawUserOrderLog, UserOrderLog
from ecom_assets.commerce.orders.held_days import held_order_dates
from ecom_assets.commerce.orders.orders import OrderRule, order_accounting, user_order_log
from ecom_assets.core.tables.check import CheckResult
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.interfaces.explain.answer import explain
from ecom_assets.interfaces.explain.question import RowsQuestion, table_named
from ecom_assets_tests.builders import Row, as_table, order_line
from ecom_assets_tests.hypothesis_settings import examples, seeds
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=10))
PLACED = datetime(2026, 3, 9, 10)  # noqa: DTZ001 (UTC, as tables have it)
LONG_AGO = datetime(1970, 1, 1)  # noqa: DTZ001 (UTC, as tables have it)


def version(number: str, lines: list[str], arrived: int, **said: Any) -> list[Row]:
    """Return the rows of a version of an order of Monday: a line per word `item:amount`,
    perhaps left out.
    """
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
        order_line(f"{number}/{item}", MONDAY, item_id=item, payment_amount=Decimal(amount))
        | common
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


@pytest.mark.slow
def test_a_shorter_version_has_no_line_of_the_older_one(shop: OrderPlatform) -> None:
    first = version("101", ["hat:20", "cap:10"], 0, **changed(0))
    assert ran(shop, first, version("101", ["hat:25"], 2, **changed(2))) == {"101/hat": Decimal(25)}


@pytest.mark.slow
@pytest.mark.parametrize("said", [{"left_out": "not_a_sale"}, {"payment_amount": None}])
def test_a_version_that_is_left_out_or_refused_replaces_the_sale(
    shop: OrderPlatform, said: Row
) -> None:
    cancelled = version("101", ["hat:20"], 2, **changed(2), **said)
    assert ran(shop, version("101", ["hat:20"], 0, **changed(0)), cancelled) == {}


def test_an_older_version_that_arrives_later_changes_nothing(shop: OrderPlatform) -> None:
    newest = version("101", ["hat:25"], 0, **changed(2))
    assert ran(shop, newest, version("101", ["hat:20", "cap:10"], 3, **changed(1))) == {
        "101/hat": Decimal(25)
    }


def test_without_a_time_of_change_the_later_arrival_counts(shop: OrderPlatform) -> None:
    assert ran(shop, version("101", ["hat:20", "cap:5"], 0), version("101", ["hat:25"], 3)) == {
        "101/hat": Decimal(25)
    }


def test_of_one_file_the_later_record_counts(shop: OrderPlatform) -> None:
    first = version("101", ["hat:20", "cap:10"], 0, record_number=4)
    assert ran(shop, first, version("101", ["hat:25"], 0, record_number=9)) == {
        "101/hat": Decimal(25)
    }


def test_two_orders_of_one_number_both_count(shop: OrderPlatform) -> None:
    ours = version("101", ["hat:20"], 0, customer_id="anna", source_file="de.csv")
    theirs = version("101", ["hat:30"], 0, customer_id="ben", source_file="fr.csv")
    assert ran(shop, ours, theirs) == {"101/hat": Decimal(20), "101/hat (2)": Decimal(30)}
    rows = shop.rows(UserOrderLog)
    assert [(row["order_id"], row["shared_order_id"]) for row in rows] == [
        ("101", "101"),
        ("101 (2)", "101"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("arrived", [0, 2])
def test_each_of_two_orders_of_one_number_goes_down_to_its_received_line(
    shop: OrderPlatform, arrived: int
) -> None:
    """On one day, and on two; the later order has another customer and another time of placing."""
    ours = version("101", ["hat:20"], 0, customer_id="anna", source_file="de.csv")
    later = {"placed_at": PLACED + timedelta(hours=1)}
    theirs = version("101", ["hat:30"], arrived, customer_id="ben", source_file="fr.csv", **later)
    ran(shop, ours, theirs)
    for line, amount in (("101/hat", 20), ("101/hat (2)", 30)):
        question = RowsQuestion(
            table_named("mart.sales"), parse_where([f"uniq_id = {line}"]), "revenue_amount"
        )
        (part,) = explain(question, reader_of(shop.engine, shop.settings))["number"]["down"]
        received = part["levels"][-1]
        assert (received["table"], received["row_count"], float(received["gives"])) == (
            "raw.user_order_log",
            1,
            amount,
        )
        assert [float(row["payment_amount"]) for row in part["received"]["rows"]] == [amount]


def test_orders_of_another_time_are_other_orders_even_if_they_say_when_they_changed(
    shop: OrderPlatform,
) -> None:
    later = {"placed_at": PLACED + timedelta(hours=1)}
    both = (
        version("101", ["hat:20"], 0, **changed(0)),
        version("101", ["hat:30"], 0, **changed(1), **later),
    )
    assert sum(ran(shop, *both).values()) == 50


def test_other_amounts_in_two_files_of_one_day_are_a_conflict(shop: OrderPlatform) -> None:
    both = (
        version("101", [f"hat:{amount}"], 0, source_file=f"{amount}.csv") for amount in (20, 30)
    )
    assert sum(ran(shop, *both).values()) == 50


@pytest.mark.slow
def test_overlapping_exports_are_copies(shop: OrderPlatform) -> None:
    both = (version("101", ["hat:20", "cap:5"], 0, source_file=f"{name}.csv") for name in "ab")
    assert ran(shop, *both) == {"101/hat": Decimal(20), "101/cap": Decimal(5)}


def test_another_customer_in_a_newer_version_is_no_conflict(shop: OrderPlatform) -> None:
    guest = version("101", ["hat:20"], 0, customer_id="a@example.com", **changed(0))
    assert ran(shop, guest, version("101", ["hat:20"], 2, customer_id="ann", **changed(2))) == {
        "101/hat": Decimal(20)
    }


@pytest.mark.slow
def test_a_row_from_before_there_were_records_is_replaced_by_its_line(shop: OrderPlatform) -> None:
    old = version("101", ["hat:20"], 0, record_id=None, placed_at=None, record_number=None)
    assert ran(shop, old, version("101", ["hat:25"], 2, **changed(2))) == {"101/hat": Decimal(25)}
    shop.clear()
    assert ran(shop, old, version("101", ["hat:25"], 2, left_out="not_a_sale", **changed(2))) == {}


def random_versions(dice: random.Random) -> list[list[Row]]:
    """Return versions of a few orders, each with a time of change of its own,
    in any order of arrival.
    """
    result: list[list[Row]] = []
    for number in range(dice.randint(1, 5)):
        for change in range(dice.randint(1, 4)):
            lines = [f"i{n}:{dice.randint(1, 99)}" for n in range(4) if dice.random() < 0.6] or [
                "i0:7"
            ]
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
    return {
        row["uniq_id"]: row["payment_amount"]
        for rows in latest.values()
        for row in rows
        if not row["left_out"]
    }


@pytest.mark.slow
def test_whatever_the_order_of_arrival_each_order_counts_by_its_newest_version(
    shop: OrderPlatform,
) -> None:
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
        for number in range(0, len(days), 2):
            came = Days.from_dates(days[number : number + 2])
            shop.receive([row for rows in versions for row in rows], came)
            shop.run(came, only=shop.made_from(UserOrderLog))
        assert sold(shop) == newest(versions), f"seed {seed}"


# Conflicts and copies


@dataclass(frozen=True)
class Exported:
    """An order as a file has it: a record of some lines, placed at an hour,
    without a time of change.
    """

    number: str
    customer: str
    hour: int
    lines: tuple[tuple[str, int], ...]

    def rows(self, day: int, file: str, position: int) -> list[Row]:
        """Return its rows in a file that arrived on a day."""
        return version(
            self.number,
            [f"{item}:{amount}" for item, amount in self.lines],
            day,
            source_file=f"{day} {file}",
            record_number=position,
            customer_id=self.customer,
            placed_at=PLACED + timedelta(hours=self.hour),
        )


ORDERS = st.builds(
    Exported,
    number=st.sampled_from(("101", "102")),
    customer=st.sampled_from(("anna", "ben")),
    hour=st.sampled_from((0, 1)),
    lines=st.lists(
        st.tuples(st.sampled_from(("hat", "cap")), st.integers(1, 3)),
        min_size=1,
        max_size=2,
        unique_by=lambda line: line[0],
    ).map(tuple),
)
FILES = st.dictionaries(
    st.tuples(st.integers(0, 2), st.sampled_from("ab")), st.lists(ORDERS, max_size=4), max_size=4
)
"""The orders of each file, by its day of arrival and its name."""


def orders_that_count(files: dict[tuple[int, str], list[Exported]]) -> list[Exported]:
    """Return the orders that count: of each number, customer and hour the last;
    of one day each other amount.
    """
    exports: dict[tuple[str, str, int], list[tuple[int, str, Exported]]] = defaultdict(list)
    for (day, file), orders in files.items():
        for order in orders:
            exports[order.number, order.customer, order.hour].append((day, file, order))
    result: list[Exported] = []
    for own in exports.values():
        last_day = max(day for day, _, _ in own)
        # Of a file the later record; dictionaries keep what was added last.
        of_files = {file: order for day, file, order in own if day == last_day}
        by_amount = {
            sum(amount for _, amount in of_files[file].lines): of_files[file]
            for file in sorted(of_files)
        }
        result += by_amount.values()
    return result


def cleaned(rows: Iterable[Row], days: Days = DAYS) -> list[Row]:
    """Return the clean lines of rows."""
    con = connect()
    con.con.register("raw", as_table(rows, RawUserOrderLog))
    lines: list[Row] = (
        user_order_log(con.table("raw"), None, None, OrderRule(), days).to_pyarrow().to_pylist()
    )
    return lines


@pytest.mark.slow
@examples(100)
@given(files=FILES)
def test_conflicts_count_and_copies_do_not(files: dict[tuple[int, str], list[Exported]]) -> None:
    raw = [
        row
        for (day, file), orders in files.items()
        for position, order in enumerate(orders)
        for row in order.rows(day, file, position)
    ]
    expected = orders_that_count(files)
    rows = cleaned(raw)
    sold = Counter((row["customer_id"], row["item_id"], int(row["payment_amount"])) for row in rows)
    assert sold == Counter((order.customer, *line) for order in expected for line in order.lines)
    numbers = Counter(order.number for order in expected)
    keys = {
        number: {row["order_id"] for row in rows if row["order_id"].split(" ")[0] == number}
        for number in numbers
    }
    assert {number: len(own) for number, own in keys.items()} == numbers
    assert {row["shared_order_id"] for row in rows} - {None} == {
        number for number, n in numbers.items() if n > 1
    }


@pytest.mark.slow
@examples(60)
@given(
    lines=st.lists(
        st.tuples(st.sampled_from(("hat", "cap")), st.integers(1, 9)),
        min_size=1,
        max_size=2,
        unique_by=lambda line: line[0],
    ),
    cuts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4),
)
def test_overlapping_exports_give_what_one_export_gives(
    lines: Sequence[tuple[str, int]], cuts: Sequence[tuple[int, int]]
) -> None:
    """Six orders, of which each export has those from one number to another;
    one export may come on a later day.
    """
    orders = [Exported(str(n), "anna", n, tuple(lines)) for n in range(6)]
    raw = [
        row
        for name, (first, last) in enumerate(cuts)
        for order in orders[first : last + 1]
        for row in order.rows(name % 2, str(name), order.hour)
    ]
    exported = {n for first, last in cuts for n in range(first, last + 1)}
    amounts = Counter(row["order_id"] for row in cleaned(raw))
    assert amounts == Counter({str(n): len(lines) for n in exported})


@pytest.mark.slow
def test_money_that_was_paid_back_for_no_sale_is_said(shop: OrderPlatform) -> None:
    """As PrestaShop's orders in the state Refunded, which are no sales, and their credit slips."""
    order = version("101", ["hat:20"], 0, left_out="not_a_sale", **changed(2))
    slip = {"record_id": "refund-7", "order_id": "101", "status": "refunded", "placed_at": None}
    paid_back = version("7", ["hat:20"], 2, **changed(2)) + version("8", ["cap:5"], 2, **changed(2))
    for row, number in zip(paid_back, ("101", "102"), strict=True):
        row.update(slip | {"order_id": number, "record_id": f"refund-{number}"})
    ran(shop, order, version("102", ["cap:5"], 0), paid_back)
    result = refunds_are_of_sales.function(
        None, shop.table(RawUserOrderLog), shop.table(UserOrderLog)
    )
    assert isinstance(result, CheckResult)
    assert result.broken_count == 1
    assert result.metadata["sentence"].startswith(
        "20.00 were paid back for 1 order that counts as no sale, such as 101"
    )


# Days that are held back


def held_days(raw: Iterable[Row], *days: int) -> dict[int, int]:
    """Return how many lines each order day waits for, by days after Monday,
    where the lines of `days` are held.
    """
    con = connect()
    raw = list(raw)
    con.con.register("raw", as_table(raw, RawUserOrderLog))
    held = [MONDAY + timedelta(days=day) for day in days]
    counts = Counter(row["received_date"] for row in raw if not row["left_out"])
    rows = [{"held_date": day, "held_row_count": counts[day]} for day in held]
    con.con.register("held", as_table(rows, HeldOrderDays))
    result = (
        held_order_dates(con.table("raw"), con.table("held"), None, OrderRule())
        .to_pyarrow()
        .to_pylist()
    )
    return {(row["order_date"] - MONDAY).days: row["missing_count"] for row in result}


def ordered(day: int) -> Row:
    """Return what moves lines to another order day."""
    return {"order_date": MONDAY + timedelta(days=day), "ordered_at": PLACED + timedelta(days=day)}


@pytest.mark.slow
def test_a_held_version_that_moves_an_order_changes_both_days() -> None:
    moved = version("101", ["hat:20"], 3, **changed(3), **ordered(1))
    assert held_days([*version("101", ["hat:20"], 0, **changed(0)), *moved], 3) == {0: 0, 1: 1}


@pytest.mark.slow
def test_a_held_version_without_a_line_changes_its_day() -> None:
    first = version("101", ["hat:20", "cap:5"], 0, **changed(0), **ordered(0))
    shorter = version("101", ["hat:20"], 3, **changed(3), **ordered(2))
    assert held_days([*first, *shorter], 3) == {0: 0, 2: 1}
    cancelled = version("101", ["hat:20"], 3, **changed(3), left_out="not_a_sale")
    other = version("102", ["hat:7"], 3, **changed(3), **ordered(1))
    assert held_days([*first, *cancelled, *other], 3) == {0: 0, 1: 1}


@pytest.mark.slow
def test_a_held_version_that_is_older_changes_nothing() -> None:
    newest_one = version("101", ["hat:25"], 0, **changed(2))
    assert (
        held_days([*newest_one, *version("101", ["hat:20"], 3, **changed(1), **ordered(1))], 3)
        == {}
    )


@pytest.mark.slow
@examples(60)
@given(seed=st.integers(0, 10_000), held=st.sets(st.integers(0, 8), min_size=1, max_size=3))
def test_held_order_days_are_those_that_differ_from_a_release(seed: int, held: set[int]) -> None:
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    versions = [
        [row | day for row in rows]
        for rows in random_versions(dice)
        for day in [ordered(dice.randint(0, 1))]
    ]
    let_in = [rows for rows in versions if (rows[0]["received_date"] - MONDAY).days not in held]
    (now, of_now), (released, of_released) = (
        (newest(rows), days_of(rows)) for rows in (let_in, versions)
    )
    expected: Counter[int] = Counter()
    for line in released:
        day, arrived = of_released[line]
        if arrived in held:
            expected[day] += not (line in now and of_now[line][0] == day)
    for line in now:
        day, _ = of_now[line]
        if line not in released or of_released[line][0] != day:
            expected[day] += 0
    # A held day without a line that counts is an order day of its own: nobody knows what it lacks.
    clean = {
        of_line[1]
        for rows in versions
        if not rows[0]["left_out"]
        for of_line in days_of([rows]).values()
    }
    expected.update(held - clean)
    assert held_days([row for rows in versions for row in rows], *held) == dict(expected)


def days_of(versions: list[list[Row]]) -> dict[str, tuple[int, int]]:
    """Return the days of order and of arrival of each line of the newest versions,
    as days after Monday.
    """
    latest = {
        rows[0]["record_id"]: rows
        for rows in sorted(versions, key=lambda rows: rows[0]["changed_at"])
    }
    return {
        row["uniq_id"]: ((row["order_date"] - MONDAY).days, (row["received_date"] - MONDAY).days)
        for rows in latest.values()
        for row in rows
    }
