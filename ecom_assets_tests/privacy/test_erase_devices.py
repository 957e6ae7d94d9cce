"""Erasing a person who shared a device: what the identity rule gave them goes, and nothing of it becomes another's."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ecom_assets.privacy.person import Person
from ecom_assets.settings.settings import Settings
from ecom_assets.warehouse.factory import new_engine
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import FEW_TABLES, HEADER, ecom
from ecom_assets_tests.privacy.test_erase import files_with, query

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("privacy_erase_devices")]
ANN, BOB, OWN, SHARED = "ann-4711", "bob-4712", "device-own", "device-shared"
ROWS = [
    ("own-1", "", "page_view", "09:00", OWN), ("own-2", ANN, "login", "09:01", OWN),
    ("bob-1", BOB, "login", "10:00", SHARED), ("bob-2", "", "page_view", "10:01", SHARED),
    ("ann-1", ANN, "login", "14:00", SHARED), ("ann-2", "", "page_view", "14:01", SHARED),
    ("bob-3", BOB, "login", "18:00", SHARED), ("bob-4", "", "page_view", "18:01", SHARED),
    ("eve-1", "", "page_view", "09:00", "device-eve"), ("eve-2", "", "page_view", "09:01", "device-eve"),
]  # fmt: skip
LATE = [("late-1", ANN, "login", "14:10", SHARED), ("late-2", "", "page_view", "14:11", SHARED)]


def land(folder: Path, name: str, rows: Sequence[tuple[str, ...]]) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [
        f"{id_},{who},{event_type},2026-01-01T{at}:00Z,,,,https://shop.example/,,,{on}"
        for id_, who, event_type, at, on in rows
    ]
    (folder / name).write_text("\n".join([f"{HEADER},anonymous_id", *lines]) + "\n")
    return folder


def visitors(home: Path) -> dict[str, str]:
    rows = query(home, "SELECT event_id, visitor_id FROM staging.events ORDER BY event_id")
    return {str(event_id): str(visitor_id) for event_id, visitor_id in rows}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop in which Ann and Bob share a device, and somebody is known by a device only."""
    landed = land(tmp_path / "landing", "events.csv", ROWS)
    assert ecom("run", "--events", landed, *FEW_TABLES, home=tmp_path / "home").exit_code == 0
    return tmp_path


def test_what_the_rule_gave_her_goes_and_his_stays_and_nothing_late_becomes_his(shop: Path) -> None:
    home = shop / "home"
    before = visitors(home)
    assert (before["own-1"], before["ann-2"], before["bob-2"]) == (ANN, ANN, BOB)
    result = ecom("erase", "--visitor", ANN, "--yes", "--json", home=home)
    assert result.exit_code == 0, result.err
    after = visitors(home)
    assert sorted(after) == ["bob-1", "bob-2", "bob-3", "bob-4", "eve-1", "eve-2"]
    assert (after["bob-1"], after["bob-2"]) == (BOB, f"anon-{SHARED}"), "the device joins nobody any more"
    assert query(home, "SELECT id_kind, id_value, reason FROM mart.shared_ids") == [("device", SHARED, "erased")]
    assert "ann-2" not in (shop / "landing" / "events.csv").read_text()
    assert "bob-2" in (shop / "landing" / "events.csv").read_text()
    assert files_with(ANN, home, shop / "landing") == []
    assert files_with(OWN, home, shop / "landing") == []
    land(shop / "landing", "late.csv", LATE)
    again = ecom("run", "--events", shop / "landing", *FEW_TABLES, home=home)
    assert again.exit_code == 0, again.err
    later = visitors(home)
    assert later == {**after, "late-2": f"anon-{SHARED}"}, "her late sign-in stays out, and changes nobody's events"
    asked = ecom("trend", "--events", shop / "landing", "--series", "*", "--by", "visitor_id", "--json", home=home)
    counted = {series["breakdown"]: series["total"] for series in asked.json["series"]}
    assert counted == {BOB: 2, f"anon-{SHARED}": 3, "anon-device-eve": 2}, (
        "questions over the same files give nobody her events either"
    )


def test_a_visitor_known_by_a_device_only_is_erased_by_it(shop: Path) -> None:
    home = shop / "home"
    result = ecom("erase", "--visitor", "anon-device-eve", "--yes", "--json", home=home)
    assert result.exit_code == 0, result.err
    assert [event_id for event_id in visitors(home) if event_id.startswith("eve")] == []
    assert json.loads(result.out)["removed"]["tables"]["staging.events"] == 2
    before = contents(home / "warehouse.duckdb")
    land(shop / "landing", "again.csv", [row for row in ROWS if row[0].startswith("eve")])
    assert ecom("run", "--events", shop / "landing", *FEW_TABLES, home=home).exit_code == 0
    assert contents(home / "warehouse.duckdb")["staging.events"] == before["staging.events"]


def test_users_whom_an_alias_joins_are_one_person(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lines = [
        'a1,ann-1,alias,2026-01-01T09:00:00Z,,,,,,,D,"{""previous_id"": ""ann-0""}"',
        "a2,ann-0,page_view,2026-01-01T08:00:00Z,,,,,,,E,",
        "a3,bob-1,page_view,2026-01-01T08:00:00Z,,,,,,,F,",
    ]
    (tmp_path / "events.csv").write_text("\n".join([f"{HEADER},anonymous_id,properties", *lines]) + "\n")
    assert ecom("run", "--events", tmp_path / "events.csv", *FEW_TABLES, home=home).exit_code == 0
    with closing(new_engine(Settings(home=home)).open()) as engine:
        person = Person.requested(["ann-0"], []).completed(engine)
    assert (set(person.users), set(person.devices)) == ({"ann-0", "ann-1"}, {"D", "E"})
    assert ecom("erase", "--visitor", "ann-1", "--yes", home=home).exit_code == 0
    assert query(home, "SELECT event_id FROM staging.events") == [("a3",)]
    assert query(home, "SELECT count(*) FROM mart.merged_users") == [(0,)]
    assert query(home, "SELECT count(*) FROM staging.identity_aliases") == [(0,)]
