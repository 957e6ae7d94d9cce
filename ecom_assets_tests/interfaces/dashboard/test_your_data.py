"""The page of uploads: how far each kind reaches, when the next file is due, and what is asked in
which words.
"""

import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import choose_shop
from ecom_assets.ingestion.sources.proposal.questions import ZONE, OpenQuestion
from ecom_assets.ingestion.sources.reading import MoneyRead
from ecom_assets.ingestion.uploads.look import Chosen, UploadLook, look_at
from ecom_assets.ingestion.uploads.store import LandedRows, Upload, Uploads
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.dashboard.export_guides import export_guides
from ecom_assets.interfaces.dashboard.looking import LOOKS
from ecom_assets.interfaces.dashboard.pages.mapping import due_day, reaches
from ecom_assets.interfaces.dashboard.upload_words import (
    fate_lines,
    field_of,
    note_of,
    sentence_of_question,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.uploads.shop_exports import sent, settings_of
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.html import Node, read
from ecom_assets_tests.patience import PATIENCE_S


def upload(number: int, sent: str, first: str, last: str, kind: str = "orders") -> Upload:
    return Upload(
        number,
        f"{number:032x}",
        f"{number}.csv",
        100,
        "ann",
        datetime.fromisoformat(f"{sent}T10:00:00"),
        "loaded",
        kind=kind,
        first_day=date.fromisoformat(first),
        last_day=date.fromisoformat(last),
        landed=(
            LandedRows(kind, f"{kind}/{number:06}", ("received_date=2026-03-02/a.parquet",), 1),
        ),
    )


WEEKS = [
    upload(3, "2026-03-17", "2026-03-10", "2026-03-16"),
    upload(2, "2026-03-10", "2026-03-03", "2026-03-09"),
    upload(1, "2026-03-02", "2026-02-01", "2026-03-01"),
]


def test_the_next_file_is_due_as_long_after_the_last_one_as_files_usually_come() -> None:
    assert due_day(WEEKS) == date(2026, 3, 17 + 8), "after 8 and 7 days, the middle is 7.5"
    assert due_day(WEEKS[:2]) == date(2026, 3, 24)
    assert due_day(WEEKS[:1]) == date(2026, 3, 24), "a week, where nothing else is known"
    assert due_day([]) is None


def test_each_kind_says_how_far_it_reaches() -> None:
    events = upload(4, "2026-03-18", "2026-03-01", "2026-03-17", kind="events")
    of_events, of_orders = reaches([events, *WEEKS])
    assert (of_events["kind"], of_events["files"]) == ("Visits and events", "1 file")
    assert of_orders["days"] == "1 Feb \N{EN DASH} 16 Mar 2026"
    assert of_orders["files"] == "3 files"


def test_ad_spend_says_no_day_as_its_rows_lie_together_on_the_newest() -> None:
    ads = upload(4, "2026-03-18", "2026-03-17", "2026-03-17", kind="ad_spend")
    assert [(one["kind"], one["days"], one["files"]) for one in reaches([ads])] == [
        ("Ad spend", "", "1 file")
    ]


def test_a_state_is_asked_about_in_words_of_a_shop() -> None:
    question = OpenQuestion(
        "state_1",
        "what 'Reserved' is (1 rows): sale or no sale",
        ("sale", "no sale", "refund", "part of a refund"),
        "",
        subject="Reserved",
        note="1 row, together 70.00 EUR",
    )
    look = UploadLook(WEEKS[0], questions=(question,), open_questions=(question,))
    field = field_of(look, question)
    assert (field.name, field.sentence) == ("3.state_1", "What are orders that are “Reserved”?")
    assert field.note == "1 row, together 70.00 EUR"
    assert dict(field.options)["no sale"] == "Not a sale: leave it out"
    assert field.is_open
    assert not field.is_list


@pytest.mark.parametrize("asks_shop_zone", [True, False])
def test_times_are_of_the_shop_s_zone_where_that_is_asked_beside(*, asks_shop_zone: bool) -> None:
    question = OpenQuestion(ZONE, "the time zone", note="Such as 2026-03-02 10:00:00")
    look = UploadLook(WEEKS[0], questions=(question,), open_questions=(question,))
    field = field_of(look, question, asks_shop_zone=asks_shop_zone)
    assert field.is_open is not asks_shop_zone
    assert ("Europe/Berlin", "Europe/Berlin") in field.options


def test_rows_and_money_are_said_by_what_becomes_of_them() -> None:
    look = UploadLook(
        WEEKS[0],
        rows={"read": 5, "counted": 3, "rejected": {"left_out": 1, "unknown_status": 1}},
        money={
            "counted": MoneyRead(3, 2, Decimal("160.00"), "EUR"),
            "left_out": MoneyRead(1, 1, Decimal(30), "EUR"),
            "refused": MoneyRead(1, 1, None, ""),
        },
    )
    assert fate_lines(look) == [
        ("good", "3 of 5 rows would be counted", "€160.00 in 2 orders, sold less paid back"),
        ("info", "1 row would be left out", "€30.00 in 1 order"),
        ("bad", "1 row would be refused", "1 order"),
    ]


def test_an_amount_that_is_asked_for_is_not_said_to_be_nothing(tmp_path: Path) -> None:
    rows = ["O1,2026-03-02,c1,7,2", "O1,2026-03-02,c1,8,1", "O2,2026-03-03,c2,7,3"]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(["Order No,Order Date,Customer No,Product No,Quantity", *rows, ""]))
    home = tmp_path / "home"
    look = look_at(Uploads(home), sent(home, path), Settings(home=home), Chosen(kind="orders"))
    assert "payment_amount" in {question.key for question in look.open_questions}
    assert fate_lines(look)[0][2] == "2 orders"


def test_a_warning_about_a_file_calls_it_as_it_was_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, home = tmp_path / "commandes.csv", tmp_path / "home"
    row = "1001;02/03/2026 10:00;c1;Thé glacé à l'été;2;10,00"
    path.write_text(f"N° commande;Date;Client;Désignation;Quantité;Total\n{row}\n", "cp1252")
    look_at(Uploads(home), sent(home, path), Settings(home=home), Chosen(kind="orders"))
    assert "commandes.csv is not UTF-8 and is read as Windows-1252" in caplog.text
    assert "file-000001" not in caplog.text


@pytest.mark.slow
def test_copies_are_said_so_that_the_lines_add_up_to_the_rows_of_a_file(tmp_path: Path) -> None:
    """Of seven rows three are lines of their own, one names no customer, and three are copies."""
    columns = "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,"
    lines = [
        f"a{number},2022-11-09T00:00:00,1,Rome,{customer},Ada,Lo,3,Hat,1,{amount}"
        for number, (customer, amount) in enumerate([(7, 10), (8, 20), (9, 30), ("", 40)])
    ]
    rows = [f"{number},{line}" for number, line in enumerate([*lines, *lines[:2], lines[0]])]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([f"{columns}item_name,quantity,payment_amount", *rows, ""]))
    home = tmp_path / "home"
    look = look_at(Uploads(home), sent(home, path), Settings(home=home))
    said = [what for _, what, _ in fate_lines(look)]
    assert said == [
        "3 of 7 rows would be counted",
        "1 row would be refused",
        "3 rows are copies of others, each of which is counted once",
    ]
    assert sum(int(what.split()[0]) for what in said) == 7


def test_each_shop_system_says_where_its_export_is() -> None:
    guides = {guide.name: guide for guide in export_guides()}
    assert {"Shopify", "WooCommerce", "PrestaShop", "Stripe", "Google Analytics 4"} <= set(guides)
    assert "Magento, Adobe Commerce" in guides
    for guide in guides.values():
        assert all(len(export.clicks) > 1 for export in guide.exports), guide.name


CODED: Final = ("page_view", "product_view", "purchase")


@pytest.mark.slow
def test_what_codes_mean_is_one_question_with_a_list_for_each(tmp_path: Path) -> None:
    lines = ["id,visitor_id,event_type,timestamp,sku,value"]
    lines += [
        f"e{number}{code},v{number},{code},2026-03-02T10:0{code}:{number:02}Z,"
        f"{f'lamp-{number}' if code > 1 else ''},{'19.90' if code > 2 else ''}"
        for number in range(9)
        for code in (1, 2, 3)
        if number % code == 0
    ]
    path = tmp_path / "hits.csv"
    path.write_text("\n".join([*lines, ""]))
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "UTC", "currency": "EUR", "week_start": "monday"})
    upload = sent(home, path)
    address = f"/dashboard/mapping-files?files={upload.id}"
    with served(build_dashboard_stack(Settings(home=home))) as site:  # type: ignore[arg-type]  # any ASGI application

        def shown() -> Node:
            while True:
                text = requests.get(site.address + address, timeout=PATIENCE_S).text
                if 'data-again-s="1"' not in text:
                    return read(text)
                time.sleep(0.2)

        page = shown()
        assert "One question is open" in page.text
        named = [one.attributes["name"] for one in page.all("select")]
        assert [f"1.event_codes.{code}" for code in (1, 2, 3)] == [
            name for name in named if str(name).startswith("1.event_codes")
        ]
        assert "3 rows, such as sku lamp-0, value 19.90; all amounts are on its rows" in page.text
        token = page.one("input", name="token").attributes["value"]

        def choose(*names: str) -> None:
            said = {f"1.event_codes.{code}": name for code, name in enumerate(names, start=1)}
            requests.post(
                f"{site.address}/dashboard/mapping-files/choose",
                data={"token": token, "files": upload.id, **said},
                headers={"origin": site.address},
                timeout=PATIENCE_S,
            )

        choose("page_view")
        assert "It does not say what 2, 3 is" in shown().text
        choose(*CODED)
        assert "open." not in shown().text
    look = LOOKS.of(settings_of(home), Uploads(home).of(upload.id))
    assert look is not None
    assert look.answers == {"event_codes": "1=page_view, 2=product_view, 3=purchase"}
    assert {(name, count) for _, name, count in look.event_types} == {
        ("page_view", 9),
        ("product_view", 5),
        ("purchase", 3),
    }


@each("key", ["amount_parts", "cancelled_pieces", "order_id", "a_key_without_words"])
def test_what_helps_to_answer_does_not_say_the_question_again(key: str) -> None:
    question = OpenQuestion(key, "which column it is: Net (20.00) or Gross (23.80)", (), "")
    assert sentence_of_question(question).rstrip("?") != note_of(question).rstrip(".")
