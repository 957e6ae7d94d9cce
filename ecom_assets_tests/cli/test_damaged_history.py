"""A damaged file of Dagster's history: each command says it in a sentence,
and the remedy of the sentence works.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_assets.core.settings.home import FILES, damage_of
from ecom_assets_tests.command import ecom, page_views
from ecom_assets_tests.each import each

ONE_TABLE = ("--select", 'key:"raw/events"')


def overwrite(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def spoil_a_page(path: Path) -> None:
    """Overwrite pages in the middle; the beginning, which names the tables, stays."""
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(os.urandom(4096 * 4))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after a run, which tests copy."""
    folder = tmp_path_factory.mktemp("kept")
    events = page_views(folder / "own.csv", "2026-03-01", "2026-03-02")
    assert ecom("run", "--events", events, *ONE_TABLE, home=folder / "home").exit_code == 0
    return folder


@pytest.fixture
def home(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept / "home", tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.slow
@each("spoil", [overwrite, truncate])
@each("name", FILES)
def test_each_command_that_needs_it_names_the_file_and_the_remedy(
    name: str, spoil: Callable[[Path], None], kept: Path, tmp_path: Path
) -> None:
    home = tmp_path / spoil.__name__ / Path(name).stem
    shutil.copytree(kept / "home", home)
    path = home / "dagster" / name
    spoil(path)
    run = ("run", "--events", kept / "own.csv", *ONE_TABLE)
    for arguments in (run, ("ui",)):
        result = ecom(*arguments, home=home, env={"ECOM_EVENTS": str(kept / "own.csv")})
        assert result.exit_code == 1, arguments
        assert str(path) in result.sentence
    doctor = ecom("doctor", home=home)
    assert doctor.exit_code == 1
    assert str(path) in doctor.out
    for other in (("status",), ("explain", "raw.events")):
        assert ecom(*other, home=home).exit_code == 0, "what runs noted is kept elsewhere"


@pytest.mark.slow
@each("name", ["history/runs/index.db", "schedules/schedules.db"])
def test_the_remedy_of_the_sentence_works(name: str, kept: Path, tmp_path: Path) -> None:
    home = tmp_path / Path(name).stem
    shutil.copytree(kept / "home", home)
    overwrite(home / "dagster" / name)
    run = ("run", "--events", kept / "own.csv", *ONE_TABLE)
    remedy = re.search(r"\((mv .*?)\)", ecom(*run, home=home).sentence)
    assert remedy
    subprocess.run(shlex.split(remedy[1]), check=True)
    assert ecom(*run, home=home).exit_code == 0
    assert ecom("doctor", home=home).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db"])
def test_a_page_that_a_run_stumbles_over_is_said_in_the_same_words(
    name: str, home: Path, kept: Path
) -> None:
    path = home / "dagster" / name
    spoil_a_page(path)
    for arguments in (("run", "--events", kept / "own.csv", *ONE_TABLE), ("ui",)):
        result = ecom(*arguments, home=home, env={"ECOM_EVENTS": str(kept / "own.csv")})
        assert f"is damaged: {path}" in result.sentence
    assert str(path) in ecom("doctor", home=home).out


@pytest.mark.slow
def test_a_history_that_is_well_or_not_there_is_no_damage(home: Path, tmp_path: Path) -> None:
    assert damage_of(home / "dagster", thorough=True) == ""
    assert damage_of(tmp_path / "nowhere", thorough=True) == ""
