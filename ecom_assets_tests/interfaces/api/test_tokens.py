"""JSON Web Tokens: valid ones, those that are over, for others, from others,
or signed by another algorithm.
"""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.interfaces.api.auth.access import credentials_of
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.served import Running, running
from ecom_assets_tests.patience import wait_until

SECRET = "a-secret-of-more-than-32-characters"  # noqa: S105 (of this test alone)
ISSUER = "https://login.shop.example"
SALES = "/analytics/sales"


def claims(**changed: Any) -> dict[str, Any]:
    answer = {
        "iss": ISSUER,
        "aud": "ecom_assets",
        "sub": "ann",
        "scope": "openid read",
        "exp": time.time() + 600,
    }
    return {name: value for name, value in {**answer, **changed}.items() if value is not None}


def token(secret: Any = SECRET, algorithm: str = "HS256", kid: str = "", **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    rates: Any = {"rate_limit_key": "none", "rate_limit_address": "none"}
    with running(
        tmp_path_factory.mktemp("tokens"), jwt_secret=SECRET, jwt_issuer=ISSUER, **rates
    ) as actual:
        yield actual


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_valid_token_reads_and_is_logged_by_its_subject(served: Running) -> None:
    bearer = token()
    assert served.get(SALES, bearer).status_code == 200
    wait_until(
        lambda: '"caller": "token:ann"' in served.log.getvalue()
    )  # the answer goes out first
    assert bearer.rpartition(".")[2] not in served.log.getvalue()


@each("scope", ["read", "x read y", ["read"], "admin"])
def test_scopes_come_as_words_or_as_a_list(served: Running, scope: object) -> None:
    assert served.get(SALES, token(scope=scope)).status_code == 200


@each(
    "scope",
    [None, "", "reader", "READ", "collect", 7, {"read": True}, [["read"]], [[]], [{}, None]],
)
def test_a_token_without_the_scope_may_not_read(served: Running, scope: object) -> None:
    assert served.get(SALES, token(scope=scope)).status_code == 403


@each(
    "changed",
    [
        {"exp": time.time() - 60},
        {"exp": None},
        {"nbf": time.time() + 86_400},  # tests may run long after they were collected
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
    ],
)
def test_a_token_that_is_over_or_not_for_us_is_refused(
    served: Running, changed: dict[str, Any]
) -> None:
    assert served.get(SALES, token(**changed)).status_code == 401


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["read", "ann"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["iss", "aud", "sub", "scope", "exp", "nbf", "iat", "jti", "kid", "crit", "b64"]
)


@given(
    changed=st.dictionaries(NAMES, JSON, min_size=1, max_size=3),
    head=st.dictionaries(NAMES, JSON, max_size=2),
)
@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@example(changed={"scope": [["read"]]}, head={})
@example(changed={"exp": float("inf")}, head={})
@example(changed={"exp": [1]}, head={})
@example(changed={"sub": ["ann"]}, head={})
@example(changed={"sub": "ann\r\nx: y\ud800"}, head={})
@example(changed={"aud": {"ecom_assets": 1}}, head={"kid": ["one"]})
def test_no_token_ends_in_a_failure(
    served: Running, changed: dict[str, Any], head: dict[str, Any]
) -> None:
    given_token = signed({"alg": "HS256", "typ": "JWT", **head}, {**claims(), **changed})
    assert served.get(SALES, given_token).status_code in {200, 401, 403}


@given(parts=st.lists(JSON | st.text(max_size=60), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@example(parts=[{"alg": "HS256"}, "[" * 3_000, "x"])
@example(parts=["[" * 3_000, {}, "x"])
def test_no_token_of_odd_parts_ends_in_a_failure(served: Running, parts: list[Any]) -> None:
    texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
    odd = ".".join(
        base64.urlsafe_b64encode(text.encode("utf-8", "replace")).decode().rstrip("=")
        for text in texts
    )
    assert served.get(SALES, odd).status_code == 401


def signed(head: dict[str, Any], answer: dict[str, Any]) -> str:
    """Return a token that our own secret signs, with claims that PyJWT itself would not write."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
        for document in (head, answer)
    ]
    signature = hmac.digest(SECRET.encode(), ".".join(parts).encode(), "sha256")
    return ".".join([*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")])


def test_clocks_may_differ_by_half_a_minute(served: Running) -> None:
    assert served.get(SALES, token(exp=time.time() - 20)).status_code == 200


def test_what_a_token_says_of_its_algorithm_decides_nothing(served: Running) -> None:
    def part(answer: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(answer).encode()).decode().rstrip("=")

    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."
    tampered = token().split(".")
    tampered[1] = part(claims(scope="admin"))
    forged = [
        unsigned,
        ".".join(tampered),
        token("another-secret-of-more-than-32-chars"),
        token(2 * SECRET, "HS512"),
    ]
    assert [served.get(SALES, bearer).status_code for bearer in forged] == [401] * 4


def test_a_public_key_verifies_and_is_no_secret(
    tmp_path: Path, private_key: rsa.RSAPrivateKey
) -> None:
    path = tmp_path / "public.pem"
    path.write_bytes(pem(private_key))
    with running(tmp_path, jwt_public_key_path=path, jwt_issuer=ISSUER) as served:
        assert served.get(SALES, token(private_key, "RS256")).status_code == 200
        # PyJWT refuses to sign like this, so the forger does it by hand.
        head, answer, _ = token().split(".")
        signature = hmac.digest(pem(private_key), f"{head}.{answer}".encode(), "sha256")
        forged = f"{head}.{answer}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        assert served.get(SALES, forged).status_code == 401


@contextmanager
def key_set(keys: dict[str, rsa.RSAPrivateKey]) -> Iterator[tuple[str, list[str]]]:
    """Serve the public keys as a key set; return its address and what was requested."""
    values: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            values.append(self.path)
            answer = [
                json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
                | {"kid": kid, "use": "sig"}
                for kid, key in keys.items()
            ]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": answer}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/keys", values
        server.shutdown()


def test_keys_of_a_key_set_come_and_unknown_ones_flood_nobody(
    tmp_path: Path, private_key: rsa.RSAPrivateKey
) -> None:
    with (
        key_set({"one": private_key}) as (url, question),
        running(tmp_path, jwt_jwks_url=url, jwt_issuer=ISSUER) as served,
    ):
        tokens = [token(private_key, "RS256", kid) for kid in ("one", "one", "two", "three")]
        answer = [served.get(SALES, bearer).status_code for bearer in tokens]
        assert answer == [200, 200, 401, 401]
        assert len(question) == 1
        assert served.get(SALES, token(private_key, "RS256")).status_code == 401, "without a key id"


def test_a_key_set_that_cannot_be_reached_lets_nobody_in(
    tmp_path: Path, private_key: rsa.RSAPrivateKey
) -> None:
    with running(tmp_path, jwt_jwks_url="http://127.0.0.1:9/keys", jwt_issuer=ISSUER) as served:
        assert served.get(SALES, token(private_key, "RS256", "one")).status_code == 401


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        (
            {"JWT_SECRET": "short", "JWT_ISSUER": ISSUER},
            "ECOM_JWT_SECRET=.* is shorter than 32 bytes",
        ),
        ({"JWT_SECRET": SECRET, "JWT_ALGORITHM": "HS512"}, "takes a secret of at least 64 bytes"),
        ({"JWT_SECRET": SECRET}, "ECOM_JWT_ISSUER must be set"),
        (
            {"JWT_SECRET": SECRET, "JWT_ISSUER": ISSUER, "JWT_ALGORITHM": "RS256"},
            "ECOM_JWT_ALGORITHM='RS256' is wrong",
        ),
        ({"JWT_SECRET": SECRET, "JWT_PUBLIC_KEY_PATH": "k.pem"}, "tokens are verified already"),
        (
            {"JWT_PUBLIC_KEY_PATH": "missing.pem", "JWT_ISSUER": ISSUER},
            "missing.pem is not a public key",
        ),
        ({"JWT_JWKS_URL": "http://login.shop.example/keys"}, "is not an https:// address"),
        (
            {"JWT_JWKS_URL": "https://a/k", "JWT_ISSUER": ISSUER, "JWT_ALGORITHM": "HS256"},
            "does not go with the key",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(f"ECOM_{name}", value)
    with pytest.raises(SettingError, match=why) as refused:
        credentials_of(load_settings(home=tmp_path))
    assert SECRET not in str(refused.value)
    assert "short" not in str(refused.value).replace("shorter", "")


def test_without_settings_nothing_of_tokens_is_loaded(tmp_path: Path) -> None:
    assert credentials_of(Settings(home=tmp_path)).tokens is None
