"""Which copy of a record counts: the one definition for tables, questions, traces and the stream.

A source may send a record more than once. Each subject declares with a `CopyRule` which rows are
copies of one record, and in which order they count; nothing else numbers copies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

COPY_NUMBER: Final = "copy_number"


@dataclass(frozen=True)
class CopyRule:
    """Which rows are copies of one record, and which of them counts.

    Attributes:
        record: The columns in which copies of one record agree.
        order: Returns the sort keys of rows, of which the first row of a record counts. Rows that
            tie must be equal in all that is read of them, and no key may be null, as engines sort
            nulls differently.
    """

    record: tuple[str, ...]
    order: Callable[[ir.Table], Sequence[ir.Value]]


def numbered_copies(rows: ir.Table, rule: CopyRule) -> ir.Table:
    """Add `copy_number`: 0 for the copy of each record that counts, 1 for the next one."""
    in_order = ibis.window(group_by=list(rule.record), order_by=list(rule.order(rows)))
    return rows.mutate(**{COPY_NUMBER: ibis.row_number().over(in_order)})


def counted_copies(rows: ir.Table, rule: CopyRule) -> ir.Table:
    """Return the copy of each record that counts."""
    numbered = numbered_copies(rows, rule)
    return numbered.filter(numbered[COPY_NUMBER] == 0).drop(COPY_NUMBER)
