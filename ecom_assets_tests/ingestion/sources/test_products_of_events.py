"""By what the records of each tool name a product (id, SKU, or name alone), and an order."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import ibis
import pytest

from ecom_assets.behaviour.events.same_order import order_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources.event_layouts import LAYOUTS
from ecom_assets_tests.ingestion.sources.test_campaigns import (
    Record,
    amplitude,
    call,
    ga4,
    matomo,
    mixpanel,
    posthog,
)

NAMED: Final = {"name": "Sun Hat", "category": "Hats"}
OF_GOOGLE: Final = {"item_name": "Sun Hat", "item_category": "Hats"}
"""A product of the list `items` of Google's data layer."""
LISTS: Final[tuple[tuple[Record, str], ...]] = (
    ({"products": [{**NAMED, "sku": "H-1", "product_id": "7"}]}, "7"),
    ({"products": [{**NAMED, "sku": "H-1"}]}, "H-1"),
    ({"products": [{**NAMED, "id": "h1"}]}, "h1"),
    ({"products": [NAMED]}, "Sun Hat"),
    ({"items": [{**OF_GOOGLE, "item_id": "H-1"}]}, "H-1"),
    ({"items": [OF_GOOGLE]}, "Sun Hat"),
)
"""The properties of events, and the product that they are about."""


def products(tmp_path: Path, mapping: str, *records: Record) -> list[tuple[Any, Any]]:
    """Return product and category of each event, by time."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    settings = Settings(events_mapping=mapping, home=tmp_path / "home")
    rows = FileEvents.open([str(path)], settings).clean()
    shown = rows.select("event_at", "product_id", "product_category").order_by(ibis._.event_at)
    return [(row["product_id"], row["product_category"]) for row in rows_of(shown)]


def at(minute: int) -> str:
    return f"2026-03-02T09:0{minute}:00.000Z"


def segment(number: int, own: Record) -> Record:
    return call(messageId=f"m{number}", properties=own, timestamp=at(number))


RECORDS: Final[Mapping[str, Callable[[int, Record], Record]]] = {
    "segment": segment,
    "rudderstack": segment,
    "posthog": lambda number, own: posthog(number, 2, **own),
    "mixpanel": lambda number, own: mixpanel(number, "https://shop.example/", **own),
    "amplitude": lambda number, own: amplitude(number, event_properties=own),
}
"""A record of each tool with a number and properties."""


@pytest.mark.slow
@pytest.mark.parametrize("mapping", RECORDS)
def test_a_product_of_a_list_has_its_id_its_sku_or_its_name(mapping: str, tmp_path: Path) -> None:
    records = [RECORDS[mapping](number, own) for number, (own, _) in enumerate(LISTS, 1)]
    assert products(tmp_path, mapping, *records) == [(product, "Hats") for _, product in LISTS]


@pytest.mark.slow
def test_warehouse_tables_keep_the_list_as_text(tmp_path: Path) -> None:
    rows = [
        {
            "id": str(number),
            "anonymous_id": "d1",
            "timestamp": at(number),
            "event": "order_completed",
            "products": json.dumps(own["products"]),
        }
        for number, (own, _) in enumerate(LISTS[:4], 1)
    ]
    assert products(tmp_path, "segment_tables", *rows) == [
        (product, "Hats") for _, product in LISTS[:4]
    ]


def test_an_item_of_ga4_may_have_a_name_in_place_of_an_id(tmp_path: Path) -> None:
    """One of both is required; the export writes `(not set)` for an id that was not sent."""
    ids: tuple[Record, ...] = ({"item_id": "H-1"}, {"item_id": "(not set)"}, {"item_id": ""}, {})
    hits = [
        ga4(minute, event_name="view_item", items=[{**OF_GOOGLE, **own}])
        for minute, own in enumerate(ids)
    ]
    unnamed = ga4(9, event_name="view_item", items=[{"item_id": "(not set)"}])
    assert products(tmp_path, "ga4_export", *hits, unnamed) == [
        ("H-1", "Hats"),
        *[("Sun Hat", "Hats")] * 3,
        (None, None),
    ]


@pytest.mark.slow
def test_a_page_of_matomo_about_a_named_product_is_a_view_of_it(tmp_path: Path) -> None:
    action = {"type": "action", "url": "https://shop.example/", "timestamp": 1_772_442_000}
    viewed = {**action, "productViewName": "Sun Hat", "productViewCategories": ["Hats"]}
    bought = {
        **action,
        "type": "ecommerceOrder",
        "timestamp": 1_772_442_060,
        "orderId": "o1",
        "itemDetails": [{"itemName": "Sun Hat", "itemCategory": "Hats"}],
    }
    visit = matomo(0, actionDetails=[viewed, bought])
    assert products(tmp_path, "matomo", visit) == [("Sun Hat", "Hats")] * 2


@pytest.mark.slow
@each("name", ["matomo", "mparticle", "shopify pixel"])
def test_a_purchase_names_its_order_in_its_tools_own_place(name: str, tmp_path: Path) -> None:
    layout, folder = LAYOUTS[name], tmp_path / name
    folder.mkdir()
    settings = Settings(events_mapping=layout.mapping, home=folder / "home")
    rows = FileEvents.open([str(layout.write(folder))], settings).clean()
    sold = rows.filter(rows.event_type == "purchase")
    assert [row["number"] for row in rows_of(sold.select(number=order_of(sold)))] == ["o-1"]
