"""What a file is, how it would be read, and what is open: real layouts, choices alone, and files
that cannot be read, one sentence each.
"""

import gzip
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.settings.uploaded import (
    begin_shop_change,
    choose_shop,
    chosen_rates,
    end_shop_change,
    rate_name,
    rates_path,
    shop_choices,
    take_back_shop_choices,
)
from ecom_assets.ingestion.sources.files.currency import rates_sql
from ecom_assets.ingestion.uploads import packed
from ecom_assets.ingestion.uploads.asking import ask_shop_said
from ecom_assets.ingestion.uploads.look import (
    Chosen,
    UploadLook,
    checked_shop,
    keep_choices,
    look_at,
    rate_questions,
    shop_questions,
    with_shop_said,
)
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.workbook import Rows, write_xlsx
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    MOST_BYTES,
    WEEK_1,
    WEEK_2,
    export,
    sent,
    settings_of,
)


def looked(home: Path, path: Path, choices: Chosen | None = None) -> UploadLook:
    return look_at(Uploads(home), sent(home, path), settings_of(home), choices)


def of_bytes(home: Path, name: str, content: bytes) -> UploadLook:
    with Uploads(home).begin(name, "ann", most_bytes=MOST_BYTES) as writer:
        writer.write(content)
        upload = writer.finish()
    return look_at(Uploads(home), upload, settings_of(home))


@pytest.mark.slow
def test_a_known_export_needs_no_answer_but_the_shop_s_own(tmp_path: Path) -> None:
    home = tmp_path / "home"
    look = looked(home, export(tmp_path / "orders.csv", WEEK_1))
    assert (look.kind, look.mapping, look.is_ready) == ("orders", "shopify", True)
    assert look.rows == {"read": 3, "counted": 3, "rejected": {}}
    money = look.money["counted"]
    assert (money.order_count, money.amount, money.currency) == (3, Decimal(210), "EUR")
    assert [row["order_id"] for row in look.preview] == ["#1001", "#1002", "#1003"]
    currency, zone, week, name = shop_questions(settings_of(home), [look])
    assert (currency.value, currency.is_open) == ("EUR", False), "each line says it"
    assert (zone.value, zone.is_open) == ("", True)
    assert (week.value, name.value) == ("monday", "")
    assert checked_shop(settings_of(home), {"timezone": "Mars"})[1].keys() == {"timezone"}
    said = {"timezone": "Europe/Berlin", "shop_name": "Lamps"}
    ask_shop_said(settings_of(home), said, "root")
    assert settings_of(home).timezone == "Europe/Berlin"
    _, zone, _, name = shop_questions(settings_of(home), [look])
    assert (zone.value, zone.is_open, name.value) == ("Europe/Berlin", False, "Lamps")


@pytest.mark.slow
def test_rows_that_are_not_as_those_of_files_before_are_asked_about(tmp_path: Path) -> None:
    # March: 20, 30 and 30 of goods, a fifth of tax. April: the total of an order of 40 has 10 more.
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "Europe/Berlin", "currency": "EUR"})
    header = "Order,Date,Customer,SKU,Net,Tax,Total"
    march, april = (tmp_path / f"{month}.csv" for month in ("march", "april"))
    march.write_text(
        f"{header}\nA1,2026-03-02 10:00,ann,lamp,20.00,4.00,24.00\n"
        "A2,2026-03-03 11:00,bob,lamp,30.00,6.00,36.00\n"
        "A3,2026-03-03 12:00,cy,lamp,30.00,6.00,36.00\n"
    )
    april.write_text(
        f"{header}\nA4,2026-04-02 10:00,ann,lamp,40.00,8.00,58.00\n"
        "A5,2026-04-03 11:00,bob,lamp,30.00,6.00,36.00\n"
    )
    look = looked(home, march)
    assert (look.is_ready, look.money["counted"].amount) == (True, Decimal(80))
    kept = keep_choices(Uploads(home), look).mapping
    later = looked(home, april)
    assert (later.mapping, later.is_ready) == (f"kept:{kept}", False)
    (question,) = later.open_questions
    assert (question.key, question.note) == ("holds", "Total = Net + Tax (1 row)")
    assert later.rows["rejected"] == {"broken_proof": 1}
    fates = {fate: read.amount for fate, read in later.money.items()}
    assert fates == {"counted": Decimal(30), "refused": Decimal(40)}
    with pytest.raises(UsageError, match="is open: Rows that are not as before"):
        keep_choices(Uploads(home), later)

    def said(answer: str) -> UploadLook:
        chosen = Chosen({"holds": answer})
        return look_at(Uploads(home), later.upload, settings_of(home), chosen)

    waits = said("they wait")
    assert (waits.mapping, waits.is_ready, waits.rows["counted"]) == (f"kept:{kept}", True, 1)
    assert keep_choices(Uploads(home), waits).mapping == kept
    anew = said("read it anew")
    assert (anew.mapping, anew.answers["holds"]) == ("own", "read it anew")
    # Of two rows nothing is proven: what was paid is asked, 40 + 30, or the totals less tax.
    assert [one.key for one in anew.open_questions] == ["amount_parts"]
    assert (anew.rows["rejected"], anew.money["counted"].amount) == ({}, Decimal(50 + 30))


def test_a_list_of_costs_that_is_not_as_the_one_before_is_asked_about(tmp_path: Path) -> None:
    # March has a cost of each item. April has two of A: of a piece, and of a box of ten.
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "Europe/Berlin", "currency": "EUR"})
    march, april = (tmp_path / f"{month}.csv" for month in ("march", "april"))
    march.write_text("SKU,Cost,Currency\nA,4.00,EUR\nB,5.00,EUR\nC,6.00,EUR\n")
    april.write_text("SKU,Cost,Currency\nA,4.10,EUR\nA,41.00,EUR\nB,5.00,EUR\n")
    look = looked(home, march, Chosen(kind="costs"))
    assert (look.is_ready, look.rows["counted"]) == (True, 3)
    kept = keep_choices(Uploads(home), look).mapping
    later = looked(home, april)
    assert (later.kind, later.mapping, later.is_ready) == ("costs", f"kept:{kept}", False)
    (question,) = later.open_questions
    assert (question.key, question.note) == ("holds", "each row has another SKU (2 rows)")
    assert (later.rows["counted"], later.rows["rejected"]) == (1, {"broken_proof": 2})
    waits = look_at(Uploads(home), later.upload, settings_of(home), Chosen({"holds": "they wait"}))
    assert (waits.is_ready, waits.rows["counted"]) == (True, 1)
    anew = look_at(
        Uploads(home), later.upload, settings_of(home), Chosen({"holds": "read it anew"})
    )
    assert (anew.mapping, anew.rows["counted"], anew.rows["rejected"]) == ("own", 3, {})


@pytest.mark.slow
def test_a_gift_card_that_comes_first_in_a_later_file_is_asked_about(tmp_path: Path) -> None:
    # March: three lamps of 20, 30 and 30. April: a lamp of 40, and a gift card of 50.
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "Europe/Berlin", "currency": "EUR"})
    header = "Order,Date,Customer,SKU,Amount"
    march, april = (tmp_path / f"{month}.csv" for month in ("march", "april"))
    march.write_text(
        f"{header}\nA1,2026-03-02 10:00,ann,lamp,20.00\nA2,2026-03-03 11:00,bob,lamp,30.00\n"
        "A3,2026-03-03 12:00,cy,lamp,30.00\n"
    )
    april.write_text(
        f"{header}\nA4,2026-04-02 10:00,ann,lamp,40.00\nA5,2026-04-03 11:00,bob,Gift card,50.00\n"
    )
    look = looked(home, march)
    assert (look.is_ready, look.money["counted"].amount) == (True, Decimal(80))
    keep_choices(Uploads(home), look)
    later = looked(home, april)
    fates = {fate: read.amount for fate, read in later.money.items()}
    assert (later.is_ready, fates) == (False, {"counted": Decimal(40), "refused": Decimal(50)})
    anew = look_at(
        Uploads(home), later.upload, settings_of(home), Chosen({"holds": "read it anew"})
    )
    assert "no_goods" in [one.key for one in anew.open_questions]
    said = Chosen({"holds": "read it anew", "no_goods": "left out"})
    settled = look_at(Uploads(home), later.upload, settings_of(home), said)
    assert (settled.is_ready, settled.money["counted"].amount) == (True, Decimal(40))


def test_what_is_set_elsewhere_goes_before_what_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_shop(tmp_path, {"timezone": "Europe/Berlin", "currency": "EUR"})
    monkeypatch.setenv("ECOM_TIMEZONE", "Asia/Tokyo")
    settings = settings_of(tmp_path)
    assert (settings.timezone, settings.currency) == ("Asia/Tokyo", "EUR")


@pytest.mark.slow
def test_an_answer_is_asked_once_and_used_for_the_next_file_of_the_layout(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first, second, other = (tmp_path / f"sales{number}.csv" for number in (1, 2, 3))
    header = "order_id,order_date,customer_id,item,quantity,amount,status"
    first.write_text(
        f"{header}\nA1,2026-03-02 10:00,ann,lamp,1,10.00,ok\n"
        "A2,2026-03-03 11:00,bob,lamp,2,20.00,zurueckgelegt\n"
    )
    second.write_text(f"{header}\nA3,2026-03-04 10:00,cy,lamp,1,30.00,ok\n")
    other.write_text(
        f"{header}\nA4,2026-03-05 10:00,di,lamp,1,40.00,parked\n"
        "A5,2026-03-05 11:00,di,lamp,1,50.00,ok\n"
    )
    look = looked(home, first)
    assert look.kind == "orders"
    asked = {question.subject or question.key for question in look.open_questions}
    assert asked == {"ok", "zurueckgelegt", "timezone"}, "only the shop knows"
    with pytest.raises(UsageError, match=r"is open: State ok, State zurueckgelegt, Time zone"):
        keep_choices(Uploads(home), look)
    # The shop's own zone is that of times without one, until somebody says another.
    choose_shop(home, {"timezone": "Europe/Berlin"})
    meanings = {"ok": "sale", "zurueckgelegt": "no sale"}
    answers = {
        question.key: meanings[question.subject]
        for question in look.open_questions
        if question.subject
    }
    look = look_at(Uploads(home), look.upload, settings_of(home), Chosen(answers))
    assert (look.open_questions, look.refusal) == ((), "")
    assert look.answers == {**answers, "timezone": "Europe/Berlin"}
    assert look.rows == {"read": 2, "counted": 1, "rejected": {"left_out": 1}}
    assert str(look.preview[0]["ordered_at"]) == "2026-03-02 09:00:00", "in UTC"
    assert keep_choices(Uploads(home), look).mapping == "orders-sales1"
    again = looked(home, second)
    assert (again.mapping, again.is_ready) == ("kept:orders-sales1", True)
    assert again.rows["counted"] == 1
    # A state that no file had before is asked, and only that.
    new = looked(home, other)
    assert [question.subject for question in new.open_questions] == ["parked"]


def visits(path: Path, *sources: str) -> Path:
    """Write visits of two pages, each from a source that only a column says."""
    lines = ["id,user_id,session_id,created_at,traffic_source,uri,event_type"]
    for number, source in enumerate(sources):
        start = f"{number}{{}},u{number},s{path.stem}{number},2026-03-02 08:{number:02}:{{}}0 UTC"
        lines += [
            f"{start.format(1, 1)},{source},/,home",
            f"{start.format(2, 2)},{source},/cart,cart",
        ]
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.mark.slow
def test_a_new_source_of_visits_is_asked_and_the_others_stay_as_answered(tmp_path: Path) -> None:
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    look = looked(home, visits(tmp_path / "week1.csv", "Adwords", "Facebook", "Facebook"))
    said = {one.subject: one.key for one in look.questions if one.key.startswith("channel_")}
    assert look.answers[said["Adwords"]] == "Paid Search", "filled in"
    answers = {**look.answers, said["Facebook"]: "Paid Social"}
    chosen = look_at(Uploads(home), look.upload, settings_of(home), Chosen(answers))
    keep_choices(Uploads(home), chosen)
    later = looked(home, visits(tmp_path / "week2.csv", "Facebook", "TikTok", "Adwords"))
    channels = {
        one.subject: later.answers[one.key]
        for one in later.questions
        if one.key.startswith("channel_")
    }
    assert channels == {
        "Facebook": "Paid Social",
        "TikTok": "Organic Social",
        "Adwords": "Paid Search",
    }
    assert later.is_ready


def hits(path: Path, *codes: int) -> Path:
    """Write events whose type is a number."""
    lines = ["id,visitor_id,event_type,timestamp"]
    lines += [
        f"{path.stem}{number},v{number},{code},2026-03-02T10:00:{number:02}Z"
        for number, code in enumerate(codes)
    ]
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.mark.slow
def test_what_codes_mean_is_kept_for_files_with_some_of_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    look = looked(home, hits(tmp_path / "week1.csv", 1, 2, 3, 1))
    assert [question.key for question in look.open_questions] == ["event_codes"]
    said = {"event_codes": "3=purchase, 1=page_view, 2=as it is"}
    look = look_at(Uploads(home), look.upload, settings_of(home), Chosen(said))
    assert look.is_ready
    keep_choices(Uploads(home), look)
    fewer = looked(home, hits(tmp_path / "week2.csv", 3, 1, 1))
    assert fewer.is_ready
    assert {(name, count) for _, name, count in fewer.event_types} == {
        ("page_view", 2),
        ("purchase", 1),
    }
    # With a further one, all are asked, and those that are known are filled in.
    (question,) = looked(home, hits(tmp_path / "week3.csv", 1, 3, 4)).open_questions
    assert question.guess == "1=page_view, 3=purchase, 4=as it is"


BELOW: Rows = [
    ["Order", "Date", "Item", "Amount"],
    ["A1", "2026-03-01", "lamp", 10],
    [],
    ["SKU", "Stock"],
    ["lamp", 5],
    ["desk", 6],
    [],
    [],
    ["Day", "Visits"],
    ["2026-03-01", 90],
]
BESIDE: Rows = [
    ["Order", "Date", "Item", "Amount", "", "SKU", "Stock", "", "Day", "Visits"],
    ["A1", "2026-03-01", "lamp", 10, "", "lamp", 5, "", "2026-03-01", 90],
    ["", "", "", "", "", "desk", 6, "", "2026-03-02", 80],
    ["", "", "", "", "", "", "", "", "2026-03-03", 85],
]


def of_sheet(home: Path, rows: Rows) -> str:
    """Return why a workbook with some rows on its sheet is refused."""
    book = write_xlsx(home.parent / "book.xlsx", {"March": rows})
    return of_bytes(home, "book.xlsx", book.read_bytes()).refusal


@pytest.mark.slow
def test_files_that_cannot_be_read_are_a_sentence_each(tmp_path: Path) -> None:
    home = tmp_path / "home"
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orders.csv", b"a" * 200_000_000)
    refusals = {
        "a picture": of_bytes(home, "orders.csv", png).refusal,
        "a locked workbook": of_bytes(home, "orders.xlsx", b"\xd0\xcf\x11\xe0" + png).refusal,
        "a bomb": of_bytes(home, "orders.zip", packed.getvalue()).refusal,
        "cut off": of_bytes(home, "orders.csv.gz", gzip.compress(png * 9)[:40]).refusal,
        "blanks": of_bytes(home, "orders.csv", b"\n\n\n").refusal,
        "three tables below each other": of_sheet(home, BELOW),
        "three tables beside each other": of_sheet(home, BESIDE),
    }
    for what, refusal in refusals.items():
        assert refusal, what
        assert str(tmp_path) not in refusal, what
        assert "Traceback" not in refusal, what
    assert "not text" in refusals["a picture"]
    assert "password" in refusals["a locked workbook"]
    assert "more than 100 MB unpacked" in refusals["a bomb"]
    several = "book.xlsx has several tables on the sheet 'March', which begin in"
    assert refusals["three tables below each other"].startswith(f"{several} rows 1, 4, 9;")
    assert refusals["three tables beside each other"].startswith(f"{several} columns 1, 6, 9;")


@pytest.mark.slow
def test_what_is_said_of_the_shop_with_a_file_is_looked_at_before_it_holds(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = export(tmp_path / "orders.csv", WEEK_1)  # 100, 80 and 30
    path.write_text(path.read_text().replace("EUR,80.00", "USD,80.00"))
    choose_shop(home, {"timezone": "UTC"})
    before = looked(home, path)
    said = {"currency": "EUR", "rate.EUR.USD": "0.5", "week_start": "sunday"}
    folder = Uploads(home).original(before.upload).parent
    as_said = with_shop_said(settings_of(home), folder, said)
    look = look_at(Uploads(home), before.upload, as_said, Chosen())
    assert look.money["counted"].amount == Decimal(170), "130 and half of 80"
    assert as_said.week_start == "sunday"
    [rate] = rate_questions(as_said, [look], said)
    assert (rate.value, rate.is_open) == ("0.5", False)
    assert (shop_choices(home), chosen_rates(home)) == ({"timezone": "UTC"}, {})
    assert settings_of(home).rates is None
    # It holds once somebody loads the file; nothing is here yet that would be computed again.
    ask_shop_said(settings_of(home), said, "root")
    assert settings_of(home).currency == "EUR"
    assert chosen_rates(home) == {"rate.EUR.USD": "0.5"}
    assert Requests(home).waiting() == []
    with pytest.raises(UsageError, match="is not what money is worth"):
        ask_shop_said(settings_of(home), {"rate.EUR.USD": "viel"}, "root")


@pytest.mark.slow
def test_currencies_are_added_up_by_what_they_are_said_to_be_worth(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = export(tmp_path / "orders.csv", WEEK_1)  # 100, 80 and 30
    path.write_text(path.read_text().replace("EUR,80.00", "USD,80.00"))
    choose_shop(home, {"timezone": "UTC"})
    look = looked(home, path)
    assert "EUR 130.00 in 2 lines; USD 80.00 in 1 lines" in look.amounts
    assert (look.is_readable, look.is_ready, look.currencies) == (True, False, ("EUR", "USD"))
    currency, *_ = shop_questions(settings_of(home), [look])
    assert (currency.value, currency.is_open) == ("EUR", False), "most lines have it"
    [rate] = rate_questions(settings_of(home), [look])
    assert (rate.label, rate.is_open) == ("What is 1 USD worth in EUR?", True)
    _, wrong = checked_shop(settings_of(home), {rate.key: "viel"})
    assert wrong == {rate.key: "'viel' is not what money is worth; write a number such as 0.92."}
    _, wrong = checked_shop(settings_of(home), {rate.key: "1e30"})
    assert wrong, "more digits than can be rounded"
    ask_shop_said(settings_of(home), {rate.key: "0,5", "currency": "EUR"}, "root")
    again = look_at(Uploads(home), look.upload, settings_of(home), Chosen())
    assert (again.refusal, again.currencies, again.is_ready) == ("", (), True)
    assert again.money["counted"].amount == Decimal(170), "130 and half of 80"
    [said] = rate_questions(settings_of(home), [again])
    assert (said.value, said.is_open) == ("0.5", False)
    # What a dollar is worth in euros says nothing of pounds.
    choose_shop(home, {"currency": "GBP"})
    pounds = look_at(Uploads(home), look.upload, settings_of(home), Chosen())
    assert [one.label for one in rate_questions(settings_of(home), [pounds])] == [
        "What is 1 EUR worth in GBP?",
        "What is 1 USD worth in GBP?",
    ]


def test_a_rate_of_whatever_a_file_calls_a_currency_can_be_read(tmp_path: Path) -> None:
    """Else all runs are refused, as the file of rates is no CSV."""
    choose_shop(tmp_path, {"currency": "EUR", rate_name("EUR", 'US, "$"'): "0.9"})
    with fresh_duckdb() as con:
        rates = con.execute(rates_sql(con, rates_path(tmp_path, "EUR"))).fetchall()
    assert [(name, rate) for _, name, rate in rates] == [('US, "$"', Decimal("0.9"))]


def test_a_rate_that_could_not_be_changed_is_as_before(tmp_path: Path) -> None:
    home, dollar = tmp_path, rate_name("EUR", "USD")
    choose_shop(home, {"currency": "EUR", dollar: "0.9", rate_name("GBP", "USD"): "0.8"})
    rates = settings_of(home).rates
    assert rates == rates_path(home, "EUR")
    assert rates.read_text() == "date,currency,rate\n1970-01-01,USD,0.9\n"
    begin_shop_change(home, {dollar: "0.7", rate_name("EUR", "CHF"): "1.05"}, {})
    assert rates.read_text().splitlines()[1:] == ["1970-01-01,CHF,1.05", "1970-01-01,USD,0.7"]
    take_back_shop_choices(home, "The disk is full.")
    end_shop_change(home)
    assert rates.read_text() == "date,currency,rate\n1970-01-01,USD,0.9\n"
    choose_shop(home, {"currency": "GBP"})
    assert settings_of(home).rates == rates_path(home, "GBP"), "those of euros say nothing"


@pytest.mark.slow
def test_rates_that_are_set_elsewhere_are_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, rates = tmp_path / "home", tmp_path / "rates.csv"
    path = export(tmp_path / "orders.csv", WEEK_1)
    path.write_text(path.read_text().replace("EUR,80.00", "USD,80.00"))
    rates.write_text("date,currency,rate\n2025-01-01,CHF,1.05\n")
    monkeypatch.setenv("ECOM_RATES", str(rates))
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    look = looked(home, path)
    assert "has no rate for USD" in look.refusal
    assert (look.is_readable, look.currencies) == (False, ())
    assert rate_questions(settings_of(home), [look]) == ()


@pytest.mark.slow
def test_of_a_large_file_only_the_beginning_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert packed.LOOKED_AT_BYTES <= 10_000_000
    monkeypatch.setattr(packed, "LOOKED_AT_BYTES", 100_000)
    path = export(tmp_path / "orders.csv", WEEK_1)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[1:] * 300]) + "\n")
    assert path.stat().st_size > 100_000
    look = looked(tmp_path / "home", path)
    assert (look.is_part, look.mapping) == (True, "shopify")
    assert 0 < look.rows["read"] < 900


LATE_HEADER = ("order_id", "order_date", "customer_id", "item", "quantity", "amount", "status")
SOLD = [
    (f"A{n}", "2026-03-02 10:00", f"customer{n % 90}", "lamp", 1, "10.00", "paid")
    for n in range(900)
]
LATE = [
    (f"B{n}", "2026-03-03 11:00", f"late{n}", "lamp", 2, "20.00", "zurückgelegt") for n in range(7)
]
"""Seven rows of twice 20.00 at the end of the file, of a state that no row before them has."""


def write_late(path: Path, form: str) -> None:
    """Write sold orders and then the late ones, as text of an encoding, JSON lines or Parquet."""
    rows = [*SOLD, *LATE]
    records = [dict(zip(LATE_HEADER, row, strict=True)) for row in rows]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path, row_group_size=300)
    elif form == "ndjson":
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    else:
        lines = "\n".join(",".join(map(str, row)) for row in (LATE_HEADER, *rows))
        path.write_text(f"{lines}\n", encoding=form)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("sales.parquet", "parquet"),
        *(
            pytest.param(name, form, marks=pytest.mark.slow)
            for name, form in (
                ("sales.csv", "utf-8"),
                ("sales.csv", "cp1252"),  # its beginning has no letter beyond ASCII
                ("sales.csv", "utf-16"),
                ("sales.ndjson", "ndjson"),
            )
        ),
    ],
)
def test_a_state_that_stands_only_after_the_beginning_is_asked_with_rows_and_money(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    monkeypatch.setattr(packed, "LOOKED_AT_BYTES", 10_000)
    monkeypatch.setattr(packed, "LOOKED_AT_ROWS", 400)
    path = tmp_path / name
    write_late(path, form)
    look = looked(tmp_path / "home", path)
    assert look.is_part
    assert look.rows["read"] < 900
    (question,) = [one for one in look.open_questions if one.key.startswith("state_")]
    assert question.subject == "zurückgelegt"
    assert "7 rows" in question.note
    assert "140" in question.note, "seven times 20"


@pytest.mark.slow
def test_an_event_type_that_stands_only_after_the_beginning_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "LOOKED_AT_BYTES", 20_000)
    path = tmp_path / "hits.jsonl"
    names = ["page_view"] * 300 + ["product_view"] * 200 + ["verpackt"] * 9
    path.write_text(
        "".join(
            json.dumps(
                {
                    "id": f"e{number}",
                    "at": f"2026-03-02T10:{number // 60:02}:{number % 60:02}Z",
                    "visitor": f"v{number % 50}",
                    "event": {"name": name},
                }
            )
            + "\n"
            for number, name in enumerate(names)
        )
    )
    look = looked(tmp_path / "home", path)
    assert (look.kind, look.is_part) == ("events", True)
    counts = {name: count for name, _, count in look.event_types}
    assert counts["verpackt"] == 9
    assert "verpackt" in {question.subject for question in look.questions}


@pytest.mark.slow
def test_the_second_week_is_read_as_the_first_without_a_question(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = looked(home, export(tmp_path / "week1.csv", WEEK_1))
    assert keep_choices(Uploads(home), first).mapping == "orders-shopify"
    second = looked(home, export(tmp_path / "week2.csv", WEEK_2))
    assert (second.mapping, second.is_ready) == ("kept:orders-shopify", True)
