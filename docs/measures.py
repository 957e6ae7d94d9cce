"""The measures of each subject as a table, for its page in `docs/metrics/`."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from ecom_assets.core.tables.contract import Aggregate, Column
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.orchestration.registry import ALL, SUBJECTS

PACKAGES = {name.rpartition(".")[2]: name for name in SUBJECTS}
"""The packages of subjects, by their folders."""
BEGIN, END = "<!-- measures, made by `make docs` -->\n", "<!-- end of measures -->\n"


def with_measures(page: str, subject: str) -> str:
    """Return a page with the table of its subject's measures after its title;
    as it is for a subject without any.
    """
    module = f"{PACKAGES.get(subject)}.measures"
    if subject not in PACKAGES or not find_spec(module):
        return page
    title, _, text = page.partition("\n\n")
    text = text.partition(f"{END}\n")[2] if text.startswith(BEGIN) else text
    table = "\n".join(_lines(import_module(module)))
    return f"{title}\n\n{BEGIN}{table}\n{END}\n{text}"


def _lines(module: ModuleType) -> Iterator[str]:
    yield "| measure | meaning | counted from | tables |"
    yield "| --- | --- | --- | --- |"
    for measures in vars(module).values():
        if isinstance(measures, type) and measures.__module__ == module.__name__:
            tables = ", ".join(
                f"`{table.qualified_name()}`" for table in ALL if issubclass(table, measures)
            )
            for name, measure in vars(measures).items():
                if isinstance(measure, Column):
                    counted = _counted(measures, measure)
                    yield (
                        f"| {measure.label} (`{name}`) | {measure.description} | {counted} | "
                        f"{tables} |"
                    )


def _counted(declared: type, measure: Column) -> str:
    of = measure.counted_as
    if of is None:
        return ""
    if not isinstance(of, Aggregate):
        part, whole = (measures_of(declared)[name].label for name in (of.part, of.whole))
        return f"{'1 less ' if of.is_rest else ''}{part} ÷ {whole}"
    counted = (
        "rows"
        if not of.column
        else f"{'sum' if of.is_sum else 'different values'} of `{of.column}`"
    )
    where = " and ".join(
        f"`{name}`" if value is True else f"`{name}` is {value}" for name, value in of.where.items()
    )
    return f"{'minus the ' if of.sign == -1 else ''}{counted}{f' where {where}' if where else ''}"
