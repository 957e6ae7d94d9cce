"""Reading in a child: results, errors and steps come back, and a file that takes too much of
memory, processor or time ends the child alone, with a sentence.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ecom_assets_tests
from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.reading_child import (
    OverLimitError,
    ReadingChild,
    ReadingLimits,
    data_bytes,
    memory_bytes,
    memory_mb_here,
)

LIMITS = ReadingLimits(memory_mb=100, cpu_s=30, time_s=30)


@pytest.fixture(scope="module")
def child() -> Iterator[ReadingChild]:
    with ReadingChild(LIMITS) as child:
        yield child


def size_and_process(path: Path) -> tuple[int, int]:
    return path.stat().st_size, os.getpid()


def written(megabytes: int) -> bytearray:
    """Return so much memory, each page of it written to, and no copy of it meanwhile."""
    taken = bytearray(megabytes * 1_000_000)
    taken[::4096] = b"1" * len(range(0, len(taken), 4096))
    return taken


def take(megabytes: int) -> int:
    return len(written(megabytes))


def abort() -> None:
    os.write(2, b"memory allocation of 549755813888 bytes failed\n")
    os.abort()


def refuse() -> None:
    raise UsageError("The file has no header; add one.")


def panic() -> None:
    class PanicException(BaseException):  # as PyO3's, which no other process can import
        pass

    raise PanicException("capacity overflow")


def count(until: int) -> Generator[int, None, str]:
    yield from range(until)
    return "done"


def spin() -> None:
    while True:
        pass


def names_child() -> bool:
    with ReadingChild(LIMITS) as another:
        return (
            memory_mb_here() == 100
            and another.run("a.csv", size_and_process, Path(__file__))[1] == os.getpid()
        )


def bytes_reserved_by_parquet() -> int:
    """Return by how much writing Parquet raises what `RLIMIT_DATA` counts of a process."""
    before = data_bytes()
    table = pa.table({"sku": ["p1"]})
    pq.write_table(table, pa.BufferOutputStream())
    assert before is not None
    return (data_bytes() or 0) - before


def test_one_child_reads_many_files_and_gives_what_functions_return(
    child: ReadingChild, tmp_path: Path
) -> None:
    for size in (3, 5):
        (tmp_path / f"{size}").write_bytes(b"x" * size)
    (three, first), (five, second) = (
        child.run("file", size_and_process, tmp_path / name) for name in ("3", "5")
    )
    assert (three, five) == (3, 5)
    assert first == second != os.getpid()
    assert child.run("file", names_child)  # in the same process, which has the limits already


def test_what_a_function_raises_is_raised_here(child: ReadingChild) -> None:
    with pytest.raises(UsageError, match="no header; add one"):
        child.run("file", refuse)
    with pytest.raises(FileNotFoundError):
        child.run("file", size_and_process, Path("nowhere"))
    with pytest.raises(SourceError, match="capacity overflow"):
        child.run("file", panic)
    with pytest.raises(TypeError, match="cannot pickle"):
        child.run("file", open, os.devnull)


def test_steps_come_as_they_are_made_and_may_be_left(child: ReadingChild) -> None:
    steps = child.steps("file", count, 3)
    assert [next(steps) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StopIteration, match="done"):
        next(steps)
    steps = child.steps("file", count, 1_000_000)
    assert next(steps) == 0
    steps.close()
    assert child.run("file", take, 1) == 1_000_000


@pytest.mark.parametrize(("function", "args"), [(take, (2_000,)), (abort, ())])
def test_a_file_that_takes_too_much_memory_ends_its_child_alone(
    child: ReadingChild, function: object, args: tuple[int, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OverLimitError, match=r"orders.xlsx takes more than 100 MB of memory"):
        child.run("orders.xlsx", function, *args)  # type: ignore[arg-type]
    assert child.run("file", take, 10) == 10_000_000
    assert capfd.readouterr().err == ""


def test_arrow_reserves_no_gigabyte_that_a_small_file_would_be_refused_for(
    child: ReadingChild,
) -> None:
    # Arrow's usual allocator begins with 1 GB, of which a small file needs a few kilobytes.
    assert child.run("file", bytes_reserved_by_parquet) < 200_000_000


def take_slowly(megabytes: int) -> None:
    """Take memory where the system sets no limit, as on macOS."""
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    taken = [bytearray(b"1" * 1_000_000) for _ in range(megabytes)]
    signal.pause()
    assert not taken


def test_memory_is_watched_where_the_system_does_not_limit_it(child: ReadingChild) -> None:
    with pytest.raises(OverLimitError) as raised:
        child.run("orders.xlsx", take_slowly, 300)
    assert raised.value.limit == "memory"


def test_a_file_that_takes_too_long_ends_its_child() -> None:
    with ReadingChild(ReadingLimits(memory_mb=100, cpu_s=1, time_s=60)) as child:
        with pytest.raises(OverLimitError, match="more than 1 s of a processor to read") as raised:
            child.run("orders.ods", spin)
        assert raised.value.limit == "CPU time"
    with ReadingChild(ReadingLimits(memory_mb=100, cpu_s=60, time_s=0.1)) as child:
        with pytest.raises(OverLimitError, match=r"more than 0\.1 s to read") as raised:
            child.run("orders.ods", signal.pause)
        assert raised.value.limit == "time"


def test_what_earlier_files_have_left_is_not_counted_against_the_next(child: ReadingChild) -> None:
    processes = {child.run("file", keep, 20) for _ in range(4)}
    assert len(processes) > 1  # another one begins, or the fourth file would have 40 MB only


KEPT: list[bytes] = []


def keep(megabytes: int) -> int:
    KEPT.append(b"1" * megabytes * 1_000_000)
    return os.getpid()


def test_a_child_ends_with_its_parent_and_runs_nothing_of_its_script(tmp_path: Path) -> None:
    said, script = tmp_path / "said", tmp_path / "script.py"
    script.write_text(  # without `if __name__ == "__main__"`, as people write them
        "import sys; from pathlib import Path\n"
        "from ecom_assets.core.reading_child import ReadingChild, ReadingLimits\n"
        "from ecom_assets_tests.core.test_reading_child import say_and_wait\n"
        "with Path(sys.argv[2]).open('a') as runs: runs.write('run')\n"
        "ReadingChild(ReadingLimits(100, 60, 60)).run('file', say_and_wait, Path(sys.argv[1]))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, script, said, tmp_path / "runs"],
        env={**os.environ, "PYTHONPATH": str(Path(ecom_assets_tests.__file__).parents[1])},
    )
    wait_until(said.exists)
    parent.kill()
    parent.wait()
    wait_until(lambda: memory_bytes(int(said.read_text())) in {None, 0})
    assert (tmp_path / "runs").read_text() == "run"


def say_and_wait(said: Path) -> None:
    part = said.with_suffix(".part")
    part.write_text(str(os.getpid()))
    part.rename(said)
    spin()


def wait_until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def take_within(outer: int, inner: int) -> int:
    with ReadingChild(ReadingLimits(memory_mb=20, cpu_s=30, time_s=30)) as narrower:
        return take(outer) + narrower.run("orders.xlsx", hold, inner)


def hold(megabytes: int) -> int:
    taken = written(megabytes)
    if megabytes > 20:
        signal.pause()
    return len(taken)


def test_what_is_read_within_a_child_may_have_narrower_limits(child: ReadingChild) -> None:
    assert child.run("upload", take_within, 50, 10) == 60_000_000
    with pytest.raises(OverLimitError, match=r"takes more than 20 MB of memory"):
        child.run("upload", take_within, 5, 40)
