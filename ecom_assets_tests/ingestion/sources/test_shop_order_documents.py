"""Orders as the JSON of shops' APIs, each a small document after its documentation,
add up to the vendor's totals.
"""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.errors import SourceError
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.test_order_files import read
from ecom_assets_tests.ingestion.sources.test_shop_orders import ZERO, totals


def rows_in(tmp_path: Path, mapping: str, *documents: Any) -> list[Row]:
    """Return the rows of documents, each in a file of its own, that one mapping reads."""
    folder = tmp_path / mapping
    folder.mkdir()
    for number, document in enumerate(documents):
        (folder / f"page_{number}.json").write_text(json.dumps(document, indent=1))
    return read(folder, mapping)


def money(text: str) -> dict[str, Any]:
    return {"price": text}


SHOPIFY_ORDER: Row = {
    "id": 450789469,
    "name": "#1001",
    "created_at": "2026-07-01T23:30:00+02:00",
    "currency": "EUR",
    "test": False,
    "taxes_included": False,
    "email": "Ann@example.com",
    "customer": {"id": 207119551, "first_name": "Ann"},
    "source_name": "web",
    "total_tax": "9.12",
    "total_tip_received": "2.00",
    "shipping_lines": [{"price": "6.00", "discounted_price": "5.00", "tax_lines": [money("0.95")]}],
    "line_items": [
        {
            "id": 1,
            "product_id": 11,
            "sku": "FERN",
            "title": "Fern print",
            "quantity": 2,
            "price": "16.00",
            "discount_allocations": [{"amount": "3.00"}, {"amount": "1.00"}],
            "tax_lines": [money("5.32")],
        },
        {
            "id": 2,
            "product_id": 12,
            "sku": "",
            "title": "Tote bag",
            "quantity": 1,
            "price": "15.00",
            "discount_allocations": [],
            "tax_lines": [money("2.85")],
        },
        {"id": 3, "title": "Gift card", "quantity": 1, "price": "50.00", "gift_card": True},
    ],
    "refunds": [
        {
            "id": 21,
            "created_at": "2026-07-05T09:00:00+02:00",
            "refund_line_items": [
                {
                    "id": 31,
                    "quantity": 1,
                    "subtotal": "14.00",
                    "total_tax": "2.66",
                    "line_item": {"product_id": 11, "sku": "FERN", "title": "Fern print"},
                }
            ],
            "order_adjustments": [
                {"id": 41, "kind": "shipping_refund", "amount": "-5.00", "tax_amount": "-0.95"}
            ],
        },
        {
            "id": 22,
            "created_at": "2026-07-06T09:00:00+02:00",
            "refund_line_items": [],
            "order_adjustments": [
                {"id": 42, "kind": "refund_discrepancy", "amount": "-1.50", "tax_amount": "0.00"}
            ],
        },
    ],
}


@pytest.mark.slow
def test_shopify_s_orders_and_returns_are_dated_by_their_own_days(tmp_path: Path) -> None:
    rows = rows_in(
        tmp_path,
        "shopify_admin",
        {"orders": [SHOPIFY_ORDER, {**SHOPIFY_ORDER, "id": 1, "test": True}]},
    )
    # Net 28 + 15 less returns of 14 and 1.50; shipping 5 less 5; taxes 9.12 less 2.66 and 0.95; a
    # tip of 2.
    assert totals(rows) == {
        "net": Decimal("27.50"),
        "returns": Decimal("-15.50"),
        "shipping": ZERO,
        "tax": Decimal("5.51"),
        "tip": Decimal("2.00"),
        "total": Decimal("35.01"),
    }
    kept = {row["uniq_id"]: row for row in rows if row["order_id"] == "450789469"}
    assert kept["sale-3"]["left_out"] == "gift_card"
    assert (str(kept["sale-1"]["ordered_at"]), str(kept["refund-31"]["ordered_at"])) == (
        "2026-07-01 21:30:00",
        "2026-07-05 07:00:00",
    )
    assert (kept["sale-1"]["item_id"], kept["sale-2"]["item_id"], kept["refund-31"]["item_id"]) == (
        "FERN",
        "12",
        "FERN",
    )
    assert {row["customer_id"] for row in kept.values()} == {"207119551"}
    assert {row["left_out"] for row in rows if row["order_id"] == "1"} <= {
        "test_order",
        "gift_card",
    }


@pytest.mark.slow
def test_shopify_s_prices_with_taxes_are_net_without_them(tmp_path: Path) -> None:
    line = {
        "id": 1,
        "sku": "A",
        "title": "A",
        "quantity": 1,
        "price": "119.00",
        "tax_lines": [money("19.00")],
    }
    order = {
        **SHOPIFY_ORDER,
        "taxes_included": True,
        "total_tax": "19.95",
        "total_tip_received": "0.00",
    }
    shipping = [{"price": "5.95", "discounted_price": "5.95", "tax_lines": [money("0.95")]}]
    rows = rows_in(
        tmp_path,
        "shopify_admin",
        [{**order, "line_items": [line], "refunds": [], "shipping_lines": shipping}],
    )
    actual = totals(rows)
    assert [actual[name] for name in ("net", "shipping", "tax", "total")] == [
        Decimal("100.00"),
        Decimal("5.00"),
        Decimal("19.95"),
        Decimal("124.95"),
    ]


WOO_ORDER = {
    "id": 727,
    "status": "processing",
    "currency": "EUR",
    "date_created_gmt": "2026-03-22T16:28:02",
    "date_paid_gmt": "2026-03-22T23:30:00",
    "customer_id": 0,
    "created_via": "checkout",
    "total": "53.94",
    "total_tax": "4.94",
    "shipping_total": "10.00",
    "billing": {"first_name": "Bob", "email": "Bob@example.com", "city": "Berlin", "country": "DE"},
    "shipping": {"city": ""},
    "line_items": [
        {
            "id": 315,
            "name": "Woo shirt",
            "product_id": 93,
            "variation_id": 0,
            "quantity": 2,
            "subtotal": "26.00",
            "total": "24.00",
            "total_tax": "2.28",
            "sku": "",
        },
        {
            "id": 316,
            "name": "Ship cap",
            "product_id": 22,
            "variation_id": 23,
            "quantity": 1,
            "subtotal": "12.00",
            "total": "12.00",
            "total_tax": "1.14",
            "sku": "CAP",
        },
    ],
    "fee_lines": [{"id": 400, "name": "Gift wrap", "total": "3.00", "total_tax": "0.57"}],
    "shipping_lines": [{"id": 317, "total": "10.00", "total_tax": "0.95"}],
    "refunds": [
        {
            "id": 726,
            "date_created_gmt": "2026-03-25T08:00:00",
            "amount": "16.32",
            "line_items": [
                {
                    "id": 314,
                    "name": "Woo shirt",
                    "product_id": 93,
                    "variation_id": 0,
                    "quantity": -1,
                    "total": "-12.00",
                    "total_tax": "-1.14",
                    "sku": "",
                }
            ],
            "shipping_lines": [{"total": "-2.00", "total_tax": "-0.18"}],
            "fee_lines": [],
        },
    ],
}


def test_woocommerce_s_orders_add_up_to_its_net_sales(tmp_path: Path) -> None:
    failed = {**WOO_ORDER, "id": 728, "status": "failed"}
    rows = rows_in(tmp_path, "woocommerce", [WOO_ORDER], [failed])
    # Net 53.94 - 4.94 - 10 = 39, fees included. Of the refund of 16.32, 12 are an item, 2 shipping,
    # 1.32 taxes, and 1 is an amount beside them.
    assert totals(rows) == {
        "net": Decimal("26.00"),
        "returns": Decimal("-13.00"),
        "shipping": Decimal("8.00"),
        "tax": Decimal("3.62"),
        "tip": ZERO,
        "total": Decimal("37.62"),
    }
    kept = [row for row in rows if row["order_id"] == "727"]
    shirt, cap = (row for row in kept if row["uniq_id"].startswith("sale"))
    # The fee of 3.00 falls on 24.00 and 12.00.
    assert (shirt["payment_amount"], cap["payment_amount"]) == (Decimal("26.00"), Decimal("13.00"))
    assert (shirt["item_id"], cap["item_id"], str(shirt["ordered_at"])) == (
        "93",
        "CAP",
        "2026-03-22 23:30:00",
    )
    assert {(row["customer_id"], row["city_name"]) for row in kept} == {
        ("bob@example.com", "Berlin")
    }
    assert {str(row["ordered_at"]) for row in kept if row["status"] == "refunded"} == {
        "2026-03-25 08:00:00"
    }
    assert {row["left_out"] for row in rows if row["order_id"] == "728"} == {"not_a_sale"}


def test_woocommerce_s_list_of_orders_has_the_sums_of_refunds_only(tmp_path: Path) -> None:
    order = {
        **WOO_ORDER,
        "status": "refunded",
        "refunds": [{"id": 726, "reason": "", "total": "-53.94"}],
    }
    actual = totals(rows_in(tmp_path, "woocommerce", [order]))
    assert {actual[name] for name in ("net", "shipping", "tax", "total")} == {ZERO}


MAGENTO_ORDER = {
    "entity_id": 5,
    "increment_id": "000000005",
    "state": "processing",
    "created_at": "2026-07-01 22:10:00",
    "base_currency_code": "USD",
    "customer_email": "Carla@example.com",
    "store_name": "Main",
    "base_grand_total": 117.5,
    "base_shipping_amount": 10,
    "base_tax_amount": 7.5,
    "base_shipping_refunded": 0,
    "base_tax_refunded": 3.5,
    "billing_address": {"city": "Austin", "region": "Texas", "country_id": "US"},
    "items": [
        {
            "item_id": 7,
            "sku": "SHIRT-M",
            "name": "Shirt",
            "product_type": "configurable",
            "qty_ordered": 2,
            "base_row_total": 80,
            "base_discount_amount": 10,
            "qty_refunded": 1,
            "base_amount_refunded": 40,
            "base_discount_refunded": 5,
        },
        {
            "item_id": 8,
            "parent_item_id": 7,
            "sku": "SHIRT-M",
            "name": "Shirt-M",
            "product_type": "simple",
            "qty_ordered": 2,
            "base_row_total": 80,
            "base_discount_amount": 0,
            "parent_item": {"product_type": "configurable", "base_row_total": 80},
        },
        {
            "item_id": 9,
            "sku": "MUG",
            "name": "Mug",
            "product_type": "simple",
            "qty_ordered": 3.0,
            "base_row_total": 30,
            "base_discount_amount": 0,
            "base_amount_refunded": 0,
        },
    ],
}


def test_magento_s_orders_add_up_to_its_grand_totals(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, "magento", {"items": [MAGENTO_ORDER], "total_count": 1})
    # 70 + 30, of which 35 came back; a product with options counts once. 100 + 10 + 7.50 is the
    # grand total.
    assert totals(rows) == {
        "net": Decimal("65.00"),
        "returns": Decimal("-35.00"),
        "shipping": Decimal("10.00"),
        "tax": Decimal("4.00"),
        "tip": ZERO,
        "total": Decimal("79.00"),
    }
    assert [row["uniq_id"] for row in rows if row["left_out"] == "child_line"] == ["sale-8"]
    assert {row["order_id"] for row in rows} == {"000000005"}


PRESTA_ORDER = {
    "id": 3,
    "id_customer": "2",
    "valid": "1",
    "date_add": "2026-07-01 23:30:00",
    "invoice_date": "0000-00-00 00:00:00",
    "reference": "XKBKNABJK",
    "conversion_rate": "2.000000",
    "total_discounts_tax_excl": "6.000000",
    "total_paid_tax_incl": "72.000000",
    "total_paid_tax_excl": "60.000000",
    "total_shipping_tax_excl": "12.000000",
    "associations": {
        "order_rows": [
            {
                "id": "5",
                "product_id": "1",
                "product_reference": "demo_1",
                "product_name": "Shirt",
                "product_quantity": "2",
                "unit_price_tax_excl": "18.000000",
            },
            {
                "id": "6",
                "product_id": "2",
                "product_reference": "demo_2",
                "product_name": "Mug",
                "product_quantity": "1",
                "unit_price_tax_excl": "18.000000",
            },
        ]
    },
}
PRESTA_SLIP = {
    "id": 1,
    "id_customer": "2",
    "id_order": "3",
    "conversion_rate": "2.000000",
    "date_add": "2026-07-04 10:00:00",
    "total_shipping_tax_excl": "0.000000",
    "associations": {
        "order_slip_details": [
            {
                "id": "1",
                "id_order_detail": "6",
                "product_quantity": "1",
                "amount_tax_excl": "16.000000",
                "amount_tax_incl": "19.200000",
            },
        ]
    },
}


def test_prestashop_s_orders_and_slips_add_up_in_the_shop_s_currency(tmp_path: Path) -> None:
    unpaid = {**PRESTA_ORDER, "id": 4, "valid": "0"}
    rows = rows_in(
        tmp_path, "prestashop", {"orders": [PRESTA_ORDER, unpaid]}, {"order_slips": [PRESTA_SLIP]}
    )
    # 60 less shipping of 12 are 48, at 2 to the shop's currency 24; a slip of 16 is 8.
    assert totals(rows) == {
        "net": Decimal("16.00"),
        "returns": Decimal("-8.00"),
        "shipping": Decimal("6.00"),
        "tax": Decimal("4.40"),
        "tip": ZERO,
        "total": Decimal("26.40"),
    }
    kept = [row for row in rows if row["left_out"] is None]
    assert {row["uniq_id"]: row["payment_amount"] for row in kept} == {
        "sale-5": Decimal("16.00"),
        "sale-6": Decimal("8.00"),
        "refund-1-1": Decimal("8.00"),
    }
    assert {row["order_id"] for row in kept} == {"3"}


CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "amount": 1999,
    "amount_captured": 1999,
    "captured": True,
    "created": 1782950400,
    "currency": "eur",
    "status": "succeeded",
    "livemode": True,
    "customer": "cus_1",
    "description": "Order 7",
    "billing_details": {
        "email": "ann@example.com",
        "address": {"city": "Dresden", "country": "DE"},
    },
    "payment_intent": "pi_1",
}
YEN = {
    **CHARGE,
    "id": "ch_2",
    "amount": 500,
    "amount_captured": 500,
    "currency": "jpy",
    "customer": None,
}


def test_stripe_s_charges_and_refunds_are_in_units_of_their_currency(tmp_path: Path) -> None:
    refund = {
        "id": "re_1",
        "object": "refund",
        "amount": 999,
        "charge": CHARGE,
        "created": 1783036800,
        "currency": "eur",
        "status": "succeeded",
        "payment_intent": "pi_1",
    }
    failed = {**CHARGE, "id": "ch_3", "status": "failed", "amount_captured": 0, "captured": False}
    charges = {"object": "list", "data": [CHARGE, failed]}
    rows = rows_in(tmp_path, "stripe", charges, {"object": "list", "data": [refund]})
    assert totals(rows)["net"] == Decimal("10.00")
    assert {
        row["uniq_id"]: (row["status"], row["customer_id"], row["left_out"]) for row in rows
    } == {
        "ch_1": ("shipped", "cus_1", None),
        "ch_3": ("shipped", "cus_1", "not_paid"),
        "re_1": ("refunded", "cus_1", None),
    }
    assert {row["currency"] for row in rows} == {"EUR"}


def test_a_yen_has_no_hundredths(tmp_path: Path) -> None:
    [row] = rows_in(tmp_path, "stripe", {"data": [YEN]})
    assert (row["payment_amount"], row["currency"], row["customer_id"]) == (
        Decimal(500),
        "JPY",
        "ann@example.com",
    )


TXN = {
    "id": "txn_1",
    "amount": 2000,
    "fee": 88,
    "net": 1912,
    "currency": "eur",
    "created": 1782950400,
    "reporting_category": "charge",
    "source": "ch_1",
    "description": "Order 7",
}
BACK = {
    **TXN,
    "id": "txn_2",
    "amount": -500,
    "reporting_category": "refund",
    "created": 1783036800,
    "source": "re_1",
}
PAYOUT = {**TXN, "id": "txn_3", "amount": -1912, "reporting_category": "payout"}


def test_stripe_s_balance_has_the_days_of_refunds(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, "stripe_balance", {"data": [TXN, BACK, PAYOUT]})
    assert totals(rows)["net"] == Decimal("15.00")
    assert {row["uniq_id"]: (row["left_out"], str(row["ordered_at"])[:10]) for row in rows} == {
        "txn_1": (None, "2026-07-02"),
        "txn_2": (None, "2026-07-03"),
        "txn_3": ("no_sale", "2026-07-02"),
    }


def test_a_refund_inside_its_charge_and_by_itself_is_one(tmp_path: Path) -> None:
    """The same id, so that the line is one record in either file."""
    refund: Row = {"id": "re_1", "object": "refund", "amount": 500, "created": 1783036800}
    refund |= {"currency": "eur", "status": "succeeded"}
    charge = {**CHARGE, "refunds": {"data": [refund]}}
    rows = rows_in(tmp_path, "stripe", charge, {**refund, "charge": "ch_1"})
    assert Counter(row["uniq_id"] for row in rows) == {"ch_1": 1, "re_1": 2}
    assert {row["record_id"] for row in rows if row["uniq_id"] == "re_1"} == {"re_1"}


# Records whose lists are empty, or no lists


@pytest.mark.slow
@pytest.mark.parametrize("refunds", [[], [{"id": 77, "reason": "", "total": "-5.00"}]])
def test_an_order_of_fees_only_was_sold_also_if_some_of_it_was_paid_back(
    tmp_path: Path, refunds: list[Row]
) -> None:
    order = {
        "id": 105,
        "status": "completed",
        "currency": "EUR",
        "date_created_gmt": "2026-03-02T10:01:00",
        "date_modified_gmt": "2026-03-02T10:01:00",
        "total": "40.00",
        "total_tax": "0.00",
        "shipping_total": "0.00",
        "customer_id": 7,
        "line_items": [],
        "fee_lines": [{"id": 51, "total": "40.00"}],
        "refunds": refunds,
    }
    assert totals(rows_in(tmp_path, "woocommerce", [order]))["net"] == 40 - 5 * len(refunds)


def test_a_shopify_order_without_items_was_sold_for_its_subtotal(tmp_path: Path) -> None:
    """Adjustments of 1.50 were paid back; nothing says for which item."""
    adjusted = {**SHOPIFY_ORDER["refunds"][1]}
    order = {
        **SHOPIFY_ORDER,
        "line_items": [],
        "subtotal_price": "40.00",
        "refunds": [adjusted],
    }
    rows = rows_in(tmp_path, "shopify_admin", {"orders": [order]})
    assert totals(rows)["net"] == Decimal("38.50")


@pytest.mark.slow
@pytest.mark.parametrize("lines", [{"0": {"id": 1, "price": "40.00"}}, "two", 7])
@pytest.mark.parametrize(
    ("mapping", "name"), [("woocommerce", "line_items"), ("shopify_admin", "line_items")]
)
def test_a_record_with_something_else_than_a_list_is_refused_as_a_whole(
    tmp_path: Path, mapping: str, name: str, lines: object
) -> None:
    """Its refunds alone would lower revenue."""
    rows = rows_in(tmp_path, mapping, [{**SHOPIFY_ORDER, name: lines}])
    assert [json.loads(row["malformed_row"])[name] for row in rows] == [lines]


@pytest.mark.slow
def test_a_document_may_be_a_list_a_page_or_a_line(tmp_path: Path) -> None:
    for number, text in enumerate(
        (
            json.dumps([CHARGE, YEN]),
            json.dumps({"data": [CHARGE, YEN]}, indent=2),
            json.dumps({"data": [CHARGE]}) + json.dumps({"data": [YEN]}),
            "\n".join(map(json.dumps, (CHARGE, YEN))),
        )
    ):
        file = tmp_path / f"{number}.json"
        file.write_text(text)
        assert sorted(row["uniq_id"] for row in read(file, "stripe")) == ["ch_1", "ch_2"]


def test_a_damaged_line_is_lost_alone_and_a_document_that_ends_early_is_refused(
    tmp_path: Path,
) -> None:
    lines = tmp_path / "lines.ndjson"
    lines.write_text("\n".join([json.dumps(CHARGE), '{"id": "ch_9"', json.dumps(YEN)]))
    rows = read(lines, "stripe")
    assert sorted(str(row["malformed_row"]) for row in rows) == ["None", "None", '{"id": "ch_9"']
    cut = tmp_path / "cut.json"
    cut.write_text(json.dumps({"data": [CHARGE, YEN]}, indent=1)[:-20])
    with pytest.raises(SourceError, match=r"cut\.json is not JSON to its end"):
        read(cut, "stripe")
