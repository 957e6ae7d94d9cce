"""`python -m benchmarks.size`: how much there is to read, by room, beside the last commit.

Nodes of syntax are counted, as lines can be made denser and nodes cannot. What is no Python is
counted in words and signs, so that what moves from one into the other is not saved.
"""

import argparse
import ast
import io
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, TypeAlias

OTHER_TEXTS: Final = {".html", ".yaml", ".js", ".sql", ".css"}
"""What programs are made of besides Python; what comes from elsewhere is left out."""
NOT_OURS: Final = "vendored"
PACKAGES: Final = ("ecom_assets", "ecom_sandbox", "ecom_assets_tests", "benchmarks", "docs")
WORD_OR_SIGN: Final = re.compile(r"\w+|[^\w\s]")
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
HEADINGS: Final = ("room", "files", "nodes", "statements", "once", "docstrings", "other")


@dataclass(frozen=True)
class Size:
    """The size of files: each figure is a sum over them."""

    file_count: int = 0
    node_count: int = 0
    statement_count: int = 0
    function_count: int = 0
    private_used_once_count: int = 0
    """Functions with a private name that stands once more in their file: where they are called."""
    docstring_word_count: int = 0
    other_word_count: int = 0

    def __add__(self, other: "Size") -> "Size":
        """Return the size of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Size(*(mine + others for mine, others in pairs))

    @property
    def cells(self) -> list[str]:
        """Return the figures as texts, in the order of `HEADINGS`."""
        once = self.private_used_once_count / max(self.function_count, 1)
        words = self.docstring_word_count / max(self.statement_count, 1)
        return [
            f"{self.file_count:,}",
            f"{self.node_count:,}",
            f"{self.statement_count:,}",
            f"{once:.1%}",
            f"{words:.2f}",
            f"{self.other_word_count:,}",
        ]


def size_of_python(source: str) -> Size:
    """Return the size of a module."""
    nodes = [*ast.walk(ast.parse(source))]
    functions = [node for node in nodes if isinstance(node, Function)]
    named = Counter(name for node in nodes for name in _names_in(node))
    documented = [node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | Function)]
    docstrings = [text for node in documented if (text := ast.get_docstring(node))]
    return Size(
        file_count=1,
        node_count=len(nodes),
        statement_count=sum(isinstance(node, ast.stmt) for node in nodes) - len(docstrings),
        function_count=len(functions),
        private_used_once_count=sum(
            is_private(function.name) and named[function.name] == 1 for function in functions
        ),
        docstring_word_count=sum(len(text.split()) for text in docstrings),
    )


def is_private(name: str) -> bool:
    """Return whether a name begins with an underscore and is none of Python's own."""
    return name.startswith("_") and not name.endswith("__")


def _names_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr


def size_of_text(source: str) -> Size:
    """Return the size of a file that is no Python."""
    return Size(file_count=1, other_word_count=len(WORD_OR_SIGN.findall(source)))


def room_of(path: PurePath) -> str | None:
    """Return the room of a file: a folder of `ecom_assets`, or another package; None for others."""
    if path.parts[0] not in PACKAGES or NOT_OURS in path.parts:
        return None
    is_of_room = path.parts[0] == "ecom_assets" and len(path.parts) > 2
    return "/".join(path.parts[: 2 if is_of_room else 1])


def is_counted(path: PurePath) -> bool:
    """Return whether a file is of a room, and a text that programs are made of."""
    return path.suffix in {".py", *OTHER_TEXTS} and room_of(path) is not None


def sizes_by_room(sources: Mapping[PurePath, str]) -> dict[str, Size]:
    """Return the size of each room, and of `ecom_assets` as a whole."""
    sizes: dict[str, Size] = {}
    for path, source in sources.items():
        room = room_of(path)
        if room is None or not is_counted(path):
            continue
        size = size_of_python(source) if path.suffix == ".py" else size_of_text(source)
        for name in {room, path.parts[0]}:
            sizes[name] = sizes.get(name, Size()) + size
    return dict(sorted(sizes.items()))


def sources_here() -> dict[PurePath, str]:
    """Return the texts of the files that git knows, as they are in the working tree."""
    paths = [Path(line) for line in _git("ls-files").decode().splitlines()]
    return {path: path.read_text(encoding="utf-8") for path in paths if is_counted(path)}


def sources_at(revision: str) -> dict[PurePath, str]:
    """Return the texts of the files of a commit."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", revision))) as files:
        members = {PurePath(member.name): member for member in files if member.isfile()}
        read = {path: files.extractfile(member) for path, member in members.items()}
        return {
            path: file.read().decode() for path, file in read.items() if file and is_counted(path)
        }


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout


def main() -> None:
    """Print the sizes of the working tree, with those of a commit below each that differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", default="HEAD", help="the commit to compare with")
    beside = parser.parse_args().beside
    now, before = sizes_by_room(sources_here()), sizes_by_room(sources_at(beside))
    print("  ".join([f"{HEADINGS[0]:<28}", *(f"{name:>10}" for name in HEADINGS[1:])]))
    for room in sorted(now.keys() | before.keys()):
        size, earlier = now.get(room, Size()), before.get(room, Size())
        print("  ".join([f"{room:<28}", *(f"{cell:>10}" for cell in size.cells)]))
        if size != earlier:
            print(
                "  ".join([f"{f'  at {beside}':<28}", *(f"{cell:>10}" for cell in earlier.cells)])
            )


if __name__ == "__main__":
    main()
