"""A process that reads the published tables without a pause, also while the server is down,
until its input ends.

It prints, as JSON, how often it read and which different states it saw, in the order in which it
first saw them. It loads nothing of the platform, which would take longer than most of what it
watches.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

SEEN = (
    "SELECT (SELECT max(publication_number) FROM mart.publication), (SELECT string_agg(visit_date "
    "|| ' ' || visitor_id, ', ' ORDER BY visit_date, visitor_id) FROM mart.visits), (SELECT "
    "string_agg(city, ', ' ORDER BY city) FROM mart.cities)"
)
"""One statement, which Postgres answers from one moment."""


@dataclass
class Sightings:
    """What the reader saw, once it has been stopped."""

    reads: int = 0
    states: list[list[Any]] = field(default_factory=list)


@contextmanager
def reading(url: str) -> Iterator[Sightings]:
    """Read all the while that the block runs."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", __name__, url]
    pipe = subprocess.PIPE
    sightings = Sightings()
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        try:
            yield sightings
        finally:
            result, _ = process.communicate()
            sightings.__dict__.update(json.loads(result))


def _look(url: str, stopped: threading.Event) -> Sightings:
    """Read until `stopped`, and once more, since the reader may have had no turn for a while."""
    sightings, con, is_last = Sightings(), None, False
    while not is_last:
        is_last = stopped.is_set()
        try:
            con = con or psycopg.connect(url, autocommit=True, connect_timeout=10)
            state = (
                _twice(con)
                if sightings.reads % 20 == 0
                else list(con.execute(SEEN.encode()).fetchone() or ())
            )
        except (
            psycopg.OperationalError
        ):  # the server is down; what it then has is seen when it is back
            con, is_last = None, False
            time.sleep(0.05)
            continue
        if sightings.reads == 0:
            sys.stdout.write("begun\n")
            sys.stdout.flush()
        sightings.reads += 1
        if state not in sightings.states:
            sightings.states.append(state)
    return sightings


def _twice(con: psycopg.Connection[Any]) -> list[Any]:
    """Read by two statements of one REPEATABLE READ transaction, as a
    program does that needs several.
    """
    with con.transaction():
        con.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        first = list(con.execute(SEEN.encode()).fetchone() or ())
        time.sleep(0.01)
        second = list(con.execute(SEEN.encode()).fetchone() or ())
    return first if first == second else ["two moments in one transaction", first, second]


def _stop_at_end_of_input(stopped: threading.Event) -> None:
    sys.stdin.read()
    stopped.set()


def serve() -> None:
    """Read until standard input ends."""
    stopped = threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=[stopped], daemon=True).start()
    sightings = _look(sys.argv[1], stopped)
    sys.stdout.write(json.dumps(sightings.__dict__) + "\n")


if __name__ == "__main__":
    serve()
