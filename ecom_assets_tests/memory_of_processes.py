"""How much memory this process and all that it starts take while something goes on."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread


@dataclass
class Peak:
    """The most memory, in megabytes, shared pages counted once: what came to that of this process
    and of those it had started before, such as other tests' servers, which may have a gigabyte.
    """

    mb: int = 0


@contextmanager
def peak_memory(every_s: float = 0.05) -> Iterator[Peak]:
    """Watch the memory until the end of the context."""
    peak, is_over, before_kb = Peak(), Event(), _memory_kb()

    def watch() -> None:
        while not is_over.wait(every_s):
            peak.mb = max(peak.mb, (_memory_kb() - before_kb) // 1_000)

    watching = Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        is_over.set()
        watching.join()


def _memory_kb() -> int:
    return sum(map(_pss_kb, _tree(os.getpid())))


def _tree(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def _pss_kb(process_id: int) -> int:
    with suppress(OSError):
        rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
        if said := re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE):
            return int(said[1])
    return 0
