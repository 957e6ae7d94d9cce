"""The table of cases in README.md has every case that is tested, a test of it,
and the numbers of that test.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from inspect import getsource
from pathlib import Path

from ecom_assets_tests.cases.case import INPUTS
from ecom_assets_tests.each import each

FOLDER = Path(__file__).parent
PROOF = FOLDER / "README.md"


def lines() -> list[list[str]]:
    """Return the cells of each line of the table: case, right value, and test as `file::name`."""
    rows = [
        line
        for line in PROOF.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| \d+ \|", line)
    ]
    return [row.removeprefix("| ").removesuffix(" |").replace("`", "").split(" | ") for row in rows]


def listed() -> list[tuple[str, str]]:
    """Return the number and the test of each case in the table."""
    return [(row[0], row[-1]) for row in lines()]


def numbers(text: str) -> set[Decimal]:
    """Return the numbers of a text without their signs: `1,408.00` and, in code, `1_408`."""
    plain = re.sub(r"(?<=\d)[,_](?=\d{3})", "", text)
    return {Decimal(number) for number in re.findall(r"\d+(?:\.\d+)?", plain)}


def runs_of_cases() -> Iterator[tuple[str, str]]:
    """Return the number of each case with each test that runs it."""
    for file in sorted(FOLDER.glob("test_*.py")):
        module = import_module(f"{__package__}.{file.stem}")
        for name, function in vars(module).items():
            for mark in getattr(function, "pytestmark", ()):
                if mark.name == "parametrize" and mark.kwargs.get("indirect"):
                    names = mark.args[0] if isinstance(mark.args[0], tuple) else (mark.args[0],)
                    values = (values if len(names) > 1 else (values,) for values in mark.args[1])
                    yield from (
                        (row[names.index("case")], f"{file.name}::{name}") for row in values
                    )


def test_the_table_names_a_test_of_each_case() -> None:
    tests = set(runs_of_cases())
    rows = listed()
    assert [row for row in rows if row not in tests] == []
    numbers = [number for number, _ in rows]
    assert numbers == sorted({number for number, _ in tests}, key=int)


def test_the_table_has_a_row_for_each_folder_of_inputs() -> None:
    folders = {folder.name.partition("-")[0] for folder in INPUTS.iterdir()}
    assert {number for number, _ in listed()} == {*folders, "14"}, (
        "the file of 14 lies beside the checkout"
    )


@each("value, test", [(row[-2], row[-1]) for row in lines()])
def test_each_number_of_the_table_is_in_the_test(value: str, test: str) -> None:
    file, _, name = test.partition("::")
    function = getattr(import_module(f"{__package__}.{file.removesuffix('.py')}"), name)
    assert numbers(value) - numbers(getsource(function)) == set()
