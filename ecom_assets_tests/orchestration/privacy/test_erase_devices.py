"""Erasing a person who shared a device: what the identity rule gave them goes,
and nothing of it becomes another's.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import FEW_TABLES, HEADER, copy_of_shop, ecom
from ecom_assets_tests.orchestration.privacy.few_tables import compute_only_what_was_made
from ecom_assets_tests.orchestration.privacy.test_erase import files_with, query

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("privacy_erase_devices")]
ANN, BOB, OWN, SHARED = "ann-4711", "bob-4712", "device-own", "device-shared"
ROWS = [
    ("own-1", "", "page_view", "09:00", OWN),
    ("own-2", ANN, "login", "09:01", OWN),
    ("bob-1", BOB, "login", "10:00", SHARED),
    ("bob-2", "", "page_view", "10:01", SHARED),
    ("ann-1", ANN, "login", "14:00", SHARED),
    ("ann-2", "", "page_view", "14:01", SHARED),
    ("bob-3", BOB, "login", "18:00", SHARED),
    ("bob-4", "", "page_view", "18:01", SHARED),
    ("eve-1", "", "page_view", "09:00", "device-eve"),
    ("eve-2", "", "page_view", "09:01", "device-eve"),
]
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


@pytest.fixture(autouse=True)
def _few_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_only_what_was_made(monkeypatch)


@pytest.fixture(scope="module")
def sharing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in which Ann and Bob share a device, and somebody is known by a device only."""
    folder = tmp_path_factory.mktemp("sharing")
    landed = land(folder / "landing", "events.csv", ROWS)
    assert ecom("run", "--events", landed, *FEW_TABLES, home=folder / "home").exit_code == 0
    return folder


@pytest.fixture
def shop(sharing: Path, tmp_path: Path) -> Path:
    """A copy of that shop."""
    return copy_of_shop(sharing, tmp_path / "shop")


def test_what_the_rule_gave_her_goes_and_his_stays_and_nothing_late_becomes_his(shop: Path) -> None:
    home = shop / "home"
    before = visitors(home)
    assert (before["own-1"], before["ann-2"], before["bob-2"]) == (ANN, ANN, BOB)
    result = ecom("erase", "--visitor", ANN, "--yes", "--json", home=home)
    assert result.exit_code == 0, result.err
    after = visitors(home)
    assert sorted(after) == ["bob-1", "bob-2", "bob-3", "bob-4", "eve-1", "eve-2"]
    assert (after["bob-1"], after["bob-2"]) == (BOB, f"anon-{SHARED}"), (
        "the device joins nobody any more"
    )
    assert query(home, "SELECT id_kind, id_value, reason FROM mart.shared_ids") == [
        ("device", SHARED, "erased")
    ]
    assert "ann-2" not in (shop / "landing" / "events.csv").read_text()
    assert "bob-2" in (shop / "landing" / "events.csv").read_text()
    assert files_with(ANN, home, shop / "landing") == []
    assert files_with(OWN, home, shop / "landing") == []
    land(shop / "landing", "late.csv", LATE)
    again = ecom("run", "--events", shop / "landing", *FEW_TABLES, home=home)
    assert again.exit_code == 0, again.err
    later = visitors(home)
    assert later == {**after, "late-2": f"anon-{SHARED}"}, (
        "her late sign-in stays out, and changes nobody's events"
    )
    asked = ecom(
        "trend",
        "--events",
        shop / "landing",
        "--series",
        "*",
        "--by",
        "visitor_id",
        "--json",
        home=home,
    )
    counted = {series["breakdown"]: series["total"] for series in asked.json["series"]}
    assert counted == {BOB: 2, f"anon-{SHARED}": 3, "anon-device-eve": 2}, (
        "questions over the same files give nobody her events either"
    )


def test_of_two_events_with_one_id_only_hers_goes(shop: Path) -> None:
    """Eve's search has the id of Ann's page view on the device that Ann shared with Bob."""
    home = shop / "home"
    land(shop / "landing", "twice.csv", [("ann-2", "", "search", "09:02", "device-eve")])
    run = ecom("run", "--events", shop / "landing", *FEW_TABLES, home=home)
    assert run.exit_code == 0, run.err
    of_id = [owner for event_id, owner in visitors(home).items() if event_id.startswith("ann-2")]
    assert sorted(of_id) == [ANN, "anon-device-eve"]
    assert ecom("erase", "--visitor", ANN, "--yes", home=home).exit_code == 0
    left = [owner for event_id, owner in visitors(home).items() if event_id.startswith("ann-2")]
    assert left == ["anon-device-eve"]
    assert query(home, "SELECT anonymous_id FROM raw.events WHERE event_id = 'ann-2'") == [
        ("device-eve",)
    ]
    assert "ann-2" not in (shop / "landing" / "events.csv").read_text()
    assert "ann-2" in (shop / "landing" / "twice.csv").read_text()


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


def alias(event_id: str, user: str, previous: str, at: str) -> str:
    return f'{event_id},{user},alias,{at}:00Z,,,,,,,,"{{""previous_id"": ""{previous}""}}"'


def event_of(event_id: str, user: str, at: str, device: str) -> str:
    return f"{event_id},{user},page_view,{at}:00Z,,,,,,,{device},"


def run_events(folder: Path, name: str, lines: Sequence[str]) -> None:
    """Land events, and run over all that has landed."""
    landed = folder / "landing"
    landed.mkdir(exist_ok=True)
    text = "\n".join([f"{HEADER},anonymous_id,properties", *lines]) + "\n"
    (landed / f"{name}.csv").write_text(text)
    result = ecom("run", "--events", landed, *FEW_TABLES, home=folder / "home")
    assert result.exit_code == 0, result.err


@pytest.fixture(scope="module")
def joining(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in which aliases, maybe of a stranger,
    make Ann the visitor that Bob and Cid are, too.
    """
    folder = tmp_path_factory.mktemp("joining")
    run_events(
        folder,
        "events",
        [
            event_of("b1", "bob-4712", "2026-01-01T08:00", "D-bob"),
            event_of("b2", "", "2026-01-01T08:01", "D-bob"),
            event_of("c1", "cid-4713", "2026-01-02T08:00", "D-cid"),
            event_of("a1", ANN, "2026-01-03T08:00", "D-ann"),
            event_of("a2", "", "2026-01-03T08:01", "D-ann"),
            alias("j1", ANN, "bob-4712", "2026-01-03T09:00"),
            alias("j2", ANN, "cid-4713", "2026-01-03T09:01"),
            event_of("e1", "eve-4714", "2026-01-03T10:00", "D-eve"),
        ],
    )
    assert {visitors(folder / "home")[name] for name in ("a2", "b1", "b2", "c1")} == {ANN}
    return folder


@pytest.fixture
def joined(joining: Path, tmp_path: Path) -> Path:
    """A copy of that shop."""
    return copy_of_shop(joining, tmp_path / "shop")


def test_users_whom_an_alias_joins_are_erased_only_if_they_are_named(joined: Path) -> None:
    home = joined / "home"
    found = ecom("erase", "--visitor", ANN, "--dry-run", "--json", home=home).json
    assert found["known_as"] == ["bob-4712", "cid-4713"]
    assert (
        "Not erased: bob-4712, cid-4713."
        in ecom("erase", "--visitor", ANN, "--dry-run", home=home).out
    )
    wrong = ecom("erase", "--visitor", ANN, "--with", "eve-4714", "--yes", home=home)
    assert (wrong.exit_code, "no alias joins this user" in wrong.sentence) == (2, True)
    done = ecom("erase", "--visitor", ANN, "--with", "cid-4713", "--yes", "--json", home=home)
    assert done.exit_code == 0, done.err
    after = visitors(home)
    assert after == {"b1": "bob-4712", "b2": "bob-4712", "e1": "eve-4714"}, "Bob is himself again"
    receipt = done.json
    assert (receipt["known_as"], len(receipt["known_as_kept"])) == (["bob-4712"], 1)
    assert any("1 user stays who was" in note for note in receipt["to_confirm"])
    kept = json.loads(Path(receipt["receipt"]).read_text())
    assert "known_as" not in kept, "the receipt names nobody, not even who stays"
    assert "bob-4712" not in json.dumps(kept)
    assert query(home, "SELECT count(*) FROM mart.merged_users") == [(0,)]
    for user in (ANN, "cid-4713"):
        assert ecom("erase", "--visitor", user, "--verify", home=home).exit_code == 0
    assert "bob-4712" in (joined / "landing" / "events.csv").read_text()


def test_others_come_in_after_the_erasure_of_who_was_joined_with_them(joined: Path) -> None:
    home = joined / "home"
    assert ecom("erase", "--visitor", ANN, "--yes", home=home).exit_code == 0
    run_events(
        joined,
        "late",
        [
            event_of("b3", "bob-4712", "2026-01-03T12:00", "D-bob"),
            event_of("a3", ANN, "2026-01-03T12:00", "D-ann"),
            alias("j3", "eve-4714", ANN, "2026-01-03T13:00"),  # an alias may name her at any time
            alias("j4", "bob-4712", ANN, "2026-01-03T13:01"),
        ],
    )
    after = visitors(home)
    assert "a3" not in after
    assert {name: after[name] for name in ("b1", "b2", "b3", "c1", "e1", "j3")} == {
        "b1": "bob-4712",
        "b2": "bob-4712",
        "b3": "bob-4712",
        "c1": "cid-4713",
        "e1": "eve-4714",
        "j3": "eve-4714",
    }
    assert query(home, "SELECT count(*) FROM staging.identity_aliases") == [(0,)]
    asked = ecom(
        "trend",
        "--events",
        joined / "landing",
        "--series",
        "*",
        "--by",
        "visitor_id",
        "--json",
        home=home,
    )
    counted = {series["breakdown"] for series in asked.json["series"]}
    assert counted == {"bob-4712", "cid-4713", "eve-4714"}, "questions about the files agree"


def test_a_person_who_is_not_the_visitor_of_the_group_goes_alone(joined: Path) -> None:
    home = joined / "home"
    with closing(new_engine(Settings(home=home)).open()) as engine:
        person = Person.requested(["bob-4712"], []).completed(engine)
    assert (person.users, person.devices) == (("bob-4712",), ("D-bob",))
    assert person.known_as == (ANN, "cid-4713")
    assert ecom("erase", "--customer", "bob-4712", "--yes", home=home).exit_code == 0
    after = visitors(home)
    assert {name for name in after if name[0] == "b"} == set(), (
        "with what he did before he signed in"
    )
    assert {after[name] for name in ("a1", "a2", "c1")} == {ANN}, "the others stay joined"


def test_a_device_of_two_joined_users_goes_with_neither_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run_events(
        tmp_path,
        "events",
        [
            event_of("a1", ANN, "2026-01-01T08:00", SHARED),
            event_of("x1", "", "2026-01-01T08:01", SHARED),
            event_of("b1", BOB, "2026-01-01T18:00", SHARED),
            event_of("x2", "", "2026-01-01T18:01", SHARED),
            event_of("x3", "", "2026-01-01T07:00", "D-bob"),
            event_of("b2", BOB, "2026-01-01T07:01", "D-bob"),
            alias("j1", ANN, BOB, "2026-01-01T19:00"),
        ],
    )
    assert ecom("erase", "--visitor", ANN, "--yes", home=home).exit_code == 0
    after = visitors(home)
    assert sorted(after) == ["b1", "b2", "x1", "x2", "x3"], "what may be Bob's stays"
    assert (after["x1"], after["x3"]) == (f"anon-{SHARED}", BOB)
