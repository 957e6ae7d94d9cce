"""`docs/sample_output.json` is what `customers.json` looks like: five customers,
as the platform writes them.

`python -m ecom_assets_tests.outputs.delivery.test_sample_output` writes it again.
"""

import json
from datetime import date, datetime
from pathlib import Path

from ecom_assets.commerce.customers.contracts import Customers
from ecom_assets.core.tables.days import Days
from ecom_assets.ingestion.sources.files.places import market_segments
from ecom_assets.outputs.delivery.customers_file import FileLayout, write_customers
from ecom_assets_tests.builders import at
from ecom_assets_tests.commerce.customers.customer_stories import PERFECT, visits
from ecom_assets_tests.platform import Platform

SAMPLE = Path(__file__).parents[3] / "docs" / "sample_output.json"
DAY = date(2026, 3, 10)
RECEIVED = [
    PERFECT | {"first_name": "Zoë", "last_name": "Ångström", "email": "zoe@shop.example"},
    PERFECT
    | {
        "id": "0b7c1f6e-1",
        "first_name": "ann",
        "last_name": "Lee",
        "country": "US",
        "region": "WA",
        "city": "",
    },
    PERFECT
    | {
        "id": 12,
        "first_name": "Ann",
        "last_name": "Lee",
        "city": "Paris",
        "country": "France",
        "engagement_score": 72.5,
    },
    PERFECT
    | {
        "id": 9,
        "first_name": "Ann",
        "last_name": "Lee",
        "email": "ann(at)shop.example",
        "city": "Tokyo",
        "country": "JP",
    },
    PERFECT
    | {"id": 8, "first_name": None, "last_name": " ", "last_login_at": "2999-01-01T00:00:00Z"},
]


def write_sample(path: Path) -> None:
    """Let customer 7 buy something on two visits, fetch all five on the same day,
    and write them.
    """
    shop = Platform()
    spent = {"event_type": "purchase", "cart_amount": 120}
    visits(shop, (at("09:00", DAY), {}), (at("12:00", DAY), {}), (at("12:01", DAY), spent))
    shop.receive_customers(RECEIVED, DAY)
    shop.run(Days((DAY,)), only=["customers"])
    layout = FileLayout(market_segments().names)
    write_customers(shop.table(Customers), path, datetime(2026, 3, 11, 6), layout)  # noqa: DTZ001 (instants are UTC)
    shop.close()


def test_the_sample_is_what_the_platform_writes(tmp_path: Path) -> None:
    write_sample(tmp_path / "customers.json")
    assert (tmp_path / "customers.json").read_text() == SAMPLE.read_text(), (
        "see this file's first lines"
    )


def test_the_sample_shows_numbers_texts_order_and_no_address() -> None:
    sample = json.loads(SAMPLE.read_text())
    assert [customer["customer_id"] for customer in sample["customers"]] == [
        9,
        12,
        "0b7c1f6e-1",
        7,
        8,
    ]
    assert sample["metadata"]["total_customers"] == 5
    assert not any("email" in customer for customer in sample["customers"])
    assert {customer["engagement_source"] for customer in sample["customers"]} == {
        "sessions",
        "api",
        None,
    }
    assert {customer["market_segment"] for customer in sample["customers"]} == {
        "US-West",
        "EU-Central",
        "APAC",
    }


if __name__ == "__main__":
    write_sample(SAMPLE)
    for extra in SAMPLE.parent.glob("sample_output_summary.*"):
        extra.unlink()
