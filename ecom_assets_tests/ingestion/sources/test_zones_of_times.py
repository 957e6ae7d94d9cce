"""Zones beside times, however they are written: what Python says of the same moment is read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import cycle
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingProposal,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.proposal.questions import ZONE
from ecom_assets.ingestion.sources.proposal.zones import without_zone
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.ingestion.sources.conftest import write

MOMENTS = [datetime(2025, 3, 1, 22, 5, tzinfo=UTC) + timedelta(days=41 * n) for n in range(8)]
FORMS = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%b %d, %Y, %I:%M %p",
    "%d %B %Y %H:%M",
)
MAILED = ("%a, %d %b %Y %H:%M:%S", "%d %b %Y %H:%M:%S", "%a %b %d %Y %H:%M:%S")
"""Forms of mails and programs, which are known with their zone: two ways to read one."""
BEHIND = {
    " PST(UTC-8)": -8,
    " (UTC-8)": -8,
    " (UTC-08:00)": -8,
    " [PDT]": -7,
    " (PDT)": -7,
    " PST": -8,
    " GMT": 0,
    " EST": -5,
    " GMT+8": 8,
    " GMT+08:00": 8,
    " UTC+5:30": 5.5,
    " MEZ": 1,
    " (MESZ)": 2,
    " CET": 1,
    " (CEST)": 2,
    ", JST": 9,
    " +0100": 1,
    " -03": -3,
    " UTC\u22123": -3,
    " UTC": 0,
    " (GMT)": 0,
    " GMT+0800 (China Standard Time)": 8,
}
"""What stands behind a time, and by how many hours it is ahead of UTC."""


def search_of(path: Path, head: str, times: Sequence[str]) -> MappingSearch:
    lines = [f'number;"{head}";customer;sku;quantity;amount']
    lines += [f'A{n};"{time}";c{n % 3}@x.example;S1;1;19.99' for n, time in enumerate(times)]
    write(path, "\n".join([*lines, ""]))
    return MappingSearch([str(path)], Settings(home=path.parent / "home"), MappingKind.ORDERS)


def moments(search: MappingSearch, answers: Mapping[str, str]) -> list[datetime]:
    return moments_by(search, search.proposal(answers, OWN))


def moments_by(search: MappingSearch, proposal: MappingProposal) -> list[datetime]:
    with read_by(search, proposal) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    kept = [row for row in rows if row["reject_reason"] is None]
    return sorted(row["ordered_at"].replace(tzinfo=UTC) for row in kept)


def asked(search: MappingSearch) -> dict[str, str]:
    questions = open_questions(search.proposal({}, OWN), {})
    return {question.key: question.guess for question in questions}


@pytest.mark.slow
def test_a_zone_behind_times_is_read(tmp_path: Path) -> None:
    """Each zone behind one form in turn; and behind those of mails a part of them."""
    wrong = {}
    pairs = [*zip(BEHIND, cycle(FORMS), strict=False)]
    pairs += [*zip([*BEHIND][::4], cycle(MAILED), strict=False)]
    for number, (behind, form) in enumerate(pairs):
        zone = timezone(timedelta(hours=BEHIND[behind]))
        times = [f"{moment.astimezone(zone):{form}}{behind}" for moment in MOMENTS]
        search = search_of(tmp_path / f"{number}.csv", "Order time", times)
        proposal = search.proposal({}, OWN)
        questions = open_questions(proposal, {})
        read = [] if questions else moments_by(search, proposal)
        if questions or read != MOMENTS:
            wrong[times[0]] = questions, read
    assert not wrong


@pytest.mark.slow
def test_winter_and_summer_stand_behind_times_of_one_file(tmp_path: Path) -> None:
    zone = ZoneInfo("America/Los_Angeles")
    local = [moment.astimezone(zone) for moment in MOMENTS]
    names = {"PST": "PST(UTC-8)", "PDT": "PDT(UTC-7)"}
    times = [f"{time:%b %d, %Y, %I:%M %p} {names[str(time.tzname())]}" for time in local]
    search = search_of(tmp_path / "a.csv", "purchase date", times)
    assert asked(search) == {}
    assert moments(search, {}) == MOMENTS


@pytest.mark.slow
def test_a_zone_of_several_meanings_is_asked_for_with_a_time(tmp_path: Path) -> None:
    """CST is the time of Chicago, and that of China."""
    for number, behind in enumerate((" CST", " (CST)", " Uhr")):
        zone = ZoneInfo("Asia/Shanghai")
        times = [f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}{behind}" for moment in MOMENTS]
        search = search_of(tmp_path / f"{number}.csv", "Order time", times)
        (question,) = open_questions(search.proposal({}, OWN), {})
        assert question.key == ZONE
        assert behind in question.sentence
        assert moments(search, {ZONE: "Asia/Shanghai"}) == MOMENTS


SAID = {
    "Order time (UTC+1)": 1,
    "Order time (GMT-3)": -3,
    "order_time [UTC]": 0,
    "created_at_utc": 0,
    "created_at_gmt": 0,
    "Created At (UTC+0)": 0,
    "purchase date (PST UTC-8)": -8,
}
"""Heads that say how far times are ahead of UTC."""
LIKELY = {
    "purchase date [PST]": "America/Los_Angeles",
    "Bestelldatum (MEZ)": "Europe/Berlin",
    "Order time (EST)": "America/New_York",
    "Order time (CST)": "America/Chicago",
    "Order time": "UTC",
}
"""Heads by which a zone is guessed."""


@pytest.mark.slow
def test_a_zone_in_the_head_of_a_column_is_read_or_guessed(tmp_path: Path) -> None:
    for number, (head, hours) in enumerate(SAID.items()):
        zone = timezone(timedelta(hours=hours))
        times = [f"{moment.astimezone(zone):%d.%m.%Y %H:%M}" for moment in MOMENTS]
        search = search_of(tmp_path / f"{number}.csv", head, times)
        assert asked(search) == {}, head
        assert moments(search, {}) == MOMENTS, head
    place = ZoneInfo("Europe/Berlin")
    times = [f"{moment.astimezone(place):%Y-%m-%d %H:%M:%S}" for moment in MOMENTS]
    search = search_of(tmp_path / "place.csv", "Order time (Europe/Berlin)", times)
    assert asked(search) == {}
    assert moments(search, {}) == MOMENTS
    for head, guess in LIKELY.items():
        assert asked(search_of(tmp_path / f"{guess[-3:]}.csv", head, times)) == {ZONE: guess}, head


def test_a_head_of_a_million_blanks_holds_nobody_up() -> None:
    """Its end is looked at alone: the time that all of it takes grows with its square."""
    head = f"time{' ' * 1_000_000}x"
    assert without_zone(head) == (head, "")
    assert without_zone(f"{' ' * 1_000_000}time (UTC+1)") == ("time", "UTC+1")
