"""A shop that gave nothing, or not all sources: answers say so,
and do not show zeros that look like bad business.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from fastapi import FastAPI

from ecom_assets.commerce.conversion.queries import conversion
from ecom_assets.commerce.customers.queries import customers, segments
from ecom_assets.commerce.products.queries import inventory_alerts, top_products
from ecom_assets.commerce.sales.queries import by_channel, geography, revenue_trend, sales
from ecom_assets.core.tables.queries import NoOrdersError, NoSourceError, Page, Period
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.interfaces.api.problems import handle_errors
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.interfaces.api.conftest import served

NEWEST = date(2026, 3, 1)
MONTH = Period.from_range(NEWEST)


@pytest.fixture
def shop() -> WarehouseReading:
    engine = DuckDBEngine(Path("memory"))
    engine.con = connect()
    return WarehouseReading(engine, NEWEST)


def test_questions_about_sales_are_refused_with_the_way_out(shop: WarehouseReading) -> None:
    for ask in (
        lambda: sales(shop, MONTH),
        lambda: revenue_trend(shop, MONTH, "day"),
        lambda: revenue_trend(shop, MONTH, "hour"),
        lambda: geography(shop, MONTH, "country"),
        lambda: customers(shop, MONTH),
        lambda: segments(shop),
    ):
        with pytest.raises(
            NoOrdersError, match="set ECOM_ORDERS or ECOM_ORDER_API_URL, and run `ecom run`"
        ):
            ask()


def test_questions_about_events_and_stock_name_the_setting_that_brings_them(
    shop: WarehouseReading,
) -> None:
    values: list[tuple[Callable[[], object], str]] = [
        (lambda: conversion(shop, MONTH, None, "session", None), "set ECOM_EVENTS"),
        (lambda: by_channel(shop, MONTH, "last"), "set ECOM_EVENTS"),
        (
            lambda: inventory_alerts(shop, None, Page(5)),
            "set ECOM_CATALOGUE or ECOM_CATALOGUE_API_URL",
        ),
    ]
    for ask, setting in values:
        with pytest.raises(NoSourceError, match=setting):
            ask()


def test_what_is_counted_of_both_names_no_source_of_sales(shop: WarehouseReading) -> None:
    assert top_products(shop, MONTH, "revenue", None, Page(5))["source"] is None


def test_over_http_the_refusal_is_a_conflict(shop: WarehouseReading) -> None:
    app = FastAPI()
    handle_errors(app)
    app.get("/analytics/sales")(lambda: sales(shop, MONTH))
    with served(app) as question:
        answer = question.get("/analytics/sales")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["detail"].startswith(
        "There are neither order lines nor purchase events to take sales from; "
    )
