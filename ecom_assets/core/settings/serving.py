"""The settings of the HTTP API: its answers, and who may ask how much."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from ecom_assets.core.settings.constants import SettingsPart
from ecom_assets.core.settings.subjects import ByCommas


class AnswerSettings(SettingsPart):
    """What `Settings` has for answers of the HTTP API."""

    adhoc_most_events: int = Field(
        50_000_000,
        ge=1,
        description="Maximum number of events that an ad-hoc question of the HTTP API may read",
    )
    adhoc_timeout_s: float = Field(
        20.0, gt=0, description="Seconds that an ad-hoc question of the HTTP API may take"
    )
    adhoc_at_once: int = Field(
        2,
        ge=1,
        le=64,
        description=(
            "Maximum number of concurrent ad-hoc questions of the HTTP API, each in a "
            "process of its own; from 2 on one caller runs at most one fewer"
        ),
    )


SHORTEST_SECRETS = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Bytes: a shorter secret is weaker than the hash (RFC 7518, 3.2)."""
JwtAlgorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"
]
NO_LIMIT = "none"
_THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
_RATE = re.compile(r"[1-9]\d*/(second|minute|hour|day)")


def _is_rate(value: str) -> str:
    if value != NO_LIMIT and not _RATE.fullmatch(value):
        raise ValueError("is not a rate, such as 600/minute or 20/second, and not `none`")
    return value


Rate = Annotated[str, AfterValidator(_is_rate)]
"""So many in a time, or `none`."""


def _are_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise ValueError(
                "is not an address or network, such as 10.0.0.5 or 10.0.0.0/8"
            ) from error
    return value


Networks = Annotated[ByCommas, AfterValidator(_are_networks)]
"""Addresses or networks, by commas."""


class ServingSettings(SettingsPart):
    """What `Settings` has for the API that `ecom api` serves."""

    api_host: str = Field(
        "127.0.0.1",
        description=(
            "Address that the API listens on; keys are required unless it listens on loopback only"
        ),
    )
    api_port: int = Field(8000, ge=1, le=65535, description="Port that the API listens on")
    api_keys: SecretStr = Field(
        SecretStr(""),
        description=(
            "API keys beside those of `ecom api-key create`, as SCOPES:KEY by commas, such as "
            "read+collect:KEY"
        ),
    )
    api_trusted_proxies: Networks = Field(
        (), description="Addresses of proxies whose X-Forwarded-For names the client, by commas"
    )
    api_cors_origins: ByCommas = Field(
        (),
        description=(
            "Web origins whose pages may call the API from a browser, by commas; default none"
        ),
    )
    api_timeout_s: float = Field(
        30.0, gt=0, description="Seconds that a response, or the next block of one, may take"
    )
    api_fresh_hours: float = Field(
        48.0, gt=0, description="Hours after which the published data are no longer fresh"
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description=(
            "Redis that caches responses for several API processes: redis://:password@host:6379/0"
        ),
    )
    rate_limit_key: Rate = Field(
        "1200/minute", description="Rate limit per API key or token; `none` for no limit"
    )
    rate_limit_address: Rate = Field(
        "600/minute",
        description="Rate limit per client address, with or without a key; `none` for no limit",
    )
    jwt_secret: SecretStr = Field(
        SecretStr(""), description="Secret that JSON Web Tokens are signed with, HS256…HS512"
    )
    jwt_public_key_path: Path | None = Field(
        None, description="PEM file of the public key that verifies tokens"
    )
    jwt_jwks_url: str = Field(
        "", description="Address of the JSON Web Key Set that verifies tokens"
    )
    jwt_algorithm: JwtAlgorithm | None = Field(
        None,
        description=(
            "The accepted algorithm of tokens; default HS256 with a secret, RS256 with a key"
        ),
    )
    jwt_audience: str = Field("ecom_assets", description="Audience (`aud`) that tokens must have")
    jwt_issuer: str = Field(
        "", description="Issuer (`iss`) that tokens must have; required if tokens are used"
    )
    ui_login: Literal["keys", "proxy"] = Field(
        "keys",
        description=(
            "Who lets people into Dagster's UI beyond loopback: `keys`, API keys of scope "
            "admin, or `proxy`, a proxy in front that has a login"
        ),
    )
    ui_hosts: ByCommas = Field(
        (),
        description=(
            "Host names under which Dagster's UI is reached, besides those of this machine, "
            "by commas"
        ),
    )
    otel_endpoint: str = Field(
        "", description="OTLP/HTTP address that traces of requests go to; needs the extra otel"
    )

    @field_validator("jwt_secret")
    @classmethod
    def _long_secret(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < SHORTEST_SECRETS["HS256"]:
            raise ValueError(f"is shorter than {SHORTEST_SECRETS['HS256']} bytes")
        return value

    @field_validator("jwt_public_key_path", "jwt_jwks_url")
    @classmethod
    def _one_way_to_verify(cls, value: object, info: ValidationInfo) -> object:
        secret = info.data.get("jwt_secret")
        other_ways = [
            bool(secret and secret.get_secret_value()),
            bool(info.data.get("jwt_public_key_path")),
        ]
        if value and any(other_ways):
            raise ValueError("tokens are verified already, by another ECOM_JWT_… setting")
        return value

    @field_validator("jwt_algorithm")
    @classmethod
    def _fits_the_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A public key must never be taken for the secret of an HMAC.
        has_key = bool(info.data.get("jwt_public_key_path") or info.data.get("jwt_jwks_url"))
        if value and has_key == (value in SHORTEST_SECRETS):
            raise ValueError(
                "does not go with the key; HS… takes ECOM_JWT_SECRET, all others a public key"
            )
        secret = info.data.get("jwt_secret", SecretStr("")).get_secret_value()
        if secret and len(secret.encode()) < SHORTEST_SECRETS.get(value or "HS256", 0):
            raise ValueError(
                f"takes a secret of at least {SHORTEST_SECRETS[value or 'HS256']} bytes"
            )
        return value

    @field_validator("jwt_jwks_url")
    @classmethod
    def _over_tls(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE)
        ):
            raise ValueError("is not an https:// address")
        return value
