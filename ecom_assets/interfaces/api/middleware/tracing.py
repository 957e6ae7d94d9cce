"""Traces of requests with OpenTelemetry, if `ECOM_OTEL_ENDPOINT` is set.

A span has the method, route, path, status, caller and cache result, but no query and no headers.
"""

from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.http.retry import ResponseBounds, bounded_session
from ecom_assets.core.http_server.callers import name_of_caller
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.interfaces.api.cache.answers import CACHE, ROUTE

SERVICE: Final = "ecom_api"
RECEIPT: Final = ResponseBounds(10.0, most_mb=1.0)
"""How long the endpoint may take to answer, and how much of it is read."""
_SERVER_ERROR: Final = 500


def new_tracer_provider(endpoint: str) -> Any:  # noqa: ANN401 (its packages are an extra)
    """Return a tracer provider that sends spans in the background to an OTLP/HTTP endpoint.

    Raises:
        SettingError: The packages of the extra `otel` are not installed.
    """
    with packages_of("otel", "OpenTelemetry"):
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (an extra)
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 (an extra)
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (an extra)
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(new_exporter(endpoint)))
    return provider


def new_exporter(endpoint: str) -> Any:  # noqa: ANN401 (as above)
    """Return what sends spans to an endpoint.

    Raises:
        SettingError: The packages of the extra `otel` are not installed.
    """
    with packages_of("otel", "OpenTelemetry"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (an extra)
    return OTLPSpanExporter(endpoint=endpoint, session=bounded_session(RECEIPT))


class Tracing:
    """ASGI middleware that creates a span for each request,
    in the trace that its `traceparent` header names.
    """

    def __init__(self, app: ASGIApp, provider: Any) -> None:  # noqa: ANN401 (as above)
        """Wrap the app; `provider` creates the spans."""
        from opentelemetry import propagate, trace  # noqa: PLC0415 (an extra)

        self._app = app
        self._tracer = provider.get_tracer(__name__)
        self._extract = propagate.extract
        self._server, self._error = trace.SpanKind.SERVER, trace.StatusCode.ERROR

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on within its span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        parent = self._extract(headers)
        with self._tracer.start_as_current_span(
            scope["method"], context=parent, kind=self._server
        ) as span:

            async def send_and_trace(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= _SERVER_ERROR:
                        span.set_status(self._error)
                await send(message)

            await self._app(scope, receive, send_and_trace)
            route = scope.get(ROUTE) or getattr(scope.get("route"), "path", "") or "unmatched"
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes(
                {
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "url.path": scope["path"],
                    "enduser.id": name_of_caller(scope),
                    "ecom.cache": scope.get(CACHE, ""),
                }
            )
