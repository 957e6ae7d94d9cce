"""`ecom mapping` for files of costs: how they are read, and a mapping that is written for them."""

from pathlib import Path

import pytest
import yaml

from ecom_assets.ingestion.sources.proposal.questions import KEYS, LABELS
from ecom_assets_tests.command import ecom

PURCHASES = """Artikelnummer;Bezeichnung;EK-Preis;Gültig ab;Lieferant
4711;Hut;"1.234,50";01.02.2026;A
4712;Socke;2,10;15.02.2026;A
4713;Schal;;15.02.2026;B
4714;Mütze;-3,00;15.02.2026;B
"""
PRODUCTS = """Handle,Title,Variant SKU,Cost per item,Variant Price
hat,Hat,HAT-1,10.00,20
sock,Sock,SOCK-1,,5
scarf,Scarf,SCARF-1,,25
"""


@pytest.fixture
def purchases(tmp_path: Path) -> Path:
    """A list of purchase prices in German, of which no shipped mapping knows."""
    file = tmp_path / "einkauf.csv"
    file.write_text(PURCHASES)
    return file


def test_a_mapping_of_costs_is_written_and_reads_the_file(
    purchases: Path, home: Path, tmp_path: Path
) -> None:
    written = tmp_path / "costs.yaml"
    result = ecom("mapping", "init", purchases, "--costs", "--out", written, home=home)
    assert result.exit_code == 0, result.err
    assert f"ecom run --costs {purchases} --costs-mapping {written}" in result.out
    mapping = yaml.safe_load(written.read_text())
    assert mapping["fields"]["unit_cost_amount"] == "EK-Preis"
    assert mapping["fields"]["valid_from_date"]["format"] == "%d.%m.%Y"
    read = ecom("mapping", "check", purchases, "--mapping", written, "--json", home=home).json
    assert read["rows"] == {
        "read": 4,
        "counted": 2,
        "rejected": {"missing_cost": 1, "negative_cost": 1},
    }
    assert [(row["item_id"], row["unit_cost_amount"]) for row in read["preview"][:2]] == [
        ("4711", "1234.500000"),
        ("4712", "2.100000"),
    ]
    assert [reason["meaning"] for reason in read["not_clean"]] == [
        "Rows without a cost",
        "Rows with a cost below zero",
    ]


@pytest.mark.slow
def test_a_list_of_stock_is_recognised_and_goes_on_to_init(home: Path, tmp_path: Path) -> None:
    stock, written = tmp_path / "bestand.csv", tmp_path / "stock.yaml"
    stock.write_text("SKU;Produkt;Bestand\nL1;Lampe;4\nS1;Schirm;7\nL1;Lampe;6\n")
    result = ecom("mapping", "init", stock, "--out", written, home=home)
    assert result.exit_code == 0, result.err
    assert f"Next: ecom init loads {stock}" in result.out
    assert "--stock" not in result.out, "no setting takes a mapping of stock"
    read = ecom("mapping", "check", stock, "--mapping", written, "--json", home=home).json
    assert read["rows"]["read"] == 3
    assert read["rows"]["counted"] == 2, "of L1 the later line"
    assert [row["product_id"] for row in read["preview"]] == ["L1", "S1", "L1"]


def test_a_cost_of_an_unknown_name_is_asked(home: Path, tmp_path: Path) -> None:
    prices, written = tmp_path / "prices.csv", tmp_path / "costs.yaml"
    prices.write_text("sku,start_date,was_uns_das_kostet,list_price\nHAT,2026-02-01,10.00,20.00\n")
    result = ecom("mapping", "init", prices, "--costs", "--out", written, home=home)
    assert "OPEN in" in result.out + result.err
    assert "the column that says what one piece costs" in result.out + result.err
    assert set(KEYS) <= set(LABELS)  # whatever is asked has a label


def test_a_list_of_products_in_which_few_have_a_cost_is_read_by_its_shipped_mapping(
    home: Path, tmp_path: Path
) -> None:
    products, written = tmp_path / "products.csv", tmp_path / "costs.yaml"
    products.write_text(PRODUCTS)
    result = ecom("mapping", "init", products, "--costs", "--out", written, home=home)
    assert result.exit_code == 0, result.err
    assert yaml.safe_load(written.read_text()) == {"extends": "shopify"}
    assert "shopify fits best: it knows Cost per item" in result.out


def test_a_mapping_that_orders_have_too_is_checked_as_one_of_costs_where_asked(
    home: Path, tmp_path: Path
) -> None:
    products = tmp_path / "products.csv"
    products.write_text(PRODUCTS)
    read = ecom("mapping", "check", products, "--mapping", "shopify", "--costs", home=home)
    assert "Rows: 3 read, 1 counted; not counted: missing_cost 2" in read.out
    assert "First rows by item" in read.out


def test_a_file_without_costs_is_refused_with_the_way_to_a_mapping(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "lines.csv"
    file.write_text("colour,size\nred,4\nblue,5\n")
    checked = ecom("mapping", "check", file, "--mapping", "costs", home=home)
    assert checked.exit_code == 2
    assert "let `ecom mapping init --costs` write a mapping for it" in checked.sentence
