"""Refunds of money for no item, spread over the items of their order: by hand, and random orders in
any order of days beside a few lines of plain Python.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import floor
from pathlib import Path
from typing import Any, Final, cast

import ibis
import ibis.expr.types as ir
import pytest

from ecom_assets.cli.explain import reader_of
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.orders.contracts import ChangedOrderDays, UserOrderLog
from ecom_assets.commerce.orders.refunds import OF_ITEM, SPREAD, refund_parts
from ecom_assets.commerce.sales.checks import refunds_have_items, sales_are_the_order_lines
from ecom_assets.commerce.sales.contracts import ProductSalesDaily, RevenueDaily, Sales
from ecom_assets.commerce.sales.sales import sales_of_lines
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import BrokenRows, counted
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.trace import Computed, TraceContext
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets.interfaces.explain.question import TRACES
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.interfaces.explain.test_every_number import chosen, largest, received
from ecom_assets_tests.platform import OrderPlatform

D = Decimal
MONDAY = date(2026, 3, 2)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=28))
CATEGORIES = {"hat": "hats", "sock": "socks", "cap": "hats"}
Parts = list[tuple[str, str]]


def sold(line: str, item: str, amount: str, day: int = 0, **more: Any) -> Row:
    """Return a received sale; line `a-1` is of order `a`."""
    values = {
        "order_id": line.partition("-")[0],
        "item_id": item,
        "item_name": item.capitalize(),
        "item_category": CATEGORIES.get(item),
        "payment_amount": D(amount),
    }
    return order_line(line, MONDAY + timedelta(days=day), **{**values, **more})


def back(line: str, amount: str, day: int, item: str = "refund", **more: Any) -> Row:
    """Return a received refund, by default of money for no item."""
    return sold(line, item, amount, day, status="refunded", **more)


HAT_AND_SOCK = (sold("a-1", "hat", "60"), sold("a-2", "sock", "40"))


def run(shop: OrderPlatform, *rows: Row) -> None:
    """Let rows arrive, and compute all days at once."""
    shop.receive(rows, DAYS)
    shop.run(DAYS)


def refunded(shop: OrderPlatform, order: str = "") -> Parts:
    """Return the item and the revenue of each refund in sales, of all orders or one."""
    rows = [row for row in shop.rows(Sales) if row["status"] == "refunded"]
    rows = [row for row in rows if order in {"", row["order_id"]}]
    return [(row["item_id"], str(row["revenue_amount"].quantize(D("0.01")))) for row in rows]


@pytest.mark.slow
def test_what_is_no_piece_of_anything_is_neither_sold_nor_comes_back(shop: OrderPlatform) -> None:
    """Of two hats one comes back, with its shipping; a fee is kept, and money goes back for an
    order that is not there.
    """
    run(
        shop,
        sold("a-1", "hat", "60", quantity=2),
        back("a-2", "30", 2, item="hat"),
        back("a-3", "0", 2, shipping_amount=D(4)),
        sold("a-4", "refund", "3", 2),
        back("b-1", "5", 2),
    )
    days = shop.engine.query(
        "SELECT sum(sold_item_count) AS sold, sum(refunded_item_count) AS back, sum(revenue_amount)"
        " AS revenue FROM mart.revenue_daily WHERE channel = '(all)' AND city_id = '(all)' AND "
        "item_category = '(all)' AND sales_channel = '(all)'"
    )
    assert days == [{"sold": 2, "back": 1, "revenue": 60 - 30 + 3 - 5}]
    reader = reader_of(shop.engine, Settings())
    for row in largest(reader, RevenueDaily, "refunded_item_count"):
        context = TraceContext(row, reader.table, reader.rules, reader.ask, reader.keep)
        for name in ("sold_item_count", "refunded_item_count"):
            derivation = TRACES[RevenueDaily].numbers[name]
            assert received(reader, derivation, context) == row[name], "explained by its rows"
    fee = {"item_id": "refund", "status": "shipped"}
    context = TraceContext(fee, reader.table, reader.rules, reader.ask, reader.keep)
    assert isinstance(chosen(TRACES[ProfitLines].numbers["quantity"], context), Computed)


@pytest.mark.slow
def test_a_refund_without_an_item_is_spread_by_what_was_paid_for_the_items(
    shop: OrderPlatform,
) -> None:
    """Of 25.00 back for a hat of 60.00 and a sock of 40.00, 15.00 are for the hat; its shipping of
    4.00 is shared alike.
    """
    run(shop, *HAT_AND_SOCK, back("a-3", "25", 7, shipping_amount=D(4), vendor="?"))
    rows = [row for row in shop.rows(Sales) if row["refund_line_id"]]
    assert [
        (row["uniq_id"], row["item_id"], row["item_category"], row["vendor"], row["quantity"])
        for row in rows
    ] == [("a-3 > hat", "hat", "hats", None, 0), ("a-3 > sock", "sock", "socks", None, 0)]
    assert [(row["revenue_amount"], row["shipping_amount"]) for row in rows] == [
        (-15, D("-2.40")),
        (-10, D("-1.60")),
    ]
    assert {(row["refund_line_id"], row["order_date"]) for row in rows} == {
        ("a-3", MONDAY + timedelta(days=7))
    }
    assert {row["item_id"]: row["revenue_amount"] for row in totals(shop)} == {
        "hat": 45,
        "sock": 30,
    }
    assert results(shop) == (0, 0)


def totals(shop: OrderPlatform) -> list[Row]:
    """Return the revenue of each item, from the mart, by SQL."""
    return shop.engine.query(
        "SELECT item_id, sum(revenue_amount) AS revenue_amount FROM mart.product_sales_daily "
        "GROUP BY ALL ORDER BY ALL"
    )


def results(shop: OrderPlatform) -> tuple[int, int]:
    """Return how many days differ from the order lines, and how many refunds have no item."""
    lines, sales = shop.table(UserOrderLog), shop.table(Sales)
    differ, unspread = (
        counted([check])[0].broken_count
        for check in (
            cast("BrokenRows", sales_are_the_order_lines.function(None, lines, sales)),
            cast("BrokenRows", refunds_have_items.function(None, sales)),
        )
    )
    return differ, unspread


LEFT: dict[str, tuple[Parts, Parts]] = {
    "more than the order was worth, of which profit calls the rest goodwill": (
        [("refund", "120")],
        [("hat", "-72.00"), ("sock", "-48.00")],
    ),
    "30 of the hat are left, and 40 of the sock": (
        [("hat", "30"), ("refund", "7")],
        [("hat", "-30.00"), ("hat", "-3.00"), ("sock", "-4.00")],
    ),
    "what went back above the price of the hat makes the sock worth no less": (
        [("hat", "65"), ("refund", "7")],
        [("hat", "-65.00"), ("sock", "-7.00")],
    ),
    "two refunds one after another": (
        [("refund", "50"), ("(none)", "10")],
        [("hat", "-30.00"), ("sock", "-20.00"), ("hat", "-6.00"), ("sock", "-4.00")],
    ),
    "nothing is left after the first": (
        [("refund", "100"), ("refund", "10")],
        [("hat", "-60.00"), ("sock", "-40.00"), ("refund", "-10.00")],
    ),
    "all went back by item": (
        [("hat", "60"), ("sock", "40"), ("", "1")],
        [("hat", "-60.00"), ("sock", "-40.00"), ("(none)", "-1.00")],
    ),
    "shipping alone is for no item": ([("refund", "0")], [("refund", "0.00")]),
}


def test_what_is_left_of_an_order_is_what_items_were_sold_for_less_what_went_back_for_them(
    shop: OrderPlatform,
) -> None:
    rows = [
        row | {"uniq_id": f"{name}-{place}", "order_id": name}
        for name, (refunds, _) in LEFT.items()
        for place, row in enumerate(
            (
                *HAT_AND_SOCK,
                *(back("-", amount, n, item) for n, (item, amount) in enumerate(refunds, 3)),
            )
        )
    ]
    run(shop, *rows)
    assert {name: refunded(shop, name) for name in LEFT} == {
        name: parts for name, (_, parts) in LEFT.items()
    }
    assert results(shop) == (0, 2)


def test_parts_add_up_to_the_cent_and_in_yen_to_the_yen(shop: OrderPlatform) -> None:
    items = [sold(f"a-{n}", item, "10") for n, item in enumerate(("cap", "hat", "sock"))]
    rows = [*items, back("a-9", "10", 3)]
    yen = [
        row | {"uniq_id": f"y{row['uniq_id']}", "order_id": "y", "currency": "JPY"} for row in rows
    ]
    run(shop, *rows, *yen)
    assert refunded(shop, "a") == [("cap", "-3.33"), ("hat", "-3.34"), ("sock", "-3.33")]
    assert refunded(shop, "y") == [("cap", "-3.00"), ("hat", "-4.00"), ("sock", "-3.00")]


def test_a_refund_whose_order_is_not_there_keeps_its_amount_and_is_counted(
    shop: OrderPlatform,
) -> None:
    run(shop, *HAT_AND_SOCK, back("z-1", "5", 3), sold("a-4", "cap", "9", 9), back("a-3", "10", 2))
    # The cap was ordered after the refund.
    assert refunded(shop) == [("hat", "-6.00"), ("sock", "-4.00"), ("refund", "-5.00")]
    assert results(shop) == (0, 1)


def test_where_no_sale_names_an_item_refunds_need_not(shop: OrderPlatform) -> None:
    run(shop, sold("a-1", "", "60"), back("a-2", "10", 3, ""))
    assert refunded(shop) == [("(none)", "-10.00")]
    assert results(shop) == (0, 0)


@pytest.mark.slow
def test_a_sale_that_arrives_after_its_refund_changes_the_day_of_the_refund(
    shop: OrderPlatform,
) -> None:
    """The refund of day 7 arrives first; each run is over the day of what arrives."""
    hat, sock, refund = (*HAT_AND_SOCK, back("a-3", "10", 7))
    received = [
        row | {"received_date": MONDAY + timedelta(days=day)}
        for row, day in ((refund, 7), (hat, 12), (sock, 15))
    ]
    seen = []
    for row in received:
        days = Days((row["received_date"],))
        shop.receive([row], days)
        shop.run(days)
        seen.append((refunded(shop), totals(shop)[0]["revenue_amount"]))
    assert [parts for parts, _ in seen] == [
        [("refund", "-10.00")],
        [("hat", "-10.00")],
        [("hat", "-6.00"), ("sock", "-4.00")],
    ]
    assert [revenue for _, revenue in seen] == [-10, 50, 54]


@pytest.mark.slow
def test_a_sale_that_is_withdrawn_changes_its_own_day_and_the_day_of_its_refund(
    shop: OrderPlatform,
) -> None:
    """The hat was ordered on day 0 and arrived on day 2; the refund of day 7 is all for the sock
    once the hat's line is gone, and a run over day 2 alone finds both days.
    """
    hat, sock, refund = (*HAT_AND_SOCK, back("a-3", "10", 7))
    arrived = [
        row | {"received_date": MONDAY + timedelta(days=day)}
        for row, day in ((hat, 2), (sock, 0), (refund, 7))
    ]
    for row in sorted(arrived, key=lambda row: row["received_date"]):
        days = Days((row["received_date"],))
        shop.receive([row], days)
        shop.run(days)
    assert refunded(shop) == [("hat", "-6.00"), ("sock", "-4.00")]
    gone = Days((MONDAY + timedelta(days=2),))
    shop.receive([], gone)
    shop.run(gone)
    assert refunded(shop) == [("sock", "-10.00")]
    assert {row["item_id"] for row in shop.rows(Sales)} == {"sock"}


ARRIVALS = Days.between(MONDAY, MONDAY + timedelta(days=9))
ITEMS = ("hat", "sock", "cap", "refund", None)


@cache
def platform() -> OrderPlatform:
    """One warehouse, emptied between random shops, so that it compiles a slice once."""
    return OrderPlatform(Settings(home=Path("never written")))


def random_lines(dice: random.Random) -> list[Row]:
    """Return lines of a few orders: sales and refunds, with and without an item, of any day; each
    arrives on its day or later, and some again with another amount.
    """
    rows = []
    for number in range(dice.randint(2, 16)):
        order, day = dice.choice("abc"), dice.randrange(6)
        status = dice.choice(("shipped", "shipped", "refunded"))
        item = dice.choice(ITEMS if status == "refunded" else ITEMS[:3])
        amount = str(D(dice.randrange(0, 9000)) / 100)
        row = sold(f"{order}-{number:02}", item or "", amount, day, status=status)
        row["ordered_at"] = datetime.combine(row["order_date"], time(dice.choice((8, 12))))
        row["date_time"] = row["ordered_at"].isoformat()
        row["received_date"] = row["order_date"] + timedelta(days=dice.choice((0, 0, 1, 3)))
        rows.append(row)
        if dice.random() < 0.2:
            later = row["received_date"] + timedelta(days=dice.choice((0, 1)))
            again = {"payment_amount": D(dice.randrange(1, 9000)) / 100, "id": "2", "id_number": 2}
            rows.append(row | again | {"received_date": min(later, ARRIVALS.dates[-1])})
    return rows


def by_hand(lines: Iterable[Row]) -> list[tuple[Any, ...]]:
    """Return the day, order, item and revenue of each sale, by the definition, in exact numbers."""
    lines = list(lines)
    loose = ("refund", "(none)")
    result: list[tuple[Any, ...]] = []
    for line in lines:
        sign = -1 if line["status"] == "refunded" else 1
        where, paid = (line["order_date"], line["order_id"]), line["payment_amount"]
        parts: list[tuple[str, Decimal]] = [(line["item_id"], paid)]
        if sign == -1 and line["item_id"] in loose and paid > 0:
            left: dict[str, Fraction] = defaultdict(Fraction)
            spread = Fraction(0)
            for other in lines:
                amount = Fraction(other["payment_amount"])
                if other["order_id"] != line["order_id"]:
                    continue
                is_loose = other["item_id"] in loose
                if other["status"] == "shipped":
                    if other["order_date"] <= line["order_date"]:
                        left[other["item_id"]] += amount
                elif not is_loose and other["ordered_at"] <= line["ordered_at"]:
                    left[other["item_id"]] -= amount
                elif is_loose and when(other) < when(line):
                    spread += amount
            weights = {item: value for item, value in sorted(left.items()) if value > 0}
            if sum(weights.values()) > spread:
                parts = shared(paid, weights)
        result += [(*where, item, sign * amount) for item, amount in parts]
    return sorted(result)


def when(line: Row) -> tuple[datetime, str]:
    return line["ordered_at"], line["uniq_id"]


def shared(amount: Decimal, weights: dict[str, Fraction]) -> list[tuple[str, Decimal]]:
    """Share an amount by weights, in cents: each has what the sum up to it has more, rounded."""
    parts, whole, so_far, before = [], sum(weights.values()), Fraction(0), D(0)
    for item, weight in weights.items():
        so_far += weight
        cents = floor(Fraction(amount) * 100 * so_far / whole + Fraction(1, 2))
        upto = amount if so_far == whole else D(cents) / 100
        parts.append((item, upto - before))
        before = upto
    return parts


def in_sales(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    """Return what `by_hand` does, of sales."""
    names = ("order_date", "order_id", "item_id", "revenue_amount")
    return sorted(tuple(row[name] for name in names) for row in rows)


def clean(rows: Iterable[Row]) -> ir.Table:
    """Return received lines as clean ones."""
    columns = UserOrderLog.columns
    needed = [name for name, column in columns.items() if not column.nullable]
    named = [{name: row.get(name) for name in columns} for row in rows]
    return in_memory(
        [
            row
            | {name: row[name] or "(none)" for name in needed if columns[name].type == "string"}
            | {"status": row["status"] or "shipped"}
            for row in named
        ],
        UserOrderLog,
    )


def sales_of(lines: ir.Table) -> ir.Table:
    """Return the sales of clean lines."""
    return sales_of_lines(lines.mutate(channel=ibis.literal("(none)")), refund_parts(lines, lines))


def spread(rows: Iterable[Row]) -> list[Row]:
    """Return the sales of received lines, without a warehouse."""
    actual: list[Row] = sales_of(clean(rows)).to_pyarrow().to_pylist()
    return actual


@pytest.mark.parametrize("seed", seeds(range(20)))
def test_random_orders_are_spread_as_by_hand(seed: int) -> None:
    """Of 120 shops at once, whose orders have other names."""
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    rows = [
        row
        | {name: f"{number}-{row[name]}" for name in ("uniq_id", "order_id")}
        | {"item_id": row["item_id"] or "(none)"}
        for number in range(120)
        for row in {row["uniq_id"]: row for row in random_lines(dice)}.values()
    ]
    actual = spread(rows)
    assert in_sales(actual) == by_hand(rows)
    assert len({row["uniq_id"] for row in actual}) == len(actual)
    assert len([row for row in actual if row["refund_line_id"]]) > 100


def on_engine(url: str, folder: Path) -> list[tuple[Any, ...]]:
    """Return the sales of a random shop, computed in a warehouse."""
    with closing(new_engine(Settings(home=folder, warehouse=url)).open()) as engine:
        engine.ensure(UserOrderLog)
        engine.replace(UserOrderLog, clean(SHOP), DAYS)
        return in_full(engine.rows_of(sales_of(engine.table(UserOrderLog))))


def in_full(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    names = ("uniq_id", "refund_line_id", *SPREAD, "quantity", *OF_ITEM)
    return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


def fixed_shop() -> list[Row]:
    """Return a shop in which some refunds say shipping and a currency, too."""
    dice = random.Random(61)  # noqa: S311 (stories, not secrets)
    lines = {f"{n}-{row['uniq_id']}": (n, row) for n in range(9) for row in random_lines(dice)}
    return [
        row
        | {"uniq_id": name, "order_id": f"{n}-{row['order_id']}"}
        | {"shipping_amount": D("1.234"), "currency": dice.choice((None, "JPY", "KWD"))}
        for name, (n, row) in lines.items()
    ]


SHOP: Final = fixed_shop()


def test_postgres_has_the_same_parts(tmp_path: Path, postgres_warehouse: str) -> None:
    assert on_engine(postgres_warehouse, tmp_path) == in_full(spread(SHOP))


def test_snowflake_has_the_same_parts(tmp_path: Path, snowflake_warehouse: str) -> None:
    assert on_engine(snowflake_warehouse, tmp_path) == in_full(spread(SHOP))


def test_spark_has_the_same_parts(tmp_path: Path, spark_warehouse: str) -> None:
    assert on_engine(spark_warehouse, tmp_path) == in_full(spread(SHOP))


def test_refunds_of_hundreds_of_billions_are_spread() -> None:
    """As in dong: 200 billion and a cent back of 300 and 100 billion."""
    rows = [
        sold("a-1", "hat", "3e11"),
        sold("a-2", "sock", "1e11"),
        back("a-3", "200000000000.01", 7),
    ]
    assert sorted(row["revenue_amount"] for row in spread(rows) if row["refund_line_id"]) == [
        D("-150000000000.01"),
        D("-50000000000.00"),
    ]


def check(seed: int) -> None:
    """Let lines of a random shop arrive in any order of days, and compare with plain Python, and
    the marts with plain SQL, and all with one run.
    """
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    shop, rows = platform(), random_lines(dice)
    shop.clear()
    order = dice.sample(ARRIVALS.dates, len(ARRIVALS.dates))
    for number in range(0, len(order), 2):
        came = Days.from_dates(order[number : number + 2])
        shop.receive([row for row in rows if row["received_date"] in came.dates], came)
        shop.run(came)
    actual = shop.rows(Sales)
    lines = shop.rows(UserOrderLog)
    assert in_sales(actual) == by_hand(lines), seed
    assert results(shop)[0] == 0
    of_items: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    of_days: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for day, _, item, revenue in by_hand(lines):
        of_items[day, item] += revenue
        of_days[day, CATEGORIES.get(item, "(none)")] += revenue
        of_days[day, "(all)"] += revenue
    stored = shop.rows(ProductSalesDaily)
    assert {(r["order_date"], r["item_id"]): r["revenue_amount"] for r in stored} == of_items
    dimensions = ("channel", "city_id", "sales_channel")
    assert {
        (r["order_date"], r["item_category"]): r["revenue_amount"]
        for r in shop.rows(RevenueDaily)
        if all(r[name] == "(all)" for name in dimensions)
    } == of_days
    state = shop.state()
    for table in state:
        shop.engine.execute(f"DELETE FROM {table}")
    shop.run(DAYS)
    at_once = shop.state()
    for name, rows_at_once in at_once.items():
        # These remember earlier runs.
        if name not in {ChangedOrderDays.qualified_name(), "mart.calendar"}:
            assert state[name] == rows_at_once, (name, seed)


@pytest.mark.slow
def test_random_orders_are_spread_as_by_hand_in_any_order_of_days() -> None:
    for seed in seeds(range(20)):
        check(seed)
