"""Lists without a time are no events and no orders: what they say of products tells whether they
are prices that a shop pays, or stock, also where their columns are called as those of events.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import MappingProposal, MappingSearch
from ecom_assets.ingestion.sources.stock_reading import StockFileReading
from ecom_assets_tests.each import each

SUPPLIER: Final = (
    "Article No;Description;Net price (EUR);RRP;MOQ\n"
    "A-100;Cotton tee white;4,20;14,90;10\n"
    "A-200;Wool hat;6,75;24,90;5\n"
    "A-300;Canvas bag;3,10;12,90;20\n"
)
"""What a shop pays stands beside what its customers pay."""
PRODUCTS: Final = (
    "Handle,Title,Vendor,Product Category,Type,Published,Variant SKU,Variant Inventory Qty,"
    "Variant Price,Image Src,Cost per item,Status\n"
    "tee,Cotton tee,Acme,Apparel > Shirts,Shirts,true,A-100,12,14.90,https://cdn/x.jpg,4.20,active\n"
    "tee,,,,,,A-101,3,14.90,,,\n"
    "hat,Wool hat,Acme,Apparel > Hats,Hats,true,A-200,0,24.90,https://cdn/y.jpg,6.75,active\n"
    "tee,,,,,,,,,https://cdn/x2.jpg,,\n"
)
"""Shopify's export of products: two variants of a tee, a hat, and a further picture of the tee."""


def proposed(tmp_path: Path, text: str) -> tuple[MappingKind, MappingProposal]:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    kind = search.listed_kind
    assert kind is not None
    return kind, MappingSearch(search.paths, search.settings, kind).proposal({})


def test_a_suppliers_list_is_of_costs_where_one_price_is_below_that_of_customers(
    tmp_path: Path,
) -> None:
    kind, proposal = proposed(tmp_path, SUPPLIER)
    assert kind is MappingKind.COSTS
    assert "unit_cost_amount: named Net price (EUR), below RRP in 3 of 3 rows" in proposal.text
    assert 'unit_cost_amount: "Net price (EUR)"' in proposal.text
    assert "currency: {constant: EUR}" in proposal.text, "in a shop of dollars, it is converted"
    assert proposal.questions == ()


@pytest.mark.slow
@each(
    "head, line",
    [
        ("Article No;Price;Net price;RRP", "A-{n};9,00;4,20;14,90"),  # which of two nobody says
        ("Article No;Net price;RRP", "A-{n};14,90;4,20"),  # above what customers pay
        ("Article No;Net price;Weight", "A-{n};4,20;14,90"),  # beside no price of customers
    ],
)
def test_a_price_that_nothing_shows_to_be_a_cost_is_none(
    tmp_path: Path, head: str, line: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\n".join([head, *(line.format(n=n) for n in range(4))]), encoding="utf-8")
    assert MappingSearch([str(path)], Settings(home=tmp_path / "home")).listed_kind is None


def test_a_currency_in_the_name_of_a_cost_is_not_passed_over(tmp_path: Path) -> None:
    """Costs say theirs; a list of stock cannot, and its draft says so."""
    _, costs = proposed(tmp_path, "SKU,COGS_USD\nA-1,4.20\nA-2,5.20\n")
    assert "currency: {constant: USD}" in costs.text
    _, stock = proposed(tmp_path, "SKU,Stock,COGS_USD\nA-1,3,4.20\nA-2,7,5.20\n")
    assert "COGS_USD says USD; a list of stock has costs in the currency of the shop" in stock.text


def test_an_export_of_products_is_stock_with_its_costs_and_categories(tmp_path: Path) -> None:
    kind, proposal = proposed(tmp_path, PRODUCTS)
    assert kind is MappingKind.STOCK
    assert proposal.text.splitlines()[1] == "extends: shopify_products"
    reading = StockFileReading.open(
        [str(tmp_path / "list.csv")], "shopify_products", Settings(home=tmp_path / "home")
    )
    names: Sequence[str] = ("product_id", "product_name", "product_category", "stock_count")
    rows = {tuple(row[name] for name in names) for row in reading.preview}
    assert rows == {
        ("A-100", "Cotton tee", "Shirts", 12),
        ("A-101", "Cotton tee", "Shirts", 3),
        ("A-200", "Wool hat", "Hats", 0),
    }
    costs = {row["product_id"]: row["unit_cost_amount"] for row in reading.preview}
    assert {item: str(cost) for item, cost in costs.items() if cost} == {
        "A-100": "4.200000",
        "A-200": "6.750000",
    }
