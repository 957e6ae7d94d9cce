"""The table of figures: kept in `figures.json`, drawn in `README.md`, and compared with
what a run measures.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
FILE = HERE / "figures.json"
PAGE = HERE / "README.md"
BEGIN, END = "<!-- figures, written by `make bench` -->\n", "<!-- end of figures -->"
TOLERANCE = 0.15
"""How much worse a figure may become before the comparison says so, unless it says otherwise."""
OWN_LOAD = 4.0
"""What a benchmark with its rival loads a machine by itself; a higher load is said."""
RATIO = "x"
"""The unit of a ratio to another program, which machines change less than seconds."""


@dataclass(frozen=True)
class Figure:
    """One measured figure, as it is kept.

    `name` is the figure's key, `subject` the benchmark that measures it. Figures of one `group`
    share a line of the page. `is_gate`: the run of the benchmarks fails when this one becomes worse
    by more than its tolerance. `load` is the machine's when it was measured, null where not noted.
    """

    subject: str
    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = True
    tolerance: float = TOLERANCE
    is_gate: bool = False
    group: str = ""
    wall_s: float | None = None
    cpu_s: float | None = None
    peak_mb: float | None = None
    load: float | None = None
    machine: str = ""
    commit: str = ""

    @classmethod
    def of_row(cls, row: dict[str, Any], *, machine: str, commit: str) -> Self:
        """Take what is kept out of what a benchmark printed, which has more fields."""
        names = {field.name for field in fields(cls)}
        kept = {name: value for name, value in row.items() if name in names}
        return cls(**kept | {"machine": machine, "commit": commit})

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    @property
    def distance(self) -> float:
        """The value as a multiple of its target, above 1 where it is missed."""
        if not self.target or not self.value:
            return 0.0
        return self.value / self.target if self.at_most else self.target / self.value

    def worse_than(self, other: "Figure") -> float:
        """Return by what share this one is worse than the other; below 0 where it is better."""
        less, more = (other, self) if self.at_most else (self, other)
        if less.value == more.value:
            return 0.0
        if min(less.value, more.value) <= 0:  # a difference of two runs can be less than nothing
            return float("inf") if more.value > less.value else float("-inf")
        return more.value / less.value - 1


class Change(StrEnum):
    """What became of a figure since the table was written."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "the same"
    NEW = "new"
    MISSING = "not measured again"
    ELSEWHERE = "of another machine"


@dataclass(frozen=True)
class Comparison:
    """A figure beside that of the table; one of both is None where it is new or missing."""

    change: Change
    before: Figure | None
    after: Figure | None

    @property
    def fails(self) -> bool:
        """Whether the run of the benchmarks ends with 1: what is worse is a gate,
        or it met its target and misses it now.
        """
        if self.change != Change.WORSE or self.before is None or self.after is None:
            return False
        return self.after.is_gate or (self.before.met is True and self.after.met is False)

    def sentence(self) -> str:
        """Say it in a line."""
        if self.before is None or self.after is None:
            there = (figure for figure in (self.before, self.after) if figure)
            said = "".join(f"{figure.name}, {measured(figure)}" for figure in there)
            return f"{self.change}: {said}"
        by = self.after.worse_than(self.before)
        return (
            f"{self.change}: {self.after.name}, {measured(self.before)} before "
            f"({self.before.commit or 'commit not noted'}), {measured(self.after)} now, "
            f"{abs(by):.0%} {'worse' if by > 0 else 'better'} "
            f"(tolerance {self.after.tolerance:.0%})"
        )


def compare(
    after: Sequence[Figure], before: Sequence[Figure], finished: Iterable[str]
) -> list[Comparison]:
    """Compare measured figures with those of the table, in the order of the table.

    What the table has of a benchmark in `finished`, and was not measured again, is missing. Of
    another machine only ratios are compared.
    """
    measured_ = {figure.name: figure for figure in after}
    names, whole = {figure.name for figure in before}, set(finished)
    answer = [
        Comparison(_change(measured_.get(figure.name), figure), figure, measured_.get(figure.name))
        for figure in before
        if figure.name in measured_ or figure.subject in whole
    ]
    new = [Comparison(Change.NEW, None, figure) for figure in after if figure.name not in names]
    return answer + new


def _change(after: Figure | None, before: Figure) -> Change:
    if after is None:
        return Change.MISSING
    if after.machine != before.machine and after.unit != RATIO:
        return Change.ELSEWHERE
    by = after.worse_than(before)
    if by > after.tolerance:
        return Change.WORSE
    return Change.BETTER if before.worse_than(after) > after.tolerance else Change.SAME


def renewed(
    before: Sequence[Figure], after: Sequence[Figure], finished: Iterable[str]
) -> list[Figure]:
    """Return the table with what was measured, sorted by subject; a benchmark in `finished`
    leaves no figure that it no longer reports.
    """
    whole, names = set(finished), {figure.name for figure in after}
    kept = [figure for figure in before if figure.subject not in whole and figure.name not in names]
    return sorted([*kept, *after], key=lambda figure: figure.subject)


def read(text: str) -> list[Figure]:
    """Read a table as it is kept."""
    return [Figure(**row) for row in json.loads(text)]


def written(figures: Sequence[Figure]) -> str:
    """Return a table as it is kept: a figure per line, without fields that say nothing."""
    usual = {field.name: field.default for field in fields(Figure)}
    rows = (
        {name: value for name, value in asdict(figure).items() if value != usual[name]}
        for figure in figures
    )
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def committed() -> list[Figure]:
    """Return the table of the last commit, or the file's where there is no commit with one."""
    command = ["git", "show", f"HEAD:./{FILE.name}"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    return read(FILE.read_text(encoding="utf-8") if done.returncode else done.stdout)


def write(figures: Sequence[Figure]) -> None:
    """Write the table, and the page that shows it."""
    FILE.write_text(written(figures), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(page, figures), encoding="utf-8")


def with_table(page: str, figures: Sequence[Figure]) -> str:
    """Return a page with this table in its place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}{markdown(figures)}{end}{after}"


def markdown(figures: Sequence[Figure]) -> str:
    """Return the table of the page: each figure or group that has a target."""
    shown = [figure for figure in figures if figure.target is not None]
    machines = sorted({figure.machine for figure in shown if figure.machine})
    head = [f"Measured on {' and '.join(machines)}.", ""] if machines else []
    columns = ["| figure | measured | target | | commit |", "| --- | --- | --- | --- | --- |"]
    grouped = groupby(shown, key=lambda figure: (figure.subject, figure.group or figure.name))
    lines = (_line(name, list(rows)) for (_, name), rows in grouped)
    return "\n".join(["", *head, *columns, *lines, "", ""])


def _line(name: str, rows: list[Figure]) -> str:
    worst = max(rows, key=lambda figure: figure.distance)
    cells = [
        name.replace("|", "\\|"),
        measured(worst) if len(rows) == 1 else _spread(rows, worst),
        f"{'≤' if worst.at_most else '≥'} {_number(worst.target)} {_unit(worst.unit)}".strip(),
        _outcome(rows),
        ", ".join(dict.fromkeys(figure.commit for figure in rows if figure.commit)),
    ]
    return f"| {' | '.join(cells)} |"


def _outcome(rows: list[Figure]) -> str:
    missed = [figure for figure in rows if not figure.met]
    if not missed:
        return "met"
    link = f"[missed](tried.md#{missed[0].subject.replace('_', '-')})"
    return link if len(rows) == 1 else f"{link} by {len(missed)} of {len(rows)}"


def _spread(rows: list[Figure], worst: Figure) -> str:
    values = sorted(figure.value for figure in rows)
    spread = f"{_number(values[0])} to {_number(values[-1])} {_unit(worst.unit)}".strip()
    return f"{spread}; worst: {worst.name.removeprefix(worst.group).strip(' ,')}"


def measured(figure: Figure) -> str:
    """Return the value with its unit, and what it cost where that is another figure."""
    costs = [
        f"{_number(value)} {unit}"
        for value, unit in ((figure.wall_s, "s"), (figure.cpu_s, "CPU s"))
        if value is not None and figure.unit != unit
    ]
    about = [*costs, *([f"load {figure.load:.0f}"] if (figure.load or 0) > OWN_LOAD else [])]
    value = f"{_number(figure.value)} {_unit(figure.unit)}".strip()
    return f"{value} ({', '.join(about)})" if about else value


def _unit(unit: str) -> str:
    return "" if unit == RATIO else unit


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> str:
    """Return what a table says of this machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores and {total:.0f} GiB"


def commit() -> str:
    """Return the short id of the commit that is measured, `+` behind it where files differ."""
    head = _git("rev-parse", "--short", "HEAD")
    return head + ("+" if head and _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout.strip()


def differences(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Give a sentence per figure that is not the same, the worst kind first."""
    for change in Change:
        if change != Change.SAME:
            yield from (each.sentence() for each in comparisons if each.change == change)
