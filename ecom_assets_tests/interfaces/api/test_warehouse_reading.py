"""The same question has the same answer from the open warehouse,
from its snapshot and from Postgres.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import Any

import pytest

from ecom_assets.behaviour.funnels.queries import daily_funnels, final_carts
from ecom_assets.behaviour.journeys.queries import journey_totals, search_totals
from ecom_assets.behaviour.retention.queries import retention_totals
from ecom_assets.behaviour.sessions.queries import engagement, sessions_of
from ecom_assets.commerce.attribution.queries import channels_by_model
from ecom_assets.commerce.conversion.queries import conversion
from ecom_assets.commerce.customers.contracts import CustomerSegments
from ecom_assets.commerce.customers.queries import (
    customer_profiles,
    customers,
    expected_value,
    segment_totals,
)
from ecom_assets.commerce.products.queries import top_products
from ecom_assets.commerce.reconciliation.queries import difference_totals
from ecom_assets.commerce.sales.queries import (
    by_channel,
    geography,
    newest_customer_week,
    sales,
    sales_totals,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import Page, Period, Reading
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.orchestration.registry import MARTS
from ecom_assets.orchestration.rules import order_rule
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.postgres import publish
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.each import each

Question = Callable[[Reading, Period], Any]
LONG_AGO = date(2000, 1, 1)
OF_BOTH: dict[str, Question] = {
    "sales": sales,
    "channels": lambda reading, period: by_channel(reading, period, "markov"),
    "countries": lambda reading, period: geography(reading, period, "country"),
    "customers": customers,
    "customer profiles": lambda reading, _: customer_profiles(reading),
    "conversion": lambda reading, period: conversion(reading, period, None, "session", "device"),
    "engagement": lambda reading, period: engagement(reading, period, Page(50)),
    "top products": lambda reading, period: top_products(reading, period, "revenue", None, Page(5)),
}
OF_THE_SUMMARY: dict[str, Question] = {
    "sessions": sessions_of,
    "sales": lambda reading, period: sales_totals(reading, period, "orders"),
    "sales of purchases": lambda reading, period: sales_totals(reading, period, "purchase_events"),
    "customers of a week": newest_customer_week,
    "channels": lambda reading, period: channels_by_model(reading, period, "order"),
    "funnels": daily_funnels,
    "carts": final_carts,
    "retention": lambda reading, _: retention_totals(reading),
    "journeys": lambda reading, period: journey_totals(reading, period, 3),
    "searches": search_totals,
    "segments": lambda reading, _: segment_totals(reading.table(CustomerSegments), reading.state),
    "value": lambda reading, _: expected_value(reading),
    "differences": difference_totals,
}


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[WarehouseReading]:
    """The warehouse of the small shop, read only."""
    with closing(new_engine(settings, read_only=True).open()) as engine:
        yield WarehouseReading.from_engine(engine, settings, order_rule(settings), LONG_AGO)


@pytest.fixture(scope="module")
def marts_in_postgres(settings: Settings, postgres_warehouse: str) -> Settings:
    """Settings of a Postgres that has every mart."""
    postgres_settings = settings.model_copy(
        update={"postgres_url": type(settings.postgres_url)(postgres_warehouse)}
    )
    with (
        closing(new_engine(settings).open()) as engine,
        closing(publication_target(postgres_settings).open()) as target,
    ):
        publish(engine, target, MARTS, "run-1")
    return postgres_settings


def last_week(reading: Reading) -> Period:
    week = Period.from_range(reading.newest_date, "week")
    return Period("custom", week.start_date, week.end_date, {"orders": reading.known["orders"]})


def test_the_warehouse_knows_the_days_that_its_snapshot_noted(
    settings: Settings, warehouse: WarehouseReading
) -> None:
    with closing(open_store(settings)) as store, store.reading() as published:
        assert warehouse.newest_date == published.newest_date
        assert warehouse.known == published.known


@each("name", OF_BOTH)
def test_the_open_warehouse_answers_as_its_snapshot(
    settings: Settings, warehouse: WarehouseReading, name: str
) -> None:
    with closing(open_store(settings)) as store, store.reading() as published:
        expected = OF_BOTH[name](published, last_week(published))
    assert OF_BOTH[name](warehouse, last_week(warehouse)) == expected


@each("name", OF_THE_SUMMARY)
def test_the_summary_is_equal_in_postgres(
    marts_in_postgres: Settings, warehouse: WarehouseReading, name: str
) -> None:
    period = last_week(warehouse)
    expected = OF_THE_SUMMARY[name](warehouse, period)
    with closing(publication_target(marts_in_postgres).open()) as engine:
        postgres_reading = WarehouseReading(engine, warehouse.newest_date, known=warehouse.known)
        assert OF_THE_SUMMARY[name](postgres_reading, period) == expected
