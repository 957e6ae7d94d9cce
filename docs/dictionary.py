"""The data dictionary: the columns of every table, from the contracts."""

from collections.abc import Iterator

from ecom_assets.core.tables.contract import Column, Table
from ecom_assets.orchestration.registry import ALL

OPENING = """\
# Data dictionary

Made from each subject's `contracts.py` by `make docs`; correct it there.

Instants (`_at`) are UTC. Days (`_date`) are days of `ECOM_TIMEZONE`. Money is exact to the cent. \
A column is never null
unless its line says so. What the numbers mean is in [metrics](metrics/README.md).
"""


def data_dictionary() -> str:
    """Return the data dictionary as Markdown."""
    return "\n".join([OPENING, *(line for contract in ALL for line in _table(contract))])


def _table(contract: type[Table]) -> Iterator[str]:
    yield f"## {contract.qualified_name()}\n"
    yield f"{contract.description()}\n"
    cut = f"Cut by day of `{contract.day_column}`" if contract.day_column else "Not cut by day"
    key = f"Key: {_names(contract.key)}" if contract.key else "No key: rows can repeat"
    yield f"{key}. {cut}.\n"
    yield "| column | type | unit | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, column in contract.columns.items():
        yield f"| `{name}` | {column.type} | {column.unit or ''} | {_meaning(column)} |"
    yield ""


def _meaning(column: Column) -> str:
    more = [
        "may be null" if column.nullable else "",
        "personal data" if column.pii else "",
        f"at least {column.at_least}" if column.at_least is not None else "",
        f"at most {column.at_most}" if column.at_most is not None else "",
        f"one of {_names(column.one_of)}" if column.one_of else "",
    ]
    text = "; ".join(part for part in more if part)
    return column.description.replace("|", "\\|") + (f" ({text})" if text else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
