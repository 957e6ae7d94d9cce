"""The route that explains why a number is what it is,
down to the received rows that it was counted from.
"""

import json
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.http_server.callers import Scope, ScopeNeededError
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.conditions import Where, columns_of, parse_where, where_from
from ecom_assets.interfaces.api.auth.callers import (
    may_see_costs,
    may_see_people,
    require_costs,
)
from ecom_assets.interfaces.api.parameters import Context, Formatted, RequestContext
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.store import PublishedTables
from ecom_assets.interfaces.explain.answer import ExplainReader, explain, keeper_on
from ecom_assets.interfaces.explain.question import RowsQuestion, table_named
from ecom_assets.orchestration.rules import rules

router = APIRouter(tags=["explain"])

WHERE: Final = (
    "What must hold of the rows: one condition as text, such as `order_date = 2026-01-31`, or "
    "JSON as in the bodies of questions: a list of conditions, or {column: value}"
)


class WhyParameters(Formatted):
    """Which number to explain."""

    column: str = Field(
        "",
        max_length=100,
        description="The number to go down from; without it the numbers are listed",
    )
    where: str = Field(
        "", max_length=4_000, description=WHERE, examples=['{"order_date": "2026-01-31"}']
    )
    limit: int = Field(20, ge=0, le=1_000, description="Most received rows to return")
    offset: int = Field(
        0, ge=0, le=10_000_000, description="Received rows to leave out at the start"
    )


class Explanation(BaseModel):
    """Why rows of a table, or one of their numbers, are what they are."""

    table: Row = Field(description="The table: name, grain, key, other columns, definition")
    where: Row = Field(description="What had to hold of the rows")
    row_count: int = Field(description="How many rows meet it", examples=[1])
    rows: list[Row] = Field(
        description="The first of these; personal data needs the scope `personal`"
    )
    numbers: list[Row] = Field(
        description="The numbers of the table: what each means, and how it is made"
    )
    made_of: Row = Field(
        description="The runs that wrote the rows, with code and data versions, the tables that "
        "the newest run read, and its SQL"
    )
    number: Row | None = Field(
        None,
        description=(
            "The number of `column`: its value, the way down table by table, a page of "
            "received rows, whether they give it again, and its restatements"
        ),
    )


@router.get(
    "/explain/{layer}/{table}",
    response_model=Explanation,
    responses=documented(403, 409),
    summary="Why a number is what it is, down to received rows",
)
def explain_number(
    context: Context, layer: str, table: str, parameters: Annotated[WhyParameters, Query()]
) -> Answer:
    """Return what made rows of a table,
    and the received rows that a number of theirs was counted from.
    """
    context.do_not_keep()  # what one caller may see, another may not
    where = read_where(parameters.where)
    question = RowsQuestion(
        table_named(f"{layer}.{table}"),
        where,
        parameters.column,
        parameters.limit,
        parameters.offset,
        is_personal=may_see_people(context.request.scope),
        with_costs=may_see_costs(context.request.scope),
    )
    return explain_in(context, question)


def read_where(text: str) -> Where:
    """Return the conditions of a parameter: one as text, or any as JSON.

    Raises:
        DefinitionError: It is neither.
    """
    if not text.strip().startswith(("{", "[")):
        return parse_where([text] if text.strip() else [])
    try:
        return where_from(json.loads(text))
    except json.JSONDecodeError as error:
        raise DefinitionError(
            f"where is not JSON ({error.msg} at character {error.pos}); correct it."
        ) from error


def explain_in(context: RequestContext, question: RowsQuestion) -> Answer:
    """Return the explanation from the published tables, within the limits of questions.

    Raises:
        ScopeNeededError: The question is about costs, or a condition on personal data, which the
            caller may not see.
    """
    if question.is_about_costs:
        require_costs(context.request.scope)
    for name in () if question.is_personal else columns_of(question.where):
        if question.contract.columns[name].pii:
            raise ScopeNeededError(
                f"{name!r} is personal data, which a key without the scope "
                f"{Scope.PERSONAL.value!r} may not ask about; ask by other columns.",
                Scope.PERSONAL,
            )
    with context.reading.adhoc() as con:
        tables = PublishedTables(context.reading, con)
        return explain(
            question,
            ExplainReader(
                tables, tables.notes, tables.has, rules(context.settings), keeper_on(con)
            ),
        )
