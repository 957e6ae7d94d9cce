"""Current customers by tier, engagement, market and data quality:
what an answer says of null and of no customers.
"""

from dataclasses import replace
from typing import Any

import pytest

from ecom_assets.commerce.attribution.contracts import Conversions, Touches
from ecom_assets.commerce.customers.contracts import CustomerProfiles
from ecom_assets.commerce.customers.queries import customer_profiles
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.queries import KnownDays, NoSourceError
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.builders import DAY_ONE, as_table
from ecom_assets_tests.commerce.customers.customer_stories import (
    NEXT_DAY,
    PERFECT,
    ordered_and_visited,
    shop_with,
)
from ecom_assets_tests.platform import Platform


def counted(shop: Platform, dimension: str) -> dict[str, Any]:
    shop.run(Days((DAY_ONE, NEXT_DAY)), only=["customers", "customer_profiles"])
    answer = customer_profiles(WarehouseReading(shop.engine, NEXT_DAY), dimension)
    return {
        row["value"]: (row["customer_count"], row["customer_share"]) for row in answer["profiles"]
    }


def test_where_no_customer_was_fetched_the_answer_says_what_to_set() -> None:
    with shop_with() as shop:
        shop.engine.ensure(CustomerProfiles)
        with pytest.raises(NoSourceError, match="set ECOM_CUSTOMER_API_URL, and run `ecom run`"):
            customer_profiles(WarehouseReading(shop.engine, DAY_ONE))


def test_a_shop_without_orders_and_events_knows_no_tier_and_known_tiers_are_zero() -> None:
    with shop_with() as shop:
        shop.receive_customers([PERFECT, PERFECT | {"id": 8}], DAY_ONE)
        assert counted(shop, "customer_tier") == {
            "basic": (0, 0.0),
            "premium": (0, 0.0),
            "enterprise": (0, 0.0),
            "unknown": (2, 1.0),
        }


def test_levels_of_engagement_say_of_how_many_orders_visits_are_known() -> None:
    """Of 19.00 of 100.00, so that nobody knows whether Ben, without a known visit, comes at all."""
    bought, touches = ordered_and_visited(19)
    with shop_with() as shop:
        for contract, rows in ((Conversions, bought), (Touches, touches)):
            shop.engine.con.con.register("told", as_table(rows, contract))
            shop.engine.replace(contract, shop.engine.con.table("told"), None)
        shop.receive_customers([PERFECT | {"id": "ben"}], DAY_ONE)
        shop.run(Days((DAY_ONE,)), only=["customers", "customer_profiles"])
        known = {"events": KnownDays(touches[0]["started_date"], DAY_ONE)}
        reading = replace(WarehouseReading(shop.engine, DAY_ONE), known=known)
        level, tier = (customer_profiles(reading, n) for n in ("engagement_level", "customer_tier"))
    assert (level["visit_coverage_rate"], tier["visit_coverage_rate"]) == (0.19, None)


@pytest.mark.slow
def test_a_customer_who_moves_counts_once_where_they_live_now() -> None:
    with shop_with() as shop:
        shop.receive_customers([PERFECT, PERFECT | {"id": 8}], DAY_ONE)
        shop.receive_customers([PERFECT | {"city": "Tokyo", "country": "JP"}], NEXT_DAY)
        assert counted(shop, "market_segment") == {"APAC": (1, 0.5), "EU-Central": (1, 0.5)}
