"""The page of one visitor: what they did, in order, for those who may see people."""

import csv
from pathlib import Path

import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.interfaces.dashboard.test_pages import shown
from ecom_assets_tests.patience import PATIENCE_S


def events_of(settings: Settings, user: str) -> list[dict[str, str]]:
    """Return the rows of the shop's file that are of a user and count, once each,
    the newest first.
    """
    with Path(settings.events).open(encoding="utf-8") as file:
        rows = {
            row["event_id"]: row
            for row in csv.DictReader(file)
            if row["user_id"] == user and row["event_id"]
        }
    clean = [row for row in rows.values() if row["event_type"].strip()]
    return sorted(clean, key=lambda row: (row["event_timestamp"], row["event_id"]), reverse=True)


def test_a_visitors_events_are_those_of_the_file_the_newest_first(
    client: Client, settings: Settings
) -> None:
    expected = events_of(settings, "u03")
    root = shown(client, "person?visitor=u03")
    rows = root.all("tbody")[0].all("tr")
    assert len(rows) == min(len(expected), 200)
    assert [row.all("td")[1].text.split()[-1] for row in rows[:20]] == [
        row["event_type"] for row in expected[:20]
    ]  # the technical name stands behind what people call it
    assert "Product viewed product_view" in {row.all("td")[1].text for row in rows}
    assert f"of {len(expected):,}, the newest first" in root.text


def test_a_visitor_who_is_not_there_and_no_visitor_are_a_sentence(client: Client) -> None:
    assert (
        "No event is of the visitor &#39;&lt;b&gt;&#39;"
        in client.get("/dashboard/person?visitor=<b>").text
    )
    assert "Open a visitor from a list" in shown(client, "person").text


@pytest.mark.slow
def test_a_key_that_may_not_see_people_is_told_so(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "serving").symlink_to(settings.home / "serving")
    keys = type(settings.api_keys)("a-key-that-only-reads-numbers")
    kept = settings.model_copy(update={"home": tmp_path, "api_keys": keys})
    with served(build_dashboard_stack(kept)) as answer:  # type: ignore[arg-type]  # any ASGI application
        headers = {"Authorization": "Bearer a-key-that-only-reads-numbers"}
        text = requests.get(
            f"{answer.address}/dashboard/person?visitor=u03", headers=headers, timeout=PATIENCE_S
        ).text
    assert "is personal data" in text
    assert "product_view" not in text


@pytest.mark.slow
def test_the_list_of_who_is_at_a_step_leads_to_each_visitor(client: Client) -> None:
    page = client.get("/dashboard/funnel?step1=page_view&step2=purchase&who=2")
    addresses = [link.attributes.get("href", "") for link in read(page.text).all("a")]
    links = [address for address in addresses if "/person?" in address]
    assert links
    assert client.get(links[0]).status_code == 200
