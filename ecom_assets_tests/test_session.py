"""What a session of tests gives the processes that tests start, where it keeps its files, and which
part of the slow tests it runs.
"""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from ecom_assets_tests import parts

ROOT = Path(__file__).parents[1]
A_CHILD = (
    sys.executable,
    "-c",
    "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)",
)
A_TEST = f"""
import subprocess, sys

import pytest

def test_who_listens(tmp_path, pytestconfig):
    out = subprocess.run({A_CHILD!r}, capture_output=True, text=True, check=True).stdout
    print("CHILD IGNORES", out, "FILES IN", tmp_path)
"""


@pytest.mark.slow
def test_a_background_session_starts_children_that_hear_ctrl_c_and_owns_its_files(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_one.py").write_text(A_TEST)
    arguments = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-n",
        "0",
        "-p",
        "ecom_assets_tests.conftest",
    ]
    command = [
        "/bin/sh",
        "-c",
        'trap "" INT; exec "$@"',
        "sh",
        *arguments,
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    env = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    answer = [
        subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        ).stdout
        for _ in range(2)
    ]
    folders = [row.partition("FILES IN ")[2].split("pytest-of")[0] for row in answer]
    assert ["CHILD IGNORES False" in row for row in answer] == [True, True], answer
    assert folders[0].split("/")[-2].startswith("ecom-")
    assert folders[0] != folders[1]
    assert not Path(folders[0]).exists(), "a session that ended well cleans up"


A_FAILING_TEST = """
import os
import duckdb

def test_a_setting_is_there():
    connection = duckdb.connect()
    assert os.environ.get("ECOM_TIMEZONE") == "Asia/Tokyo"
"""


@pytest.mark.slow
def test_settings_of_the_shell_are_gone_and_a_failure_says_only_what_failed(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(A_FAILING_TEST)
    session = (sys.executable, "-m", "pytest", "-q", "-p", "ecom_assets_tests.conftest")
    done = subprocess.run(
        [*session, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "ECOM_TIMEZONE": "Asia/Tokyo",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "assert None == 'Asia/Tokyo'" in done.stdout
    assert done.stderr == ""


A_SLOW_TEST = """
import pytest

@pytest.mark.slow
def test_of_an_hour():
    assert False

def test_of_a_second():
    assert False
"""


@pytest.mark.slow
def test_what_is_not_begun_in_time_is_named_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(A_SLOW_TEST)
    session = (sys.executable, "-m", "pytest", "-q", "-p", "ecom_assets_tests.conftest")
    done = subprocess.run(
        [*session, "--part", "1/1", "--minutes", "0", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    lines = done.stdout.splitlines()
    assert "1 not begun in time: test_one.py" in lines
    assert "Part 1/1 of the slow tests passed; 1 were not begun in time." in lines
    assert "1 skipped, 1 deselected" in done.stdout


def slow_tests(file: str, count: int, group: str = "") -> list[Mock]:
    """Return slow tests of a file, as far as the choice of a part looks at them."""
    marks = {"slow": pytest.mark.slow.mark, "xdist_group": pytest.mark.xdist_group(group).mark}
    return [
        Mock(
            path=Path(file),
            get_closest_marker=marks.get,
            iter_markers=lambda name: [marks[name]] if group else [],
        )
        for _ in range(count)
    ]


def test_parts_have_whole_files_and_about_as_many_tests_of_each_group() -> None:
    """Most first: four of a, three of d, two of b and of c, one of e."""
    items = [
        *slow_tests("a", 4, "spark"),
        *slow_tests("b", 2, "spark"),
        *slow_tests("c", 2, "spark"),
        *slow_tests("d", 3),
        *slow_tests("e", 1),
        Mock(path=Path("short"), get_closest_marker={}.get),
    ]

    def part(number: int) -> str:
        others = parts.not_of_part(items, f"{number}/2")
        return "".join(str(item.path) for item in items if item not in others)

    assert (part(1), part(2)) == ("aaaae", "bbccddd")
    for wrong in ("3/2", "0/2", "1", "1/0"):
        with pytest.raises(pytest.UsageError, match="as in 2/4"):
            parts.not_of_part(items, wrong)
