"""Lists that are read whole, some rows at a time, so that they are never in memory together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import ibis.expr.types as ir
from pydantic import BaseModel, TypeAdapter

from ecom_assets.behaviour.questions.answer import in_currency
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.portable import batches_of

BLOCK_ROWS: Final = 10_000
"""The rows of a block."""
Blocks = Iterable[Sequence[Row]]
"""A long list, some rows at a time, as JSON has them."""
Take = Callable[[Blocks], None]
"""What takes them, such as what writes a file."""


def take_rows(  # noqa: PLR0913 (each is a part of a list)
    take: Take,
    rows: ir.Table,
    model: type[BaseModel],
    *,
    currency: str = "",
    completed: Callable[[Row], Row] = dict,
    kept: Callable[[list[Row]], list[Row]] = list,
) -> int:
    """Let all rows of an expression be taken block by block; return how many there are.

    The connection takes no other statement meanwhile.

    Args:
        take: What takes them.
        rows: The expression, in order.
        model: The model of a row, as JSON has it.
        currency: The currency of all amounts; empty where it is unknown.
        completed: Returns a row of the expression in the fields of the model.
        kept: Returns the rows of a block of these that are taken, in order.
    """
    listed: TypeAdapter[list[Any]] = TypeAdapter(list[model])  # type: ignore[valid-type]  # a class that is passed
    count = 0
    with batches_of(rows, BLOCK_ROWS) as batches:

        def blocks() -> Iterator[Sequence[Row]]:
            nonlocal count
            for batch in batches:
                block = kept([completed(row) for row in batch.to_pylist()])
                count += len(block)
                typed = listed.validate_python(in_currency(block, currency))
                yield listed.dump_python(typed, mode="json")

        take(blocks())
    return count
