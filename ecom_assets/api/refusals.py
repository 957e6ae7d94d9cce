"""Refusals that are made in front of the app, as RFC 9457 problem documents. Not here: errors of routes."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.types import Scope, Send

from ecom_assets.api.callers import Scope as KeyScope

REFUSED = "ecom.refused"
"""Where a request's scope says why it was refused, for the logs."""
WRONG_SCOPE = "wrong_scope"


def scope_challenge(needed: KeyScope) -> dict[str, str]:
    """Return the header that says which scope a key lacks (RFC 6750, 3.1)."""
    return {"www-authenticate": f'Bearer error="insufficient_scope", scope="{needed.value}"'}


@dataclass(frozen=True)
class Refusal:
    """An answer that says why there is none.

    `reason` is a word for logs and counts, `detail` one sentence for the person who asked.
    """

    status: HTTPStatus
    reason: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)

    async def send_to(self, scope: Scope, send: Send) -> None:
        """Answer with it."""
        scope[REFUSED] = self.reason
        told = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "instance": scope["path"],
        }
        body = json.dumps(told).encode()
        headers = {"content-type": "application/problem+json", "content-length": str(len(body)), **self.headers}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status.value, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
