"""Ad-hoc questions: a route for each of `all_questions.py`, whose body is the question,
and who was counted.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from inspect import Parameter, Signature
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ecom_assets.behaviour.funnels.answer import (
    AtStep,
    StepList,
    StepOrder,
    WhoAnswer,
    who_is_at,
)
from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.funnels.steps import MAX_STEPS
from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, answer
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.behaviour.questions.whole_lists import Take
from ecom_assets.behaviour.retention.answer import (
    InCell,
    RetentionWhoAnswer,
    take_visitors,
    who_of,
)
from ecom_assets.behaviour.retention.counting import CellList
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.commerce.custom_sales.behind import CUSTOMER
from ecom_assets.commerce.custom_sales.lists import (
    LineOfSales,
    SalesLinesAnswer,
    SalesWhoAnswer,
    all_lines_of,
    all_of,
)
from ecom_assets.commerce.custom_sales.lists import lines_of as lines_of_sales
from ecom_assets.commerce.custom_sales.lists import who_of as who_of_sales
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.all_questions import all_questions
from ecom_assets.interfaces.api.auth.callers import require_personal
from ecom_assets.interfaces.api.csv_files import FileParameters, file_of_blocks
from ecom_assets.interfaces.api.csv_files import router as files
from ecom_assets.interfaces.api.parameters import (
    LISTS,
    Context,
    JustSliced,
    Paged,
    RequestContext,
    Sliced,
    declared_lists,
)
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.question_source import published_source

questions = APIRouter(tags=["ad hoc"], responses=documented(400, 409, 413))


def ask(
    context: RequestContext, kind: Kind[Any, Any], question: Question, parameters: Sliced
) -> QuestionAnswer:
    """Return the answer to a question from the published tables.

    Raises:
        EcomError: The question is refused, or nothing is published.
    """
    context.request.scope[LISTS] = declared_lists(kind.answer)
    explained = context.explained if parameters.explain else None
    source = published_source(kind, context.request, context.reading, context.settings, explained)
    result: QuestionAnswer = answer(
        kind, question, source, page=(parameters.limit, parameters.offset)
    )
    return result


def _route_of(kind: Kind[Any, Any]) -> Callable[..., Response]:
    """Return the function of a question's route, with the question as its body."""

    def route(context: RequestContext, parameters: Sliced, body: Question) -> Response:
        result = ask(context, kind, body, parameters)
        return Response(result.model_dump_json(by_alias=True), media_type="application/json")

    types = {"context": Context, "parameters": JustSliced, "body": kind.question}
    route.__signature__ = Signature(  # type: ignore[attr-defined]  # FastAPI reads it
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
            for name, annotation in types.items()
        ]
    )
    route.__name__ = kind.tool or kind.name
    route.__doc__ = f"{kind.summary}, over clean {'order lines' if kind.only_orders else 'events'}."
    return route


class StepParameters(BaseModel):
    """Who is listed of a funnel."""

    step: int = Field(1, ge=1, le=MAX_STEPS, description="Of this step, from 1")
    stopped: bool = Field(
        default=False, description="Whether only those who did not get to the step after it"
    )
    sort_by: StepOrder = Field("visitor", description="By visitor, or who got there last first")


class FunnelWhoParameters(StepParameters, Paged):
    """Who to list of a funnel."""


@questions.post(
    "/analytics/funnel/who", response_model=WhoAnswer, summary="Who is at a step of a funnel"
)
def funnel_who(
    context: Context, parameters: Annotated[FunnelWhoParameters, Query()], body: FunnelQuestion
) -> QuestionAnswer:
    """Return who got to a step of a custom funnel; it needs the scope `personal`."""
    require_personal(context.request.scope, ["visitor_id"])
    listed = StepList(
        parameters.step,
        parameters.most,
        only_stopped=parameters.stopped,
        sort_by=parameters.sort_by,
    )
    return ask(context, who_is_at(listed), body, parameters)


class CellParameters(BaseModel):
    """Who is listed of retention."""

    cohort: str = Field(
        max_length=40, description="Of this cohort, as the answer names it", examples=["2026-01-05"]
    )
    period: str | None = Field(
        None,
        max_length=20,
        description="Of this period or bracket, as the answer names it; default the whole cohort",
    )
    returned: bool = Field(
        default=True, description="Whether those who came back in it, or those who did not"
    )
    value: str | None = Field(
        None, max_length=500, description="Of this value of the breakdown; default all"
    )

    def cell(self, most: int) -> CellList:
        """Return the list of the cell, at most so many."""
        return CellList(self.cohort, self.period, most, self.returned, self.value)


class RetentionWhoParameters(CellParameters, Paged):
    """Who to list of retention."""

    limit: int = Field(100, ge=1, le=1_000, description="Most visitors to return")


@questions.post(
    "/analytics/retention/who",
    response_model=RetentionWhoAnswer,
    summary="Who is in a cell of retention",
)
def retention_who(
    context: Context,
    parameters: Annotated[RetentionWhoParameters, Query()],
    body: RetentionQuestion,
) -> QuestionAnswer:
    """Return who came back in a period of a cohort, or who did not;
    it needs the scope `personal`.
    """
    require_personal(context.request.scope, ["visitor_id"])
    listed = parameters.cell(parameters.most)
    return ask(context, who_of(listed), body, parameters)


@questions.post(
    "/analytics/sales/who", response_model=SalesWhoAnswer, summary="Who is behind numbers of sales"
)
def sales_who(
    context: Context, parameters: Annotated[Paged, Query()], body: SalesQuestion
) -> QuestionAnswer:
    """Return the customers of a question's order lines with their own numbers; it needs the scope
    `personal`.
    """
    require_personal(context.request.scope, ["customer_id"])
    return ask(context, who_of_sales(parameters.most), body, parameters)


@questions.post(
    "/analytics/sales/lines",
    response_model=SalesLinesAnswer,
    summary="Which order lines are behind numbers of sales",
)
def sales_lines(
    context: Context, parameters: Annotated[Paged, Query()], body: SalesQuestion
) -> QuestionAnswer:
    """Return the order lines of a question with their own numbers, which `/explain` goes on from,
    down to the received rows.
    """
    return ask(context, lines_of_sales(parameters.most), body, parameters)


class QuestionFileParameters(FileParameters):
    """The question whose list a file has."""

    definition: str = Field(
        "{}",
        max_length=10_000,
        description="The question as JSON, as the `POST` of its list takes it",
        examples=['{"where": ["category = Shoes"], "time_range": "month"}'],
    )


@files.get(
    "/analytics/sales/who.csv",
    response_class=Response,
    summary="All customers behind numbers of sales, as CSV",
)
def every_sales_customer(
    context: Context, parameters: Annotated[QuestionFileParameters, Query()]
) -> Response:
    """Return all customers of a question's order lines, without a limit, as a CSV file that is sent
    block by block; it needs the scope `personal`.
    """
    require_personal(context.request.scope, ["customer_id"])
    question = SalesQuestion.from_mapping(_definition_in(parameters.definition))
    columns = [*CUSTOMER, *(f"numbers.{name}" for name in question.measures)]

    def write(take: Take) -> int:
        return ask(context, all_of(take), question, Sliced()).total_count or 0

    return file_of_blocks(context, "customers.csv", columns, write)


OF_LINES: Final = tuple(name for name in LineOfSales.model_fields if name != "numbers")


@files.get(
    "/analytics/sales/lines.csv",
    response_class=Response,
    summary="All order lines behind numbers of sales, as CSV",
)
def every_sales_line(
    context: Context, parameters: Annotated[QuestionFileParameters, Query()]
) -> Response:
    """Return all order lines of a question, without a limit, as a CSV file that is sent block by
    block.
    """
    question = SalesQuestion.from_mapping(_definition_in(parameters.definition))
    columns = [*OF_LINES, *(f"numbers.{name}" for name in question.measures)]

    def write(take: Take) -> int:
        return ask(context, all_lines_of(take), question, Sliced()).total_count or 0

    return file_of_blocks(context, "order_lines.csv", columns, write)


class FunnelFileParameters(QuestionFileParameters, StepParameters):
    """Whom of a funnel a file has."""


@files.get(
    "/analytics/funnel/who.csv",
    response_class=Response,
    summary="Everybody at a step of a funnel, as CSV",
)
def everybody_at_a_step(
    context: Context, parameters: Annotated[FunnelFileParameters, Query()]
) -> Response:
    """Return all who got to a step of a custom funnel, without a limit, as a CSV file that is sent
    block by block; it needs the scope `personal`.
    """
    require_personal(context.request.scope, ["visitor_id"])
    question = FunnelQuestion.from_mapping(_definition_in(parameters.definition))

    def write(take: Take) -> int:
        listed = StepList(
            parameters.step,
            0,
            only_stopped=parameters.stopped,
            sort_by=parameters.sort_by,
            take=take,
        )
        return ask(context, who_is_at(listed), question, Sliced()).total_count or 0

    return file_of_blocks(context, "step.csv", list(AtStep.model_fields), write)


class RetentionFileParameters(QuestionFileParameters, CellParameters):
    """Whom of retention a file has."""


@files.get(
    "/analytics/retention/who.csv",
    response_class=Response,
    summary="Everybody in a cell of retention, as CSV",
)
def everybody_in_a_cell(
    context: Context, parameters: Annotated[RetentionFileParameters, Query()]
) -> Response:
    """Return all who came back in a period of a cohort, or who did not, without a limit, as a CSV
    file that is sent block by block; it needs the scope `personal`.
    """
    require_personal(context.request.scope, ["visitor_id"])
    question = RetentionQuestion.from_mapping(_definition_in(parameters.definition))

    def write(take: Take) -> int:
        listed = replace(parameters.cell(0), take=take_visitors(take))
        return ask(context, who_of(listed), question, Sliced()).total_count or 0

    return file_of_blocks(context, "cell.csv", list(InCell.model_fields), write)


def _definition_in(text: str) -> Answer:
    """Return the definition in a parameter.

    Raises:
        DefinitionError: It is not a JSON object.
    """
    try:
        definition = json.loads(text)
    except json.JSONDecodeError as error:
        raise DefinitionError(
            f"definition is not JSON ({error.msg} at character {error.pos}); correct it."
        ) from error
    if not isinstance(definition, dict):
        raise DefinitionError(
            'definition is not a JSON object; write one, such as {"by": "product"}.'
        )
    return definition


for listed in (kind for kind in all_questions() if kind.has_route):
    # FastAPI hides a warning of pydantic's while it reads the model of a body, which must not be
    # put off until later.
    listed.question.model_config["defer_build"] = False
    questions.post(listed.path, response_model=listed.answer, summary=listed.summary)(
        _route_of(listed)
    )
