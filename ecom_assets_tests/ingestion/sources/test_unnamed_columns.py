"""Columns whose names no list has: what rows do shows what they are, or it is asked."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import (
    ZONE,
    asked,
    search_of,
    sold_and_back,
)

TILL = """\
Bon-Kennung;Gebucht;Karte;Ware;Stk;à;Pos.-Wert
K1;02.03.2026 10:00;7;LAMPE;2;10,00;20,00
K1;02.03.2026 10:00;7;TASSE;3;4,00;12,00
K2;02.03.2026 11:00;8;TASSE;1;4,00;4,00
K3;03.03.2026 09:00;7;LAMPE;4;10,00;40,00
K3;03.03.2026 09:00;7;TASSE;1;4,00;4,00
K4;03.03.2026 12:00;9;LAMPE;1;10,00;10,00
K4;03.03.2026 12:00;9;VASE;2;7,50;15,00
K5;04.03.2026 12:00;9;VASE;1;7,50;7,50
""".splitlines()
"""A German till: 20 + 12 + 4 + 40 + 4 + 10 + 15 + 7.50 are 112.50 in five tickets of 15 pieces."""


def clean_rows(search: MappingSearch, answers: dict[str, str]) -> list[Row]:
    """Return the rows that count by the proposal, with guesses for what is open."""
    proposal = search.proposal(search.guesses({**ZONE, **answers}, OWN), OWN)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows: list[Row] = reading.files.classified().to_pyarrow().to_pylist()
    return [row for row in rows if row["reject_reason"] is None]


def test_a_price_times_pieces_is_found_by_the_amount_that_it_comes_to(tmp_path: Path) -> None:
    search = search_of(tmp_path / "kasse.csv", TILL)
    answers = {"customer_id": "Karte", "item_id": "Ware"}
    rows = clean_rows(search, answers)
    assert sum(row["payment_amount"] for row in rows) == Decimal("112.50")
    assert sum(row["quantity"] for row in rows) == 15
    assert {row["order_id"] for row in rows} == {"K1", "K2", "K3", "K4", "K5"}
    assert "by adding up: à * Stk = Pos.-Wert" in search.proposal(answers, OWN).text


def test_a_tenth_of_the_amount_that_no_name_explains_is_asked(tmp_path: Path) -> None:
    """The lines are 15 + 25 + 35 + 45 = 120, the three tenths 1.50 + 2.50 + 3.50 = 7.50: no tax is
    900 % of what is left of it.
    """
    lines = [
        "Order,Date,Customer,SKU,Qty,Unit Price,Line Total,Minderung",
        "1,2026-03-01 10:00:00,c1,A,1,15.00,15.00,1.50",
        "2,2026-03-02 10:00:00,c2,B,1,25.00,25.00,2.50",
        "3,2026-03-03 10:00:00,c3,C,1,35.00,35.00,3.50",
        "4,2026-03-04 10:00:00,c1,D,1,45.00,45.00,0.00",
    ]
    search = search_of(tmp_path / "orders.csv", lines)
    assert (
        "Line Total (120.00) or Line Total less Minderung (112.50)"
        in asked(search, {})["amount_parts"]
    )
    less = {"amount_parts": "Line Total less Minderung"}
    assert sold_and_back(search, less)[0] == Decimal("112.50")


def test_a_price_times_pieces_that_nothing_shows_is_asked_with_what_it_comes_to(
    tmp_path: Path,
) -> None:
    lines = [line.rpartition(";")[0] for line in TILL]
    search = search_of(tmp_path / "kasse.csv", lines)
    answers = {"customer_id": "Karte", "item_id": "Ware"}
    assert "à times Stk (112.50)" in asked(search, answers)["payment_amount"]
    assert sold_and_back(search, {**answers, "payment_amount": "à times Stk"})[0] == Decimal(
        "112.50"
    )


def test_refunds_in_a_list_of_orders_are_no_discounts(tmp_path: Path) -> None:
    """Four orders of 20.00, 30.00, 40.00 and 50.00; 30.00 of the second one went back, in a row of
    its own with the order's number.
    """
    lines = [
        "Order Number,Order Date,Customer,Total",
        "A1,2026-03-02T10:00:00Z,1,20.00",
        "A2,2026-03-02T11:00:00Z,2,30.00",
        "A3,2026-03-03T11:00:00Z,1,40.00",
        "A2,2026-03-04T12:00:00Z,2,-30.00",
        "A4,2026-03-05T11:00:00Z,3,50.00",
    ]
    assert sold_and_back(search_of(tmp_path / "orders.csv", lines), {}) == (140, 30)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["%H:%M", "%H:%M:%S", "%I:%M %p"])
@pytest.mark.parametrize("heads", ["Bon-Kennung;Datum;Uhrzeit", "Bon-Kennung;Tag;Zusteller ab"])
def test_the_time_of_day_is_no_order_s_number(tmp_path: Path, heads: str, form: str) -> None:
    """Nine orders of two lines each, the last of which is at the same time of another day."""
    is_named = heads.endswith("Uhrzeit")
    lines = [f"{heads};Karte;Ware;Stk;à;Pos.-Wert"]
    for number in range(9):
        at = datetime(2026, 3, 2 + number, 9 + number % 8, 5, 0)  # noqa: DTZ001 (of the shop)
        clock, day = at.strftime(form), f"{at:%d.%m.%Y}" if is_named else f"{at:%d.%m.%Y %H:%M}"
        lines += [
            f"K{number};{day};{clock};{number % 8};{ware};{pieces};{price},00;{pieces * price},00"
            for ware, pieces, price in (("LAMPE", 1, 10 + number), ("TASSE", 2, 4))
        ]
    search = search_of(tmp_path / "kasse.csv", lines)
    rows = clean_rows(search, {"customer_id": "Karte", "item_id": "Ware"})
    assert {row["order_id"] for row in rows} == {f"K{number}" for number in range(9)}


def test_shipping_beside_items_without_a_quantity_is_asked(tmp_path: Path) -> None:
    """The engine took the quantity that is not there for the first column of a sum, and failed."""
    lines = ["order_id,created_at,customer_id,sku,Total,Shipping"]
    lines += [f"{n},2026-03-0{n} 10:00:00,{n},LAMP,{20 + n}.50,{n % 2 * 5}.00" for n in range(1, 8)]
    assert "amount_parts" in asked(search_of(tmp_path / "orders.csv", lines), {})


def test_a_buyer_on_the_first_line_is_that_of_the_order_also_where_some_have_none(
    tmp_path: Path,
) -> None:
    """Three orders of 30.00, 30.00 and 15.00; the buyer of the second one is not known."""
    lines = [
        "order_id,created_at,customer_id,sku,quantity,line_total",
        "1,2026-03-02T10:00:00Z,7,LAMP,1,10.00",
        "1,,,MUG,2,20.00",
        "2,2026-03-02T11:00:00Z,,LAMP,1,10.00",
        "2,,,MUG,2,20.00",
        "3,2026-03-03T11:00:00Z,8,MUG,1,10.00",
        "3,,,CAP,1,5.00",
    ]
    search = search_of(tmp_path / "orders.csv", lines)
    rows = clean_rows(search, {"no_customer": "nobody"})
    assert sum(row["payment_amount"] for row in rows) == 75
    assert len({row["customer_id"] for row in rows} - {"(not set)"}) == 2


def test_codes_in_a_column_that_is_named_as_states_are_asked(tmp_path: Path) -> None:
    lines = ["Numéro,Date de commande,Client,Total TTC,Statut"]
    lines += [f"{n},2026-03-0{n}T10:00:00Z,{n % 3},{n}0.00,{30 + n % 2 * 20}" for n in range(1, 9)]
    found = asked(search_of(tmp_path / "commandes.csv", lines), {})
    assert [key for key in found if key.startswith("state_")] == ["state_1", "state_2"]


def test_polish_states_say_what_was_sold(tmp_path: Path) -> None:
    """10 + 20 + 30 were sold, of which 30 went back; 40 never was an order."""
    states = ("Zrealizowane", "Wysłane", "Zwrócone", "Anulowane")
    lines = ["Nr zamówienia;Data;Klient;Razem;Etap"]
    lines += [
        f"Z{n};2026-03-0{n}T10:00:00Z;{n};{n}0,00;{state}"
        for n, state in enumerate(states, start=1)
    ]
    search = search_of(tmp_path / "zamowienia.csv", lines)
    assert sold_and_back(search, {"customer_id": "Klient"}) == (60, 30)


@pytest.mark.slow
def test_lines_of_json_without_a_known_name_are_asked_and_less_their_discount(
    tmp_path: Path,
) -> None:
    """Per order one lamp of 10.00 and two mugs of 4.00, 1.00 off the mugs: 4 times 17.00 are 68."""
    orders = [
        {
            "Doc": f"D{n}",
            "created_at": f"2026-03-0{n}T10:00:00Z",
            "customer_id": n,
            "things": [
                {"what": "LAMP", "Stk": 1, "each": 10.0, "discount": 0.0},
                {"what": "MUG", "Stk": 2, "each": 4.0, "discount": 1.0},
            ],
        }
        for n in range(1, 5)
    ]
    path = tmp_path / "orders.json"
    path.write_text(json.dumps(orders), encoding="utf-8")
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"), MappingKind.ORDERS)
    (of_list,) = [one for one in search.proposal({}, OWN).questions if one.key == "list"]
    assert of_list.choices == ("things", "none")
    answers = {"list": "things", "item_id": "things.what", "quantity": "things.Stk"}
    answers["payment_amount"] = "things.each times things.Stk"
    answers["amount_parts"] = f"{answers['payment_amount']} less things.discount"
    assert sold_and_back(search, answers)[0] == 68


def test_what_purchases_are_worth_is_asked_whatever_it_is_called(tmp_path: Path) -> None:
    lines = ["event_name,timestamp,user_id,Korbwert"]
    for n in range(1, 7):
        lines += [f"page_view,2026-03-02T10:0{n}:00Z,{n},"]
        lines += [f"purchase,2026-03-02T10:0{n}:30Z,{n},{n}.50"]
    path = tmp_path / "events.csv"
    write(path, "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"), MappingKind.EVENTS)
    (question,) = open_questions(search.proposal({}, OWN), {})
    assert (question.key, question.guess) == ("cart_value", "Korbwert")


def test_a_refusal_says_what_the_file_has_and_what_leads_on(tmp_path: Path) -> None:
    """Amazon's business report by product has sums of a month, and no time."""
    lines = ["(Child) ASIN,Title,Sessions - Total,Units Ordered,Ordered Product Sales"]
    lines += ['B01,Lamp,120,3,"$59.97"', 'B02,Mug,80,5,"$45.00"']
    search = search_of(tmp_path / "BusinessReport.csv", lines)
    with pytest.raises(DefinitionError) as refused:
        search.proposal({}, OWN)
    assert "the time of orders" in str(refused.value)
    assert "(Child) ASIN (B01), Title (Lamp)" in str(refused.value)
    assert "export the list of orders that it adds up" in str(refused.value)


def test_prices_are_found_by_totals_that_only_the_first_line_of_an_order_has(
    tmp_path: Path,
) -> None:
    # Goods of 30, 50, 70 and 10 with a fifth of tax, and postage of 5: 41, 65, 89 and 17.
    lines = [
        "Nr;Datum;Uhrzeit;Kunde;grand_total;Versand;sku;Menge;à;MwSt",
        "1;02.03.2026;07:00;7;41,00;5,00;A;1;10,00;2,00",
        "1;;;;;;B;1;20,00;4,00",
        "2;02.03.2026;07:41;8;65,00;5,00;A;3;10,00;6,00",
        "2;;;;;;B;1;20,00;4,00",
        "3;03.03.2026;04:05;9;89,00;5,00;A;3;10,00;6,00",
        "3;;;;;;B;2;20,00;8,00",
        "4;04.03.2026;12:57;7;17,00;5,00;A;1;10,00;2,00",
    ]
    search = search_of(tmp_path / "orders.csv", lines)
    rows = clean_rows(search, {})
    assert sum(row["payment_amount"] for row in rows) == Decimal(160)
    assert "the sum of à * Menge + MwSt + Versand = grand_total" in search.proposal(ZONE, OWN).text
    hours = [row["ordered_at"].hour for row in rows if row["order_id"] == "1"]
    assert hours == [7, 7], "the day and the time of the first line"


def test_an_american_tax_within_prices_is_asked_with_the_discount(tmp_path: Path) -> None:
    # 8.25 % in prices: of 108.25 it is 8.25, of 216.50 16.50, of 54.13 4.13 and of 324.75 24.75.
    lines = [
        "Order,Date,Customer,SKU,Qty,Price,Discount,Sales tax",
        "1,2026-03-01 10:00:00,7,A,1,108.25,10.00,8.25",
        "2,2026-03-02 10:00:00,8,A,2,108.25,0.00,16.50",
        "3,2026-03-03 10:00:00,9,B,1,54.13,5.00,4.13",
        "4,2026-03-04 10:00:00,7,A,3,108.25,20.00,24.75",
    ]
    search = search_of(tmp_path / "orders.csv", lines)
    sentence = asked(search, {})["amount_parts"]
    assert "Price times Qty less Sales tax and Discount (615.00)" in sentence, "650 less 35"
    assert "Price times Qty less Sales tax (650.00)" in sentence


def test_a_column_of_sales_and_refunds_makes_orders_no_events(tmp_path: Path) -> None:
    lines = [
        "Beleg;Bestelldatum;Konto;Buchung;Rechnungsendbetrag",
        *(f"{n};0{n}.03.2026 10:00;{n % 3};Sale;{n}0,00" for n in range(1, 8)),
        "8;08.03.2026 10:00;1;Refund;-10,00",
    ]
    path = write(tmp_path / "buchungen.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    questions = {one.key for one in open_questions(search.proposal({}, OWN), {})}
    assert "rows" in questions, "whether these are orders or events"
    assert search.proposal({"rows": "orders"}, OWN).kind is MappingKind.ORDERS
