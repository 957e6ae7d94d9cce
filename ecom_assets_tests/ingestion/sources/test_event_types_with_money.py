"""Events whose purchase has a name of its own, and drafts that guess who did something: what alone
has amounts is asked about, and the first choice is what may be right.
"""

import json
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.proposal.questions import OpenQuestion
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.ingestion.sources.conftest import write

HEAD = "Event Name,Time,Identity,Amount"
DAYS = range(1, 5)


def search_of_events(path: Path, lines: list[str]) -> MappingSearch:
    write(path, "\n".join([*lines, ""]))
    settings = Settings(home=path.parent / "home", timezone="UTC")
    return MappingSearch([str(path)], settings, MappingKind.EVENTS)


def open_of(search: MappingSearch) -> dict[str, OpenQuestion]:
    """Return the questions that must be answered, by their subject or key."""
    questions = search.proposal({"timezone": "UTC"}, OWN).questions
    return {one.subject or one.key: one for one in questions if not one.is_optional}


def test_what_alone_has_amounts_is_asked_whether_it_is_a_purchase(tmp_path: Path) -> None:
    lines = [HEAD]
    for day in DAYS:
        lines.append(f"Opened,2026-03-0{day} 10:00:00,ann,")
        lines.append(f"Charged,2026-03-0{day} 10:05:00,ann,25.00")
    search = search_of_events(tmp_path / "events.csv", lines)
    question = open_of(search)["Charged"]
    assert question.sentence.endswith("; all amounts are on its rows")
    assert question.guess == "purchase"
    answers = {"timezone": "UTC", question.key: "purchase"}
    with read_by(search, search.proposal(answers, OWN)) as reading:
        assert isinstance(reading, FileReading)
        types = {ours: count for _, ours, count in reading.event_types}
    assert types == {"Opened": 4, "purchase": 4}


def test_it_is_asked_however_many_other_types_are_more_frequent(tmp_path: Path) -> None:
    lines = [HEAD]
    lines += [f"Opened {n},2026-03-0{day} 10:00:00,ann," for n in range(30) for day in DAYS]
    lines += [f"Charged,2026-03-0{day} 10:05:00,ann,25.00" for day in DAYS[:3]]
    assert "Charged" in open_of(search_of_events(tmp_path / "events.csv", lines))


@pytest.mark.parametrize(
    ("money", "name"),
    [("Purchase", "a purchase is named"), ("Charged,25.00", "others have amounts, too")],
)
def test_it_is_not_asked_where(tmp_path: Path, money: str, name: str) -> None:
    word, _, of_others = money.partition(",")
    lines = [HEAD]
    for day in DAYS:
        lines.append(f"Opened,2026-03-0{day} 10:00:00,ann,{of_others}")
        lines.append(f"{word},2026-03-0{day} 10:05:00,ann,25.00")
    search = search_of_events(tmp_path / "events.csv", lines)
    assert not {"Charged", "Purchase"} & open_of(search).keys(), name


def test_the_first_choices_are_neither_one_for_all_nor_another_one_on_each_row(
    tmp_path: Path,
) -> None:
    """As an API answers: all rows are of the type `event`, and each has an id of its own."""
    names = ["Viewed Product", "Placed Order"]
    lines = [
        json.dumps(
            {
                "type": "event",
                "id": f"k{number}",
                "timestamp": f"2026-03-01T10:0{number}:00Z",
                "profile": {"ref": f"p{number % 3}"},
                "metric": {"label": names[number % 2]},
            }
        )
        for number in range(8)
    ]
    asked = open_of(search_of_events(tmp_path / "events.ndjson", lines))
    assert asked["user_id"].guess == "profile.ref"
    assert asked.get("event_type") is None or asked["event_type"].guess == "metric.label"
