"""The measures of each subject as a list, for its page in `docs/metrics/`."""

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from dictionary import WHEN_NULL, new_words

from ecom_assets.core.tables.contract import Aggregate, Column
from ecom_assets.core.tables.measures import measures_of
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
                counted = _counted(measures, measure, described)
                yield f"- **{measure.label}** (`{name}`): {described}" + (
                    f"; {counted}" if counted else ""
                )


def _counted(declared: type, measure: Column, described: str) -> str:
    """Return what a measure is counted from, as far as neither its name nor its description says
    it.
    """
    of = measure.counted_as
    if of is None:
        return ""
    if not isinstance(of, Aggregate):
        part, whole = (measures_of(declared)[name].label for name in (of.part, of.whole))
        is_said = not of.is_rest and not new_words(f"{part} {whole}", described)
        return "" if is_said else f"{'1 less ' if of.is_rest else ''}{part} ÷ {whole}"
    counted = (
        "rows"
        if not of.column
        else f"sum of `{of.column}`"
        if of.is_sum
        else f"distinct `{of.column}`"
    )
    if of.is_sum and of.column == measure.name and not of.where and of.sign == 1:
        return ""  # a sum of the column of the same name
    where = " and ".join(
        f"`{name}`" if value is True else f"`{name}` is {value}" for name, value in of.where.items()
    )
    return f"{'minus the ' if of.sign == -1 else ''}{counted}{f' where {where}' if where else ''}"
