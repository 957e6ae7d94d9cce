"""What files of costs say: their layouts, currencies and packs, and the day of their arrival."""

import os
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.costs import FileCosts, has_costs
from ecom_assets.orchestration.sandbox import SandboxCosts
from ecom_assets_tests.builders import Row

D = Decimal
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp()


def read(path: Path, content: str, mapping: str = "costs", **settings: Any) -> list[Row]:
    """Return the received rows of a file that was written at noon of 10 June 2026."""
    path.write_text(content)
    os.utime(path, (NOON, NOON))
    own: dict[str, Any] = {"home": path.parent / "home", "orders": "orders.csv", **settings}
    where = Settings(costs=str(path), costs_mapping=mapping, **own)
    output = FileCosts(connect(), where).received(Days(()))
    assert [str(day) for day in output.days.dates] == ["2026-06-10"]
    rows: list[Row] = output.rows.order_by("item_id").to_pyarrow().to_pylist()
    return rows


def costs(rows: list[Row]) -> dict[str, Decimal | None]:
    return {row["item_id"]: row["unit_cost_amount"] for row in rows}


def test_the_native_layout_has_days_of_the_shop(tmp_path: Path) -> None:
    (row,) = read(
        tmp_path / "costs.csv",
        "item_id,unit_cost_amount,valid_from_date,valid_until_date\n007,12.0278,2026-01-01,"
        "2026-05-31\n",
        timezone="Europe/Berlin",
    )
    assert (row["item_id"], row["unit_cost_amount"]) == ("007", D("12.0278"))
    assert (str(row["valid_from_date"]), str(row["valid_until_date"])) == (
        "2026-01-01",
        "2026-05-31",
    )


def test_a_cost_of_a_pack_is_one_of_a_piece(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "costs.csv",
        "item_id,unit_cost_amount,piece_count\nhat,30,12\nnail,0.005,\nsock,5,0\nbox,5,many\n",
    )
    assert costs(rows) == {"hat": D("2.5"), "nail": D("0.005"), "sock": None, "box": None}


def test_a_cost_in_another_currency_is_converted_or_refused(tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("date,currency,rate\n2026-01-01,USD,0.8\n2026-06-01,USD,0.9\n")
    content = (
        "item_id,unit_cost_amount,currency,valid_from_date\nhat,10,USD,2026-05-31\n"
        "cap,10,usd,2026-06-01\nbag,10,GBP,2026-06-01\nsock,4,,2026-01-01\n"
    )
    rows = read(tmp_path / "costs.csv", content, currency="EUR", rates=rates)
    assert costs(rows) == {"hat": D(8), "cap": D(9), "bag": None, "sock": D(4)}
    assert [row["item_id"] for row in rows if row["unrated_currency"]] == ["bag"]
    without = costs(read(tmp_path / "costs.csv", content, currency="EUR"))
    assert without == {"hat": None, "cap": None, "bag": None, "sock": D(4)}
    with pytest.raises(SourceError, match=r"The costs have amounts in .* which cannot be added up"):
        read(tmp_path / "costs.csv", content)


def test_a_cost_that_is_too_large_is_not_known(tmp_path: Path) -> None:
    """A cost has at most twelve digits before the point, whatever it is converted to."""
    rates = tmp_path / "rates.csv"
    rates.write_text("date,currency,rate\n2026-01-01,USD,1600000\n")
    content = (
        "item_id,unit_cost_amount,piece_count,currency,valid_from_date\n"
        "hat,999999999999.99,,,2026-01-01\ncap,1000000000000,,,2026-01-01\n"
        "bag,99999999999999.99,,,2026-01-01\nsock,1e20,,,2026-01-01\n"
        "box,1,1e20,,2026-01-01\njar,9e11,0.5,,2026-01-01\nmug,600000,,USD,2026-01-01\npen,1000000,,USD,2026-01-01\n"
    )
    assert costs(read(tmp_path / "costs.csv", content, currency="IRR", rates=rates)) == {
        "hat": D("999999999999.99"),
        "mug": D(960_000_000_000),
        **dict.fromkeys(("cap", "bag", "sock", "box", "jar", "pen")),
    }


@pytest.mark.parametrize("day", ["46023", "46023.5", "46023,75"])
def test_days_that_a_spreadsheet_counts_are_refused_with_what_they_are(
    tmp_path: Path, day: str
) -> None:
    """46023 is 2026-01-01 in a spreadsheet; no date is guessed from it."""
    content = f'item_id,unit_cost_amount,valid_from_date,valid_until_date\nhat,1,"{day}",\n'
    expected = (
        f"column 'valid_from_date' of costs.csv holds numbers like {day}, but valid_from_date "
        "expects dates; it looks like a spreadsheet's count of days"
    )
    with pytest.raises(MappingError, match=re.escape(expected)):
        read(tmp_path / "costs.csv", content)


def test_a_misspelt_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="unknown column 'valid_from'"):
        read(tmp_path / "costs.csv", "item_id,unit_cost_amount,valid_from\nhat,1,2026-01-01\n")
    with pytest.raises(MappingError, match="no column 'unit_cost_amount'"):
        read(tmp_path / "costs.csv", "item_id,cost\nhat,1\n")


def test_an_unknown_layout_is_refused_with_where_to_begin(tmp_path: Path) -> None:
    """`ecom mapping init` makes none for costs."""
    with pytest.raises(
        MappingError, match="let `ecom mapping init --costs` write a mapping for it"
    ):
        read(tmp_path / "costs.csv", "SKU,Cost\nhat,1\n")


INVENTORY = """{"data": {"inventoryItems": {"nodes": [
{"sku": "hat", "unitCost": {"amount": "12.5", "currencyCode": "EUR"}},
{"sku": "sock", "unitCost": null}]}}}"""
PRODUCTS = """Handle,Title,Variant SKU,Cost per item,Image Src
hat,Hat,hat,12.5,a.png
sock,Sock,sock,,
"""
OWN_COSTS = """[{"id": 1, "sku": "hat", "cost_of_goods_sold": {"total_value": 12.5}},
{"id": 2, "sku": "sock", "cost_of_goods_sold": {"total_value": 0}}]"""
WHOLESALE = """{"products": [{"id": "hat", "wholesale_price": "12.500000"},
{"id": "sock", "wholesale_price": "0.000000"}]}"""
VARIANTS = """{"data": [{"id": 1, "sku": "hat", "cost_price": 12.5},
{"id": 2, "sku": "sock", "cost_price": 0}]}"""


@pytest.mark.parametrize(
    ("mapping", "name", "content"),
    [
        ("shopify", "products.csv", PRODUCTS),
        ("shopify_inventory", "inventory.json", INVENTORY),
        ("woocommerce", "products.json", OWN_COSTS),
        ("magento", "products.csv", "sku,name,cost\nhat,Hat,12.5\nsock,Sock,0\n"),
        ("prestashop", "products.json", WHOLESALE),
        ("bigcommerce", "variants.json", VARIANTS),
    ],
)
def test_a_default_of_a_platform_is_no_cost(
    tmp_path: Path, mapping: str, name: str, content: str
) -> None:
    rows = read(tmp_path / name, content, mapping)
    assert costs(rows) == {"hat": D("12.5"), "sock": None}
    assert {row["received_valid_from_date"] for row in rows} == {None}


def test_further_pictures_of_a_product_are_no_variants(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "products.csv",
        "Handle,Title,Variant SKU,Cost per item,Image Src\nhat,Hat,hat,12.5,a.png\nhat,,,,b.png\n",
        "shopify",
    )
    assert [row["left_out"] for row in rows if row["item_id"] is None] == ["no_variant"]


def test_the_simulated_shop_s_costs_are_the_source_where_no_data_are_the_shop_s_own(
    tmp_path: Path,
) -> None:
    """A shop of an earlier version has no costs, and own data have those that are set only."""
    sandbox, own = Settings(home=tmp_path), Settings(home=tmp_path, orders="orders.csv")
    assert [has_costs(settings) for settings in (sandbox, own)] == [True, False]
    sandbox.sandbox_folder.mkdir()
    (sandbox.sandbox_folder / "truth.json").write_text("{}")
    assert not has_costs(sandbox)
    (sandbox.sandbox_folder / "costs.csv").write_text("item_id,unit_cost_amount,valid_from_date\n")
    assert [has_costs(settings) for settings in (sandbox, own)] == [True, False]


def test_each_cost_of_the_simulated_shop_arrives_on_its_first_day(tmp_path: Path) -> None:
    """Whenever the file was written: so runs on any days end alike."""
    settings = Settings(home=tmp_path)
    settings.sandbox_folder.mkdir()
    rows = "hat,10,2026-05-01\nhat,12,2026-06-01\n"
    (settings.sandbox_folder / "costs.csv").write_text(
        f"item_id,unit_cost_amount,valid_from_date\n{rows}"
    )
    output = SandboxCosts(settings, lambda _settings: None, connect()).received(Days(()))
    assert [str(day) for day in output.days.dates] == ["2026-05-01", "2026-06-01"]
    received = output.rows.order_by("received_date").to_pyarrow().to_pylist()
    assert [row["received_date"] for row in received] == [*output.days.dates]
    assert {(row["source"], row["source_file"]) for row in received} == {("sandbox", "costs.csv")}
