"""The sections of `docs/metrics/` about orders and sales recomputed:
its input gives its own results.

Not here: events, sessions and funnels (`test_metrics_doc.py`).
"""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

import ibis
import pytest

from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.contracts import Conversions
from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.commerce.orders.checks import ACCOUNTED
from ecom_assets.commerce.orders.contracts import (
    ORDER_REJECT_REASONS,
    DuplicateOrders,
    HeldOrderDays,
    PriceLog,
    QuarantinedOrders,
    RawPriceLog,
    UserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.held_days import OrderGate, release
from ecom_assets.commerce.orders.orders import order_accounting, price_log
from ecom_assets.commerce.sales.contracts import (
    Customer,
    CustomerRetention,
    ItemPrices,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.commerce.sales.queries import sales_totals
from ecom_assets.commerce.sales.sales import DIMENSIONS, places_of_purchases, purchase_revenue_daily
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.places import as_places
from ecom_assets.core.tables.queries import Period
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets.ingestion.sources.files.places import known_places
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.builders import Row, clean_events, order_line
from ecom_assets_tests.markdown import Line
from ecom_assets_tests.platform import NO_GATE, NOON, OrderPlatform
from ecom_assets_tests.test_metrics_doc import as_shown, rows_of, tables, without

DAYS = Days.between(date(2026, 3, 2), date(2026, 3, 16))

pytestmark = pytest.mark.xdist_group("metrics_doc_sales")


@pytest.fixture(scope="module")
def opened() -> Iterator[OrderPlatform]:
    platform = OrderPlatform()
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: OrderPlatform) -> OrderPlatform:
    opened.clear()
    return opened


def run(shop: OrderPlatform, lines: list[Line]) -> None:
    shop.receive([line_of(line) for line in lines], DAYS)
    shop.run(DAYS)


def line_of(line: Line) -> Row:
    """Return a line of an input table as received."""
    day = date.fromisoformat(line["order_date"])
    row = order_line(line["uniq_id"], day) | line
    row |= {name: date.fromisoformat(str(row[name])) for name in ("order_date", "received_date")}
    return row | {
        "payment_amount": Decimal(line["payment_amount"]),
        "quantity": int(row["quantity"]),
    }


def test_every_reject_reason_is_described_in_the_order_in_which_they_apply() -> None:
    reasons, *_ = tables("Clean order lines and reject reasons")
    assert tuple(line["reject_reason"] for line in reasons) == ORDER_REJECT_REASONS


def test_copies_become_clean_surplus_or_quarantined_as_the_page_says(shop: OrderPlatform) -> None:
    _, lines, _ = tables("Clean order lines and reject reasons")
    run(shop, without(lines, "becomes"))
    columns = ("uniq_id", "order_date", "received_date", "payment_amount", "quantity")
    became = {
        kind: [tuple(line[name] for name in columns) for line in lines if line["becomes"] == kind]
        for kind in ("clean", "quarantined", "surplus")
    }
    for kind, contract in (("clean", UserOrderLog), ("quarantined", QuarantinedOrders)):
        assert [
            tuple(str(int(v) if isinstance(v, Decimal) else v) for v in (row[c] for c in columns))
            for row in shop.rows(contract)
        ] == became[kind]
    assert sum(row["surplus_count"] for row in shop.rows(DuplicateOrders)) == len(became["surplus"])


@pytest.mark.slow
def test_the_accounting_per_day_of_arrival_leaves_no_residue(shop: OrderPlatform) -> None:
    _, lines, expected = tables("Clean order lines and reject reasons")
    run(shop, without(lines, "becomes"))
    per_day = order_accounting(DAYS, *(shop.table(table) for table in ACCOUNTED)).order_by("day")
    assert as_shown(shop.engine.con.to_pyarrow(per_day).to_pylist(), expected) == expected


@pytest.mark.slow
def test_a_held_day_waits_and_comes_in_as_the_page_says(shop: OrderPlatform) -> None:
    lines, held, shipped = tables("Held days")
    shop.rules["order_gate"] = OrderGate(
        1, lambda days: Days(tuple(day for day in days.dates if 9 <= day.day <= 11))
    )
    try:
        run(shop, lines)
        assert as_shown(shop.rows(HeldOrderDays), held) == held
        before = totals(shop)
        release(shop.engine, date(2026, 3, 10), "ann", NOON.replace(tzinfo=None))
        shop.run(Days((date(2026, 3, 10),)))
        after = totals(shop)
    finally:
        shop.rules["order_gate"] = NO_GATE
        shop.engine.execute("DELETE FROM staging.day_releases")
    days = sorted(before | after)
    answer = [
        {"order_date": d, "while_held": before.get(d, ""), "once_released": after[d]} for d in days
    ]
    assert answer == shipped


@pytest.mark.slow
def test_lines_of_a_day_that_was_not_loaded_wait_as_the_page_says(shop: OrderPlatform) -> None:
    _, lines, waiting, shipped = tables("Waiting lines")
    received = [line_of(line) for line in lines]
    shop.rules["order_source"].dates = frozenset(line["received_date"] for line in received)
    first, third = Days((date(2026, 3, 1),)), Days((date(2026, 3, 3),))
    shop.receive(received, third)
    shop.run(third)
    assert as_shown(shop.rows(WaitingOrderDays), waiting) == waiting
    before = totals(shop)
    shop.receive(received, first)
    shop.run(first)
    after = totals(shop)
    answer = [
        {"order_date": d, "only_the_3rd": before.get(d, ""), "then_the_1st": after[d]}
        for d in sorted(after)
    ]
    assert answer == shipped


def totals(shop: OrderPlatform) -> dict[str, str]:
    rows = [
        row for row in shop.rows(RevenueDaily) if {row[name] for name in DIMENSIONS} == {"(all)"}
    ]
    return {str(row["order_date"]): f"{row['shipped_amount']:.2f}" for row in rows}


@pytest.mark.slow
def test_days_add_up_to_the_orders_of_a_range_everywhere(shop: OrderPlatform) -> None:
    lines, expected = tables("What an order is")
    run(shop, lines)
    daily = [
        row for row in shop.rows(RevenueDaily) if {row[name] for name in DIMENSIONS} == {"(all)"}
    ]
    assert as_shown(daily, expected) == expected
    count = sum(row["order_count"] for row in daily)
    reading, period = (
        WarehouseReading(shop.engine, DAYS.dates[-1]),
        Period("custom", DAYS.first, DAYS.dates[-1]),
    )
    answer = sales_totals(reading, period, "orders")
    assert (count, answer["order_count"], answer["customer_count"]) == (3, 3, 2)
    assert sum(row["order_count"] for row in shop.rows(Customer)) == count
    [week] = [
        row
        for row in shop.rows(CustomerRetention)
        if (row["item_category"], row["city_id"]) == ("(all)", "(all)")
    ]
    assert week["new_orders_count"] + week["returning_orders_count"] == count
    assert len([row for row in shop.rows(Conversions) if row["unit"] == "order"]) == count
    sold, sessions = shop.table(Sales), shop.table(Sessions)
    assert (
        Purchases.from_platform(sold, sessions).orders.order_count.sum().to_pyarrow().as_py()
        == count
    )


def test_a_day_s_revenue_is_that_of_the_page(shop: OrderPlatform) -> None:
    lines, expected = tables("Sales")
    run(shop, lines)
    assert as_shown(shop.rows(RevenueDaily), expected) == expected


@pytest.mark.slow
def test_the_prices_of_an_item_are_those_of_the_page(shop: OrderPlatform) -> None:
    lines, expected = tables("Prices of items")
    readers: dict[str, Callable[[str], object]] = {
        "received_date": date.fromisoformat,
        "record_number": int,
        "price_amount": Decimal,
    }
    raw = [line | {name: read(line[name]) for name, read in readers.items()} for line in lines]
    shop.engine.ensure(PriceLog)
    shop.engine.replace(PriceLog, price_log(in_memory(raw, RawPriceLog)), DAYS)
    ordered = order_line("a", date(2026, 3, 9))
    named = (("7", "Hat"), ("8", "Shoe"), ("9", None))
    shop.receive(
        [ordered | {"uniq_id": item, "item_id": item, "item_name": name} for item, name in named],
        DAYS,
    )
    shop.run(DAYS)
    actual = shop.rows(ItemPrices)
    shop.engine.replace(PriceLog, in_memory([], PriceLog), DAYS)
    assert as_shown(actual, expected) == expected


def test_each_week_s_customers_are_those_of_the_page(shop: OrderPlatform) -> None:
    lines, expected = tables("Customers by week")
    run(shop, lines)
    actual = [row for row in shop.rows(CustomerRetention) if row["item_category"] == "(all)"]
    assert as_shown(actual, expected) == expected


def test_the_sales_of_purchase_events_are_those_of_the_page() -> None:
    lines, expected = tables("Sales of purchase events")
    for line in lines:
        line["cart_amount"] = line.pop("cart_value")
    events = ibis.memtable(
        clean_events([row | {"cart_amount": _amount(row["cart_amount"])} for row in rows_of(lines)])
    )
    found = known_places().found_alone(
        as_places(places_of_purchases(events).to_pyarrow().to_pylist())
    )
    actual = purchase_revenue_daily(events, found).to_pyarrow().to_pylist()
    actual.sort(key=lambda row: [str(row[name]) for name in PurchaseRevenueDaily.key])
    assert as_shown(actual, expected) == expected


def _amount(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None
