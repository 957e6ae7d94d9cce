"""Files are written whole or not at all, and no other user of the machine can read them."""

import stat
from pathlib import Path

import pytest

from ecom_assets.core.atomic_files import replace_bytes, replacing_text
from ecom_assets.core.settings.home import close_to_others
from ecom_assets.core.settings.settings import Settings, written_paths
from ecom_assets_tests.command import UNTIL_DUE, ecom, ecom_process, page_views, small_shop


def open_files(home: Path) -> list[str]:
    """Return the files and folders that other users could read."""
    actual = [home, *home.rglob("*")]
    return sorted(
        str(path)
        for path in actual
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    )


@pytest.mark.slow
def test_everything_that_a_run_and_its_deliveries_write_is_for_the_owner_only(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    small_shop(home)
    (home / "sandbox").chmod(0o755)
    ecom_process("run", home=home)  # the small shop may have too few customers for its gate
    names = {path.relative_to(home).parts[0] for path in home.rglob("*")}
    assert {"warehouse.duckdb", "ledger.sqlite", "serving", "exports", "dagster"} <= names
    assert open_files(home) == []


def test_what_collector_stream_and_uploads_left_open_is_closed_too(tmp_path: Path) -> None:
    home = tmp_path / "home"
    names = (
        "collector/received_date=2026-01-01/a-1.ecommerce.ndjson",
        "collector.log",
        "samples/1/rows.csv",
        "landing/events/received_date=2026-01-01/a.parquet",
        "landing/events_dead_letters/a.parquet",
    )
    for name in (*names, "landing/mine.csv"):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for path in home.rglob("*"):
        path.chmod(0o755)
    close_to_others(written_paths(Settings(home=home, events="kafka://broker:9092/clicks")), home)
    assert open_files(home) == sorted(
        str(path) for path in (home, home / "landing", home / "landing" / "mine.csv")
    )


@pytest.mark.slow
def test_what_an_earlier_release_left_open_is_closed_and_doctor_names_it(tmp_path: Path) -> None:
    home, mine = tmp_path / "home", tmp_path / "home" / "clicks.csv"
    home.mkdir()
    home.chmod(0o755)
    page_views(mine, "2026-01-01")
    ran = ecom_process("run", "--events", mine, "--select", UNTIL_DUE, home=home)
    assert ran.exit_code == 0, ran.err
    for path in (home / "warehouse.duckdb", home / "dagster" / "dagster.yaml"):
        path.chmod(0o644)
    mine.chmod(0o644)
    (actual,) = [
        row for row in ecom("doctor", "--json", home=home).json if row["subject"] == "privacy"
    ]
    assert not actual["ok"]
    assert actual["found"].endswith("and 1 more")
    assert (
        actual["fix"] == f"chmod -R go= {home / 'dagster/dagster.yaml'} {home / 'warehouse.duckdb'}"
    )
    again = ecom_process("run", "--events", mine, "--select", UNTIL_DUE, home=home)
    assert again.exit_code == 0, again.err
    assert open_files(home) == [str(home), str(mine)], (
        "a file of the person's own stays as it is, with the way to it"
    )


def test_an_env_file_that_others_can_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ECOM_TIMEZONE=UTC\n")
    (tmp_path / ".env").chmod(0o644)
    (actual,) = [
        row
        for row in ecom("doctor", "--json", home=tmp_path / "home").json
        if row["subject"] == "privacy"
    ]
    assert (actual["ok"], actual["fix"]) == (False, f"chmod -R go= {tmp_path / '.env'}")


def test_a_writer_that_fails_halfway_leaves_the_file_of_before_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "numbers.json"
    path.write_text("before")

    def half_a_file() -> None:
        with replacing_text(path) as file:
            file.write("half")
            assert path.read_text() == "before"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_a_file()
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.json"]
    assert path.read_text() == "before"


def test_a_new_file_takes_the_place_with_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"before")
    path.chmod(0o644)
    replace_bytes(path, b"secret", 0o600)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"secret", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
