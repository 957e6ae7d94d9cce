"""What GraphQL answers otherwise than REST: errors with status 200, and lists within a document that have pages too."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from requests import Response

from ecom_assets.errors import SourceError
from ecom_assets.http.retry import RATE_LIMITED_CAUSE, SERVER_ERROR_CAUSE

THROTTLED, INTERNAL = "THROTTLED", "INTERNAL_SERVER_ERROR"
_REMEDIES = {
    "ACCESS_DENIED": "give the app the access scope that it names",
    "MAX_COST_EXCEEDED": "ask for fewer documents at a time in a copy of the extract",
}
Cursors = dict[str, str | None]


def retry_cause(response: Response) -> str:
    """Return why a request can be sent again though it was answered with status 200, or an empty text.

    One that was refused because too many points were spent says, as with status 429, after how many seconds.
    """
    codes = {_code(error) for error in _errors(response)}
    if THROTTLED in codes:
        response.headers["Retry-After"] = str(_seconds_until_affordable(response.json()))
        return RATE_LIMITED_CAUSE
    return SERVER_ERROR_CAUSE if INTERNAL in codes else ""


def require_no_errors(response: Response, name: str) -> None:
    """Raise SourceError if a query was answered with errors, even if it was also answered with a part of the data."""
    if errors := _errors(response):
        message = str(errors[0].get("message", errors[0]))[:300].rstrip(".")
        remedy = _REMEDIES.get(_code(errors[0]), "correct the query of the extract, or run again later")
        raise SourceError(f"The {name} answers its query with an error: {message}; {remedy}.")


def with_whole_lists(
    document: dict[str, Any], lists: Sequence[str], ask: Callable[[Cursors], dict[str, Any]]
) -> dict[str, Any]:
    """Return a document whose lists are complete.

    Args:
        document: Has the first page of each list.
        lists: The names of a list, of the list in each of its nodes, and so on.
        ask: Returns the document with the pages after cursors, by the name of their list; of a list with another one in
            its nodes, a page is one node.
    """
    if not _goes_on(document, lists):
        return document
    return {**document, lists[0]: {"nodes": _nodes(lists, (), {}, ask)}}


def _goes_on(node: dict[str, Any], lists: Sequence[str]) -> bool:
    if not lists:
        return False
    page = node[lists[0]]
    return bool(page["pageInfo"]["hasNextPage"]) or any(_goes_on(inner, lists[1:]) for inner in page["nodes"])


def _nodes(
    lists: Sequence[str], outer: Sequence[str], at: Cursors, ask: Callable[[Cursors], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return all nodes of the list `lists[0]`, which is in the node of `outer` at the cursors `at`."""
    name, *inner = lists
    nodes: list[dict[str, Any]] = []
    after, has_more = None, True
    while has_more:
        page = ask({**at, name: after})
        for step in outer:
            page = page[step]["nodes"][0]
        page = page[name]
        for node in page["nodes"]:
            is_cut = _goes_on(node, inner)
            whole = {inner[0]: {"nodes": _nodes(inner, (*outer, name), {**at, name: after}, ask)}} if is_cut else {}
            nodes.append({**node, **whole})
        before, after, has_more = after, page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        if has_more and after == before:
            raise ValueError(f"{name} goes on without a new endCursor")
    return nodes


def _errors(response: Response) -> list[dict[str, Any]]:
    content = response.json()
    errors = content.get("errors") if isinstance(content, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _code(error: dict[str, Any]) -> str:
    return str((error.get("extensions") or {}).get("code", ""))


def _seconds_until_affordable(content: dict[str, Any]) -> int:
    """Return after how many seconds the points of a query are there; 1 if the answer does not say it."""
    cost = (content.get("extensions") or {}).get("cost") or {}
    status = cost.get("throttleStatus") or {}
    lacking = float(cost.get("requestedQueryCost") or 0) - float(status.get("currentlyAvailable") or 0)
    return max(1, math.ceil(lacking / float(status.get("restoreRate") or 50)))
