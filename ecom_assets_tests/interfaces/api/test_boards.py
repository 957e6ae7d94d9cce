"""Saved questions, boards and annotations over HTTP: who may read and write them, versions,
two people at once.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.served import Running, serving
from ecom_assets_tests.patience import PATIENCE_S

KEYS = {
    scope: f"a-key-with-the-scopes-{scope}"
    for scope in ("read", "read+write", "read+write+personal")
}
FUNNEL: dict[str, Any] = {"steps": ["product_view", "purchase"]}
QUESTION: dict[str, Any] = {"name": "Who buys", "kind": "funnel", "definition": FUNNEL}
OF_ONE: dict[str, Any] = {
    **QUESTION,
    "name": "One person",
    "definition": {**FUNNEL, "where": ["user_id = u01"]},
}
BOARD: dict[str, Any] = {
    "name": "Checkout",
    "tiles": [{"question": "who-buys"}, {"measure": "order_count"}],
}


@pytest.fixture
def keyed(settings: Settings, tmp_path: Path) -> Iterator[Running]:
    """The API over the small shop, with a key of each kind, and a store of its own."""
    keys = ",".join(f"{scope}:{key}" for scope, key in KEYS.items())
    changed = {
        "api_keys": SecretStr(keys),
        "rate_limit_key": "none",
        "boards_url": SecretStr(f"sqlite://{tmp_path / 'boards.sqlite'}"),
    }
    api_settings = settings.model_copy(update=changed)
    with serving(api_settings, build_app(api_settings)) as actual:
        yield actual


def send(
    keyed: Running,
    method: str,
    path: str,
    body: Any = None,
    scope: str = "read+write",
    **headers: str,
) -> Any:
    headers = {"X-API-Key": KEYS[scope], **headers}
    return requests.request(
        method, f"{keyed.address}{path}", json=body, headers=headers, timeout=PATIENCE_S
    )


def test_a_board_is_saved_changed_deleted_and_restored_with_who_did_it(keyed: Running) -> None:
    made = send(keyed, "POST", "/saved/boards", BOARD)
    assert (made.status_code, made.json()["id"], made.json()["version"]) == (201, "checkout", 1)
    changed = send(
        keyed, "PUT", "/v1/saved/boards/checkout?changed=1", {**BOARD, "name": "Till"}
    ).json()
    assert (changed["version"], changed["change"], changed["content"]["name"]) == (
        2,
        "changed",
        "Till",
    )
    assert send(keyed, "DELETE", "/saved/boards/checkout?changed=2").json()["change"] == "deleted"
    gone = send(keyed, "GET", "/saved/boards/checkout")
    assert gone.status_code == 404
    assert gone.json()["detail"] == "There is no board 'checkout'; known: shop."
    assert (
        send(keyed, "POST", "/saved/boards/checkout/restore", {"version": 1}).json()["version"] == 4
    )
    assert send(keyed, "GET", "/saved/boards/checkout").json()["content"] == BOARD
    listed = send(keyed, "GET", "/saved/boards/checkout/versions?limit=2").json()
    assert [listed["total_count"], *(version["version"] for version in listed["items"])] == [
        4,
        4,
        3,
    ]
    changes = send(keyed, "GET", "/saved-changes").json()["changes"]
    assert [(change["kind"], change["change"], change["saved_by"]) for change in changes] == [
        ("boards", change, "setting:2") for change in ("restored", "deleted", "changed", "created")
    ]


@pytest.mark.parametrize(
    ("number", "is_seen"),
    [
        ("channels[channel=anna@shop.example].credit", False),
        ("steps[step=3].count", True),
        ("steps[-1].conversion_from_start", True),
    ],
)
def test_the_value_by_which_an_alert_picks_its_number_needs_personal(
    *, keyed: Running, number: str, is_seen: bool
) -> None:
    question = {"name": "Credit", "kind": "attribution", "definition": {}}
    question = send(keyed, "POST", "/saved/questions", question).json()
    body = {"name": "Credit", "question": question["id"], "number": number}
    made = send(keyed, "POST", "/saved/alerts", body).json()
    for scope, sees in (("read", is_seen), ("read+write+personal", True)):
        seen = send(keyed, "GET", f"/saved/alerts/{made['id']}", scope=scope).json()
        assert (seen["is_withheld"], "number" in seen["content"]) == (not sees, sees)
        assert sees or "anna" not in json.dumps(seen)


def test_alerts_and_mails_of_boards_are_kept_the_same_way_and_their_addresses_need_personal(
    keyed: Running,
) -> None:
    alert = {"name": "Orders", "measure": "order_count", "emails": ["anna@shop.example"]}
    mail = {"board": "shop", "every": "month", "emails": ["ben@shop.example"]}
    for kind, body in (("alerts", alert), ("mails", mail)):
        made = send(keyed, "POST", f"/saved/{kind}", body).json()
        path = f"/saved/{kind}/{made['id']}"
        seen = send(keyed, "GET", path, scope="read").json()
        assert (seen["is_withheld"], "emails" in seen["content"]) == (True, False)
        assert send(keyed, "GET", path, scope="read+write+personal").json()["content"] == body
    refused = send(keyed, "POST", "/saved/alerts", {"name": "Orders", "measure": "order_cuont"})
    assert (refused.status_code, "did you mean 'order_count'" in refused.json()["detail"]) == (
        422,
        True,
    )


def test_whoever_saves_over_a_newer_version_is_told_what_changed(keyed: Running) -> None:
    send(keyed, "POST", "/saved/boards", BOARD)
    send(keyed, "PUT", "/saved/boards/checkout?changed=1", {**BOARD, "name": "Till"})
    late = send(keyed, "PUT", "/saved/boards/checkout?changed=1", {**BOARD, "description": "Mine"})
    assert (late.status_code, late.headers["content-type"]) == (409, "application/problem+json")
    assert "setting:2 changed it at" in late.json()["detail"]
    assert "Changed by them: name; by you: description." in late.json()["detail"]
    assert send(keyed, "DELETE", "/saved/boards/checkout?changed=1").status_code == 409


def test_a_key_that_only_reads_writes_nothing(keyed: Running) -> None:
    for method, path, body in (
        ("POST", "/saved/boards", BOARD),
        ("PUT", "/saved/boards/shop?changed=0", BOARD),
        ("DELETE", "/saved/boards/shop?changed=0", None),
        ("POST", "/saved/boards/shop/restore", {"version": 0}),
    ):
        refused = send(keyed, method, path, body, "read")
        assert refused.status_code == 403, path
        assert (
            refused.headers["www-authenticate"]
            == 'Bearer error="insufficient_scope", scope="write"'
        )
    assert send(keyed, "GET", "/saved-changes", scope="read").json() == {"changes": []}
    elsewhere = send(keyed, "POST", "/saved/boards", BOARD, Origin="https://evil.example")
    assert elsewhere.status_code == 403


def test_a_saved_question_is_answered_as_its_route_answers_it(keyed: Running) -> None:
    send(keyed, "POST", "/saved/questions", QUESTION)
    expected_answer = send(keyed, "POST", "/analytics/funnel", FUNNEL).json()
    assert send(keyed, "GET", "/saved/questions/who-buys/answer").json() == expected_answer
    days = "start_date=2026-02-01&end_date=2026-02-03"
    entered = {**FUNNEL, "from": "2026-02-01", "to": "2026-02-03"}
    expected = send(keyed, "POST", "/analytics/funnel", entered).json()["steps"]
    assert (
        send(keyed, "GET", f"/saved/questions/who-buys/answer?{days}").json()["steps"] == expected
    )
    assert 0 < expected[0]["count"] < expected_answer["steps"][0]["count"]


def test_conditions_on_people_are_seen_with_the_scope_personal_only(keyed: Running) -> None:
    personal = "read+write+personal"
    assert send(keyed, "POST", "/saved/questions", OF_ONE, personal).json()["content"]["definition"]
    seen = send(keyed, "GET", "/saved/questions/one-person", scope="read")
    assert "u01" not in seen.text
    assert (seen.json()["is_withheld"], seen.json()["content"]["name"]) == (True, "One person")
    assert "u01" not in send(keyed, "GET", "/saved/questions", scope="read").text
    assert send(keyed, "GET", "/saved/questions/one-person/answer", scope="read").status_code == 403
    assert (
        send(keyed, "GET", "/saved/questions/one-person/answer", scope=personal).status_code == 200
    )
    assert "u01" in send(keyed, "GET", "/saved/questions/one-person", scope=personal).text


@each(
    "path, body, status, sentence",
    [
        ("/saved/boards", {"name": ""}, 422, "`name` of a board cannot be empty"),
        (
            "/saved/boards",
            {"name": "x", "tilez": []},
            422,
            "Unknown key 'tilez' in a board; did you mean 'tiles'",
        ),
        ("/saved/questions", {**QUESTION, "kind": "funel"}, 422, "did you mean 'funnel'"),
        (
            "/saved/questions",
            {**QUESTION, "definition": {"steps": []}},
            422,
            "`definition` of 'Who buys'",
        ),
        (
            "/saved/annotations",
            {"day": "soon", "text": "x"},
            422,
            "`day` of an annotation is a day, YYYY-MM-DD",
        ),
        (
            "/saved/alerts",
            {"name": "x"},
            422,
            "either `question`, the id of a saved question, or `measure`",
        ),
        ("/saved/others", {"name": "x"}, 422, "path.kind"),
        ("/saved/boards/No/restore", {"version": 1}, 422, "path.id"),
        ("/saved/boards/shop/restore", {"version": 7}, 404, "A board 'shop' has no version 7."),
    ],
)
def test_what_cannot_be_saved_is_refused_in_a_sentence(
    keyed: Running, path: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    refused = send(keyed, "POST", path, body)
    assert (refused.status_code, sentence in refused.json()["detail"]) == (status, True), (
        refused.text
    )


@pytest.mark.slow
def test_the_document_has_an_example_of_each_kind(api: Api) -> None:
    paths = api.json("/openapi.json")["paths"]
    content = paths["/v1/saved/{kind}"]["post"]["requestBody"]["content"]["application/json"]
    assert [*content["examples"]] == [
        "question",
        "board",
        "annotation",
        "alert",
        "mail",
        "goal",
        "decision",
    ]


def test_a_key_without_personal_saves_nothing_that_asks_about_people(keyed: Running) -> None:
    """Neither a question, nor what shows, watches or mails its answer;
    with `personal`, each of them.
    """
    personal = "read+write+personal"
    of_day = {
        "name": "Days",
        "kind": "trend",
        "definition": {"series": ["purchase"], "by": "user_id"},
    }
    board = {"name": "Hers", "where": ["user_id = u01"], "tiles": [{"measure": "order_count"}]}
    assert send(keyed, "POST", "/saved/questions", QUESTION).status_code == 201
    for kind, body in (
        ("questions", OF_ONE),
        ("questions", of_day),
        ("boards", board),
        ("alerts", {"name": "Watched", "question": "one-person"}),
        ("mails", {"board": "hers", "every": "week", "emails": ["ben@shop.example"]}),
    ):
        first = send(keyed, "POST", f"/saved/{kind}", body)
        if kind in {"questions", "boards"}:
            assert_refused(first)
        made = send(keyed, "POST", f"/saved/{kind}", body, personal)
        assert made.status_code == 201, made.text
        path = f"/saved/{kind}/{made.json()['id']}"
        assert_refused(send(keyed, "POST", f"/saved/{kind}", body))
        assert_refused(
            send(
                keyed,
                "PUT",
                f"{path}?changed=1",
                {**body, "description": "x"} if "name" in body else body,
            )
        )
        assert send(keyed, "DELETE", f"{path}?changed=1").status_code == 200, (
            "a key that writes may delete it"
        )
        assert_refused(send(keyed, "POST", f"{path}/restore", {"version": 1}))
        assert send(keyed, "POST", f"{path}/restore", {"version": 1}, personal).status_code == 200
    assert_refused(
        send(keyed, "PUT", "/saved/questions/who-buys?changed=1", {**OF_ONE, "name": "Who buys"})
    )


def assert_refused(response: requests.Response) -> None:
    assert response.status_code == 403, response.text
    assert (
        response.headers["www-authenticate"]
        == 'Bearer error="insufficient_scope", scope="personal"'
    )
    assert (
        "asks about people, which a key without the scope 'personal' may not save"
        in response.json()["detail"]
    )
