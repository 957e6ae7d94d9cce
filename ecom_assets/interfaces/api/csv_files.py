"""CSV files with every row of a list, whose answer as JSON has a page of it.

A file is written block by block by the process that reads it, so that the rows are never in memory
together, and sent past every cache.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from inspect import Parameter, Signature, signature
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Literal, get_args

import ibis.expr.types as ir
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from ecom_assets.behaviour.questions.whole_lists import Take, take_rows
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.queries import Period, of_period
from ecom_assets.interfaces.api.parameters import (
    MOST_ROWS,
    SHARES,
    Context,
    FileOnce,
    RequestContext,
    Sliced,
    csv_blocks,
    with_shares,
)
from ecom_assets.interfaces.api.people import note_people
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.store import PublishedTables, spill_folder

router = APIRouter(tags=["files"], responses=documented(400, 409, 413))
"""The routes of all files; `app.py` has a process of its own answer each request."""


class FileParameters(BaseModel):
    """The parameters of every file: those of its list, without a page."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv"] = Field("csv", description="What is answered: CSV")


def file_of_blocks(
    context: RequestContext, name: str, columns: Sequence[str], write: Callable[[Take], int]
) -> FileOnce:
    """Return a CSV file of `columns`, saved under `name`.

    `write` lets its argument take the rows, and returns how many there are.
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
    note_people(context.request.scope, columns, count)
    return FileOnce.of_csv(path, name, count)


def file_of_table(  # noqa: PLR0913 (each is a part of a file)
    context: RequestContext,
    name: str,
    model: type[BaseModel],
    rows_of: Callable[[PublishedTables], ir.Table],
    *,
    period: Period | None = None,
    kept: Callable[[list[Row]], list[Row]] = list,
) -> Response:
    """Return the rows of an expression over published tables as a CSV file.

    Args:
        context: The request.
        name: What a browser saves the file under.
        model: The model of a row, whose fields are the columns.
        rows_of: Returns the expression, in order, over tables of a connection of its own.
        period: What its parameters of days are bound to.
        kept: Returns the rows of a block that the file has, in order.
    """

    def write(take: Take) -> int:
        with context.reading.adhoc() as con:
            rows = of_period(rows_of(PublishedTables(context.reading, con)), period)
            return take_rows(take, rows, model, currency=context.currency, kept=kept)

    return file_of_blocks(context, name, list(model.model_fields), write)


def add_file(path: str, route: Callable[..., Answer], answer: type[BaseModel], listed: str) -> None:
    """Add the file of a list: `path` and `.csv`, with the parameters of its route but for the page.

    It has page after page of the route's answer, so that what the route refuses, and whom, is
    refused here too.

    Args:
        path: The path of the route.
        route: Its function.
        answer: The model of its answer.
        listed: The field of the answer with the list, whose rows are flat.
    """
    parameters_of = get_args(signature(route).parameters["parameters"].annotation)[0]
    (row,) = get_args(answer.model_fields[listed].annotation)
    rows: TypeAdapter[list[Any]] = TypeAdapter(list[row])  # type: ignore[valid-type]  # a class that is passed
    named = path.removeprefix("/analytics/").replace("/", "_")

    def every_row(context: RequestContext, parameters: FileParameters) -> Response:
        chosen = parameters.model_dump(exclude={"format"}, exclude_unset=True)

        def write(take: Take) -> int:
            count = 0

            def blocks() -> Iterator[Sequence[Row]]:
                nonlocal count
                while True:
                    page = parameters_of.model_validate(
                        {**chosen, "limit": MOST_ROWS, "offset": count}
                    )
                    found = route(context, parameters=page)
                    block = rows.validate_python(found[listed])
                    count += len(block)
                    yield [with_shares(row, found) for row in rows.dump_python(block, mode="json")]
                    if len(block) < MOST_ROWS:
                        return

            take(blocks())
            return count

        columns = [*row.model_fields, *(name for name in SHARES if name in answer.model_fields)]
        return file_of_blocks(context, f"{named}.csv", columns, write)

    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in parameters_of.model_fields.items()
        if name not in Sliced.model_fields
    }
    model = create_model(f"{parameters_of.__name__}File", __base__=FileParameters, **fields)
    types = {"context": Context, "parameters": Annotated[model, Query()]}
    every_row.__signature__ = Signature(  # type: ignore[attr-defined]  # FastAPI reads it
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
            for name, annotation in types.items()
        ]
    )
    every_row.__name__ = f"every_row_of_{named}"
    every_row.__doc__ = "Return every row of the list, as a CSV file."
    router.get(f"{path}.csv", response_class=Response, summary=f"Every row of {path}, as CSV")(
        every_row
    )
