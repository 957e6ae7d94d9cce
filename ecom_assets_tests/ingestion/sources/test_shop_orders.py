"""Exports of shops' orders, each a small file after its vendor's documentation,
add up to the vendor's own totals.
"""

import io
from collections.abc import Iterable
from csv import DictWriter
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.test_order_files import read

ZERO = Decimal(0)


def totals(rows: Iterable[Row]) -> dict[str, Decimal]:
    """Return the vendors' words for what rows add up to; refunds are subtracted."""
    kept = [row for row in rows if row["left_out"] is None]
    signed = [(-1 if row["status"] == "refunded" else 1, row) for row in kept]

    def total(name: str, *, returns: bool | None = None) -> Decimal:
        return sum(
            (sign * (row[name] or ZERO) for sign, row in signed if returns in {None, sign < 0}),
            ZERO,
        )

    parts = {name: total(f"{name}_amount") for name in ("shipping", "tax", "tip")}
    net = total("payment_amount")
    return {
        "net": net,
        "returns": total("payment_amount", returns=True),
        **parts,
        "total": net + sum(parts.values()),
    }


def csv_text(lines: Iterable[Row]) -> str:
    lines = list(lines)
    written = io.StringIO()
    writer = DictWriter(written, dict.fromkeys(name for line in lines for name in line), restval="")
    writer.writeheader()
    writer.writerows(lines)
    return written.getvalue()


ANN = {
    "Name": "#1001",
    "Email": "Ann@example.com",
    "Financial Status": "paid",
    "Currency": "EUR",
    "Subtotal": "47.00",
    "Shipping": "6.00",
    "Taxes": "3.29",
    "Total": "56.29",
    "Discount Code": "FALL5",
    "Discount Amount": "5.00",
    "Created at": "2026-09-03 10:14:00 +0200",
    "Lineitem quantity": "2",
    "Lineitem name": "Fern print",
    "Lineitem price": "16.00",
    "Lineitem sku": "FERN",
    "Billing Name": "Ann Ames",
    "Billing Zip": "'01067",
    "Shipping City": "Dresden",
    "Shipping Country": "DE",
    "Cancelled at": "",
    "Refunded Amount": "0.00",
    "Source": "web",
}
ANN_2 = {
    "Name": "#1001",
    "Email": "ann@example.com",
    "Lineitem quantity": "1",
    "Lineitem name": "Tote bag",
    "Lineitem price": "20.00",
    "Lineitem sku": "TOTE",
}
BOB = {
    **ANN,
    "Name": "#1002",
    "Email": "",
    "Subtotal": "25.00",
    "Shipping": "0.00",
    "Taxes": "0.00",
    "Total": "25.00",
    "Discount Code": "",
    "Discount Amount": "0.00",
    "Created at": "2026-09-10 23:30:00 +0200",
    "Lineitem quantity": "1",
    "Lineitem name": "Mug",
    "Lineitem price": "25.00",
    "Lineitem sku": "",
}
CARLA = {
    **BOB,
    "Name": "#1003",
    "Email": "carla@example.com",
    "Cancelled at": "2026-09-12 08:00:00 +0200",
    "Refunded Amount": "25.00",
}


@pytest.mark.slow
def test_shopify_s_orders_add_up_to_its_net_sales(tmp_path: Path) -> None:
    file = tmp_path / "orders_export.csv"
    file.write_text(csv_text([ANN, ANN_2, BOB, CARLA]))
    rows = read(file, "shopify")
    # Gross 52 + 25 + 25, less a discount of 5; Carla's order is cancelled.
    assert totals(rows) == {
        "net": Decimal("72.00"),
        "returns": Decimal("-25.00"),
        "shipping": Decimal("6.00"),
        "tax": Decimal("3.29"),
        "tip": ZERO,
        "total": Decimal("81.29"),
    }
    lines = {row["uniq_id"]: row for row in rows}
    fern, tote = lines["#1001/sale1"], lines["#1001/sale2"]
    # 5.00 of discount fall on 32.00 and 20.00: 28.92 and 18.08 are left.
    assert (fern["payment_amount"], tote["payment_amount"]) == (Decimal("28.92"), Decimal("18.08"))
    assert {
        (line["ordered_at"], line["customer_id"], line["city_name"]) for line in (fern, tote)
    } == {(fern["ordered_at"], "ann@example.com", "Dresden")}
    assert str(fern["ordered_at"]) == "2026-09-03 08:14:00"
    assert (lines["#1002/sale1"]["customer_id"], lines["#1002/sale1"]["item_id"]) == (
        "#1002",
        "Mug",
    )
    assert str(lines["#1003/refund1"]["ordered_at"]) == "2026-09-12 06:00:00"


def test_shopify_s_first_lines_say_nothing_about_the_next_order(tmp_path: Path) -> None:
    file = tmp_path / "orders_export.csv"
    file.write_text(csv_text([ANN, ANN_2, BOB | {"Shipping City": "", "Email": ""}]))
    bob = next(row for row in read(file, "shopify") if row["order_id"] == "#1002")
    assert (bob["city_name"], bob["customer_id"]) == (None, "#1002")


def test_shopify_s_included_taxes_are_no_sales(tmp_path: Path) -> None:
    # 119.00 of goods and 11.90 of shipping, with 19 % in them: 100.00 + 10.00 + 20.90.
    order = {
        "Subtotal": "119.00",
        "Shipping": "11.90",
        "Taxes": "20.90",
        "Total": "130.90",
        "Discount Amount": "0.00",
    }
    order |= {"Lineitem price": "119.00", "Lineitem quantity": "1"}
    file = tmp_path / "orders_export.csv"
    file.write_text(csv_text([ANN | order | {"Notes": 'Ring "twice",\nplease'}]))
    actual = totals(read(file, "shopify"))
    assert [actual[name] for name in ("net", "shipping", "tax", "total")] == [
        Decimal("100.00"),
        Decimal("10.00"),
        Decimal("20.90"),
        Decimal("130.90"),
    ]


def test_a_cell_of_any_length_leaves_an_order_as_it_is(tmp_path: Path) -> None:
    """Its column is needed, as the city; the 200,000 letters of it are more than Python's reader
    of CSV takes by default.
    """
    file = tmp_path / "orders_export.csv"
    long_city = "Ulm, " * 40_000
    file.write_text(csv_text([ANN | {"Shipping City": long_city}, ANN_2]))
    assert [row["city_name"] for row in read(file, "shopify")] == [long_city, long_city]


def one_file(tmp_path: Path, mapping: str, text: str) -> list[Row]:
    file = tmp_path / "orders.csv"
    file.write_text(text, encoding="utf-8")
    return read(file, mapping)


WOO_ANALYTICS = (
    'Date,"Order #",N. Revenue (formatted),Status,Customer,Customer type,Product(s),Items '
    "sold,Net Sales\n"
    '2026-03-22 16:28:02,727,"€39,00",processing,Ann Ames,new,"Shirt, Cap",3,39.00\n'
    '2026-03-25 08:00:00,729,"-€13,00",refunded,Ann Ames,returning,Shirt,-1,-13.00\n'
    '2026-03-25 09:00:00,730,"€5,00",failed,Bob,new,Cap,1,5.00\n'
)


def test_woocommerce_s_analytics_add_up_to_its_net_sales(tmp_path: Path) -> None:
    rows = one_file(tmp_path, "woocommerce_analytics", WOO_ANALYTICS)
    assert (totals(rows)["net"], totals(rows)["returns"]) == (Decimal("26.00"), Decimal("-13.00"))
    assert [
        (row["quantity"], row["item_id"], row["left_out"])
        for row in rows
        if row["order_id"] == "730"
    ] == [(1, "order", "not_a_sale")]


MAGENTO_GRID = (
    "ID,Kaufdatum,Gesamtbetrag (Basis),Status,Kunden-E-Mail,Zwischensumme,Versand und Bearbeitung,"
    "Gesamtbetrag erstattet\n"
    '000000005,"Jul 1, 2026 14:05:00 PM","$1,117.50",processing,Ann@example.com,'
    '"$1,100.00",$10.00,$0.00\n'
    '000000006,"Jul 2, 2026 2:05:00 PM",$20.00,complete,ann@example.com,$20.00,$0.00,$20.00\n'
)


@pytest.mark.slow
def test_magento_s_grid_has_hours_of_two_kinds_and_names_in_three_languages(tmp_path: Path) -> None:
    rows = one_file(tmp_path, "magento_grid", MAGENTO_GRID)
    assert (totals(rows)["net"], totals(rows)["shipping"]) == (Decimal("1100.00"), Decimal("10.00"))
    assert {str(row["ordered_at"]) for row in rows} == {
        "2026-07-01 14:05:00",
        "2026-07-02 14:05:00",
    }
    assert {row["uniq_id"] for row in rows} == {
        "sale-000000005",
        "sale-000000006",
        "refund-000000006",
    }


@pytest.mark.slow
def test_magento_s_grid_pays_back_no_more_than_the_goods(tmp_path: Path) -> None:
    """What was paid back has taxes and shipping in it: of 20 with 5 of shipping 25, of 100 30."""
    head = "ID,Purchase Date,Grand Total (Base),Status,Customer Email,Subtotal"
    lines = [
        f"{head},Shipping and Handling,Total Refunded",
        '1,"Jul 1, 2026 2:05:00 PM",$25.00,closed,a@x.example,$20.00,$5.00,$25.00',
        '2,"Jul 2, 2026 2:05:00 PM",$105.00,complete,b@x.example,$100.00,$5.00,$30.00',
    ]
    rows = one_file(tmp_path, "magento_grid", "\n".join([*lines, ""]))
    assert totals(rows)["net"] == 20 + 100 - 20 - 30


PRESTA_LIST = (
    "ID;Référence;Nouveau client;Livraison;Client;Total;État;Date\n"
    "3;XKBKNABJK;1;France;J. DOE;€1,072.00;Livré;2026-07-01 23:30:00\n"
    "4;OHSATSERP;0;France;J. DOE;€16.00;Annulé;2026-07-01 23:40:00\n"
)


def test_prestashop_s_list_has_amounts_as_the_shop_s_language_writes_them(tmp_path: Path) -> None:
    amounts = [
        "€1,072.00",
        "1 072,00 €",
        "4\u202f539,50 €",
        "1.072,00 €",
        "-21,72 €",
        "€1,072",
        "3,5 €",
        "\u2212109,00 kr",
    ]
    head = "ID;Référence;Nouveau client;Livraison;Client;Total;État;Date\n"
    lines = [
        f"{number};R{number};1;France;J. DOE;{amount};Livré;01/07/2026 23:30:00\n"
        for number, amount in enumerate(amounts)
    ]
    rows = one_file(tmp_path, "prestashop_list", "".join([head, *lines]))
    paid = [row["payment_amount"] for row in sorted(rows, key=lambda row: row["order_id"])]
    expected = ["1072", "1072", "4539.50", "1072", "-21.72", "1072", "3.50", "-109"]
    assert paid == [Decimal(amount) for amount in expected]


@pytest.mark.slow
def test_prestashop_s_list_has_one_amount_per_order(tmp_path: Path) -> None:
    rows = one_file(tmp_path, "prestashop_list", PRESTA_LIST)
    assert totals(rows)["net"] == Decimal("1072.00")
    assert [row["left_out"] for row in rows if row["order_id"] == "OHSATSERP"] == ["not_a_sale"]


STRIPE_PAYMENTS = (
    "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Converted Amount,"
    "Converted Amount Refunded,Converted Currency,Status,Customer Email\n"
    'ch_1,2026-07-01 10:00:00,"1,000.00",200.00,usd,true,"900.00",180.00,eur,Refunded,'
    "Ann@example.com\n"
    "ch_2,2026-07-01 10:00:00,50.00,0.00,usd,false,45.00,0.00,eur,Failed,Ann@example.com\n"
)


def test_stripe_s_payments_are_in_whole_units(tmp_path: Path) -> None:
    rows = one_file(tmp_path, "stripe_payments", STRIPE_PAYMENTS)
    assert totals(rows)["net"] == Decimal("720.00")
    assert {(row["currency"], row["customer_id"]) for row in rows} == {("EUR", "ann@example.com")}


def test_stripe_s_payments_go_back_on_their_day_and_those_of_test_mode_are_none(
    tmp_path: Path,
) -> None:
    head = "id,Created date (UTC),Refunded date (UTC),Amount,Amount Refunded,Currency,Mode,Status\n"
    paid = (
        "ch_1,2026-07-01 10:00:00,2026-07-05 09:00:00,100.00,30.00,usd,Live,Partial Refund\n"
        "ch_2,2026-07-01 10:00:00,,50.00,0.00,usd,Live,Paid\n"
        "ch_3,2026-07-01 10:00:00,,5000.00,0.00,usd,Test,Paid\n"
    )
    rows = one_file(tmp_path, "stripe_payments", head + paid)
    kept = [row for row in rows if not row["left_out"]]
    assert [(row["date_time"][:10], row["payment_amount"]) for row in kept] == [
        ("2026-07-01", Decimal(100)),
        ("2026-07-05", Decimal(30)),
        ("2026-07-01", Decimal(50)),
    ]
    assert [row["left_out"] for row in rows if row["order_id"] == "ch_3"] == ["test"]
