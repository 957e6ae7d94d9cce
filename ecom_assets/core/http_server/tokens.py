"""JSON Web Tokens: the callers of tokens that the settings trust.

A token must name its issuer, audience, expiry and subject, and be signed with the configured
algorithm: it cannot choose another one (RFC 8725, 3.1). Its claim `scope` (RFC 8693, 4.2) can
contain other scopes besides ours.
"""

import asyncio
import time
from pathlib import Path
from typing import Any, cast

from ecom_assets.core.errors import SettingError
from ecom_assets.core.http.retry import ResponseBounds, bounded_session
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.settings import Settings

LEEWAY_S = 30
"""The seconds by which clocks may differ."""
KEY_SET_LIFETIME_S = 300
LEAST_BETWEEN_FETCHES_S = 10
"""A token with an unknown key id causes a new fetch of the key set,
but only after this many seconds.
"""
KEY_SET = ResponseBounds(5.0, most_mb=1.0)
"""How long a key set may take, and how large it may be."""


class TokenReader:
    """Verifies tokens with the settings `ECOM_JWT_…`."""

    def __init__(self, settings: Settings) -> None:
        """Read the key that verifies tokens.

        Raises:
            SettingError: The issuer is not set, or the key cannot be read.
        """
        with packages_of("jwt", "A JSON Web Token"):
            import jwt  # noqa: PLC0415 (needed only if tokens are used)
        self._jwt = jwt
        if not settings.jwt_issuer:
            raise SettingError(
                "ECOM_JWT_ISSUER must be set where tokens are used; set it to the `iss` of your "
                "tokens."
            )
        self._settings = settings
        secret = settings.jwt_secret.get_secret_value()
        self._algorithm = settings.jwt_algorithm or ("HS256" if secret else "RS256")
        self._key: Any = secret or _public_key(settings.jwt_public_key_path)
        self._key_set = _KeySet(settings.jwt_jwks_url) if settings.jwt_jwks_url else None

    @staticmethod
    def are_used(settings: Settings) -> bool:
        """Return whether the settings name a secret, a public key or a key set for tokens."""
        configured = (
            settings.jwt_secret.get_secret_value(),
            settings.jwt_public_key_path,
            settings.jwt_jwks_url,
        )
        return any(map(bool, configured))

    async def find(self, token: str) -> Caller | None:
        """Return the caller that a token identifies; None if it is not valid, for any reason."""
        try:
            key: Any = self._key if self._key_set is None else await self._key_set.key_of(token)
            claims = self._jwt.decode(
                token,
                key,
                algorithms=[self._algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except Exception:  # noqa: BLE001 (whatever fails, the token is not valid)
            return None
        return Caller(f"token:{claims['sub']}", _scopes(claims)) if claims["sub"] else None


class _KeySet:
    """The public keys at a URL, fetched in a thread and kept for `KEY_SET_LIFETIME_S` seconds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, Any] = {}
        self._fetched_at = -float("inf")
        self._lock = asyncio.Lock()

    async def key_of(self, token: str) -> object:
        import jwt  # noqa: PLC0415 (as above)

        key_id = jwt.get_unverified_header(token).get("kid", "")
        async with self._lock:
            age = time.monotonic() - self._fetched_at
            if age > KEY_SET_LIFETIME_S or (
                key_id not in self._keys and age > LEAST_BETWEEN_FETCHES_S
            ):
                self._fetched_at = time.monotonic()
                self._keys = await asyncio.to_thread(self._fetched)
        if key_id not in self._keys:
            raise jwt.PyJWKClientError("no such key")
        return cast("object", self._keys[key_id])

    def _fetched(self) -> dict[str, Any]:
        """Return the keys that sign tokens, by their id."""
        import jwt  # noqa: PLC0415 (as above)

        with bounded_session(KEY_SET) as session:
            answer = session.get(self._url, timeout=KEY_SET.most_s, allow_redirects=False)
        answer.raise_for_status()
        keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        return {
            key.key_id: key.key
            for key in keys
            if key.key_id and key.public_key_use in {"sig", None}
        }


def _scopes(claims: dict[str, Any]) -> frozenset[Scope]:
    scope = claims.get("scope", "")
    names = scope.split() if isinstance(scope, str) else scope if isinstance(scope, list) else []
    return frozenset(Scope(name) for name in names if isinstance(name, str) and name in set(Scope))


def _public_key(path: Path | None) -> object:
    if path is None:
        return None
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 (comes with jwt)

    try:
        return load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingError(
            f"ECOM_JWT_PUBLIC_KEY_PATH={path} is not a public key in PEM "
            f"({type(error).__name__}); name another file."
        ) from error
