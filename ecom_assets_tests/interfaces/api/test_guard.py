"""Who may pass: a held key, a revoked one, a wrong scope, no key, too many requests,
and what is noted of denials.
"""

import http.client  # which leaves a path as it is written
import json
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ecom_assets.core.errors import SettingError, UsageError
from ecom_assets.core.http_server.addresses import counted_address
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.interfaces.api.app import build_app, build_stack
from ecom_assets.interfaces.api.auth.guard import FILE_NAME
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.served import (
    HELD,
    Running,
    Shop,
    running,
    serving,
    small_app,
)
from ecom_assets_tests.patience import PATIENCE_S, wait_until

SALES = "/analytics/sales"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API that wants keys: one is held by the setting, others come into its file."""
    with running(tmp_path_factory.mktemp("guarded"), api_keys=f"read:{HELD}") as served:
        yield served


def denials(home: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home / FILE_NAME).read_text().splitlines()]


def test_a_held_key_reads(guarded: Running) -> None:
    assert guarded.get(SALES, HELD).text == "sold 7"
    assert guarded.get(SALES, **{"X-API-Key": HELD}).status_code == 200
    assert guarded.get(SALES, Authorization=f"bearer  {HELD} ").status_code == 200


def test_head_has_what_get_has_but_the_body(guarded: Running) -> None:
    key = {"Authorization": f"Bearer {HELD}"}
    got = requests.get(guarded.address + SALES, headers=key, timeout=PATIENCE_S)
    head = requests.head(guarded.address + SALES, headers=key, timeout=PATIENCE_S)
    assert (got.text, head.status_code, head.content) == ("sold 7", 200, b"")
    of_answer = ("ETag", "Content-Type", "Content-Length")
    assert [head.headers[name] for name in of_answer] == [got.headers[name] for name in of_answer]
    assert requests.head(guarded.address + SALES, timeout=PATIENCE_S).status_code == 401
    # A line is written once the answer has left.
    wait_until(lambda: '"method": "HEAD", "path": "/analytics/sales"' in guarded.log.getvalue())


def test_without_a_key_the_answer_says_how_to_send_one(guarded: Running) -> None:
    answer = guarded.get(SALES)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"] == 'Bearer realm="ecom_assets"'
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "A key is needed: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
        "instance": SALES,
    }


@each(
    "wrong",
    [
        "x",
        HELD[:-1],
        HELD + "x",
        HELD.upper(),
        "ä",
        "x" * 20_000,
        "Bearer",
        f"{HELD},{HELD}",
        "a.b.c",
    ],
)
def test_a_key_that_nobody_holds_is_refused(guarded: Running, wrong: str) -> None:
    assert (
        guarded.get(SALES, Authorization=f"Bearer {wrong}".encode().decode("latin-1")).status_code
        == 401
    )


def test_a_key_made_while_the_api_runs_counts_until_it_is_revoked(guarded: Running) -> None:
    keys = KeyFile(guarded.home)
    made, key = keys.create("analyst", (Scope.READ,))
    assert guarded.get(SALES, key).status_code == 200
    keys.revoke(made.key_id)
    answer = guarded.get(SALES, key)
    assert (answer.status_code, answer.json()["detail"]) == (
        401,
        "This key or token is unknown, revoked or over; ask for a new one.",
    )


def test_a_cached_answer_is_not_given_to_who_may_not_read(guarded: Running) -> None:
    assert guarded.get(SALES, HELD).status_code == 200
    _, collecting = KeyFile(guarded.home).create("tracker", (Scope.COLLECT,))
    assert [guarded.get(SALES, key).status_code for key in ("", collecting)] == [401, 403]


@pytest.mark.parametrize(
    ("scope", "reads", "collects"),
    [(Scope.READ, 200, 403), (Scope.COLLECT, 403, 200), (Scope.ADMIN, 200, 200)],
)
def test_each_scope_may_do_what_it_is_for(
    guarded: Running, scope: Scope, reads: int, collects: int
) -> None:
    _, key = KeyFile(guarded.home).create(scope.value, (scope,))
    assert guarded.get(SALES, key).status_code == reads
    posted = requests.post(
        f"{guarded.address}/collect", b"{}", headers={"X-API-Key": key}, timeout=PATIENCE_S
    )
    assert posted.status_code == collects
    if collects == 403:
        assert (
            posted.headers["www-authenticate"]
            == 'Bearer error="insufficient_scope", scope="collect"'
        )
        assert "no scope 'collect', which /collect needs" in posted.json()["detail"]


@each(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/metrics",
        "/v1/metrics",
        "/nowhere",
        "//docs",
        "/docs/",
        "/health/../analytics/sales",
        "/%2e%2e/health",
        "/analytics/realtime",
        "/v1/v1/health",
    ],
)
def test_every_path_wants_a_key_but_those_that_are_named(guarded: Running, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=PATIENCE_S)
    connection.request("GET", path)
    assert connection.getresponse().status == 401
    connection.close()


def test_health_and_documentation_are_open_to_everybody(guarded: Running) -> None:
    paths = ["/health", "/health/live", "/health/ready", "/docs", "/redoc", "/openapi.json"]
    assert [guarded.get(path).status_code for path in paths] == [200] * 6


def test_only_pages_of_the_set_origins_may_ask_from_a_browser_and_read_refusals(
    tmp_path: Path,
) -> None:
    ours, theirs = {"Origin": "https://shop.example"}, {"Origin": "https://evil.example"}
    with running(
        tmp_path, api_keys=f"read:{HELD}", api_cors_origins="https://shop.example"
    ) as served:
        preflight = {
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "Authorization",
        }
        question = requests.options(
            served.address + SALES, headers=ours | preflight, timeout=PATIENCE_S
        )
        assert (question.status_code, question.headers["access-control-allow-origin"]) == (
            200,
            "https://shop.example",
        )
        assert (
            requests.options(
                served.address + SALES, headers=theirs | preflight, timeout=PATIENCE_S
            ).status_code
            == 400
        )
        for key, status in ((HELD, 200), ("", 401)):
            answer = served.get(SALES, key, **ours)
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (
                status,
                ours["Origin"],
            )
            assert "access-control-allow-origin" not in served.get(SALES, key, **theirs).headers


@pytest.mark.slow
def test_every_documented_path_wants_a_key_of_the_right_scope_or_is_named_as_open(
    tmp_path: Path,
) -> None:
    settings = Settings(
        home=tmp_path, api_keys=f"collect:{HELD}", rate_limit_address="none", rate_limit_key="none"
    )
    with serving(settings, build_app(settings)) as served:
        document = served.get("/openapi.json").json()
        answer = {
            path: [
                requests.request(
                    method, served.address + path, headers=headers, timeout=PATIENCE_S
                ).status_code
                for headers in ({}, {"X-API-Key": HELD})
            ]
            for path, operations in document["paths"].items()
            for method in operations
        }
        closed = {
            path
            for path, operations in document["paths"].items()
            for operation in operations.values()
            if "security" in operation
        }
    is_open = {path for path, codes in answer.items() if 401 not in codes}
    assert {path.removeprefix("/v1") for path in is_open} == {
        "/health",
        "/health/live",
        "/health/ready",
    }
    assert closed == {*answer} - is_open
    assert {path: answer[path] for path in closed} == {path: [401, 403] for path in closed}
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}


def test_a_denial_is_written_down_without_what_was_sent(guarded: Running) -> None:
    before = len(denials(guarded.home))
    answer = guarded.get(f"{SALES}?token=query-secret", "header-secret-header-secret")
    line = denials(guarded.home)[before]
    assert line.pop("at")
    assert line == {
        "request_id": answer.headers["x-request-id"],
        "status": 401,
        "reason": "wrong_key",
        "caller": "",
        "address": "127.0.0.1",
        "method": "GET",
        "path": SALES,
    }
    assert "secret" not in (guarded.home / FILE_NAME).read_text()
    assert stat.S_IMODE((guarded.home / FILE_NAME).stat().st_mode) == 0o600


def test_keys_that_are_lost_while_the_api_runs_let_nobody_in(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        assert served.get(SALES).status_code == 200
        _, key = KeyFile(tmp_path).create("first", (Scope.READ,))
        assert [served.get(SALES).status_code, served.get(SALES, key).status_code] == [401, 200]
        KeyFile(tmp_path).path.unlink()
        assert [served.get(SALES).status_code, served.get(SALES, key).status_code] == [401, 401]


def test_without_keys_this_machine_reads_and_a_page_from_elsewhere_does_not(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        hosts = [
            f"127.0.0.1:{served.port}",
            "localhost",
            "[::1]:8000",
            "evil.example",
            "127.0.0.1.evil.example",
            "",
        ]
        assert [served.get(SALES, Host=host).status_code for host in hosts] == [
            200,
            200,
            200,
            421,
            421,
            421,
        ]


def test_beyond_this_machine_it_does_not_start_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"open to everybody who reaches 0\.0\.0\.0:8000; make a key with"
    ):
        build_stack(Settings(home=tmp_path, api_host="0.0.0.0"), small_app(Shop()))  # noqa: S104 (that is the question)
    KeyFile(tmp_path).create("first", (Scope.READ,))
    stack = build_stack(Settings(home=tmp_path, api_host="0.0.0.0"), small_app(Shop()))  # noqa: S104 (as above)
    stack.audit.close()


def test_doctor_says_that_everybody_could_read(home: Path) -> None:
    result = ecom("doctor", "--json", home=home, env={"ECOM_API_HOST": "0.0.0.0"})  # noqa: S104 (as above)
    assert result.exit_code == 1
    (api,) = [finding for finding in result.json if finding["subject"] == "api"]
    assert api["found"].startswith(
        "The API would be open to everybody who reaches 0.0.0.0:8000; make a key"
    )


def test_one_request_too_many_of_a_key_learns_when_to_come_again(tmp_path: Path) -> None:
    with running(
        tmp_path, api_keys=f"read:{HELD},read:{HELD}2", rate_limit_key="3/minute"
    ) as served:
        answers = [served.get(SALES, HELD) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 50 <= int(answers[3].headers["retry-after"]) <= 60
        assert re.fullmatch(
            r"This key may ask 3 per minute; come again in \d\d s\.", answers[3].json()["detail"]
        )
        assert served.get(SALES, f"{HELD}2").status_code == 200, "another key has a rate of its own"
        assert denials(tmp_path)[-1]["caller"] == "setting:1"


@pytest.mark.slow
def test_after_the_stated_wait_the_key_may_ask_again(tmp_path: Path) -> None:
    with running(tmp_path, api_keys=f"read:{HELD}", rate_limit_key="2/second") as served:
        assert [served.get(SALES, HELD).status_code for _ in range(3)] == [200, 200, 429]
        time.sleep(1.05)
        assert served.get(SALES, HELD).status_code == 200


def test_an_address_that_guesses_keys_is_stopped(tmp_path: Path) -> None:
    with running(tmp_path, api_keys=f"read:{HELD}", rate_limit_address="5/minute") as served:
        assert [served.get(SALES, f"guess{n}").status_code for n in range(7)] == [401] * 5 + [
            429
        ] * 2
        assert served.get(SALES, HELD).status_code == 429
        assert served.get("/health").status_code == 200, (
            "a balancer behind that address must not take us for ill"
        )


def test_without_keys_an_address_has_a_rate_too_and_health_none(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit_address="5/minute") as served:
        assert [served.get("/health/live").status_code for _ in range(9)] == [200] * 9
        assert [served.get(SALES).status_code for _ in range(7)] == [200] * 5 + [429] * 2
        assert [served.get(path).status_code for path in ("/health", "/health/ready")] == [200] * 2
        assert denials(tmp_path)[-1]["reason"] == "too_many_requests"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "x/y"])
def test_no_host_of_a_request_comes_back_in_a_redirect(tmp_path: Path, host: str) -> None:
    settings = Settings(home=tmp_path, api_keys=f"read:{HELD}")
    with serving(settings, build_app(settings)) as served:
        answer = {
            path: requests.get(
                served.address + path,
                headers={"Host": host, "X-API-Key": HELD},
                allow_redirects=False,
                timeout=PATIENCE_S,
            )
            for path in (
                "/v1",
                "/analytics/sales/?time_range=week",
                "/v1/analytics/products/%0d%0aX/",
                "/nowhere/",
            )
        }
    assert [
        (response.status_code, response.headers.get("location")) for response in answer.values()
    ] == [
        (307, "/v1/"),
        (307, "/analytics/sales?time_range=week"),
        (307, "/v1/analytics/products/%0D%0AX"),
        (404, None),
    ]
    assert not [
        name
        for response in answer.values()
        for name, value in response.headers.items()
        if host in value
    ]


def test_a_path_of_two_slashes_leads_to_no_other_host(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with serving(settings, build_app(settings)) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_S)
        connection.request("GET", "//evil.example/analytics/products/p1/")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("location")) == (404, None)
        connection.close()


@each(
    "address, counted",
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no:address", "no:address"),
    ],
)
def test_addresses_of_one_network_of_ipv6_are_counted_together(address: str, counted: str) -> None:
    assert counted_address(address) == counted


@pytest.mark.parametrize("rate", ["600", "many/minute", "0/minute", "5/fortnight", "1.5/second"])
def test_what_is_no_rate_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, rate: str
) -> None:
    monkeypatch.setenv("ECOM_RATE_LIMIT_KEY", rate)
    with pytest.raises(
        SettingError, match=r"ECOM_RATE_LIMIT_KEY='.*' is not a rate, such as 600/minute"
    ):
        load_settings()


def test_a_proxy_names_the_client_only_if_it_is_trusted(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"api_keys": f"read:{HELD}", "rate_limit_address": "2/minute"}
    with running(tmp_path / "a", api_trusted_proxies="127.0.0.1", **keys) as served:
        values = [
            served.get(SALES, HELD, **{"X-Forwarded-For": f"10.0.0.{n}"}).status_code
            for n in range(4)
        ]
        assert values == [200] * 4
    with running(tmp_path / "b", **keys) as served:
        values = [
            served.get(SALES, HELD, **{"X-Forwarded-For": f"10.0.0.{n}"}).status_code
            for n in range(4)
        ]
        assert values == [200, 200, 429, 429]
