"""Connections, servers and processes that die while tables are published:
readers see the old, then the new.

Another process reads without a pause all the while.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecom_assets.core.errors import ConnectionLostError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.outputs.serving import postgres as publication
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.postgres import publish
from ecom_assets_tests.core.warehouse.engines.visits_table import ONE, TWO
from ecom_assets_tests.outputs.serving.publication_reader import reading
from ecom_assets_tests.outputs.serving.published_tables import TABLES, fill, seen
from ecom_assets_tests.postgres_server import fresh_database, running_postgres

PUBLICATIONS, SEED = 60, 20_261_120
PUBLICATION_STEPS = (
    "publication_begun",
    "slices_removed",
    "table_written",
    "publication_noted",
    "published",
)
"""The moments that a publication announces; tests end its connection, or its process, at each."""
UNFINISHED = PUBLICATION_STEPS[:-1]
OLD = [1, "2026-03-01 ann, 2026-03-02 ann", "Riga"]
NEW = [2, "2026-03-01 bob, 2026-03-02 bob", "Rom"]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", (0.0, 0.0))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(tmp_path / "warehouse.duckdb")
    engine.open()
    fill(engine, {ONE: ["ann"], TWO: ["ann"]}, "Riga")
    yield engine
    engine.close()


@pytest.fixture
def target(postgres_url: str, source: DuckDBEngine) -> Iterator[PostgresEngine]:
    """A Postgres in which the old tables are published; the source has the new ones."""
    engine = publication_target(Settings(postgres_url=postgres_url)).open()
    publish(source, engine, TABLES, "old")
    fill(source, {ONE: ["bob"], TWO: ["bob"]}, "Rom")
    yield engine
    engine.close()


def end_connection(postgres_url: str, of: PostgresEngine) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as con:
        con.execute(
            "SELECT pg_terminate_backend(%s, 10000)", [of.con.con.info.backend_pid]
        )  # waits until it has ended


@pytest.mark.slow
@pytest.mark.parametrize("step", PUBLICATION_STEPS)
def test_a_connection_that_ends_at_a_step_is_mended_and_readers_see_the_old_then_the_new(
    source: DuckDBEngine, target: PostgresEngine, postgres_url: str, step: str
) -> None:
    ended: list[str] = []

    def end_once(reached: str) -> None:
        if reached == step and not ended:
            ended.append(step)
            end_connection(postgres_url, target)

    target.on_step = end_once
    with reading(postgres_url) as sightings:
        publish(source, target, TABLES, "new")
    assert ended
    assert sightings.states == [OLD, NEW]


@pytest.mark.slow
@pytest.mark.parametrize("step", UNFINISHED)
def test_a_connection_that_always_ends_at_a_step_is_a_sentence_and_the_next_publication_does_it(
    source: DuckDBEngine, target: PostgresEngine, postgres_url: str, step: str
) -> None:
    target.on_step = lambda reached: (
        end_connection(postgres_url, target) if reached == step else None
    )
    with reading(postgres_url) as sightings:
        with pytest.raises(
            ConnectionLostError,
            match=r"the connection was lost \(.*\); nothing was changed, run again",
        ):
            publish(source, target, TABLES, "new")
        target.on_step = lambda _step: None
        target.reconnect()
        assert list(seen(target)) == OLD
        publish(source, target, TABLES, "new")
    assert sightings.states == [OLD, NEW]


KILLED = """
import json, os, signal, sys
from pathlib import Path
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.postgres import publish
from ecom_assets_tests.outputs.serving.published_tables import TABLES

def publish_until(path, url, last):
    source = DuckDBEngine(Path(path)).open()
    target = publication_target(Settings(postgres_url=url)).open()
    target.on_step = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == last else None
    publish(source, target, TABLES, "killed")

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            publish_until(*json.loads(line))
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Publishes in children, which are killed at a step; what they need is loaded once."""


@pytest.fixture(scope="module")
def publisher() -> "Iterator[subprocess.Popen[str]]":
    pipe, root = subprocess.PIPE, Path(__file__).parents[3]
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("step", PUBLICATION_STEPS)
def test_a_publisher_that_is_killed_at_a_step_leaves_the_old_or_the_new(
    publisher: "subprocess.Popen[str]",
    source: DuckDBEngine,
    target: PostgresEngine,
    postgres_url: str,
    step: str,
) -> None:
    source.close()
    assert publisher.stdin is not None
    assert publisher.stdout is not None
    with reading(postgres_url) as sightings:
        publisher.stdin.write(json.dumps([str(source.path), postgres_url, step]) + "\n")
        publisher.stdin.flush()
        assert publisher.stdout.readline() == f"{-signal.SIGKILL}\n"
        assert list(seen(target)) == (OLD if step in UNFINISHED else NEW)
        publish(source.open(), target, TABLES, "new")
    assert sightings.states == [OLD, NEW]


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_comes_back_with_the_old_and_takes_the_new(
    source: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", ())
    with running_postgres(tmp_path / "pg") as server:
        url = fresh_database(server)
        target = publication_target(Settings(postgres_url=url)).open()
        publish(source, target, TABLES, "old")
        fill(source, {ONE: ["bob"], TWO: ["bob"]}, "Rom")
        with reading(url) as sightings:
            # A process of the server that dies takes all others with it, and the server recovers
            # from its log.
            target.on_step = lambda step: (
                kill_server_side(target) if step == "table_written" else None
            )
            with pytest.raises(ConnectionLostError):
                publish(source, target, TABLES, "new")
            wait_until_back(target)
            assert list(seen(target)) == OLD
            target.on_step = lambda _step: None
            publish(source, target, TABLES, "new")
        target.close()
    assert sightings.states == [OLD, NEW]


def kill_server_side(target: PostgresEngine) -> None:
    os.kill(target.con.con.info.backend_pid, signal.SIGKILL)


def wait_until_back(target: PostgresEngine) -> None:
    for _ in range(1200):
        try:
            target.reconnect()
        except ConnectionLostError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server did not come back within ten seconds")


@pytest.mark.slow
def test_of_publishers_side_by_side_each_wins_whole(postgres_url: str, tmp_path: Path) -> None:
    names = ("ann", "bob", "eva")
    sources = [DuckDBEngine(tmp_path / f"{name}.duckdb") for name in names]
    targets = [publication_target(Settings(postgres_url=postgres_url)).open() for _ in names]
    for name, source in zip(names, sources, strict=True):
        fill(source.open(), {ONE: [name] * 1, TWO: [name]}, name)
    publish(sources[0], targets[0], TABLES, "first")

    def publish_often(source: DuckDBEngine, target: PostgresEngine) -> None:
        for _ in range(10):
            publish(source, target, TABLES, "again")

    with reading(postgres_url) as sightings:
        threads = [
            threading.Thread(target=publish_often, args=pair)
            for pair in zip(sources, targets, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for engine in (*sources, *targets):
        engine.close()
    whole = {name: (f"2026-03-01 {name}, 2026-03-02 {name}", name) for name in names}
    assert {tuple(state[1:]) for state in sightings.states} <= set(whole.values())
    assert len(sightings.states) > 1
    assert sightings.reads > len(sightings.states)


@pytest.mark.slow
def test_a_publisher_that_is_frozen_is_passed_by_and_does_its_work_when_it_wakes(
    source: DuckDBEngine,
    target: PostgresEngine,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    turn = tuple(statement.replace("30min", "300ms") for statement in publication.TURN)
    assert turn != publication.TURN
    monkeypatch.setattr(publication, "TURN", turn)
    other = DuckDBEngine(tmp_path / "other.duckdb")
    fill(other.open(), {ONE: ["eva"]}, "Rom")
    successor = publication_target(Settings(postgres_url=postgres_url)).open()
    passed: list[tuple[object, ...]] = []

    def freeze(step: str) -> None:
        if step == "slices_removed" and not passed:
            time.sleep(0.6)
            publish(other, successor, TABLES, "successor")
            passed.append(seen(successor))

    target.on_step = freeze
    publish(source, target, TABLES, "new")
    assert passed == [(2, "2026-03-01 eva", "Rom")]
    assert list(seen(target)) == [3, *NEW[1:]]
    for engine in (other, successor):
        engine.close()


def ending_at(moment: str, postgres_url: str, target: PostgresEngine) -> Callable[[str], None]:
    return lambda step: end_connection(postgres_url, target) if step == moment else None


@pytest.mark.slow
def test_no_reader_of_many_sees_anything_but_one_of_two_publications_whatever_dies(
    source: DuckDBEngine, target: PostgresEngine, postgres_url: str
) -> None:
    moments = random.Random(SEED)  # noqa: S311 (no secret)
    wholes = [(OLD[1], OLD[2]), (NEW[1], NEW[2])]
    ended = 0
    with reading(postgres_url) as sightings:
        for number in range(PUBLICATIONS):
            name, city = (("ann", "Riga"), ("bob", "Rom"))[number % 2]
            fill(source, {ONE: [name], TWO: [name]}, city)
            target.on_step = ending_at(moments.choice([*UNFINISHED, "never"]), postgres_url, target)
            try:
                publish(source, target, TABLES, str(number))
            except ConnectionLostError:
                ended += 1
                target.on_step = lambda _step: None
                target.reconnect()
    print(f"{PUBLICATIONS} publications, {ended} of them ended, {sightings.reads} reads")  # noqa: T201 (for `-s`)
    assert ended > PUBLICATIONS / 2
    assert sightings.reads > PUBLICATIONS
    assert {tuple(state[1:]) for state in sightings.states} == set(wholes)
