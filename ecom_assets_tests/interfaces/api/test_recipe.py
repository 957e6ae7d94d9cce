"""CONTRIBUTING's endpoint, page and question, served as the platform's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecom_assets.core.http_server.callers import VERSION_PREFIX
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.command import HEADER
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.markdown import ROOT
from ecom_assets_tests.recipes.endpoint import router
from ecom_assets_tests.recipes.page import PAGE


def test_an_endpoint_renders_what_its_query_returns(settings: Settings) -> None:
    app = build_app(settings)
    app.include_router(router, prefix=VERSION_PREFIX)
    with served(app) as answer:
        points = answer.json(
            "/v1/analytics/revenue/trend", time_range="year", granularity="day", limit=400
        )["points"]
        sold = [point for point in points if point["order_count"] or point["refund_count"]]
        assert answer.json("/v1/analytics/sold-days") == {"day_count": len(sold)}
        assert sold


def test_a_page_shows_what_the_api_answers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecom_assets.interfaces.dashboard.app.all_pages", lambda: (PAGE,))
    with served(build_dashboard_app(settings)) as answer:
        alerts = answer.json("/analytics/inventory/alerts", limit=20)["alerts"]
        page = answer.get("/dashboard/stock", time_range="week")
        csv = answer.get("/analytics/inventory/alerts", limit=1000, format="csv")
    assert page.status_code == csv.status_code == 200
    assert alerts
    assert [
        alert["product_id"]
        for alert in alerts
        if f">{alert['product_id']}<" not in page.text.replace("\n", "")
    ] == []
    assert "/analytics/inventory/alerts?limit=1000&amp;format=csv" in page.text


FOUR = """\
e1,ann,page_view,2026-03-02T09:10:00Z,,,s1,,,
e2,ann,purchase,2026-03-02T09:20:00Z,,,s1,,,25.50
e3,bob,purchase,2026-03-09T09:55:00Z,,,s2,,,10.00
e4,cid,page_view,2026-03-08T23:59:00Z,,,s3,,,
"""
"""Three events on Mondays after nine o'clock, two of them purchases,
and one on a Sunday before midnight.
"""


@pytest.mark.when_changed
def test_a_question_of_four_files_has_a_command_a_route_and_a_page(
    settings: Settings, api: Api, tmp_path: Path
) -> None:
    files = {
        path.stem
        for path in (ROOT / "ecom_assets_tests" / "recipes" / "week_hours").glob("[!_]*.py")
    }
    assert files == {"question", "answer", "text"}, (
        "beside these it has a line in the list of questions"
    )
    events = tmp_path / "events.csv"
    events.write_text(f"{HEADER}\n{FOUR}")
    arguments = ["-m", "ecom_assets_tests.recipes.asked_hours", str(events), str(settings.home)]
    home = {"ECOM_HOME": str(tmp_path / "home")}
    result = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=ROOT,
        env=os.environ | home,
    )
    actual = json.loads(result.stdout.splitlines()[-1])
    assert actual["text"].splitlines() == [
        f"monday    09:00      3 {'█' * 30}",
        f"sunday    23:00      1 {'█' * 10}",
        "Rows: 4 read, all counted",
    ]
    assert json.loads(actual["json"])["hours"] == [
        {"weekday": "monday", "hour": 9, "event_count": 2}
    ]
    assert "Count the events of each hour of the week." in " ".join(actual["help"].split())
    hours = actual["route"]["hours"]
    purchases = api.post("/analytics/trend", {"series": ["purchase"]}).json()["series"][0]["total"]
    assert sum(hour["event_count"] for hour in hours) == purchases > 0
    assert actual["csv"].startswith("weekday,hour,event_count")
    assert "did you mean 'event_type'" in actual["refused"]
    page = " ".join(actual["page"].split())
    assert [hour for hour in hours if f">{hour['weekday']}<" not in page] == []
    assert 'name="event_type" value="purchase"' in page
