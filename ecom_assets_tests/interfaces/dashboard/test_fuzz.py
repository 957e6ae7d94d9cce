"""What no honest client sends: no answer is an error of the server,
and every refusal says what is wrong.

A problem document of the API, a page of the dashboard. Requests go through all that `ecom api` has
in front of both.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets_tests.hypothesis_settings import examples

KEY, SECRET = "a-key-that-may-read-all", "a-secret-of-more-than-thirty-two-bytes"
COOKIES = ("ecom_said", "ecom_dashboard", "ecom_ui", "other")
HEADERS = (
    "authorization",
    "x-api-key",
    "if-none-match",
    "accept-encoding",
    "accept",
    "content-type",
    "origin",
    "host",
    "x-request-id",
    "traceparent",
    "sec-fetch-site",
    "cookie",
    "x-forwarded-for",
    "range",
)
PATHS = (
    "/",
    "/health",
    "/analytics/sales",
    "/analytics/products/top",
    "/v1/analytics/conversion",
    "/explain/mart/sessions",
    "/dashboard/",
    "/dashboard/login",
    "/dashboard/products",
    "/dashboard/funnel",
    "/dashboard/why",
    "/nothing",
)
PARAMETERS = (
    "time_range",
    "start_date",
    "limit",
    "offset",
    "format",
    "explain",
    "where",
    "column",
    "step1",
    "table",
    "x",
)
QUESTIONS = (
    "/analytics/funnel",
    "/analytics/trend",
    "/analytics/retention",
    "/analytics/sessions",
    "/explain/mart/x",
)
KINDS = (
    "application/json",
    "application/json; charset=utf-7",
    "text/plain",
    "multipart/form-data; boundary=",
    "x",
)
RAW = st.binary(max_size=30).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0"))
WORDS = st.sampled_from(
    [
        "a.\u00fc",
        "..",
        "=",
        "%",
        "%ff",
        "Bearer",
        "a.b.c",
        "\ud7ff",
        "[::1",
        "http://[",
        'W/"',
        "gzip;q=x",
        "-1",
        "9" * 400,
        "0001-01-01",
        "9999-12-31",
        "NaN",
        "\u0000",
        "[" * 900,
        "[" * 3_900,
        "{" * 2_000,
    ]
)
TEXT = st.one_of(WORDS, st.text(max_size=20))
VALUES = st.one_of(
    TEXT.map(lambda text: text.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b"")),
    RAW,
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.sampled_from(["page_view", "7d", "\ud800"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inside: st.one_of(
        st.lists(inside, max_size=4),
        st.dictionaries(
            st.sampled_from(["column", "operator", "value", "any_of", "all_of", "did", "a.b"]),
            inside,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
NAMES = (
    "steps",
    "series",
    "where",
    "segment",
    "within",
    "by",
    "limit",
    "timezone",
    "exclude",
    "time_range",
    "per",
    "preset",
)


@pytest.fixture(scope="module")
def attacked(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API and the dashboard behind keys and tokens, without rates."""
    home = tmp_path_factory.mktemp("attacked")
    (home / "serving").symlink_to(settings.home / "serving")
    options = {
        "home": home,
        "api_keys": f"read+personal:{KEY}",
        "jwt_secret": SECRET,
        "jwt_issuer": "issuer",
    }
    limits = {"rate_limit_key": "none", "rate_limit_address": "none"}
    stack = build_dashboard_stack(Settings(**(settings.model_dump() | options | limits)))
    with TestClient(stack, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def check(response: Any) -> None:
    """Check that an answer is none of the server's errors, and that a refusal
    says so in the right format.
    """
    answer = (
        response.request.method,
        str(response.request.url)[:300],
        response.status_code,
        response.text[:300],
    )
    assert response.status_code < 500 or (
        response.status_code == 503 and "retry-after" in response.headers
    ), answer
    if response.status_code >= 400:
        kind = response.headers["content-type"].partition(";")[0]
        assert kind == "application/problem+json" or (
            kind == "text/html" and "<h1" in response.text
        ), answer
    if response.headers.get("content-type") == "application/problem+json":
        assert response.json()["detail"], answer


def sent(headers: dict[str, bytes], *, has_key: bool = False) -> dict[bytes, bytes]:
    """Return headers as they are sent, with a valid key if they are to have one and have none."""
    all_headers = {"x-api-key": KEY.encode(), **headers} if has_key else headers
    return {name.encode(): value for name, value in all_headers.items()}


@pytest.mark.slow
@given(
    path=st.sampled_from(PATHS),
    cookies=st.dictionaries(st.sampled_from(COOKIES), VALUES, max_size=3),
    has_key=st.booleans(),
)
@example(path="/dashboard/", cookies={"ecom_said": b"a.\xfc"}, has_key=True)
@example(path="/dashboard/", cookies={"ecom_dashboard": b"YXw5OTk5OTk5OTk5OQ.\xfc"}, has_key=False)
@examples(300)
def test_any_cookie(
    attacked: TestClient, path: str, cookies: dict[str, bytes], *, has_key: bool
) -> None:
    cookie = b"; ".join(name.encode() + b"=" + value for name, value in cookies.items())
    check(attacked.get(path, headers=sent({"cookie": cookie}, has_key=has_key)))


@pytest.mark.slow
@given(
    path=st.sampled_from(PATHS),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=3),
    has_key=st.booleans(),
)
@example(path="/nothing", headers={"host": b"[::1"}, has_key=True)
@example(path="/dashboard/nothing", headers={"host": b"a]["}, has_key=True)
@examples(300)
def test_any_header(
    attacked: TestClient, path: str, headers: dict[str, bytes], *, has_key: bool
) -> None:
    check(attacked.get(path, headers=sent(headers, has_key=has_key)))


@pytest.mark.slow
@given(st.sampled_from(PATHS), st.lists(st.tuples(st.sampled_from(PARAMETERS), VALUES), max_size=3))
@example("/explain/mart/sessions", [("where", b"[" * 3_900)])
@example("/explain/mart/sessions", [("where", b'[{"any_of":' * 300)])
@example("/dashboard/funnel", [("step1", b"page_view"), ("where", b"page_url matches a++")])
@examples(300)
def test_any_parameter(
    attacked: TestClient, path: str, parameters: list[tuple[str, bytes]]
) -> None:
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in parameters)
    check(attacked.get(f"{path}?{query}", headers={"x-api-key": KEY}))


@pytest.mark.slow
@given(
    st.sampled_from(["/analytics/products/{}", "/explain/{}/{}", "/dashboard/{}", "/{}", "/v1/{}"]),
    RAW,
)
@examples(200)
def test_any_path(attacked: TestClient, path: str, part: bytes) -> None:
    check(attacked.get(path.replace("{}", quote_from_bytes(part)), headers={"x-api-key": KEY}))


@pytest.mark.slow
@given(
    st.sampled_from(QUESTIONS),
    st.sampled_from(KINDS),
    st.one_of(RAW, st.integers(1, 5).map(lambda n: b"[" * 10**n)),
)
@example("/analytics/funnel", KINDS[0], b"[" * 200_000)
@example("/analytics/trend", KINDS[0], b'{"series":' * 90_000)
@example(
    "/analytics/funnel", KINDS[0], b'{"steps":["a"],"where":[' + b"[" * 900 + b"]" * 900 + b"]}"
)
@example(
    "/analytics/funnel",
    KINDS[0],
    b'{"steps":["a"],"segment":' + b'{"not":' * 900 + b"1" + b"}" * 900 + b"}",
)
@examples(200)
def test_any_body(attacked: TestClient, path: str, kind: str, body: bytes) -> None:
    check(attacked.post(path, content=body, headers={"x-api-key": KEY, "content-type": kind}))


@pytest.mark.slow
@given(st.sampled_from(QUESTIONS), st.dictionaries(st.sampled_from(NAMES), TREES, max_size=4))
@example("/analytics/funnel", {"steps": ["a"], "where": ["page_url = \ud800"]})
@example("/analytics/funnel", {"steps": ["a"], "where": ['properties."\ud800" = 1']})
@example("/analytics/funnel", {"steps": [{"event_type": "a", "where": {"page_url": "\ud800"}}]})
@examples(400)
def test_any_question(attacked: TestClient, path: str, body: dict[str, Any]) -> None:
    if path.endswith(("funnel", "trend")):
        body = (
            {"steps": ["page_view"]} | body
            if path.endswith("funnel")
            else {"series": ["page_view"]} | body
        )
    check(
        attacked.post(
            path, content=json.dumps(body), headers={"x-api-key": KEY, "content-type": KINDS[0]}
        )
    )


@given(
    st.sampled_from(["/dashboard/login", "/dashboard/logout", "/dashboard/quality/release"]),
    st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=3),
    st.one_of(
        RAW,
        VALUES.map(lambda value: b"key=" + value),
        VALUES.map(lambda value: b"next=/dashboard/" + value),
    ),
)
@example(path="/dashboard/login", headers={"origin": b"http://["}, body=b"key=x")
@example(
    path="/dashboard/login",
    headers={"host": b"[::1", "cookie": b"ecom_said=.\xfc"},
    body=f"key={KEY}".encode(),
)
@examples(200)
def test_any_form(attacked: TestClient, path: str, headers: dict[str, bytes], body: bytes) -> None:
    check(attacked.post(path, headers=sent(headers), content=body))


PATTERN = st.one_of(st.text(alphabet=r"a0()[]{}|*+?^$\.-:=!<>PpLQE,", max_size=30), TEXT)


@pytest.mark.slow
@given(PATTERN, st.sampled_from(["matches", "not_matches"]))
@example("a++", "matches")
@example("a{0,1000}" * 50, "matches")
@example("(?P<n>a)(?P=n)", "not_matches")
@examples(200)
def test_any_pattern(attacked: TestClient, pattern: str, operator: str) -> None:
    where = [{"column": "page_url", "operator": operator, "value": pattern}]
    body = json.dumps({"steps": ["page_view"], "where": where})
    check(
        attacked.post(
            "/analytics/funnel", content=body, headers={"x-api-key": KEY, "content-type": KINDS[0]}
        )
    )


@given(TREES, TREES, st.sampled_from(["HS256", "none", "RS256", ""]))
@examples(200)
def test_any_token(attacked: TestClient, head: Any, claims: Any, algorithm: str) -> None:
    import base64  # noqa: PLC0415 (here only)

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    header = {"alg": algorithm, "typ": "JWT"} | (head if isinstance(head, dict) else {"kid": head})
    token = f"{part(header)}.{part(claims)}.c2ln"
    check(attacked.get("/analytics/sales", headers={"authorization": f"Bearer {token}"}))
