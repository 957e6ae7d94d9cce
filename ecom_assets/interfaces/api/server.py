"""The HTTP server of the API: uvicorn over bounded connections."""

from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ecom_assets.core.http_server.connections import ConnectionBounds, bounded_config, run_server
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app, build_stack

MAX_CONNECTIONS: Final = 500
"""Connections to the API; further ones get 503 with Retry-After."""
MAX_CONNECTIONS_PER_ADDRESS: Final = 100
"""Connections of one client address but trusted proxies; further ones get 503."""
STOP_S: Final = 10
"""Seconds that open requests may take when the API stops."""


def serve(
    settings: Settings, stack: ASGIApp | None = None, *, until_parent_ends: bool = False
) -> None:
    """Serve a stack, by default the API alone, until SIGINT or SIGTERM;
    requests in progress are finished first.

    With `until_parent_ends`, the end of the parent process stops it, too.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    stack = stack or build_stack(settings, build_app(settings))
    run_server(new_config(settings, stack), until_parent_ends=until_parent_ends)


def new_config(settings: Settings, stack: ASGIApp) -> uvicorn.Config:
    """Return the configuration of uvicorn."""
    bounds = ConnectionBounds(
        settings.api_client_timeout_s,
        MAX_CONNECTIONS,
        MAX_CONNECTIONS_PER_ADDRESS,
        settings.api_trusted_proxies,
    )
    return bounded_config(
        stack, bounds, stop_s=STOP_S, host=settings.api_host, port=settings.api_port
    )
