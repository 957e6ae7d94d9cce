"""Ports for servers of tests."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of an address on which nothing listens just now."""
    with socket.create_server((host, 0)) as taken:
        return int(taken.getsockname()[1])
