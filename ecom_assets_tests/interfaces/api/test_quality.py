"""Data quality over HTTP: every received row is accounted for,
and samples of quarantined rows hide people.

The small shop's files have two copies too many and two rows that are no events (`shop_files.py`).
"""

import csv
from pathlib import Path

import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.served import serving
from ecom_assets_tests.patience import PATIENCE_S

PATH = "/analytics/quality"
ALL_DAYS = {"start_date": "2025-12-01", "end_date": "2026-03-31"}
KEYS = {scope: f"a-key-with-the-scopes-{scope}" for scope in ("read", "read+personal")}


def lines(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_received_row_is_clean_quarantined_surplus_or_held(
    api: Api, settings: Settings
) -> None:
    reported = api.json(PATH, **ALL_DAYS)
    of_events, of_orders = reported["sources"]
    received = len(lines(str(settings.events)))
    assert of_events == {
        "source": "events",
        "received_count": received,
        "clean_count": received - 4,
        "quarantined_count": 2,
        "surplus_count": 2,
        "held_count": 0,
        "waiting_count": 0,
        "residue_count": 0,
    }
    assert (
        of_orders["received_count"] == of_orders["clean_count"] == len(lines(str(settings.orders)))
    )
    for source in reported["sources"]:
        days = [day for day in reported["days"] if day["source"] == source["source"]]
        assert source["received_count"] == sum(day["received_count"] for day in days)
        assert {day["residue_count"] for day in days} <= {0}
    assert {(reason["reject_reason"], reason["row_count"]) for reason in reported["reasons"]} == {
        ("malformed_event_type", 1),
        ("missing_event_id", 1),
    }


def test_a_page_of_days_comes_with_the_sums_of_all(api: Api) -> None:
    whole, page = api.json(PATH, **ALL_DAYS), api.json(PATH, **ALL_DAYS, limit=3)
    assert (len(page["days"]), page["total_count"], page["sources"]) == (
        3,
        len(whole["days"]),
        whole["sources"],
    )
    assert (
        len(api.get(PATH, None, **ALL_DAYS, format="csv").text.splitlines())
        == len(whole["days"]) + 1
    )


def test_a_sample_row_is_as_it_came_but_hides_people_without_the_scope(settings: Settings) -> None:
    keys = ",".join(f"{scope}:{key}" for scope, key in KEYS.items())
    keyed_settings = settings.model_copy(update={"api_keys": type(settings.api_keys)(keys)})
    values = {**ALL_DAYS, "reason": "malformed_event_type"}
    [odd] = [row for row in lines(str(settings.events)) if row["event_id"] == "odd-1"]
    seen = {
        "event_type": "page\tview",
        "reject_reason": "malformed_event_type",
        "user_id": odd["user_id"],
        "row_count": 1,
    }
    with serving(keyed_settings, build_app(keyed_settings)) as keyed:
        for scope, expected in (("read+personal", seen), ("read", {**seen, "user_id": "•••"})):
            headers = {"X-API-Key": KEYS[scope]}
            response = requests.get(
                f"{keyed.address}{PATH}/samples", values, headers=headers, timeout=PATIENCE_S
            )
            [row] = response.json()["samples"]
            assert {name: row[name] for name in seen} == expected


def test_no_day_of_this_shop_is_held(api: Api) -> None:
    assert api.json(f"{PATH}/held-days")["held_days"] == []


def test_days_of_which_no_row_was_received_are_not_known(api: Api) -> None:
    days = {"start_date": "2099-01-01", "end_date": "2099-01-31"}
    reported, samples = api.json(PATH, **days), api.json(f"{PATH}/samples", **days)
    for answer in (reported, samples):
        assert {answer["range"][name] for name in ("known_from", "known_to")} == {None}
        assert (answer["range"]["data"], answer["total_count"]) == ("none", None)
    assert (reported["days"], reported["reasons"], samples["samples"]) == ([], [], [])
    assert {
        value for row in reported["sources"] for name, value in row.items() if name != "source"
    } == {None}
    assert api.json(PATH)["range"]["sources"].keys() == {"events", "orders"}


def test_a_page_of_samples_says_how_many_there_are(api: Api) -> None:
    answer, response = (
        api.get(f"{PATH}/samples", None, **ALL_DAYS, limit=1, format=form)
        for form in ("json", "csv")
    )
    assert (len(answer.json()["samples"]), answer.json()["total_count"]) == (1, 2)
    assert response.headers["x-total-count"] == "2"
