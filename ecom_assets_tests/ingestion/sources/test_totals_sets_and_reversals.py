"""Rows that repeat what other rows say, in files of no known vendor: totals, parts of sets,
invoices that were taken back; and columns beside those that the draft would take. A reader can add
up each right number.
"""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.proposal.record_kinds import kind_of
from ecom_assets.ingestion.sources.reading import CustomerFileReading
from ecom_assets.ingestion.sources.stock_reading import StockFileReading
from ecom_assets.interfaces.dashboard.upload_words import note_of, sentence_of_question
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import (
    ZONE,
    asked,
    search_of,
    sold_and_back,
)

TOTALS = (
    *("Total", "Subtotal", "Grand total", "Total: campañas", "Sous-total", "Zwischensumme"),
    *("Gesamtsumme", "Ara toplam", "Subtotaal", "Summa", "Összesen", "Итого", "小計", "합계"),
    *('סה"כ', "الإجمالي"),
)


@pytest.mark.parametrize("word", TOTALS)
def test_totals_among_days_are_none_of_them(tmp_path: Path, word: str) -> None:
    """Each second line is the total of the one above it."""
    days = [f"0{day}.03.2026" for day in range(1, 5)]
    lines = [line for day in days for line in (f"{day};A;10,00", f"{word};;10,00")]
    search = search_of(tmp_path / "o.csv", ["Datum;Kunde;Betrag", *lines])
    day = next(value for value in search.look.values if value.name == "Datum")
    assert search.look.time_formats(day) == ["%d.%m.%Y"]


@pytest.mark.parametrize("words", [("Total", "none"), ("Totaler", "Summary"), ("later", "soon")])
def test_other_words_among_days_say_that_it_is_no_time(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    days = [f"0{day}.03.2026" for day in range(1, 5)]
    lines = [f"{cell};A;10,00" for cell in (*days, *words)]
    search = search_of(tmp_path / "o.csv", ["Datum;Kunde;Betrag", *lines])
    day = next(value for value in search.look.values if value.name == "Datum")
    assert search.look.time_formats(day) == []


def sets_of(seed: int, *, counts_both: bool) -> tuple[list[str], int, int]:
    """Return lines of orders of which some are sets with their parts below them, and the cents of
    what was bought and of the parts; with the total of each order, of both if asked for.
    """
    chance = random.Random(seed)  # noqa: S311 (layouts, no secrets)
    lines, bought, in_sets, number = [], 0, 0, 0
    for order in range(1, 7):
        of_order = []
        for _ in range(chance.randint(1, 3)):
            number += 1
            whole, parts = number, []
            for _ in range(chance.choice((0, 2, 3)) if order > 1 else 2):
                number += 1
                parts.append((number, str(whole), chance.randint(100, 3000)))
            price = sum(cents for *_, cents in parts) or chance.randint(100, 9000)
            of_order += [(whole, "", price), *parts]
        own = sum(cents for _, of, cents in of_order if not of)
        together = sum(cents for *_, cents in of_order)
        total = together if counts_both else own
        bought, in_sets = bought + own, in_sets + together - own
        lines += [
            f"A{order},2026-03-0{order} 10:00,c{order}@x.example,{n},{of},S{n},1,{cents / 100:.2f},"
            f"{total / 100:.2f}"
            for n, of, cents in of_order
        ]
    return lines, bought, in_sets


HEAD_OF_SETS = "order_no,ordered_at,email,line_no,belongs_to,sku,qty,line_total,order_sum"


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_a_set_are_asked_about_with_what_they_cost(tmp_path: Path, seed: int) -> None:
    lines, bought, in_sets = sets_of(seed, counts_both=False)
    search = search_of(tmp_path / "sets.csv", [HEAD_OF_SETS, *lines])
    (question,) = asked(search, {}).items()
    assert question[0] == "state_flag_1"
    assert f"together {in_sets / 100:,.2f}; others" in question[1]
    assert f"together {bought / 100:,.2f})" in question[1]
    assert "order_sum is without them" in question[1]


def test_parts_that_all_belong_to_line_1_are_asked_about_once(tmp_path: Path) -> None:
    """Nothing but 1 is in the column, as if it said yes: sets of 100.00, with parts of 60.00 and
    40.00; what was bought is 100.00 + 40.00 + 100.00 + 60.00.
    """
    lines = [
        f"A{order},2026-03-0{order} 10:00,c{order}@x.example,{line},{of},{item},1,{price},{total}"
        for order, line, of, item, price, total in (
            *((order, 1, "", "SET", 100, 100) for order in (1, 3)),
            *((order, 2, "1", "MUG", 60, 100) for order in (1, 3)),
            *((order, 3, "1", "CUP", 40, 100) for order in (1, 3)),
            (2, 1, "", "CUP", 40, 40),
            (4, 1, "", "MUG", 60, 60),
        )
    ]
    search = search_of(tmp_path / "sets.csv", [HEAD_OF_SETS, *lines])
    (question,) = open_questions(search.proposal(ZONE, OWN), ZONE)
    assert question.key == "state_flag_1"
    assert sentence_of_question(question) == "What are rows with “something in belongs_to”?"
    assert note_of(question) == (
        "4 rows, together 200.00; each names another row of its order, and order_sum is without "
        "them"
    )
    assert sold_and_back(search, {"state_flag_1": "no sale"}) == (300, 0)
    assert sold_and_back(search, {"state_flag_1": "sale"}) == (500, 0)


def test_lines_that_an_order_s_total_has_are_not_asked_about(tmp_path: Path) -> None:
    """An engraving belongs to a ring, and is paid beside it."""
    lines, _, _ = sets_of(4, counts_both=True)
    search = search_of(tmp_path / "lines.csv", [HEAD_OF_SETS, *lines])
    assert asked(search, {}) == {}


def test_prices_of_whole_units_may_be_cents_where_a_tax_shows_it(tmp_path: Path) -> None:
    """50.00, 30.00 and 20.00, of which 19 % are 9.50, 5.70 and 3.80; people have round numbers."""
    orders: list[dict[str, Any]] = [
        {"number": f"A{n}", "customer": f"c{n}", "created": f"2026-03-0{n} 10:00", "total": amount}
        for n, amount in enumerate((5000, 3000, 2000), start=1)
    ]
    with_tax = [{**order, "tax": order["total"] * 19 // 100} for order in orders]
    for name, rows, questions in (("a", with_tax, {"units"}), ("b", orders, set())):
        text = "\n".join(map(json.dumps, rows))
        search = search_of(tmp_path / f"{name}.ndjson", [text])
        assert {*asked(search, {})} & {"units"} == questions


@pytest.mark.parametrize("name", ["Type", "Doc Type", "Document type", "Belegart", "Vorgang"])
def test_codes_of_what_a_row_is_are_asked_about_however_the_column_is_called(
    tmp_path: Path, name: str
) -> None:
    """100.00 and 50.00 were sold, and 40.00 of a credit note, above zero, paid back."""
    rows = ["SI,2026-03-01,A1,100.00,20.00", "SI,2026-03-02,A2,50.00,10.00"]
    lines = [f"{name},Date,Customer,Net,Tax", *rows, "SC,2026-03-03,A1,40.00,8.00"]
    path = write(tmp_path / "o.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"), MappingKind.ORDERS)
    questions = asked(search, {})
    codes = {code: key for key, text in questions.items() for code in ("SI", "SC") if code in text}
    answers = {codes["SI"]: "sale", codes["SC"]: "refund", "amount_parts": "Net"}
    assert sold_and_back(search, answers) == (150, 40)


REVERSED = ["Nr;Typ;Datum;Kunde;Netto;Status"] + [
    f"{number};{kind};0{day}.03.2026;{who};{net};{state}"
    for number, kind, day, who, net, state in (
        ("R1", "Rechnung", 1, "Ann", "100,00", "Bezahlt"),
        ("R2", "Rechnung", 2, "Ben", "50,00", "Storniert"),
        ("R3", "Rechnung", 3, "Cem", "80,00", "Bezahlt"),
        ("G1", "Gutschrift", 4, "Ben", "-50,00", "Bezahlt"),
        ("R4", "Rechnung", 5, "Ann", "30,00", "Bezahlt"),
    )
]


def test_a_cancelled_invoice_that_a_row_takes_back_is_asked_about(tmp_path: Path) -> None:
    """Left out, the 50.00 of its credit note would be taken off those of others."""
    questions = asked(search_of(tmp_path / "r.csv", REVERSED), {})
    assert any("'Storniert'" in text and "takes back" in text for text in questions.values())


def test_a_cancelled_invoice_of_which_nothing_was_taken_back_is_left_out(tmp_path: Path) -> None:
    other = [line.replace("-50,00", "-20,00") for line in REVERSED]
    questions = asked(search_of(tmp_path / "r.csv", other), {})
    assert not any("'Storniert'" in text for text in questions.values())


@pytest.mark.parametrize("word", ["shipping", "Delivery", "Versand", "tip", "deposit", "送料"])
def test_a_line_that_is_called_as_no_goods_by_its_type_is_asked_about(
    tmp_path: Path, word: str
) -> None:
    """`shipping` says in a state that goods are on their way, in a type that it is postage."""
    kinds = ("product", word, "product", "product", word, "product")
    rows = [
        f"A{n // 2},2026-03-0{n + 1} 10:00,c{n // 2},{kind},{n + 4}.90"
        for n, kind in enumerate(kinds)
    ]
    search = search_of(tmp_path / "o.csv", ["order_id,date,customer,line_type,amount", *rows])
    questions = asked(search, {}).values()
    asked_as = f"{word!r} of line_type", f"2 rows such as {word} are, together 14.80"
    assert any(part in text for text in questions for part in asked_as)


PAYMENTS = ["When,From,E-mail,Note,Received,Reference"] + [
    f"03/{day}/2026 10:00,{who},{who}@x.example,{note},{amount},r{day}"
    for day, who, note, amount in (
        (12, "ann", "Print", "20.50"),
        (13, "bob", "Mug", "8.00"),
        (14, "cy", "Print", "20.50"),
        (15, "di", "Cap", "15.00"),
        (16, "ed", "Mug", "8.00"),
        (17, "ann", "Cap", "15.00"),
    )
]


def test_payments_with_addresses_are_no_customers(tmp_path: Path) -> None:
    """One paid twice; and where each paid once, the name of a transaction says it."""
    once = [line.replace("17,ann,ann", "17,fay,fay") for line in PAYMENTS]
    named = [once[0].replace("Reference", "Transaction"), *once[1:]]
    kinds = [
        kind_of(MappingSearch([str(write(tmp_path / f"{n}.csv", "\n".join(lines)))], home).look)
        for n, lines in enumerate((PAYMENTS, named))
        if (home := Settings(home=tmp_path / "home"))
    ]
    assert kinds == [None, None]


YES_AND_NO = {
    "Zgoda na newsletter": ("Tak", "Nie"),
    "E-posta izni": ("Evet", "Hay\u0131r"),
    "Hírlevél feliratkozás": ("Igen", "Nem"),
    "Uutiskirje": ("Kyllä", "Ei"),
    "メルマガ購読": ("はい", "いいえ"),
    "뉴스레터 수신": ("예", "아니요"),
    "Согласие на рассылку": ("Да", "Нет"),
    "Συγκατάθεση email": ("Ναι", "Όχι"),  # noqa: RUF001
    "النشرة البريدية": ("نعم", "لا"),
    "Souhlas s e-maily": ("Ano", "Ne"),
}


@pytest.mark.parametrize("name", YES_AND_NO)
def test_consent_to_mails_is_read_in_the_words_of_the_file(tmp_path: Path, name: str) -> None:
    yes, no = YES_AND_NO[name]
    rows = [f"{n},p{n}@x.example,{word}" for n, word in enumerate((yes, no, "", yes))]
    path = write(tmp_path / "people.csv", "\n".join([f"id,email,{name}", *rows, ""]))
    settings = Settings(home=tmp_path / "home")
    search = MappingSearch([str(path)], settings, MappingKind.CUSTOMERS)
    with read_by(search, search.proposal({}, OWN)) as reading:
        assert isinstance(reading, CustomerFileReading)
        people = [record.customer for record in reading.records if record.customer]
    assert [person.has_email_consent for person in people] == [True, False, None, True]


def test_who_says_no_to_mails_is_not_taken_to_agree(tmp_path: Path) -> None:
    rows = [f"{n},p{n}@x.example,{word}" for n, word in enumerate(("Ja", "Nein"))]
    path = write(tmp_path / "p.csv", "\n".join(["id,email,Newsletter unsubscribed", *rows, ""]))
    settings = Settings(home=tmp_path / "home")
    search = MappingSearch([str(path)], settings, MappingKind.CUSTOMERS)
    with read_by(search, search.proposal({}, OWN)) as reading:
        assert isinstance(reading, CustomerFileReading)
        people = [record.customer for record in reading.records if record.customer]
    assert True not in [person.has_email_consent for person in people]


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ("base_", "base_currency_code"),
        ("settlement ", "Settlement currency"),
        ("shop_", "shop_currency"),
    ],
)
def test_amounts_of_one_currency_beside_those_of_several_are_taken(
    tmp_path: Path, before: str, code: str
) -> None:
    rows = [
        f"A{n},2026-03-0{n} 10:00,c{n},{own},{amount},EUR,{in_euros}"
        for n, (own, amount, in_euros) in enumerate(
            (("USD", "55.00", "50.00"), ("EUR", "23.00", "23.00"), ("GBP", "8.50", "10.00")), 1
        )
    ]
    head = f"order_id,date,customer,order_currency,grand_total,{code},{before}grand_total"
    text = search_of(tmp_path / "o.csv", [head, *rows]).proposal(ZONE, OWN).text
    assert f'payment_amount: "{before}grand_total"' in text
    assert f'currency: {{column: "{code}"' in text


STOCK = [
    "Artikelnummer;Lager;Menge",
    "M;Nord;10",
    "M;Sued;4",
    "M Summe;;14",
    "P;Nord;3",
    "P Summe;;3",
]


@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        ([*STOCK, "Gesamt;;17"], 3),
        (["sku,stock", "M,14", "P,3", "Total,17"], 1),
        (["sku,name,stock", "TOTAL GYM,A machine,2", "M,A mug,14"], 0),
        (["sku,name,stock", "GYM TOTAL,A machine,2", "M,A mug,14"], 0),
    ],
)
def test_totals_of_a_list_of_stock_are_no_products(
    tmp_path: Path, lines: list[str], left_out: int
) -> None:
    path = write(tmp_path / "stock.csv", "\n".join([*lines, ""]))
    settings = Settings(home=tmp_path / "home")
    search = MappingSearch([str(path)], settings, MappingKind.STOCK)
    with read_by(search, search.proposal({}, OWN)) as reading:
        assert isinstance(reading, StockFileReading)
        assert reading.rows.rejected.get("left_out", 0) == left_out


def test_a_month_more_with_a_column_more_is_read_beside_the_other(tmp_path: Path) -> None:
    names = "order_id,date,email,total"
    march = write(tmp_path / "march.csv", f"{names}\n1,2026-03-01,a@x.de,10.00\n")
    april = write(tmp_path / "april.csv", f"{names},coupon\n2,2026-04-01,b@x.de,5.00,C\n")
    settings = Settings(home=tmp_path / "home")
    months = MappingSearch([str(march), str(april)], settings, MappingKind.ORDERS)
    assert sold_and_back(months, {}) == (15, 0)
