"""The data dictionary: every table and column, in words, from the contracts. Not here: contracts themselves."""

from collections.abc import Iterator

from ecom_assets.contracts.registry import ALL
from ecom_assets.contracts.table import Column, Table

OPENING = """\
# Data dictionary

Made from the contracts in `ecom_assets/contracts/` by `make docs`; correct it there.

Instants (`_at`) are UTC. Days (`_date`) are days of `ECOM_TIMEZONE`. Money is exact to the cent. A column is never null
unless its line says so. What the numbers mean is in [metrics.md](metrics.md).
"""


def data_dictionary() -> str:
    """Return the dictionary as Markdown."""
    return "\n".join([OPENING, *(line for contract in ALL for line in _table(contract))])


def _table(contract: type[Table]) -> Iterator[str]:
    yield f"## {contract.qualified_name()}\n"
    yield f"{contract.description()}\n"
    if contract.key:
        yield f"Key: {_names(contract.key)}. " + _cut(contract)
    else:
        yield f"No key: rows can repeat. {_cut(contract)}"
    yield "| column | type | unit | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, column in contract.columns.items():
        yield f"| `{name}` | {column.type} | {column.unit or ''} | {_meaning(column)} |"
    yield ""


def _cut(contract: type[Table]) -> str:
    return f"Cut by day of `{contract.day_column}`.\n" if contract.day_column else "Not cut by day.\n"


def _meaning(column: Column) -> str:
    more = [
        "may be null" if column.nullable else "",
        "personal data" if column.pii else "",
        f"at least {column.at_least}" if column.at_least is not None else "",
        f"at most {column.at_most}" if column.at_most is not None else "",
        f"one of {_names(column.one_of)}" if column.one_of else "",
    ]
    said = "; ".join(part for part in more if part)
    return column.description.replace("|", "\\|") + (f" ({said})" if said else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
