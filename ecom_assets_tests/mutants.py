"""Change conditions and numbers of the package, one at a time, and see which changes no test finds.

Usage: python -m ecom_assets_tests.mutants --seed 1 [--count 60]

Each change is made in a temporary copy, against the tests in the folder that is about the file,
without the slow ones. It was killed if one of them failed, survived if none did, and timed out if
neither came about in time. mutmut and cosmic-ray change whole modules and keep a database of what
they did; a sample that a seed repeats needs neither.
"""

import argparse
import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ecom_assets_tests.sampling import ABOUT, ROOT, TESTS

PACKAGE = "ecom_assets"
SECONDS, ENDING_S = 180, 60
SHARED = (".venv", ".venv-snowflake", ".kafka", ".segment")
"""What the copy has by a link: nothing in it is changed."""
OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.Not: ("not ", ""),
    ast.Invert: ("~", ""),
}
"""Each operator as it is written, and what stands there in a mutant."""


@dataclass(frozen=True)
class Mutant:
    """A change of one place in a file of the package."""

    file: str
    """Relative to the folder that has the package."""
    line: int
    start: int
    """The byte of the file at which the change begins."""
    before: str
    after: str

    def applied_to(self, source: bytes) -> bytes:
        """Return the file's text with the change."""
        end = self.start + len(self.before.encode())
        return source[: self.start] + self.after.encode() + source[end:]

    def shown(self, source: bytes) -> str:
        """Return the place, and its line before and after the change."""
        texts = (source, self.applied_to(source))
        before, after = (text.splitlines()[self.line - 1].decode().strip() for text in texts)
        return f"{self.file}:{self.line}: {before} → {after}"


def mutants_of(file: str, source: bytes, choice: random.Random) -> Iterator[Mutant]:
    """Yield each change of a condition or an integer in a file."""
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))

    def between(left: int, operator: ast.AST, right: ast.expr) -> Iterator[Mutant]:
        """Yield the change of the operator between two places, if nothing else stands there."""
        before, after = OPERATORS[type(operator)]
        place = source[left : starts[right.lineno - 1] + right.col_offset]
        if found := re.fullmatch(rb"([\s)]*)%b[\s(]*" % re.escape(before.encode()), place):
            start = left + len(found[1])
            yield Mutant(file, source[:start].count(b"\n") + 1, start, before, after)

    def end(node: ast.expr) -> int:
        return starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    for node in _expressions(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        match node:
            case (
                ast.Compare(left=left, ops=[operator], comparators=[right])
                | ast.BoolOp(op=operator, values=[*_, left, right])
                | ast.BinOp(left=left, op=(ast.BitAnd() | ast.BitOr()) as operator, right=right)
            ) if not _is_type(node):
                yield from between(end(left), operator, right)
            case ast.UnaryOp(op=ast.Not() | ast.Invert() as operator, operand=operand):
                yield from between(begin, operator, operand)
            case ast.Constant(value=int(value)) if not isinstance(value, bool):
                after = str(value + choice.choice((1, -1)))
                yield Mutant(file, node.lineno, begin, source[begin : end(node)].decode(), after)


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
    choice = random.Random(seed)  # noqa: S311 (a sample, no secret)
    every = [
        mutant
        for path in sorted((root / PACKAGE).rglob("*.py"))
        for mutant in mutants_of(path.relative_to(root).as_posix(), path.read_bytes(), choice)
    ]
    choice.shuffle(every)
    return every[:count]


def tests_about(file: str) -> list[str]:
    """Return the files of tests of the nearest folder that has any, for a file of the package."""
    first, *below = PurePosixPath(file).parts
    place = PurePosixPath(ABOUT[first], *below).parent
    found = (sorted(Path(TESTS, folder).glob("test_*.py")) for folder in (place, *place.parents))
    return [path.relative_to(ROOT).as_posix() for path in next(filter(None, found))]


def tried(mutant: Mutant, copy: Path, tests: Sequence[str], seconds: float = SECONDS) -> str:
    """Return what became of a change in a copy: how it ended, and the test that failed first."""
    path = copy / mutant.file
    path.write_bytes(mutant.applied_to(path.read_bytes()))
    scratch = Path(tempfile.mkdtemp(dir=copy.parent))
    words = ("-m", "pytest", "-x", "-q", "-n", "0", "--tb", "no", "-m", "not slow")
    with (scratch / "out").open("w+") as out:
        session = subprocess.Popen(
            [sys.executable, *words, *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "TMPDIR": str(scratch)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            session.wait(seconds)
        except subprocess.TimeoutExpired:
            session.send_signal(signal.SIGINT)  # pytest ends the servers that tests started
            with suppress(subprocess.TimeoutExpired):
                session.wait(ENDING_S)
            return "timed out"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(session.pid, signal.SIGKILL)
            session.wait()
            shutil.copy2(ROOT / mutant.file, path)
            shutil.rmtree(scratch, ignore_errors=True)
        out.seek(0)
        said = out.read()
    if session.returncode == 0:
        return "survived"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    return f"killed by {failed[1] if failed else said[-200:]}"


def main() -> int:
    """Print what becomes of each change, and how many survived."""
    options = argparse.ArgumentParser(prog="python -m ecom_assets_tests.mutants")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=60)
    told = options.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        for name in SHARED:
            (copy / name).symlink_to(ROOT / name)
        for mutant in chosen(copy, told.seed, told.count):
            end = tried(mutant, copy, tests_about(mutant.file))
            counts[end.split(" by ")[0]] += 1
            shown = mutant.shown((copy / mutant.file).read_bytes())
            sys.stdout.write(f"{shown}: {end}\n")
            sys.stdout.flush()
    found = ", ".join(f"{counts[end]} {end}" for end in ("killed", "timed out", "survived"))
    sys.stdout.write(f"{counts.total()} mutants: {found}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
