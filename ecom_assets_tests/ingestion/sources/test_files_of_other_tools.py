"""Exports as tools of tills, marketplaces and bookkeeping write them, none of which has a mapping
here, by kind of fault: each was wrong in silence once, and each number can be added up by a reader.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources.conftest import write


class Read(NamedTuple):
    """What a file comes to: money, pieces and items of sales, and what is asked."""

    sold: float
    back: float
    pieces: int
    items: set[str]
    asked: dict[str, str]
    times: list[str]


def read(path: Path, head: str, rows: list[str], answers: Mapping[str, str] | None = None) -> Read:
    """Return a file of orders as its draft reads it, with guesses for what is open."""
    write(path, "\n".join([head, *rows, ""]))
    search = MappingSearch([str(path)], Settings(home=path.parent / "home"), MappingKind.ORDERS)
    given = {"timezone": "UTC", **(answers or {})}
    asked = {one.key: one.sentence for one in open_questions(search.proposal(given, OWN), given)}
    proposal = search.proposal(search.guesses(given, OWN), OWN)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        lines: list[dict[str, Any]] = reading.files.classified().to_pyarrow().to_pylist()
    kept = [row for row in lines if row["reject_reason"] is None]
    sales = [row for row in kept if row["status"] == "shipped"]
    backs = [row["payment_amount"] for row in kept if row["status"] == "refunded"]
    sold = sum((row["payment_amount"] for row in sales), Decimal())
    pieces = sum(int(row["quantity"]) for row in sales)
    times = sorted(str(row["ordered_at"]) for row in sales)
    items = {row["item_id"] for row in sales}
    back = sum(backs, Decimal())
    return Read(float(sold), float(back), pieces, items, asked, times)


def test_a_receipt_of_a_refund_is_no_sale_and_profit_no_amount(tmp_path: Path) -> None:
    # A till: 20, 30 and 40 were sold, and 20 went back, above zero, with a number of its own. The
    # goods cost two fifths.
    rows = [
        f"2026-03-0{n} 10:00,1-{n},{kind},MUG,1,{net}.00,0.00,{net}.00,{net * 4 // 10}.00,"
        f"{net * 6 // 10}.00"
        for n, (kind, net) in enumerate(
            [("Sale", 20), ("Sale", 30), ("Sale", 40), ("Refund", 20)], start=1
        )
    ]
    head = (
        "Date,Receipt number,Receipt type,SKU,Quantity,Gross sales,Discounts,Net sales,"
        "Cost of goods,Gross profit"
    )
    found = read(tmp_path / "receipts.csv", head, rows, {"customer_id": "nobody"})
    assert (found.sold, found.back, found.pieces) == (90, 20, 3)
    assert found.asked == {}


def test_parts_of_a_line_are_no_pieces_and_a_number_of_a_row_no_product(tmp_path: Path) -> None:
    # Three orders of 2, 1 and 1 shirts of 10: each has the shirt as it was chosen and its variant.
    rows = []
    for n, count in enumerate((2, 1, 1), start=1):
        placed = f"10000{n},2026-03-0{n} 10:00:00,c{n}@x.de"
        rows.append(f"{2 * n - 1},,{placed},configurable,SHIRT-RED,Shirt,{count}.0000,10.0000")
        rows.append(f"{2 * n},{2 * n - 1},{placed},simple,SHIRT-RED,Shirt red,{count}.0000,0.0000")
    head = (
        "item_id,parent_item_id,increment_id,created_at,customer_email,product_type,sku,name,"
        "qty_ordered,price"
    )
    found = read(tmp_path / "items.csv", head, rows)
    assert (found.sold, found.pieces, found.items) == (40, 4, {"SHIRT-RED"})
    assert found.asked == {}


@pytest.mark.slow
def test_lines_of_postage_are_asked_about_and_pieces_have_a_comma(tmp_path: Path) -> None:
    # Lamps of 24 in orders of 1, 2 and 1, each with a line of 4,90 of postage.
    rows = []
    for n, count in enumerate((1, 2, 1), start=1):
        order = f"AU{n};0{n}.03.2026 10:00;K{n}"
        rows.append(f"{order};Artikel;LAMP;Lampe;{count},00;24,00;{count * 24},00")
        rows.append(f"{order};Versand;;Versandkosten;1,00;4,90;4,90")
    head = "Auftragsnummer;Erstelldatum;Kundennummer;Positionstyp;Artikelnummer;Bezeichnung;Anzahl"
    answers = {"state_1": "sale", "state_2": "no sale", "no_goods": "left out"}
    path = tmp_path / "auftraege.csv"
    found = read(path, f"{head};Einzelpreis;Gesamtpreis", rows)
    assert found.asked.keys() == {"state_1", "state_2", "no_goods"}
    found = read(path, f"{head};Einzelpreis;Gesamtpreis", rows, answers)
    assert (found.sold, found.pieces, found.items) == (96, 4, {"LAMP"})
    # Without the column of kinds, the name of the line is asked about.
    plain = [";".join(cell for n, cell in enumerate(row.split(";")) if n != 3) for row in rows]
    head = head.replace("Positionstyp;", "")
    found = read(
        tmp_path / "ohne.csv", f"{head};Einzelpreis;Gesamtpreis", plain, {"no_goods": "left out"}
    )
    assert (found.sold, found.pieces) == (96, 4)


@pytest.mark.slow
def test_a_discount_in_percent_is_asked_with_both_totals(tmp_path: Path) -> None:
    # 2 x 10 less 10 %, 20, and 4 x 5 less a half: 18 + 20 + 10, of 60.
    head = "Order,Date,Customer,SKU,Qty,Unit Price,Discount (%)"
    rows = [
        f"R{n},2026-03-0{n} 10:00,c{n},{cells}"
        for n, cells in enumerate(["A,2,10.00,10", "B,1,20.00,0", "C,4,5.00,50"], start=1)
    ]
    found = read(tmp_path / "rates.csv", head, rows)
    assert "(48.00) or" in found.asked["amount_parts"]
    assert "(60.00)" in found.asked["amount_parts"]
    assert found.sold == 48
    # The sum of the line decides, where there is one.
    summed = [f"{row},{amount}.00" for row, amount in zip(rows, (18, 20, 10), strict=True)]
    found = read(tmp_path / "sums.csv", f"{head},Line Total", summed)
    assert (found.sold, found.asked) == (48, {})


@pytest.mark.slow
def test_a_tax_of_which_a_column_has_the_rate_is_inside_of_the_price(tmp_path: Path) -> None:
    # 20 of 100, 10 of 50 and 5 of 25 are 25 % of 80, 40 and 20.
    head = "Date,Receipt number,SKU,Quantity,Price (SEK),VAT (SEK)"
    rows = [
        f"2026-03-0{n} 10:00,{n},MUG,1,{price}.00,{price // 5}.00"
        for n, price in enumerate((100, 50, 25), start=1)
    ]
    nobody = {"customer_id": "nobody"}
    said = read(tmp_path / "rate.csv", f"{head},VAT (%)", [f"{row},25" for row in rows], nobody)
    assert (said.sold, said.asked) == (140, {})
    # Without the rate it may be 20 % beside the price as well, and is asked with both totals.
    found = read(tmp_path / "norate.csv", head, rows, nobody)
    assert "(140.00)" in found.asked["amount_parts"]
    assert "(175.00)" in found.asked["amount_parts"]


def test_pieces_that_went_back_break_no_sum_of_their_order(tmp_path: Path) -> None:
    # Orders of 2 x 10, 10 + 20, 20, 20 + 3 x 10 and 2 x 10 + 20, each with 5 of postage; one piece
    # of 10 went back.
    head = (
        "Order ID,Order Status,Order Creation Date,Product Name,SKU Reference No.,Deal Price,"
        "Quantity,Returned quantity,Shipping Fee Paid by Buyer,Total Amount"
    )
    rows = [
        "A1,Completed,2026-03-01 10:00,Mug,MUG,10,2,1,5,25",
        "A2,Completed,2026-03-02 10:00,Mug,MUG,10,1,0,5,35",
        "A2,Completed,2026-03-02 10:00,Vase,VASE,20,1,0,5,35",
        "A3,Completed,2026-03-03 10:00,Vase,VASE,20,1,0,5,25",
        "A4,Completed,2026-03-04 10:00,Vase,VASE,20,1,0,5,55",
        "A4,Completed,2026-03-04 10:00,Mug,MUG,10,3,0,5,55",
        "A5,Completed,2026-03-05 10:00,Mug,MUG,10,2,0,5,45",
        "A5,Completed,2026-03-05 10:00,Vase,VASE,20,1,0,5,45",
    ]
    found = read(tmp_path / "orders.csv", head, rows, {"customer_id": "nobody"})
    assert (found.sold, found.back, found.pieces) == (160, 10, 12)
    assert found.items == {"Mug", "Vase"}


@pytest.mark.slow
def test_one_order_of_two_rows_does_not_say_whose_total_it_is(tmp_path: Path) -> None:
    # 25 + 35 + 25, or 35 on each of two rows.
    head = "Order ID,Date,Customer,Product,Total"
    rows = [
        "A1,2026-03-01,c1,Mug,25",
        "A2,2026-03-02,c2,Mug,35",
        "A2,2026-03-02,c2,Vase,35",
        "A3,2026-03-03,c3,Vase,25",
    ]
    path = tmp_path / "totals.csv"
    assert read(path, head, rows).asked.keys() == {"amount_of"}
    assert read(path, head, rows, {"amount_of": "order"}).sold == 85
    assert read(path, head, rows, {"amount_of": "row"}).sold == 120


@pytest.mark.slow
def test_what_was_bought_is_no_kind_of_row(tmp_path: Path) -> None:
    # Invoices of 40, 20 and 30, and a credit note of 20, whose price and pieces are above zero.
    head = (
        "ContactName,InvoiceNumber,InvoiceDate,Total,InventoryItemCode,Quantity,UnitAmount,"
        "LineAmount,Type"
    )
    rows = [
        "Ann,INV-1,2026-03-01,40.00,MUG,2,20.00,40.00,Sales invoice",
        "Bob,INV-2,2026-03-02,20.00,MUG,1,20.00,20.00,Sales invoice",
        "Cy,INV-3,2026-03-03,30.00,VASE,1,30.00,30.00,Sales invoice",
        "Bob,CN-4,2026-03-04,-20.00,MUG,1,20.00,-20.00,Sales credit note",
    ]
    found = read(tmp_path / "invoices.csv", head, rows)
    assert all("InventoryItemCode" not in sentence for sentence in found.asked.values())
    kinds = {"state_1": "sale", "state_2": "refund"}
    found = read(tmp_path / "invoices.csv", head, rows, kinds)
    assert (found.sold, found.back, found.items) == (90, 20, {"MUG", "VASE"})


def test_a_credit_card_is_no_state_and_items_are_counted(tmp_path: Path) -> None:
    # Orders of 3, 1 and 2 pieces.
    head = "Sale Date,Order ID,Buyer,Number of Items,Payment Method,Order Value,Order Total,Status"
    rows = [
        f"2026-03-0{n},30{n},ann{n},{count},Credit Card,{count * 10}.00,{count * 10}.00,"
        for n, count in enumerate((3, 1, 2), start=1)
    ]
    found = read(tmp_path / "sold.csv", head, rows)
    assert (found.sold, found.pieces, found.asked) == (60, 6, {})


@pytest.mark.slow
def test_no_more_than_the_goods_is_paid_back(tmp_path: Path) -> None:
    # Goods of 20, 30 and 40 with a tenth of tax: the second was paid back with it, 33 for 30; of
    # the third 15 with it, of which 13.64 are goods.
    head = "order_number,status,user_email,subtotal,tax,total,refunded_amount,created_at"
    rows = [
        f"{n},{state},c{n}@x.de,{goods}.00,{goods // 10}.00,{goods * 11 // 10}.00,{back}.00,"
        f"2026-03-0{n}T10:00:00Z"
        for n, (state, goods, back) in enumerate(
            [("paid", 20, 0), ("refunded", 30, 33), ("partial_refund", 40, 15)], start=1
        )
    ]
    found = read(tmp_path / "orders.csv", head, rows)
    assert (found.sold, found.back) == (90, 43.64)
    # Of lines, the order's subtotal says what the goods were: 10 + 20 of 36 with tax and postage.
    head = (
        "Order ID,Email,Financial Status,Paid at,Subtotal,Shipping,Taxes,Amount Refunded,Total,"
        "Lineitem quantity,Lineitem name,Lineitem price"
    )
    rows = [
        "1,a@x.de,REFUNDED,2026-03-01 10:00,30.00,3.00,3.00,36.00,36.00,1,Mug,10.00",
        "1,a@x.de,,,,,,,,1,Vase,20.00",
        "2,b@x.de,PAID,2026-03-02 10:00,20.00,3.00,2.00,0.00,25.00,2,Mug,10.00",
        "3,c@x.de,PAID,2026-03-03 10:00,20.00,3.00,2.00,0.00,25.00,1,Vase,20.00",
        "4,a@x.de,PAID,2026-03-04 10:00,20.00,3.00,2.00,0.00,25.00,2,Mug,10.00",
    ]
    found = read(tmp_path / "lines.csv", head, rows)
    assert (found.sold, found.back) == (90, 30)


def test_an_amount_that_went_back_is_known_by_a_word_of_its_name(tmp_path: Path) -> None:
    # 10, 20 and 30, of which 5 went back.
    head = "Commande,Date,Client,Marchandise,Montant rendu au client"
    rows = [
        f"C{n},2026-03-0{n} 10:00,c{n},{n * 10}.00,{back}"
        for n, back in enumerate(["0.00", "5.50", "0.00"], start=1)
    ]
    found = read(tmp_path / "commandes.csv", head, rows, {"payment_amount": "Marchandise"})
    assert (found.sold, found.back) == (60, 5.5)


def test_an_order_s_total_says_that_a_tax_is_beside_its_lines(tmp_path: Path) -> None:
    # A fifth of tax beside the lines, as 24, 36 and 12 of lines of 20, 30 and 10 show.
    head = "Invoice,Date,Client,Item,LineAmount,TaxAmount,Invoice Total"
    rows = [
        "1,2026-03-01,a,Mug,10.00,2.00,24.00",
        "1,2026-03-01,a,Vase,10.00,2.00,24.00",
        "2,2026-03-02,b,Lamp,30.00,6.00,36.00",
        "3,2026-03-03,c,Mug,10.00,2.00,12.00",
    ]
    found = read(tmp_path / "invoices.csv", head, rows)
    assert (found.sold, found.asked) == (60, {})


MONTHS = (
    (
        "2 de marzo de 2025 10:15 hs.",
        "15 de agosto de 2025 23:05 hs.",
        "3 de diciembre de 2025 9:00 hs.",
    ),
    ("2. März 2025 10:15", "15. August 2025 23:05", "3. Dezember 2025 9:00"),
    ("2 mars 2025 à 10:15", "15 août 2025 à 23:05", "3 déc. 2025 à 9:00"),
    ("2 марта 2025 10:15", "15 августа 2025 23:05", "3 дек. 2025 9:00"),
)


@pytest.mark.slow
@each("cells", MONTHS)
def test_months_are_words_of_several_languages(tmp_path: Path, cells: tuple[str, ...]) -> None:
    rows = [f"V{n},{cell},c{n},MUG,10.00" for n, cell in enumerate(cells, start=1)]
    found = read(tmp_path / "ventas.csv", "Order,Date,Customer,SKU,Amount", rows)
    times = ["2025-03-02 10:15:00", "2025-08-15 23:05:00", "2025-12-03 09:00:00"]
    assert (found.sold, found.times, found.asked) == (30, times, {})


def test_what_a_marketplace_keeps_is_in_the_amount(tmp_path: Path) -> None:
    # Sold for 100 to 600; a tenth and 10 of postage are kept, and of the last three all went back.
    head = (
        "# de venta,Fecha de venta,Unidades,Ingresos por productos (ARS),Cargo por venta (ARS),"
        "Costos de envío (ARS),Anulaciones y reembolsos (ARS),Total (ARS),SKU,Comprador"
    )
    rows = []
    for n in range(1, 7):
        sold, back = n * 100, n * 100 if n > 3 else 0
        left = sold - n * 10 - 10 - back
        amounts = f"{sold}.00,-{n * 10}.00,-10.00,-{back}.00,{left}.00"
        rows.append(f"20{n},2026-03-0{n} 10:00,1,{amounts},MUG,C{n}")
    found = read(tmp_path / "ventas.csv", head, rows)
    # 1 to 6 hundreds are 2,100, of which 400, 500 and 600 went back.
    assert (found.sold, found.back, found.asked) == (2100, 1500, {})


def test_sums_with_a_tax_say_the_amount_that_no_name_says(tmp_path: Path) -> None:
    # Sold for 60, 120 and 36 with a fifth of tax on 50, 100 and 30, of which 5 each are kept.
    head = "Order ID,Product,Quantity,Customer Email,Sale Gross,Tax,Fees,Earnings,Date"
    rows = [
        f"7{n},App,1,c{n}@x.de,{net * 12 // 10}.00,{net // 5}.00,5.00,{net - 5}.00,"
        f"2026-03-0{n} 10:00"
        for n, net in enumerate((50, 100, 30), start=1)
    ]
    found = read(tmp_path / "sales.csv", head, rows)
    assert (found.sold, found.asked) == (180, {})


def test_postage_with_tax_is_postage_and_a_sum_without_tax_no_part(tmp_path: Path) -> None:
    # Goods of 60, 120 and 36 less 6, 9 and 3, and 12 of postage; beside them the same without a
    # fifth of tax.
    head = (
        "reference,email,total_products_wt,total_products,total_discounts_tax_incl,"
        "total_shipping_tax_incl,total_paid_tax_incl,total_paid_tax_excl,date_add"
    )
    rows = []
    for n, (goods, off) in enumerate([(60, 6), (120, 9), (36, 3)], start=1):
        paid = goods - off + 12
        amounts = f"{goods}.00,{goods / 1.2:.2f},{off}.00,12.00,{paid}.00,{paid / 1.2:.2f}"
        rows.append(f"R{n},c{n}@x.de,{amounts},2026-03-0{n} 10:00:00")
    found = read(tmp_path / "orders.csv", head, rows)
    # 198.00 with its tax is 165.00 without it, by what was paid with and without it.
    sentence = found.asked["amount_parts"]
    gross = "total_paid_tax_incl less total_shipping_tax_incl"
    assert f"{gross} without tax by total_paid_tax_excl (165.00) or {gross} (198.00)" in sentence
    said = read(tmp_path / "said.csv", head, rows, {"amount_parts": gross})
    assert said.sold == 60 + 120 + 36 - 18
