"""The data dictionary: every table with its columns, from the contracts.

It describes a column only where the description says more than the names do and neither an earlier
table nor a page of metrics has said it. All descriptions are in Dagster's catalogue and in
`ecom explain`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.core.tables.contract import AMOUNT, MONEY, Column, Table
from ecom_assets.orchestration.registry import ALL

OPENING = """\
# Data dictionary

Every table with its columns, made from each subject's `contracts.py` by `make docs`.

`?` means that a column may be null, `*` that it is personal data. A type stands behind the name,
with its unit in brackets, unless the name says it:

| name | type |
| --- | --- |
| `…_at` | timestamp(6), UTC |
| `…_date` | date, a day of `ECOM_TIMEZONE` |
| `…_count`, `…_number` | int64; numbers begin with 1 |
| `…_amount` | decimal(38,4), money, exact; (18,4) in rows of a source, (38,6) of profit |
| `…_rate` | float64, from 0 to 1 |
| `is_…`, `has_…` | boolean |
| any other | string |

Rows of a table without a key can repeat. A table is cut by the first `…_date` of its key, if
nothing else stands there.

Described are columns of `mart` and `export` tables, as far as neither the name nor an earlier
table says it. Every column's description, unit and limits, and when it is null, are in Dagster's
catalogue (*Assets*, a table, *Columns*), and `ecom explain mart.sessions` prints them. What numbers
mean is in [metrics](metrics/README.md), also how [events](metrics/events.md),
[visitors](metrics/identity.md), [order lines](metrics/orders.md) and
[customers](metrics/customers.md) in `staging` are made.
"""
TYPES_BY_NAME: Final = (
    (r".*_at", "timestamp(6)", "UTC"),
    (r".*_date", "date", None),
    (r".*_(count|number)", "int64", None),
    (r"received_.*", "string", None),
    (r".*_amount", MONEY, "money"),
    (r".*_rate", "float64", "share"),
    (r"(is|has)_.*", "boolean", None),
    (r".*", "string", None),
)
"""Types and units that a name says, as the opening lists them; the first that matches."""
FEWEST_SHARED: Final = 6
"""From how many columns on a table refers to another one that has them, too."""
MOST_NEW_WORDS: Final = 5
"""How many words a description may have that are not in the names, and still say nothing more."""
MOST_OTHER: Final = 1
"""How many words may differ from the column described before, and still say nothing more."""
MOST_REPEATED_VALUES: Final = 5
"""How many values of a column are listed again in each table that has it."""
SHORT: Final = 3
"""Words of at most so many letters say nothing about a column."""
DESCRIBED: Final = ("mart", "export")
"""Layers whose columns are described: those that people read."""
WHEN_NULL: Final = r"; (null|not known|unknown|empty)\b[^;]*"
"""The part of a description that says when a column is null."""
Said = set[tuple[str, str]]
"""Names of columns with descriptions that the page already has."""


def data_dictionary() -> str:
    """Return the data dictionary as Markdown."""
    said: Said = set()
    lines = [
        line
        for position, contract in enumerate(ALL)
        for line in _table(contract, ALL[:position], said)
    ]
    return "\n".join([OPENING, *lines])


def _table(contract: type[Table], earlier: Sequence[type[Table]], said: Said) -> Iterator[str]:
    yield f"## {contract.qualified_name()}\n"
    yield f"{contract.description()}\n"
    key = [_head(contract.columns[name]) for name in contract.key]
    named = f"Key: {', '.join(key)}." if key else "No key."
    is_said = contract.day_column == _first_day(contract)
    cut = f"Cut by `{contract.day_column}`." if contract.day_column else "Not cut by days."
    yield f"{named}\n" if is_said else f"{named} {cut}\n"
    shared: Mapping[str, Column] = {}
    if base := _base(contract, earlier, _columns):
        shared = base.columns
        yield f"The columns of {base.qualified_name()}, and:\n"
    elif base := _base(contract, earlier, _measures):
        shared = _measures(base)
        yield f"The measures of {base.qualified_name()}, and:\n"
    columns = [column for name, column in contract.columns.items() if name not in shared]
    yield from _column_lines(contract, columns, said)
    yield from (
        f"\nThe view `{contract.layer}.{name}`: {view.description}."
        for name, view in contract.views.items()
    )
    yield ""


def _first_day(contract: type[Table]) -> str | None:
    """Return the first day among the columns of the key, as the opening says."""
    return next((name for name in contract.key if name.endswith("_date")), None)


def _columns(table: type[Table]) -> Mapping[str, Column]:
    return table.columns


def _measures(table: type[Table]) -> Mapping[str, Column]:
    """Return the columns of a table that are measures."""
    return {name: column for name, column in table.columns.items() if column.counted_as}


def _base(
    contract: type[Table],
    earlier: Sequence[type[Table]],
    parts: Callable[[type[Table]], Mapping[str, Column]],
) -> type[Table] | None:
    """Return the earlier table with the most columns, or measures, all of which this has, too."""
    bases = [
        table
        for table in earlier
        if len(parts(table)) >= FEWEST_SHARED and parts(table).items() <= contract.columns.items()
    ]
    return max(bases, key=lambda table: len(parts(table)), default=None)


def _column_lines(contract: type[Table], columns: Sequence[Column], said: Said) -> Iterator[str]:
    """Yield a line for each described column, and one for neighbours that need no words."""
    plain: list[str] = []
    before = ""
    for column in columns:
        meaning = _meaning(contract, column, said, before)
        if not meaning:
            # Columns of the key stand there already.
            plain += [] if column.name in contract.key else [_head(column)]
            continue
        before = f"{column.name} {meaning}"
        if plain:
            yield f"- {', '.join(plain)}"
            plain = []
        yield f"- {_head(column)}: {meaning}"
    if plain:
        yield f"- {', '.join(plain)}"


def _head(column: Column) -> str:
    """Return a column's name and marks, and its type and unit where the name does not say them."""
    marks = "?" * column.nullable + r"\*" * column.pii
    kind, unit = next(
        (kind, unit) for pattern, kind, unit in TYPES_BY_NAME if re.fullmatch(pattern, column.name)
    )
    kind = column.type if kind == MONEY and column.type in {AMOUNT, PROFIT} else kind
    shown = "" if column.type == kind else f" {column.type.replace(', ', ',')}"
    is_count = kind == "int64" and column.name.endswith("_count")
    is_said = is_count or column.unit in (None, unit) or _stem(column.unit) in _stems(column.name)
    return f"`{column.name}`{marks}{shown}" + ("" if is_said else f" ({column.unit})")


def _meaning(contract: type[Table], column: Column, said: Said, before: str) -> str:
    """Return what a reader cannot guess from the names, and from the column described before it:
    the description, or the values.
    """
    described = re.sub(WHEN_NULL, "", column.description).replace("*", r"\*")
    is_elsewhere = bool(column.label) or (column.name, described) in said
    is_elsewhere |= contract.layer not in DESCRIBED
    is_alike = bool(before) and len(new_words(described, f"{before} {column.name}")) <= MOST_OTHER
    if is_elsewhere or is_alike or _is_obvious(contract, column, described):
        described = ""
    said.add((column.name, described))
    return "; ".join(part for part in (described, _values(contract, column)) if part)


def _values(contract: type[Table], column: Column) -> str:
    """Return the values that a column may have; a long list is written once."""
    if not column.one_of:
        return ""
    first = next(table for table in ALL if _has_values(table, column))
    if first is contract or len(column.one_of) <= MOST_REPEATED_VALUES:
        return f"one of {_names(column.one_of)}"
    return f"one of those in {first.qualified_name()}"


def _has_values(contract: type[Table], column: Column) -> bool:
    own = contract.columns.get(column.name)
    return own is not None and own.one_of == column.one_of


def _is_obvious(contract: type[Table], column: Column, described: str) -> bool:
    """Return whether the names of table and column, and the unit, already say the description."""
    new = new_words(described, f"{column.name} {contract.name} {column.unit or ''}")
    is_exact = re.search(r"[`;0-9]", described) or len(column.name) == 1
    return len(new) <= MOST_NEW_WORDS and not is_exact


def new_words(text: str, known: str) -> set[str]:
    """Return the longer words of a text that other texts do not have."""
    words = {word for word in re.findall(r"[A-Za-z]+", text) if len(word) > SHORT}
    return {word for word in words if _stem(word) not in _stems(known)}


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in re.findall(r"[a-z]+", text.lower())}


def _stem(word: str) -> str:
    return word.lower()[:5]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
