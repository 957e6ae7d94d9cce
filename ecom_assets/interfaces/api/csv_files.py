"""CSV files with every row of a list, whose answer as JSON has a page of it.

A file is written block by block by the process that reads it, so that the rows are never in memory
together, and sent past every cache.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, Literal

import ibis.expr.types as ir
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ecom_assets.behaviour.questions.answer import in_currency
from ecom_assets.core.tables.portable import batches_of
from ecom_assets.core.tables.queries import Period, Row, of_period
from ecom_assets.interfaces.api.parameters import FileOnce, RequestContext, csv_blocks
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.store import PublishedTables, spill_folder

BLOCK_ROWS: Final = 10_000
"""The rows of a block."""
Blocks = Iterator[Sequence[Row]]

router = APIRouter(tags=["files"], responses=documented(400, 409, 413))
"""The routes of all files; `app.py` has a process of its own answer each request."""


class FileParameters(BaseModel):
    """The parameters of every file: those of its list, without a page."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv"] = Field("csv", description="What is answered: CSV")


def file_of_blocks(
    context: RequestContext, name: str, columns: Sequence[str], write: Callable[[Any], int]
) -> FileOnce:
    """Return a CSV file of `columns`, saved under `name`.

    `write` calls its argument with the blocks of rows, as JSON has them, and returns how many rows
    there are.
    """
    folder = spill_folder(context.settings, os.getpid())
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(
        "w", suffix=".csv", dir=folder, encoding="utf-8", newline="", delete=False
    ) as file:
        path = Path(file.name)
        try:
            count = write(lambda blocks: file.writelines(csv_blocks(blocks, columns)))
        except Exception:
            path.unlink()
            raise
    return FileOnce.of_csv(path, name, count)


def file_of_table(  # noqa: PLR0913 (each is a part of a file)
    context: RequestContext,
    name: str,
    model: type[BaseModel],
    rows_of: Callable[[PublishedTables], ir.Table],
    *,
    period: Period | None = None,
    completed: Callable[[Row], Row] = dict,
) -> Response:
    """Return the rows of an expression over published tables as a CSV file.

    Args:
        context: The request.
        name: What a browser saves the file under.
        model: The model of a row, whose fields are the columns.
        rows_of: Returns the expression, in order, over tables of a connection of its own.
        period: What its parameters of days are bound to.
        completed: Returns a row with the fields that the expression does not have.
    """
    columns = list(model.model_fields)
    listed = TypeAdapter(list[model])  # type: ignore[valid-type]  # a class that is passed

    def write(take: Callable[[Blocks], None]) -> int:
        written = 0
        with context.reading.adhoc() as con:
            rows = rows_of(PublishedTables(context.reading, con))
            with batches_of(of_period(rows, period), BLOCK_ROWS) as batches:

                def blocks() -> Blocks:
                    nonlocal written
                    for batch in batches:
                        block = [completed(row) for row in batch.to_pylist()]
                        written += len(block)
                        typed = listed.validate_python(in_currency(block, context.currency))
                        yield listed.dump_python(typed, mode="json")

                take(blocks())
        return written

    return file_of_blocks(context, name, columns, write)
