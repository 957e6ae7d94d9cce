"""Alerts on profit: made and seen with the scope `costs`, and mailed to those only who may see it.

In the second week a hat is sold and another comes back: 0.50 is left, of 15 before (see the shop).
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.boards.model import Board, BoardMail, NumberAlert
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.report.board_mail import send_board
from ecom_assets.interfaces.watching.causes import causes
from ecom_assets.interfaces.watching.rule import findings
from ecom_assets.interfaces.watching.watch import back_test, watch, watched
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.profit_shop import GROUP, profit_shop_home
from ecom_assets_tests.interfaces.watching.test_watch import webhook
from ecom_assets_tests.mail_server import mail_server
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = [pytest.mark.xdist_group(GROUP), pytest.mark.slow]
OWNER, ANN = "owner@shop.example", "ann@shop.example"
LOSS: dict[str, Any] = {
    "name": "Loss",
    "measure": "gross_profit_amount",
    "every": "week",
    "when": "below",
    "limit": 1,
    "description": "Ask Ben",
    "emails": [OWNER, ANN],
    "is_on": True,
}
KEYS = {"costs": "a-key-that-may-see-costs-too", "read": "a-key-that-reads-revenue-only"}


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The shop, with an empty store of alerts."""
    file = tmp_path_factory.mktemp("margin") / "boards.sqlite"
    keys = f"read+write+costs+personal:{KEYS['costs']},read+write+personal:{KEYS['read']}"
    return Settings(
        home=profit_shop_home(tmp_path_factory.getbasetemp()),
        boards_url=SecretStr(f"sqlite://{file}"),
        api_keys=SecretStr(keys),
        adhoc_timeout_s=300,
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """The API and the dashboard over the shop."""
    with served(build_dashboard_stack(settings)) as running:  # type: ignore[arg-type]
        yield running


def of(key: str) -> dict[str, str]:
    return {"X-API-Key": KEYS[key]}


def alert(**fields: object) -> NumberAlert:
    return NumberAlert.from_mapping(LOSS | fields)


@pytest.mark.parametrize(
    ("measure", "values"),
    [
        ("gross_profit_amount", {18: 15.0, 27: 8.0, 29: -7.5, 31: None}),
        ("gross_margin_rate", {18: 15 / 35, 27: 0.4, 29: None, 31: None}),
        ("cost_coverage_rate", {18: 1.0, 27: 1.0, 29: None, 31: 0.0}),
    ],
)
def test_profit_is_watched_by_the_day(
    settings: Settings, measure: str, values: dict[int, float | None]
) -> None:
    points = back_test(settings, alert(measure=measure, every="day")).points
    by_day = {point.starts_at.day: point.value for point in points if point.starts_at.month == 5}
    assert {day: by_day[day] for day in values} == pytest.approx(values, abs=1e-6)


def test_profit_is_watched_by_the_week(settings: Settings) -> None:
    test = back_test(settings, alert())
    assert [(point.day.day, point.value) for point in test.points][-2:] == [(18, 15.0), (25, 0.5)]


def test_only_keys_with_costs_make_and_see_it(api: Api) -> None:
    address = f"{api.address}/v1/saved/alerts"
    refused = requests.post(address, json=LOSS, headers=of("read"), timeout=PATIENCE_S)
    assert refused.status_code == 403
    assert "asks about costs" in refused.json()["detail"]
    made = requests.post(address, json=LOSS, headers=of("costs"), timeout=PATIENCE_S)
    assert made.status_code == 201, made.text
    seen = api.get("/v1/saved/alerts/loss", of("costs")).json()
    assert seen["content"]["limit"] == 1
    withheld = api.get("/v1/saved/alerts/loss", of("read")).json()
    assert withheld["is_withheld"]
    assert not {"limit", "description"} & withheld["content"].keys()
    for key, status in (("costs", 200), ("read", 403)):
        assert api.get("/dashboard/alert", of(key), alert="loss").status_code == status
    lists = {key: api.get("/dashboard/alerts", of(key)).text for key in KEYS}
    assert "Gross margin" in lists["costs"], "it can be chosen"
    assert "Gross margin" not in lists["read"]
    assert "alert=loss" in lists["costs"]
    assert "alert=loss" not in lists["read"]
    assert "And 1 that watch costs" in lists["read"]


def test_an_incident_is_mailed_to_those_only_who_may_see_costs(
    settings: Settings, api: Api
) -> None:
    BoardStore(settings).save_new(alert(), "anna")
    with mail_server() as mailbox:
        url = SecretStr(f"smtp://127.0.0.1:{mailbox.port}")
        mailed = settings.model_copy(update={"smtp_url": url, "costs_email": (OWNER.upper(),)})
        outcome = watch(mailed)
    assert outcome.failures == []
    (message,) = mailbox.messages
    assert message["To"] == OWNER
    assert message["Subject"] == "[ecom] Loss: 0.50"
    assert any(f"but not {ANN}, as ECOM_COSTS_EMAIL lacks them" in line for line in outcome.lines)
    pages = {key: api.get("/dashboard/alerts", of(key)).text for key in KEYS}
    assert "0.50" in pages["costs"]
    assert "0.50" not in pages["read"]


def test_an_alert_that_nobody_may_get_says_so(settings: Settings) -> None:
    BoardStore(settings).save_new(alert(), "anna")
    with mail_server() as mailbox:
        url = SecretStr(f"smtp://127.0.0.1:{mailbox.port}")
        outcome = watch(settings.model_copy(update={"smtp_url": url}))
    assert not mailbox.messages
    (failure,) = outcome.failures
    assert "ECOM_COSTS_EMAIL has none of the recipients" in failure


def test_an_incident_is_posted_to_those_webhooks_only_that_may_get_costs(
    settings: Settings,
) -> None:
    BoardStore(settings).save_new(alert(emails=[], webhooks=["owners", "team"]), "anna")
    with webhook() as (url, received):
        hooks = {"webhooks": SecretStr(f"owners={url}, team={url}")}
        outcome = watch(settings.model_copy(update={**hooks, "costs_webhooks": ("owners",)}))
        assert [message["value"] for message in received] == ["0.50"]
        assert any("Posted to owners" in line for line in outcome.lines)
        (failure,) = outcome.failures
        assert "ECOM_COSTS_WEBHOOKS lacks 'team'" in failure


def test_a_board_is_mailed_with_profit_to_those_only_who_may_see_costs(settings: Settings) -> None:
    tiles = [{"measure": name, "show": "number"} for name in ("gross_profit_amount", "order_count")]
    days = {"time_range": "custom", "start_date": "2026-05-18", "end_date": "2026-05-31"}
    board = Board.from_mapping({"name": "Money", "tiles": tiles, **days})
    store = BoardStore(settings)
    slug = store.save_new(board, "anna").slug
    mail = store.save_new(BoardMail(board=slug, emails=(OWNER, ANN)), "anna")
    with mail_server() as mailbox:
        url = SecretStr(f"smtp://127.0.0.1:{mailbox.port}")
        changes = {"smtp_url": url, "costs_email": (OWNER,)}
        line = send_board(settings.model_copy(update=changes), mail.slug, datetime.now(UTC))
    assert line == f"Sent the board 'money' to {OWNER}, {ANN}, with costs to {OWNER}."
    html = {}
    for message in mailbox.messages:
        body = message.get_body(("html",))
        assert body is not None
        html[message["To"]] = body.get_content()
    assert {to: "15.50" in text for to, text in html.items()} == {OWNER: True, ANN: False}
    assert all("Orders" in text for text in html.values())


def test_what_an_incident_says_of_its_causes_adds_up(settings: Settings) -> None:
    """In the second week profit is 14.50 lower, all of it in one category."""
    falls = alert(when="falls", limit=0.1, compared_with="period_before")
    with closing(open_store(settings)) as store, store.reading() as reading:
        metric = watched(settings, falls, reading)
        *_, finding = findings(falls, metric.points(), metric.shown)
        named = {(cause.by, cause.value): cause.change for cause in causes(metric, finding)}
    assert named[("category", "head")] == pytest.approx(-14.5)
