"""Stand-ins of shops' REST APIs on a free port, as their documentation has them: pages, keys,
filters, and faults.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from ecom_assets_tests.builders import Row


@dataclass
class ShopApi:
    """An API over documents that a test changes.

    `faults` are the statuses and headers of answers by the number of the request, from 1; `states`
    those of a report, one look after the other.
    """

    answer: Callable[["ShopApi", str, dict[str, Any]], Any]
    authorization: str
    documents: dict[str, list[Row]] = field(default_factory=dict)
    faults: dict[int, tuple[int, dict[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    key_header: str = "Authorization"
    token_asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    states: tuple[str, ...] = ("Job Not Started", "Job Running", "Job Completed")
    url: str = ""


@dataclass
class Linked:
    """An answer with the address of the next page in a header."""

    content: Any
    next: str


@dataclass
class Refused:
    """An answer of another status than 200, with its content."""

    status: int
    content: Any


def basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self._answer(
            self.path,
            address.path,
            {name: values[0] for name, values in parse_qs(address.query).items()},
        )

    def do_POST(self) -> None:
        """Answer a request with client credentials by a token,
        and any other one as a GET request.
        """
        api: ShopApi = self.server.api  # type: ignore[attr-defined]  # set where the server is made
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        address = urlsplit(self.path)
        if not address.path.endswith(("/access_token", "/token")):
            params = {name: values[0] for name, values in parse_qs(address.query).items()}
            self._answer(body or self.path, address.path, params | json.loads(body or "{}"))
            return
        api.token_asked.append(body)
        token = api.authorization.removeprefix("Bearer ")
        self._say(200, {}, {"access_token": token, "expires_in": 86399})

    def _answer(self, asked: str, path: str, params: dict[str, Any]) -> None:
        api: ShopApi = self.server.api  # type: ignore[attr-defined]  # as above
        api.asked.append(asked)
        api.headers.append({**self.headers})
        status, headers = api.faults.pop(len(api.asked), (200, {}))
        if self.headers.get(api.key_header) != api.authorization:
            status = 401
        result = api.answer(api, path, params) if status == 200 else {}
        if isinstance(result, Refused):
            status, result = result.status, result.content
        if isinstance(result, Linked):
            headers, result = (
                {**headers, "Link": f'<{api.url}{result.next}>; rel="next"'},
                result.content,
            )
        self._say(status, headers, result)

    def _say(self, status: int, headers: dict[str, str], content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(api: ShopApi) -> Iterator[ShopApi]:
    """Serve an API until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.api = api  # type: ignore[attr-defined]  # the handler finds it here
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def woocommerce(api: ShopApi, path: str, params: dict[str, str]) -> list[Row]:
    """Orders that changed after a second, the earliest first, and the refunds of one."""
    *_, last = path.rstrip("/").split("/")
    size, page = int(params["per_page"]), int(params["page"])
    if last == "refunds":
        order = path.split("/")[-2]
        found = [refund for refund in api.documents["refunds"] if str(refund["parent_id"]) == order]
    else:
        changed = [
            order
            for order in api.documents["orders"]
            if order["date_modified_gmt"] > params["modified_after"]
        ]
        found = sorted(changed, key=lambda order: (order["date_modified_gmt"], order["id"]))
    return found[(page - 1) * size : page * size]


def stripe(api: ShopApi, _path: str, params: dict[str, str]) -> Row:
    """Balance transactions since an instant, the latest first, after the one that is named."""
    since = [
        row
        for row in api.documents["balance_transactions"]
        if row["created"] >= int(params["created[gte]"])
    ]
    rows = sorted(since, key=lambda row: -row["created"])
    if "starting_after" in params:
        rows = rows[[row["id"] for row in rows].index(params["starting_after"]) + 1 :]
    size = int(params["limit"])
    return {"object": "list", "data": rows[:size], "has_more": len(rows) > size}


def prestashop(api: ShopApi, path: str, params: dict[str, str]) -> Row | list[Row]:
    """Orders or credit slips that changed within two times of the shop;
    a list without any is no object.
    """
    name = {"orders": "orders", "order_slip": "order_slips"}[path.rsplit("/", 1)[-1]]
    low, high = params["filter[date_upd]"].strip("[]").split(",")
    offset, size = map(int, params["limit"].split(","))
    rows = sorted(
        (row for row in api.documents[name] if low <= row["date_upd"] <= high),
        key=lambda row: (row["date_upd"], row["id"]),
    )
    return {name: rows[offset : offset + size]} if rows[offset:] else []


def shopify(api: ShopApi, path: str, params: dict[str, str]) -> Row | Linked:
    """Orders that changed since an instant, the latest order first,
    with a link to the next page.
    """
    low = datetime.fromisoformat(params["updated_at_min"])
    changed = [
        row for row in api.documents["orders"] if datetime.fromisoformat(row["updated_at"]) >= low
    ]
    rows = sorted(changed, key=lambda row: -row["id"])
    size, offset = int(params["limit"]), int(params.get("page_info", 0))
    content = {"orders": rows[offset : offset + size]}
    if not rows[offset + size :]:
        return content
    return Linked(content, f"{path}?{urlencode({**params, 'page_info': offset + size})}")


def google_ads(api: ShopApi, _path: str, params: dict[str, Any]) -> Row:
    """Rows of the days that a query names, two a page, with the token of the next page; a list
    without any is left out, as protocol buffers do.
    """
    first, last = re.findall(r"'(\d{4}-\d\d-\d\d)'", params["query"])
    rows = [row for row in api.documents["campaigns"] if first <= row["segments"]["date"] <= last]
    offset = int(params.get("pageToken", 0))
    page = {"results": rows[offset : offset + 2]} if rows[offset:] else {}
    more = {"nextPageToken": str(offset + 2)} if rows[offset + 2 :] else {}
    return {**page, **more, "fieldMask": "campaign.id"}


def meta_insights(api: ShopApi, path: str, params: dict[str, Any]) -> Row | Refused:
    """Reports that are started, made at the third look, and fetched two rows a page; their ids have
    a slash, as those of some APIs.

    `documents["refusals"]` are contents of errors with which the next requests are refused.
    """
    if api.documents.get("refusals"):
        return Refused(400, {"error": api.documents["refusals"].pop(0)})
    *_, owner, name = path.split("/")
    reports = api.documents.setdefault("reports", [])
    if name == "insights" and owner.startswith("act_"):
        reports.append({**json.loads(params["time_range"]), "looks": 0})
        return {"report_run_id": f"run/{len(reports)}"}
    if name != "insights":
        report = reports[int(unquote(name).partition("run/")[2]) - 1]
        report["looks"] += 1
        look = min(report["looks"], len(api.states))
        return {"id": name, "async_status": api.states[look - 1]}
    number = int(unquote(owner).partition("run/")[2])
    report, offset = reports[number - 1], int(params.get("after", 0))
    rows = [
        row
        for row in api.documents["campaigns"]
        if report["since"] <= row["date_start"] <= report["until"]
    ]
    page: Row = {"data": rows[offset : offset + 2], "paging": {"cursors": {"after": "x"}}}
    if rows[offset + 2 :]:
        page["paging"]["next"] = f"{api.url}{path}?after={offset + 2}"
    return page
