"""Visitors of the exports of other tools: by their devices,
where nobody or not everybody signs in.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets_tests.command import HEADER, ecom

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""A Monday."""
SEGMENT = """\
fields:
  event_id: messageId
  user_id: {column: userId, optional: true}
  anonymous_id: anonymousId
  event_type: event
  event_timestamp: timestamp
"""


def ga4_hit(device: int, at: datetime, name: str) -> dict[str, Any]:
    session = {"key": "ga_session_id", "value": {"int_value": int(at.timestamp())}}
    return {
        "event_timestamp": int(at.timestamp() * 1e6),
        "event_name": name,
        "event_params": [session],
        "user_pseudo_id": f"{device}.{device}",
        "device": {"category": "mobile"},
    }


@pytest.fixture
def ga4(tmp_path: Path) -> Path:
    """300 devices without a signed-in user; each comes on a day of the first week,
    120 again a week later.
    """
    hits = []
    for device in range(300):
        first = START + timedelta(days=device % 7, minutes=device)
        comes = [first, first + timedelta(days=7)] if device < 120 else [first]
        hits += [ga4_hit(device, at, "page_view") for at in comes]
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(map(json.dumps, hits)), encoding="utf-8")
    return file


@pytest.mark.slow
def test_300_devices_without_signed_in_users_are_300_visitors(home: Path, ga4: Path) -> None:
    result = ecom("sessions", "--events", ga4, "--mapping", "ga4_export", "--json", home=home).json
    assert (result["events"], result["visitors"], result["sessions"]) == (420, 300, 420)
    by_session = ecom(
        "sessions",
        "--events",
        ga4,
        "--mapping",
        "ga4_export",
        "--identity",
        "user",
        "--json",
        home=home,
    )
    assert by_session.json["visitors"] == 420, "the source's sessions, as without devices"


@pytest.mark.slow
def test_who_comes_back_a_week_later_is_counted_by_device(home: Path, ga4: Path) -> None:
    arguments = (
        "retention",
        "--events",
        ga4,
        "--mapping",
        "ga4_export",
        "--period",
        "week",
        "--json",
    )
    (first,) = ecom(*arguments, home=home).json["cohorts"]
    assert first["size"] == 300
    assert first["returned"][1] == 120


@pytest.fixture
def segment(tmp_path: Path) -> tuple[Path, Path]:
    """Ten people view a product on a device; five sign in there ten minutes later, and buy."""
    rows = []
    for person in range(10):
        at = START + timedelta(minutes=person)
        rows.append(
            {
                "anonymousId": f"a{person}",
                "userId": None,
                "event": "page_view",
                "timestamp": at.isoformat(),
            }
        )
        if person < 5:
            bought = (at + timedelta(minutes=10)).isoformat()
            rows.append(
                {
                    "anonymousId": f"a{person}",
                    "userId": f"u{person}",
                    "event": "purchase",
                    "timestamp": bought,
                }
            )
    text = "\n".join(json.dumps({"messageId": f"m{n}", **row}) for n, row in enumerate(rows))
    (tmp_path / "segment.ndjson").write_text(text, encoding="utf-8")
    (tmp_path / "segment.yaml").write_text(SEGMENT, encoding="utf-8")
    return tmp_path / "segment.ndjson", tmp_path / "segment.yaml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("identity", "bought"), [("stitched", 5), ("amplitude", 5), ("user", 0), ("device", 5)]
)
def test_a_funnel_follows_people_over_their_sign_in(
    home: Path, segment: tuple[Path, Path], identity: str, bought: int
) -> None:
    file, mapping = segment
    arguments = (
        "funnel",
        "--events",
        file,
        "--mapping",
        mapping,
        "--steps",
        "page_view,purchase",
        "--identity",
        identity,
    )
    result = ecom(*arguments, "--json", home=home).json
    assert result["rows"]["rejected"] == {}
    assert [step["count"] for step in result["steps"]] == [10, bought]


@pytest.mark.slow
def test_two_rules_side_by_side(home: Path, segment: tuple[Path, Path]) -> None:
    file, mapping = segment
    arguments = (
        "sessions",
        "--events",
        file,
        "--mapping",
        mapping,
        "--identity",
        "stitched",
        "--compare-identity",
        "user",
    )
    result = ecom(*arguments, "--json", home=home).json
    assert (result["definition"]["identity"], result["visitors"]) == ("stitched", 10)
    assert (result["compared"]["definition"]["identity"], result["compared"]["visitors"]) == (
        "user",
        15,
    )
    out = ecom(*arguments, home=home).out
    assert out.index("Visitors by stitched:") < out.index("Visitors by user:")


FUNNEL = ("funnel", "--steps", "page_view,purchase")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "own", "other", "name"),
    [
        *(
            (question, own, other, "segment.ndjson")
            for question in (FUNNEL, ("retention",), ("sessions",))
            for own, other in ((None, "user"), ("device", "user"), ("user", "stitched"))
        ),
        (FUNNEL, None, "user", "segment.parquet"),
    ],
)
def test_each_of_two_answers_is_that_of_its_rule_alone(  # noqa: PLR0913, PLR0917 (each is a parameter)
    home: Path,
    segment: tuple[Path, Path],
    question: tuple[str, ...],
    own: str | None,
    other: str,
    name: str,
) -> None:
    """Five of ten people sign in ten minutes later, so that the two rules find other visitors."""
    file, mapping = segment
    if name.endswith("parquet"):
        duckdb.sql(f"COPY (FROM '{file}') TO '{file.with_name(name)}'")
    arguments = (
        *question,
        "--events",
        str(file.with_name(name)),
        "--mapping",
        str(mapping),
        "--json",
    )
    by_own = ("--identity", own) if own else ()
    both = ecom(*arguments, *by_own, "--compare-identity", other, home=home).json
    mine, others = (
        ecom(*arguments, *by_own, home=home).json,
        ecom(*arguments, "--identity", other, home=home).json,
    )
    assert numbers_of(both) == numbers_of(mine)
    assert numbers_of(both["compared"]) == numbers_of(others)
    assert numbers_of(mine) != numbers_of(others)


def numbers_of(answer: dict[str, Any]) -> list[Any]:
    """Return what differs by the visitors."""
    return [answer.get(name) for name in ("steps", "cohorts", "visitors", "sessions")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("trend", "--series", "*:visitors"),
        ("retention",),
        ("journeys", "--to-step", "purchase"),
        ("correlation", "--steps", "page_view,purchase"),
        ("attribution",),
        ("attribution", "--model", "markov"),
        ("experiment", "--variant", "device_id", "--control", "a0", "--goal", "purchase"),
        ("segments",),
        ("value",),
    ],
    ids=" ".join,
)
def test_every_question_is_asked_by_two_rules_and_names_one_that_is_mistyped(
    home: Path, segment: tuple[Path, Path], arguments: tuple[str, ...]
) -> None:
    file, mapping = segment
    asked: tuple[str | Path, ...] = (
        *arguments,
        "--events",
        file,
        "--mapping",
        mapping,
        "--json",
        "--identity",
    )
    result = ecom(*asked, "user", "--compare-identity", "posthog", home=home)
    assert result.exit_code == 0, result.err
    assert result.json["compared"]["definition"]["identity"] == "posthog"
    wrong = ecom(*asked, "user", "--compare-identity", "posthogg", home=home)
    assert "'posthogg' is unknown; did you mean 'posthog'?" in wrong.sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("identity", "mixed", "units"), [("stitched", 1, [1, 1]), ("device", 0, [2, 2])]
)
def test_a_person_in_two_variants_since_they_signed_in_is_left_out(
    home: Path, segment: tuple[Path, Path], identity: str, mixed: int, units: list[int]
) -> None:
    """One person on a0 and a1, which saw both variants, signs in on both;
    a2 and a3 saw one each.
    """
    seen = [("a0", None, "control"), ("a0", "u", None), ("a1", None, "test"), ("a1", "u", None)]
    seen += [("a2", None, "control"), ("a3", None, "test")]
    rows = [
        {
            "messageId": f"m{n}",
            "anonymousId": device,
            "userId": user,
            "event": "page_view",
            "timestamp": (START + timedelta(minutes=n)).isoformat(),
            "properties": {"variant": variant},
        }
        for n, (device, user, variant) in enumerate(seen)
    ]
    file, mapping = home.with_name("variants.ndjson"), segment[1]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    mapping.write_text(
        mapping.read_text(encoding="utf-8") + "  properties: properties\n", encoding="utf-8"
    )
    arguments = (
        "experiment",
        "--events",
        file,
        "--mapping",
        mapping,
        "--variant",
        "properties.variant",
        "--goal",
        "purchase",
    )
    answer = ecom(*arguments, "--identity", identity, "--json", home=home).json
    assert answer["mixed_count"] == mixed
    assert [variant["unit_count"] for variant in answer["variants"]] == units


@pytest.mark.slow
def test_a_device_is_linked_only_where_its_user_agreed(
    home: Path, segment: tuple[Path, Path]
) -> None:
    file, mapping = segment
    agreed = [
        {**row, "properties": {"consent": "granted" if row["userId"] in {"u0", "u1"} else "denied"}}
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]
    file.write_text("\n".join(map(json.dumps, agreed)), encoding="utf-8")
    mapping.write_text(
        mapping.read_text(encoding="utf-8") + "  properties: properties\n", encoding="utf-8"
    )
    arguments = (
        "funnel",
        "--events",
        file,
        "--mapping",
        mapping,
        "--steps",
        "page_view,purchase",
        "--json",
    )
    result = ecom(*arguments, home=home, env={"ECOM_IDENTITY_CONSENT": "consent"}).json
    assert [step["count"] for step in result["steps"]] == [10, 2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["events.ndjson", "events.parquet"])
@pytest.mark.parametrize(
    "where", [(), ("--where", "user_agent!=Chrome")], ids=["few columns", "named columns"]
)
def test_a_robot_that_carries_a_user_links_nobody_in_a_file(
    home: Path, tmp_path: Path, name: str, where: tuple[str, ...]
) -> None:
    """Two people look, and buy ten minutes later; but what "bought" as ben was a robot."""
    looked, bought = START.isoformat(), (START + timedelta(minutes=10)).isoformat()
    rows = [
        ("1", "d1", None, "page_view", looked, "Firefox"),
        ("2", "d1", "anna", "purchase", bought, "Firefox"),
        ("3", "d2", None, "page_view", looked, "Firefox"),
        ("4", "d2", "ben", "purchase", bought, "Googlebot/2.1"),
    ]
    names = ("messageId", "anonymousId", "userId", "event", "timestamp", "agent")
    text = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows)
    (tmp_path / "events.ndjson").write_text(text, encoding="utf-8")
    if name.endswith("parquet"):
        duckdb.sql(f"COPY (FROM '{tmp_path}/events.ndjson') TO '{tmp_path}/events.parquet'")
    mapping = tmp_path / "segment.yaml"
    mapping.write_text(f"{SEGMENT}  user_agent: agent\n", encoding="utf-8")
    arguments = (
        "funnel",
        "--events",
        str(tmp_path / name),
        "--mapping",
        str(mapping),
        "--steps",
        "page_view,purchase",
    )
    answer = ecom(*arguments, *where, "--json", home=home).json
    assert [step["count"] for step in answer["steps"]] == [2, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "visitors"), [(49, 1), (50, 2)])
def test_in_files_too_an_alias_of_a_user_on_50_devices_joins_nobody(
    home: Path, tmp_path: Path, devices: int, visitors: int
) -> None:
    rows = [f"e{n},max,page_view,2026-03-02T10:00:00Z,,,,,,,d{n}," for n in range(devices)]
    alias = 'a,ann,alias,2026-03-02T11:00:00Z,,,,,,,d,"{""previous_id"": ""max""}"'
    (tmp_path / "own.csv").write_text(
        "\n".join([f"{HEADER},anonymous_id,properties", *rows, alias]) + "\n"
    )
    result = ecom("sessions", "--events", tmp_path / "own.csv", "--json", home=home).json
    assert result["visitors"] == visitors
