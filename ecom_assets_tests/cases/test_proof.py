"""The table of cases in docs/proof.md lists every case that is tested, and the tests that it names are of that case."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ecom_assets_tests.cases.case import INPUTS

FOLDER = Path(__file__).parent
PROOF = FOLDER.parents[1] / "docs" / "proof.md"


def listed() -> list[tuple[str, str]]:
    """Return the number and the test, as `file::name`, of each case in the table."""
    rows = [line.split(" | ") for line in PROOF.read_text().splitlines() if re.match(r"\| \d\d \|", line)]
    return [(row[0].removeprefix("| "), row[-1].removesuffix(" |").strip("`")) for row in rows]


def runs_of_cases() -> Iterator[tuple[str, str]]:
    """Return the number of each case with each test that runs it."""
    for file in sorted(FOLDER.glob("test_*.py")):
        module = import_module(f"{__package__}.{file.stem}")
        for name, function in vars(module).items():
            for mark in getattr(function, "pytestmark", ()):
                if mark.name == "parametrize" and mark.kwargs.get("indirect"):
                    names = mark.args[0] if isinstance(mark.args[0], tuple) else (mark.args[0],)
                    values = (values if len(names) > 1 else (values,) for values in mark.args[1])
                    yield from ((row[names.index("case")], f"{file.name}::{name}") for row in values)


def test_the_table_names_a_test_of_each_case() -> None:
    tests = set(runs_of_cases())
    rows = listed()
    assert [row for row in rows if row not in tests] == []
    numbers = [number for number, _ in rows]
    assert numbers == sorted({number for number, _ in tests})


def test_the_table_has_a_row_for_each_folder_of_inputs() -> None:
    folders = {folder.name[:2] for folder in INPUTS.iterdir()}
    assert {number for number, _ in listed()} == {*folders, "14"}, "the file of 14 lies beside the checkout"
