"""CONTRIBUTING's endpoint, served beside the platform's own."""

from ecom_assets.api.app import build_app
from ecom_assets.api.auth.callers import VERSION_PREFIX
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.conftest import served
from ecom_assets_tests.recipes.endpoint import router


def test_an_endpoint_renders_what_its_query_returns(settings: Settings) -> None:
    app = build_app(settings)
    app.include_router(router, prefix=VERSION_PREFIX)
    with served(app) as answer:
        points = answer.json("/v1/analytics/revenue/trend", time_range="year", granularity="day", limit=400)["points"]
        sold = [point for point in points if point["order_count"] or point["refund_count"]]
        assert answer.json("/v1/analytics/sold-days") == {"day_count": len(sold)}
        assert sold
