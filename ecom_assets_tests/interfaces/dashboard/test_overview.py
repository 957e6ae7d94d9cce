"""Overview: its tiles against what the API answers, for whatever days the address says."""

import json
from contextlib import closing
from datetime import date
from typing import Any

import pytest

from ecom_assets.behaviour.funnels.queries import daily_conversion
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import Period
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read, tiles_of


def numbers(client: Client, query: str) -> dict[str, Any]:
    """Return the numbers of Overview as the API answers them."""
    answers = {
        name: client.get(f"/analytics/{name}?{query}").json()
        for name in ("sales", "conversion", "engagement")
    }
    sales, engagement = answers["sales"]["sales"], answers["engagement"]["engagement"]
    return {
        "Revenue": sales["revenue_amount"],
        "Orders": sales["order_count"],
        "Average order value": sales["average_order_value"],
        "Funnel conversion": answers["conversion"]["conversion_rate"],
        "Sessions with a purchase": engagement["session_conversion_rate"],
        "Sessions": engagement["session_count"],
        "Bounce rate": engagement["bounce_rate"],
    }


@pytest.mark.slow
@each(
    "query",
    ["", "time_range=week", "time_range=today", "start_date=2026-01-05&end_date=2026-01-14"],
)
def test_each_tile_is_the_number_of_the_api(client: Client, query: str) -> None:
    page = client.get(f"/dashboard/overview?{query}")
    assert page.status_code == 200
    shown = tiles_of(read(page.text))
    assert shown == {
        name: "" if number is None else str(number)
        for name, number in numbers(client, query).items()
    }
    assert any(shown.values())


def test_the_tiles_of_sales_lead_to_their_page_with_the_days_of_this_one(client: Client) -> None:
    page = read(client.get("/dashboard/?time_range=week").text)
    headings = [tile.one("h3") for tile in page.all("li", class_="tile")]
    links = {
        heading.text: link.attributes["href"] for heading in headings for link in heading.all("a")
    }
    names = ("Revenue", "Orders", "Average order value")
    assert links == dict.fromkeys(names, "/dashboard/sales?time_range=week")


def test_the_chart_has_the_points_of_the_api_and_a_table_of_them(client: Client) -> None:
    page = read(client.get("/dashboard/?time_range=week").text)
    points = client.get("/analytics/revenue/trend?time_range=week").json()["points"]
    (data,) = page.all("script", class_="chart-data")
    drawn = json.loads(data.texts[0])["rows"]
    expected = [
        float(point["revenue_amount"]) if point["revenue_amount"] else None for point in points
    ]
    assert [row["revenue_amount"] for row in drawn] == expected
    table = page.one("details", class_="as-table")
    assert [row.all("td")[0].text for row in table.all("tr")[1:]] == [
        point["start_date"] for point in points
    ]


def test_the_csv_of_a_chart_is_of_the_days_of_the_page(client: Client) -> None:
    page = read(client.get("/dashboard/?time_range=week").text)
    link = next(link for link in page.all("a") if link.text == "CSV")
    lines = client.get(link.attributes["href"]).text.splitlines()
    assert len(lines) == 1 + 7


def test_a_wrong_address_says_what_is_wrong_with_it(client: Client) -> None:
    for query, reported in (
        ("time_rage=week", "time_rage"),
        ("start_date=2026-03-09&end_date=2026-03-01", "swap them"),
    ):
        page = client.get(f"/dashboard/?{query}")
        assert page.status_code == 422
        assert reported in read(page.text).one("main").text


@pytest.mark.slow
def test_what_a_form_sends_for_a_named_range_leaves_its_dates_out(client: Client) -> None:
    sent = "time_range=week&start_date=2026-03-01&end_date="
    assert tiles_of(read(client.get(f"/dashboard/?{sent}").text)) == tiles_of(
        read(client.get("/dashboard/?time_range=week").text)
    )


@pytest.mark.slow
def test_the_line_of_conversion_has_what_the_api_answers_for_each_day(
    settings: Settings, client: Client
) -> None:
    first, last = date(2026, 1, 5), date(2026, 1, 8)
    with closing(open_store(settings)) as store, store.reading() as reading:
        actual = daily_conversion(reading, Period("custom", first, last))
    assert len(actual) == 4
    for row in actual:
        response = client.get(
            f"/analytics/conversion?start_date={row['event_date']}&end_date={row['event_date']}"
        ).json()
        assert row["conversion_rate"] == response["conversion_rate"]


def test_the_days_before_that_the_data_lack_are_said(client: Client) -> None:
    """The shop has data from 1 January on: of the ten days before the 5th to the 14th, four."""
    said = {
        query: read(client.get(f"/dashboard/overview?{query}").text).one("p", class_="covered").text
        for query in ("start_date=2026-01-05&end_date=2026-01-14", "time_range=week")
    }
    part, whole = said.values()
    assert "Before, the data hold 1–4 Jan 2026 only" in part  # noqa: RUF001 (as ranges are written)
    assert "Before" not in whole
