"""Two events with one id that disagree: a run, `ecom doctor`, the API and the page show both,
with who and how much.
"""

import json
from datetime import date
from pathlib import Path

import pytest
import requests

from ecom_assets.behaviour.events.contracts import CleanEvents, DuplicateEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.command import HEADER, CommandResult, ecom
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.api.served import serving
from ecom_assets_tests.interfaces.api.small_run import run
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = pytest.mark.xdist_group("cli_event_id_conflicts")
DAY = "2026-01-10"
LINES = (
    "o-5001,eve,purchase,2026-01-10T08:00:00Z,p1,shoes,s1,,,0.01",
    "o-5001,anna,purchase,2026-01-10T09:00:00Z,p1,shoes,s2,,,59.90",
    "o-5002,ben,purchase,2026-01-10T10:00:00Z,p1,shoes,s3,,,20.00",
    "o-5002,ben,purchase,2026-01-10T10:00:00Z,p1,shoes,s3,,,20.00",
)
"""Eve has the id of Anna's order, for a cent; the rows of Ben's are copies."""
KEYS = {"read": "a-key-that-may-read-and-no-more", "read+personal": "a-key-that-may-see-people-too"}


def found_by_doctor(home: Path) -> dict[str, object]:
    findings: list[dict[str, object]] = json.loads(ecom("doctor", "--json", home=home).out)
    return next(finding for finding in findings if finding["subject"] == "event ids")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CommandResult]:
    folder = tmp_path_factory.mktemp("conflicts")
    (folder / "events.csv").write_text("\n".join((HEADER, *LINES)) + "\n")
    return folder / "home", ecom("run", "--events", folder / "events.csv", home=folder / "home")


@pytest.mark.slow
def test_a_run_shows_both_events_and_names_nobody(ran: tuple[Path, CommandResult]) -> None:
    _, result = ran
    assert result.exit_code == 0, result.err
    lines = result.out.splitlines()
    first = "Event ids: 1 id is shared by 2 events that disagree in who, what or amount; all count"
    (position,) = (number for number, line in enumerate(lines) if line.startswith(first))
    of_two = lines[position + 1 : position + 3]
    assert all(line.startswith("  'o-5001") for line in of_two)
    assert {line.partition(" (")[2] for line in of_two} == {
        f"purchase of 0.01 on {DAY})",
        f"purchase of 59.90 on {DAY})",
    }
    assert not any(name in line for name in ("anna", "eve") for line in of_two)


@pytest.mark.slow
def test_doctor_shows_both_events_with_who_what_and_amount(ran: tuple[Path, CommandResult]) -> None:
    finding, text = found_by_doctor(ran[0]), str(found_by_doctor(ran[0])["found"])
    assert finding["ok"] is True, "both count, so nothing is broken"
    assert text.startswith(
        "1 is shared by 2 events that disagree in who, what or amount, and all count, such as"
    )
    assert "(purchase of 0.01 by 'eve' on" in text
    assert "(purchase of 59.90 by 'anna' on" in text
    assert "o-5002" not in text, "copies are no conflict"


def test_doctor_says_that_there_are_no_events(tmp_path: Path) -> None:
    assert found_by_doctor(tmp_path / "home")["found"] == "no events yet"


@pytest.mark.slow
def test_the_api_shows_both_events_and_people_to_those_who_may_see_them(
    ran: tuple[Path, CommandResult],
) -> None:
    keys = ",".join(f"{scope}:{key}" for scope, key in KEYS.items())
    settings = Settings(home=ran[0], api_keys=keys)
    seen = {}
    with serving(settings, build_app(settings)) as api:
        for scope, key in KEYS.items():
            days = {"start_date": DAY, "end_date": DAY}
            response = requests.get(
                f"{api.address}/analytics/quality/conflicts",
                days,
                headers={"X-API-Key": key},
                timeout=PATIENCE_S,
            )
            answer = response.json()
            assert answer["total_count"] == 2, answer
            amounts = {
                (row["source_event_id"], float(row["cart_amount"])) for row in answer["conflicts"]
            }
            assert amounts == {("o-5001", 0.01), ("o-5001", 59.9)}
            seen[scope] = {row["user_id"] for row in answer["conflicts"]}
    assert seen == {"read": {"•••"}, "read+personal": {"anna", "eve"}}


def test_the_page_of_data_quality_shows_both_events(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("\n".join((HEADER, *LINES)) + "\n")
    settings = Settings(home=tmp_path / "home", events=str(tmp_path / "events.csv"))
    run(settings, Days((date.fromisoformat(DAY),)), {CleanEvents, DuplicateEvents})
    with served(build_dashboard_app(settings)) as api:
        days = {"start_date": DAY, "end_date": DAY}
        page = read(requests.get(f"{api.address}/dashboard/quality", days, timeout=PATIENCE_S).text)
    (section,) = (
        part for part in page.all("section") if part.one("h2").text == "Events that share an id"
    )
    rows = [[cell.text for cell in row.all("td")] for row in section.one("table").all("tr")[1:]]
    assert {(row[1], row[3]) for row in rows} == {("o-5001", "eve"), ("o-5001", "anna")}
