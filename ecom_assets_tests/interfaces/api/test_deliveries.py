"""Deliveries and requests over HTTP: a real one to a scripted tool;
dead letters are sent again by the next run.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.api.served import serving
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop
from ecom_assets_tests.outputs.delivery.test_exports import event
from ecom_assets_tests.patience import PATIENCE_S

MONDAY = date(2026, 2, 2)
TUESDAY = MONDAY + timedelta(days=1)
UNLIKED = DeliveryResult(DeliveryState.REJECTED, "bad_value", "No such currency.")
PATH = "/analytics/deliveries"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[DeliveredShop]:
    """Two days: four events on Monday, one of which cannot go and one that the tool refuses,
    and one on Tuesday.
    """
    opened = DeliveredShop(tmp_path)
    opened.tool.answers = {"m2": UNLIKED}
    opened.land(
        [
            *(event(f"m{n}", MONDAY) for n in (1, 2, 3)),
            event("m4", MONDAY, "bad"),
            event("t1", TUESDAY),
        ]
    )
    opened.land_orders({MONDAY: 0, TUESDAY: 0})
    yield opened
    opened.close()


@pytest.fixture
def api(settings: Settings, shop: DeliveredShop) -> Iterator[Api]:
    ledger = f"sqlite://{shop.settings.home / 'ledger.sqlite'}"
    with served(
        build_app(settings.model_copy(update={"ledger_url": type(settings.ledger_url)(ledger)}))
    ) as answer:
        yield answer


def test_each_day_of_a_destination_says_what_became_of_its_records(
    api: Api, shop: DeliveredShop
) -> None:
    shop.deliver(Days((MONDAY,)))
    answer = api.json(PATH, start_date=MONDAY, end_date=TUESDAY)
    nothing = dict.fromkeys(
        ("unacknowledged_count", "in_doubt_count", "pending_count", "changed_count"), 0
    )
    monday = {
        "due_count": 4,
        "accepted_count": 2,
        "rejected_count": 1,
        "refused_count": 1,
        **nothing,
    }
    assert answer["totals"] == monday
    (row,) = answer["deliveries"]
    assert {name: row[name] for name in monday} == monday
    assert (row["reconciled_date"], row["destination"]) == ("2026-02-02", shop.tool.name)
    shop.deliver(Days((TUESDAY,)))
    again = api.get(PATH, start_date=MONDAY, end_date=TUESDAY)
    assert again.json()["totals"] == {**monday, "due_count": 5, "accepted_count": 3}, (
        "at once, without a publication"
    )
    assert (again.headers["cache-control"], "etag" in again.headers) == ("no-store", False)


@pytest.mark.slow
def test_a_page_a_day_and_a_destination_can_be_asked_for(api: Api, shop: DeliveredShop) -> None:
    shop.deliver(Days((MONDAY, TUESDAY)))
    page = api.json(PATH, limit=1, offset=1)
    assert (
        page["total_count"],
        [delivery["reconciled_date"] for delivery in page["deliveries"]],
    ) == (
        2,
        ["2026-02-03"],
    )
    assert page["totals"]["due_count"] == 5, "of all rows"
    assert api.json(PATH, start_date=TUESDAY, end_date=TUESDAY)["totals"]["due_count"] == 1
    assert api.json(PATH, destination="heap_users")["total_count"] == 0
    beyond = api.json(PATH, start_date="2099-01-01", end_date="2099-01-31")
    assert (beyond["range"]["data"], beyond["total_count"], {*beyond["totals"].values()}) == (
        "none",
        None,
        {None},
    )


def test_no_one_s_record_is_named(api: Api, shop: DeliveredShop) -> None:
    shop.deliver(Days((MONDAY,)))
    assert "m2" not in api.get(PATH, start_date=MONDAY, end_date=TUESDAY).text


def test_without_a_ledger_it_says_what_would_make_one(settings: Settings) -> None:
    with served(build_app(settings)) as answer:
        result = answer.get(PATH)
    assert (result.status_code, result.headers["content-type"]) == (409, "application/problem+json")
    assert result.json()["detail"].startswith(
        "There is no ledger of deliveries here; set a tool's key"
    )


DEAD, RETRIES, RELEASES = "/operations/dead-letters", "/operations/retries", "/operations/releases"
DAYS = {"start_date": str(MONDAY), "end_date": str(TUESDAY)}
KEYS = {
    scope: f"a-key-with-the-scopes-{scope}" for scope in ("read", "read+write", "read+personal")
}


@pytest.fixture
def due_shop(tmp_path: Path) -> Iterator[DeliveredShop]:
    """Two days: of Monday's events the tool refuses m2 and m3 cannot go; Tuesday's go."""
    opened = DeliveredShop(tmp_path)
    opened.tool.answers = {"m2": UNLIKED}
    opened.land(
        [event("m1", MONDAY), event("m2", MONDAY), event("m3", MONDAY, "bad"), event("t1", TUESDAY)]
    )
    opened.land_orders({MONDAY: 0, TUESDAY: 0})
    opened.deliver(Days((MONDAY, TUESDAY)))
    yield opened
    opened.close()


@pytest.fixture
def over(settings: Settings, due_shop: DeliveredShop) -> Settings:
    """The settings of an API over the small shop with this shop's ledger,
    which leaves requests in its home.
    """
    ledger = type(settings.ledger_url)(f"sqlite://{due_shop.settings.home / 'ledger.sqlite'}")
    return settings.model_copy(update={"ledger_url": ledger})


@pytest.fixture
def answer(over: Settings, due_shop: DeliveredShop) -> Iterator[Api]:
    app = build_app(over)
    home = due_shop.settings.home  # where the runs of this shop look for requests
    app.state.settings = over.model_copy(update={"home": home})
    with served(app) as api:
        yield api


def groups(api: Api) -> dict[str, Any]:
    return {letter["reason"]: letter for letter in api.json(DEAD, **DAYS)["dead_letters"]}


@pytest.mark.slow
def test_dead_letters_are_reported_by_reason_and_sent_again_by_the_next_run(
    answer: Api, due_shop: DeliveredShop
) -> None:
    before = groups(answer)
    assert {reason: (row["record_count"], row["can_retry"]) for reason, row in before.items()} == {
        "bad_value": (1, True),
        "bad_name": (1, False),
    }
    assert before["bad_value"]["examples"] == [f"m2@{MONDAY}"]
    result = answer.post(RETRIES, {"destination": due_shop.tool.name, **DAYS})
    assert result.status_code == 202, result.text
    assert (result.json()["first_day"], result.json()["last_day"]) == (str(MONDAY), str(MONDAY)), (
        "the days of what is dead"
    )
    assert groups(answer) == before, "nothing is sent yet"

    due_shop.tool.answers = {}
    due_shop.deliver(Days((TUESDAY,)))
    assert groups(answer) == before, "a run over other days leaves it waiting"
    again = due_shop.deliver(Days((MONDAY, TUESDAY)))
    assert (again.total.sent, again.total.delivered) == (1, 1)
    assert set(groups(answer)) == {"bad_name"}
    [request] = answer.json("/operations/requests")["requests"]
    assert (request["is_taken"], request["run_id"], request["kind"]) == (True, "run-1", "retry")
    refused = answer.post(RETRIES, {"destination": due_shop.tool.name, **DAYS})
    assert refused.status_code == 422
    assert "has refused no record of 2026-02-02 to 2026-02-03" in refused.json()["detail"]


def test_a_request_needs_the_scope_and_comes_from_no_other_site(
    over: Settings, due_shop: DeliveredShop
) -> None:
    keys = ",".join(f"{scope}:{key}" for scope, key in KEYS.items())
    keyed_settings = over.model_copy(
        update={"api_keys": type(over.api_keys)(keys), "home": due_shop.settings.home}
    )
    app = build_app(over)
    app.state.settings = keyed_settings
    body = {"destination": due_shop.tool.name, **DAYS}
    with serving(keyed_settings, app) as keyed:

        def ask(scope: str, **headers: str) -> int:
            reported = {"X-API-Key": KEYS[scope], **headers}
            return requests.post(
                keyed.address + RETRIES, json=body, headers=reported, timeout=PATIENCE_S
            ).status_code

        assert [ask("read"), ask("read+personal"), ask("read+write")] == [403, 403, 202]
        assert ask("read+write", Origin="https://elsewhere.example") == 403
        assert ask("read+write", Origin=keyed.address) == 202
        hidden = requests.get(
            keyed.address + DEAD, DAYS, headers={"X-API-Key": KEYS["read"]}, timeout=PATIENCE_S
        ).json()
        assert {
            (letter["words"], tuple(letter["examples"])) for letter in hidden["dead_letters"]
        } == {("•••", ())}


@pytest.mark.slow
def test_a_day_that_is_not_held_is_not_released(answer: Api) -> None:
    result = answer.post(RELEASES, {"day": str(MONDAY)})
    assert result.status_code == 422
    assert result.json()["detail"] == (
        "2026-02-02 is not held for orders, so there is nothing to release; held are: none."
    )
