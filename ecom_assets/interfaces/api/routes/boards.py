"""Routes for what people keep: saved questions with their answers, boards, alerts, versions,
and who changed what.

Reading needs the scope `read`, and `personal` to see conditions on people; writing needs `write`.
Who saves names the version that was changed, and gets 409 if somebody saved a newer one.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.behaviour.questions.answer import InUtc, QuestionAnswer
from ecom_assets.core.http_server.callers import Scope, ScopeNeededError
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.auth.callers import may_see_people, require_costs
from ecom_assets.interfaces.api.parameters import Context, SlicedOfDays
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.routes.ad_hoc import ask
from ecom_assets.interfaces.api.routes.operation import writer_of
from ecom_assets.interfaces.api.visible_saved import (
    asks_about_costs,
    asks_about_people,
    lacking_scopes,
    require_readable,
    visible_content,
)
from ecom_assets.interfaces.boards.model import (
    SLUG,
    Annotation,
    Board,
    BoardMail,
    FindingDecision,
    Kept,
    MonthGoal,
    NumberAlert,
    SavedQuestion,
)
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion

router = APIRouter(tags=["boards"])
answers = APIRouter(tags=["boards"], responses=documented(404, 409, 413))
KEPT: Final[Mapping[str, type[Kept]]] = {
    kind.KIND: kind
    for kind in (
        SavedQuestion,
        Board,
        Annotation,
        NumberAlert,
        BoardMail,
        MonthGoal,
        FindingDecision,
    )
}
"""The kinds that have routes, by their path."""
EXAMPLES: Final[dict[str, Any]] = {
    "question": {
        "summary": "A saved question",
        "value": {
            "name": "Checkout on phones",
            "kind": "funnel",
            "definition": {"steps": ["product_view", "checkout_start", "purchase"], "last": "30d"},
        },
    },
    "board": {
        "summary": "A board",
        "value": {
            "name": "Checkout",
            "time_range": "month",
            "tiles": [
                {"measure": "conversion_rate", "show": "number", "width": "third"},
                {"question": "checkout-on-phones", "width": "two-thirds"},
            ],
        },
    },
    "annotation": {
        "summary": "An annotation",
        "value": {"day": "2026-03-03", "text": "Spring sale began"},
    },
    "alert": {
        "summary": "An alert",
        "value": {
            "name": "Orders",
            "measure": "order_count",
            "when": "falls",
            "limit": 0.3,
            "is_on": True,
        },
    },
    "mail": {"summary": "A board by e-mail", "value": {"board": "shop", "every": "week"}},
    "goal": {
        "summary": "A goal of a month",
        "value": {"measure": "revenue_amount", "month": "2026-11", "amount": "90000"},
    },
    "decision": {
        "summary": "A decision on a row of what to look at",
        "value": {
            "finding": "visits (none) 0 channel Email",
            "finding_title": "Fewer visits from Email",
            "decision": "dismissed",
            "reason": "No newsletter went out",
            "last_date": "2026-11-26",
            "distance": 0.4,
        },
    },
}


class NoParameters(BaseModel):
    """No parameters: unknown ones, maybe misspelt, are refused."""

    model_config = ConfigDict(extra="forbid")


class Listing(NoParameters):
    """Which of a list to return."""

    limit: int = Field(100, ge=1, le=1_000, description="Most to return")
    offset: int = Field(0, ge=0, le=1_000_000, description="How many to leave out at the start")


class OfVersion(NoParameters):
    """Which version to return."""

    version: int | None = Field(
        None, ge=0, description="The number of the version; default the newest"
    )


class OfChange(NoParameters):
    """Which version is changed."""

    changed: int = Field(
        ge=0, description="The version that you saw, by its number; 0 for a new id", examples=[1]
    )


class RestoreBody(NoParameters):
    """Which version to write again."""

    version: int = Field(ge=0, description="The number of the version", examples=[1])


class VersionHead(BaseModel):
    """What somebody saved, without its content."""

    id: str = Field(description="Its id, a part of addresses", examples=["checkout-on-phones"])
    version: int = Field(
        description="Number of the version, from 1; 0 for what is shipped", examples=[3]
    )
    change: str = Field(
        description="`created`, `changed`, `restored` or `deleted`", examples=["changed"]
    )
    saved_by: str = Field(description="Who saved it: the name of a key", examples=["anna"])
    saved_at: InUtc = Field(description="When, in UTC")


class SavedVersion(VersionHead):
    """A version of a saved question, a board, an annotation, an alert, an e-mail or a goal."""

    is_withheld: bool = Field(
        description="Whether what it says of people or costs is left out, for lack of `personal` "
        "or `costs`"
    )
    content: dict[str, Any] = Field(
        description="What was saved, as `POST` takes it; fields with their default are left out"
    )


class VersionList(BaseModel):
    """A list of versions."""

    total_count: int = Field(description="How many there are", examples=[3])
    items: list[SavedVersion] = Field(description="These of them")


class BoardChange(VersionHead):
    """A change of anything that is kept."""

    kind: str = Field(
        description=(
            "`questions`, `boards`, `annotations`, `alerts`, `mails`, `goals`, `decisions` or "
            "`settings`"
        ),
        examples=["boards"],
    )
    name: str = Field(description="What it is called")


class BoardChangesAnswer(BaseModel):
    """Who changed what, the newest first."""

    changes: list[BoardChange] = Field(
        description="The changes of saved questions, boards, "
        "annotations, alerts, e-mails, goals and settings"
    )


def shown(version: KeptVersion[Any], request: Request) -> Answer:
    """Return a version as an answer has it, without the fields that the caller may not see."""
    store = BoardStore(request.app.state.settings)
    return {
        **head_of(version),
        "is_withheld": bool(lacking_scopes(version, request.scope, store)),
        "content": visible_content(version, request.scope, store),
    }


def head_of(version: KeptVersion[Any]) -> Answer:
    """Return which version it is, and who saved it when."""
    return {
        "id": version.slug,
        "version": version.number,
        "change": version.change,
        "saved_by": version.saved_by,
        "saved_at": version.saved_at,
    }


def store_of(request: Request) -> BoardStore:
    """Return the store of the server,
    in which a caller without `personal` keeps nothing that asks about people, and one without
    `costs` nothing that asks about costs.

    Answers to what is kept are seen by others, and are sent by e-mail.
    """
    settings: Settings = request.app.state.settings

    def may_keep(item: Kept) -> None:
        if not may_see_people(request.scope) and asks_about_people(item, BoardStore(settings)):
            raise ScopeNeededError(
                f"{item.title!r} asks about people, which a key without the scope "
                f"{Scope.PERSONAL.value!r} may not save; leave out columns with personal data, or "
                "use a key of `ecom api-key create --scope read --scope write --scope personal`.",
                Scope.PERSONAL,
            )
        if asks_about_costs(item, BoardStore(settings)):
            require_costs(request.scope, f"{item.title!r}, which asks about costs,")

    return BoardStore(settings, may_keep=may_keep)


Listed = Annotated[Listing, Query()]
KindName = Annotated[
    Literal["questions", "boards", "annotations", "alerts", "mails", "goals", "decisions"],
    Path(description="What it is", examples=["boards"]),
]
Id = Annotated[
    str, Path(alias="id", pattern=SLUG, description="Its id", examples=["checkout-on-phones"])
]
Content = Annotated[dict[str, Any], Body(openapi_examples=EXAMPLES)]
READ, WRITTEN = documented(404), documented(400, 404, 409)


@router.get(
    "/saved/{kind}",
    response_model=VersionList,
    summary="Saved questions, boards, annotations, alerts, e-mails of boards or goals",
)
def list_saved(request: Request, response: Response, kind: KindName, parameters: Listed) -> Answer:
    """Return the newest version of each, in the order of ids."""
    return _listed(request, response, store_of(request).newest(KEPT[kind]), parameters)


@router.post(
    "/saved/{kind}",
    response_model=SavedVersion,
    status_code=HTTPStatus.CREATED,
    responses=documented(400),
    summary="Save a new question, board, annotation, alert, e-mail of a board or goal",
)
def create_saved(request: Request, kind: KindName, body: Content) -> Answer:
    """Save it under an id that is made from its name."""
    writer = writer_of(request)
    return shown(store_of(request).save_new(KEPT[kind].from_mapping(body), writer), request)


@router.get(
    "/saved/{kind}/{id}", response_model=SavedVersion, responses=READ, summary="One of these"
)
def get_saved(
    request: Request,
    response: Response,
    kind: KindName,
    slug: Id,
    parameters: Annotated[OfVersion, Query()],
) -> Answer:
    """Return its newest version, or another one."""
    response.headers["Cache-Control"] = "no-store"
    return shown(store_of(request).get(KEPT[kind], slug, parameters.version), request)


@router.put(
    "/saved/{kind}/{id}",
    response_model=SavedVersion,
    responses=WRITTEN,
    summary="Change one of these",
)
def change_saved(
    request: Request,
    kind: KindName,
    slug: Id,
    parameters: Annotated[OfChange, Query()],
    body: Content,
) -> Answer:
    """Save a new version, unless somebody saved one since that which was changed."""
    writer = writer_of(request)
    return shown(
        store_of(request).save(slug, KEPT[kind].from_mapping(body), parameters.changed, writer),
        request,
    )


@router.delete(
    "/saved/{kind}/{id}",
    response_model=SavedVersion,
    responses=WRITTEN,
    summary="Delete one of these",
)
def delete_saved(
    request: Request, kind: KindName, slug: Id, parameters: Annotated[OfChange, Query()]
) -> Answer:
    """Write a version that says it is deleted; its versions stay, and each can be restored."""
    writer = writer_of(request)
    return shown(store_of(request).delete(KEPT[kind], slug, parameters.changed, writer), request)


@router.get(
    "/saved/{kind}/{id}/versions",
    response_model=VersionList,
    summary="All versions of one of these",
)
def list_saved_versions(
    request: Request, response: Response, kind: KindName, slug: Id, parameters: Listed
) -> Answer:
    """Return its versions, the newest first; of an id that never was there are none."""
    return _listed(request, response, store_of(request).versions(KEPT[kind], slug), parameters)


@router.post(
    "/saved/{kind}/{id}/restore",
    response_model=SavedVersion,
    responses=WRITTEN,
    summary="Restore an earlier version",
)
def restore_saved(request: Request, kind: KindName, slug: Id, body: RestoreBody) -> Answer:
    """Write an earlier version again, as the newest one."""
    writer = writer_of(request)
    return shown(store_of(request).restore(KEPT[kind], slug, body.version, writer), request)


def _listed(
    request: Request, response: Response, versions: Sequence[KeptVersion[Any]], parameters: Listing
) -> Answer:
    response.headers["Cache-Control"] = "no-store"
    part = versions[parameters.offset : parameters.offset + parameters.limit]
    return {
        "total_count": len(versions),
        "items": [shown(version, request) for version in part],
    }


@router.get(
    "/saved-changes",
    response_model=BoardChangesAnswer,
    summary="Who changed saved questions and boards",
)
def list_changes(
    request: Request, response: Response, parameters: Annotated[Listing, Query()]
) -> Answer:
    """Return who created, changed, restored or deleted what, the newest first."""
    response.headers["Cache-Control"] = "no-store"
    changes = store_of(request).changes(parameters.offset + parameters.limit)[parameters.offset :]
    return {
        "changes": [
            {
                **head_of(version),
                "kind": version.kind.KIND,
                "name": str(version.content.get("name", "")),
            }
            for version in changes
        ]
    }


@answers.get(
    "/saved/questions/{id}/answer",
    response_model=QuestionAnswer,
    summary="The answer to a saved question",
)
def answer_question(
    context: Context, slug: Id, parameters: Annotated[SlicedOfDays, Query()]
) -> Response:
    """Return the answer to a saved question, for its own days or others,
    as the route of its kind answers it.
    """
    context.do_not_keep()
    saved = store_of(context.request).get(SavedQuestion, slug).item
    require_readable(saved, context.request.scope)
    question = saved.question
    if parameters.time_range or parameters.start_date or parameters.end_date:
        question = Board(name=saved.name).asked(saved, context.period(parameters, "events"))
    result = ask(context, saved.declared, question, parameters)
    return Response(result.model_dump_json(by_alias=True), media_type="application/json")
