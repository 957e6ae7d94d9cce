"""What counts of an order, by its vendor's own rule: a sample with every state that the
vendor documents, added up.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_assets.ingestion.sources import mapping_file
from ecom_assets.ingestion.sources.mapping_file import shipped_in
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.conftest import Read, ndjson_text, write
from ecom_assets_tests.ingestion.sources.test_order_files import read as order_rows
from ecom_assets_tests.ingestion.sources.test_shop_order_documents import (
    CHARGE,
    MAGENTO_ORDER,
    PRESTA_ORDER,
    SHOPIFY_ORDER,
    TXN,
    WOO_ORDER,
    rows_in,
)
from ecom_assets_tests.ingestion.sources.test_shop_orders import totals

PAGES = Path(__file__).parents[3] / "docs" / "mappings"
LINE = {"id": 1, "sku": "A", "title": "A", "quantity": 1, "price": "100.00"}
CANCELLED = "2026-07-09T08:00:00+02:00"


@pytest.mark.parametrize("folder", ["mappings", "order_mappings", "customer_mappings"])
def test_a_page_names_the_rule_of_each_shipped_mapping(folder: str) -> None:
    pages = {
        path.stem: path.read_text(encoding="utf-8")
        for path in PAGES.glob("*.md")
        if path.stem != "README"
    }
    assert [
        name for name, text in pages.items() if "rule.**" not in text and "rules.**" not in text
    ] == []
    for name in shipped_in(folder):
        assert any(
            f"`{name}`" in text or stem == name or f"mapping {name}" in text
            for stem, text in pages.items()
        ), name


@pytest.mark.parametrize("folder", ["order_mappings", "mappings", "customer_mappings"])
def test_a_page_names_what_each_shipped_mapping_takes_for_the_time_of_change(folder: str) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    pages["user_order_log"] = (PAGES.parent / "mappings.md").read_text(encoding="utf-8")
    of_vendors = {}
    for path in (Path(mapping_file.__file__).parent / folder).glob("*.yaml"):
        changed_at = (
            yaml.safe_load(path.read_text(encoding="utf-8")).get("fields", {}).get("changed_at")
        )
        if changed_at:
            of_vendors[path.stem] = (
                changed_at["column"] if isinstance(changed_at, dict) else changed_at
            )
    for name, column in of_vendors.items():
        text = " ".join(pages[name].split())
        assert re.search(f"`changed_at`[^.]*`{column}`|column `{column}`", text), (name, column)
    assert bool(of_vendors) == (folder == "order_mappings")


def net_by_order(rows: list[Row]) -> dict[str, Decimal]:
    """Return what is left of each order: sales less refunds, without rows that are left out."""
    result: dict[str, Decimal] = {}
    for row in rows:
        if row["left_out"] is None:
            sign = -1 if row["status"] == "refunded" else 1
            result[row["order_id"]] = (
                result.get(row["order_id"], Decimal(0)) + sign * row["payment_amount"]
            )
    return {order: amount.quantize(Decimal(1)) for order, amount in result.items()}


def refund(amount: str) -> Mapping[str, Any]:
    line = {"id": 31, "quantity": 1, "subtotal": amount, "total_tax": "0.00", "line_item": LINE}
    return {"id": 21, "created_at": "2026-07-05T09:00:00+02:00", "refund_line_items": [line]}


SHOPIFY_STATES: dict[str, tuple[Mapping[str, Any], int | None]] = {
    "pending": ({"financial_status": "pending"}, 100),
    "authorized": ({"financial_status": "authorized"}, 100),
    "partially_paid": ({"financial_status": "partially_paid"}, 100),
    "paid": ({"financial_status": "paid"}, 100),
    "partially_refunded": (
        {"financial_status": "partially_refunded", "refunds": [refund("40.00")]},
        60,
    ),
    "refunded": ({"financial_status": "refunded", "refunds": [refund("100.00")]}, 0),
    "voided": ({"financial_status": "voided", "cancelled_at": CANCELLED}, 0),
    "voided_only": ({"financial_status": "voided"}, 0),
    "cancelled": ({"financial_status": "pending", "cancelled_at": CANCELLED}, 0),
    "cancelled_and_refunded": (
        {"financial_status": "refunded", "cancelled_at": CANCELLED, "refunds": [refund("100.00")]},
        0,
    ),
    "cancelled_and_partly_refunded": (
        {
            "financial_status": "partially_refunded",
            "cancelled_at": CANCELLED,
            "refunds": [refund("40.00")],
        },
        60,
    ),
    "test": ({"financial_status": "paid", "test": True}, None),
    "bogus": ({"financial_status": "paid", "payment_gateway_names": ["bogus"]}, None),
}
"""What is left of an order of 100 in each state; None where it is left out."""
LEFT = {name: Decimal(left) for name, (_, left) in SHOPIFY_STATES.items() if left is not None}


@pytest.mark.slow
def test_shopify_s_csv_and_api_agree_about_every_state(tmp_path: Path) -> None:
    base = {
        **SHOPIFY_ORDER,
        "line_items": [LINE],
        "refunds": [],
        "shipping_lines": [],
        "total_tax": "0.00",
        "total_tip_received": "0.00",
    }
    orders = [{**base, **state, "id": name} for name, (state, _) in SHOPIFY_STATES.items()]
    rows = rows_in(tmp_path, "shopify_admin", {"orders": orders})
    assert net_by_order(rows) == LEFT
    days = {
        row["order_id"]: str(row["ordered_at"])[:10] for row in rows if row["status"] == "refunded"
    }
    assert (days["cancelled"], days["voided"], days["voided_only"]) == (
        "2026-07-09",
        "2026-07-09",
        "2026-07-01",
    )
    header = (
        "Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Created at,Lineitem "
        "quantity,Lineitem name,Lineitem price,Lineitem sku,Cancelled at,Payment Method,Refunded "
        "Amount"
    )
    lines = [header]
    for name, (state, left) in SHOPIFY_STATES.items():
        cancelled = "2026-07-09 08:00:00 +0200" if state.get("cancelled_at") else ""
        method = "Shopify Payments" if left is not None else "(for testing) Bogus Gateway"
        back = sum(
            float(part["refund_line_items"][0]["subtotal"]) for part in state.get("refunds", [])
        )
        lines.append(
            f"{name},a@x.example,{state['financial_status']},EUR,100.00,0.00,0.00,100.00,"
            f"2026-07-01 23:30:00 +0200,1,A,100.00,A,{cancelled},{method},{back:.2f}"
        )
        lines.append(f"{name},a@x.example,,,,,,,2026-07-01 23:30:00 +0200,1,B,0.00,B,,,")
    rows = order_rows(write(tmp_path / "orders_export.csv", "\n".join(lines)), "shopify")
    assert net_by_order(rows) == LEFT
    days = {
        row["order_id"]: str(row["ordered_at"])[:10] for row in rows if row["status"] == "refunded"
    }
    assert (days["cancelled"], days["voided"], days["voided_only"]) == (
        "2026-07-09",
        "2026-07-09",
        "2026-07-01",
    )
    assert {row["left_out"] for row in rows if row["order_id"] == "bogus"} == {"test_payment"}


WOO_STATES = {
    "pending": None,
    "processing": 39,
    "on-hold": 39,
    "completed": 39,
    "cancelled": None,
    "refunded": 0,
    "failed": None,
    "checkout-draft": None,
    "auto-draft": None,
    "trash": None,
}


@pytest.mark.slow
def test_woocommerce_s_states(tmp_path: Path) -> None:
    whole = [{"id": 1, "reason": "", "total": "-53.94"}]
    orders = [
        {**WOO_ORDER, "id": name, "status": name, "refunds": whole if name == "refunded" else []}
        for name in WOO_STATES
    ]
    left = {name: Decimal(amount) for name, amount in WOO_STATES.items() if amount is not None}
    assert net_by_order(rows_in(tmp_path, "woocommerce", orders)) == left


MAGENTO_STATES = {
    "new": None,
    "pending_payment": None,
    "processing": 110,
    "complete": 110,
    "closed": 110,
    "canceled": None,
    "holded": 110,
    "payment_review": 110,
}


def magento_line(
    number: int, ordered: float, canceled: float, total: float, **more: Any
) -> dict[str, Any]:
    return {
        "item_id": number,
        "sku": f"S{number}",
        "name": "S",
        "qty_ordered": ordered,
        "qty_canceled": canceled,
        "base_row_total": total,
        "base_discount_amount": 0,
        "base_amount_refunded": 0,
        **more,
    }


def test_magento_s_states(tmp_path: Path) -> None:
    orders = [
        {
            **MAGENTO_ORDER,
            "increment_id": name,
            "state": name,
            "items": [magento_line(number * 10, 1, 0, 110)],
        }
        for number, name in enumerate(MAGENTO_STATES)
    ]
    left = {name: Decimal(amount) for name, amount in MAGENTO_STATES.items() if amount is not None}
    assert net_by_order(rows_in(tmp_path, "magento", {"items": orders})) == left


def test_what_is_cancelled_of_magento_s_orders_lowers_all_of_their_amounts(tmp_path: Path) -> None:
    """Of 60 + 40 + 5 x 20, the first line and three pieces of the last are cancelled:
    40 + 40 are left.
    """
    order = {
        **MAGENTO_ORDER,
        "base_shipping_amount": 10,
        "base_shipping_canceled": 4,
        "base_tax_amount": 20,
        "base_tax_canceled": 12,
        "base_tax_refunded": 0,
        "base_grand_total": 230,
        "base_total_canceled": 136,
        "items": [
            magento_line(1, 1, 1, 60),
            magento_line(2, 1, 0, 40),
            magento_line(3, 5, 3, 100),
            magento_line(
                4, 5, 3, 100, parent_item_id=3, parent_item={"product_type": "configurable"}
            ),
        ],
    }
    rows = rows_in(tmp_path, "magento", {"items": [order]})
    actual = totals(rows)
    # As the grand total less what was cancelled of it.
    assert [actual[name] for name in ("net", "shipping", "tax", "total")] == [
        Decimal(80),
        Decimal(6),
        Decimal(8),
        Decimal(230 - 136),
    ]
    assert {row["uniq_id"]: row["left_out"] for row in rows} == {
        "sale-1": "canceled_line",
        "sale-2": None,
        "sale-3": None,
        "sale-4": "child_line",
    }


@pytest.mark.slow
def test_prestashop_s_states(tmp_path: Path) -> None:
    """By `valid` in the webservice, and by their names in the list."""
    valid = {
        "Payment accepted",
        "Processing in progress",
        "Shipped",
        "Delivered",
        "Remote payment accepted",
    }
    others = {
        "Awaiting check payment",
        "Canceled",
        "Refunded",
        "Payment error",
        "On backorder (paid)",
        "Awaiting bank wire payment",
        "On backorder (not paid)",
        "Awaiting Cash On Delivery validation",
    }
    orders = [
        {**PRESTA_ORDER, "id": name, "valid": str(int(name in valid))}
        for name in sorted(valid | others)
    ]
    assert {*net_by_order(rows_in(tmp_path, "prestashop", {"orders": orders}))} == valid
    lines = ["ID;Reference;Customer;Total;Status;Date"]
    lines += [
        f'{number};{name};A. Muster;"€24.00";{name};2026-07-01 10:00:00'
        for number, name in enumerate(valid | others)
    ]
    rows = order_rows(write(tmp_path / "order.csv", "\n".join(lines)), "prestashop_list")
    assert net_by_order(rows) == dict.fromkeys(valid, Decimal(24))


def test_stripe_s_states(tmp_path: Path) -> None:
    charges = [
        {**CHARGE, "id": "succeeded", "amount_captured": 10000},
        {**CHARGE, "id": "partly_captured", "amount_captured": 6000},
        {**CHARGE, "id": "uncaptured", "amount_captured": 0, "captured": False},
        {**CHARGE, "id": "pending", "status": "pending", "amount_captured": 10000},
        {**CHARGE, "id": "failed", "status": "failed", "amount_captured": 0, "captured": False},
        {**CHARGE, "id": "test", "livemode": False, "amount_captured": 10000},
    ]
    refunds = [
        {
            "id": f"re_{status}",
            "object": "refund",
            "amount": 1000,
            "charge": "succeeded",
            "created": 1783036800,
            "currency": "eur",
            "status": status,
        }
        for status in ("succeeded", "pending", "failed", "canceled", "requires_action")
    ]
    rows = rows_in(tmp_path, "stripe", {"data": charges}, {"data": refunds})
    assert net_by_order(rows) == {"succeeded": 90, "partly_captured": 60}


def test_the_categories_of_stripe_s_balance(tmp_path: Path) -> None:
    amounts = {
        "charge": 10000,
        "charge_failure": -1000,
        "partial_capture_reversal": -500,
        "refund": -2000,
        "refund_failure": 2000,
        "dispute": -700,
        "dispute_reversal": 700,
        "fee": -90,
        "payout": -5000,
        "payout_reversal": 5000,
        "transfer": -10,
        "topup": 10,
        "other_adjustment": 3,
        "platform_earning": 4,
    }
    data = [
        {**TXN, "id": name, "source": None, "amount": amount, "reporting_category": name}
        for name, amount in amounts.items()
    ]
    rows = rows_in(tmp_path, "stripe_balance", {"data": data})
    assert sum(net_by_order(rows).values()) == 100 - 10 - 5 - 20 + 20
    assert len([row for row in rows if row["left_out"]]) == len(amounts) - 5


def ga4_purchase(
    number: int, user: str | None, transaction: str | None, platform: str | None = "WEB"
) -> dict[str, Any]:
    hit = {
        "event_timestamp": 1767261600000000 + number,
        "event_name": "purchase",
        "user_pseudo_id": user,
        "platform": platform,
        "ecommerce": {"transaction_id": transaction},
        "event_params": [{"key": "value", "value": {"int_value": "10"}}],
        "items": [],
    }
    return {name: value for name, value in hit.items() if value is not None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "again", "ids"),
    [
        (("u1", "T1"), ("u1", "T1"), 1),
        (("u1", "T1"), ("u2", "T1"), 2),
        (("u1", "T1"), ("u1", "T2"), 2),
        (("u1", ""), ("u1", ""), 2),
        (("u1", "(not set)"), ("u1", "(not set)"), 2),
        (("u1", None), ("u1", None), 2),
        ((None, "T1"), (None, "T1"), 2),
        (("u1", "T1", "ANDROID"), ("u1", "T1", "ANDROID"), 2),
        (("u1", "T1", "IOS"), ("u1", "T1", "WEB"), 2),
    ],
)
def test_ga4_s_transactions(tmp_path: Path, read: Read, first: Any, again: Any, ids: int) -> None:
    file = write(
        tmp_path / "e.jsonl", ndjson_text([ga4_purchase(1, *first), ga4_purchase(2, *again)])
    )
    assert len({row["event_id"] for row in read(file, "ga4_export")}) == ids


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hit", "amount"),
    [
        ({"event_name": "purchase", "ecommerce": {"purchase_revenue": 12.5}}, "12.50"),
        (
            {"event_name": "refund", "ecommerce": {"refund_value": 7.0, "purchase_revenue": None}},
            "7.00",
        ),
        (
            {"event_name": "purchase", "items": [{"price": 4.0, "quantity": "2"}, {"price": 1.5}]},
            "9.50",
        ),
        (
            {
                "event_name": "purchase",
                "items": [{"item_revenue": 8.0, "price": 9.0, "quantity": "2"}],
            },
            "8.00",
        ),
        ({"event_name": "add_to_cart", "items": [{"price": "3.00", "quantity": 2}]}, "6.00"),
        ({"event_name": "view_item_list", "items": [{"price": 3}, {"price": 4}]}, None),
        ({"event_name": "purchase"}, None),
    ],
)
def test_ga4_s_amounts_without_a_value(
    tmp_path: Path, read: Read, hit: dict[str, Any], amount: str | None
) -> None:
    base = {
        "event_timestamp": 1767261600000000,
        "user_pseudo_id": "u",
        "event_params": [{"key": "x", "value": {}}],
    }
    [row] = read(write(tmp_path / "e.jsonl", ndjson_text([{**base, **hit}])), "ga4_export")
    assert row["cart_amount"] == (amount and Decimal(amount))
    assert json.loads(row["properties"] or "{}").get("ecommerce") == hit.get("ecommerce")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ({"$price": 10, "$quantity": 3}, 30),
        ({"$price": "10"}, 10),
        ({"$price": 10, "$quantity": 1.5}, 15),
        ({"$revenue": 15, "$price": 10, "$quantity": 3}, 15),
        ({"$revenue": "", "$price": 10, "$quantity": 3, "revenue": 5}, 30),
        ({"Revenue": 5}, 5),
    ],
)
def test_amplitude_s_revenue(
    tmp_path: Path, read: Read, properties: dict[str, Any], amount: int
) -> None:
    event = {
        "uuid": "e",
        "event_type": "revenue_amount",
        "event_time": "2026-03-02 10:00:00",
        "user_id": "u",
        "device_id": "d",
        "event_properties": properties,
    }
    [row] = read(write(tmp_path / "e.json", ndjson_text([event])), "amplitude")
    assert row["cart_amount"] == amount


@pytest.mark.slow
@pytest.mark.parametrize(
    ("currency", "total", "shares"),
    # 100 in three lines: yen have no decimals, euros two, dinars of Kuwait three.
    [
        ("JPY", 100, ["33", "34", "33"]),
        ("EUR", 100, ["33.33", "33.34", "33.33"]),
        ("KWD", 100, ["33.333", "33.334", "33.333"]),
    ],
)
def test_lines_share_an_order_in_the_digits_of_its_currency(
    tmp_path: Path, currency: str, total: int, shares: list[str]
) -> None:
    lines = [
        {"id": n, "name": "S", "sku": "S", "quantity": 1, "total": "5.00", "total_tax": "0"}
        for n in range(3)
    ]
    order = {
        **WOO_ORDER,
        "currency": currency,
        "total": str(total),
        "total_tax": "0",
        "shipping_total": "0",
        "line_items": lines,
        "refunds": [],
    }
    rows = rows_in(tmp_path, "woocommerce", [order])
    assert [row["payment_amount"] for row in rows] == [Decimal(share) for share in shares]
    assert sum(row["payment_amount"] for row in rows) == total


def test_a_part_that_is_paid_back_is_kept_exactly(tmp_path: Path) -> None:
    """A third of an order of 1,000 yen and 100 yen of taxes is paid back in three steps:
    nothing is left.
    """
    line = {"id": 1, "name": "S", "sku": "S", "quantity": 1, "total": "1000", "total_tax": "100"}
    back = [
        {"id": n, "reason": "", "total": amount}
        for n, amount in ((1, "-367"), (2, "-367"), (3, "-366"))
    ]
    order = {
        **WOO_ORDER,
        "currency": "JPY",
        "total": "1100",
        "total_tax": "100",
        "shipping_total": "0",
        "line_items": [line],
        "refunds": back,
    }
    rows = rows_in(tmp_path, "woocommerce", [order])
    signs = {"refunded": -1, "shipped": 1}
    net, taxes = (
        sum(((row[name] or Decimal(0)) * signs[row["status"]] for row in rows), Decimal(0))
        for name in ("payment_amount", "tax_amount")
    )
    assert abs(net) <= Decimal("0.0002")
    assert abs(taxes) <= Decimal("0.0002")
    assert (round(net), round(taxes)) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("currency", "unit"), [("JPY", "1"), ("EUR", "0.01"), ("KWD", "0.001")])
def test_taxes_that_the_prices_have_in_them_are_taken_out_to_the_last_digit(
    tmp_path: Path, currency: str, unit: str
) -> None:
    """Goods of 7 and shipping of 3 units, of which 2 are taxes: goods,
    shipping and taxes add up to the 10.
    """
    smallest = Decimal(unit)
    goods, freight, taxes, total = (number * smallest for number in (7, 3, 2, 10))
    header = (
        "Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Created at,Lineitem "
        "quantity,Lineitem name,Lineitem price,Lineitem sku,Payment Method"
    )
    line = (
        f"#1,a@x.example,paid,{currency},{goods},{freight},{taxes},{total},2026-07-01 23:30:00 "
        f"+0200,1,A,{goods},A,Card"
    )
    rows = order_rows(write(tmp_path / "orders_export.csv", f"{header}\n{line}\n"), "shopify")
    parts = [
        sum(row[name] or 0 for row in rows)
        for name in ("payment_amount", "shipping_amount", "tax_amount")
    ]
    assert sum(parts) == total
    assert parts[0] == (goods - taxes * goods / total).quantize(Decimal("0.0001"))


def states_in_csv(
    header: str, line: str, states: Mapping[str, int | None]
) -> tuple[str, dict[str, Decimal]]:
    """Return a CSV with an order in each state, `{n}` and `{state}` in the line,
    and what is left of each by number.
    """
    lines = [line.format(n=number, state=state) for number, state in enumerate(states)]
    left = {
        str(number): Decimal(amount)
        for number, amount in enumerate(states.values())
        if amount is not None
    }
    return "\n".join([header, *lines]), left


GRID_STATES = {
    "pending": None,
    "Pending": None,
    "pending_payment": None,
    "Pending Payment": None,
    "processing": 110,
    "Suspected Fraud": 110,
    "complete": 110,
    "Closed": 110,
    "canceled": None,
    "Canceled": None,
    "holded": 110,
    "On Hold": 110,
    "payment_review": 110,
}
WOO_ANALYTICS_STATES = {
    "pending": None,
    "processing": 10,
    "on-hold": 10,
    "completed": 10,
    "cancelled": None,
    "refunded": 10,
    "failed": None,
    "checkout-draft": None,
    "trash": None,
}
"""A refund is a row of its own, below zero, so that the row of a refunded order stays a sale."""
PAYMENT_STATES = {
    "Paid": 7,
    "Refunded": 7,
    "Partial Refund": 7,
    "succeeded": 7,
    "Failed": None,
    "Canceled": None,
    "Incomplete": None,
    "Blocked": None,
    "Uncaptured": None,
    "Pending": None,
    "processing": None,
    "requires_payment_method": None,
    "requires_confirmation": None,
    "requires_action": None,
    "requires_capture": None,
}
"""A payment of 10 of which 3 were paid back, in each state of the
dashboard and of a payment intent.
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mapping", "header", "line", "states"),
    [
        (
            "magento_grid",
            (
                "ID,Purchase Date,Grand Total (Base),Status,Customer Email,Subtotal,Shipping and "
                "Handling,Total Refunded"
            ),
            '{n},"Jul 1, 2026 2:05:00 PM",$110.00,{state},a@x.example,$110.00,$0.00,$0.00',
            GRID_STATES,
        ),
        (
            "woocommerce_analytics",
            (
                'Date,"Order #",N. Revenue (formatted),Status,Customer,Customer type,Product(s),'
                "Items sold,Net Sales"
            ),
            '2026-07-01 10:00:00,{n},"€10,00",{state},Ann,new,Shirt,1,10.00',
            WOO_ANALYTICS_STATES,
        ),
        (
            "stripe_payments",
            "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Status,Customer Email",
            "{n},2026-07-01 10:00:00,10.00,3.00,eur,true,{state},a@x.example",
            PAYMENT_STATES,
        ),
    ],
)
def test_the_states_of_exports_as_csv(
    tmp_path: Path, mapping: str, header: str, line: str, states: Mapping[str, int | None]
) -> None:
    text, left = states_in_csv(header, line, states)
    assert net_by_order(order_rows(write(tmp_path / "orders.csv", text), mapping)) == left


SEGMENT_EVENTS = {
    "Products Searched": "search",
    "Product List Viewed": "category_view",
    "Product List Filtered": "category_view",
    "Promotion Viewed": None,
    "Promotion Clicked": None,
    "Product Clicked": "product_view",
    "Product Viewed": "product_view",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Cart Viewed": None,
    "Checkout Started": "checkout_start",
    "Checkout Step Viewed": None,
    "Checkout Step Completed": None,
    "Payment Info Entered": None,
    "Order Completed": "purchase",
    "Order Updated": None,
    "Order Refunded": "refund",
    "Order Cancelled": None,
    "Coupon Entered": None,
    "Coupon Applied": None,
    "Coupon Denied": None,
    "Coupon Removed": None,
    "Product Added to Wishlist": None,
    "Product Shared": None,
    "Cart Shared": None,
    "Product Reviewed": None,
}
"""The events of Segment's specification of e-commerce; None for those that keep their own name."""


@pytest.mark.slow
@pytest.mark.parametrize("mapping", ["segment", "rudderstack"])
def test_the_events_of_segment_s_specification(tmp_path: Path, read: Read, mapping: str) -> None:
    calls = [
        {
            "messageId": f"m{number}",
            "anonymousId": "d",
            "timestamp": "2026-03-02T10:00:00Z",
            "type": "track",
            "event": event,
            "properties": {"revenue": 10, "product_id": "p"},
            "context": {},
            "integrations": {},
            "receivedAt": "2026-03-02T10:00:01Z",
            "originalTimestamp": "2026-03-02T10:00:00Z",
        }
        for number, event in enumerate(SEGMENT_EVENTS)
    ]
    rows = {
        row["event_id"]: row
        for row in read(write(tmp_path / "e.jsonl", ndjson_text(calls)), mapping)
    }
    actual = {
        event: rows[f"m{number}"]["event_type"] for number, event in enumerate(SEGMENT_EVENTS)
    }
    assert actual == {event: kind or event for event, kind in SEGMENT_EVENTS.items()}
    sold = [row["cart_amount"] for row in rows.values() if row["event_type"] == "purchase"]
    assert sold == [10], "an order that is updated, cancelled or paid back is sold once"


SHOPIFY_EVENTS = {
    "page_viewed": "page_view",
    "collection_viewed": "category_view",
    "product_viewed": "product_view",
    "search_submitted": "search",
    "cart_viewed": None,
    "product_added_to_cart": "add_to_cart",
    "product_removed_from_cart": "remove_from_cart",
    "checkout_started": "checkout_start",
    "checkout_contact_info_submitted": None,
    "checkout_address_info_submitted": None,
    "checkout_shipping_info_submitted": None,
    "payment_info_submitted": None,
    "checkout_completed": "purchase",
    "alert_displayed": None,
    "ui_extension_errored": None,
}
"""The standard events of Shopify's web pixels; None for those that keep their own name."""


def test_the_standard_events_of_shopify_s_pixels(tmp_path: Path, read: Read) -> None:
    hits = [
        {
            "id": f"h{number}",
            "name": name,
            "clientId": "d",
            "timestamp": "2026-03-02T10:00:00Z",
            "context": {},
            "data": {"checkout": {"subtotalPrice": {"amount": 10, "currencyCode": "EUR"}}},
        }
        for number, name in enumerate(SHOPIFY_EVENTS)
    ]
    rows = {
        row["event_id"]: row
        for row in read(write(tmp_path / "e.jsonl", ndjson_text(hits)), "shopify_pixel")
    }
    actual = {name: rows[f"h{number}"]["event_type"] for number, name in enumerate(SHOPIFY_EVENTS)}
    assert actual == {name: kind or name for name, kind in SHOPIFY_EVENTS.items()}


@pytest.mark.slow
def test_matomo_s_actions(tmp_path: Path, read: Read) -> None:
    """An order is a sale, a cart that was left is none; a page about a
    product or a category is viewed.
    """
    page = {
        "type": "action",
        "url": "https://shop.example/",
        "timestamp": 1772445600,
        "idpageview": "p",
    }
    actions = [
        page,
        {**page, "productViewSku": "lamp", "productViewCategories": ["light"]},
        {**page, "productViewCategories": ["light"]},
        {"type": "event", "eventAction": "play", "timestamp": 1772445601},
        {"type": "ecommerceOrder", "orderId": "o", "revenue": 19.9, "timestamp": 1772445602},
        {"type": "ecommerceAbandonedCart", "revenue": 30, "timestamp": 1772445603},
        {"type": "goal", "timestamp": 1772445604},
        {"type": "search", "timestamp": 1772445605},
        {"type": "outlink", "timestamp": 1772445606},
        {"type": "download", "timestamp": 1772445607},
    ]
    visit = {
        "idSite": "1",
        "idVisit": "1",
        "visitorId": "d",
        "userId": None,
        "referrerUrl": "",
        "siteCurrency": "EUR",
        "actionDetails": actions,
    }
    file = tmp_path / "visits.json"
    file.write_text(json.dumps([visit]))
    rows = read(file, "matomo")
    assert sorted(row["event_type"] for row in rows) == [
        "category_view",
        "download",
        "ecommerceAbandonedCart",
        "goal",
        "outlink",
        "page_view",
        "play",
        "product_view",
        "purchase",
        "search",
    ]
    assert [row["cart_amount"] for row in rows if row["event_type"] == "purchase"] == [
        Decimal("19.9")
    ]


@pytest.mark.slow
def test_the_actions_of_snowplow_s_ecommerce(tmp_path: Path, read: Read) -> None:
    """A transaction is a sale of its revenue and a refund pays back its amount;
    one that failed is none.
    """
    kinds = {
        "product_view": "product_view",
        "list_view": "category_view",
        "list_click": None,
        "add_to_cart": "add_to_cart",
        "remove_from_cart": "remove_from_cart",
        "checkout_step": "checkout_start",
        "transaction": "purchase",
        "refund": "refund",
        "transaction_error": None,
        "promo_view": None,
        "promo_click": None,
    }
    schema = "iglu:com.snowplowanalytics.snowplow.ecommerce"
    entities = [
        {
            "schema": f"{schema}/transaction/jsonschema/1-0-0",
            "data": {"transaction_id": "t", "revenue": 50},
        },
        {
            "schema": f"{schema}/refund/jsonschema/1-0-0",
            "data": {"transaction_id": "t", "refund_amount": 20},
        },
    ]
    rows = read(
        write(
            tmp_path / "e.jsonl",
            ndjson_text(
                [
                    {
                        "event_id": f"e{number}",
                        "event_name": "snowplow_ecommerce_action",
                        "useragent": "Firefox",
                        "collector_tstamp": "2026-03-02 10:00:00",
                        "derived_tstamp": "2026-03-02 10:00:00",
                        "domain_userid": "d",
                        "unstruct_event": {"data": {"data": {"type": kind}}},
                        "contexts": {
                            "data": [entities[kind == "refund"]]
                            if kind in {"transaction", "refund"}
                            else []
                        },
                    }
                    for number, kind in enumerate(kinds)
                ]
            ),
        ),
        "snowplow",
    )
    actual = {row["event_id"]: (row["event_type"], row["cart_amount"]) for row in rows}
    amounts = {"transaction": 50, "refund": 20}
    assert actual == {
        f"e{number}": (own or kind, amounts.get(kind))
        for number, (kind, own) in enumerate(kinds.items())
    }
