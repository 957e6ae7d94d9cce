"""What no browser sends to Dagster's UI: the guard refuses it or lets it through,
and never fails.
"""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.ui.guard import UiGuard, ui_access_of
from ecom_assets_tests.hypothesis_settings import examples

KEY = "an-admin-key-of-the-test"
HEADERS = ("host", "origin", "cookie", "authorization", "accept", "sec-fetch-site", "content-type")
VALUES = st.one_of(
    st.sampled_from(
        [
            b"[::1",
            b"http://[",
            b"http://[::1",
            b"https://x:y",
            b"ecom_ui=a.\xfc",
            b"Bearer \xff",
            b"text/html",
        ]
    ),
    st.binary(max_size=20).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0")),
)


@pytest.fixture(scope="module", params=["here", "beyond"])
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A guard on loopback, and one with a login, before an application that answers everything."""
    settings = Settings(home=tmp_path_factory.mktemp("ui"), api_keys=f"admin:{KEY}")
    host = "127.0.0.1" if request.param == "here" else "0.0.0.0"  # noqa: S104 (that needs the login)
    everything = Starlette(
        routes=[Route("/{path:path}", lambda _: PlainTextResponse("in"), methods=["GET", "POST"])]
    )
    with TestClient(
        UiGuard(everything, ui_access_of(host, settings)), raise_server_exceptions=False
    ) as client:
        yield client


@given(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/", "/login", "/graphql", "/graphql?query=x", "/\u00e9"]),
    st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=4),
    st.binary(max_size=60),
)
@example(method="GET", path="/", headers={"origin": b"http://[", "host": b"127.0.0.1"}, body=b"")
@example(method="POST", path="/login", headers={"host": b"[::1"}, body=f"key={KEY}".encode())
@example(
    method="POST",
    path="/login",
    headers={"cookie": b"ecom_ui=\xfc"},
    body=b"key=\xff&key=" + b"&" * 2_000,
)
@examples(300)
def test_any_request(
    guarded: TestClient, method: str, path: str, headers: dict[str, bytes], body: bytes
) -> None:
    sent = {name.encode(): value for name, value in headers.items()}
    response = guarded.request(method, path, headers=sent, content=body, follow_redirects=False)
    assert response.status_code < 500, response.text
    if response.status_code in {403, 405, 421, 429}:
        assert response.json()["detail"]
