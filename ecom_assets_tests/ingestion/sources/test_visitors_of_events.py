"""Who a visitor is where no name says it: sessions show it, or it is asked."""

from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    OWN,
    MappingSearch,
    open_questions,
    read_by,
)
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets.ingestion.uploads.look import Chosen, look_at
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.dashboard.upload_words import field_of
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.uploads.shop_exports import sent, settings_of

VISITS = ("ann", "bob", "cleo", "ann", "dora", "bob", "emil", "ann", "finn", "cleo")
"""Who came in each of ten sessions: six people, of whom three came again, ann twice."""


def visits(
    path: Path, head: str, *, member: bool = False, people: tuple[str, ...] = VISITS
) -> Path:
    """Write a view and a purchase of each session, with the person in a column of some name; with
    `member`, a member's number of the purchases alone.
    """
    lines = []
    for n, who in enumerate(people):
        known = f",M{ord(who[0])}" if member else ""
        browser = ("Firefox", "Safari")[n % 2]
        lines += [
            f"2026-03-{1 + n:02d}T10:00:00Z,page_view,s{n},{who},{browser}{',' if member else ''}",
            f"2026-03-{1 + n:02d}T10:05:00Z,purchase,s{n},{who},{browser}{known}",
        ]
    named = f"timestamp,event_name,session_id,{head},browser{',user_id' if member else ''}"
    return write(path, "\n".join([named, *lines, ""]))


def search_of(path: Path) -> MappingSearch:
    return MappingSearch([str(path)], Settings(home=path.parent / "home"), MappingKind.EVENTS)


def ids(search: MappingSearch, answers: dict[str, str], column: str) -> set[str | None]:
    """Return the ids of a column of the events that count by the proposal."""
    with read_by(search, search.proposal(answers, OWN)) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    return {row[column] for row in rows if row["reject_reason"] is None}


def asked(search: MappingSearch, answers: dict[str, str]) -> dict[str, str]:
    """Return the questions that must be answered, by their keys."""
    proposal = search.proposal(answers, OWN)
    return {one.key: one.sentence for one in open_questions(proposal, answers)}


@pytest.mark.slow
@each("head", ["Person", "Account No", "Gerätenummer", "Mitgliedsnr", "Klient"])
def test_a_column_that_is_named_so_is_the_visitor_where_sessions_show_it(
    tmp_path: Path, head: str
) -> None:
    search = search_of(visits(tmp_path / "log.csv", head))
    assert asked(search, {}) == {}
    assert ids(search, {}, "user_id") == {"ann", "bob", "cleo", "dora", "emil", "finn"}
    why = f"user_id: named {head}; each session_id is of one, and 6 have 4 further ones"
    assert why in search.proposal({}, OWN).text


def test_a_column_of_another_name_is_asked_and_none_makes_each_session_a_visitor(
    tmp_path: Path,
) -> None:
    search = search_of(visits(tmp_path / "log.csv", "Gość"))
    assert asked(search, {}) == {
        "user_id": "the column that says who the visitor is, as each of 10 of session_id has one "
        "value of Gość (6, such as ann); or none: then each session is a visitor of its own"
    }
    assert len(ids(search, {"user_id": "Gość"}, "user_id")) == 6
    assert asked(search, {"user_id": "none"}) == {}
    assert ids(search, {"user_id": "none"}, "user_id") == {None}


def test_columns_that_sessions_do_not_show_are_no_visitors(tmp_path: Path) -> None:
    # Three cities of ten sessions are no more than kinds, as the two browsers are.
    cities = tuple(("Rome", "Oslo", "Bonn")[n % 3] for n in range(10))
    assert asked(search_of(visits(tmp_path / "cities.csv", "Town", people=cities)), {}) == {}
    # Seven ids by turns: each session has two of them.
    turns = iter(f"w{n % 7}" for n in range(20))
    path = visits(tmp_path / "turns.csv", "Who", people=("WHO",) * 10)
    write(
        path,
        "".join(
            line.replace("WHO", next(turns)) if "WHO" in line else line
            for line in path.read_text().splitlines(keepends=True)
        ),
    )
    assert asked(search_of(path), {}) == {}


def test_a_device_beside_members_who_are_not_always_signed_in_is_asked(tmp_path: Path) -> None:
    """Purchases alone have a member: without devices each view is of a visitor of its session."""
    search = search_of(visits(tmp_path / "log.csv", "Browserkey", member=True))
    assert "whose device it is, without a user" in asked(search, {})["anonymous_id"]
    assert len(ids(search, {"anonymous_id": "Browserkey"}, "anonymous_id")) == 6
    assert ids(search, {"anonymous_id": "none"}, "anonymous_id") == {None}


@pytest.mark.slow
def test_the_terminal_says_which_answers_there_are_and_takes_one(tmp_path: Path) -> None:
    file = visits(tmp_path / "log.csv", "Who")
    init = ("mapping", "init", file, "--events", "--out", tmp_path / "m.yaml")
    assert "--answer user_id=" in ecom(*init, home=tmp_path / "home").out
    (tmp_path / "m.yaml").unlink()
    ecom(*init, "--answer", "user_id=Who", home=tmp_path / "home")
    assert 'user_id: {column: "Who", optional: true}' in (tmp_path / "m.yaml").read_text()


@pytest.mark.slow
def test_the_page_asks_with_the_columns_as_choices(tmp_path: Path) -> None:
    home, file = tmp_path / "home", visits(tmp_path / "log.csv", "Who")
    uploads, upload = Uploads(home), sent(home, file)
    look = look_at(uploads, upload, settings_of(home), Chosen())
    (question,) = [one for one in look.open_questions if one.key == "user_id"]
    assert [value for value, _ in field_of(look, question).options] == ["Who", "none"]
    settled = look_at(uploads, upload, settings_of(home), Chosen({"user_id": "Who"}))
    assert (settled.open_questions, settled.rows["counted"]) == ((), 20)
