"""What lies in a landing place and cannot be read is never taken for nothing."""

import os
from pathlib import Path

import pytest

from ecom_assets.errors import SourceError
from ecom_assets.sources.files.formats import find_files
from ecom_assets.sources.files.places import IGNORED, is_ignored
from ecom_assets_tests.rights import without_rights


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Two days in landing folders of their own."""
    for day in ("2026-01-01", "2026-01-02"):
        (tmp_path / "landing" / f"received_date={day}").mkdir(parents=True)
        (tmp_path / "landing" / f"received_date={day}" / "events.csv").write_text("event_id\n1\n")
    return tmp_path / "landing"


def names(*places: Path | str) -> list[str]:
    """Return the files found, by their names."""
    return [file.name for file in find_files([*places])]


BOTH = ["received_date=2026-01-01/events.csv", "received_date=2026-01-02/events.csv"]


@pytest.mark.parametrize("pattern", ["", "/*", "/*/*.csv", "/**/*.csv", "/received_date=*/events.csv"])
def test_a_folder_that_may_not_be_read_is_refused_by_name_however_it_is_asked_for(landing: Path, pattern: str) -> None:
    assert names(f"{landing}{pattern}") == BOTH
    with (
        without_rights(landing / "received_date=2026-01-02"),
        pytest.raises(SourceError, match="received_date=2026-01-02 may not be read by this user"),
    ):
        find_files([f"{landing}{pattern}"])


def test_a_folder_that_may_be_listed_and_not_entered_is_refused_too(landing: Path) -> None:
    folder = landing / "received_date=2026-01-02"
    with without_rights(folder), pytest.raises(SourceError, match="may not be read"):
        find_files([landing / "received_date=2026-01-02"])
    with without_rights(folder / "events.csv"), pytest.raises(SourceError, match=r"events\.csv may not be read"):
        find_files([landing])


def test_landing_folders_that_are_links_are_read(landing: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "another disk" / "day"
    elsewhere.parent.mkdir()
    (landing / "received_date=2026-01-02").rename(elsewhere)
    (landing / "received_date=2026-01-02").symlink_to(elsewhere)
    assert names(landing) == names(f"{landing}/*/*.csv") == BOTH
    assert [str(file.received_date) for file in find_files([landing])] == ["2026-01-01", "2026-01-02"]


def test_links_that_lead_nowhere_or_in_a_circle_are_refused_by_name(landing: Path) -> None:
    (landing / "received_date=2026-01-03").symlink_to(landing / "gone")
    with pytest.raises(SourceError, match="received_date=2026-01-03 is a link that leads nowhere"):
        find_files([landing])
    (landing / "received_date=2026-01-03").unlink()
    (landing / "received_date=2026-01-02" / "up").symlink_to(landing)
    with pytest.raises(SourceError, match="up is a link to a folder that it lies in"):
        find_files([landing])


def test_what_is_neither_a_file_nor_a_folder_is_refused(landing: Path) -> None:
    os.mkfifo(landing / "pipe.csv")
    with pytest.raises(SourceError, match=r"pipe\.csv is neither a file nor a folder"):
        find_files([landing])


@pytest.mark.parametrize("name", ["_export.csv", ".events.csv", "_2026-01-03/events.csv", ".held/events.csv"])
def test_a_hidden_name_that_nobody_knows_stops_everything_by_name(landing: Path, name: str) -> None:
    (landing / name).parent.mkdir(exist_ok=True)
    (landing / name).write_text("event_id\n1\n")
    with pytest.raises(SourceError, match=rf"{Path(name).parts[0]} has a name that begins with"):
        find_files([landing])


def test_a_hidden_file_that_is_named_is_read(landing: Path) -> None:
    (landing / "_export.csv").write_text("event_id\n1\n")
    assert names(landing / "_export.csv") == names(f"{landing}/_*.csv") == ["_export.csv"]


@pytest.mark.parametrize("pattern", IGNORED)
def test_what_other_programs_leave_beside_is_passed_over(landing: Path, pattern: str) -> None:
    name = pattern.replace("*", "a").replace("?", "p")
    assert is_ignored(name)
    (landing / "received_date=2026-01-01" / name).write_text("x")
    (landing / name).mkdir()
    (landing / name / "part.csv").write_text("x")
    assert names(landing) == names(f"{landing}/*") == names(f"{landing}/**") == BOTH


def test_the_docs_list_every_ignored_name() -> None:
    text = (Path(__file__).parents[2] / "docs" / "mappings.md").read_text()
    assert [pattern for pattern in IGNORED if f"`{pattern}`" not in text] == []


def test_nothing_is_opened_of_what_is_ignored(landing: Path) -> None:
    (landing / "_SUCCESS").write_text("")
    with without_rights(landing / "_SUCCESS"):
        assert names(landing) == BOTH
