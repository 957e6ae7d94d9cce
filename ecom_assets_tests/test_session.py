"""What a session of tests gives the processes that tests start, and where it keeps its files."""

import subprocess
import sys
from pathlib import Path

import pytest

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
