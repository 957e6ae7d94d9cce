"""The process that serves the API: uvicorn, its log, and its end. Not here: what is served (`front.py`)."""

import asyncio
import os
import signal

import uvicorn

from ecom_assets.api.connections import BoundedConnection
from ecom_assets.api.front import Front, build_front
from ecom_assets.api.logs import write_json_lines
from ecom_assets.settings import Settings

LOOK_AT_PARENT_S = 1.0


def serve(settings: Settings, *, until_parent_ends: bool = False) -> None:
    """Serve the API until SIGINT or SIGTERM; requests under way are answered first.

    Args:
        settings: Where it listens, and everything else.
        until_parent_ends: Whether to end, too, once the process that started this one has.

    Raises:
        EcomError: A setting is wrong, or everybody would be let in.
    """
    front = build_front(settings)
    write_json_lines()
    config = new_config(settings, front)
    # uvicorn ends gracefully, and then raises the signal again for those who were here before it.
    for asked_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked_to_end, lambda *_: None)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), until_parent_ends=until_parent_ends))


def new_config(settings: Settings, front: Front) -> uvicorn.Config:
    """Return how uvicorn serves it: bounded connections, proxies only where they are trusted, no log of its own."""
    connection = type("Connection", (BoundedConnection,), {"client_timeout_s": settings.api_client_timeout_s})
    return uvicorn.Config(
        front,
        host=settings.api_host,
        port=settings.api_port,
        http=connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=list(settings.api_trusted_proxies),
        limit_concurrency=settings.api_max_connections,
        timeout_graceful_shutdown=max(1, round(settings.api_stop_s)),
    )


async def _serve(server: uvicorn.Server, *, until_parent_ends: bool) -> None:
    watching = asyncio.create_task(_stop_with_parent(server)) if until_parent_ends else None
    try:
        await server.serve()
    finally:
        if watching is not None:
            watching.cancel()


async def _stop_with_parent(server: uvicorn.Server) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (no event tells of the end of a parent)
        await asyncio.sleep(LOOK_AT_PARENT_S)
    server.should_exit = True
