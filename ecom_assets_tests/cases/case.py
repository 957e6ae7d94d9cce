"""A case: an input out of a public bug report, and the commands that people give over it."""

import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets_tests.command import FEW_SALES, CommandResult, ecom

INPUTS = Path(__file__).parent / "inputs"
DIGINETICA = Path(__file__).parents[3] / "shared" / "cases" / "14-diginetica-na"
"""A research file whose licence is unknown, so it is read where it lies beside the checkout."""


class Case:
    """The files of a case in a folder of their own, with a home of its own."""

    def __init__(self, folder: Path, inputs: Path) -> None:
        """Copy the inputs into a folder, where the commands run."""
        self.folder = folder / inputs.name
        self.home = folder / "home"
        shutil.copytree(inputs, self.folder)

    def ecom(self, *arguments: str, env: Mapping[str, str] | None = None) -> CommandResult:
        """Run a command in the folder of the case; paths are relative to it."""
        return ecom(*arguments, home=self.home, cwd=self.folder, env=env)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run the platform and return its summary."""
        summary: dict[str, Any] = self.ecom("run", *arguments, "--json", env=env).json
        return summary

    def sales(self, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run the platform over orders as far as sales; return what its summary says of them."""
        sales: dict[str, Any] = self.run(*arguments, *FEW_SALES, env=env)["sales"]
        return sales

    def counts(
        self, file: str, mapping: str = "m.yaml", env: Mapping[str, str] | None = None
    ) -> str:
        """Ask what the orders of a file come to by a mapping, without a run; return the words for
        what would count, such as `751.85, sold less paid back, 42 rows of 42 orders`.
        """
        arguments = ("mapping", "check", file, "--mapping", mapping, "--orders")
        checked = self.ecom(*arguments, env=env)
        (line,) = [line for line in checked.out.splitlines() if "would count: " in line]
        return line.partition("would count: ")[2]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return rows of the warehouse of an earlier run."""
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as con:
            return con.execute(sql).fetchall()

    def series(self, *arguments: str, env: Mapping[str, str] | None = None) -> list[Decimal | None]:
        """Ask a trend and return the total of each of its series; None where it is not known."""
        answer = self.ecom("trend", *arguments, "--json", env=env).json
        totals = [series["total"] for series in answer["series"]]
        return [None if total is None else Decimal(str(total)) for total in totals]


def inputs_of(name: str) -> Path:
    """Return the folder with the inputs of a case by its number, or skip where it
    is not beside the checkout.
    """
    if name == "14":
        if not DIGINETICA.exists():
            pytest.skip("the research file of case 14 is not beside this checkout")
        return DIGINETICA
    (folder,) = INPUTS.glob(f"{name}-*")
    return folder
