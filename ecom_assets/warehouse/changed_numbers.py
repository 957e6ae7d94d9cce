"""Which numbers of a published table's days are others than before. Not here: why (`restatement_log.py`)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from ecom_assets.contracts.table import Table


@dataclass(frozen=True)
class ChangedNumber:
    """One number of one row of a day; None where there is no row, or nothing to tell."""

    day: date
    row_key: str
    column: str
    before: float | None
    after: float | None
    difference: float | None


def changed_numbers(contract: type[Table], before: pa.Table, after: pa.Table) -> list[ChangedNumber]:
    """Compare two states of the same days, in the order of days, keys and columns.

    A row that is not there counts as zero, so a row that appears with nothing but zeros changes no count or amount.
    """
    old, new = _by_key(contract, before), _by_key(contract, after)
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return [one for key in differing for one in _of_row(contract, key, old.get(key), new.get(key))]


def _by_key(contract: type[Table], rows: pa.Table) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    numbers = contract.numbers()
    columns = {name: rows[name].to_pylist() for name in (*contract.key, *numbers)}
    keys = zip(*(columns[name] for name in contract.key), strict=True)
    return dict(zip(keys, zip(*(columns[name] for name in numbers), strict=True), strict=True))


def _of_row(
    contract: type[Table], key: tuple[Any, ...], old: tuple[Any, ...] | None, new: tuple[Any, ...] | None
) -> Iterator[ChangedNumber]:
    named = dict(zip(contract.key, key, strict=True))
    day = named.pop(str(contract.day_column))
    row_key = json.dumps(named, ensure_ascii=False, default=str)
    for place, column in enumerate(contract.numbers()):
        is_share = contract.columns[column].type == "float64"
        before, after = (None if row is None else row[place] for row in (old, new))
        if before == after or (not is_share and not before and not after):
            continue
        difference = None if is_share and None in {before, after} else (after or 0) - (before or 0)
        yield ChangedNumber(day, row_key, column, _float(before), _float(after), _float(difference))


def _float(value: Any) -> float | None:  # noqa: ANN401 (a whole number, a decimal or a float)
    return None if value is None else float(value)
