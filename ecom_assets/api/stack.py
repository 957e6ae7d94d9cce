"""The middleware in front of the app, from the outside in: log, tracing, CORS, guard, cache, bounds, questions."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.api.adhoc.questions import AdHoc, AdHocQuestions
from ecom_assets.api.auth.callers import document_security
from ecom_assets.api.auth.guard import AuditLog, Credentials, Guard, RateLimits, is_loopback_name
from ecom_assets.api.auth.keys import KeyFile, KeyRing
from ecom_assets.api.auth.tokens import TokenReader
from ecom_assets.api.cache.answers import AnswerCache, AnswersInMemory, RedisAnswers
from ecom_assets.api.middleware.bounds import RequestBounds
from ecom_assets.api.middleware.headers import Head
from ecom_assets.api.middleware.request_log import RequestLog
from ecom_assets.api.middleware.tracing import Tracing, new_tracer_provider
from ecom_assets.errors import UsageError
from ecom_assets.settings.settings import Settings

BeforeGuard = Callable[[ASGIApp, Credentials], ASGIApp]
MB = 1_000_000
CORS_METHODS = ("GET", "POST")
CORS_HEADERS = ("Authorization", "X-API-Key", "X-Request-ID", "Content-Type", "If-None-Match", "traceparent")
CORS_SHOWN = ("ETag", "Retry-After", "X-Request-ID", "X-Total-Count")


@dataclass(frozen=True)
class ApiStack:
    """The app with its middleware: an ASGI application that closes its resources when the app has shut down."""

    inner: ASGIApp
    app: FastAPI
    audit: AuditLog
    redis: RedisAnswers | None
    tracer_provider: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or the startup and shutdown of the app."""
        if scope["type"] != "lifespan":
            await self.inner(scope, receive, send)
            return

        async def ended(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                self.audit.close()
                if self.redis is not None:
                    await self.redis.close()
                if self.tracer_provider is not None:
                    await asyncio.to_thread(self.tracer_provider.shutdown)  # sends the remaining spans
            await send(message)

        await self.inner(scope, receive, ended)


def credentials_of(settings: Settings) -> Credentials:
    """Return the keys and the reader of tokens.

    Raises:
        EcomError: A setting is wrong, or the keys cannot be read.
    """
    keys = KeyRing.read(KeyFile(settings.home), settings.api_keys.get_secret_value())
    return Credentials(keys, TokenReader(settings) if TokenReader.are_used(settings) else None)


def refuse_open_door(settings: Settings, credentials: Credentials) -> None:
    """Raise if the API would be open to other machines without a key.

    Raises:
        UsageError: The API would listen beyond loopback, and there is no key.
    """
    if not is_loopback_name(settings.api_host) and not credentials.are_needed():
        raise UsageError(
            f"The API would be open to everybody who reaches {settings.api_host}:{settings.api_port}; make a key with "
            "`ecom api-key create`, or set ECOM_API_KEYS or ECOM_JWT_…, or listen on 127.0.0.1."
        )


def build_stack(
    settings: Settings,
    app: FastAPI,
    served: ASGIApp | None = None,
    before_guard: BeforeGuard | None = None,
) -> ApiStack:
    """Return an app wrapped in its middleware.

    `served` is wrapped in place of the app, if it is another ASGI application for it, and `before_guard` is middleware
    that sees a request before the guard does, such as a login.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    credentials = credentials_of(settings)
    refuse_open_door(settings, credentials)
    if credentials.are_needed():
        document_security(app)
    redis_url = settings.redis_url.get_secret_value()
    redis = RedisAnswers(redis_url, settings.redis_timeout_s) if redis_url else None
    ad_hoc: AdHoc | None = getattr(app.state, "ad_hoc", None)
    inner: ASGIApp = RequestBounds(
        AdHocQuestions(served or app, ad_hoc, settings) if ad_hoc else served or app,
        max_body_bytes=settings.api_max_body_bytes,
        client_timeout_s=settings.api_client_timeout_s,
        answer_timeout_s=settings.api_timeout_s,
    )
    if settings.api_cache_mb or redis:
        inner = AnswerCache(inner, app.state.served.version, AnswersInMemory(settings.api_cache_mb * MB), redis)
    audit = AuditLog(settings.home)
    inner = Guard(inner, credentials, RateLimits(settings.rate_limit_key, settings.rate_limit_address), audit)
    if before_guard is not None:
        inner = before_guard(inner, credentials)
    if settings.api_cors_origins:
        inner = CORSMiddleware(inner, settings.api_cors_origins, CORS_METHODS, CORS_HEADERS, expose_headers=CORS_SHOWN)
    provider = new_tracer_provider(settings.otel_endpoint) if settings.otel_endpoint else None
    if provider is not None:
        inner = Tracing(inner, provider)
    return ApiStack(RequestLog(Head(inner), app.state.metrics), app, audit, redis, provider)
