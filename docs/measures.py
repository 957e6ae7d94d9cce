"""The measures of each subject as a list, for its page in `docs/metrics/`."""

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from dictionary import WHEN_NULL

from ecom_assets.core.tables.contract import Column
from ecom_assets.orchestration.registry import ALL, SUBJECTS

PACKAGES = {name.rpartition(".")[2]: name for name in SUBJECTS}
"""The packages of subjects, by their folders."""
BEGIN, END = "<!-- measures, made by `make docs` -->\n", "<!-- end of measures -->\n"


def with_measures(page: str, subject: str) -> str:
    """Return a page with the list of its subject's measures after its title;
    as it is for a subject without any.
    """
    module = f"{PACKAGES.get(subject)}.measures"
    if subject not in PACKAGES or not find_spec(module):
        return page
    title, _, text = page.partition("\n\n")
    text = text.partition(f"{END}\n")[2] if text.startswith(BEGIN) else text
    listed = "\n".join(_lines(import_module(module))).lstrip("\n")
    return f"{title}\n\n{BEGIN}\n{listed}\n\n{END}\n{text}"


def _lines(module: ModuleType) -> Iterator[str]:
    """Yield the measures as a list, below the tables that have them."""
    shown = ""
    for measures in vars(module).values():
        if isinstance(measures, type) and measures.__module__ == module.__name__:
            tables = ", ".join(
                f"`{table.qualified_name()}`" for table in ALL if issubclass(table, measures)
            )
            declared = {
                name: measure
                for name, measure in vars(measures).items()
                if isinstance(measure, Column)
            }
            if declared and tables != shown:
                yield f"\nIn {tables}:\n" if tables else ""
                shown = tables
            for name, measure in declared.items():
                described = re.sub(WHEN_NULL, "", measure.description)
                yield f"- **{measure.label}** (`{name}`): {described}"
