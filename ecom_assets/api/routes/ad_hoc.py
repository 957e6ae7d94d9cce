"""The routes of ad-hoc questions, one for each of `all_questions.py`: the body is the question."""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ecom_assets.all_questions import all_questions
from ecom_assets.api.parameters import Context, JustSliced, RequestContext, Sliced
from ecom_assets.api.problems import documented
from ecom_assets.api.store.question_source import TableSource
from ecom_assets.questions.answer import Kind, QuestionAnswer, answer
from ecom_assets.questions.model import Question


def question_router() -> APIRouter:
    """Return a router of ad-hoc questions, with the errors that each of them can return."""
    return APIRouter(tags=["ad hoc"], responses=documented(400, 409, 413))


questions = question_router()


def ask(context: RequestContext, kind: Kind[Any, Any], question: Question, parameters: Sliced) -> QuestionAnswer:
    """Return the answer to a question from the published tables.

    Raises:
        EcomError: The question is refused, or nothing is published.
    """
    explained = context.explained if parameters.explain else None
    source = TableSource(context.request, context.reading, context.settings, explained)
    result: QuestionAnswer = answer(kind, question, source, page=(parameters.limit, parameters.offset))
    return result


def _route_of(kind: Kind[Any, Any]) -> Callable[..., Response]:
    """Return the function of a question's route, with the question as its body."""

    def route(context: RequestContext, parameters: Sliced, body: Question) -> Response:
        result = ask(context, kind, body, parameters)
        return Response(result.model_dump_json(by_alias=True), media_type="application/json")

    types = {"context": Context, "parameters": JustSliced, "body": kind.question}
    route.__signature__ = Signature(  # type: ignore[attr-defined]  # FastAPI reads it
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=one) for name, one in types.items()]
    )
    route.__name__ = kind.tool or kind.name
    route.__doc__ = f"{kind.summary}, over clean events."
    return route


for one in (one for one in all_questions() if one.has_route):
    # FastAPI hides a warning of pydantic's while it reads the model of a body, which must not be put off until later.
    one.question.model_config["defer_build"] = False
    questions.post(one.path, response_model=one.answer, summary=one.summary)(_route_of(one))
