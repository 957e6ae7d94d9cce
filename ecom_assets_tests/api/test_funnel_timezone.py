"""`timezone` of `POST /analytics/funnel`: days of entry in another zone, against plain Python."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest

from ecom_assets.tables.days import Days, day_of
from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.plain_paths import _streams
from ecom_assets_tests.api.plain_shop import PlainShop


@pytest.mark.parametrize("timezone", ["Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin"])
def test_days_of_entry_are_those_of_the_zone(api: Asked, shop: PlainShop, timezone: str) -> None:
    """In each zone a visitor enters on each local day on which they view a page."""
    zone = ZoneInfo(timezone)
    days: dict[str, set[int]] = {}
    for number, events in enumerate(_streams(shop).values()):
        for event in events:
            if event["event_type"] == "page_view":
                days.setdefault(str(event["at"].astimezone(zone).date()), set()).add(number)
    response = api.post(
        "/analytics/funnel", {"steps": ["page_view"], "over": "day", "timezone": timezone}, limit=1000
    ).json()
    actual = {one["start"]: one["steps"][0]["count"] for one in response["cohorts"]}
    assert response["entries"]["timezone"] == timezone
    assert {day: count for day, count in actual.items() if count} == {day: len(who) for day, who in days.items()}


def test_a_zone_that_does_not_exist_is_refused(api: Asked) -> None:
    response = api.post("/analytics/funnel", {"steps": ["page_view"], "timezone": "Mars/Olympus"})
    assert (response.status_code, "not an IANA time zone" in response.json()["detail"]) == (422, True)


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_days_with_clock_changes_are_those_of_python(timezone: str) -> None:
    """Every half hour of the year 2026, in which the clocks change twice."""
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(365 * 48)]
    con = ibis.duckdb.connect()
    naive = pa.array([at.replace(tzinfo=None) for at in times], pa.timestamp("us"))
    rows = con.create_table("times", pa.table({"at": naive}))
    actual = rows.order_by("at").select(
        day=day_of(rows.at, Days.between(date(2025, 12, 30), date(2027, 1, 4)), timezone)
    )
    assert actual.to_pyarrow()["day"].to_pylist() == [at.astimezone(ZoneInfo(timezone)).date() for at in times]
