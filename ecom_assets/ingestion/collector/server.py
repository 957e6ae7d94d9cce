"""The server of the collector: uvicorn over bounded connections,
on a port that several processes share.
"""

import socket
from pathlib import Path
from typing import Final

import uvicorn

from ecom_assets.core.errors import UsageError, WorkError
from ecom_assets.core.http_server.connections import ConnectionBounds, bounded_config, run_server
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.collector.app import Collector

BACKLOG: Final = 4_096
"""Connections that the kernel keeps while the process is busy."""
STOP_S: Final = 10
MAX_CONNECTIONS: Final = 10_000
"""Connections to one process; further ones get 503."""
MAX_CONNECTIONS_PER_ADDRESS: Final = 500
"""Connections of one client address but trusted proxies to one process; further ones get 503."""


def serve_collector(settings: Settings, landing: Path, *, until_parent_ends: bool) -> None:
    """Take events until SIGINT or SIGTERM; requests in progress are answered, and segments sealed.

    Raises:
        EcomError: A setting is wrong, the port is taken, a folder cannot be made, or everybody
            could send events.
    """
    collector = Collector(settings, landing)
    config = new_collect_config(settings, collector)
    with listening(settings.collect_host, settings.collect_port) as listener:
        try:
            run_server(config, [listener], until_parent_ends=until_parent_ends)
        except WorkError as error:
            raise collector.failure or error from error


def new_collect_config(settings: Settings, collector: Collector) -> uvicorn.Config:
    """Return the configuration of uvicorn: as that of the API, with limits of its own."""
    bounds = ConnectionBounds(
        settings.collect_client_timeout_s,
        MAX_CONNECTIONS,
        MAX_CONNECTIONS_PER_ADDRESS,
        settings.collect_trusted_proxies,
    )
    return bounded_config(collector, bounds, stop_s=STOP_S)


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket;
    the kernel spreads connections over all processes that listen at the port so.

    Raises:
        UsageError: Another program listens there, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(
            f"The collector cannot listen at {host}:{port} ({error}); give --host or --port "
            "another value."
        ) from error
    return listener
