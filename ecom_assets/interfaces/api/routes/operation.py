"""Routes for operation: the index, health, metrics, what runs noted,
and requests to runs to release or retry.
"""

import asyncio
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.behaviour.questions.answer import AnswerFields, InUtc, definition_of, number
from ecom_assets.behaviour.questions.fields import Day
from ecom_assets.commerce.quality import queries as quality_queries
from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.addresses import is_origin_of
from ecom_assets.core.operations import queries
from ecom_assets.core.operations.requests import RELEASE, RETRY, Requests, require_shared_home
from ecom_assets.core.operations.requests import OperationRequest as RunRequest
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import Period
from ecom_assets.interfaces.api import visible_checks
from ecom_assets.interfaces.api.auth.callers import may_see_costs, may_see_people, require_write
from ecom_assets.interfaces.api.daemon_state import NOT_KNOWN, daemon_state
from ecom_assets.interfaces.api.middleware.request_log import CONTENT_TYPE, ApiMetrics
from ecom_assets.interfaces.api.parameters import (
    VERSION,
    Context,
    Formatted,
    JustSliced,
    RequestContext,
    SlicedOfDays,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.served_data import ServedData
from ecom_assets.orchestration.registry import ALL
from ecom_assets.outputs.delivery import queries as delivery_queries

index_router = APIRouter(tags=["index"])
router = APIRouter(tags=["operations"])
runs_router = APIRouter(tags=["operations"])
"""What runs noted, and requests to runs."""
_NO_STORE = {"Cache-Control": "no-store"}


class Live(BaseModel):
    """The liveness of the process."""

    live: bool = Field(description="Always true: what is not live does not answer", examples=[True])


class HeartbeatState(BaseModel):
    """When a part of Dagster's daemon, a sensor or a schedule looked last."""

    kind: str = Field(description="`daemon`, `sensor` or `schedule`", examples=["schedule"])
    name: str = Field(description="Which", examples=["daily_orders"])
    beat_at: datetime | None = Field(
        description="When it looked last, in UTC; null if it never did"
    )
    is_late: bool = Field(description="Whether it should have looked again by now")


class Overdue(BaseModel):
    """A publication that is due and did not come."""

    source: str = Field(
        description="The schedule or the sensor that leads to it", examples=["daily_orders"]
    )
    due_at: datetime = Field(description="When its run was due, in UTC")


class Health(Live):
    """The health of the API: whether it can serve fresh data; and how Dagster's daemon does, which
    changes no status.
    """

    ready: bool = Field(
        description="Whether there are data, and fresh ones by ECOM_API_FRESH_HOURS"
    )
    reason: str = Field(description="Why it is not ready, in a sentence; else empty")
    data_as_of: date | None = Field(
        description="The newest day in the data; null where there are none"
    )
    published_at: datetime | None = Field(
        description="When they were published, in UTC; null where there are none"
    )
    daemon: str | None = Field(
        description="What is late or overdue, in sentences; empty if nothing is, null where no "
        "daemon notes anything in the ECOM_HOME of the API"
    )
    heartbeats: list[HeartbeatState] = Field(
        description="When the daemon, and the sensors and schedules that are on, looked last"
    )
    overdue: list[Overdue] = Field(
        description="Publications that are due, by two hours and more, and did not come"
    )


_UNREADY: dict[int | str, dict[str, Any]] = {
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "model": Health,
        "description": "There are no data, or they are not fresh",
    }
}


@router.get("/health/live", response_model=Live, summary="Liveness: whether the process answers")
async def live(response: Response) -> Answer:
    """Respond; a supervisor that restarts failed processes checks this."""
    response.headers.update(_NO_STORE)
    return {"live": True}


@router.get("/health", response_model=Health, responses=_UNREADY, summary="Live and ready")
@router.get(
    "/health/ready",
    response_model=Health,
    responses=_UNREADY,
    summary="Readiness: whether there are data to answer with",
)
async def ready(request: Request, response: Response) -> Answer:
    """Return whether there are data and whether they are fresh; a load balancer checks this."""
    served: ServedData = request.app.state.served
    await served.version()
    complaint, published = served.complaint, served.published
    response.headers.update(_NO_STORE)
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE if complaint else 200
    settings: Settings = request.app.state.settings
    published_at = published.published_at if published else None
    state = await asyncio.to_thread(daemon_state, settings.home, published_at)
    return {
        **(state.to_mapping() if state else NOT_KNOWN),
        "live": True,
        "ready": not complaint,
        "reason": complaint,
        "data_as_of": published.newest_date if published else None,
        "published_at": published.published_at if published else None,
    }


@router.get("/metrics", response_class=Response, summary="Metrics for Prometheus")
async def metrics(request: Request) -> Response:
    """Return the metrics: requests by route, cache look-ups, refusals, the age of the data, and
    how Dagster's daemon does.
    """
    counted: ApiMetrics = request.app.state.metrics
    served: ServedData = request.app.state.served
    await served.version()
    text = await asyncio.to_thread(counted.text)
    return Response(text, media_type=CONTENT_TYPE, headers=_NO_STORE)


class Endpoint(BaseModel):
    """A path of the API."""

    method: str = Field(description="GET or POST", examples=["GET"])
    path: str = Field(description="The path", examples=["/analytics/sales"])
    summary: str = Field(description="What it answers")


class Index(BaseModel):
    """The paths of the API, and the data that it serves."""

    name: str = Field(description="This API", examples=["ecom_assets analytics"])
    version: str = Field(description="The version of the code")
    data_as_of: date = Field(description="The newest day in the data")
    data_version: str = Field(description="Version of the published tables")
    published_at: str = Field(description="When they were published, in UTC")
    endpoints: list[Endpoint] = Field(description="Every path; each also under /v1")


@index_router.get("/", response_model=Index, summary="Index of the routes")
def index(context: Context, _parameters: Annotated[Formatted, Query()]) -> Answer:
    """Return every path, and how new the data are."""
    published = context.reading.published
    return {
        "name": "ecom_assets analytics",
        "version": VERSION,
        "data_as_of": published.newest_date,
        "data_version": published.data_version,
        "published_at": published.published_at.isoformat(),
        "endpoints": context.request.app.state.endpoints,
    }


def endpoints_of(routers: list[APIRouter]) -> list[dict[str, str]]:
    """Return the paths of some routers, as the index lists them."""
    return [
        {"method": method, "path": route.path, "summary": route.summary or ""}
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in sorted(route.methods or ())
    ]


NO_LEDGER = documented(409)


class FailingCheck(BaseModel):
    """A check that failed or warned."""

    table_name: str = Field(title="Table", description="The table", examples=["staging.events"])
    check_name: str = Field(description="The check", examples=["contract_holds"])
    is_warning: bool = Field(description="Whether it only warns")
    description: str = Field(description="What must hold")
    sentence: str = Field(
        description="What was seen and what to do, where the check says so; else empty"
    )
    observed: str | None = Field(description="What was observed")
    limit: str | None = Field(title="Allowed", description="What was allowed")
    examples: list[Any] = Field(description="A few rows that break it, without personal data")
    evaluated_at: datetime = Field(description="When it was evaluated last, in UTC")
    failing_since: datetime | None = number(
        "Failing since (UTC)", "instant", "When the first of its failures in a row was evaluated"
    )
    run_id: str = Field(description="The Dagster run that evaluated it last")


class ChecksAnswer(AnswerFields):
    """The checks that failed or warned when they were evaluated last."""

    total_count: int = Field(description="How many of these there are", examples=[3])
    checks: list[FailingCheck] = Field(
        description="The newest result of each check that failed or warned when it was evaluated "
        "last, failures first"
    )
    evaluated_count: int = Field(description="Checks with a result", examples=[132])


@runs_router.get(
    "/operations/checks", response_model=ChecksAnswer, summary="Checks that fail or warn"
)
def failing_checks(context: Context, parameters: JustSliced) -> Answer:
    """Return the checks that failed or warned when they were evaluated last, as runs noted them."""
    context.do_not_keep()
    result = parameters.cut(
        visible_checks.failing_checks(
            context.settings.home, with_costs=may_see_costs(context.request.scope)
        ),
        "checks",
    )
    definition = definition_of(ChecksAnswer, "checks", "failing_since", "evaluated_count")
    return context.answer(parameters, definition, result, "events")


class TableState(BaseModel):
    """What is known of a table."""

    table_name: str = Field(title="Table", description="The table", examples=["mart.revenue_daily"])
    newest_date: date | None = number(
        "Newest day",
        "date",
        (
            "The newest day of its rows in what is published; null if it is not published or not "
            "cut by day"
        ),
    )
    row_count: int | None = number("Rows", "count", "Rows in what is published; null if it is not")
    written_at: InUtc | None = number(
        "Written (UTC)", "instant", "When a run wrote it last, in UTC; null if none noted it"
    )
    is_written: bool | None = Field(
        description="Whether the last run over it wrote it; null if none noted it"
    )
    sentence: str = Field(description="What the last run failed with; else empty")
    run_id: str | None = Field(description="The last Dagster run over it")


class TablesAnswer(AnswerFields):
    """How fresh each table is."""

    total_count: int = Field(description="How many tables there are", examples=[3])
    tables: list[TableState] = Field(
        description="What runs noted of each table: when it was written last, and with what the "
        "last run failed, if it did"
    )


@runs_router.get(
    "/operations/tables", response_model=TablesAnswer, summary="How fresh each table is"
)
def table_states(context: Context, parameters: JustSliced) -> Answer:
    """Return when each table was written last, its newest day, and what failed."""
    context.do_not_keep()
    noted, published = queries.noted_tables(context.settings.home), context.reading.published.tables
    newest = quality_queries.newest_days(
        context.reading, (table for table in ALL if table.qualified_name() in published)
    )
    rows = [
        {
            "table_name": name,
            "newest_date": newest.get(name),
            "row_count": served.get("row_count"),
            "written_at": written.get("written_at") or served.get("materialized_at"),
            "is_written": written.get("is_written"),
            "sentence": written.get("sentence", ""),
            "run_id": written.get("run_id") or served.get("run_id"),
        }
        for name in sorted({*noted, *published})
        for written, served in [(noted.get(name, {}), published.get(name, {}))]
    ]
    definition = definition_of(TablesAnswer, "tables", "newest_date")
    return context.answer(
        parameters, definition, parameters.cut({"tables": rows}, "tables"), "events"
    )


class DeadLetterGroup(BaseModel):
    """Records of one destination that a tool refused for one reason, or that cannot go."""

    destination: str = Field(
        description="The asset that delivers them", examples=["amplitude_events"]
    )
    outcome: str = Field(
        description="`rejected` by the tool, or `refused` and never sent", examples=["rejected"]
    )
    reason: str | None = Field(description="Why, a fixed code")
    record_count: int = Field(description="Records whose newest word is this")
    first_date: date = Field(description="First day of such a record")
    last_date: date = Field(description="Last day of such a record")
    words: str | None = Field(
        description="The same in the tool's words, of one of these records; hidden without the "
        "scope `personal`"
    )
    examples: list[str] = Field(
        description="What the tool knows a few of the records by; "
        "hidden without the scope `personal`"
    )
    can_retry: bool = Field(
        description="Whether the tool refused them, so that they can be sent again; others were "
        "never sent, and go by themselves once they can"
    )


class DeadLettersParameters(SlicedOfDays):
    """Which dead letters to return."""

    destination: str | None = Field(
        None, max_length=200, description="Only this one, such as amplitude_events"
    )


class DeadLettersAnswer(AnswerFields):
    """What could not be delivered."""

    total_count: int | None = total_of("groups", 3)
    dead_letters: list[DeadLetterGroup] = Field(
        description="Records that a destination refused, or that cannot "
        "go there, by reason, most first"
    )


@runs_router.get(
    "/operations/dead-letters",
    response_model=DeadLettersAnswer,
    responses=NO_LEDGER,
    summary="What could not be delivered",
)
def dead_letters(context: Context, parameters: Annotated[DeadLettersParameters, Query()]) -> Answer:
    """Return the records of some days that a destination refused,
    or that cannot go there, by reason.
    """
    context.do_not_keep()
    period = context.period(parameters, "events")
    may = may_see_people(context.request.scope)
    result = delivery_queries.dead_letters(
        context.settings, period, parameters.destination, may_see_people=may
    )
    numbers = parameters.cut({"dead_letters": result}, "dead_letters")
    names = ("dead_letters", "record_count", "words", "examples", "can_retry")
    definition = definition_of(DeadLettersAnswer, *names)
    return context.answer(parameters, definition, numbers, period)


class RequestState(BaseModel):
    """A request to a run."""

    number: int = Field(description="Its place among all requests", examples=[1])
    kind: str = Field(description="`release` lets a held day in, `retry` sends dead letters again")
    subject: str = Field(
        description="The source of the day, or the destination", examples=["orders"]
    )
    first_day: date = Field(description="First of its days")
    last_day: date = Field(description="Last of its days")
    asked_by: str = Field(title="By", description="Who made it: the name of a key")
    asked_at: datetime = Field(description="When it was made first, in UTC")
    attempt: int = Field(description="How often it was made")
    is_taken: bool = Field(description="Whether a run has taken it")
    taken_at: datetime | None = Field(description="When, in UTC; null while it waits")
    run_id: str | None = Field(description="The Dagster run that took it, where it is known")


class RequestsAnswer(AnswerFields):
    """The newest requests."""

    total_count: int = Field(description="How many requests there are", examples=[3])
    requests: list[RequestState] = Field(
        description="Requests of people to runs, the newest first; a run over their days takes them"
    )


@runs_router.get(
    "/operations/requests",
    response_model=RequestsAnswer,
    summary="Requests to runs: releases and retries",
)
def newest_requests(context: Context, parameters: JustSliced) -> Answer:
    """Return the newest 50 requests, and whether a run has taken them."""
    context.do_not_keep()
    newest = [request.to_mapping() for request in Requests(context.settings.home).newest()]
    result = parameters.cut({"requests": newest}, "requests")
    return context.answer(parameters, definition_of(RequestsAnswer, "requests"), result, "events")


class ReleaseBody(BaseModel):
    """Which held day to let in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"day": "2026-03-03"}]}
    )

    source: str = Field("orders", max_length=50, description="Whose day")
    day: Day = Field(description="The held day of arrival, YYYY-MM-DD")


class RetryBody(BaseModel):
    """Which dead letters to send again."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"destination": "amplitude_events"}]}
    )

    destination: str = Field(
        max_length=200, description="The destination, such as amplitude_events"
    )
    start_date: Day | None = Field(
        None, description="First day of the records; default the first of the data"
    )
    end_date: Day | None = Field(
        None, description="Last day of the records; default the newest of the data"
    )


@runs_router.post(
    "/operations/releases",
    response_model=RequestState,
    status_code=HTTPStatus.ACCEPTED,
    responses=documented(400),
    summary="Release a held day",
)
def release(context: Context, body: ReleaseBody) -> Answer:
    """Ask the next run over a held day to let it in;
    who and when is recorded. Repeating it changes nothing.
    """
    return request_release(context, body, writer_of(context.request)).to_mapping()


@runs_router.post(
    "/operations/retries",
    response_model=RequestState,
    status_code=HTTPStatus.ACCEPTED,
    responses=documented(400) | NO_LEDGER,
    summary="Send dead letters again",
)
def retry(context: Context, body: RetryBody) -> Answer:
    """Ask the next run over their days to send again what a destination has refused."""
    return request_retry(context, body, writer_of(context.request)).to_mapping()


def writer_of(request: Request) -> str:
    """Return the name of the caller, or refuse a request from a page of another site.

    Raises:
        ScopeNeededError: The key lacks the scope `write`.
        HTTPException: It comes from another site.
    """
    origin = request.headers.get("origin")
    if origin is not None and not is_origin_of(origin, request.headers.get("host", "")):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, f"{origin} is another site, and may not leave requests here."
        )
    return require_write(request.scope)


def request_release(context: RequestContext, body: ReleaseBody, asked_by: str) -> RunRequest:
    """Record the request to release a held day.

    Raises:
        NotSharedError: No run would see it.
        UsageError: The day is not held.
    """
    require_shared_home(context.settings, "A request")
    held = [row for row in quality_queries.held(context.reading) if row["source"] == body.source]
    if body.day not in {row["held_date"] for row in held}:
        days = ", ".join(str(row["held_date"]) for row in held) or "none"
        raise UsageError(
            f"{body.day} is not held for {body.source}, so there is nothing to release; held are: "
            f"{days}."
        )
    return Requests(context.settings.home).make(
        RELEASE, body.source, (body.day, body.day), asked_by
    )


def request_retry(context: RequestContext, body: RetryBody, asked_by: str) -> RunRequest:
    """Record the request to send again the refused records of some days.

    Raises:
        NotSharedError: No run would see it.
        UsageError: There is nothing to send again.
        NoLedgerError: There is no ledger.
    """
    require_shared_home(context.settings, "A request")
    events = context.reading.known.get("events")
    first = body.start_date or (events.first if events else None) or context.reading.newest_date
    last = body.end_date or context.reading.newest_date
    if body.start_date is None:
        first = min(first, last)
    period = Period.from_range(context.reading.newest_date, "custom", first, last)
    groups = delivery_queries.dead_letters(
        context.settings, period, body.destination, may_see_people=False
    )
    refused = [group for group in groups if group["can_retry"]]
    if not refused:
        raise UsageError(
            f"{body.destination} has refused no record of {period.start_date} to "
            f"{period.end_date}, so there is nothing to send again; /operations/dead-letters "
            "lists what there is."
        )
    days = (
        min(group["first_date"] for group in refused),
        max(group["last_date"] for group in refused),
    )
    return Requests(context.settings.home).make(RETRY, body.destination, days, asked_by)
