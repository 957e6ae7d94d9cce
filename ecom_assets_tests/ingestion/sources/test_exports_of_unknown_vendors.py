"""Small exports of vendors that no rule was made for, by the kind of fault that they showed; each
right number can be added up by a reader.
"""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets.ingestion.sources.stock_reading import StockFileReading
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


CENTS = """\
transaction_id,status,billed_at,customer_id,currency_code,subtotal,discount,tax,total,fee,product
t1,completed,2026-03-02T10:15:00Z,c1,USD,2000,0,380,2380,169,Pro
t2,completed,2026-03-03T10:15:00Z,c2,USD,5000,1000,760,4760,288,Team
t3,completed,2026-03-04T10:15:00Z,c3,USD,3000,0,0,3000,200,Pro
t4,canceled,2026-03-05T10:15:00Z,c4,USD,3000,0,0,3000,0,Pro
t5,completed,2026-03-06T10:15:00Z,c1,USD,1999,0,380,2379,169,Pro
"""
"""20.00 + (50.00 - 10.00) + 30.00 + 19.99 dollars, written in cents."""


@pytest.mark.slow
def test_whole_amounts_beside_a_whole_tax_may_be_cents(tmp_path: Path) -> None:
    search = search_in(tmp_path / "transactions.csv", CENTS, "USD")
    assert {*asked(search, {})} == {"units"}
    assert sold_and_back(search, {"units": "cents"}) == (Decimal("109.99"), 0)
    # Of the third order nothing is left: whether it went back is asked.
    left = ["adjusted_total", *("2380", "4760", "0", "3000", "2379")]
    more = [f"{line},{cell}" for line, cell in zip(CENTS.splitlines(), left, strict=True)]
    search = search_in(tmp_path / "left.csv", "\n".join([*more, ""]), "USD")
    questions = asked(search, {"units": "cents"})
    assert {*questions} == {"refunded_amount"}
    assert "total less adjusted_total (3,000.00 in 1 row)" in questions["refunded_amount"]
    back = {"units": "cents", "refunded_amount": "total less adjusted_total"}
    assert sold_and_back(search, back) == (Decimal("109.99"), 30)
    # Rupees are written without decimals, and nobody asks what they are where no tax is beside.
    rows = [f"r{n},2026-03-0{n},c{n},INR,{amount}" for n, amount in ((1, 499), (2, 1299), (3, 850))]
    plain = search_in(
        tmp_path / "rupees.csv",
        "\n".join(["order_id,date,customer_id,currency,amount", *rows, ""]),
        "INR",
    )
    assert asked(plain, {}) == {}


ITEMS = """\
item_id,order_id,created_at,product_id,sku,qty_canceled,qty_invoiced,qty_ordered,price,row_total,customer_id
1,11,2026-03-02 10:15:00,501,SH,0.0000,2.0000,2.0000,20.0000,40.0000,71
3,11,2026-03-02 10:15:00,503,MUG,0.0000,1.0000,1.0000,10.0000,10.0000,71
4,12,2026-03-03 10:15:00,503,MUG,1.0000,2.0000,3.0000,10.0000,30.0000,72
5,13,2026-03-04 10:15:00,504,TEA,2.0000,0.0000,2.0000,5.0000,10.0000,73
6,14,2026-03-05 10:15:00,504,TEA,0.0000,4.0000,4.0000,5.0000,20.0000,71
"""
"""Of a table of lines: 40 + 10 + 2 of 3 pieces for 30 + 20 were sold; the two pieces of order 13
were cancelled.
"""


@pytest.mark.slow
def test_a_line_of_which_all_pieces_were_cancelled_is_no_sale(tmp_path: Path) -> None:
    search = search_of(tmp_path / "items.csv", ITEMS.splitlines())
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (90, 0)
    assert "the amount is lowered by theirs" in search.proposal(ZONE, OWN).text


@pytest.mark.slow
def test_of_which_pieces_an_amount_is_is_asked_where_no_price_shows_it(tmp_path: Path) -> None:
    prices = [",".join([*line.split(",")[:8], *line.split(",")[9:]]) for line in ITEMS.splitlines()]
    search = search_of(tmp_path / "items.csv", prices)
    assert {*asked(search, {})} == {"cancelled_pieces"}
    for answer, sold in (("all that were ordered", 90), ("those that were not cancelled", 100)):
        assert sold_and_back(search, {"cancelled_pieces": answer}) == (sold, 0)


PIECES = """\
order_id,created_at,customer_email,sku,quantity,cancelled_quantity,line_total_cents,currency
A1,2026-03-01 10:00:00,a@x.example,S1,4,1,5000,EUR
A2,2026-03-01 11:00:00,b@x.example,S2,2,0,6000,EUR
A3,2026-03-02 10:00:00,c@x.example,S1,3,2,3750,EUR
A4,2026-03-02 12:00:00,d@x.example,S3,1,0,4995,EUR
A5,2026-03-03 10:00:00,e@x.example,S2,2,1,6000,EUR
"""
"""Three quarters of 50.00, 60.00, a third of 37.50, 49.95 and half of 60.00 were not cancelled."""
ALL_ORDERED = {"cancelled_pieces": "all that were ordered"}
LEFT, ORDERED = Decimal("189.95"), Decimal("257.45")


@pytest.mark.slow
def test_the_amount_of_cancelled_pieces_is_taken_off_in_cents_too(tmp_path: Path) -> None:
    search = search_of(tmp_path / "cents.csv", PIECES.splitlines())
    assert sold_and_back(search, ALL_ORDERED) == (LEFT, 0)
    no_currency = [line.rpartition(",")[0] for line in PIECES.splitlines()]
    search = search_of(tmp_path / "plain.csv", no_currency)
    assert sold_and_back(search, ALL_ORDERED) == (LEFT, 0)


@pytest.mark.slow
def test_a_column_of_cancelled_pieces_need_not_say_that_it_counts_them(tmp_path: Path) -> None:
    search = search_of(
        tmp_path / "storno.csv", PIECES.replace("cancelled_quantity", "Storniert").splitlines()
    )
    assert sold_and_back(search, ALL_ORDERED) == (LEFT, 0)
    # Of yes and no it says that a line is no sale: A1 and A5 are none.
    flags = PIECES.replace("cancelled_quantity", "Storniert").replace(",3,2,", ",3,0,")
    search = search_of(tmp_path / "flags.csv", flags.splitlines())
    assert sold_and_back(search, {}) == (ORDERED - 110, 0)


def test_it_is_not_said_that_an_amount_is_lowered_which_is_not(tmp_path: Path) -> None:
    """The amount is that of the order, on each of its lines."""
    rows = [
        "order_id,created_at,customer_email,sku,quantity,cancelled_quantity,order_total",
        *(
            f"B{n},2026-03-0{n} 10:00:00,p{n}@x.example,S{k},2,{k - 1},{n}0.50"
            for n in range(1, 5)
            for k in (1, 2)
        ),
    ]
    search = search_of(tmp_path / "totals.csv", rows)
    text = search.proposal({**ZONE, **ALL_ORDERED}, OWN).text
    assert "in 4 rows that some pieces of a line were cancelled" in text
    assert "lowered by theirs" not in text
    assert "the amount is of all that were ordered" in text


def events_of(path: Path, answers: Mapping[str, str]) -> tuple[dict[str, int], int, Decimal]:
    """Return the events by type, the visitors, and what purchases are worth, by the draft."""
    search = MappingSearch([str(path)], Settings(home=path.parent / "home"))
    given, problems = search.accepted({**ZONE, **answers}, OWN)
    assert not problems
    proposal = search.proposal(given, OWN)
    assert proposal.kind is MappingKind.EVENTS
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    kept = [row for row in rows if row["reject_reason"] is None]
    bought = [row for row in kept if row["event_type"] == "purchase"]
    worth: list[Decimal] = [row["cart_amount"] or Decimal() for row in bought]
    people = {row["user_id"] for row in kept}
    by_type = Counter(str(row["event_type"]) for row in kept)
    return dict(by_type), len(people), sum(worth, Decimal())


HITS = """\
date_time|post_visid_high|post_visid_low|pagename|post_page_event|post_event_list|post_product_list
2026-03-02 10:00:00|71|12|home|0||
2026-03-02 10:01:00|71|12|lamp|0|2|Home;L1;;;;
2026-03-02 10:02:00|71|12|lamp|0|12,10|Home;L1;1;;;
2026-03-02 10:03:00|71|12|checkout|0|11|Home;L1;1;;;
2026-03-02 10:04:00|71|12|thanks|0|1,200|Home;L1;1;49.90;;
2026-03-02 11:00:00|71|13|mug|0|2,201=3|Kitchen;M1;;;;
2026-03-02 11:02:00|71|13|cart|100|12|Kitchen;M1;2;;;
2026-03-02 11:05:00|71|13|cart|100|13|Kitchen;M1;;;;
2026-03-02 11:06:00|71|13|help|100||
2026-03-03 09:01:00|72|12|vase|0|2,20|Home;V1;;;;
2026-03-03 09:03:00|72|12|thanks|0|1|Home;V1;2;40.00;;,Kitchen;M1;1;8.00;;
"""
"""Of three visitors: two of one high half, two of one low half. 49.90 and 40 + 8 were bought."""


@pytest.mark.slow
def test_lists_of_codes_of_hits_say_what_happened_and_what_was_bought(tmp_path: Path) -> None:
    path = write(tmp_path / "hit_data.tsv", HITS.replace("|", "\t"))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    assert asked(search, {}) == {}
    by_type = {
        "page_view": 1,
        "product_view": 3,
        "add_to_cart": 2,
        "remove_from_cart": 1,
        "checkout_start": 1,
        "purchase": 2,
        "link": 1,
    }
    assert events_of(path, {}) == (by_type, 3, Decimal("97.90"))


def app_event(number: int, user: str, key: str, worth: float) -> str:
    """Return an event of an app, with a sum on each."""
    event = {"_id": f"e{number}", "key": key, "uid": user, "ts": 1772445600123 + number * 60_000}
    return json.dumps({**event, "sum": worth, "dur": 0})


@pytest.mark.slow
def test_what_purchases_alone_are_worth_is_asked_where_all_others_have_zero(tmp_path: Path) -> None:
    # Two views of 0, and purchases of 49.90, 16.00 and 8.50.
    kinds = [("ann", "view", 0), ("ann", "Checkout Completed", 49.9), ("bob", "view", 0)]
    kinds += [("bob", "Checkout Completed", 16), ("cyd", "Checkout Completed", 8.5)]
    lines = [app_event(n, *kind) for n, kind in enumerate(kinds)]
    path = write(tmp_path / "events.json", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    assert {*asked(search, {})} == {"cart_value"}
    by_type, _, worth = events_of(path, {"cart_value": "sum"})
    assert (by_type["purchase"], worth) == (3, Decimal("74.40"))


@pytest.mark.slow
def test_a_purchase_behind_the_names_of_its_group_is_one(tmp_path: Path) -> None:
    names = ("users.behaviors.Purchase", "users.behaviors.app.SessionStart")
    events = [
        {"id": f"i{n}", "user_id": f"u{n}", "event_type": names[n % 2], "time": 1772445600 + n}
        for n in range(4)
    ]
    lines = [json.dumps(event) for event in events]
    path = write(tmp_path / "currents.json", "\n".join([*lines, ""]))
    by_type, people, _ = events_of(path, {})
    assert (by_type, people) == ({"purchase": 2, names[1]: 2}, 4)


PERCENTS = [(1999, 2, 10), (4900, 1, 0), (1550, 3, 20), (825, 1, 5), (12000, 1, 0), (990, 4, 25)]
"""Prices in cents, pieces, and discounts in percent."""


@pytest.mark.slow
def test_a_discount_in_percent_is_taken_off_amounts_in_cents(tmp_path: Path) -> None:
    exact = sum(Decimal(price * count * (100 - off)) for price, count, off in PERCENTS) / 10_000
    whole = sum((price * count * (100 - off) + 50) // 100 for price, count, off in PERCENTS)
    named = "order_id,created_at,customer_email,sku,quantity,price_cents,discount_percent"
    lines, totals, orders = [named], [f"{named},line_total,tax,currency"], []
    totals = [totals[0].replace("price_cents", "price")]
    for n, (price, count, off) in enumerate(PERCENTS):
        line = f"A{n},2026-03-0{n + 1} 10:00:00,c{n % 4}@x.example,S{n},{count},{price},{off}"
        total = (price * count * (100 - off) + 50) // 100
        lines.append(line)
        totals.append(f"{line},{total},{total * 19 // 119},EUR")
        item = {"sku": f"S{n}", "quantity": count, "unit_price": price, "discount_percent": off}
        at = f"2026-03-0{n + 1}T10:00:00Z"
        head = {"id": f"A{n}", "created_at": at, "customer": f"c{n % 4}", "currency": "EUR"}
        orders.append(json.dumps({**head, "items": [item]}))
    of = "price_cents times quantity"
    less = {"amount_parts": f"{of} less discount_percent of it"}
    search = search_of(tmp_path / "named.csv", lines)
    sentence = asked(search, {})["amount_parts"]
    assert f"{of} less discount_percent of it ({exact:.2f}) or {of} (303.33)" in sentence
    assert sold_and_back(search, less) == (exact, 0)
    # Where a total has it, that is what was paid: rounded to whole cents.
    search = search_of(tmp_path / "totals.csv", totals)
    assert asked(search, {"units": "cents"}) == {}
    assert sold_and_back(search, {"units": "cents"}) == (Decimal(whole) / 100, 0)
    of = "items.unit_price times items.quantity"
    less = {"units": "cents", "amount_parts": f"{of} less items.discount_percent of it"}
    search = search_in(tmp_path / "orders.ndjson", "\n".join([*orders, ""]), "EUR")
    assert {*asked(search, {})} == {"units", "amount_parts"}
    assert sold_and_back(search, less) == (exact, 0)


@pytest.mark.slow
def test_a_discount_of_an_order_is_taken_off_its_lines_in_proportion(tmp_path: Path) -> None:
    # (2 x 10 + 30 - 5) + 10 + (3 x 10 + 30) + (30 - 3) = 142; without the discounts 150.
    lines = ["1,a,L,2,10.00,5.00", "1,a,M,1,30.00,5.00", "2,b,L,1,10.00,0.00"]
    lines += ["3,c,L,3,10.00,0.00", "3,c,M,1,30.00,0.00", "4,a,M,1,30.00,3.00"]
    rows = [f"2026-03-0{line[0]} 10:00:00,{line}" for line in lines]
    head = "date,order_id,customer_id,product,quantity,price,order_discount"
    search = search_of(tmp_path / "lines.csv", [head, *rows])
    less, whole = "price times quantity less order_discount of its order", "price times quantity"
    questions = asked(search, {})
    assert {*questions} == {"amount_parts"}
    assert f"{less} (142.00) or {whole} (150.00)" in questions["amount_parts"]
    assert sold_and_back(search, {"amount_parts": less}) == (142, 0)
    assert sold_and_back(search, {"amount_parts": whole}) == (150, 0)


PRICES = ["sku,product_name,price,compare_at_price,valid_from", "L1,Lamp,49.90,59.90,2026-01-01"]
PRICES += ["L1,Lamp,44.90,59.90,2026-03-01", "M1,Mug,8.00,,2026-01-01"]


@pytest.mark.parametrize("columns", [5, 4], ids=["with days", "without"])
def test_a_list_of_prices_is_no_list_of_events(tmp_path: Path, columns: int) -> None:
    lines = [",".join(line.split(",")[:columns]) for line in PRICES]
    path = write(tmp_path / "prices.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    with pytest.raises(DefinitionError, match=r"list of products with their prices: .*--costs"):
        search.proposal({}, OWN)


@pytest.mark.slow
def test_the_column_of_the_stock_can_be_answered_where_no_name_says_it(tmp_path: Path) -> None:
    # 12 - 2, 5 and 7 - 3 may be sold, of what stands in a partner's warehouse.
    lines = ["EAN;Article;Partner Stock;Inbound;Reserved;Offerable", "4001;Lamp;12;0;2;10"]
    lines += ["4002;Shirt;5;20;0;5", "4004;Shirt;7;0;3;4"]
    path = write(tmp_path / "partner.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    assert search.listed_kind is MappingKind.STOCK
    of_stock = MappingSearch([str(path)], search.settings, MappingKind.STOCK)
    (question,) = of_stock.proposal({}, OWN).questions
    assert (question.key, question.choices[0]) == ("stock", "Partner Stock")
    with read_by(of_stock, of_stock.proposal({"stock": "Offerable"}, OWN)) as reading:
        assert isinstance(reading, StockFileReading)
        stock = sorted((row["product_id"], row["stock"]) for row in reading.records)
    assert stock == [("4001", "10"), ("4002", "5"), ("4004", "4")]


@pytest.mark.slow
def test_a_report_of_ads_that_may_be_of_another_vendor_is_asked(tmp_path: Path) -> None:
    # `Day`, `Campaign` and `Cost` are Google's words, and others'; Google's `Impr.` is not there.
    lines = ["Day,Campaign,Campaign ID,Account,Currency,Displays,Clicks,Cost"]
    lines += [f"2026-03-0{n},Web,5001,Shop,EUR,12000,120,48.30" for n in (1, 2)]
    path = write(tmp_path / "ads.csv", "\n".join([*lines, ""]))
    settings = Settings(home=tmp_path / "home")
    search = MappingSearch([str(path)], settings, MappingKind.AD_SPEND)
    fit = search.fits[0].name
    (question,) = search.proposal({}).questions
    assert (question.key, question.guess) == ("platform", fit)
    assert 'platform: {constant: "criteo"}' in search.proposal({"platform": "criteo"}).text
    whole = [line.replace("Displays", "Impr.") for line in lines]
    path = write(tmp_path / "google.csv", "\n".join([*whole, ""]))
    assert not MappingSearch([str(path)], settings, MappingKind.AD_SPEND).proposal({}).questions


@pytest.mark.slow
def test_lines_with_a_tax_each_and_postage_once_come_to_the_total_of_their_order(
    tmp_path: Path,
) -> None:
    # 20 + 30, 10 + 40, 50 + 10 and 15 of goods, a fifth of tax beside each, and postage of 5.
    orders = [(65, 5, [(20, 4), (30, 6)]), (65, 5, [(10, 2), (40, 8)])]
    orders += [(72, 0, [(50, 10), (10, 2)]), (23, 5, [(15, 3)])]
    rows = [
        f"R{n};0{n}.03.2026;K{n};{total}.00;{post}.00;A{goods};{goods}.00;{tax}.00"
        for n, (total, post, lines) in enumerate(orders, start=1)
        for goods, tax in lines
    ]
    head = "Order Number;Date;Customer;grand_total;Porto;Ware;Valeur;tax_amount"
    search = search_of(tmp_path / "lines.csv", [head, *rows])
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (175, 0)


@pytest.mark.slow
def test_a_tax_inside_of_what_a_discount_without_a_name_leaves_is_asked(tmp_path: Path) -> None:
    # A sixth of 120, 95.40, 60, 47.40, 179.40 and 36 is tax, and
    # 100 + 79.50 + 50 + 39.50 + 149.50 + 30 were sold.
    sold = [("L", "120.00", "0.00", "20.00"), ("L", "120.00", "24.60", "15.90")]
    sold += [("M", "60.00", "0.00", "10.00"), ("M", "60.00", "12.60", "7.90")]
    sold += [("V", "240.00", "60.60", "29.90"), ("B", "36.00", "0.00", "6.00")]
    rows = [
        f"{n};0{n}.03.2026;K{n};{item};1;{whole};{off};{tax}"
        for n, (item, whole, off, tax) in enumerate(sold, start=1)
    ]
    head = "Order Number;Date;Customer;SKU;Quantity;Zeilensumme;Obniżka;Tax"
    search = search_of(tmp_path / "lines.csv", [head, *rows])
    less = "Zeilensumme less Tax and Obniżka"
    assert f"{less} (448.50)" in asked(search, {})["amount_parts"]
    assert sold_and_back(search, {"amount_parts": less}) == (Decimal("448.50"), 0)


TURKISH = """\
Sipariş Numarası;Sipariş Tarihi;Sipariş Statüsü;E-Posta;Ürün Adı;Adet;Birim Fiyatı;\
Satış Tutarı;İndirim Tutarı;Faturalanacak Tutar
9001;02.03.2026 10:15;Teslim Edildi;ayse@x.tr;Lamba;2;499,90;999,80;100,00;899,80
9002;03.03.2026 11:15;İptal Edildi;can@x.tr;Kupa;1;89,90;89,90;0,00;89,90
9003;04.03.2026 12:15;Teslim Edildi;ece@x.tr;Kupa;3;89,90;269,70;20,00;249,70
9004;05.03.2026 13:15;İade Edildi;efe@x.tr;Vazo;1;199,90;199,90;0,00;199,90
9005;06.03.2026 13:15;Kargoya Verildi;ayse@x.tr;Lamba;1;499,90;499,90;50,00;449,90
"""  # noqa: RUF001 (Turkish words)
"""899.80 + 249.70 + 199.90 + 449.90 were sold, of which 199.90 went back; one was cancelled."""


@pytest.mark.slow
def test_a_turkish_list_with_a_column_called_state_of_the_order(tmp_path: Path) -> None:
    search = search_in(tmp_path / "siparisler.csv", TURKISH, "TRY")
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (Decimal("1799.30"), Decimal("199.90"))


@pytest.mark.slow
def test_a_column_called_state_in_words_that_nobody_knows_is_asked(tmp_path: Path) -> None:
    # Esperanto: three of 20.00, of which one was never paid.
    states = ("liverita", "nuligita", "liverita")
    rows = [f"{n},2026-03-0{n},k{n},20.00,{state}" for n, state in enumerate(states, start=1)]
    head = "order_id,date,customer_id,amount,Order line status"
    search = search_of(tmp_path / "lines.csv", [head, *rows])
    assert {*asked(search, {})} == {"state_1", "state_2"}
    assert sold_and_back(search, {"state_1": "sale", "state_2": "no sale"}) == (40, 0)


SETTLED = """\
Type;Bestelnummer;Datum;EAN;Aantal;Bedrag
Verkoopprijs artikelen;B1;12-03-2026;871;1;41,28
Commissie;B1;12-03-2026;871;1;-6,50
Verkoopprijs artikelen;B2;13-03-2026;872;2;16,53
Commissie;B2;13-03-2026;872;2;-2,60
Correctie verkoopprijs;B2;19-03-2026;872;1;-8,26
Correctie commissie;B2;19-03-2026;872;1;1,30
Compensatie zoekgeraakt;B9;15-03-2026;871;1;20,00
"""
"""Of 41.28 + 16.53, 8.26 went back; what a market keeps, or pays for what it lost, is none."""


@pytest.mark.slow
def test_kinds_of_rows_are_asked_in_a_file_where_most_are_on_one_row(tmp_path: Path) -> None:
    search = search_of(tmp_path / "afrekening.csv", SETTLED.splitlines())
    kinds = {one.subject: one.key for one in search.proposal(ZONE, OWN).questions if one.subject}
    # What stands beside a sale, or beside what went back of it, is one question.
    assert {*kinds} == {
        "Commissie, Correctie commissie",
        "Verkoopprijs artikelen",
        "Correctie verkoopprijs",
        "Compensatie zoekgeraakt",
    }
    said = dict.fromkeys(kinds.values(), "no sale")
    said |= {kinds["Verkoopprijs artikelen"]: "sale", kinds["Correctie verkoopprijs"]: "refund"}
    assert sold_and_back(search, said) == (Decimal("57.81"), Decimal("8.26"))
