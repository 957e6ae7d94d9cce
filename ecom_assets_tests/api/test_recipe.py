"""CONTRIBUTING's endpoint and page, served as the platform's own."""

import pytest

from ecom_assets.api.app import build_app
from ecom_assets.api.auth.callers import VERSION_PREFIX
from ecom_assets.dashboard.app import build_dashboard_app
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.conftest import served
from ecom_assets_tests.recipes.endpoint import router
from ecom_assets_tests.recipes.page import PAGE


def test_an_endpoint_renders_what_its_query_returns(settings: Settings) -> None:
    app = build_app(settings)
    app.include_router(router, prefix=VERSION_PREFIX)
    with served(app) as answer:
        points = answer.json("/v1/analytics/revenue/trend", time_range="year", granularity="day", limit=400)["points"]
        sold = [point for point in points if point["order_count"] or point["refund_count"]]
        assert answer.json("/v1/analytics/sold-days") == {"day_count": len(sold)}
        assert sold


def test_a_page_shows_what_the_api_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecom_assets.dashboard.app.all_pages", lambda: (PAGE,))
    with served(build_dashboard_app(settings)) as answer:
        alerts = answer.json("/analytics/inventory/alerts", limit=20)["alerts"]
        page = answer.get("/dashboard/stock", time_range="week")
        csv = answer.get("/analytics/inventory/alerts", limit=1000, format="csv")
    assert page.status_code == csv.status_code == 200
    assert alerts
    assert [one["product_id"] for one in alerts if f">{one['product_id']}<" not in page.text.replace("\n", "")] == []
    assert "/analytics/inventory/alerts?limit=1000&amp;format=csv" in page.text
