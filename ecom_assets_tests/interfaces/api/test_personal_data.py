"""Who may ask about single people: the scope `personal`, from the contract of events."""

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.auth.callers import PERSONAL_COLUMNS
from ecom_assets.interfaces.api.auth.guard import FILE_NAME
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop
from ecom_assets_tests.interfaces.api.served import Running, serving
from ecom_assets_tests.interfaces.api.test_questions import BOUGHT, EXPERIMENT
from ecom_assets_tests.patience import PATIENCE_S

FUNNEL: dict[str, Any] = {"steps": ["product_view", "add_to_cart"]}
KEYS = {
    scope: f"a-key-with-the-scopes-{scope}"
    for scope in ("read", "read+personal", "admin", "personal")
}
ABOUT_PEOPLE = {
    "by": {**FUNNEL, "by": "user_id"},
    "by visitor": {**FUNNEL, "by": "visitor_id"},
    "by the source's session": {**FUNNEL, "by": "session_id"},
    "held": {**FUNNEL, "hold": ["product_id", "user_agent"]},
    "a condition": {
        "steps": [{"event_type": "product_view", "where": {"user_id": "u01"}}, "purchase"]
    },
    "a condition of another kind": {
        "steps": [{"event_type": "purchase", "where": "user_id contains u0"}]
    },
    "a condition on everything": {
        **FUNNEL,
        "where": [{"any_of": [{"user_agent": "x"}, "cart_amount > 1"]}],
    },
    "an exclusion": {
        **FUNNEL,
        "exclude": [{"event_type": "purchase", "where": {"source_session_id": "s"}}],
    },
}


@pytest.fixture(scope="module")
def keyed(settings: Settings) -> Iterator[Running]:
    """The API over the small shop, with a key of each kind."""
    keys = ",".join(f"{scope}:{key}" for scope, key in KEYS.items())
    keyed_settings = settings.model_copy(
        update={"api_keys": type(settings.api_keys)(keys), "rate_limit_key": "none"}
    )
    with serving(keyed_settings, build_app(keyed_settings)) as actual:
        yield actual


def ask(
    keyed: Running, scope: str, body: dict[str, Any], question: str = "funnel"
) -> requests.Response:
    headers = {"X-API-Key": KEYS[scope]}
    return requests.post(
        f"{keyed.address}/analytics/{question}", json=body, headers=headers, timeout=PATIENCE_S
    )


def test_codes_of_few_customers_are_one_row_without_the_scope(
    keyed: Running, shop: PlainShop
) -> None:
    lines = [
        (line, code)
        for line in shop.lines
        if line["status"] == "shipped" and line["discount_amount"]
        for code in (line["discount_codes"] or "(none)").split(",")
    ]
    customers: dict[str, set[str]] = defaultdict(set)
    for line, code in lines:
        customers[code].add(line["customer_id"])
    few = {code for code, people in customers.items() if len(people) < 5} - {"(none)"}
    assert few
    assert {*customers} - few >= {"FALL"}
    days = {"start_date": min(line["day"] for line, _ in lines), "limit": 1000}
    days["end_date"] = max(line["day"] for line, _ in lines)
    for scope, is_hidden in (("read", True), ("read+personal", False)):
        answer = requests.get(
            f"{keyed.address}/analytics/discounts",
            {name: str(value) for name, value in days.items()},
            headers={"X-API-Key": KEYS[scope]},
            timeout=PATIENCE_S,
        ).json()
        sums: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for line, code in lines:
            label = "(codes of fewer than five customers)" if is_hidden and code in few else code
            sums[label].add((line["uniq_id"], line["discount_amount"]))
        expected = {code: sum(Decimal(text) for _, text in of) for code, of in sums.items()}
        assert {
            row["discount_code"]: Decimal(row["discount_amount"]) for row in answer["discounts"]
        } == expected
        assert Decimal(answer["total"]["discount_amount"]) == len({id(line) for line, _ in lines})


def test_the_list_is_that_of_the_contracts() -> None:
    of_events = {
        "visitor_id",
        "user_id",
        "device_id",
        "session_device_id",
        "source_session_id",
        "user_agent",
    }
    of_order_lines = {"order_id", "shared_order_id", "customer_id", "first_name", "last_name"}
    of_order_lines |= {"discount_codes", "order_keys"}
    assert of_events | of_order_lines == PERSONAL_COLUMNS


@each("case", ABOUT_PEOPLE)
def test_a_question_about_single_people_needs_the_scope(keyed: Running, case: str) -> None:
    result = {scope: ask(keyed, scope, ABOUT_PEOPLE[case]) for scope in KEYS}
    assert {scope: response.status_code for scope, response in result.items()} == {
        "read": 403,
        "read+personal": 200,
        "admin": 200,
        "personal": 403,
    }
    refused = result["read"]
    assert refused.headers["content-type"] == "application/problem+json"
    assert (
        refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="personal"'
    )
    assert (
        "is personal data, which a key without the scope 'personal' may not ask about"
        in refused.json()["detail"]
    )
    lines = [json.loads(line) for line in (keyed.home / FILE_NAME).read_text().splitlines()]
    assert {
        "reason": "wrong_scope",
        "caller": "setting:1",
        "path": "/analytics/funnel",
    }.items() <= lines[-2].items()


@each(
    "question, body",
    [
        ("trend", {"series": ["*"], "by": "visitor_id"}),
        ("trend", {"series": ["*"], "where": ["user_agent contains Firefox"]}),
        (
            "trend",
            {"series": [{"event_type": "purchase", "where": [{"any_of": [{"user_id": "u01"}]}]}]},
        ),
        ("retention", {"by": "user_agent"}),
        ("retention", {"start_where": ["visitor_id = u01"]}),
        ("retention", {"returning_where": [{"user_id": "u01"}]}),
        ("experiment", {**EXPERIMENT, "exposure": {"where": ["user_id != u01"]}}),
        (
            "experiment",
            {
                **EXPERIMENT,
                "goal": {"event_type": "purchase", "where": [{"any_of": [{"visitor_id": "u01"}]}]},
            },
        ),
        ("experiment", {**EXPERIMENT, "where": ["user_agent contains Windows"]}),
        (
            "experiment",
            {**EXPERIMENT, "variant": "user_agent", "control": "x", "shares": {"x": 1, "y": 1}},
        ),
        ("correlation", {"funnel": BOUGHT, "properties": ["user_agent"]}),
        ("correlation", {"funnel": {**BOUGHT, "where": ["user_id = u01"]}}),
        ("correlation", {"funnel": BOUGHT, "segment": {"latest": "visitor_id = u01"}}),
    ],
)
def test_so_does_every_other_question(keyed: Running, question: str, body: dict[str, Any]) -> None:
    result = {
        scope: ask(keyed, scope, body, question).status_code for scope in ("read", "read+personal")
    }
    assert result == {"read": 403, "read+personal": 200}


@pytest.mark.slow
def test_a_question_about_many_needs_none(keyed: Running) -> None:
    body = {**FUNNEL, "by": "product_category", "hold": ["product_id"]}
    assert [ask(keyed, scope, body).status_code for scope in ("read", "admin")] == [200, 200]
    assert ask(keyed, "read", {"funnel": BOUGHT}, "correlation").status_code == 200


def test_without_keys_who_is_on_this_machine_may_ask(settings: Settings) -> None:
    with serving(settings, build_app(settings)) as served:
        response = requests.post(
            f"{served.address}/analytics/funnel", json=ABOUT_PEOPLE["by"], timeout=PATIENCE_S
        )
        assert response.status_code == 200
        assert response.json()["breakdown"]


def test_received_rows_behind_a_number_name_nobody_without_the_scope(keyed: Running) -> None:
    path = "/explain/mart/engagement_daily?column=session_count&where=event_date%20%3D%202026-01-10"
    answers = {
        scope: requests.get(
            keyed.address + path, headers={"X-API-Key": KEYS[scope]}, timeout=PATIENCE_S
        ).json()
        for scope in ("read", "read+personal")
    }
    people = {
        scope: {row["user_id"] for row in answer["number"]["down"][0]["received"]["rows"]} - {None}
        for scope, answer in answers.items()
    }
    assert people["read"] == {"•••"}
    assert "•••" not in people["read+personal"]
    assert len(people["read+personal"]) > 1


def test_a_condition_on_a_person_needs_the_scope_where_a_number_is_explained(
    keyed: Running,
) -> None:
    path = "/explain/mart/customer_segments?where=customer_id%20%3D%20u01"
    codes = {
        scope: requests.get(
            keyed.address + path, headers={"X-API-Key": KEYS[scope]}, timeout=PATIENCE_S
        ).status_code
        for scope in ("read", "read+personal")
    }
    assert codes == {"read": 403, "read+personal": 200}
