"""What order lines say beside what was paid: prices before discounts, discounts and their codes,
taxes in prices, costs and fees.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ecom_assets.commerce.orders.orders import PROFIT_FIELDS
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources import test_shop_order_documents as documents
from ecom_assets_tests.ingestion.sources.test_order_files import HEADER, read

COLUMNS = f"{HEADER},status,currency,{','.join(PROFIT_FIELDS)}"
WOO: Row = documents.WOO_ORDER
MAGENTO: Row = documents.MAGENTO_ORDER
PRESTA: Row = documents.PRESTA_ORDER
PARSED = ("payment_amount", "tax_amount", *PROFIT_FIELDS)


def line(number: int, quantity: int, paid: str, status: str = "shipped", **said: str) -> str:
    """Return a line of the native layout that says more than what was paid."""
    more = ",".join(f'"{said.get(name, "")}"' for name in PROFIT_FIELDS)
    order = f"{number},{number},2026-05-20T12:00:00,1,Berlin,ann,,,hat,Hat,{quantity},{paid}"
    return f"{order},{status},EUR,{more}"


def lines_of(tmp_path: Path, *lines: str) -> list[Row]:
    file = tmp_path / "orders.csv"
    file.write_text("\n".join([COLUMNS, *lines]) + "\n", encoding="utf-8")
    return sorted(read(file), key=lambda row: int(row["uniq_id"]))


def test_prices_with_tax_come_out_without_it(tmp_path: Path) -> None:
    """Example 1: 2 at 119.00 with 19 % tax and a code of 10 %, and one of them goes back."""
    sale, refund = lines_of(
        tmp_path,
        line(
            1,
            2,
            "214.20",
            gross_amount="238.00",
            discount_amount="-23.80",
            discount_codes="vip;Summer10, vip",
            tax_rate="19 %",
            is_tax_included="yes",
            unit_cost_amount="60.1234567",
            payment_method="paypal",
            payment_fee_amount="4.50",
            shipping_cost_amount="3.90",
        ),
        line(
            2, 1, "107.10", "refunded", tax_rate="0.19", is_tax_included="true", is_restocked="no"
        ),
    )
    assert {name: sale[name] for name in PARSED} == {
        "payment_amount": Decimal("180.0000"),
        "tax_amount": Decimal("34.2000"),
        "gross_amount": Decimal("200.0000"),
        "discount_amount": Decimal("20.0000"),
        "discount_codes": "SUMMER10, VIP",
        "tax_rate": Decimal("0.190000"),
        "is_tax_included": True,
        "unit_cost_amount": Decimal("60.123457"),
        "payment_method": "paypal",
        "payment_fee_amount": Decimal("4.5000"),
        "shipping_cost_amount": Decimal("3.9000"),
        "is_restocked": None,
    }
    assert sale["received_payment_amount"] == "214.20", "as it came"
    assert (refund["payment_amount"], refund["tax_amount"]) == (Decimal(90), Decimal("17.1"))
    assert refund["is_restocked"] is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("tax_rate", "7", Decimal("0.07")),
        ("tax_rate", "0.5 %", Decimal("0.005")),
        ("tax_rate", "0", Decimal(0)),
        ("tax_rate", "100", None),
        ("tax_rate", "-0.19", None),
        ("tax_rate", "reduced", None),
        ("unit_cost_amount", "0.000123", Decimal("0.000123")),
        ("unit_cost_amount", "0", Decimal(0)),
        ("unit_cost_amount", "-3", None),
        ("is_tax_included", "Ja", True),
        ("is_tax_included", "0", False),
        ("is_restocked", "perhaps", None),
        ("discount_codes", "['x']|Y", "'X', Y"),
        ("discount_codes", '[""B"", ""a""]', "A, B"),
        ("discount_codes", " , none", None),
        ("payment_fee_amount", "-0.35", Decimal("-0.35")),
        ("gross_amount", "ten", None),
    ],
)
def test_each_field_is_read_or_unknown(
    tmp_path: Path, field: str, text: str, expected: Any
) -> None:
    [row] = lines_of(tmp_path, line(1, 1, "10.00", **{field: text}))
    assert row[field] == expected
    assert row["payment_amount"] == 10, "the line counts with its money"


def test_codes_and_flags_of_json_and_parquet_are_lists_and_booleans(tmp_path: Path) -> None:
    said = {"discount_codes": ["b", "A"], "is_tax_included": True, "tax_rate": 0.19}
    file = tmp_path / "orders.jsonl"
    keys = ("uniq_id", "date_time", "city_id", "city_name", "customer_id", "item_id", "item_name")
    values = ("1", "2026-05-20T12:00:00", "1", "Berlin", "ann", "hat", "Hat")
    row = dict(zip(keys, values, strict=True)) | {"quantity": 1, "payment_amount": 11.9} | said
    file.write_text(json.dumps(row) + "\n")
    table = tmp_path / "orders.parquet"
    parquet.write_table(pa.Table.from_pylist([row]), table)
    for path in (file, table):
        [line] = read(path)
        assert (line["discount_codes"], line["is_tax_included"]) == ("A, B", True)
        assert (line["payment_amount"], line["tax_amount"]) == (10, Decimal("1.9"))


def test_prices_stay_as_they_are_where_the_rate_of_their_tax_is_not_known(tmp_path: Path) -> None:
    [row] = lines_of(tmp_path, line(1, 1, "119.00", is_tax_included="yes"))
    assert (row["payment_amount"], row["tax_amount"]) == (119, None)


def test_a_file_without_any_of_them_reads_as_before(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{HEADER}\n1,1,2026-05-20T12:00:00,1,Berlin,ann,,,hat,Hat,2,20.00\n")
    [row] = read(file)
    assert row["payment_amount"] == 20
    assert {row[name] for name in PROFIT_FIELDS} == {None}


SHOPIFY_CSV = """\
Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,\
Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Lineitem discount,\
Payment Method,Cancelled at,Refunded Amount
#1,ann@example.com,partially_refunded,EUR,90.00,10.00,0.00,100.00,FALL,10.00,\
2026-07-01 10:00:00 +0000,2,Fern,25.00,FERN,0.00,Shopify Payments,,50.00
#1,ann@example.com,,,,,,,,,,1,Tote,50.00,TOTE,0.00,,,
#2,bob@example.com,refunded,EUR,119.00,0.00,19.00,119.00,,,\
2026-07-02 10:00:00 +0000,1,Mug,119.00,MUG,0.00,PayPal,,119.00
"""


def test_shopify_s_csv_has_codes_and_shares_refunds(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(SHOPIFY_CSV)
    rows = {row["uniq_id"]: row for row in read(file, "shopify")}
    # 100.00 less 10.00; half of the order was paid back, so half of 45.00 each, and of shipping.
    fern, tote = rows["#1/sale1"], rows["#1/sale2"]
    assert [(row["gross_amount"], row["payment_amount"]) for row in (fern, tote)] == [
        (50, 45),
        (50, 45),
    ]
    assert {(row["discount_codes"], row["payment_method"]) for row in (fern, tote)} == {
        ("FALL", "Shopify Payments")
    }
    back = [rows["#1/refund1"], rows["#1/refund2"]]
    assert [
        (row["item_id"], row["payment_amount"], row["quantity"], row["shipping_amount"])
        for row in back
    ] == [("FERN", Decimal("22.50"), 0, 5), ("TOTE", Decimal("22.50"), 0, None)]
    # 19 % in the price, all of which goes back with the piece.
    assert (rows["#2/sale1"]["gross_amount"], rows["#2/sale1"]["payment_amount"]) == (100, 100)
    assert (rows["#2/refund1"]["payment_amount"], rows["#2/refund1"]["quantity"]) == (100, 1)


def said(rows: list[Row], uniq_id: str, *names: str) -> list[Any]:
    [row] = [row for row in rows if row["uniq_id"] == uniq_id]
    return [row[name] for name in names]


PRICE = ("payment_amount", "gross_amount", "discount_amount")


def test_shopify_s_discounts_are_those_allocated_to_the_line(tmp_path: Path) -> None:
    """Two for 119.00 with 19 % tax in it, of which 10 % by a code of the order are 23.80."""
    line_item = {
        "id": 1,
        "sku": "A",
        "title": "A",
        "quantity": 2,
        "price": "119.00",
        "total_discount": "23.80",
        "discount_allocations": [{"amount": "23.80", "discount_application_index": 1}],
        "tax_lines": [{"price": "34.20", "rate": 0.19}],
    }
    free = {
        **line_item,
        "id": 2,
        "quantity": 1,
        "discount_allocations": [{"amount": "119.00", "discount_application_index": 0}],
        "tax_lines": [{"price": "0.00", "rate": 0.19}],
    }
    order = {
        **documents.SHOPIFY_ORDER,
        "taxes_included": True,
        "payment_gateway_names": ["shopify_payments", "gift_card"],
        "discount_applications": [{"title": "Free gift"}, {"code": "Fall10"}],
        "discount_codes": [{"code": "Fall10", "amount": "23.80", "type": "percentage"}],
        "line_items": [line_item, free],
    }
    back = {"id": 31, "quantity": 1, "subtotal": "107.10", "total_tax": "17.10"}
    back |= {"restock_type": "no_restock", "line_item": {"sku": "A"}}
    order["refunds"] = [
        {"id": 21, "created_at": "2026-07-05T09:00:00Z", "refund_line_items": [back]}
    ]
    rows = documents.rows_in(tmp_path, "shopify_admin", [order])
    assert said(rows, "sale-1", *PRICE) == [180, 200, 20]
    assert said(rows, "sale-1", "discount_codes", "payment_method", "tax_rate") == [
        "FALL10",
        "shopify_payments, gift_card",
        Decimal("0.19"),
    ]
    assert said(rows, "sale-2", *PRICE) == [0, 100, 100], "what is free has its tax's rate"
    assert said(rows, "refund-31", "payment_amount", "is_restocked") == [90, False]


def test_woocommerce_s_lines_have_their_subtotal_coupons_and_costs(tmp_path: Path) -> None:
    shirt, cap = WOO["line_items"]
    order = {
        **WOO,
        "payment_method": "woocommerce_payments",
        "coupon_lines": [{"code": "spring"}, {"code": "vip"}],
        "meta_data": [{"key": "_wcpay_transaction_fee", "value": "1.06"}],
        "line_items": [
            {**shirt, "cost_of_goods_sold": {"total_value": 13}},
            {**cap, "meta_data": [{"key": "_wc_cog_item_total_cost", "value": "0"}]},
        ],
    }
    rows = documents.rows_in(tmp_path, "woocommerce", [order])
    names = ("gross_amount", "discount_amount", "discount_codes", "unit_cost_amount")
    assert said(rows, "sale-727-1", *names) == [26, 2, "SPRING, VIP", Decimal("6.5")]
    assert said(rows, "sale-727-2", *names) == [12, 0, None, None], "a cost of 0 stands for none"
    of_order = ("payment_method", "payment_fee_amount")
    assert said(rows, "sale-727-1", *of_order) == ["woocommerce_payments", Decimal("1.06")]
    assert said(rows, "sale-727-2", *of_order) == ["woocommerce_payments", None]


def test_magento_s_items_have_costs_and_discounts_without_tax(tmp_path: Path) -> None:
    shirt, child, mug = MAGENTO["items"]
    tax = {"base_discount_tax_compensation_amount": 1.5, "tax_percent": 19}
    order = {
        **MAGENTO,
        "coupon_code": "fall",
        "payment": {"method": "paypal_express"},
        "items": [{**shirt, **tax, "base_cost": 12.3456}, child, {**mug, "base_cost": 0}],
    }
    rows = documents.rows_in(tmp_path, "magento", {"items": [order]})
    assert said(rows, "sale-7", *PRICE) == [Decimal("71.5"), 80, Decimal("8.5")]
    names = ("discount_codes", "tax_rate", "unit_cost_amount", "payment_method")
    assert said(rows, "sale-7", *names) == [
        "FALL",
        Decimal("0.19"),
        Decimal("12.3456"),
        "paypal_express",
    ]
    assert said(rows, "sale-9", *names) == [None, None, None, "paypal_express"]


def test_prestashop_s_prices_are_in_the_shop_s_currency(tmp_path: Path) -> None:
    rows_of_order = PRESTA["associations"]["order_rows"]
    costs = {"purchase_supplier_price": "0.000000", "original_wholesale_price": "4.250000"}
    order = {
        **PRESTA,
        "module": "ps_wirepayment",
        "associations": {"order_rows": [{**rows_of_order[0], **costs}, rows_of_order[1]]},
    }
    rows = documents.rows_in(tmp_path, "prestashop", {"orders": [order]})
    # 2 for 18.00 at a rate of 2 to the shop's currency; what was paid is less by the discount.
    assert said(rows, "sale-5", "gross_amount", "payment_amount") == [18, 16]
    assert said(rows, "sale-5", "unit_cost_amount", "payment_method") == [
        Decimal("4.25"),
        "ps_wirepayment",
    ]


def test_stripe_s_fees_are_in_units_of_their_currency(tmp_path: Path) -> None:
    charge = {
        **documents.CHARGE,
        "payment_method_details": {"type": "card"},
        "balance_transaction": {"fee": 88, "currency": "eur"},
    }
    abroad = {**charge, "id": "ch_5", "balance_transaction": {"fee": 88, "currency": "usd"}}
    rows = documents.rows_in(tmp_path, "stripe", {"data": [charge, abroad]})
    names = ("payment_method", "payment_fee_amount")
    assert said(rows, "ch_1", *names) == ["card", Decimal("0.88")]
    assert said(rows, "ch_5", *names) == ["card", None], "in another currency"
    back = {**documents.BACK, "fee": -12}
    balance = documents.rows_in(tmp_path, "stripe_balance", {"data": [documents.TXN, back]})
    assert said(balance, "txn_1", "payment_fee_amount") == [Decimal("0.88")]
    assert said(balance, "txn_2", "payment_fee_amount") == [Decimal("-0.12")]
