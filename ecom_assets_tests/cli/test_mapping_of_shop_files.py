"""Files as shops have them, which no shipped mapping reads: from the file to its figures
with at most three answers.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_assets_tests.command import ecom

# Excel in German: semicolons, cp1252, decimal commas, € within words and beside numbers. B-2 was
# paid back.
EXCEL = """Bestell-Nr.;Bestelldatum;E-Mail;Artikel-Nr.;Bezeichnung;Menge;Gesamtpreis;Status
B-1;31.12.2025 14:05;Jörg@Müller.example;A1;Küchenstuhl „Größe 2“;2;1.234,56 €;versendet
B-1;31.12.2025 14:05;Jörg@Müller.example;A2;Hocker;1;19,90 €;versendet
B-2;30.12.2025 09:00;ann@shop.example;A2;Hocker;1;19,90 €;erstattet
B-3;30.12.2025 09:30;ann@shop.example;A2;Hocker;1;19,90 €;storniert
"""
# A row per order: the total holds the shipping, and refunds are the last state of the order.
LIST = """Order ID;Created;Customer;Status;Items;Shipping;Total
5001;2025-12-31 14:05:00;cust1;completed;2x Lamp;4.90;104.90
5002;2025-12-30 10:00:00;cust2;refunded;1x Chair;4.90;24.90
5003;2025-12-30 11:00:00;cust2;failed;1x Chair;4.90;24.90
"""
NESTED = [
    {
        "order": {"number": "N1", "placed": "2025-12-31T14:05:00Z", "currency": "EUR"},
        "buyer": {"mail": "A@x.example"},
        "total": 79.5,
        "items": [{"sku": "S1", "qty": 2, "price": 35.5}, {"sku": "S2", "qty": 1, "price": 8.5}],
    },
    {
        "order": {"number": "N2", "placed": "2025-12-30T10:00:00Z", "currency": "EUR"},
        "buyer": {"mail": "b@x.example"},
        "total": 8.5,
        "items": [{"sku": "S2", "qty": 1, "price": 8.5}],
    },
]
CLICKS = (
    "ts\tvisitor\tevt\titem\tprice\n"
    "1767189900000\tv1\tview\tp1\t\n"
    "1767189905000\tv1\tcart\tp1\t\n"
    "1767189910000\tv1\tbuy\tp1\t12.50\n"
    "1767189920000\tv2\tview\tp1\t\n"
)
# A mark at the beginning, a day and a time in two columns, and notes with line ends and quotes.
MARKED = (
    "Date,Time,User ID,Event,Product,Note,Value\r\n"
    '12/31/2025,02:05:00 PM,u1,Product Viewed,P1,"He said ""hi"",\nthen left",\r\n'
    "12/31/2025,02:06:30 PM,u1,Product Added,P1,,\r\n"
    '12/31/2025,11:59:59 PM,u1,Order Completed,P1,"a\n\nb","1,234.50"\r\n'
)
CUSTOMERS = (
    "Kundennummer;Vorname;Nachname;E-Mail;Ort;Kunde seit\n"
    "17;Jörg;Müller;J@x.example;Köln;24.12.2025\n"
)


@dataclass(frozen=True)
class Tried:
    """What became of a file: the mapping, its rows as they are read, and what is open."""

    mapping: dict[str, Any]
    rows: list[dict[str, Any]]
    counts: dict[str, Any]
    output: str


def tried(folder: Path, home: Path, name: str, content: bytes, *arguments: str) -> Tried:
    """Write a file, let a mapping be written for it, and read it by that."""
    file, out = folder / name, folder / "mapping.yaml"
    file.write_bytes(content)
    output = ecom("mapping", "init", file, "--out", out, *arguments, home=home).out
    assert "OPEN" not in output, output
    read = ecom("mapping", "check", file, "--mapping", out, "--json", home=home).json
    return Tried(yaml.safe_load(out.read_text()), read["preview"], read["rows"], output)


def revenue(rows: list[dict[str, Any]]) -> float:
    signs = {"shipped": 1, "refunded": -1}
    return round(
        sum(signs[row["status"]] * float(row["received_payment_amount"]) for row in rows), 2
    )


@pytest.mark.slow
def test_orders_of_a_german_excel(tmp_path: Path, home: Path) -> None:
    result = tried(
        tmp_path, home, "orders.csv", EXCEL.encode("cp1252"), "--timezone", "Europe/Berlin"
    )
    assert (result.mapping["encoding"], result.mapping["decimal"]) == ("cp1252", ",")
    # 1,234.56 + 19.90; B-2 was sold and paid back; B-3 never was an order, and is left out and
    # counted.
    assert (
        revenue(
            [row for row in result.rows if "reject_reason" not in row or not row["reject_reason"]]
        )
        == 1254.46
    )
    assert result.counts["rejected"] == {"left_out": 1}
    first = next(row for row in result.rows if row["order_id"] == "B-1")
    assert (first["ordered_at"], first["customer_id"]) == (
        "2025-12-31 13:05:00",
        "jörg@müller.example",
    )


@pytest.mark.slow
def test_a_list_with_one_row_per_order(tmp_path: Path, home: Path) -> None:
    # Three rows prove no sum, so that the total is asked.
    answer = "amount_parts=Total less Shipping"
    arguments = ("--timezone", "UTC", "--answer", answer)
    result = tried(tmp_path, home, "list.csv", LIST.encode(), *arguments)
    rows = [row for row in result.rows if not row.get("reject_reason")]
    assert revenue(rows) == 100.0, (
        "104.90 less 4.90 of shipping, and an order that was sold and paid back"
    )
    assert {row["item_id"] for row in rows} == {"order"}
    assert [(row["order_id"], row["status"]) for row in rows] == [
        ("5002", "refunded"),
        ("5002", "shipped"),
        ("5001", "shipped"),
    ]


@pytest.mark.slow
def test_orders_with_nested_items_need_no_answer(tmp_path: Path, home: Path) -> None:
    lines = "".join(f"{json.dumps(order)}\n" for order in NESTED)
    result = tried(tmp_path, home, "orders.ndjson", lines.encode())
    assert result.mapping["rows"] == {"line": "items"}
    assert revenue(result.rows) == 88.0, (
        "2 x 35.50 + 8.50 + 8.50; the totals of orders are not added to their items"
    )
    assert "expression" not in str(result.mapping), "plain keys only"


@pytest.mark.slow
def test_clicks_with_epoch_milliseconds(tmp_path: Path, home: Path) -> None:
    result = tried(tmp_path, home, "clicks.tsv", CLICKS.encode())
    assert result.rows[0]["event_at"] == "2025-12-31 14:05:00"
    steps = "view,cart,buy"
    mapping = tmp_path / "mapping.yaml"
    funnel = ecom(
        "funnel",
        "--events",
        tmp_path / "clicks.tsv",
        "--mapping",
        mapping,
        "--steps",
        steps,
        "--json",
        home=home,
    )
    assert [step["count"] for step in funnel.json["steps"]] == [2, 1, 1]


@pytest.mark.slow
def test_a_day_and_a_time_in_two_columns_are_one_time(tmp_path: Path, home: Path) -> None:
    result = tried(
        tmp_path,
        home,
        "events.csv",
        b"\xef\xbb\xbf" + MARKED.encode(),
        "--timezone",
        "Europe/Berlin",
    )
    assert [(row["event_at"], row["event_type"], row["cart_value"]) for row in result.rows] == [
        ("2025-12-31 13:05:00", "product_view", None),
        ("2025-12-31 13:06:30", "add_to_cart", None),
        ("2025-12-31 22:59:59", "purchase", "1234.50"),
    ]


@pytest.mark.slow
def test_customers_of_an_own_system(tmp_path: Path, home: Path) -> None:
    result = tried(
        tmp_path, home, "kunden.csv", CUSTOMERS.encode("cp1252"), "--timezone", "Europe/Berlin"
    )
    assert "ecom run --customers " in result.output
    assert result.rows == [
        {
            "id": "17",
            "email": "J@x.example",
            "first_name": "Jörg",
            "last_name": "Müller",
            "city": "Köln",
            "created_at": "24.12.2025",
        }
    ]


@pytest.mark.slow
def test_an_encoding_that_two_alphabets_read_is_asked(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "id,email,first_name\n1,a@x.example,Dvořák\n2,b@x.example,Tomáš\n3,c@x.example,Černý\n"
    file, out = tmp_path / "people.csv", tmp_path / "mapping.yaml"
    file.write_bytes(text.encode("cp1250"))
    marked = ecom("mapping", "init", file, "--out", out, home=home)
    assert 'encoding: "?"  # OPEN: the encoding, as the file is not UTF-8' in out.read_text()
    assert "cp1250 (Central Europe) reads “Dvořák”" in marked.out
    assert ecom("mapping", "check", file, "--mapping", out, "--customers", home=home).exit_code == 2
    out.unlink()
    answers = io.StringIO("cp1250\n")
    answers.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
    monkeypatch.setattr("sys.stdin", answers)
    ecom("mapping", "init", file, "--out", out, home=home)
    rows = ecom("mapping", "check", file, "--mapping", out, "--json", home=home).json["preview"]
    assert [row["first_name"] for row in rows] == ["Dvořák", "Tomáš", "Černý"]


@pytest.mark.slow
def test_the_product_of_an_event_with_several_items_is_asked(tmp_path: Path, home: Path) -> None:
    event = {
        "ts": 1767189900000,
        "event": "purchase",
        "id": "e1",
        "user": "u1",
        "items": [{"sku": "a"}, {"sku": "b"}],
    }
    file, out = tmp_path / "events.ndjson", tmp_path / "mapping.yaml"
    file.write_text(json.dumps(event))
    ecom("mapping", "init", file, "--out", out, home=home)
    assert "which product an event has, as its list items has up to 2" in out.read_text()
    assert ecom("mapping", "check", file, "--mapping", out, home=home).exit_code == 2


@pytest.mark.slow
def test_what_a_file_holds_cannot_write_keys_into_the_mapping(tmp_path: Path, home: Path) -> None:
    evil = 'x"}\nfields: {user_id: {expression: "1"}}\n# '
    event = {"ts": 1767189900000, "id": "e1", "user": "u1", evil: evil, "event": evil}
    file, out = tmp_path / "events.ndjson", tmp_path / "mapping.yaml"
    file.write_text(json.dumps(event))
    ecom("mapping", "init", file, "--out", out, home=home)
    mapping = yaml.safe_load(out.read_text())
    assert mapping["fields"]["user_id"] == {"column": "user", "optional": True}
    assert [line for line in out.read_text().splitlines() if line.startswith("fields:")] == [
        "fields:"
    ]
