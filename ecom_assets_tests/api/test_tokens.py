"""JSON Web Tokens: valid ones, those that are over, for others, from others, or signed by another algorithm."""

import base64
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

from ecom_assets.api.front import credentials_of
from ecom_assets.errors import SettingError
from ecom_assets.settings import Settings, load_settings
from ecom_assets_tests.api.served import Running, running, wait_until

SECRET = "a-secret-of-more-than-32-characters"  # noqa: S105 (of this test alone)
ISSUER = "https://login.shop.example"
SALES = "/analytics/sales"


def claims(**changed: Any) -> dict[str, Any]:
    told = {"iss": ISSUER, "aud": "ecom_assets", "sub": "ann", "scope": "openid read", "exp": time.time() + 600}
    return {name: value for name, value in {**told, **changed}.items() if value is not None}


def token(secret: Any = SECRET, algorithm: str = "HS256", kid: str = "", **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("tokens"), jwt_secret=SECRET, jwt_issuer=ISSUER) as found:
        yield found


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_valid_token_reads_and_is_logged_by_its_subject(served: Running) -> None:
    given = token()
    assert served.get(SALES, given).status_code == 200
    wait_until(lambda: '"caller": "token:ann"' in served.log.getvalue())  # the answer goes out first
    assert given.rpartition(".")[2] not in served.log.getvalue()


@pytest.mark.parametrize("scope", ["read", "x read y", ["read"], "admin"])
def test_scopes_come_as_words_or_as_a_list(served: Running, scope: object) -> None:
    assert served.get(SALES, token(scope=scope)).status_code == 200


@pytest.mark.parametrize("scope", [None, "", "reader", "READ", "collect", 7, {"read": True}])
def test_a_token_without_the_scope_may_not_read(served: Running, scope: object) -> None:
    assert served.get(SALES, token(scope=scope)).status_code == 403


@pytest.mark.parametrize(
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
    ],
    ids=["over", "never over", "not yet", "another's", "nobody's", "for another", "for nobody", "of nobody"],
)
def test_a_token_that_is_over_or_not_for_us_is_refused(served: Running, changed: dict[str, Any]) -> None:
    assert served.get(SALES, token(**changed)).status_code == 401


def test_clocks_may_differ_by_half_a_minute(served: Running) -> None:
    assert served.get(SALES, token(exp=time.time() - 20)).status_code == 200


def test_what_a_token_says_of_its_algorithm_decides_nothing(served: Running) -> None:
    def part(told: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")

    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."
    tampered = token().split(".")
    tampered[1] = part(claims(scope="admin"))
    forged = [unsigned, ".".join(tampered), token("another-secret-of-more-than-32-chars"), token(2 * SECRET, "HS512")]
    assert [served.get(SALES, one).status_code for one in forged] == [401] * 4


def test_a_public_key_verifies_and_is_no_secret(tmp_path: Path, private_key: rsa.RSAPrivateKey) -> None:
    path = tmp_path / "public.pem"
    path.write_bytes(pem(private_key))
    with running(tmp_path, jwt_public_key_path=path, jwt_issuer=ISSUER) as served:
        assert served.get(SALES, token(private_key, "RS256")).status_code == 200
        # PyJWT refuses to sign like this, so the forger does it by hand.
        head, told, _ = token().split(".")
        import hmac  # noqa: PLC0415 (of the forger)

        signature = hmac.digest(pem(private_key), f"{head}.{told}".encode(), "sha256")
        forged = f"{head}.{told}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        assert served.get(SALES, forged).status_code == 401


@contextmanager
def key_set(keys: dict[str, rsa.RSAPrivateKey]) -> Iterator[tuple[str, list[str]]]:
    """Serve the public keys as a key set; tell its address and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            told = [
                json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"}
                for kid, key in keys.items()
            ]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": told}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/keys", asked
        server.shutdown()


def test_keys_of_a_key_set_come_and_unknown_ones_do_not_flood_its_server(
    tmp_path: Path, private_key: rsa.RSAPrivateKey
) -> None:
    with (
        key_set({"one": private_key}) as (url, asked),
        running(tmp_path, jwt_jwks_url=url, jwt_issuer=ISSUER) as served,
    ):
        given = [token(private_key, "RS256", kid) for kid in ("one", "one", "two", "three")]
        told = [served.get(SALES, one).status_code for one in given]
        assert told == [200, 200, 401, 401]
        assert len(asked) == 1
        assert served.get(SALES, token(private_key, "RS256")).status_code == 401, "without a key id"


def test_a_key_set_that_cannot_be_reached_lets_nobody_in(tmp_path: Path, private_key: rsa.RSAPrivateKey) -> None:
    with running(tmp_path, jwt_jwks_url="http://127.0.0.1:9/keys", jwt_issuer=ISSUER) as served:
        assert served.get(SALES, token(private_key, "RS256", "one")).status_code == 401


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"JWT_SECRET": "short", "JWT_ISSUER": ISSUER}, "ECOM_JWT_SECRET=.* is wrong: is shorter than 32 bytes"),
        ({"JWT_SECRET": SECRET, "JWT_ALGORITHM": "HS512"}, "takes a secret of at least 64 bytes"),
        ({"JWT_SECRET": SECRET}, "ECOM_JWT_ISSUER must be set"),
        ({"JWT_SECRET": SECRET, "JWT_ISSUER": ISSUER, "JWT_ALGORITHM": "RS256"}, "ECOM_JWT_ALGORITHM='RS256' is wrong"),
        ({"JWT_SECRET": SECRET, "JWT_PUBLIC_KEY_PATH": "k.pem"}, "tokens are verified already"),
        ({"JWT_PUBLIC_KEY_PATH": "missing.pem", "JWT_ISSUER": ISSUER}, "missing.pem is no public key"),
        ({"JWT_JWKS_URL": "http://login.shop.example/keys"}, "is no https:// address"),
        ({"JWT_JWKS_URL": "https://a/k", "JWT_ISSUER": ISSUER, "JWT_ALGORITHM": "HS256"}, "does not go with the key"),
    ],
)
def test_settings_that_do_not_fit_are_refused_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in given.items():
        monkeypatch.setenv(f"ECOM_{name}", value)
    with pytest.raises(SettingError, match=why) as refused:
        credentials_of(load_settings(home=tmp_path))
    assert SECRET not in str(refused.value)
    assert "short" not in str(refused.value).replace("shorter", "")


def test_without_settings_nothing_of_tokens_is_loaded(tmp_path: Path) -> None:
    assert credentials_of(Settings(home=tmp_path)).tokens is None
