"""The sections of `docs/metrics.md` about orders and sales recomputed: its input gives its own results.

Not here: events, sessions and funnels (`test_metrics_doc.py`).
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import ibis
import pytest

from ecom_assets.checks.orders import order_accounting
from ecom_assets.contracts.customer_retention import CustomerRetention
from ecom_assets.contracts.held_days import HeldOrderDays
from ecom_assets.contracts.orders import (
    ORDER_REJECT_REASONS,
    DuplicateOrders,
    QuarantinedOrders,
    RawUserOrderLog,
    UserOrderLog,
)
from ecom_assets.contracts.sales import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.purchase_revenue import purchase_revenue_daily
from ecom_assets_tests.builders import Row, clean_events, order_line
from ecom_assets_tests.markdown import Line
from ecom_assets_tests.platform import OrderPlatform
from ecom_assets_tests.test_metrics_doc import as_shown, rows_of, tables, without

DAYS = Days.between(date(2026, 3, 2), date(2026, 3, 16))

pytestmark = pytest.mark.xdist_group("metrics_doc_sales")


@pytest.fixture(scope="module")
def opened() -> Iterator[OrderPlatform]:
    one = OrderPlatform()
    yield one
    one.close()


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
    return row | {"payment_amount": Decimal(line["payment_amount"]), "quantity": int(row["quantity"])}


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


def test_the_accounting_per_day_of_arrival_leaves_no_residue(shop: OrderPlatform) -> None:
    _, lines, expected = tables("Clean order lines and reject reasons")
    run(shop, without(lines, "becomes"))
    terms = (RawUserOrderLog, UserOrderLog, QuarantinedOrders, DuplicateOrders, HeldOrderDays)
    per_day = order_accounting(DAYS, *(shop.table(one) for one in terms)).order_by("day")
    assert as_shown(shop.engine.con.to_pyarrow(per_day).to_pylist(), expected) == expected


def test_a_day_s_revenue_is_that_of_the_page(shop: OrderPlatform) -> None:
    lines, expected = tables("Sales")
    run(shop, lines)
    assert as_shown(shop.rows(RevenueDaily), expected) == expected


def test_each_week_s_customers_are_those_of_the_page(shop: OrderPlatform) -> None:
    lines, expected = tables("Customers by week")
    run(shop, lines)
    found = [row for row in shop.rows(CustomerRetention) if row["item_category"] == "(all)"]
    assert as_shown(found, expected) == expected


def test_the_sales_of_purchase_events_are_those_of_the_page() -> None:
    lines, expected = tables("Sales of purchase events")
    for line in lines:
        line["cart_amount"] = line.pop("cart_value")
    events = ibis.memtable(clean_events([row | {"cart_amount": _amount(row["cart_amount"])} for row in rows_of(lines)]))
    found = purchase_revenue_daily(events).to_pyarrow().to_pylist()
    found.sort(key=lambda row: [str(row[name]) for name in PurchaseRevenueDaily.key])
    assert as_shown(found, expected) == expected


def _amount(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None
