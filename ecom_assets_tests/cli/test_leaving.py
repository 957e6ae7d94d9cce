"""How the `ecom` command ends its process: at once, with nothing lost."""

import subprocess
import sys

import pytest

LEAVE = "from ecom_assets.cli import leave\nimport atexit, sys, threading, time\n"


def ended(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", LEAVE + program], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (0, 0), (3, 3), ("'a message'", 1)])
def test_the_exit_code_is_kept(code: object, expected: int) -> None:
    assert ended(f"leave(SystemExit({code}))").returncode == expected


def test_what_was_printed_arrives_whole_and_what_was_put_off_to_the_end_is_done() -> None:
    done = ended("atexit.register(print, 'tidied up')\nprint('x' * 1_000_000)\nleave(SystemExit(0))")
    assert done.stdout == f"{'x' * 1_000_000}\ntidied up\n"
    assert not done.stderr


def test_a_thread_that_is_at_work_is_waited_for() -> None:
    work = "threading.Thread(target=lambda: (time.sleep(0.3), print('worked'))).start()\nleave(SystemExit(0))"
    assert ended(work).stdout == "worked\n"


def test_memory_is_not_taken_apart_even_where_a_background_thread_still_waits() -> None:
    # A rate limiter leaves such a thread behind; the usual exit then printed what DuckDB's bindings did not free.
    waits = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    program = "class Kept:\n    def __del__(self): print('taken apart')\nkept = Kept()\nleave(SystemExit(0))"
    assert not ended(program).stdout
    assert not ended(waits + program).stdout
