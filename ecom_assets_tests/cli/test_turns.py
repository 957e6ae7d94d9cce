"""Two processes and one warehouse: the second waits its turn, and says for whom;
or says who holds it, and ends.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecom_assets_tests.command import (
    ECOM,
    UNTIL_DUE,
    copy_of_shop,
    ecom,
    environment,
    page_views,
)
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = pytest.mark.xdist_group("cli_turns")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of a day's clicks, and the home of a run over it."""
    folder = tmp_path_factory.mktemp("finished")
    page_views(folder / "clicks.csv", "2026-01-01")
    ran = ecom(*arguments(folder / "home"), home=folder / "home")
    assert ran.exit_code == 0, ran.err
    return folder


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    """A home with a warehouse of a day."""
    return copy_of_shop(finished, tmp_path) / "home"


@contextmanager
def held(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process have the warehouse open until it is killed."""
    script = (
        f"import duckdb, time; con = duckdb.connect({str(home / 'warehouse.duckdb')!r}); "
        "print('open', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def arguments(home: Path) -> tuple[str | Path, ...]:
    return ("run", "--events", home.parent / "clicks.csv", "--select", UNTIL_DUE)


@pytest.mark.slow
def test_a_run_waits_for_the_other_process_and_says_for_whom(home: Path) -> None:
    with held(home) as other:
        program = [*ECOM, *map(str, arguments(home))]
        env = environment(home)
        with subprocess.Popen(
            program, env=env, cwd=home.parent, stderr=subprocess.PIPE, text=True
        ) as run:
            assert run.stderr is not None
            line = next(line.strip() for line in run.stderr if "waiting for" in line)
            other.kill()
            rest = run.stderr.read()
    assert run.returncode == 0, rest
    assert f"in use by process {other.pid} (" in line
    assert "which began" in line
    assert line.endswith("for 3600 s at most.")


@pytest.mark.slow
def test_a_run_that_loses_the_warehouse_before_its_first_step_says_who_has_it(home: Path) -> None:
    """Between looking at the warehouse and the first step nobody holds it:
    another process may take it there.
    """
    snatch = (
        "import subprocess, sys, time\n"
        "from ecom_assets.cli import platform_run\n"
        "from ecom_assets.core.warehouse.engines.duckdb import engine\n"
        "engine.PATIENCE_S = 1\n"
        "looked = platform_run._open_for\n"
        "def taken(*given):\n"
        "    result = looked(*given)\n"
        '    code = "import duckdb, time; '
        f"con = duckdb.connect({str(home / 'warehouse.duckdb')!r}); "
        "print('open', flush=True); time.sleep(600)\"\n"
        "    platform_run.other = subprocess.Popen("
        "[sys.executable, '-c', code], stdout=subprocess.PIPE)\n"
        "    platform_run.other.stdout.readline()\n"
        "    return result\n"
        "platform_run._open_for = taken\n"
        "from ecom_assets.cli import command\n"
        "try:\n"
        "    command()\n"
        "finally:\n"
        "    platform_run.other.kill()\n"
    )
    program = [sys.executable, "-c", snatch, *map(str, arguments(home))]
    env = environment(home)
    done = subprocess.run(
        program,
        env=env,
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    answer = [
        line
        for line in done.stderr.splitlines()
        if "is in use by process" in line and "waiting" not in line
    ]
    assert done.returncode == 1
    assert len(answer) == 1, done.stderr
    assert "Checks:" not in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_runs_at_once_both_do_their_work(home: Path) -> None:
    started = [
        subprocess.Popen(
            [*ECOM, *map(str, arguments(home))],
            env=environment(home),
            cwd=home.parent,
            stderr=subprocess.PIPE,
            text=True,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    began = time.monotonic()
    errors = [process.communicate(timeout=PATIENCE_S)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors
    assert time.monotonic() - began < 240
