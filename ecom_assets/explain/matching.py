"""Received rows matched to clean rows by hashes of their ids, as text takes several times as long to join and to keep.

Where all rows of some days are behind a number, fingerprints of each day are compared; else rows are joined by day.
Two different ids of a day have the same 64 bits with a chance of some 1 in 10^9 for 100,000 events a day. Only
DuckDB answers this way: on the other engines the texts are joined.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.contract import Table
from ecom_assets.tables.portable import union_all
from ecom_assets.tables.trace import COUNTED_AS, Behind, Below, carried

ID_HASH: Final = "id_hash"


def _hash(text: str) -> int:
    raise NotImplementedError(text)  # DuckDB computes it


hash_of: Final[Callable[[ir.Value], ir.IntegerColumn]] = ibis.udf.scalar.builtin(
    _hash, name="hash", signature=(("string",), "uint64")
)
"""DuckDB's hash of a text: 64 bits without a sign."""


def has_hashes(rows: ir.Table) -> bool:
    """Return whether rows are of an engine whose hashes `hash_of` knows."""
    return str(rows.get_backend().name) == "duckdb"


def coded(rows: ir.Table, behind: Behind) -> tuple[dict[str, Any] | None, ir.Table]:
    """Return what rows come to, and the rows with hashes for the texts that they count as, unless two texts share one.

    Where there is nothing to hash, the rows are not counted.
    """
    if not has_hashes(rows) or COUNTED_AS not in rows.columns or not rows[COUNTED_AS].type().is_string():
        return None, rows
    texts, hashes = rows[COUNTED_AS], hash_of(rows[COUNTED_AS])
    (known,) = behind.ask(rows.agg(row_count=rows.count(), gives=texts.nunique(), hash_count=hashes.nunique()))
    return known, rows.mutate(counted_as=hashes) if known["gives"] == known["hash_count"] else rows


def thin(rows: ir.Table, below: Below) -> ir.Table:
    """Return rows with the days by which the next table is read, the hash of their id, and what they carry."""
    return _hashed(rows, below).select(*_days(below), ID_HASH, *carried(rows))


def joined(candidates: ir.Table, rows: ir.Table, below: Below) -> ir.Table:
    """Return those of the candidates whose days and hash one of the thin rows has, with what that carries."""
    result = _hashed(candidates, below).join(rows, [*_days(below), ID_HASH])
    return result.select(*candidates.columns, *carried(rows))


def are_all_of_their_days(contract: type[Table], rows: ir.Table, row_count: int, behind: Behind) -> bool:
    """Return whether some rows of a table are as many as the table has of their days."""
    days = behind.span(rows, str(contract.day_column), str(contract.day_column))
    above = behind.table(contract)
    above = above.filter(days.contain(above[str(contract.day_column)]))
    (stored,) = behind.ask(above.agg(n=above.count()))
    return bool(stored["n"] == row_count)


def have_the_same_ids(rows: ir.Table, below: Below, behind: Behind) -> bool:
    """Return whether thin rows and those of the next table on their days have the same ids on each day.

    Copies that the next table has besides are added to the rows: leaving them out of millions takes longer.
    """
    assert below.copies is not None  # noqa: S101 (declared with `candidates`)
    copies, surplus = below.copies(rows, behind)
    names = _days(below)
    theirs = _fingerprints(_hashed(copies, below), names)
    ours = union_all(_fingerprints(rows, names), _fingerprints(_hashed(surplus, below), names))
    sums = {name: ours[name].sum() for name in ("row_count", "summed")}
    ours = ours.group_by(names).agg(**sums, mixed=ours.mixed.bit_xor()).select(theirs.columns).cast(theirs.schema())
    both = union_all(ours, theirs)
    days = both.group_by(both.columns).agg(sides=both.count())  # a day that both sides have alike is there twice
    return not behind.ask(days.filter(days.sides == 1).limit(1))


def _fingerprints(rows: ir.Table, names: Sequence[str]) -> ir.Table:
    hashes = rows[ID_HASH]
    low = hashes >> 33  # so few bits that no sum of them overflows
    return rows.group_by(list(names)).agg(row_count=rows.count(), mixed=hashes.bit_xor(), summed=low.sum())


def _hashed(rows: ir.Table, below: Below) -> ir.Table:
    (name,) = (name for name in below.reads if name not in _days(below))
    return rows.mutate(id_hash=hash_of(rows[name]))


def _days(below: Below) -> list[str]:
    return [name for name in below.reads if below.to.columns[name].type == "date"]
