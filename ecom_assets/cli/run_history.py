"""Dagster's history in SQLite, kept without a wait for the disk at every event.

Dagster opens its files anew for each event, which costs four waits for the disk each: a minute for a month of days. Not
here: what the history holds.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


@contextmanager
def patient_history() -> Iterator[None]:
    """Let SQLite write what this process adds when it is done, instead of after each event.

    A killed process loses nothing, the system has it already. A power cut can lose the newest events, never the file:
    that is what SQLite promises of `synchronous = NORMAL` with a write-ahead log.
    """
    kept: dict[str, sqlite3.Connection] = {}

    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 (whatever driver an engine has)
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("PRAGMA synchronous = NORMAL")
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path:
            # As long as one connection has the log open, the others need not write it back as they close. It opens
            # the log when it reads, and there may have been none when it read before.
            if path not in kept:
                kept[path] = sqlite3.connect(path, check_same_thread=False)
            kept[path].execute("SELECT count(*) FROM sqlite_master").fetchone()

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
        for connection in kept.values():
            connection.close()
