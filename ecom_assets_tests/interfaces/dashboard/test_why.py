"""Why a number: from a tile of Overview to the received rows that give it again."""

from urllib.parse import urlencode

import pytest

from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read, tiles_of


def page_of(client: Client, **answer: object) -> str:
    """Return the page about a number."""
    response = client.get(f"/dashboard/why?{urlencode(answer)}")
    assert response.status_code == 200
    return response.text


@pytest.mark.slow
def test_the_numbers_of_overview_lead_to_their_received_rows(client: Client) -> None:
    overview = read(client.get("/dashboard/?time_range=week").text)
    links = [link.attributes["href"] for link in overview.all("a", class_="why")]
    assert len(links) >= len(tiles_of(overview))
    sessions = next(link for link in links if "session_count" in link)
    page = read(client.get(sessions).text)
    assert tiles_of(page) == {"session_count": tiles_of(overview)["Sessions"]}
    assert page.one("h1").text.startswith("Why this number: sessions, ")
    assert "The received rows below give this number again." in page.one("main").text
    assert "raw.events" in page.one("main").text


def test_an_abbreviation_begins_a_name_as_it_is_written(client: Client) -> None:
    page = read(page_of(client, table="mart.marketing_daily", column="roas"))
    assert page.one("h1").text == "Why this number: ROAS"


@pytest.mark.slow
def test_no_page_links_to_a_number_that_cannot_be_explained(client: Client) -> None:
    pages = [page for page in all_pages() if page.is_listed]
    links = {
        link.attributes["href"]
        for page in pages
        for link in read(client.get(page.address).text).all("a", class_="why")
    }
    assert len(links) > 10
    for link in links:
        page = read(client.get(link).text)
        assert "has no column" not in page.one("main").text, link
        assert tiles_of(page), link


@pytest.mark.slow
def test_a_rate_leads_to_the_columns_that_it_is_computed_from(client: Client) -> None:
    page = read(
        page_of(
            client, table="mart.engagement_daily", column="bounce_rate", event_date="2026-01-10"
        )
    )
    links = [
        link.attributes["href"] for link in page.all("a") if link.text == "engaged_session_count"
    ]
    assert "give this number again" in client.get(links[0]).text


@pytest.mark.slow
def test_the_sessions_of_a_month_s_funnel_are_read_at_once(client: Client) -> None:
    days = {"start_date": "2026-01-11", "end_date": "2026-02-09"}
    values = {
        "table": "mart.conversion_funnel",
        "column": "unit_count",
        "funnel_name": "default",
        "unit": "session",
    }
    reached = [read(page_of(client, **values, **days, step=step)) for step in (1, 5)]
    assert ["give this number again" in page.one("main").text for page in reached] == [True, True]
    first, last = (int(tiles_of(page)["unit_count"].replace(",", "")) for page in reached)
    assert 0 < last < first


@pytest.mark.slow
def test_received_rows_can_be_paged_through(client: Client) -> None:
    values = {
        "table": "mart.engagement_daily",
        "column": "session_count",
        "event_date": "2026-01-10",
        "limit": 2,
    }
    page = read(page_of(client, **values))
    (after,) = [link.attributes["href"] for link in page.all("a") if link.text == "Rows after"]
    assert "Rows 3 to 4 of" in client.get(after).text


def test_without_a_table_every_number_is_listed_and_a_wrong_one_is_named(client: Client) -> None:
    assert "unit_count" in page_of(client)
    wrong = read(page_of(client, table="mart.engagement_dayly", column="session_count"))
    assert "did you mean" in wrong.one("main").text
