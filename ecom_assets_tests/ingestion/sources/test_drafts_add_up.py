"""Exports of other vendors, in other languages, by kind of fault: what the rows add up to decides,
and each right number can be added up by a reader.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import duckdb
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
from ecom_assets_tests.ingestion.sources.conftest import write

ZONE = {"timezone": "UTC"}


def search_of(path: Path, lines: list[str]) -> MappingSearch:
    """Return the search for a mapping of a file with some lines."""
    write(path, "\n".join([*lines, ""]))
    return MappingSearch([str(path)], Settings(home=path.parent / "home"), MappingKind.ORDERS)


def sold_and_back(
    search: MappingSearch, answers: Mapping[str, str]
) -> tuple[Decimal | int, Decimal | int]:
    """Return what was sold and paid back by the proposal, with guesses for what is open."""
    proposal = search.proposal(search.guesses({**ZONE, **answers}, OWN), OWN)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    kept = [row for row in rows if row["reject_reason"] is None]
    sold = [row["payment_amount"] for row in kept if row["status"] == "shipped"]
    back = [row["payment_amount"] for row in kept if row["status"] == "refunded"]
    return sum(sold, Decimal()), sum(back, Decimal())


def asked(search: MappingSearch, answers: Mapping[str, str]) -> dict[str, str]:
    """Return the questions that must be answered, by their keys."""
    given = {**ZONE, **answers}
    return {one.key: one.sentence for one in open_questions(search.proposal(given, OWN), given)}


def total_less_shipping(path: Path) -> MappingSearch:
    """A Polish list of orders: 4 of 100, 50, 80 and 30 złoty of goods, 15 of postage each but one;
    `Razem` is goods and postage, and there is 23 % of VAT in the goods that no column shows.
    """
    goods, postage = ("100,00", "50,00", "80,00", "30,00"), ("15,00", "15,00", "0,00", "15,00")
    total = ("115,00", "65,00", "80,00", "45,00")
    rows = [
        f"ZAM/{n};2026-03-0{n} 10:00:00;klient{n};{g};{p};{t}"
        for n, (g, p, t) in enumerate(zip(goods, postage, total, strict=True), start=1)
    ]
    head = "Nr zamówienia;Data;Klient;Towary;Koszt wysyłki;Razem"
    return search_of(path, [head, *rows])


@pytest.mark.slow
def test_postage_is_taken_off_a_total_that_the_goods_show(tmp_path: Path) -> None:
    search = total_less_shipping(tmp_path / "zamowienia.csv")
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (Decimal(260), 0)


@pytest.mark.slow
def test_fees_of_a_spanish_market_stay_in_the_amount(tmp_path: Path) -> None:
    # 4 x 20.00, of which the market keeps 10 % and pays 18.00 each: 80.00 were sold.
    rows = [f"P{n},2026-03-0{n} 10:00:00,ana{n}@x.es,A{n},1,20.00,2.00,18.00" for n in range(1, 5)]
    head = "Pedido,Fecha,Correo,Artículo,Cantidad,Importe bruto,Comisión,Importe neto"
    search = search_of(tmp_path / "ventas.csv", [head, *rows])
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (Decimal(80), 0)


@pytest.mark.slow
def test_a_sum_that_holds_on_too_few_rows_is_asked(tmp_path: Path) -> None:
    # 3 orders of 20.00 each with 5.00 of postage, and nothing shows whether 20.00 holds it.
    rows = [f"{n},2026-03-0{n} 10:00:00,c{n},20.00,5.00" for n in range(1, 4)]
    search = search_of(tmp_path / "list.csv", ["Order ID,Date,Customer,Total,Postage", *rows])
    assert list(asked(search, {})) == ["amount_parts"]
    assert "Total less Postage (45.00) or Total (60.00)" in asked(search, {})["amount_parts"]
    assert sold_and_back(search, {"amount_parts": "Total"}) == (Decimal(60), 0)
    assert sold_and_back(search, {"amount_parts": "Total less Postage"}) == (Decimal(45), 0)


@pytest.mark.slow
def test_discounts_below_zero_are_added(tmp_path: Path) -> None:
    # 30 + 30 + 30 + 40 less 3 + 3 + 3: 121.00 by `Betrag`; `Rabatt` is written below zero.
    rows = [
        f"R{n};0{n}.03.2026;K{n};A;1;{gross};{less};{net}"
        for n, (gross, less, net) in enumerate(
            [("30,00", "-3,00", "27,00")] * 3 + [("40,00", "0,00", "40,00")], start=1
        )
    ]
    head = "Rechnungsnr;Datum;Kunde;Artikel;Menge;Listenbetrag;Rabatt;Betrag"
    search = search_of(tmp_path / "rechnungen.csv", [head, *rows])
    assert sold_and_back(search, {}) == (Decimal(121), 0)
    without = [line.rpartition(";")[0] for line in [head.replace("Listenbetrag", "Summe"), *rows]]
    search = search_of(tmp_path / "ohne.csv", without)
    assert "(121.00)" in asked(search, {})["amount_parts"]
    assert "(130.00)" in asked(search, {})["amount_parts"]


@pytest.mark.slow
def test_kinds_of_a_french_account_are_asked(tmp_path: Path) -> None:
    # Encaissements of 4 x 25.00, a restitution of 25.00, virements of 60.00 and 10.00 to the bank.
    rows = [f"V{n};{n + 20}/03/2026;luc{n}@x.fr;Encaissement;Terminé;25,00" for n in range(1, 5)]
    rows += ["R1;28/03/2026;luc1@x.fr;Restitution;Terminé;-25,00"]
    rows += [f"B{n};29/03/2026;moi@x.fr;Virement;Terminé;-{n}0,00" for n in (6, 1)]
    head = "Référence;Date;Email;Opération;Statut;Montant"
    search = search_of(tmp_path / "compte.csv", [head, *rows])
    kinds = {one.subject: one.key for one in search.proposal(ZONE, OWN).questions if one.subject}
    assert set(kinds) == {"Encaissement", "Restitution", "Virement"}
    assert sold_and_back(search, {}) == (0, 0), "nothing counts before somebody has said it"
    said = {"Encaissement": "sale", "Restitution": "refund", "Virement": "no sale"}
    answers = {kinds[kind]: meaning for kind, meaning in said.items()}
    assert sold_and_back(search, answers) == (Decimal(100), Decimal(25))


@pytest.mark.slow
def test_a_monthly_list_that_starts_at_1_has_no_order_numbers(tmp_path: Path) -> None:
    rows = [f"{n},2026-03-0{n} 10:00:00,c{n},A,1,10.00,paid" for n in range(1, 5)]
    head = "id,date,customer,sku,qty,amount,status"
    search = search_of(tmp_path / "march.csv", [head, *rows])
    assert "order_id" not in search.proposal(ZONE, OWN).text
    later = [row.replace(f"{n},", f"{700 + n},", 1) for n, row in enumerate(rows, start=1)]
    search = search_of(tmp_path / "api.csv", [head, *later])
    proposal = search.proposal(ZONE, OWN)
    assert '  order_id: {column: "id", optional: true}' in proposal.text
    assert "unproven" in " ".join(proposal.why)


@pytest.mark.slow
def test_pieces_of_a_german_till_go_back_at_their_price(tmp_path: Path) -> None:
    # 3 x 10.00 and 2 x 5.00, of which one of 10.00 goes back: 40.00 and 10.00.
    rows = ["B1;01.03.2026;K1;A;3;10,00;1", "B2;02.03.2026;K2;B;2;5,00;0"]
    head = "Bestellnr;Datum;Kunde;Artikel;Menge;Einzelpreis;Menge erstattet"
    search = search_of(tmp_path / "kasse.csv", [head, *rows])
    assert sold_and_back(search, {}) == (Decimal(40), Decimal(10))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Total (USD)", "total_usd", "Umsatz in $", "Sales", "Brutto"])
def test_names_with_a_currency_and_usual_heads_are_amounts(tmp_path: Path, name: str) -> None:
    rows = [f"{n},2026-03-0{n} 10:00:00,c{n},A,1,{n}.50" for n in range(1, 5)]
    search = search_of(tmp_path / "o.csv", [f"order_id,date,customer,sku,qty,{name}", *rows])
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (Decimal(12), 0)
    is_dollar = "usd" in name.casefold()
    assert ("currency: {constant: USD}" in search.proposal(ZONE, OWN).text) == is_dollar


@pytest.mark.slow
def test_tips_and_gift_cards_are_asked_with_their_money(tmp_path: Path) -> None:
    rows = [
        "1,2026-03-01 10:00:00,c1,COFFEE,Coffee,1,4.00",
        "1,2026-03-01 10:00:00,c1,TIP,Tip,1,1.00",
        "2,2026-03-02 10:00:00,c2,GC,Gift Card 25,1,25.00",
        "3,2026-03-03 10:00:00,c3,TEA,Tea,2,6.00",
    ]
    head = "order_id,date,customer,sku,item name,qty,line total"
    search = search_of(tmp_path / "cafe.csv", [head, *rows])
    assert "together 26.00" in asked(search, {})["no_goods"]
    assert sold_and_back(search, {"no_goods": "left out"}) == (Decimal(10), 0)
    assert sold_and_back(search, {"no_goods": "sale"}) == (Decimal(36), 0)


@pytest.mark.slow
def test_columns_that_no_field_uses_are_listed(tmp_path: Path) -> None:
    rows = [f"{n},2026-03-0{n} 10:00:00,c{n},A,1,10.00,3.00,Store {n % 2},," for n in range(1, 5)]
    head = "order_id,date,customer,sku,qty,amount,levy,branch,memo,note"
    proposal = search_of(tmp_path / "o.csv", [head, *rows]).proposal(ZONE, OWN)
    assert "levy: 3.00 in 4 of 4 rows" in proposal.unused
    assert "branch: 2 different in 4 of 4 rows, such as Store 0, Store 1" in proposal.unused
    assert proposal.unused[-1] == "memo, note: empty in all rows"
    assert all(f"#   {line}" in proposal.text for line in proposal.unused)


BUYER_ON_THE_FIRST_LINE = """\
Invoice,Date,Member,SKU,Quantity,Price
1,2026-03-01 10:00:00,m1,CUP,2,5.00
1,2026-03-01 10:00:00,,HAT,1,20.00
2,2026-03-02 10:00:00,m2,HAT,1,20.00
""".splitlines()
LOST = "2,2026-03-09 08:00:00,,CUP,-96,0.00"
"""96 broken cups that a clerk booked a week later, under the number of an invoice."""
BACK = "2,2026-03-09 08:00:00,,HAT,-1,20.00"
"""The hat of the second invoice came back: the line has a time of its own, and no member."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "counted"),
    [
        # 2 * 5 and 20 of m1, 20 of m2: the first hat is of m1, as the invoice has one time.
        (BUYER_ON_THE_FIRST_LINE, {("m1", 2), ("m1", 1), ("m2", 1)}),
        # Where no invoice shows that its buyer stands on one line, the cups are of nobody.
        ([*BUYER_ON_THE_FIRST_LINE[:2], BUYER_ON_THE_FIRST_LINE[3], LOST], {("m1", 2), ("m2", 1)}),
        # A hat that was paid back is of who bought it.
        (
            [*BUYER_ON_THE_FIRST_LINE[:2], BUYER_ON_THE_FIRST_LINE[3], BACK],
            {("m1", 2), ("m2", 1), ("m2", -1)},
        ),
    ],
    ids=["one invoice", "lost pieces", "a return"],
)
def test_a_line_without_a_buyer_is_of_its_order_if_it_is_of_its_time_or_paid_back(
    tmp_path: Path, lines: list[str], counted: set[tuple[str, int]]
) -> None:
    search = search_of(tmp_path / "till.csv", lines)
    answers = {**ZONE, "customer_id": "Member", "no_customer": "left out"}
    proposal = search.proposal(search.guesses(answers, OWN), OWN)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    sign = {"shipped": 1, "refunded": -1}
    kept = [row for row in rows if row["reject_reason"] is None]
    pieces = {(row["customer_id"], sign[row["status"]] * row["quantity"]) for row in kept}
    assert pieces == counted


def with_money_back(path: Path, name: str, back: str, paid: str = "Betrag") -> MappingSearch:
    """A German list of 5 orders of 40.00; of the first, `back` stands in a column of some name."""
    rows = [f"R{n};2026-03-0{n} 10:00:00;k{n};40,00;0,00" for n in range(1, 6)]
    rows[0] = rows[0].removesuffix("0,00") + back
    return search_of(path, [f"Bestellnummer;Datum;Kunde;{paid};{name}", *rows])


@pytest.mark.slow
@pytest.mark.parametrize("back", ["12,50", "40,00", "-12,50"])
def test_an_amount_on_few_rows_that_no_name_explains_may_have_gone_back(
    tmp_path: Path, back: str
) -> None:
    search = with_money_back(tmp_path / "liste.csv", "Ausgekehrt", back)
    question = asked(search, {})["refunded_amount"]
    assert question.startswith("the column of what was paid back, or none: Ausgekehrt (")
    assert "in 1 row) of 5 rows" in question
    paid = Decimal(back.strip("-").replace(",", "."))
    assert sold_and_back(search, {"refunded_amount": "Ausgekehrt"}) == (200, paid)
    assert sold_and_back(search, {"refunded_amount": "none"}) == (200, 0)
    # Nobody has said it: the amount is marked, and no run takes the mapping as it is.
    text = search.proposal(ZONE, OWN).text
    assert 'payment_amount: "?"  # OPEN: the column' in text
    assert 'write {column: "Betrag"} if none was, else --answer refunded_amount=NAME' in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "back"), [("Trinkgeld", "2,50"), ("Gewicht", "2,50"), ("Zeile", "7"), ("Rang", "90,5")]
)
def test_parts_counts_and_what_is_more_than_was_paid_are_no_refunds(
    tmp_path: Path, name: str, back: str
) -> None:
    # A tip is a part, seven pieces are no money, and of 40.00 no 90.50 can go back.
    assert asked(with_money_back(tmp_path / "liste.csv", name, back), {}) == {}


@pytest.mark.slow
def test_what_is_taken_off_before_the_total_is_no_refund(tmp_path: Path) -> None:
    # 8 orders of 50.00; three of them are 5.00 cheaper, and the total is what was paid.
    rows = [
        f"R{n};2026-03-0{n} 10:00:00;k{n};50,00;{5 * (n < 4)},00;{50 - 5 * (n < 4)},00"
        for n in range(1, 9)
    ]
    head = "Bestellnummer;Datum;Kunde;Warenwert;Minderung;Gesamtbetrag"
    assert "refunded_amount" not in asked(search_of(tmp_path / "l.csv", [head, *rows]), {})


@pytest.mark.slow
def test_the_answer_what_the_goods_cost_may_be_another_column(tmp_path: Path) -> None:
    # 6 orders of 30.00 and 4.90 of what `Zusatz` does not say by its name: 180.00, not 209.40.
    rows = [f"Z{n};2026-03-0{n} 10:00:00;k{n};34,90;4,90;30,00" for n in range(1, 7)]
    search = search_of(tmp_path / "l.csv", ["Nr zamówienia;Data;Klient;Razem;Zusatz;Towar", *rows])
    assert list(asked(search, {})) == ["amount_parts"]
    assert sold_and_back(search, {"amount_parts": "Towar"}) == (180, 0)
    assert sold_and_back(search, {"amount_parts": "Razem"}) == (Decimal("209.40"), 0)


def five_orders_of_two_lines(name: str) -> list[dict[str, str]]:
    """Lines of 5 orders of 2 x 20.00; of the first 12.50 went back, which each line of it says."""
    return [
        {
            "Order ID": f"R{n}",
            "Order Date": f"2026-03-0{n} 10:00:00",
            "Customer": f"k{n}",
            "SKU": f"S{m}",
            "Quantity": "1",
            "Price": "20.00",
            "Order Total": "40.00",
            name: "12.50" if n == 1 else "0.00",
        }
        for n in range(1, 6)
        for m in (1, 2)
    ]


def saved(rows: list[dict[str, str]], folder: Path, form: str) -> MappingSearch:
    """Save rows in a form and return the search for their mapping."""
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    search = search_of(folder / "lines.csv", lines)
    if form == "csv":
        return search
    path = folder / f"lines.{form}"
    how = "(FORMAT json, ARRAY true)" if form == "json" else "(FORMAT parquet)"
    duckdb.sql(f"COPY (FROM read_csv('{folder / 'lines.csv'}')) TO '{path}' {how}")
    return MappingSearch([str(path)], search.settings, MappingKind.ORDERS)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_what_went_back_of_an_order_is_no_more_by_its_number_of_lines(
    tmp_path: Path, form: str
) -> None:
    search = saved(five_orders_of_two_lines("Refunded Amount"), tmp_path, form)
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (200, Decimal("12.50"))


@pytest.mark.slow
def test_what_went_back_of_an_order_is_asked_once_where_no_name_says_it(tmp_path: Path) -> None:
    search = saved(five_orders_of_two_lines("Ausgekehrt"), tmp_path, "csv")
    assert "Ausgekehrt (12.50 in 1 order) of 5 orders" in asked(search, {})["refunded_amount"]
    assert sold_and_back(search, {"refunded_amount": "Ausgekehrt"}) == (200, Decimal("12.50"))


def orders_of_two(
    price: str, amount: int, more: Mapping[str, object], **back: float
) -> list[dict[str, object]]:
    """Return 5 orders of two items each as an API has them; of the first something went back."""
    items = [{"sku": f"S{m}", "quantity": 1, price: amount} for m in (1, 2)]
    return [
        {
            "id": f"R{n}",
            "created_at": f"2026-03-0{n}T10:00:00Z",
            "customer_id": f"k{n}",
            **more,
            **(back if n == 1 else dict.fromkeys(back, 0)),
            "items": items,
        }
        for n in range(1, 6)
    ]


@pytest.mark.slow
def test_a_list_of_items_beside_what_went_back_of_its_order(tmp_path: Path) -> None:
    # 5 orders of 2 x 20.00, with 12.50 and nothing paid back.
    orders = orders_of_two("price", 20, {"total": 40}, refunded_amount=12.5)
    search = search_of(tmp_path / "orders.json", [json.dumps(orders)])
    assert sold_and_back(search, {}) == (200, Decimal("12.50"))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_what_went_back_counts_in_each_form_of_a_list_of_orders(tmp_path: Path, form: str) -> None:
    rows = [
        {
            "Order ID": f"R{n}",
            "Order Date": f"2026-03-0{n} 10:00:00",
            "Customer": f"k{n}",
            "Total": "40.00",
            "Refunded Amount": "12.50" if n == 1 else "0.00",
        }
        for n in range(1, 6)
    ]
    assert sold_and_back(saved(rows, tmp_path, form), {}) == (200, Decimal("12.50"))


@pytest.mark.slow
@pytest.mark.parametrize("currency", [{}, {"currency": "EUR"}])
def test_what_went_back_of_an_order_in_cents(tmp_path: Path, currency: dict[str, str]) -> None:
    # 5 orders of 2 x 2,000 cents; 1,250 of the first went back.
    orders = orders_of_two("price_cents", 2000, currency, refunded_amount_cents=1250)
    search = search_of(tmp_path / "orders.json", [json.dumps(orders)])
    assert sold_and_back(search, {}) == (200, Decimal("12.50"))


@pytest.mark.slow
def test_what_went_back_is_a_column_beside_a_discount_in_percent_and_a_price(
    tmp_path: Path,
) -> None:
    # 5 x 20.00, three of them with 10 % off; 12.50 of the first went back, not 18.00.
    rows = [
        f"R{n};2026-03-0{n} 10:00:00;k{n};S;1;20.00;{10 * (n < 4)};{12.5 * (n == 1):.2f}"
        for n in range(1, 6)
    ]
    head = "Order ID;Order Date;Customer;SKU;Quantity;Price;Discount %;Refunded Amount"
    search = search_of(tmp_path / "rate.csv", [head, *rows])
    answer = {"amount_parts": "Price times Quantity less Discount % of it"}
    assert sold_and_back(search, answer) == (94, Decimal("12.50"))
    # Without a quantity, each row is one piece.
    rows = [f"R{n};2026-03-0{n} 10:00:00;k{n};S{n};20.00;{12.5 * (n == 1)}" for n in range(1, 6)]
    head = "Order ID;Order Date;Customer;SKU;Price;Refunded Amount"
    search = search_of(tmp_path / "price.csv", [head, *rows])
    assert sold_and_back(search, {}) == (100, Decimal("12.50"))


@pytest.mark.slow
def test_a_tax_of_20_percent_that_was_rounded_on_each_line_is_found_in_orders(
    tmp_path: Path,
) -> None:
    # Orders of two equal lines, such as 2 x 100.94 with 2 x 16.82 of tax in them, of which a sixth
    # is 33.65, not 33.64: 1,911.36 with 318.52 of tax.
    lines = {"100.94": "16.82", "200.96": "33.49", "150.92": "25.15"}
    lines |= {"300.98": "50.16", "120.92": "20.15", "80.96": "13.49"}
    rows = [
        f"R{n},2026-03-0{n} 10:00:00,c{n},{2 * Decimal(price)},{2 * Decimal(tax)}"
        for n, (price, tax) in enumerate(lines.items(), start=1)
    ]
    search = search_of(tmp_path / "l.csv", ["Order Number,Date,Customer,Subtotal,Tax", *rows])
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (Decimal("1592.84"), 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "is_asked"), [(("Sale", "Refund"), False), (("S", "R"), True)], ids=["words", "codes"]
)
def test_a_column_of_types_alone_makes_no_events_of_orders(
    tmp_path: Path, kinds: tuple[str, str], *, is_asked: bool
) -> None:
    rows = [
        f"R{n};2026-03-0{n} 10:00:00;c{n};{kinds[n > 4]};A{n};Hat;{2 * (1 - 2 * (n > 4))},5;1,50"
        for n in range(1, 6)
    ]
    head = "Txn Ref;Date;Customer;Type;Artikelnummer;Artikelbezeichnung;Extended;Versandkosten"
    path = write(tmp_path / "l.csv", "\n".join([head, *rows, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    assert ("rows" in asked(search, {})) is is_asked
    assert is_asked or search.proposal(ZONE, OWN).kind is MappingKind.ORDERS


def test_a_fee_that_is_a_rate_of_the_total_is_kept_of_it(tmp_path: Path) -> None:
    """8 % of each `Total` is kept, and `Zufluss` is the rest: customers paid the total."""
    totals = ("100.00", "250.00", "75.00", "160.00")
    rows = [
        f"R{n},2026-03-0{n} 10:00:00,k{n},{total},{fee},{Decimal(total) - Decimal(fee)}"
        for n, (total, fee) in enumerate(
            zip(totals, ("8.00", "20.00", "6.00", "12.80"), strict=True), 1
        )
    ]
    heads = "Order number,Date,Customer,Total,Transaction fee,Zufluss"
    search = search_of(tmp_path / "orders.csv", [heads, *rows])
    assert sold_and_back(search, {}) == (Decimal("585.00"), 0)


def test_a_surcharge_that_is_a_rate_of_the_goods_is_no_part_of_them(tmp_path: Path) -> None:
    """5 % of `Ware` comes on top of it in `Total`: customers paid it, but not for the goods."""
    goods = ("100.00", "250.00", "75.00", "160.00")
    rows = [
        f"R{n},2026-03-0{n} 10:00:00,k{n},{Decimal(one) + Decimal(fee)},{fee},{one}"
        for n, (one, fee) in enumerate(
            zip(goods, ("5.00", "12.50", "3.75", "8.00"), strict=True), 1
        )
    ]
    heads = "Order number,Date,Customer,Total,Payment fee,Ware"
    search = search_of(tmp_path / "orders.csv", [heads, *rows])
    assert sold_and_back(search, {}) == (Decimal("585.00"), 0)


def test_a_tax_in_the_price_is_taken_off_beside_a_discount_that_orders_show(
    tmp_path: Path,
) -> None:
    """Each order of two lines comes to its total by price times pieces less `Abzug`, and postage;
    `VAT` is 20 % of what is left without it: 234.00 of 1,404.00 over all lines.
    """
    lines = [
        (n, price, pieces, off)
        for n in range(1, 7)
        for price, pieces, off in ((60 * n, 1, 0), (18, 2, 12))
    ]
    totals = {
        n: sum(price * pieces - off for m, price, pieces, off in lines if m == n) + 5
        for n in range(1, 7)
    }
    rows = [
        f"{n},2026-03-0{n} 10:00:00,k{n},Item {price},{price}.00,{pieces},{off}.00,"
        f"{(price * pieces - off) / 6:.2f},5.00,{totals[n]}.00"
        for n, price, pieces, off in lines
    ]
    heads = "Order number,Date,Customer,Item,Price,Quantity,Abzug,VAT,Shipping,Grand total"
    search = search_of(tmp_path / "lines.csv", [heads, *rows])
    paid = sum(price * pieces - off for _, price, pieces, off in lines)
    assert paid == 60 * 21 + 6 * 24
    assert sold_and_back(search, {}) == (Decimal(paid) * 5 / 6, 0)


def test_a_tax_of_no_known_name_beside_lines_is_found_by_their_order(tmp_path: Path) -> None:
    """`Wert` and 20 % `Levy` of each line, and postage once, come to `Total` of the order."""
    lines = [(n, wert) for n in range(1, 7) for wert in (50 * n, 35)]
    totals = {n: Decimal(50 * n + 35) * Decimal("1.2") + Decimal("4.90") for n in range(1, 7)}
    rows = [
        f"{n},2026-03-0{n} 10:00:00,k{n},Item {wert},1,{wert}.00,{wert * 0.2:.2f},4.90,"
        f"{totals[n]:.2f}"
        for n, wert in lines
    ]
    heads = "Order number,Date,Customer,Item,Quantity,Wert,Levy,Shipping,Grand total"
    search = search_of(tmp_path / "lines.csv", [heads, *rows])
    assert sold_and_back(search, {}) == (Decimal(50 * 21 + 6 * 35), 0)


def test_a_tax_of_no_known_name_in_a_total_is_asked_before_a_discount(tmp_path: Path) -> None:
    """`Levy` is 20 % of what is left of `À payer` without it and the postage: 37.20 of 186.00."""
    goods, off = (32, 61, 75, 18), ("0.00", "5.00", "0.00", "3.00")
    rows = [
        f"#{n},2026-03-0{n} 10:00:00,k{n},{one * 1.2 + 1.25 * n:.2f},{1.25 * n:.2f},"
        f"{one * 0.2:.2f},{o}"
        for n, (one, o) in enumerate(zip(goods, off, strict=True), 1)
    ]
    heads = "Order number,Date,Customer,À payer,Shipping,Levy,Discount amount"
    search = search_of(tmp_path / "orders.csv", [heads, *rows])
    given = {"payment_amount": "À payer"}
    assert "À payer less Shipping and Levy (186.00)" in asked(search, given)["amount_parts"]


def test_a_tax_and_a_discount_beside_lines_are_found_by_their_order(tmp_path: Path) -> None:
    """`Wert` less `Remise`, 20 % VAT of what is left, and postage once come to the total."""
    lines = [(n, wert, off) for n in range(1, 7) for wert, off in ((50 * n, 0), (35, 5))]
    left = {n: 50 * n + 30 for n in range(1, 7)}
    rows = [
        f"{n},2026-03-0{n} 10:00:00,k{n},Item {wert},1,{wert}.00,{off}.00,"
        f"{(wert - off) * 0.2:.2f},4.90,{left[n] * 1.2 + 4.9:.2f}"
        for n, wert, off in lines
    ]
    heads = "Order number,Date,Customer,Item,Quantity,Wert,Remise,VAT,Shipping,Grand total"
    search = search_of(tmp_path / "lines.csv", [heads, *rows])
    assert sold_and_back(search, {}) == (Decimal(50 * 21 + 6 * 30), 0)


CONVERTED = (("100.00", "0.91", "91.00"), ("50.00", "0.92", "46.00"), ("20.50", "0.90", "18.45"))
"""What buyers paid, the rate of the day, and what came in: 155.45."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("heads", "codes", "found"),
    [
        (("Ccy", "Account Ccy"), ("USD,EUR", "GBP,EUR", "USD,EUR"), 'column: "Account Ccy"'),
        (("Currency", "Account Ccy"), ("USD,EUR", "GBP,EUR", "USD,EUR"), 'column: "Account Ccy"'),
        (("Currency",), ("USD", "USD", "USD"), ""),
        (("Ccy", "Account Ccy"), ("USD,EUR", "USD,EUR", "USD,EUR"), ""),
        (("Nation",), ("DEU", "DEU", "DEU"), ""),
    ],
    ids=[
        "one on all rows",
        "beside the usual name",
        "of buyers alone",
        "both alike",
        "no currency",
    ],
)
def test_what_was_converted_is_not_in_the_currency_of_its_buyers(
    tmp_path: Path, heads: tuple[str, ...], codes: tuple[str, ...], found: str
) -> None:
    rows = [
        f"A{n},2026-03-0{n} 10:00:00,c{n}@shop.example,Hat,{code},{paid},{rate},{came}"
        for n, (code, (paid, rate, came)) in enumerate(zip(codes, CONVERTED, strict=True), start=1)
    ]
    named = (
        f"Order ID,Sold At,Mail,Item Title,{','.join(heads)},Foreign Sum,Exchange Rate,Local Sum"
    )
    search = search_of(tmp_path / "sales.csv", [named, *rows])
    text = search.proposal(ZONE, OWN).text
    assert "payment_amount: by adding up: Local Sum = Foreign Sum * Exchange Rate" in text
    assert (f"  currency: {{{found}" in text) == bool(found)
    assert ("which no column says for sure" in text) == (not found)


@pytest.mark.parametrize(("name", "questions"), [("Total", 0), ("Total (USD)", 1)])
def test_a_shop_whose_money_has_no_cents_may_sell_in_one_that_has(
    tmp_path: Path, name: str, questions: int
) -> None:
    """15,000 yen are fifteen thousand; 15,000 dollars may be fifteen."""
    rows = [f"A{n};2026-03-0{n} 10:00:00;c{n}@shop.example;Hat;{n}5,000" for n in (1, 2, 3)]
    path = tmp_path / "sales.csv"
    write(path, "\n".join([f"Order ID;Sold At;Mail;Item Title;{name}", *rows, ""]))
    settings = Settings(home=tmp_path / "home", currency="JPY")
    search = MappingSearch([str(path)], settings, MappingKind.ORDERS)
    assert len(asked(search, {})) == questions


def test_a_tax_that_no_row_of_a_refund_says_is_noted(tmp_path: Path) -> None:
    """Of 24.50 with 8 % tax, 22.69 without, all came back in a row of its own without a tax."""
    sales = [
        (1, "59.90", "4.44"),
        (2, "24.50", "1.81"),
        (4, "120.00", "8.89"),
        (5, "40.00", "2.96"),
    ]
    rows = [
        *(f"t{n},sale,settled,2026-03-0{n} 10:00,{paid},{tax},B{n},c{n}" for n, paid, tax in sales),
        "t6,credit,settled,2026-03-06 10:00,24.50,,B2,c2",
    ]
    heads = "Transaction ID,Transaction Type,Status,Created,Amount Settled,Tax Amount,Order ID"
    search = search_of(tmp_path / "transactions.csv", [f"{heads},Customer ID", *rows])
    paid = {"payment_amount": "Amount Settled"}
    assert sold_and_back(search, paid) == (Decimal("226.30"), Decimal("24.50"))
    said = (
        "Tax Amount is taken off sales and stands in no row of a refund, so that all of what was "
        "paid back (24.50) counts as of goods; check this"
    )
    assert said in search.proposal(paid, OWN).text
