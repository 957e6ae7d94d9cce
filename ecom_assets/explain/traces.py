"""The path down of every table, collected from the subjects' `trace.py`, and the tables that it needs."""

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from ecom_assets.registry import SUBJECTS
from ecom_assets.tables.contract import Table
from ecom_assets.tables.trace import Below, TableTrace

_SUBJECTS: Final = [f"ecom_assets.{subject}.trace" for subject in SUBJECTS]
_MODULES: Final = [import_module(name) for name in _SUBJECTS if find_spec(name)]
TRACES: Final[dict[type[Table], TableTrace]] = {one.contract: one for module in _MODULES for one in module.TRACES}
"""How the numbers of each mart are traced down."""
BELOW: Final[dict[type[Table], Below]] = {above: below for module in _MODULES for above, below in module.BELOW.items()}
"""The next table below each table on the path."""
_NUMBERS: Final = {(table.qualified_name(), name) for table, trace in TRACES.items() for name in trace.numbers}


def is_explained(table: str, column: str) -> bool:
    """Return whether a column of a table, by its qualified name, is a number that can be explained."""
    return (table, column) in _NUMBERS
