"""The first day of the partitions page: the month in which the data begin,
as far as names of files and runs say it.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from ecom_assets.cli import api
from ecom_assets.cli.ui import take_own_data
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.ingestion.sources.first_partition import (
    catalogue_of,
    remember_first_day,
    remember_paths,
    with_first_partition,
)
from ecom_assets.ingestion.sources.home_notes import remembered_paths
from ecom_assets_tests.command import page_views, small_shop
from ecom_assets_tests.ports import free_port

NOWHERE = date(2009, 12, 1)
"""The default: earlier than any data."""


def first_day(settings: Settings) -> date:
    return with_first_partition(settings).first_day


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Two landing folders of events."""
    for day in ("2024-05-20", "2026-03-01"):
        folder = tmp_path / "landing" / f"received_date={day}"
        folder.mkdir(parents=True)
        page_views(folder / "part.csv", day)
    return tmp_path / "landing"


def test_the_sandbox_begins_with_its_first_month(home: Path) -> None:
    until = Settings(home=home, sandbox_until=date(2026, 3, 20))
    assert first_day(until) == date(2026, 1, 1), (
        "before there is a shop: 60 days before 20 March, from a first on"
    )
    small_shop(home, days=2, visitors=20)
    assert first_day(until) == date(2026, 1, 1), "as the shop's own truth says"


def test_landing_folders_begin_with_the_month_of_the_first_that_may_hold_late_events(
    home: Path, landing: Path
) -> None:
    assert first_day(Settings(home=home, events=str(landing))) == date(2024, 5, 1)
    assert first_day(Settings(home=home, events=str(landing), late_days=20)) == date(2024, 4, 1)


def test_a_day_that_is_set_stays(
    home: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_FIRST_DAY", "2025-02-03")
    assert first_day(load_settings(home=home, events=str(landing))) == date(2025, 2, 3)


def test_other_files_begin_where_a_run_found_their_first_day_and_never_later(
    home: Path, tmp_path: Path
) -> None:
    loose = Settings(home=home, events=str(page_views(tmp_path / "clicks.csv", "2026-03-09")))
    assert first_day(loose) == NOWHERE, "the file is not read for it"
    for run, begins in (
        ("2026-03-09", "2026-03-01"),
        ("2026-03-03", "2026-02-01"),
        ("2026-04-01", "2026-02-01"),
    ):
        remember_first_day(loose, date.fromisoformat(run))
        assert first_day(loose) == date.fromisoformat(begins), f"after a run from {run} on"


def test_a_source_without_dated_folders_leaves_the_start_unknown(
    home: Path, landing: Path, tmp_path: Path
) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("never read\n")
    assert first_day(Settings(home=home, events=str(landing), orders=str(orders))) == NOWHERE
    assert first_day(Settings(home=home, events=str(landing / "gone"))) == NOWHERE, (
        "who reads it says what is wrong"
    )


def test_the_ui_uses_the_files_of_the_last_run_if_none_are_set(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ECOM_EVENTS", "ECOM_EVENTS_MAPPING"):
        monkeypatch.setenv(name, "")  # put back after the test
    assert take_own_data(load_settings(home=home)) == "", "nothing ran here: the sandbox shop"
    remember_paths(
        load_settings(home=home, events="clicks.csv,/data/b\\,c/*.csv", events_mapping="rees46")
    )
    monkeypatch.chdir("/")  # whatever folder it is started in
    result = take_own_data(load_settings(home=home))
    assert result == (
        "Over your own data, as the last `ecom run` here was: "
        f"ECOM_EVENTS={tmp_path}/clicks.csv,/data/b\\,c/*.csv ECOM_EVENTS_MAPPING=rees46"
    )
    after = load_settings(home=home)
    assert (after.events, after.events_mapping, after.orders) == (
        f"{tmp_path}/clicks.csv,/data/b\\,c/*.csv",
        "rees46",
        "",
    )
    assert take_own_data(after) == "", "they are set now"


@pytest.mark.parametrize(
    ("name", "path", "remembered"),
    [
        ("events_mapping", "own.yml", "{here}/own.yml"),
        ("events_mapping", "maps/own", "{here}/maps/own"),
        ("orders", "{here}/one.csv, two.csv", "{here}/one.csv,{here}/two.csv"),
        ("events", "snowflake://shop@account/DB/T", "snowflake://shop@account/DB/T"),
    ],
)
def test_relative_paths_of_a_run_are_found_from_any_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, path: str, remembered: str
) -> None:
    folder = home.parent
    monkeypatch.chdir(folder)
    source = name.removesuffix("_mapping")
    set_paths = {source: str(folder / "own.csv"), name: path.format(here=folder)}
    remember_paths(Settings(home=home).model_copy(update=set_paths))
    assert remembered_paths(Settings(home=home)) == {
        f"ECOM_{source.upper()}": str(folder / "own.csv"),
        f"ECOM_{name.upper()}": remembered.format(here=folder),
    }


def test_a_run_over_one_source_keeps_the_paths_of_the_others(home: Path) -> None:
    paths = {name: str(home.parent / f"{name}.csv") for name in ("events", "orders", "later")}
    remember_paths(Settings(home=home, events=paths["events"], events_mapping="otto"))
    remember_paths(Settings(home=home, orders=paths["orders"]))
    assert remembered_paths(Settings(home=home)) == {
        "ECOM_EVENTS": paths["events"],
        "ECOM_EVENTS_MAPPING": "otto",
        "ECOM_ORDERS": paths["orders"],
    }
    remember_paths(Settings(home=home, events=paths["later"]))
    assert remembered_paths(Settings(home=home)) == {
        "ECOM_EVENTS": paths["later"],
        "ECOM_ORDERS": paths["orders"],
    }


def test_orders_get_the_categories_of_the_last_catalogue_until_another_is_set(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    orders = Settings(home=home, orders="orders.csv")
    assert catalogue_of(orders) is None
    remember_paths(Settings(home=home, orders="orders.csv", catalogue=Path("hats, caps.csv")))
    remember_paths(orders)
    assert catalogue_of(orders) == home.parent / "hats, caps.csv"
    assert catalogue_of(
        Settings(home=home, orders="orders.csv", catalogue=Path("new.csv"))
    ) == Path("new.csv")
    assert catalogue_of(Settings(home=home)) is None, "the sandbox shop has its own"


def test_a_catalogue_alone_does_not_make_the_ui_one_over_own_data(home: Path) -> None:
    remember_paths(
        Settings(
            home=home, order_api_url="https://shop.example", catalogue=Path("/data/catalogue.csv")
        )
    )
    assert take_own_data(Settings(home=home)) == ""


@pytest.mark.parametrize("command", [api.api, api.dashboard])
def test_real_time_reads_the_files_of_the_last_run_if_none_are_set(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., None]
) -> None:
    for name in ("ECOM_EVENTS", "ECOM_EVENTS_MAPPING"):
        monkeypatch.setenv(name, "")  # put back after the test
    clicks = page_views(tmp_path / "clicks.csv", "2026-03-09")
    remember_paths(load_settings(home=home, events=str(clicks)))
    monkeypatch.setenv("ECOM_HOME", str(home))
    served: list[Settings] = []
    monkeypatch.setattr(api, "_serve", lambda settings, **_: served.append(settings))
    command(None, free_port())
    assert served[0].events == str(clicks)
