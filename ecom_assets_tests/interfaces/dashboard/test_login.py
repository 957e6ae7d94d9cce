"""Keys, sessions and forms of the dashboard: who sees pages, whose forms are taken."""

import os
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from fastapi import FastAPI
from starlette.routing import Route

from ecom_assets.core.errors import WorkError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile, hash_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_stack
from ecom_assets.interfaces.dashboard import sessions
from ecom_assets.interfaces.dashboard.app import (
    build_dashboard_app,
    build_dashboard_stack,
    own_address,
    perform,
)
from ecom_assets.interfaces.dashboard.page import Action, ActionRequest, all_pages
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.patience import PATIENCE_S

KEY = "a-key-that-only-reads-numbers"
ADMIN = "a-key-that-may-do-everything"
DIGITS = f"{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}-_"
"""Of base64; the last two bits of a signature's last digit mean nothing."""


@pytest.fixture(scope="module")
def kept(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same shop with two keys in the setting, and files of keys in a home of its own."""
    home = tmp_path_factory.mktemp("kept")
    (home / "serving").symlink_to(settings.home / "serving")
    keys = type(settings.api_keys)(f"{KEY},admin:{ADMIN}")
    return settings.model_copy(update={"home": home, "api_keys": keys})


@pytest.fixture(scope="module")
def address(kept: Settings) -> Iterator[str]:
    """The dashboard behind keys, with an action that every page may have."""
    app = build_dashboard_app(kept)
    _add_action(app)
    stack = build_stack(
        kept,
        app,
        before_guard=lambda inner, credentials: sessions.SessionLogin(
            inner, credentials, kept.home
        ),
    )
    with served(stack) as answer:  # type: ignore[arg-type]  # any ASGI application
        yield answer.address


def _add_action(app: FastAPI) -> None:
    def double(sent: ActionRequest) -> str:
        if sent.form["day"] == "broken":
            raise WorkError("This day cannot be released; look at /secret/path.")
        return f"{sent.form['day']} is released by {sent.caller}."

    action = Action("release", double)
    page = replace(all_pages()[0], path="", actions=(action,))
    dashboard = app.router.routes[-1].app  # type: ignore[attr-defined]  # the mount
    dashboard.router.routes.append(Route("/release", perform(page, action), methods=["POST"]))


@pytest.fixture
def client(address: str) -> Client:
    """A browser that nobody has logged in with."""
    return Client(address)


def log_in(
    client: Client, key: str, target: str = "/dashboard/?time_range=week", **headers: str
) -> requests.Response:
    return client.session.post(
        f"{client.address}/dashboard/login",
        {"key": key, "next": target},
        headers=headers,
        timeout=PATIENCE_S,
        allow_redirects=False,
    )


def token_in(client: Client) -> str:
    actual = re.search(r'name="token" value="([\w-]+)"', client.get("/dashboard/").text)
    assert actual
    return actual[1]


def release(client: Client, day: str, token: str, **headers: str) -> requests.Response:
    return client.session.post(
        f"{client.address}/dashboard/release",
        {"day": day, "token": token},
        headers=headers,
        timeout=PATIENCE_S,
        allow_redirects=False,
    )


@pytest.mark.slow
def test_a_page_without_a_login_leads_to_it_and_back(client: Client) -> None:
    refused = client.get("/dashboard/?time_range=week")
    assert refused.status_code == 303
    assert (
        refused.headers["location"] == "/dashboard/login?next=%2Fdashboard%2F%3Ftime_range%3Dweek"
    )
    form = read(client.get(refused.headers["location"]).text).one("form", class_="login")
    assert form.one("input", name="next").attributes["value"] == "/dashboard/?time_range=week"
    entered = log_in(client, KEY)
    assert (entered.status_code, entered.headers["location"]) == (
        303,
        "/dashboard/?time_range=week",
    )
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert KEY not in cookie
    assert client.get("/dashboard/").status_code == 200
    assert client.get("/analytics/sales?format=csv").status_code == 200, "so that links to CSV work"


def test_files_of_the_login_page_are_open_and_numbers_are_not(client: Client) -> None:
    page = read(client.get("/dashboard/login").text)
    assert page.all("nav") == [], "what pages there are is said to those who are logged in"
    files = [element.attributes["href"] for element in page.all("link")] + [
        script.attributes["src"] for script in page.all("script")
    ]
    assert [client.get(file).status_code for file in files] == [200] * len(files)
    assert client.get("/analytics/sales").status_code == 401


@pytest.mark.parametrize("key", ["", "wrong", "x" * 10_000])
def test_a_wrong_key_is_refused_without_a_cookie(client: Client, key: str) -> None:
    refused = log_in(client, key)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


def test_forged_cookies_and_logins_from_elsewhere_are_refused(client: Client) -> None:
    assert log_in(client, KEY, Origin="https://evil.example").status_code == 401
    value = log_in(client, KEY).headers["set-cookie"].partition("=")[2].partition(";")[0]
    payload, _, mark = value.partition(".")
    admin = sessions.signed_values(b"another secret", "session").dumps(
        ["setting:2", hash_of(hash_of(ADMIN)), "x"]
    )
    of_admin = admin.partition(".")[0]
    for forged in (
        admin,
        f"{of_admin}.{mark}",
        f"{payload}.{'0' * 64}",
        payload,
        "",
        "ä.ö",
        f"{payload}x.{mark}",
    ):
        response = requests.get(
            f"{client.address}/dashboard/",
            headers={"Cookie": f"{sessions.COOKIE}={forged}".encode()},
            timeout=PATIENCE_S,
            allow_redirects=False,
        )
        assert response.status_code == 303, forged


def test_a_session_ends_when_its_key_is_revoked(client: Client, kept: Settings) -> None:
    keys = KeyFile(kept.home)
    made, key = keys.create("ann", (Scope.READ,))
    log_in(client, key)
    assert client.get("/dashboard/").status_code == 200
    keys.revoke(made.key_id)
    assert client.get("/dashboard/").status_code == 303


def test_logging_out_needs_the_token_of_the_page(client: Client) -> None:
    log_in(client, KEY)

    def log_out(**form: str) -> int:
        answer = client.session.post(
            f"{client.address}/dashboard/logout", form, timeout=PATIENCE_S, allow_redirects=False
        )
        return answer.status_code

    assert (log_out(), log_out(token=token_in(client))) == (403, 303)
    assert client.get("/dashboard/").status_code == 303


def test_a_copied_cookie_lets_nobody_in_after_logging_out_and_after_a_restart(
    client: Client, address: str, kept: Settings
) -> None:
    other = Client(address)
    log_in(other, KEY)
    log_in(client, KEY)
    copied = client.session.cookies[sessions.COOKIE] or ""
    client.session.post(
        f"{address}/dashboard/logout", {"token": token_in(client)}, timeout=PATIENCE_S
    )
    thief = Client(address)
    other_bits = f"{copied[:-1]}{DIGITS[DIGITS.index(copied[-1]) ^ 1]}"
    for cookie in (other_bits, copied):
        thief.session.cookies.set(sessions.COOKIE, cookie)
        assert (
            thief.get("/dashboard/").status_code,
            thief.get("/analytics/sales").status_code,
        ) == (303, 401)
    assert other.get("/dashboard/").status_code == 200, "another login with the same key goes on"
    with served(build_dashboard_stack(kept)) as again:  # type: ignore[arg-type]  # any ASGI application
        assert replace(thief, address=again.address).get("/dashboard/").status_code == 303
    ended = kept.home / sessions.ENDED_FOLDER
    assert {path.stat().st_mode & 0o777 for path in ended.iterdir()} == {0o600}


def test_what_is_over_anyway_is_forgotten(client: Client, kept: Settings) -> None:
    ended = kept.home / sessions.ENDED_FOLDER
    ended.mkdir(exist_ok=True)
    old = ended / "of yesterday"
    old.touch()
    os.utime(old, (0, 0))
    log_in(client, KEY)
    client.session.post(
        f"{client.address}/dashboard/logout", {"token": token_in(client)}, timeout=PATIENCE_S
    )
    assert not old.exists()


@pytest.mark.slow
def test_an_action_says_what_it_did_on_the_next_page_once(client: Client) -> None:
    log_in(client, ADMIN)
    assert release(client, "2026-01-03", token_in(client)).headers["location"] == "/dashboard/"
    assert (
        "2026-01-03 is released by setting:2."
        in read(client.get("/dashboard/").text).one("main").text
    )
    assert "is released" not in client.get("/dashboard/").text
    release(client, "broken", token_in(client))
    reported = read(client.get("/dashboard/").text).one("p", class_="notice").text
    assert "/secret/path" not in reported, "what names files of the server is for the log"


def test_an_action_needs_its_scope_the_token_and_our_own_page(client: Client) -> None:
    log_in(client, KEY)
    assert release(client, "2026-01-03", token_in(client)).status_code == 403
    reader = token_in(client)
    log_in(client, ADMIN)
    assert release(client, "2026-01-03", reader).status_code == 403, "the token of another session"
    assert release(client, "2026-01-03", "").status_code == 403
    mine = token_in(client)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert release(client, "2026-01-03", mine, **headers).status_code == 403
    assert release(client, "2026-01-03", mine, Origin=client.address).status_code == 303


def test_a_cookie_sends_no_questions_but_those_of_pages(client: Client) -> None:
    log_in(client, ADMIN)
    posted = client.session.post(
        f"{client.address}/analytics/funnel", json={"steps": ["a", "b"]}, timeout=PATIENCE_S
    )
    assert posted.status_code == 401


@each(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/dashboard//evil.example",
        "/docs",
        "/dashboard/\\evil",
        "",
    ],
)
def test_a_login_leads_to_pages_of_the_dashboard_only(address: str) -> None:
    assert own_address(address) == "/dashboard/"


@pytest.mark.slow
def test_without_keys_nobody_has_to_log_in(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "serving").symlink_to(settings.home / "serving")
    stack = build_dashboard_stack(settings.model_copy(update={"home": tmp_path}))
    with served(stack) as answer:  # type: ignore[arg-type]  # any ASGI application
        client = Client(answer.address)
        assert client.get("/dashboard/").status_code == 200
        assert client.get("/dashboard/login").headers["location"] == "/dashboard/"
        assert "Log out" not in client.get("/dashboard/").text
    secret = tmp_path / sessions.SECRET_FILE
    assert secret.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_the_shop_s_own_name_stands_at_the_top_once_it_is_said(kept: Settings) -> None:
    named = kept.model_copy(update={"shop_name": "Lampen & <Söhne>"})
    app = build_dashboard_app(named)
    stack = build_stack(
        named,
        app,
        before_guard=lambda inner, credentials: sessions.SessionLogin(
            inner, credentials, named.home
        ),
    )
    with served(stack) as answer:  # type: ignore[arg-type]  # any ASGI application
        page = requests.get(f"{answer.address}/dashboard/login", timeout=PATIENCE_S).text
    assert "· Lampen &amp; &lt;Söhne&gt;</title>" in page
