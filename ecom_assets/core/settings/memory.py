"""How much memory a run, and a process of the API, may take: `ECOM_MEMORY_LIMIT`,
or by `auto` a part of what there is.

Megabytes are of a million bytes, as DuckDB's are.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.settings import AUTO_MEMORY, Settings
from ecom_assets.core.settings.subjects import engine_kinds

LEAST_OF_RUN_MB: Final = 1500
"""The limit of before, with which runs were measured: `benchmarks/README.md`."""
LEAST_OF_ANSWER_MB: Final = 500
QUARTER: Final = Fraction(1, 4)
ALONE: Final = Fraction(3, 4)
"""What the API takes of a container of its own: nothing else works in it."""
PART_NAMES: Final = {QUARTER: "a quarter", ALONE: "three quarters"}
DUCKDBS_BESIDE: Final = 2
"""What is beside an engine that is not DuckDB: one reads files or tables,
and another one writes the snapshot that is published.
"""
DAGSTER_RUNS: Final = 10
"""How many runs Dagster starts at once where its instance does not say."""
CGROUPS: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class AvailableMemory:
    """The memory of this machine, or of the container that this process is in.

    Attributes:
        mb: Megabytes.
        is_of_container: Whether they are fewer than the machine has.
    """

    mb: int
    is_of_container: bool = False


@dataclass(frozen=True)
class MemoryShare:
    """What one run or process may take of the memory: megabytes, and why so many."""

    mb: int
    why: str

    @property
    def limit(self) -> str:
        """Return the share as engines read it, such as 1500MB."""
        return f"{self.mb}MB"


def memory_of(
    physical_mb: int, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP
) -> AvailableMemory:
    """Return the memory that there is: the least of the machine's and of the limits of the
    control groups that this process is in.

    Args:
        physical_mb: The memory of the machine.
        cgroups: Where control groups are mounted, of version 1 or 2.
        membership: The file that says in which groups this process is; without one it is in none.
    """
    mb = min([physical_mb, *(size // 10**6 for size in _limits(cgroups, membership))])
    return AvailableMemory(mb, mb < physical_mb)


def memory_here() -> AvailableMemory:
    """Return the memory that this process can have."""
    return memory_of(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6)


def _limits(cgroups: Path, membership: Path) -> Iterator[int]:
    """Yield the limits in bytes of the groups, and of those around them, which hold for all within.

    A container often sees its own group as the topmost, and the path to it as the machine has it:
    what is not there is passed over.
    """
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            roots, name = [cgroups, cgroups / "unified"], "memory.max"
        elif "memory" in controllers.split(","):
            roots, name = [cgroups / "memory"], "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for root in roots:
            for folder in (group, *group.parents):
                if (limit := _text(root / folder / name).strip()).isdecimal():  # else it is `max`
                    yield int(limit)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def share_of_run(memory: AvailableMemory, runs_at_once: int) -> MemoryShare:
    """Return what a run may take, all its engines together: a quarter, divided by the runs that may
    go on at once; at least 1,500 MB, but never more than half of what there is.
    """
    of_all = f"{memory.mb:,} MB"
    beside = f" for {runs_at_once} runs at once" if runs_at_once > 1 else ""
    part = int(memory.mb * QUARTER / runs_at_once)
    if part >= LEAST_OF_RUN_MB:
        return MemoryShare(part, f"a quarter of {of_all}{beside}")
    if memory.mb // 2 >= LEAST_OF_RUN_MB:
        return MemoryShare(LEAST_OF_RUN_MB, f"the least for a run, of {of_all}")
    return MemoryShare(memory.mb // 2, f"half of {of_all}")


def share_of_answer(memory: AvailableMemory, processes: int) -> MemoryShare:
    """Return what each process of the API may take, the server and its questions.

    Together they have a quarter, or three quarters of a container with a limit, which the API is
    alone in. Each has at least 500 MB, as far as that is not more than half for all of them.
    """
    whole = ALONE if memory.is_of_container else QUARTER
    part, half = int(memory.mb * whole / processes), memory.mb // 2 // processes
    if part >= min(LEAST_OF_ANSWER_MB, half):
        return MemoryShare(
            part, f"{PART_NAMES[whole]} of {memory.mb:,} MB for {processes} processes"
        )
    if half >= LEAST_OF_ANSWER_MB:
        return MemoryShare(LEAST_OF_ANSWER_MB, f"the least for a process, of {memory.mb:,} MB")
    return MemoryShare(half, f"half of {memory.mb:,} MB for {processes} processes")


def runs_at_once(instance: NamedValues) -> int:
    """Return how many runs a Dagster instance starts at once, by its `dagster.yaml`."""
    stated = _inner(instance, "concurrency", "runs", "max_concurrent_runs")
    if stated is None:
        stated = _inner(instance, "run_coordinator", "config", "max_concurrent_runs")
    return stated if isinstance(stated, int) and stated > 0 else DAGSTER_RUNS


def _inner(values: object, *keys: str) -> object:
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def limit_of_run(settings: Settings) -> str:
    """Return the memory limit of a run, such as 1500MB."""
    return settings.memory_limit if _is_stated(settings.memory_limit) else _of_run(settings).limit


def mb_of_run(settings: Settings) -> int:
    """Return the memory limit of a run in megabytes."""
    if not _is_stated(settings.memory_limit):
        return _of_run(settings).mb
    size = re.fullmatch(r"([\d.]+)\s*([MG])i?B", settings.memory_limit)
    return int(float(size[1]) * (1000 if size[2] == "G" else 1)) if size else LEAST_OF_RUN_MB


def limit_of_heap(settings: Settings) -> str:
    """Return what an engine with a heap of its own in this process may take of a run's memory,
    such as 1000MiB: the units of Java are binary.
    """
    if _is_stated(settings.memory_limit):
        return settings.memory_limit
    return f"{int(_of_run(settings).mb * _own_part(settings)) * 10**6 // 2**20}MiB"


def limit_beside(settings: Settings) -> str:
    """Return the memory limit of a DuckDB that works beside the warehouse's engine in a run."""
    left = 1 - _own_part(settings)
    if _is_stated(settings.memory_limit) or not left:
        return limit_of_run(settings)
    return f"{int(_of_run(settings).mb * left / DUCKDBS_BESIDE)}MB"


def limit_of_answer(settings: Settings) -> str:
    """Return the memory limit of each process of the API."""
    return (
        settings.memory_limit
        if _is_stated(settings.memory_limit)
        else _of_answer(settings.adhoc_at_once).limit
    )


def run_sentence(settings: Settings) -> str:
    """Return how much a run may take, and why."""
    return _sentence(settings, _of_run(settings), "a run")


def answer_sentence(settings: Settings) -> str:
    """Return how much each process of the API may take, and why."""
    return _sentence(settings, _of_answer(settings.adhoc_at_once), "each process of the API")


def _sentence(settings: Settings, share: MemoryShare, whose: str) -> str:
    if _is_stated(settings.memory_limit):
        return f"{settings.memory_limit} for {whose} (ECOM_MEMORY_LIMIT)"
    return f"{share.mb:,} MB for {whose} (auto: {share.why})"


def _is_stated(memory_limit: str) -> bool:
    return memory_limit != AUTO_MEMORY


def _of_run(settings: Settings) -> MemoryShare:
    kind = _engine(settings.warehouse_url)
    has_one_writer = kind is not None and kind.has_one_writer
    return share_of_run(
        memory_here(), 1 if has_one_writer else runs_at_once(_instance(settings.dagster_home))
    )


def _of_answer(adhoc_at_once: int) -> MemoryShare:
    return share_of_answer(memory_here(), 1 + adhoc_at_once)


def _own_part(settings: Settings) -> Fraction:
    kind = _engine(settings.warehouse_url)
    return kind.own_memory if kind else Fraction(0)


def _engine(warehouse_url: str) -> Any:  # noqa: ANN401 (an `EngineKind`, which is above settings)
    """Return what the warehouse's engine declares; None of an address that names none,
    which is refused where it is opened.
    """
    return next((kind for kind in engine_kinds() if kind.has_address(warehouse_url)), None)


def _instance(dagster_home: Path) -> NamedValues:
    """Return the instance's `dagster.yaml`; the one that the first run writes,
    with one run at a time, where there is none yet or Dagster cannot read it either.
    """
    import yaml  # noqa: PLC0415 (most commands do without)

    try:
        content = yaml.safe_load((dagster_home / "dagster.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        content = {"concurrency": {"runs": {"max_concurrent_runs": 1}}}
    return content if isinstance(content, Mapping) else {}
