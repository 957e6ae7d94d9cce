"""Small exports of vendors that no rule was made for, by the kind of fault that they showed; each
right number can be added up by a reader.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import (
    ZONE,
    asked,
    search_of,
    sold_and_back,
)


def search_in(path: Path, content: str, currency: str) -> MappingSearch:
    """Return the search for a mapping of orders of a shop in a currency."""
    write(path, content)
    settings = Settings(home=path.parent / "home", currency=currency)
    return MappingSearch([str(path)], settings, MappingKind.ORDERS)


CARDS = """\
Date,Transaction ID,Status,Card Type,Process As,Description,Total,Net Sale,Tax,Tip,Refunded,Account
2026-03-02 10:15:20,T1,Paid,VISA,CREDIT,Coffee,11.00,8.33,1.67,1.00,0.00,till@shop.de
2026-03-02 11:15:20,T2,Paid,MASTERCARD,CREDIT,Beans,24.00,20.00,4.00,0.00,0.00,till@shop.de
2026-03-03 09:00:00,T3,Failed,VISA,CREDIT,Beans,24.00,20.00,4.00,0.00,0.00,till@shop.de
2026-03-03 09:02:00,T4,Successful,VISA,CREDIT,Mug,14.50,10.00,2.00,2.50,0.00,till@shop.de
2026-03-04 16:00:00,T5,Refunded,VISA,CREDIT,Tea,6.00,5.00,1.00,0.00,6.00,till@shop.de
2026-03-05 08:00:00,T6,Paid,VISA,CREDIT,Tea,18.00,15.00,3.00,0.00,0.00,till@shop.de
"""
"""Of a card terminal: 8.33 + 20 + 10 + 5 + 15 were sold, of which 5 went back."""


@pytest.mark.slow
def test_a_credit_card_is_no_credit_note_and_the_tills_address_no_customer(tmp_path: Path) -> None:
    search = search_of(tmp_path / "cards.csv", CARDS.splitlines())
    assert {*asked(search, {})} == {"customer_id"}
    assert sold_and_back(search, {}) == (Decimal("58.33"), 5)


COURSES = """\
Transação;Status;Data da transação;Produto;Moeda;\
Preço do produto;Faturamento líquido;Email do cliente
HP1;Aprovado;02/03/2026 10:15:22;Curso A;BRL;197,00;176,50;ana@x.br
HP2;Completo;03/03/2026 11:15:00;Curso A;BRL;197,00;126,50;bia@x.br
HP3;Reembolsado;04/03/2026 12:15:00;Curso B;BRL;1.297,00;1.166,80;caio@x.br
HP4;Cancelado;05/03/2026 13:15:00;Curso A;BRL;197,00;176,50;davi@x.br
HP5;Completo;25/03/2026 14:15:00;Curso B;BRL;1.297,00;866,80;ana@x.br
HP6;Expirado;26/03/2026 14:15:00;Curso B;BRL;1.297,00;1.166,80;eva@x.br
"""
"""197 + 197 + 1,297 + 1,297 were sold, of which 1,297 went back; two were never paid."""


@pytest.mark.slow
def test_rows_with_addresses_money_and_states_of_sales_are_no_customers(tmp_path: Path) -> None:
    path = write(tmp_path / "vendas.csv", COURSES)
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home", currency="BRL"))
    assert search.proposal({}, OWN).kind is MappingKind.ORDERS
    questions = asked(search, {})
    assert {*questions} == {"payment_amount"}
    assert "Preço do produto (4,482.00)" in questions["payment_amount"]
    assert sold_and_back(search, {"payment_amount": "Preço do produto"}) == (2988, 1297)


LICENCES = """\
order_number,created_at,user_email,currency,subtotal,discount_total,tax,total,\
subtotal_usd,discount_total_usd,tax_usd,total_usd,status,product_name
1,2026-03-02T10:15:00Z,ann@x.de,EUR,20.00,0.00,3.80,23.80,22.00,0.00,4.18,26.18,paid,Font
2,2026-03-03T10:15:00Z,bob@x.uk,GBP,50.00,10.00,8.00,48.00,65.00,13.00,10.40,62.40,paid,Font
3,2026-03-04T10:15:00Z,cyd@x.us,USD,30.00,0.00,0.00,30.00,30.00,0.00,0.00,30.00,refunded,Icons
4,2026-03-05T10:15:00Z,dan@x.us,USD,80.00,8.00,0.00,72.00,80.00,8.00,0.00,72.00,paid,Font
5,2026-03-06T10:15:00Z,eve@x.de,EUR,10.00,0.00,1.90,11.90,11.00,0.00,2.09,13.09,failed,Icons
6,2026-03-07T10:15:00Z,ann@x.de,EUR,40.00,0.00,7.60,47.60,44.00,0.00,8.36,52.36,paid,Icons
"""
"""In dollars 22 + (65 - 13) + 30 + (80 - 8) + 44 were sold, of which 30 went back."""


@pytest.mark.slow
def test_of_amounts_in_two_currencies_those_of_one_on_all_rows_count(tmp_path: Path) -> None:
    search = search_in(tmp_path / "orders.csv", LICENCES, "USD")
    assert asked(search, {}) == {}
    assert "currency: {constant: USD}" in search.proposal(ZONE, OWN).text
    assert sold_and_back(search, {}) == (220, 30)


@pytest.mark.slow
def test_a_price_beside_what_it_is_without_tax_is_asked(tmp_path: Path) -> None:
    # 49.90 + 8.00 + 20.00 + 49.90 with 19 % of tax are 41.93 + 6.72 + 16.81 + 41.93 without it.
    sold = [("49,90", "41,93"), ("8,00", "6,72"), ("20,00", "16,81"), ("49,90", "41,93")]
    rows = [
        f"KA{n};0{n}.03.2026 10:15:00;zugestellt;A{n};{gross};{net};K{n};19"
        for n, (gross, net) in enumerate(sold, start=1)
    ]
    head = "Bestellnummer;Datum;Status;Artikelnummer;Preis;Umsatz netto;Kunde;Mwst-Satz"
    search = search_of(tmp_path / "verkauf.csv", [head, *rows])
    questions = asked(search, {})
    assert {*questions} == {"amount_parts"}
    assert "Preis (127.80) or Umsatz netto (107.39)" in questions["amount_parts"]
    assert sold_and_back(search, {"amount_parts": "Umsatz netto"}) == (Decimal("107.39"), 0)
    assert sold_and_back(search, {"amount_parts": "Preis"}) == (Decimal("127.80"), 0)


@pytest.mark.slow
def test_the_name_of_an_order_is_no_amount_of_a_currency(tmp_path: Path) -> None:
    # `ORD-2` is no -2 of a currency ORD: two rows of 30.00 and 12.50, one of which nobody paid.
    rows = [
        f"ORD-{n},2026-03-0{n} 10:10:00,cust{n},{paid},{state}"
        for n, (paid, state) in enumerate([("30.00", "Settled"), ("12.50", "Refused")], start=1)
    ]
    head = "Merchant Reference,Booking Date,Shopper Reference,Main Amount,Record Type"
    search = search_of(tmp_path / "settled.csv", [head, *rows])
    text = search.proposal(ZONE, OWN).text
    assert '  order_id: {column: "Merchant Reference", optional: true}' in text
