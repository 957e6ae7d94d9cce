"""Running a program as a fresh process and saying what it cost;
results in the shape of every benchmark.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import TOLERANCE

ECOM = str(Path(sys.executable).with_name("ecom"))


def script(name: str) -> list[str]:
    """Return the command of a benchmark, such as `behaviour.funnel`."""
    return [sys.executable, "-m", f"benchmarks.{name}"]


@dataclass(frozen=True)
class Spent:
    """What a process and its children cost: seconds, CPU seconds, peak MB of the largest,
    and what it printed.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    printed: str = field(default="", compare=False)


@dataclass(frozen=True)
class Result:
    """One figure with its target; `at_most` says on which side of the target it has to be.

    `tolerance`, `is_gate` and `group` are those of `figures.Figure`.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = True
    about: dict[str, object] = field(default_factory=dict)
    tolerance: float = TOLERANCE
    is_gate: bool = False
    group: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    def line(self) -> str:
        """One JSON line."""
        answer = asdict(self) | {"value": round(self.value, 4), "met": self.met}
        about = answer.pop("about")
        return json.dumps(answer | {"load": round(os.getloadavg()[0], 2)} | about, default=str)


def report(*results: Result) -> None:
    """Print results as JSON lines, for `python -m benchmarks` to collect."""
    for result in results:
        print(result.line(), flush=True)


def say(sentence: str) -> None:
    """Print a sentence about progress, for a person."""
    print(f"  {sentence}", file=sys.stderr, flush=True)


def run_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run a program to its end, children included."""
    begun = time.perf_counter()
    dropped = (
        "ECOM_",
        "DAGSTER_",
        "PYTHONDONTWRITEBYTECODE",
    )  # compiling all modules again is no part of a program
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**env, **(environment or {})}
    ) as process:
        printed = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - begun
    if process.returncode:
        sys.exit(
            f"{' '.join(command)} failed with exit code {process.returncode}:\n{printed[-2000:]}"
        )
    return Spent(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed)


def run_platform(*arguments: str, **settings: str) -> tuple[Spent, dict[str, Any]]:
    """Return what `ecom run` cost, and its summary; a failed run or check ends the benchmark."""
    spent = run_process([ECOM, "run", *arguments, "--json"], settings)
    summary: dict[str, Any] = json.loads(spent.printed)
    if not summary["success"] or summary["checks"]["failed"]:
        sys.exit(f"The run failed: {summary['failures']}, {summary['checks']}")
    return spent, summary


def costs(spent: Spent) -> dict[str, object]:
    """The fields that every result about a process has."""
    return {
        "wall_s": round(spent.wall_s, 3),
        "cpu_s": round(spent.cpu_s, 3),
        "peak_mb": round(spent.peak_mb),
    }


def ratios(
    name: str,
    pairs: Sequence[tuple[Spent, Spent]],
    target: float | None,
    other: str,
    group: str = "",
    **about: object,
) -> tuple[Result, Result]:
    """Return the medians of our costs ÷ the other's in the same round: by the clock,
    with its target, if it has one, and in its group, and CPU time.
    """
    wall = median(own_spent.wall_s / other_spent.wall_s for own_spent, other_spent in pairs)
    cpu = median(own_spent.cpu_s / other_spent.cpu_s for own_spent, other_spent in pairs)
    own_spent, other_spent = pairs[-1]
    about |= {
        **costs(own_spent),
        **{f"{other}_{key}": value for key, value in costs(other_spent).items()},
    }
    return Result(f"{name}, wall", wall, "x", target, about=about, group=group), Result(
        f"{name}, CPU", cpu, "x", about=about
    )


def available_mb() -> float:
    """Memory that programs could still have; what only caches files counts as
    free where the system says.
    """
    facts = Path("/proc/meminfo")
    if facts.exists():
        answer = dict(line.split(":") for line in facts.read_text().splitlines())
        return int(answer["MemAvailable"].split()[0]) / 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / 2**20


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the benchmarks' data, gone afterwards."""
    data = Path(__file__).parent / "data"
    data.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=data, prefix="run-") as folder:
        yield Path(folder)
