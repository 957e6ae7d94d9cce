"""Ports for servers of tests."""

import secrets
import socket

FIRST, END = 10_000, 32_768
"""Below the ports that Linux gives to outgoing connections, which other
processes open all the time.
"""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of an address on which nothing listens just now."""
    while True:
        port = FIRST + secrets.randbelow(END - FIRST)
        try:
            with socket.create_server((host, port)):
                return port
        except OSError:
            continue
