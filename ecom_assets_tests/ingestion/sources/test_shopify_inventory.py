"""What Shopify's products cost, by GraphQL: each day's costs stay when they change."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.costs import FileCosts
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import CommandResult, ecom
from ecom_assets_tests.ingestion.sources.shop_apis import ShopApi, serving
from ecom_assets_tests.ingestion.sources.shopify_graphql_api import ShopifyGraphql

MAPPING = "shopify_inventory"


def item(number: int, sku: str | None, cost: str | None, updated: str) -> Row:
    """Return an inventory item; one without an SKU is known by its variant."""
    return {
        "legacyResourceId": str(number),
        "sku": sku,
        "updatedAt": updated,
        "unitCost": cost and {"amount": cost, "currencyCode": "EUR"},
        "variant": {"legacyResourceId": str(number + 70), "displayName": f"Item {number}"},
    }


@pytest.fixture
def shop() -> Iterator[ShopApi]:
    """A hat that costs 10, a mug that costs 3 and has no SKU, a sock whose cost nobody has set, and
    250 prints, which are on two pages.
    """
    items = [
        item(1, "HAT", "10.0", "2026-09-01T10:00:00Z"),
        item(2, None, "3.0", "2026-09-03T10:00:00Z"),
        item(3, "SOCK", None, "2026-09-02T10:00:00Z"),
        *(item(100 + n, f"P{n}", "1.0", "2026-09-01T10:00:00Z") for n in range(250)),
    ]
    documents = {"inventory_items": items}
    with serving(
        ShopApi(ShopifyGraphql(), "shpat_1", documents, key_header="X-Shopify-Access-Token")
    ) as api:
        yield api


def extract(shop: ShopApi, folder: Path, day: str) -> CommandResult:
    """Run `ecom extract` on a day."""
    own = {
        "SHOPIFY_URL": shop.url,
        "SHOPIFY_CLIENT_ID": "id_1",
        "SHOPIFY_CLIENT_SECRET": "secret_1",
        "ECOM_SOURCE_RETRY_BASE_S": "0.01",
    }
    with pytest.MonkeyPatch.context() as patch:
        today = "ecom_assets.ingestion.sources.extraction.extraction.today_in"
        patch.setattr(today, lambda _timezone: date.fromisoformat(day))
        return ecom(
            "extract", MAPPING, "--to", folder, "--json", home=folder.parent / "home", env=own
        )


def costs(folder: Path) -> list[tuple[str, str, Decimal | None]]:
    """Return the day, the item and the cost of each received row but those of prints."""
    settings = Settings(
        home=folder.parent, costs=str(folder), costs_mapping=MAPPING, currency="EUR"
    )
    rows = FileCosts(connect(), settings).received(Days(())).rows.to_pyarrow().to_pylist()
    return sorted(
        (str(row["received_date"]), row["item_id"], row["unit_cost_amount"])
        for row in rows
        if not row["item_id"].startswith("P")
    )


def test_costs_land_and_those_of_earlier_days_stay(shop: ShopApi, tmp_path: Path) -> None:
    folder, items = tmp_path / "inventory", shop.documents["inventory_items"]
    result = extract(shop, folder, "2026-10-01")
    assert result.exit_code == 0, result.err
    assert result.json["landed"]["inventory_items"] == {"new": 253, "changed": 0, "removed": 0}
    assert result.json["next"] == f"ecom run --costs {folder} --costs-mapping {MAPPING}"
    assert len(shop.asked) == 2
    first = [("2026-10-01", "72", 3), ("2026-10-01", "HAT", 10), ("2026-10-01", "SOCK", None)]
    assert costs(folder) == first
    items[0] = item(1, "HAT", "12.0", "2026-10-05T07:00:00Z")
    changed = extract(shop, folder, "2026-10-05")
    assert changed.json["landed"]["inventory_items"] == {"new": 0, "changed": 1, "removed": 0}
    assert costs(folder) == [*first, ("2026-10-05", "HAT", 12)]
    # Of a day, the newest version alone.
    items[0] = item(1, "HAT", "11.5", "2026-10-05T09:00:00Z")
    extract(shop, folder, "2026-10-05")
    assert costs(folder) == [*first, ("2026-10-05", "HAT", Decimal("11.5"))]
