"""Paths of landing places: several in one setting, and what lies there and cannot
be read is never ignored.
"""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.events import event_paths
from ecom_assets.ingestion.sources.files import formats
from ecom_assets.ingestion.sources.files.formats import (
    IGNORED,
    find_files,
    is_ignored,
    join_paths,
    split_paths,
)
from ecom_assets.ingestion.sources.order_reports.source import order_paths
from ecom_assets_tests.command import SMALL, ecom
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.sources.conftest import SHOP, csv_text, write
from ecom_assets_tests.rights import without_rights


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Two days in landing folders of their own."""
    for day in ("2026-01-01", "2026-01-02"):
        (tmp_path / "landing" / f"received_date={day}").mkdir(parents=True)
        (tmp_path / "landing" / f"received_date={day}" / "events.csv").write_text("event_id\n1\n")
    return tmp_path / "landing"


def names(*paths: Path | str) -> list[str]:
    """Return the files found, by their names."""
    return [file.name for file in find_files([*paths])]


BOTH = ["received_date=2026-01-01/events.csv", "received_date=2026-01-02/events.csv"]


@pytest.mark.parametrize(
    "pattern", ["", "/*", "/*/*.csv", "/**/*.csv", "/received_date=*/events.csv"]
)
def test_a_folder_that_may_not_be_read_is_refused_by_name_however_it_is_asked_for(
    landing: Path, pattern: str
) -> None:
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
    with (
        without_rights(folder / "events.csv"),
        pytest.raises(SourceError, match=r"events\.csv may not be read"),
    ):
        find_files([landing])


def test_a_file_that_gets_its_name_while_its_folder_is_listed_is_no_fault(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = landing / "received_date=2026-01-01" / ".merged.parquet.1.part"
    unfinished.touch()
    listing = formats.current_entries

    def then_finished(folder: Path) -> list[os.DirEntry[str]]:
        entries = listing(folder)
        if folder == unfinished.parent:
            unfinished.unlink()
        return entries

    monkeypatch.setattr(formats, "current_entries", then_finished)
    assert names(landing) == BOTH


def test_landing_folders_that_are_links_are_read(landing: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "another disk" / "day"
    elsewhere.parent.mkdir()
    (landing / "received_date=2026-01-02").rename(elsewhere)
    (landing / "received_date=2026-01-02").symlink_to(elsewhere)
    assert names(landing) == names(f"{landing}/*/*.csv") == BOTH
    assert [str(file.received_date) for file in find_files([landing])] == [
        "2026-01-01",
        "2026-01-02",
    ]


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


@pytest.mark.parametrize(
    "name", ["_export.csv", ".events.csv", "_2026-01-03/events.csv", ".held/events.csv"]
)
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
    text = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text()
    assert [pattern for pattern in IGNORED if f"`{pattern}`" not in text] == []


def test_nothing_is_opened_of_what_is_ignored(landing: Path) -> None:
    (landing / "_SUCCESS").write_text("")
    with without_rights(landing / "_SUCCESS"):
        assert names(landing) == BOTH


@examples(100)
@given(st.lists(st.text("ab, /*", min_size=1, max_size=6).map(str.strip).filter(bool)))
def test_paths_with_commas_come_back_as_they_were(paths: list[str]) -> None:
    assert split_paths(join_paths(paths)) == paths


def test_the_settings_of_events_and_orders_hold_several_paths() -> None:
    settings = Settings(events=r"landing , more/a\,b.csv,", orders=r"x\,y.csv,z")
    assert event_paths(settings) == ["landing", "more/a,b.csv"]
    assert order_paths(settings) == ["x,y.csv", "z"]


@pytest.mark.slow
def test_a_file_with_a_comma_in_its_name_is_read_by_every_command(tmp_path: Path) -> None:
    events = write(tmp_path / "in" / "a,b.csv", csv_text(SHOP))
    orders = write(
        tmp_path / "in" / "o,p.csv",
        (
            "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
            "payment_amount\n"
            "1,l1,2026-01-01T10:00:00Z,1,Bern,c1,Ann,A,i1,Lamp,1,19.90\n"
        ),
    )
    raw = ("--select", 'key:"raw/events"')
    ran = ecom("run", "--events", events, *raw, home=tmp_path / "home", env=SMALL)
    assert ran.exit_code == 0, ran.err
    ran = ecom(
        "run",
        "--orders",
        orders,
        "--select",
        'key:"raw/user_order_log"',
        home=tmp_path / "sales",
        env={"ECOM_ORDER_CUSTOMERS_OVER": "0"},
    )
    assert ran.exit_code == 0, ran.err
    for command in (("sessions",), ("funnel", "--steps", "product_view,purchase")):
        assert ecom(*command, "--events", events, "--json", home=tmp_path).exit_code == 0
