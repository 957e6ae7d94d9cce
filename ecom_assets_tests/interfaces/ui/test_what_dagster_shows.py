"""What the pages of Dagster's UI get over GraphQL for the sandbox shop: assets, jobs, sensors,
partitions, freshness.

Not here: the pages themselves in a browser (`test_ui.py`), and the Resources page
(`test_resources.py`).
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from ecom_assets.ingestion.sources.sandbox_shop import opening_day
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.ui.served_ui import (
    DAGSTER_S_OWN,
    SELECTOR,
    Answer,
    CodeLocation,
    loaded,
)

pytestmark = [pytest.mark.slow, DAGSTER_S_OWN, pytest.mark.xdist_group("dagster_shows")]
NIGHT = datetime(2026, 3, 10, 2, 20, tzinfo=UTC)
"""When a nightly run writes a table; it must be there at four."""
SESSIONS, SALES = "mart/sessions", "mart/sales"
ASSETS = """{ assetNodes { assetKey { path } description groupName kinds isExecutable isPartitioned
    owners { ... on TeamAssetOwner { team } ... on UserAssetOwner { email } }
    tags { key value } hasAssetChecks
    internalFreshnessPolicy {
    ... on CronFreshnessPolicy { deadlineCron lowerBoundDeltaSeconds timezone } }
    freshnessStatusInfo { freshnessStatus } } }"""
JOBS = (
    "{ repositoryOrError(repositorySelector: %s) { ... on Repository { jobs { name description } "
    "} } }"
)
CONFIG = """{ runConfigSchemaOrError(selector: { pipelineName: "%s",
    repositoryLocationName: "<<in_process>>", repositoryName: "__repository__" }) {
    ... on RunConfigSchema { allConfigTypes {
    ... on CompositeConfigType {
    fields { name description isRequired defaultValueAsJson } } } } } }"""
AUTOMATION = """{ sensorsOrError(repositorySelector: %s) { ... on Sensors { results {
    name description sensorState { status } } } }
    schedulesOrError(repositorySelector: %s) { ... on Schedules { results {
    name description cronSchedule executionTimezone scheduleState { status } } } } }"""
PARTITIONS = (
    '{ assetNodeOrError(assetKey: { path: ["mart", "sessions"] }) { ... on AssetNode { '
    "partitionKeys } } }"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeLocation]:
    """The code location before the first run: over the sandbox shop that somebody has chosen,
    which grows by a day each day.
    """
    folder = tmp_path_factory.mktemp("shown")
    until = datetime.now(UTC).date() - timedelta(days=1)
    first = opening_day(until)
    days = (until - first).days + 1
    truth = {"settings": {"first_day": str(first), "days": days, "until": str(until)}}
    (folder / "home" / "sandbox").mkdir(parents=True)
    (folder / "home" / "sandbox" / "truth.json").write_text(json.dumps(truth))
    with loaded(folder, {}) as location:
        yield location


@pytest.fixture(scope="module")
def assets(shop: CodeLocation) -> dict[str, Answer]:
    """Every asset, by its key."""
    return assets_of(shop)


def assets_of(shop: CodeLocation) -> dict[str, Answer]:
    return {"/".join(node["assetKey"]["path"]): node for node in shop.ask(ASSETS)["assetNodes"]}


def test_every_table_is_an_asset_with_its_group_and_checks(assets: dict[str, Answer]) -> None:
    tables = {
        "/".join(table.qualified_name().split(".")): table for table in ALL if not table.written_by
    }
    assert set(tables) <= set(assets)
    without_checks = {key for key in tables if not assets[key]["hasAssetChecks"]}
    assert without_checks == set()
    assert {key: assets[key]["groupName"] for key in tables} == {
        key: table.group for key, table in tables.items()
    }


def test_every_asset_has_an_owner_a_meaning_kinds_and_tags(assets: dict[str, Answer]) -> None:
    lacking = [
        key
        for key, asset in assets.items()
        if not (asset["owners"] and asset["description"] and asset["kinds"] and asset["tags"])
    ]
    assert lacking == []
    sessions = assets[SESSIONS]
    assert sessions["owners"] == [{"team": "sessions"}]
    assert set(sessions["kinds"]) == {"duckdb", "table", "ibis"}
    tags = {tag["key"]: tag["value"] for tag in sessions["tags"]}
    assert (tags["layer"], tags["partitions"], tags["personal_data"]) == ("mart", "daily", "yes")


def test_the_partitions_page_begins_with_the_month_of_the_shop(shop: CodeLocation) -> None:
    days = shop.ask(PARTITIONS)["assetNodeOrError"]["partitionKeys"]
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    assert first.day == 1
    assert 60 <= (last - first).days <= 60 + 31 + 1, (
        "not from 2009 on, when most of the page would be empty"
    )
    assert last - datetime.now(UTC).date() in {timedelta(0), timedelta(days=-1)}


@each(
    "job, fields",
    [
        ("yesterday", {"late_days": False}),
        (
            "backfill",
            {"first_day": True, "last_day": True, "tables": False, "allow_withdrawal": False},
        ),
        ("export", {"destinations": False, "first_day": False, "last_day": False}),
        ("publish", {"rebuild": False}),
    ],
)
def test_what_people_start_by_hand_has_a_form_whose_fields_say_what_they_mean(
    shop: CodeLocation, job: str, fields: dict[str, bool]
) -> None:
    types = shop.ask(CONFIG % job)["runConfigSchemaOrError"]["allConfigTypes"]
    forms = [
        {field["name"]: field for field in type_["fields"]}
        for type_ in types
        if type_.get("fields")
    ]
    (form,) = (form for form in forms if set(form) == set(fields))
    assert {name: field["isRequired"] for name, field in form.items()} == fields
    assert [name for name, field in form.items() if not field["description"]] == []


def test_there_is_a_job_for_each_thing_that_one_does(shop: CodeLocation) -> None:
    jobs = shop.ask(JOBS % SELECTOR)["repositoryOrError"]["jobs"]
    described = {
        job["name"]: job["description"] for job in jobs if not job["name"].startswith("__")
    }
    by_hand = {"everything", "yesterday", "backfill", "export", "publish"}
    assert set(described) == by_hand | {
        "events",
        "orders",
        "customers",
        "stock",
        "uploads",
        "watch_numbers",
        "send_board",
    }
    assert all(described.values())


def test_what_is_on_over_the_sandbox_is_what_reaches_nobody_who_has_not_asked(
    shop: CodeLocation,
) -> None:
    answer: dict[str, Any] = shop.ask(AUTOMATION % (SELECTOR, SELECTOR))
    sensors = {result["name"]: result for result in answer["sensorsOrError"]["results"]}
    schedules = {result["name"]: result for result in answer["schedulesOrError"]["results"]}
    assert {name: sensor["sensorState"]["status"] for name, sensor in sensors.items()} == {
        "board_mails": "RUNNING",  # of mails that somebody has made
        "following": "RUNNING",
        "heartbeats": "RUNNING",
        "landing_files": "STOPPED",  # the schedules take the sandbox shop's days in
        "requests": "RUNNING",
        "uploads": "RUNNING",
        "watched_numbers": "RUNNING",  # of alerts that somebody has made
    }
    assert {
        name: (schedule["cronSchedule"], schedule["scheduleState"]["status"])
        for name, schedule in schedules.items()
    } == {
        "daily_stock": ("30 0 * * *", "RUNNING"),
        "daily_orders": ("0 1 * * *", "RUNNING"),
        "daily_events": ("0 2 * * *", "RUNNING"),
        "daily_customers": ("0 23 * * *", "RUNNING"),
    }
    assert all(sensor["description"] for sensor in (*sensors.values(), *schedules.values()))


def test_a_table_that_a_night_left_out_is_shown_as_degraded_from_four_on(
    shop: CodeLocation,
) -> None:
    def states() -> list[str]:
        shop.evaluate_freshness()
        shown = assets_of(shop)
        return [shown[key]["freshnessStatusInfo"]["freshnessStatus"] for key in (SESSIONS, SALES)]

    policy = assets_of(shop)[SESSIONS]["internalFreshnessPolicy"]
    assert policy == {
        "deadlineCron": "0 4 * * *",
        "lowerBoundDeltaSeconds": 23 * 3600,
        "timezone": "UTC",
    }
    with freeze_time(NIGHT):
        for key in (SESSIONS, SALES):
            shop.instance.report_runless_asset_event(
                dg.AssetMaterialization(dg.AssetKey(key.split("/")))
            )
    with freeze_time(NIGHT + timedelta(hours=2)):
        assert states() == ["HEALTHY", "HEALTHY"]
    with freeze_time(NIGHT + timedelta(days=1)):
        shop.instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey(SALES.split("/")))
        )
    with freeze_time(NIGHT + timedelta(days=1, hours=2)):
        assert states() == ["DEGRADED", "HEALTHY"], (
            "the next night wrote the sales, and left the sessions out"
        )
