"""The deletion APIs of the vendor stand-ins: who may ask, how much at once, and what is answered.

Amplitude's User Privacy API, Heap's User Deletion API, Mixpanel's GDPR API and Google's User Deletion API. They note
who is to be deleted, and delete at once; the tools take days.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ecom_assets.sandbox.services.service import Answer, Request
from ecom_assets.sandbox.vendors.entries import Decision, Incoming, parsed

UNAUTHORIZED, REFUSED, CREATED = 401, 400, 201
MOST_AMPLITUDE, MOST_HEAP, MOST_MIXPANEL = 100, 10_000, 1_999
AMPLITUDE, MIXPANEL = "/api/2/deletions/users", "/api/app/data-deletions/v3.0"
HEAP_TOKEN, HEAP = "/api/public/v0/auth_token", "/api/public/v0/user_deletion"
GA4 = "/analytics/v3/userDeletion/userDeletionRequests:upsert"
GA4_KINDS = ("CLIENT_ID", "USER_ID", "APP_INSTANCE_ID")
ISSUED = "heap-token-of-five-minutes"
Handler = Callable[[Incoming], tuple[Answer, list[str]]]


@dataclass
class Deletions:
    """The requests to delete people that a stand-in has got: their ids in order, and what answers them, by path."""

    handlers: dict[str, Handler]
    requested_ids: list[str] = field(default_factory=list)

    def decide(self, incoming: Incoming) -> Decision | None:
        """Return the answer to a request to delete; None if the request is another one."""
        handler = self.handlers.get(incoming.request.path)
        if handler is None or incoming.request.method != "POST":
            return None
        answer, ids = handler(incoming)
        self.requested_ids.extend(ids)
        return Decision(answer)


NOTHING: list[str] = []


def amplitude(key: str, secret: str) -> Deletions:
    """Return Amplitude's: basic authentication by key and secret, up to 100 ids."""

    def handle(incoming: Incoming) -> tuple[Answer, list[str]]:
        if basic_login(incoming.request) != (key, secret):
            return Answer.json({"error": "Unauthorized"}, UNAUTHORIZED), NOTHING
        ids = _texts(parsed(incoming.body), "user_ids")
        if not ids or len(ids) > MOST_AMPLITUDE:
            return Answer.json({"error": f"1 to {MOST_AMPLITUDE} user_ids"}, REFUSED), NOTHING
        return Answer.json({"day": "2026-02-14", "status": "staging", "amplitude_ids": []}), ids

    return Deletions({AMPLITUDE: handle})


def heap(app_id: str, api_key: str) -> Deletions:
    """Return Heap's: a token by basic authentication, then up to 10,000 users by identity or user id."""

    def token(incoming: Incoming) -> tuple[Answer, list[str]]:
        if basic_login(incoming.request) != (app_id, api_key):
            return Answer.json({"err": "Unauthorized"}, UNAUTHORIZED), NOTHING
        return Answer.json({"access_token": ISSUED}), NOTHING

    def users(incoming: Incoming) -> tuple[Answer, list[str]]:
        if _bearer(incoming.request) != ISSUED:
            return Answer.json({"err": "Unauthorized"}, UNAUTHORIZED), NOTHING
        result = parsed(incoming.body)
        users = result.get("users") if isinstance(result, dict) else None
        if not isinstance(users, list) or not 0 < len(users) <= MOST_HEAP:
            return Answer.json({"err": f"1 to {MOST_HEAP} users"}, REFUSED), NOTHING
        ids = [str(one.get("identity") or one.get("user_id")) for one in users if isinstance(one, dict)]
        return Answer.json({"deletion_request_id": "7c0d"}, CREATED), ids

    return Deletions({HEAP_TOKEN: token, HEAP: users})


def mixpanel(token: str, oauth_token: str) -> Deletions:
    """Return Mixpanel's: an OAuth token, the project's token in the address, and up to 1,999 distinct ids."""

    def handle(incoming: Incoming) -> tuple[Answer, list[str]]:
        if _bearer(incoming.request) != oauth_token or incoming.request.query.get("token") != token:
            return Answer.json({"status": "error", "error": "Unauthorized"}, UNAUTHORIZED), NOTHING
        result = parsed(incoming.body)
        ids = _texts(result, "distinct_ids")
        if not ids or len(ids) > MOST_MIXPANEL or result.get("compliance_type", "GDPR") not in {"GDPR", "CCPA"}:
            return Answer.json({"status": "error", "error": f"1 to {MOST_MIXPANEL} distinct_ids"}, REFUSED), NOTHING
        return Answer.json({"status": "ok", "results": {"task_id": "1583958653237905000"}}), ids

    return Deletions({MIXPANEL: handle})


def ga4(property_id: str, oauth_token: str) -> Deletions:
    """Return Google's: an OAuth token, and one id of a property."""

    def handle(incoming: Incoming) -> tuple[Answer, list[str]]:
        if _bearer(incoming.request) != oauth_token:
            return Answer.json({"error": {"code": UNAUTHORIZED}}, UNAUTHORIZED), NOTHING
        result = parsed(incoming.body)
        named = result.get("id") if isinstance(result, dict) else None
        if not isinstance(named, dict) or named.get("type") not in GA4_KINDS or not named.get("userId"):
            return Answer.json({"error": {"code": REFUSED}}, REFUSED), NOTHING
        if result.get("propertyId") != property_id:
            return Answer.json({"error": {"code": REFUSED}}, REFUSED), NOTHING
        answer = {**result, "deletionRequestTime": "2026-02-04T10:00:00.000Z"}
        return Answer.json(answer), [f"{named['type']} {named['userId']}"]

    return Deletions({GA4: handle})


def basic_login(request: Request) -> tuple[str, str]:
    """Return user and password of basic authentication, empty if there is none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return (user, password) if scheme.lower() == "basic" else ("", "")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def _texts(result: Any, name: str) -> list[str]:  # noqa: ANN401 (any JSON value, not validated yet)
    value = result.get(name) if isinstance(result, dict) else None
    return value if isinstance(value, list) and all(isinstance(one, str) and one for one in value) else []
