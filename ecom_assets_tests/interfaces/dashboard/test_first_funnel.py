"""The funnel page begins with the steps of the shop's daily funnel,
unless the address has a question.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.queries import EVENTS, KnownDays
from ecom_assets.interfaces.dashboard.pages.funnel import (
    FIRST_STEPS,
    PAGE,
    fields_of_steps,
    steps_of_data,
)
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.builders import DAY_ONE, journeys
from ecom_assets_tests.platform import Platform


@pytest.fixture
def shop() -> Iterator[Platform]:
    platform = Platform(Settings(home=Path("never written")))
    yield platform
    platform.close()


def reading_of(shop: Platform, *kinds: str) -> WarehouseReading:
    """Return the reading of a shop whose only visitor did these things, one after the other."""
    rows = journeys({"anna": [(f"10:0{minute}", kind) for minute, kind in enumerate(kinds)]})
    shop.receive(rows, Days((DAY_ONE,)))
    shop.run(Days((DAY_ONE,)))
    shop.table(ConversionFunnel)
    return WarehouseReading(shop.engine, DAY_ONE, "UTC", "", {EVENTS: KnownDays(DAY_ONE, DAY_ONE)})


@pytest.mark.slow
def test_it_begins_with_the_steps_that_there_are(shop: Platform) -> None:
    reading = reading_of(shop, "product_view", "purchase")
    assert steps_of_data(reading) == {"step1": "product_view", "step2": "purchase", "step3": ""}
    filters = PAGE.asks.model_validate({})
    begun: Any = filters.begun(reading, ())
    assert [begun.step1, begun.step2, begun.step3] == ["product_view", "purchase", ""]
    asked = PAGE.asks.model_validate({"step1": "search", "step2": "purchase"})
    assert asked.begun(reading, {"step1", "step2"}) == asked


@pytest.mark.slow
def test_it_begins_with_its_own_steps_where_the_funnel_is_the_shipped_one(shop: Platform) -> None:
    reading = reading_of(shop, *FIVE_STEPS)
    assert steps_of_data(reading) == {}
    begun = PAGE.asks.model_validate({}).begun(reading, ())
    assert {**fields_of_steps(FIRST_STEPS)}.items() <= begun.model_dump().items()
