"""The HTTP server of the API: uvicorn over bounded connections."""

import asyncio
import signal

import uvicorn

from ecom_assets.api.app import ApiStack, build_app, build_stack
from ecom_assets.api.connections import BoundedConnection, stop_with_parent
from ecom_assets.api.middleware.request_log import json_lines
from ecom_assets.settings.settings import Settings


def serve(settings: Settings, stack: ApiStack | None = None, *, until_parent_ends: bool = False) -> None:
    """Serve a stack, by default the API alone, until SIGINT or SIGTERM; requests in progress are finished first.

    With `until_parent_ends`, the end of the parent process stops it, too.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    stack = stack or build_stack(settings, build_app(settings))
    config = new_config(settings, stack)
    # uvicorn stops gracefully, and then raises the signal again for earlier handlers; the handlers set here ignore it.
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, lambda *_: None)
    with json_lines(), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), until_parent_ends=until_parent_ends))


def new_config(settings: Settings, stack: ApiStack) -> uvicorn.Config:
    """Return the configuration of uvicorn: bounded connections, headers of trusted proxies only, and no access log."""
    bounds = {"client_timeout_s": settings.api_client_timeout_s, "most_connections": settings.api_max_connections}
    connection = type("Connection", (BoundedConnection,), bounds)
    return uvicorn.Config(
        stack,
        host=settings.api_host,
        port=settings.api_port,
        http=connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=list(settings.api_trusted_proxies),
        timeout_graceful_shutdown=max(1, round(settings.api_stop_s)),
    )


async def _serve(server: uvicorn.Server, *, until_parent_ends: bool) -> None:
    watching = asyncio.create_task(stop_with_parent(server)) if until_parent_ends else None
    try:
        await server.serve()
    finally:
        if watching is not None:
            watching.cancel()
