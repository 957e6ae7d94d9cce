"""Who may see what of questions about sales: on every face, by keys with and without `costs` and
`personal`.

In each of four weeks five customers buy a hat for 20 with the code SPRING, and Anna, who alone has
ANNA10, pays 17.77 for hers. A hat costs 7.31: so revenue is 4 * 117.77 = 471.08, of which
471.08 - 24 * 7.31 = 295.64 is gross profit, 62.76 %, and 4 * 17.77 = 71.08 is Anna's.
"""

import asyncio
import csv
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from ecom_assets.core.http_server.callers import CALLER, Caller
from ecom_assets.core.http_server.callers import Scope as Permission
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.mcp.server import answer_from
from ecom_assets.interfaces.api.mcp.tools import questions_of
from ecom_assets.interfaces.boards.model import NumberAlert, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.report.board_mail import board_page
from ecom_assets.interfaces.watching.watch import back_test, watch
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api, Row, served
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = [pytest.mark.xdist_group("sales_scopes"), pytest.mark.slow]
ANNA, HER_ORDER, HER_CODE = "cust-anna-7", "order-anna-2", "ANNA10"
CUSTOMERS = (ANNA, "bob", "cid", "dan", "eve", "fay")
MONDAY = date(2026, 3, 2)
KEYS: Final = {
    "owner": frozenset({"read", "write", "costs", "personal"}),
    "read": frozenset({"read"}),
    "costs": frozenset({"read", "costs"}),
    "people": frozenset({"read", "personal"}),
    "writes": frozenset({"read", "write"}),
}
"""The scopes of each key."""
SECRETS: Final[dict[str, list[tuple[Row, str]]]] = {
    "costs": [
        ({"measures": ["gross_profit_amount"], "over": "week"}, r"73\.91|295\.64"),
        ({"measures": ["order_count", "gross_margin_rate"]}, r"0\.627|62\.8"),
        ({"measures": ["order_count"], "where": ["cost_amount > 7.3091"]}, r"7\.3091"),
    ],
    "personal": [
        ({"where": [f"customer_id = {ANNA}"]}, rf"71\.08|17\.77|{ANNA}"),
        ({"where": [f"order_id = {HER_ORDER}"]}, rf"17\.77|{HER_ORDER}"),
        ({"where": [f"discount_codes = {HER_CODE}"]}, rf"71\.08|17\.77|{HER_CODE}"),
        ({"where": [f"discount_code = {HER_CODE}"]}, rf"71\.08|17\.77|{HER_CODE}"),
    ],
}
"""Questions by the scope that they need, with what nobody without it reads."""
ASKED: Final = [
    (scope, question, secret) for scope, asked in SECRETS.items() for question, secret in asked
]


def write_shop(folder: Path) -> None:
    """Write the orders of four weeks, and what a hat costs."""
    columns = "id,uniq_id,order_id,date_time,customer_id,city_id,city_name,item_id,item_name,"
    columns += "quantity,payment_amount,status,discount_codes,discount_amount"
    rows: list[list[Any]] = []
    for week in range(4):
        day = MONDAY + timedelta(weeks=week)
        for position, customer in enumerate(CUSTOMERS):
            is_anna = customer == ANNA
            order = f"order-{'anna' if is_anna else customer}-{week}"
            paid, code, off = (17.77, HER_CODE, 2.23) if is_anna else (20, "SPRING", 1)
            rows.append([f"{week}{position}", f"line-{week}-{position}", order, f"{day}T10:00:00"])
            rows[-1] += [customer, "1", "Berlin", "hat", "Hat", 1, paid, "shipped", code, off]
    # The last week is over.
    rows.append(["99", "last", "order-bob-9", f"{MONDAY + timedelta(days=28)}T10:00:00"])
    rows[-1] += ["bob", "1", "Berlin", "sock", "Sock", 1, 0, "shipped", "", ""]
    with (folder / "orders.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(","), *rows])
    (folder / "costs.csv").write_text(
        "item_id,unit_cost_amount,valid_from_date\nhat,7.31,2026-01-01\n"
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The shop after a run, with a key of each kind."""
    folder = tmp_path_factory.mktemp("sales_scopes")
    write_shop(folder)
    result = ecom(
        "run",
        "--orders",
        folder / "orders.csv",
        "--costs",
        folder / "costs.csv",
        home=folder / "home",
    )
    assert result.exit_code == 0, result.out + result.err
    keys = ",".join(f"{'+'.join(sorted(scopes))}:{of(key)}" for key, scopes in KEYS.items())
    changed: Row = {"rate_limit_key": "none", "rate_limit_address": "none"}
    return Settings(
        home=folder / "home", api_keys=keys, api_timeout_s=300, adhoc_timeout_s=300, **changed
    )


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[Api]:
    """The API and the dashboard."""
    with served(build_dashboard_stack(settings)) as running:  # type: ignore[arg-type]
        yield running


def of(key: str) -> str:
    return f"a-key-with-the-scopes-of-{key}"


def send(api: Api, key: str, method: str, path: str, body: Any = None, **query: str) -> Any:
    return requests.request(
        method,
        f"{api.address}{path}",
        json=body,
        params=query,
        headers={"X-API-Key": of(key)},
        timeout=PATIENCE_S,
    )


def asked_by(api: Api, key: str, question: Row) -> Iterator[tuple[str, requests.Response]]:
    """Yield the answers to a question that a key asks itself, by what it is asked of."""
    path, file = "/v1/analytics/sales", "/v1/analytics/sales/who.csv"
    queries: tuple[dict[str, str], ...] = ({}, {"format": "csv"}, {"explain": "true"})
    for query in queries:
        yield f"{query}", send(api, key, "POST", path, question, **query)
        yield f"lines {query}", send(api, key, "POST", f"{path}/lines", question, **query)
    if "personal" in KEYS[key]:
        yield "who", send(api, key, "POST", f"{path}/who", question)
        yield "file", send(api, key, "GET", file, definition=json.dumps(question))


KINDS: Final = ("questions", "boards", "alerts", "mails", "annotations", "goals")


def lists_for(api: Api, key: str) -> Iterator[tuple[str, requests.Response]]:
    """Yield all that shows what is kept, without an id."""
    for kind in KINDS:
        yield kind, send(api, key, "GET", f"/v1/saved/{kind}")
    yield "changes", send(api, key, "GET", "/v1/saved-changes")
    for page in ("boards", "alerts"):
        yield page, send(api, key, "GET", f"/dashboard/{page}")


def saved_by(api: Api, key: str, slug: str) -> Iterator[tuple[str, requests.Response]]:
    """Yield all that shows what is kept under an id."""
    for kind in KINDS:
        for path in (f"/{slug}", f"/{slug}/versions"):
            yield f"{kind}{path}", send(api, key, "GET", f"/v1/saved/{kind}{path}")
        yield f"{kind} page", send(api, key, "GET", "/dashboard/versions", kind=kind, id=slug)
    answer = f"/v1/saved/questions/{slug}/answer"
    for query in ({}, {"format": "csv"}, {"explain": "true"}):
        yield f"answer {query}", send(api, key, "GET", answer, **query)
    yield "alert", send(api, key, "GET", "/dashboard/alert", alert=slug)
    for board in (slug, f"{slug}-narrowed"):
        yield board, send(api, key, "GET", "/dashboard/board", board=board)
        tile = {"board": board, "tile": "0"}
        yield f"{board} tile", send(api, key, "GET", "/dashboard/board-tile", **tile)


def keep(api: Api, key: str, name: str, question: Row) -> list[int]:
    """Save a question, boards, an alert and an e-mail of it, and return the statuses."""
    slug, where = name.lower(), question.get("where")
    tiles = [{"question": slug, "show": "table"}]
    alert = {"question": slug, "every": "week", "when": "above", "limit": 0.01, "is_on": True}
    kept: list[tuple[str, Row]] = [
        ("questions", {"name": name, "kind": "sales", "definition": question}),
        ("boards", {"name": name, "tiles": tiles}),
        *([("boards", {"name": f"{name} narrowed", "tiles": tiles, "where": where})] * bool(where)),
        ("alerts", {"name": name, **alert}),
        ("mails", {"board": slug, "emails": ["a@shop.example"]}),
    ]
    return [send(api, key, "POST", f"/v1/saved/{kind}", body).status_code for kind, body in kept]


def without_sql(answer: requests.Response) -> str:
    """Return an answer without its statements, in which names are made by chance."""
    is_json = "json" in answer.headers["content-type"]
    return str({**answer.json(), "explain": None}) if is_json else answer.text


@each("scope, question", [asked[:2] for asked in ASKED])
def test_a_key_without_the_scope_learns_nothing_by_asking(
    api: Api, scope: str, question: Row
) -> None:
    is_of_code = "discount_code =" in str(question)
    of_nobody = {"where": ["discount_code = NOBODYS"]}
    for key in ("read", "costs", "people"):
        is_refused = is_of_code and scope not in KEYS[key]
        others = dict(asked_by(api, key, of_nobody)) if is_refused else {}
        for face, answer in asked_by(api, key, question):
            if scope in KEYS[key]:
                assert answer.status_code == 200, (key, face, answer.text)
            elif is_of_code:  # nobody learns whether there is such a code
                as_nobody = without_sql(answer).replace(HER_CODE, "NOBODYS")
                assert as_nobody == without_sql(others[face])
            else:
                assert answer.status_code == 403, (key, face, answer.text)
                assert not re.search(r"71\.08|17\.77|295\.64|0\.627", answer.text), (key, face)


@pytest.fixture(scope="module")
def kept(settings: Settings, api: Api) -> dict[str, tuple[str, str]]:
    """Return the scope and the secret of each question by its id: the owner kept them all, and they
    were watched.
    """
    slugs = {}
    for number, (scope, question, secret) in enumerate(ASKED):
        made = keep(api, "owner", f"Kept{number}", question)
        assert {*made} == {201}, made
        refused = keep(api, "writes", f"Kept{number}", question)
        assert refused[0] == refused[-2] == 403, "the question, and an alert on that of others"
        slugs[f"kept{number}"] = (scope, secret)
    assert watch(settings).failures == []
    return slugs


@each("key", KEYS)
def test_what_is_kept_shows_a_key_without_the_scope_nothing(
    api: Api, kept: dict[str, tuple[str, str]], key: str
) -> None:
    lists = [*lists_for(api, key)]
    for slug, (scope, secret) in kept.items():
        faces = [*saved_by(api, key, slug)]
        seen = [face for face, answer in faces if re.search(secret, answer.text)]
        assert bool(seen) == (scope in KEYS[key]), (slug, seen)
        in_lists = [face for face, answer in lists if re.search(secret, answer.text)]
        assert scope in KEYS[key] or not in_lists, (slug, in_lists)


def test_an_e_mail_of_what_is_kept_has_no_reader_s_rights(
    settings: Settings, kept: dict[str, tuple[str, str]]
) -> None:
    for slug, (_, secret) in kept.items():
        page = board_page(settings, slug)
        assert not re.search(secret, page.html(page.embedded_pictures, "")), slug


@pytest.fixture(scope="module")
def asked_of(settings: Settings) -> Iterator[FastAPI]:
    """The API as the tools of assistants ask it, without a server."""
    app = build_app(settings)
    yield app
    app.state.store.close()


@each("key", ("owner", "read", "costs", "people"))
def test_assistants_see_what_their_key_may(asked_of: FastAPI, key: str) -> None:
    caller = Caller(key, frozenset(Permission(scope) for scope in KEYS[key]))

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        await asked_of({**scope, CALLER: caller}, receive, send)

    tool = questions_of(asked_of.openapi())["custom_sales"]
    asked_who: Row = {"who": {}}
    for scope, question, _ in ASKED:
        for who in ({}, asked_who):
            answer = asyncio.run(answer_from(called, tool, {**question, **who}, None))
            if scope in KEYS[key] and (not who or "personal" in KEYS[key]):
                assert not answer.is_error, answer.content
            else:
                text = answer.content[0].text  # type: ignore[union-attr]
                assert not re.search(r"71\.08|17\.77|295\.64|0\.627", text), (question, text)


def test_an_alert_has_no_number_of_a_code_that_names_a_person(settings: Settings, api: Api) -> None:
    """Neither if it was saved while its question was by something else."""
    by_code = {"name": "Codes", "kind": "sales", "definition": {"by": ["discount_code"]}}
    by_city = {**by_code, "definition": {"by": ["city"]}}
    alert: Row = {"name": "Hers", "question": "codes", "value": HER_CODE, "every": "week"}
    alert |= {"when": "above", "limit": 1, "is_on": True}
    assert send(api, "writes", "POST", "/v1/saved/questions", by_code).status_code == 201
    refused = send(api, "writes", "POST", "/v1/saved/alerts", alert)
    assert (refused.status_code, "asks about people" in refused.text) == (403, True)
    changed = send(api, "writes", "PUT", "/v1/saved/questions/codes", by_city, changed="1")
    assert changed.status_code == 200, changed.text
    assert send(api, "writes", "POST", "/v1/saved/alerts", alert).status_code == 201
    send(api, "writes", "PUT", "/v1/saved/questions/codes", by_code, changed="2")
    watch(settings)
    saved, store = BoardStore(settings).get(NumberAlert, "hers").item, BoardStore(settings)
    assert store.get(SavedQuestion, "codes").item.question.columns == ["revenue_amount"]
    assert back_test(settings, saved).points == []
    spring = back_test(settings, saved.changed(value="SPRING"))
    assert [point.value for point in spring.points if point.value] == [100.0] * 4
    for page in ("alerts", "alert"):
        text = send(api, "read", "GET", f"/dashboard/{page}", alert="hers").text
        assert HER_CODE not in text
        assert "17.77" not in text


def test_values_that_are_suggested_have_no_code_of_a_person(api: Api) -> None:
    for key in KEYS:
        may = "personal" in KEYS[key]
        for column in ("discount_codes", "discount_code"):
            answer = send(api, key, "GET", "/v1/analytics/values", column=column)
            assert HER_CODE not in answer.text
        explorer = send(api, key, "GET", "/dashboard/sales-explorer", by="discount_code")
        assert (HER_CODE in explorer.text) == may, key
        assert "SPRING" in explorer.text
        for table in ("sales", "discount_performance"):
            path = f"/v1/explain/mart/{table}"
            condition = f"discount_code{'s' * (table == 'sales')} = {HER_CODE}"
            assert send(api, key, "GET", path, where=condition).status_code == 200 if may else 403
            assert may or HER_CODE not in send(api, key, "GET", path).text


def test_last_week_shows_profit_and_its_goal_to_keys_with_costs_only(api: Api) -> None:
    goal = {"measure": "gross_profit_amount", "month": "2026-03", "amount": "4321.09"}
    refused, kept = (send(api, key, "POST", "/v1/saved/goals", goal) for key in ("writes", "owner"))
    assert (refused.status_code, kept.status_code) == (403, 201)
    slug = kept.json()["id"]
    for key in ("owner", *KEYS):  # what the owner was shown is kept until the next publication
        page = send(api, key, "GET", "/dashboard/last-week")
        saved = send(api, key, "GET", f"/v1/saved/goals/{slug}")
        assert (page.status_code, saved.status_code) == (200, 200)
        assert "117.77" in page.text  # the revenue of the week
        may_see = "costs" in KEYS[key]
        assert ("73.91" in page.text) == may_see
        assert ("4,321.09" in page.text) == may_see
        assert ("4321.09" in saved.text) == may_see
        assert saved.json()["is_withheld"] != may_see
