"""`ecom mapping init`: from a file that nobody has mapped to a mapping;
what it does not say is asked or marked.
"""

import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from ecom_assets_tests.command import CommandResult, ecom
from ecom_assets_tests.ingestion.sources import test_shop_order_documents as documents
from ecom_assets_tests.ingestion.sources.event_layouts import LAYOUTS
from ecom_assets_tests.ingestion.sources.test_shop_orders import (
    ANN,
    ANN_2,
    STRIPE_PAYMENTS,
    csv_text,
)

# Ann views, puts into the cart and buys, in a shop in Berlin; 13.07. can only be a day and a month.
CLICKS = """zeitpunkt;besucher;aktion;artikel;preis;sitzung;seite;intern
01.07.2026 12:00:00;u1;ansicht;4711;;s1;/lampen/4711;x
01.07.2026 12:00:05;u1;warenkorb;4711;1.019,90;s1;/lampen/4711;x
13.07.2026 12:01:00;u1;kauf;4711;1.019,90;s2;/kasse;x
"""
# Neither the order of day and month nor the sign of the decimals can be known, nor the zone.
OPEN = """Datum;Kunde;Aktion;Artikel;Betrag
03/04/2026 12:00;Ann@Shop.example;ansicht;4711;1.234
05/06/2026 12:01;Ann@Shop.example;kauf;4711;2.345
"""
ORDERS = """Bestellnummer,Bestelldatum,E-Mail,Artikelnummer,Menge,Einzelpreis,Status
1001,2026-03-01T10:00:00+01:00,ann@shop.example,4711,2,"1.019,90",bezahlt
1001,2026-03-01T10:00:00+01:00,ann@shop.example,4712,1,"5,00",bezahlt
1002,2026-03-02T10:00:00+01:00,bob@shop.example,4711,1,"19,90",erstattet
"""


def proposed(
    tmp_path: Path, home: Path, name: str, content: str | bytes, *arguments: str
) -> tuple[CommandResult, Path]:
    file, out = tmp_path / name, tmp_path / "mapping.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ecom("mapping", "init", file, "--out", out, *arguments, home=home), out


def checked(home: Path, file: Path, mapping: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = ecom(
        "mapping", "check", file, "--mapping", mapping, "--json", home=home
    ).json["preview"]
    return sorted(
        rows,
        key=lambda row: str(row.get("event_at") or row.get("ordered_at")) + str(row.get("item_id")),
    )


@pytest.mark.slow
def test_columns_are_known_by_name_and_formats_by_all_values(tmp_path: Path, home: Path) -> None:
    result, out = proposed(tmp_path, home, "clicks.csv", CLICKS, "--timezone", "Europe/Berlin")
    assert "Rows: 3 read, all counted" in result.out
    assert "OPEN" not in result.out + out.read_text()
    rows = checked(home, tmp_path / "clicks.csv", out)
    assert [
        (row["event_at"], row["event_type"], row["anonymous_id"], row["cart_value"]) for row in rows
    ] == [
        ("2026-07-01 10:00:00", "product_view", "u1", None),
        ("2026-07-01 10:00:05", "add_to_cart", "u1", "1019.90"),
        ("2026-07-13 10:01:00", "purchase", "u1", "1019.90"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_decided_by_mark_and_bytes(tmp_path: Path, home: Path, encoding: str) -> None:
    text = CLICKS.replace("intern", "küche").replace(";x", ";Küchenstuhl")
    result, out = proposed(tmp_path, home, "clicks.csv", text.encode(encoding), "--timezone", "UTC")
    assert "Rows: 3 read, all counted" in result.out
    assert ("encoding: cp1252" in out.read_text()) == (encoding == "cp1252")


@pytest.mark.slow
def test_what_stays_open_is_marked_and_refused_until_it_is_answered(
    tmp_path: Path, home: Path
) -> None:
    result, out = proposed(tmp_path, home, "open.csv", OPEN)
    assert "a guess for this preview only" in result.out
    assert result.out.count("OPEN in ") == 3
    refused = ecom("mapping", "check", tmp_path / "open.csv", "--mapping", out, home=home)
    assert refused.exit_code == 2
    answered = out.read_text().replace('format: "?"', 'format: "%m/%d/%Y %H:%M"')
    answered = answered.replace('timezone: "?"', "timezone: UTC").replace(
        'decimal: "?"', 'decimal: ","'
    )
    out.write_text(answered.replace('thousands: "?"', 'thousands: "."'))
    rows = checked(home, tmp_path / "open.csv", out)
    assert [(row["event_at"], row["user_id"], row["cart_value"]) for row in rows] == [
        ("2026-03-04 12:00:00", "ann@shop.example", "1234"),
        ("2026-05-06 12:01:00", "ann@shop.example", "2345"),
    ]


@pytest.mark.slow
def test_three_answers_in_a_terminal_suffice(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = io.StringIO("%d/%m/%Y %H:%M\nEurope/Berlin\nboth\n.\n")
    answers.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
    monkeypatch.setattr("sys.stdin", answers)
    result, out = proposed(tmp_path, home, "open.csv", OPEN)
    assert "'both' is none of ., ,." in result.err
    assert "OPEN" not in out.read_text()
    rows = checked(home, tmp_path / "open.csv", out)
    assert [(row["event_at"], row["cart_value"]) for row in rows] == [
        ("2026-04-03 10:00:00", "1.234"),
        ("2026-06-05 10:01:00", "2.345"),
    ]


@pytest.mark.slow
def test_order_lines_are_known_by_quantity_and_price(tmp_path: Path, home: Path) -> None:
    result, out = proposed(tmp_path, home, "orders.csv", ORDERS)
    assert "--orders-mapping" in result.out
    rows = checked(home, tmp_path / "orders.csv", out)
    amounts = [
        (row["ordered_at"], row["item_id"], float(row["received_payment_amount"]), row["status"])
        for row in rows
    ]
    # The only line of the order that was paid back has its last state: it was sold before, too.
    assert sorted(amounts) == [
        ("2026-03-01 09:00:00", "4711", 2039.8, "shipped"),
        ("2026-03-01 09:00:00", "4712", 5.0, "shipped"),
        ("2026-03-02 09:00:00", "4711", 19.9, "refunded"),
        ("2026-03-02 09:00:00", "4711", 19.9, "shipped"),
    ]


@pytest.mark.slow
def test_values_in_nested_json_are_found_by_their_last_name(tmp_path: Path, home: Path) -> None:
    lines = (
        '{"ts": 1772445600, "what": "add_to_cart", "ctx": {"user": {"email": "A@x.de"}}, "data": '
        '{"sku": "l"}}\n'
        '{"ts": 1772445700, "what": "Order Completed", "ctx": {}, "data": {"sku": "l", "price": '
        "3.5}}\n"
    )
    _, out = proposed(tmp_path, home, "log.ndjson", lines)
    first, second = checked(home, tmp_path / "log.ndjson", out)
    assert (first["event_at"], first["user_id"], first["product_id"]) == (
        "2026-03-02 10:00:00",
        "a@x.de",
        "l",
    )
    assert (second["event_type"], second["cart_value"]) == ("purchase", "3.5")


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, home: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("mine")
    result, out = proposed(tmp_path, home, "clicks.csv", CLICKS)
    assert result.exit_code == 2
    assert out.read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_shipped_mapping_of_an_export_is_recognized(
    name: str, tmp_path: Path, home: Path
) -> None:
    layout, folder, out = LAYOUTS[name], tmp_path / "export", tmp_path / "mapping.yaml"
    folder.mkdir()
    result = ecom("mapping", "init", layout.write(folder), "--out", out, home=home)
    assert yaml.safe_load(out.read_text())["extends"] == layout.mapping
    assert re.search(
        rf"^{layout.mapping} fits best: it knows .* (is|are) clean\.$", result.out, re.MULTILINE
    )
    # No number betrays the zone of an older Mixpanel project.
    assert ("project's zone" in result.out) == (layout.mapping == "mixpanel")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "document"),
    [
        # None has everything that the mapping knows: here no order came back.
        ("woocommerce", [documents.WOO_ORDER | {"refunds": []}]),
        ("shopify_admin", {"orders": [documents.SHOPIFY_ORDER | {"refunds": []}]}),
        ("magento", {"items": [documents.MAGENTO_ORDER]}),
        ("prestashop", {"orders": [documents.PRESTA_ORDER]}),
        ("stripe", {"data": [documents.CHARGE]}),
        ("stripe_payments", STRIPE_PAYMENTS),  # the time is in one of two columns
    ],
)
def test_orders_of_a_shop_are_recognized(
    name: str, document: object, tmp_path: Path, home: Path
) -> None:
    file = tmp_path / ("orders.csv" if isinstance(document, str) else "orders.json")
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    result = ecom("mapping", "init", file, "--out", tmp_path / "own.yaml", home=home)
    assert result.out.startswith(f"{name} fits best"), result.out


@pytest.mark.slow
def test_an_export_that_a_spreadsheet_has_saved_is_recognized(tmp_path: Path, home: Path) -> None:
    """Shopify's file of orders with semicolons, in Windows-1252."""
    lines = csv_text([ANN | {"Billing Name": "Jörg Ames"}, ANN_2]).replace(",", ";")
    file, out = tmp_path / "orders.csv", tmp_path / "own.yaml"
    file.write_bytes(lines.encode("cp1252"))
    assert ecom("mapping", "init", file, "--out", out, home=home).out.startswith(
        "shopify fits best"
    )
    assert yaml.safe_load(out.read_text()) == {"extends": "shopify", "delimiter": ";"}
    amounts = {row["item_id"]: row["received_payment_amount"] for row in checked(home, file, out)}
    # 52.00 less a discount of 5.00, which falls on 32.00 and 20.00.
    assert {name: Decimal(amount) for name, amount in amounts.items()} == {
        "FERN": Decimal("28.92"),
        "TOTE": Decimal("18.08"),
    }


@pytest.mark.slow
def test_times_of_an_older_mixpanel_project_are_read_in_its_zone(
    tmp_path: Path, home: Path
) -> None:
    out = tmp_path / "mapping.yaml"
    file = LAYOUTS["mixpanel"].write(tmp_path)
    ecom("mapping", "init", file, "--out", out, "--timezone", "Europe/Berlin", home=home)
    rows = ecom("mapping", "check", file, "--mapping", out, "--json", home=home).json["preview"]
    # 10:00 on the clock of Berlin in winter is 09:00 UTC.
    assert min(row["event_at"] for row in rows) == "2026-03-02 09:00:00"
