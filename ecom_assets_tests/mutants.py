"""Change conditions and numbers of the package, one at a time, and see which changes no test finds.

Usage: python -m ecom_assets_tests.mutants --seed 1 [--count 60] [--minutes 3]

Each change is made in a temporary copy, against the tests in the folder that is about the file,
without the slow ones. It was killed if one of them failed, survived if none did, and timed out if
neither came about in time. mutmut and cosmic-ray change whole modules and keep a database of what
they did; a sample that a seed repeats needs neither.
"""

import argparse
import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from itertools import accumulate
from pathlib import Path, PurePosixPath

TESTS = Path(__file__).parent
ROOT = TESTS.parent
ABOUT = {"ecom_assets": "", "ecom_assets_tests": "", "ecom_sandbox": "sandbox/"}
"""Folder of code to the folder of the tests that are about it."""
LINKED = (".venv", ".venv-snowflake", ".kafka", ".segment")
OPERATORS: dict[type[ast.AST], tuple[bytes, bytes]] = {
    ast.Lt: (b"<", b"<="),
    ast.LtE: (b"<=", b"<"),
    ast.Gt: (b">", b">="),
    ast.GtE: (b">=", b">"),
    ast.Eq: (b"==", b"!="),
    ast.NotEq: (b"!=", b"=="),
    ast.In: (b"in", b"not in"),
    ast.NotIn: (b"not in", b"in"),
    ast.Is: (b"is", b"is not"),
    ast.IsNot: (b"is not", b"is"),
    ast.And: (b"and", b"or"),
    ast.Or: (b"or", b"and"),
    ast.BitAnd: (b"&", b"|"),
    ast.BitOr: (b"|", b"&"),
    ast.Not: (b"not ", b""),
    ast.Invert: (b"~", b""),
}
"""Each operator as it is written, and what stands there in a mutant."""


@dataclass(frozen=True)
class Mutant:
    """A change of one line in a file of the package."""

    file: str
    number: int
    line: bytes
    changed: bytes

    @property
    def shown(self) -> str:
        """Return the place, and the line before and after the change."""
        before, after = (line.decode().strip() for line in (self.line, self.changed))
        return f"{self.file}:{self.number}: {before} → {after}"

    def rank(self, seed: int) -> bytes:
        """Return its place among all, which changes elsewhere in the package do not move."""
        return blake2b(f"{seed} {self.file} ".encode() + self.line + self.changed).digest()


def mutants_of(file: str, source: bytes) -> Iterator[Mutant]:
    """Yield each change of a condition or an integer in a file."""
    lines = source.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]

    def changed(start: int, before: bytes, after: bytes) -> Mutant:
        number = bisect(starts, start)
        line, column = lines[number - 1], start - starts[number - 1]
        return Mutant(file, number, line, line[:column] + after + line[column + len(before) :])

    def begin(node: ast.expr) -> int:
        return starts[node.lineno - 1] + node.col_offset

    def end(node: ast.expr) -> int:
        return starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    for node in _expressions(ast.parse(source)):
        match node:
            case (
                ast.Compare(left=left, ops=[operator], comparators=[right])
                | ast.BoolOp(op=operator, values=[*_, left, right])
                | ast.BinOp(left=left, op=(ast.BitAnd() | ast.BitOr()) as operator, right=right)
            ) if not _is_type(node):
                first, last = end(left), begin(right)
            case ast.UnaryOp(op=ast.Not() | ast.Invert() as operator, operand=operand):
                first, last = begin(node), begin(operand)
            case ast.Constant(value=int(value)) if not isinstance(value, bool):
                for after in (value + 1, value - 1):
                    yield changed(begin(node), source[begin(node) : end(node)], b"%d" % after)
                continue
            case _:
                continue
        old, new = OPERATORS[type(operator)]
        # Where a comment stands between, too, the place is passed over.
        if found := re.fullmatch(rb"([\s)]*)%b[\s(]*" % re.escape(old), source[first:last]):
            yield changed(first + len(found[1]), old, new)


def _is_type(node: ast.expr) -> bool:
    """Return whether an expression is one of types, as `int | None`."""
    right = ast.unparse(node.right) if isinstance(node, ast.BinOp) else ""
    return right[:1].isupper() or right in {"int", "str", "bytes"}


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Yield expressions, but those of annotations, and of f-strings, whose places Python 3.11 does
    not know.
    """
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"} or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.expr):
                yield child
            if isinstance(child, ast.AST):
                yield from _expressions(child)


def chosen(root: Path, seed: int, count: int) -> list[Mutant]:
    """Return so many changes of the package in a folder, always the same for a seed."""
    files = sorted((root / "ecom_assets").rglob("*.py"))
    named = ((path.relative_to(root).as_posix(), path.read_bytes()) for path in files)
    every = (mutant for file, source in named for mutant in mutants_of(file, source))
    return nsmallest(count, every, key=lambda mutant: mutant.rank(seed))


def tests_about(file: str) -> list[str]:
    """Return the files of tests of the nearest folder that has any, for a file of the package;
    those of the same name first.
    """
    first, *below = PurePosixPath(file).parts
    place = PurePosixPath(ABOUT[first], *below)
    found = ([*Path(TESTS, folder).glob("test_*.py")] for folder in place.parents)
    tests = sorted(next(filter(None, found)), key=lambda path: (place.stem not in path.stem, path))
    return [path.relative_to(ROOT).as_posix() for path in tests]


def tried(mutant: Mutant, copy: Path, tests: Sequence[str], minutes: float) -> str:
    """Return what became of a change in a copy, and the test that failed first."""
    path, scratch = copy / mutant.file, Path(tempfile.mkdtemp(dir=copy.parent))
    lines = path.read_bytes().splitlines(keepends=True)
    changed = [mutant.changed if n == mutant.number else line for n, line in enumerate(lines, 1)]
    path.write_bytes(b"".join(changed))
    options = ("-x", "-q", "-n", "0", "--tb", "no", "-m", "not slow")
    with (scratch / "out").open("w+") as out:
        session = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "TMPDIR": str(scratch)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            session.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            session.send_signal(signal.SIGINT)  # pytest ends the servers that tests started
            with suppress(subprocess.TimeoutExpired):
                session.wait(60 * minutes)
            return "timed out"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(session.pid, signal.SIGKILL)
            session.wait()
            path.write_bytes(b"".join(lines))
            shutil.rmtree(scratch, ignore_errors=True)
        out.seek(0)
        said = out.read()
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    return f"killed by {failed[1] if failed else said[-200:]}" if session.returncode else "survived"


def main() -> int:
    """Print what becomes of each change, and how many survived."""
    options = argparse.ArgumentParser(prog="python -m ecom_assets_tests.mutants")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=60)
    options.add_argument("--minutes", type=float, default=3.0, help="for the tests of each change")
    told = options.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        for name in LINKED:
            (copy / name).symlink_to(ROOT / name)
        for mutant in chosen(copy, told.seed, told.count):
            end = tried(mutant, copy, tests_about(mutant.file), told.minutes)
            counts[end.split(" by ")[0]] += 1
            sys.stdout.write(f"{mutant.shown}: {end}\n")
            sys.stdout.flush()
    found = ", ".join(f"{counts[end]} {end}" for end in ("killed", "timed out", "survived"))
    sys.stdout.write(f"{counts.total()} mutants: {found}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
