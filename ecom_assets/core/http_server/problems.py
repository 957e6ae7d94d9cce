"""Refusals as RFC 9457 problem documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.types import Scope

from ecom_assets.core.http_server.callers import Scope as KeyScope

MEDIA_TYPE: Final = "application/problem+json"
RETRY_S: Final = "30"
"""Seconds after which callers should try again when the data are not available."""
RENAMED: Final[Mapping[int, str]] = {413: "Content Too Large", 422: "Unprocessable Content"}


class Flaw(BaseModel):
    """An error in one place of a request."""

    place: str = Field(description="Where: `query.limit`, `body.steps.0`", examples=["query.limit"])
    detail: str = Field(
        description="What is wrong there", examples=["Input should be less than or equal to 1000"]
    )


class ProblemDocument(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(
        "about:blank",
        description="Kind of problem, by RFC 9457; `about:blank` says: see the status",
    )
    title: str = Field(description="The status in words", examples=["Unprocessable Content"])
    status: int = Field(description="The HTTP status", examples=[422])
    detail: str = Field(
        description="What was wrong, where, and what to do",
        examples=["start_date=2026-02-01 is after end_date=2026-01-01; swap them."],
    )
    instance: str = Field(description="The path of the request", examples=["/v1/analytics/sales"])
    errors: list[Flaw] = Field(
        default_factory=list, description="Each place that is wrong, where several may be"
    )


def phrase(status: int) -> str:
    """Return a status in words, as RFC 9110 names it; Python does since 3.13."""
    return RENAMED.get(status) or HTTPStatus(status).phrase


REFUSED = "ecom.refused"
"""The key in the ASGI scope with the reason of a refusal, for logs and metrics."""
WRONG_SCOPE = "wrong_scope"


def scope_challenge(needed: KeyScope) -> dict[str, str]:
    """Return the header that names the scope that a key lacks (RFC 6750, 3.1)."""
    return {"www-authenticate": f'Bearer error="insufficient_scope", scope="{needed.value}"'}


@dataclass(frozen=True)
class RequestRefusal:
    """A response that refuses a request.

    `reason` is a word for logs and metrics; `detail` is a sentence for the caller.
    """

    status: HTTPStatus
    reason: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)

    def response(self, scope: Scope) -> JSONResponse:
        """Return the response, and note its reason in the scope."""
        scope[REFUSED] = self.reason
        body = ProblemDocument(
            title=phrase(self.status),
            status=self.status,
            detail=self.detail,
            instance=scope["path"],
        )
        return JSONResponse(
            body.model_dump(exclude={"errors"}), self.status, self.headers, MEDIA_TYPE
        )
