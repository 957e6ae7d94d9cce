"""Small exports of vendors and languages that no list of names was made for, as their help pages
describe them; each right number can be added up by a reader.
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.formats import find_files
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.proposal.questions import possible_encodings
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets.ingestion.sources.stock_reading import StockFileReading
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import (
    asked,
    search_of,
    sold_and_back,
)

SHOPWARE = """\
linetype;orderNumber;orderDateTime;orderStatus;paymentStatus;\
customerEmail;amountTotal;shippingTotal;productNumber;quantity;unitPrice;totalPrice
order;10002;2026-03-02T10:15:00+00:00;completed;paid;anna@x.de;124.70;4.90;;;;
lineItems;10002;2026-03-02T10:15:00+00:00;completed;paid;anna@x.de;124.70;4.90;SW1;2;49.90;99.80
lineItems;10002;2026-03-02T10:15:00+00:00;completed;paid;anna@x.de;124.70;4.90;SW2;1;20.00;20.00
order;10004;2026-03-03T20:30:00+00:00;cancelled;open;cora@x.de;54.80;4.90;;;;
lineItems;10004;2026-03-03T20:30:00+00:00;cancelled;open;cora@x.de;54.80;4.90;SW1;1;49.90;49.90
order;10005;2026-03-05T12:00:00+00:00;completed;refunded;anna@x.de;64.90;4.90;;;;
lineItems;10005;2026-03-05T12:00:00+00:00;completed;refunded;anna@x.de;64.90;4.90;SW3;4;15.00;60.00
order;10007;2026-03-07T09:00:00+00:00;completed;paid;emil@x.de;29.90;4.90;;;;
lineItems;10007;2026-03-07T09:00:00+00:00;completed;paid;emil@x.de;29.90;4.90;SW3;2;15.00;30.00
lineItems;10007;2026-03-07T09:00:00+00:00;completed;paid;emil@x.de;29.90;4.90;promo;1;-5.00;-5.00
"""
"""The row of an order has what its lines repeat: 99.80 + 20 + 60 + 30 - 5 were sold."""


@pytest.mark.slow
def test_a_row_of_an_order_of_shopware_beside_its_lines_is_no_line(tmp_path: Path) -> None:
    search = search_of(tmp_path / "orders.csv", SHOPWARE.splitlines())
    assert {*asked(search, {})} == {"state_1"}  # `open`, of the payment of the cancelled one
    assert sold_and_back(search, {"state_1": "no sale"}) == (Decimal("204.80"), 60)


MERCADO_LIBRE = """\
# de venta;Fecha de venta;Estado;Unidades;\
Ingresos por productos (ARS);Cargo por venta e impuestos (ARS);Ingresos por envío (ARS);\
Costos de envío (ARS);Anulaciones y reembolsos (ARS);Total (ARS);SKU;\
Precio unitario de venta de la publicación (ARS);Comprador
201;2 de marzo de 2026 10:15 hs.;Entregado;2;20000;-2800;1500;-1500;;17200;A-1;10000;Ana Ruiz
202;3 de marzo de 2026 18:02 hs.;Entregado;1;15500,50;-2170;0;-900;;12430,5;A-2;15500,50;Beto Paz
203;4 de marzo de 2026 09:40 hs.;Entregado;1;10000;-1400;0;0;-10000;-1400;A-1;10000;Caro Gil
204;5 de marzo de 2026 21:10 hs.;Cancelada;1;8000;-1120;0;0;-8000;-1120;A-3;8000;Dani Sol
205;6 de marzo de 2026 11:00 hs.;En camino;1;15500,50;-2170;0;0;;13330,5;A-2;15500,50;Ana Ruiz
208;8 de marzo de 2026 15:30 hs.;Entregado;3;24000;-3360;1500;-1500;;20640;A-3;8000;Eva Luna
"""
"""Of 20,000 + 15,500.50 + 10,000 + 15,500.50 + 24,000, 10,000 went back; 8,000 were no sale."""


@pytest.mark.slow
def test_what_a_market_keeps_and_pays_back_stands_below_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "ventas.csv", MERCADO_LIBRE)
    settings = Settings(home=tmp_path / "home", currency="ARS")
    search = MappingSearch([str(path)], settings, MappingKind.ORDERS)
    questions = asked(search, {})
    assert {*questions} == {"refunded_amount"}
    assert "Anulaciones y reembolsos (ARS) (-18,000.00 in 2 rows)" in questions["refunded_amount"]
    paid = sold_and_back(search, {"refunded_amount": "Anulaciones y reembolsos (ARS)"})
    assert paid == (Decimal("85001.00"), 10_000)


RAKUTEN = """\
注文番号,注文日,注文時間,ステータス,メールアドレス,商品番号,商品名,個数,単価,送料合計,クーポン利用額,合計金額
R-1,2026/03/02,10:15:20,発送済,a@x.jp,K-1,ランプ,2,1980,500,0,4460
R-2,2026/03/03,08:01:02,発送済,b@x.jp,K-2,花瓶,1,3300,0,300,5490
R-2,2026/03/03,08:01:02,発送済,b@x.jp,K-3,皿,3,830,0,300,5490
R-3,2026/03/04,23:59:59,キャンセル,c@x.jp,K-1,ランプ,1,1980,500,0,2480
R-4,2026/03/06,12:00:00,発送済,a@x.jp,K-3,皿,1,830,500,0,1330
R-5,2026/03/07,12:00:00,発送待ち,d@x.jp,K-2,花瓶,2,3300,0,0,6600
"""
"""3,960 + (3,300 + 2,490 - 300) + 830 + 6,600 yen; the third was cancelled."""


@pytest.mark.slow
def test_a_japanese_file_in_its_own_encoding_with_a_coupon_of_an_order(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(RAKUTEN.encode("cp932"))
    search = MappingSearch(
        [str(path)], Settings(home=tmp_path / "home", currency="JPY"), MappingKind.ORDERS
    )
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (16_880, 0)


SQUARE = """\
Date,Time,Time Zone,Item,Qty,SKU,Gross Sales,Discounts,Net Sales,Tax,\
Transaction ID,Event Type,Customer ID
03/22/26,10:15:20,New York,Latte,2.0,L1,$9.00,$0.00,$9.00,$0.80,t1,Payment,c1
03/22/26,10:15:20,New York,Bagel,1.0,B1,$4.50,-$0.50,$4.00,$0.36,t1,Payment,c1
03/23/26,18:40:02,New York,Latte,1.0,L1,$4.50,$0.00,$4.50,$0.40,t2,Payment,c3
03/24/26,09:00:00,New York,Bagel,-1.0,B1,-$4.50,$0.50,-$4.00,-$0.36,t3,Refund,c1
03/25/26,23:30:00,New York,"Beans, dark",1.0,K1,"$1,180.00",-$118.00,"$1,062.00",$0.00,t4,Payment,c2
"""
"""Of 9.00 + 4.00 + 4.50 + 1,062.00, 4.00 went back; 8.875 % of tax is beside them."""


@pytest.mark.slow
def test_a_tax_of_small_amounts_is_near_any_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "items.csv", SQUARE)
    settings = Settings(home=tmp_path / "home", currency="USD")
    search = MappingSearch([str(path)], settings, MappingKind.ORDERS)
    assert {*asked(search, {})} == {"state_1"}  # what `Payment` is
    assert sold_and_back(search, {"state_1": "sale"}) == (Decimal("1079.50"), 4)


TILDA = """\
Email|payment|orderid|products|price|discount|sent
anna@x.ru|Оплачено|1001|Лампа - 2x1990 = 3980; Кружка - 1x500 = 500|4480|0|2026-03-02 10:15:00
b@x.ru|Оплачено|1002|Кружка - 3x500 = 1500|1800|0|2026-03-03 11:00:00
v@x.ru|Не оплачено|1003|Лампа - 1x1990 = 1990|2290|0|2026-03-04 12:00:00
anna@x.ru|Оплачено|1004|Лампа - 1x1990 = 1990|2091|199|2026-03-05 09:30:00
"""  # noqa: RUF001 (Russian words)
"""`price` has postage in it, which no number says; 3,980 + 500 + 1,500 + 1,791 were sold."""


@pytest.mark.slow
def test_a_cell_of_tilda_has_items_with_their_prices(tmp_path: Path) -> None:
    search = search_of(tmp_path / "orders.csv", TILDA.splitlines())
    questions = asked(search, {})
    assert {*questions} == {"state_1", "amount_parts"}  # what was not paid; the discount
    less = "products.total less discount of its order"
    assert f"{less} (9,761.00) or products.total (9,960.00)" in questions["amount_parts"]
    assert sold_and_back(search, {"state_1": "no sale", "amount_parts": less}) == (7771, 0)
    whole = {"state_1": "no sale", "amount_parts": "products.total"}
    assert sold_and_back(search, whole) == (7970, 0)


ALLEGRO = """\
Type,OrderId,Status,SaleDate,BuyerEmail,TotalToPayAmount,DeliveryAmount,OfferName,Quantity,PriceAmount
order,a1,SENT,2026-03-02T10:15:00Z,ania@allegro.pl,118.99,8.99,,,
lineItem,a1,,,,,,Lampa,2,50.00
lineItem,a1,,,,,,Kubek,1,10.00
order,a2,CANCELLED,2026-03-03T10:15:00Z,b@allegro.pl,58.99,8.99,,,
lineItem,a2,,,,,,Lampa,1,50.00
order,a3,SENT,2026-03-04T08:00:00Z,c@allegro.pl,30.00,0.00,,,
lineItem,a3,,,,,,Kubek,3,10.00
order,a4,SENT,2026-03-05T08:00:00Z,ania@allegro.pl,58.99,8.99,,,
lineItem,a4,,,,,,Lampa,1,50.00
"""
"""2 x 50 + 10 + 3 x 10 + 50; the second order was cancelled."""


@pytest.mark.slow
def test_a_type_that_says_which_rows_are_lines_is_not_asked(tmp_path: Path) -> None:
    search = search_of(tmp_path / "orders.csv", ALLEGRO.splitlines())
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (190, 0)


LIGHTSPEED = """\
Date,Sale ID,Customer,Description,Qty,Subtotal,Discount,Subtotal w/ Discount,Total Tax,Total
2026-03-02 10:15:00,9001,Ann,Helmet,1,$80.00,$8.00,$72.00,$6.30,$78.30
2026-03-02 10:15:00,9001,Ann,Bell,2,$20.00,$0.00,$20.00,$1.75,$21.75
2026-03-03 11:00:00,9002,Eve,Tube,3,$21.00,$2.00,$19.00,$1.66,$20.66
2026-03-04 12:30:00,9003,Bob,Bike,1,$900.00,$90.00,$810.00,$70.88,$880.88
2026-03-05 09:00:00,9004,Ann,Bell,-1,-$10.00,$0.00,-$10.00,-$0.88,-$10.88
"""
"""72 + 20 + 19 + 810 were sold, and 10 went back."""


@pytest.mark.slow
def test_an_amount_with_its_discount_is_no_discount(tmp_path: Path) -> None:
    path = write(tmp_path / "lines.csv", LIGHTSPEED)
    settings = Settings(home=tmp_path / "home", currency="USD")
    search = MappingSearch([str(path)], settings, MappingKind.ORDERS)
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (921, 10)


def klaviyo(number: int, metric: str, person: str, properties: dict[str, object]) -> object:
    """Return an event of the API, at a minute of its own."""
    return {
        "type": "event",
        "id": f"ev{number}",
        "attributes": {
            "event_properties": properties,
            "datetime": f"2026-03-02 09:0{number}:00+00:00",
            "uuid": f"uu-{number}",
        },
        "relationships": {
            "profile": {"data": {"type": "profile", "id": person}},
            "metric": {"data": {"type": "metric", "id": metric}},
        },
    }


KLAVIYO = [
    klaviyo(1, "Vi1", "p1", {"ProductID": "L1", "Price": 49.9}),
    klaviyo(2, "Vi1", "p2", {"ProductID": "M2", "Price": 8}),
    klaviyo(3, "Or2", "p1", {"OrderId": "1001", "$value": 99.8}),
    klaviyo(4, "Or2", "p2", {"OrderId": "1002", "$value": 8}),
]


@pytest.mark.slow
def test_events_with_an_order_and_a_price_among_their_properties_are_no_orders(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "events.json", json.dumps({"data": KLAVIYO}))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    answers = {
        "event_type": "relationships.metric.data.id",
        "user_id": "relationships.profile.data.id",
        "event_type_1": "purchase",
        "event_type_2": "product_view",
    }
    given, problems = search.accepted(answers, OWN)
    assert (problems, given) == ({}, answers)
    proposal = search.proposal(given, OWN)
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    bought = [row["cart_amount"] for row in rows if row["event_type"] == "purchase"]
    assert (proposal.kind, sorted(bought)) == ("events", [8, Decimal("99.8")])


@pytest.mark.slow
def test_a_report_of_sums_by_day_is_refused(tmp_path: Path) -> None:
    lines = ["date,visitors,pageviews,bounces", "2026-03-02,120,300,40", "2026-03-03,90,210,30"]
    path = write(tmp_path / "plausible.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    with pytest.raises(DefinitionError, match=r"one row a day.* report of sums"):
        search.proposal({}, OWN)


@pytest.mark.slow
def test_a_german_list_of_purchase_prices_is_one_of_costs(tmp_path: Path) -> None:
    # A shop's system has the mean of what was paid beside the usual price: one must be said.
    path = tmp_path / "ek.csv"
    lines = [
        "Artikelnummer;Artikelname;Durchschnittlicher Netto-EK;Std. Netto-EK;Netto-VK",
        "L1;Leuchte „Größe M“;12,34;12,50;41,93",
        "T3;Tisch;1.120,00;1.100,00;2.016,81",
    ]
    path.write_bytes("\r\n".join([*lines, ""]).encode("cp1252"))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    assert search.listed_kind is MappingKind.COSTS
    of_costs = MappingSearch([str(path)], search.settings, MappingKind.COSTS)
    assert {*asked(of_costs, {})} == {"unit_cost_amount"}


@pytest.mark.slow
def test_of_a_polish_list_of_stock_what_is_not_reserved_may_be_sold(tmp_path: Path) -> None:
    # 10 - 3 and 2 - 0 lamps in two places, 4 - 4 mugs, 5 - 1 tables.
    lines = [
        "ID produktu;SKU;Nazwa;Magazyn;Stan;Rezerwacje;Dostępne",
        "101;L1;Lampa;Główny;10;3;7",
        "102;M2;Kubek;Główny;4;4;0",
        "101;L1;Lampa;Sklep;2;0;2",
        "103;T3;Stół;Główny;5;1;4",
    ]
    path = write(tmp_path / "stany.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    assert search.listed_kind is MappingKind.STOCK
    of_stock = MappingSearch([str(path)], search.settings, MappingKind.STOCK)
    assert asked(of_stock, {}) == {}
    with read_by(of_stock, of_stock.proposal({}, OWN)) as reading:
        assert isinstance(reading, StockFileReading)
        stock = sorted((row["product_id"], row["stock"]) for row in reading.records)
    assert stock == [("L1", "2"), ("L1", "7"), ("M2", "0"), ("T3", "4")]


TEXTS = {
    "cp932": "注文番号,ステータス,ランプ",
    "cp949": "주문번호,주문상태,배송완료,결제금액",
    "gb18030": "订单编号,下单时间,商品名称,实付金额",
    "big5": "訂單編號,下單時間,商品名稱,實付金額",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_texts_of_eastern_asia_say_their_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(f"{TEXTS[encoding]}\r\n1,2,3,4\r\n".encode(encoding))
    (file,) = find_files([str(path)])
    assert encoding in possible_encodings(file)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Größe;Müller;Straße;Œuvre;Qualité supérieure;coût;été;naïveté"),
        ("cp1251", "Номер заказа;Дата;Покупатель;Товар;Количество;ОПЛАЧЕН"),
        ("cp1250", "Zamówienie;Łódź;Świeża żółta gęś;źdźbło;ćma"),
        ("cp1253", "Παραγγελία;Ημερομηνία;Πελάτης;Ποσότητα"),
    ],
)
def test_western_texts_are_none_of_eastern_asia(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(f"{text}\r\n1;2\r\n".encode(encoding))
    (file,) = find_files([str(path)])
    assert not {*possible_encodings(file)} & {*TEXTS}
