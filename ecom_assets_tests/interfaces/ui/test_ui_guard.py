"""Dagster's webserver behind its guard: names, pages from elsewhere, WebSockets, and the login.

Not here: the UI itself in a browser, and `ecom ui` (`test_ui.py`).
"""

import http.client
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ecom_assets.cli.ui import dagster_services
from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.ui.guard import ui_access_of
from ecom_assets_tests.command import ecom, environment
from ecom_assets_tests.interfaces.ui.served_ui import Ui, running, served_here
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port

pytestmark = pytest.mark.xdist_group("ui_guard")
VERSION = {"query": "{version}"}
EVERYWHERE = "0.0.0.0"  # noqa: S104 (that is the question)


@pytest.fixture(scope="module")
def local_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """One that listens on loopback, with a name that a proxy asks it by."""
    with served_here(
        tmp_path_factory.mktemp("here") / "home", "127.0.0.1", ui_hosts=("ui.shop.example",)
    ) as ui:
        yield ui


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """One that listens everywhere, where an admin key is held."""
    home = tmp_path_factory.mktemp("beyond") / "home"
    KeyFile(home).create("first", (Scope.READ,))
    with served_here(home, EVERYWHERE) as ui:
        yield ui


# On this machine


def test_this_machine_is_answered_by_its_own_names_and_those_that_are_set(local_ui: Ui) -> None:
    names = [local_ui.own, f"localhost:{local_ui.port}", "ui.shop.example", "UI.shop.example:443"]
    assert [local_ui.ask("GET", "/", Host=name) for name in names] == [200] * 4
    others = [
        "evil.example",
        f"evil.example:{local_ui.port}",
        "127.0.0.1.evil.example",
        "shop.example",
        "",
    ]
    assert [local_ui.ask("GET", "/", Host=name) for name in others] == [421] * 5
    assert local_ui.answer("POST", "/graphql", VERSION, Host="evil.example").status_code == 421


def test_a_request_that_names_two_hosts_is_refused(local_ui: Ui) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", local_ui.port, timeout=10)
    connection.putrequest("GET", "/", skip_host=True)
    for name in (local_ui.own, "evil.example"):
        connection.putheader("Host", name)
    connection.endheaders()
    assert connection.getresponse().status in {400, 421}
    connection.close()


def test_a_page_from_elsewhere_may_not_ask(local_ui: Ui) -> None:
    origins = [
        "https://evil.example",
        "null",
        f"http://localhost:{local_ui.port}",
        "http://127.0.0.1:8000",
        "http://127.0.0.1",
        "x",
    ]
    assert [
        local_ui.answer("POST", "/graphql", VERSION, Origin=origin).status_code
        for origin in origins
    ] == [403] * 6
    assert (
        local_ui.ask(
            "OPTIONS",
            "/graphql",
            Origin="https://evil.example",
            Access_Control_Request_Method="POST",
        )
        == 403
    )
    refused = local_ui.answer("POST", "/graphql", VERSION, Origin="https://evil.example")
    assert refused.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in refused.headers


def test_an_image_or_a_frame_of_a_page_from_elsewhere_gets_nothing_and_a_link_does(
    local_ui: Ui,
) -> None:
    def reported(site: str, mode: str) -> int:
        return local_ui.ask("GET", "/runs", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)

    assert [
        reported("cross-site", "no-cors"),
        reported("same-site", "cors"),
        reported("cross-site", "websocket"),
    ] == [403] * 3
    assert [
        reported("same-origin", "cors"),
        reported("none", "navigate"),
        reported("cross-site", "navigate"),
    ] == [200] * 3
    assert local_ui.answer("GET", "/runs").headers["x-frame-options"] == "SAMEORIGIN"


def test_the_ui_s_own_pages_ask(local_ui: Ui) -> None:
    for origin, host in (
        (f"http://{local_ui.own}", local_ui.own),
        ("https://ui.shop.example", "ui.shop.example"),
        ("https://ui.shop.example", "ui.shop.example:443"),
        (f"http://localhost:{local_ui.port}", f"localhost:{local_ui.port}"),
    ):
        result = local_ui.answer("POST", "/graphql", VERSION, Origin=origin, Host=host)
        assert (result.status_code, result.json()["data"]) == (200, {"version": "1.13.27"})


def test_a_program_of_this_machine_asks_without_an_origin(local_ui: Ui) -> None:
    assert local_ui.answer("POST", "/graphql", VERSION).json()["data"]["version"]


def test_a_get_runs_no_query(local_ui: Ui) -> None:
    delete = "/graphql?query=mutation{deletePipelineRun(runId:%22x%22){__typename}}"
    refused = local_ui.answer("GET", delete)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert "GraphiQL" in local_ui.answer("GET", "/graphql", None, Accept="text/html").text, (
        "the page to try queries stays"
    )


def test_subscriptions_are_for_the_ui_s_own_pages(local_ui: Ui) -> None:
    assert local_ui.subscribed(f"http://{local_ui.own}") == 101
    assert local_ui.subscribed(None) == 101, "a program of this machine"
    assert [
        local_ui.subscribed(origin)
        for origin in ("https://evil.example", "http://127.0.0.1:8000", "null")
    ] == [403] * 3


# Beyond this machine


def logged_in(ui: Ui, key: str) -> requests.Response:
    return requests.post(
        f"http://{ui.own}/login", {"key": key}, timeout=PATIENCE_S, allow_redirects=False
    )


def test_beyond_this_machine_it_starts_only_with_a_key_or_a_proxy(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(
        UsageError, match=r"would be open to everybody who reaches 0\.0\.0\.0; make a key"
    ):
        ui_access_of(EVERYWHERE, settings)
    assert ui_access_of("127.0.0.1", settings).credentials is None
    assert ui_access_of("::1", settings).credentials is None
    assert (
        ui_access_of(EVERYWHERE, settings.model_copy(update={"ui_login": "proxy"})).credentials
        is None
    )
    KeyFile(tmp_path).create("first", (Scope.READ,))
    assert ui_access_of(EVERYWHERE, settings).credentials is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    "host", [EVERYWHERE, *(pytest.param(host, marks=pytest.mark.slow) for host in ("::", ""))]
)
def test_both_commands_refuse_an_open_door_in_a_sentence(home: Path, host: str) -> None:
    home.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "ecom_assets.interfaces.ui.webserver",
        "-h",
        host,
        "--empty-workspace",
    ]
    env = environment(home, {"DAGSTER_HOME": str(home)})
    done = subprocess.run(
        command, env=env, cwd=home, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    result = ecom("ui", "--host", host, "--port", str(free_port()), home=home)
    assert [done.returncode, result.exit_code] == [2, 2]
    for text in (done.stderr.splitlines()[-1], result.sentence):
        assert "Dagster's UI would be open to everybody who reaches" in text
        assert "ecom api-key create --name NAME --scope admin" in text


def test_beyond_this_machine_nothing_is_shown_without_a_login(beyond: Ui) -> None:
    page = beyond.answer("GET", "/", None, Accept="text/html")
    assert (page.status_code, page.headers["cache-control"]) == (401, "no-store")
    assert 'action="/login"' in page.text
    reported = [
        beyond.ask("GET", path)
        for path in ("/", "/logs/x", "/graphql", "/favicon.png", "/download_debug/x")
    ]
    assert reported == [401] * 5
    assert (
        beyond.answer("POST", "/graphql", VERSION).headers["www-authenticate"].startswith("Bearer")
    )
    assert beyond.subscribed(f"http://{beyond.own}") == 403
    assert beyond.ask("GET", "/server_info", Host="any.example") == 200, "what balancers ask"


def test_an_admin_key_logs_in_until_it_is_revoked(beyond: Ui) -> None:
    made, key = KeyFile(beyond.home).create("ann", (Scope.ADMIN,))
    entered = logged_in(beyond, key)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
    assert key not in cookie
    session = cookie.partition(";")[0]
    assert beyond.ask("GET", "/", Cookie=session) == 200
    assert beyond.answer(
        "POST", "/graphql", VERSION, Cookie=session, Origin=f"http://{beyond.own}"
    ).ok
    assert (
        beyond.answer(
            "POST", "/graphql", VERSION, Cookie=session, Origin="https://evil.example"
        ).status_code
        == 403
    )
    assert beyond.subscribed(f"http://{beyond.own}", Cookie=session) == 101
    assert beyond.answer("POST", "/graphql", VERSION, Authorization=f"Bearer {key}").ok, (
        "as scripts do"
    )
    KeyFile(beyond.home).revoke(made.key_id)
    assert beyond.ask("GET", "/", Cookie=session) == 401
    assert beyond.subscribed(f"http://{beyond.own}", Cookie=session) == 403


def test_logging_out_ends_the_session_for_every_copy_of_its_cookie(beyond: Ui) -> None:
    _, key = KeyFile(beyond.home).create("out", (Scope.ADMIN,))
    cookie = logged_in(beyond, key).headers["set-cookie"].partition(";")[0]
    page = beyond.answer("GET", "/logout", Cookie=cookie, Accept="text/html")
    assert (page.status_code, 'method="post" action="/logout"' in page.text) == (200, True)
    assert beyond.ask("GET", "/", Cookie=cookie) == 200, "a link logs nobody out"
    assert beyond.ask("POST", "/logout", Cookie=cookie, Origin="https://evil.example") == 403
    assert beyond.ask("POST", "/logout", Cookie=cookie) == 303
    assert beyond.ask("GET", "/", Cookie=cookie) == 401


def test_another_key_or_a_made_up_session_does_not(beyond: Ui) -> None:
    _, reading = KeyFile(beyond.home).create("reader", (Scope.READ, Scope.PERSONAL, Scope.COLLECT))
    for key in (reading, "", "wrong", "x" * 50_000):
        refused = logged_in(beyond, key)
        assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    assert [
        beyond.ask("GET", "/", Cookie=cookie)
        for cookie in ("ecom_ui=", "ecom_ui=x", 'ecom_ui="', "a=b")
    ] == [401] * 4
    assert beyond.ask("GET", "/", Authorization=f"Bearer {reading}") == 401
    log = (beyond.home.parent / "webserver.log").read_text()
    assert "tried to log in without an admin key" in log
    assert reading not in log


def test_a_login_from_a_page_of_elsewhere_is_refused(beyond: Ui) -> None:
    _, key = KeyFile(beyond.home).create("ann", (Scope.ADMIN,))
    posted = requests.post(
        f"http://{beyond.own}/login",
        {"key": key},
        headers={"Origin": "https://evil.example"},
        timeout=PATIENCE_S,
    )
    assert posted.status_code == 403


@pytest.mark.slow
def test_an_address_that_guesses_is_stopped(home: Path) -> None:
    _, key = KeyFile(home).create("ann", (Scope.ADMIN,))
    with running(home, EVERYWHERE, ECOM_RATE_LIMIT_ADDRESS="5/hour") as ui:
        assert [logged_in(ui, f"guess-{n}").status_code for n in range(7)] == [401] * 5 + [429] * 2
        assert ui.ask("GET", "/", Authorization=f"Bearer {key}") == 200, (
            "who holds a key is not kept out by it"
        )


@pytest.mark.slow
def test_behind_a_proxy_with_a_login_names_and_pages_are_still_looked_at(home: Path) -> None:
    with running(home, EVERYWHERE, ECOM_UI_LOGIN="proxy", ECOM_UI_HOSTS="ui.shop.example") as ui:
        assert [
            ui.ask("GET", "/", Host=name) for name in ("ui.shop.example", ui.own, "evil.example")
        ] == [
            200,
            200,
            421,
        ]
        own = {"Host": "ui.shop.example", "Origin": "https://ui.shop.example"}
        assert ui.answer("POST", "/graphql", VERSION, **own).ok
        assert (
            ui.answer(
                "POST", "/graphql", VERSION, **{**own, "Origin": "https://evil.example"}
            ).status_code
            == 403
        )


# What Dagster may change


@pytest.mark.slow
def test_a_dagster_that_starts_its_ui_otherwise_is_not_served_unguarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dagster_webserver import cli  # noqa: PLC0415 (2 s, for this test alone)

    from ecom_assets.interfaces.ui import webserver  # noqa: PLC0415 (as above)

    monkeypatch.delattr(cli, webserver.SERVES)
    with pytest.raises(RuntimeError, match=re.escape("has to be fitted again")):
        webserver.main()


def test_ecom_ui_starts_the_guarded_webserver(tmp_path: Path) -> None:
    services = dagster_services("127.0.0.1", 3000, tmp_path, "dagster.log")
    modules = [word for service in services for word in service.command if "webserver" in word]
    assert modules == ["ecom_assets.interfaces.ui.webserver"]
