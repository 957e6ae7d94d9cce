"""A landing place that cannot be read whole stops the run before a row changes,
and `ecom doctor` says the same.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import ecom, page_views
from ecom_assets_tests.rights import give_away, without_rights

LOADED = ("--select", '+key:"staging/events"')


@pytest.fixture
def landing(tmp_path: Path, home: Path) -> Path:
    """Two days in landing folders, both loaded."""
    for day in ("2026-01-01", "2026-01-02"):
        (tmp_path / "landing" / f"received_date={day}").mkdir(parents=True)
        events = page_views(tmp_path / "landing" / f"received_date={day}" / "events.csv", day)
        events.write_text(events.read_text().replace("e0,", f"e-{day},"))
    result = ecom("run", "--json", "--events", tmp_path / "landing", *LOADED, home=home)
    assert (result.exit_code, result.json["tables"]["staging.events"]) == (0, 2)
    # The other user may not be able to load what this one can, so all that the tests need is loaded
    # before.
    assert ecom("doctor", home=home, env={"ECOM_EVENTS": str(tmp_path / "landing")}).exit_code == 0
    give_away(home)
    return tmp_path / "landing"


def unreadable_folder(landing: Path) -> AbstractContextManager[None]:
    return without_rights(landing / "received_date=2026-01-02")


def unreadable_file(landing: Path) -> AbstractContextManager[None]:
    return without_rights(landing / "received_date=2026-01-02" / "events.csv")


@contextmanager
def hidden_file(landing: Path) -> Iterator[None]:
    (landing / "received_date=2026-01-02" / "events.csv").rename(
        landing / "received_date=2026-01-02" / "_events.csv"
    )
    yield


@contextmanager
def lost_link(landing: Path) -> Iterator[None]:
    (landing / "received_date=2026-01-02").rename(landing.parent / "unmounted")
    (landing / "received_date=2026-01-02").symlink_to(landing.parent / "a disk that is away")
    yield


@pytest.mark.slow
@pytest.mark.parametrize("fault", [unreadable_folder, unreadable_file, hidden_file, lost_link])
@pytest.mark.parametrize("pattern", ["", "/*"])
def test_what_cannot_be_read_stops_the_run_by_name(
    landing: Path, home: Path, fault: object, pattern: str
) -> None:
    assert callable(fault)
    before = contents(home / "warehouse.duckdb")
    events = f"{landing}{pattern}"
    with fault(landing):
        result = ecom("run", "--events", events, *LOADED, home=home)
        doctor = ecom("doctor", home=home, env={"ECOM_EVENTS": events})
    assert result.exit_code == 1
    assert "received_date=2026-01-02" in result.sentence
    assert doctor.exit_code == 1
    assert f"FAIL events     {result.sentence}" in doctor.out
    assert contents(home / "warehouse.duckdb") == before


@pytest.mark.slow
def test_orders_are_looked_at_in_the_same_way(landing: Path, home: Path) -> None:
    (landing / "received_date=2026-01-02" / "_events.csv").write_text("id\n1\n")
    result = ecom("run", "--orders", landing, home=home)
    assert result.exit_code == 1
    assert "_events.csv has a name that begins with '_'" in result.sentence


@pytest.mark.slow
def test_a_landing_folder_that_is_a_link_is_loaded(landing: Path, home: Path) -> None:
    before = contents(home / "warehouse.duckdb")
    (landing / "received_date=2026-01-02").rename(landing.parent / "another disk")
    (landing / "received_date=2026-01-02").symlink_to(landing.parent / "another disk")
    assert ecom("run", "--events", landing, *LOADED, home=home).exit_code == 0
    assert contents(home / "warehouse.duckdb") == before
