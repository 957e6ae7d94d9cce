"""Servers and warehouses that many tests share."""

import atexit
import gc
import multiprocessing.util
import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecom_assets.core.gc_tuning import collect_rarely
from ecom_assets_tests import parts
from ecom_assets_tests.core.warehouse.engines import snowflake_server
from ecom_assets_tests.fixed_settings import FIXED
from ecom_assets_tests.postgres_server import fresh_database, running_postgres

if TYPE_CHECKING:
    from ecom_assets.core.warehouse.engine import Engine
    from ecom_assets_tests.platform import Platform

# until all is loaded: looking for garbage meanwhile finds nothing and takes a seventh of that time
gc.disable()
STARTS_A_SERVER = {"spark", "snowflake", "snowflake_server_port"}
"""Fixtures and engines whose tests start a JVM or the stand-in for Snowflake: they are slow."""
OVER_THE_SMALL_SHOP = {"api", "dashboard", "watching"}
"""Folders whose tests read one shop, which takes ten seconds to run: they share a process."""
TEMPORARY = pytest.StashKey[Path]()
BEGAN_AT = pytest.StashKey[float]()
NO_TIME = "the time of --minutes was over before it began"
IN_MEMORY = Path("/dev/shm")  # noqa: S108 (what is made there has a name of its own, and only its owner's rights)
FINALIZERS = "_run_finalizers"
LONGEST_NAME = 500
GZIP = b"\x1f\x8b"
ROOM = 4 * 1024**3
"""More bytes than the files of a session take."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Run one part of the slow tests, and for so many minutes only."""
    parser.addoption("--part", help="run only this part of the slow tests, such as 2/4")
    parser.addoption("--minutes", type=float, help="after so many minutes, begin no further test")


def pytest_configure(config: pytest.Config) -> None:
    """Make SQL and Dagster's empty files once, give children back their Ctrl-C,
    a session a folder of its own; take the shell's settings away.
    """
    config.stash[BEGAN_AT] = time.monotonic()
    forget_settings()
    # What a shell starts in the background ignores Ctrl-C, and so would every process that tests
    # start and interrupt.
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        and threading.current_thread() is threading.main_thread()
    ):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput") and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        config.stash[TEMPORARY] = Path(tempfile.mkdtemp(prefix="ecom-", dir=memory_folder()))
        os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["TMPDIR"] = str(config.stash[TEMPORARY])
        tempfile.tempdir = None  # it is looked up again
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        remember(Path(os.environ["PYTEST_DEBUG_TEMPROOT"]))


def forget_settings() -> None:
    """Remove the settings that the shell has for a platform of its user: they would change what
    tests compute. Nothing depends on the machine either.
    """
    for name in [*os.environ]:
        if name.startswith("ECOM_") and name != snowflake_server.LIVE:
            del os.environ[name]
    os.environ.update(FIXED)


def memory_folder() -> Path | None:
    """Return Linux's file system in memory, if it has room: tests wait for the
    disk a quarter of their time.
    """
    if "TMPDIR" in os.environ or not os.access(IN_MEMORY, os.W_OK):
        return None
    has_room = shutil.disk_usage(IN_MEMORY).free > ROOM and _available() > 2 * ROOM
    return IN_MEMORY if has_room else None


def _available() -> int:
    """Return the memory in bytes that programs can have without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def remember(folder: Path) -> None:
    """Keep in a folder what tests need again and again; the process that only starts
    the others loads none of it.
    """
    from ecom_assets_tests.known_history import remember_history  # noqa: PLC0415 (loads Dagster)
    from ecom_assets_tests.known_sql import remember_sql  # noqa: PLC0415 (loads Ibis)

    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # of the processes that tests start, too
    remember_sql(folder / "statements.sqlite")
    remember_history()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a long value by its beginning and length: each process would send names
    of 40 MB to the first one.

    A gzip file begins with the second at which it was made, and each process must give a test the
    same name.
    """
    if isinstance(val, bytes) and val.startswith(GZIP):
        return f"gzip of {len(val)}"
    if isinstance(val, str | bytes) and len(val) > LONGEST_NAME:
        return f"{val[:20]!r}... of {len(val)}"
    return None


def pytest_collection_finish() -> None:
    """Never look for garbage among what was loaded, and rarely among the rest:
    a twentieth of the CPU time. What of it is garbage stays: to look for it takes seconds.
    """
    gc.freeze()
    # The end of the process clears what was loaded; pytest's own look for garbage, before, need not
    # go through it.
    atexit.register(gc.unfreeze)
    collect_rarely()
    gc.enable()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say of which files tests were not begun in time, and what became of a part."""
    skipped = terminalreporter.stats.get("skipped", ())
    late = Counter(
        report.nodeid.partition("::")[0] for report in skipped if NO_TIME in str(report.longrepr)
    )
    for file, count in sorted(late.items()):
        terminalreporter.write_line(f"{count:,} not begun in time: {file}")
    if part := config.getoption("part", None):
        result = "failed" if exitstatus else "passed"
        begun = f"; {late.total():,} were not begun in time" if late else ""
        terminalreporter.write_line(f"Part {part} of the slow tests {result}{begun}.")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove that folder, but keep on disk what a failed test left,
    which somebody may want to see.
    """
    folder = session.config.stash.get(TEMPORARY, None)
    if folder is not None:
        del (
            os.environ["PYTEST_DEBUG_TEMPROOT"],
            os.environ["TMPDIR"],
            session.config.stash[TEMPORARY],
        )
        tempfile.tempdir = None
        getattr(
            multiprocessing.util, FINALIZERS
        )()  # as at the end of the process: its sockets are in the folder
        if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.parent == IN_MEMORY:  # it would take memory until somebody removes it
            with suppress(OSError):  # sockets and pipes, which cannot be copied; the rest is
                shutil.copytree(folder, Path(tempfile.gettempdir(), folder.name), symlinks=True)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test once the time is over."""
    minutes = item.config.getoption("minutes", None)
    if minutes is not None and time.monotonic() > item.config.stash[BEGAN_AT] + 60 * minutes:
        pytest.skip(NO_TIME)


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    """Undo what a command in the test's own process changes: the rights of new files,
    and settings that it hands on.
    """
    os.umask(0o022)
    before = set(os.environ)
    yield
    for name in os.environ.keys() - before:
        if name.startswith("ECOM_"):
            del os.environ[name]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Postgres server that this test process has to itself."""
    with running_postgres(tmp_path_factory.mktemp("pg", numbered=True)) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Address of an empty database."""
    return fresh_database(postgres_server)


@pytest.fixture(scope="module")
def postgres_warehouse(postgres_server: str) -> str:
    """Address of an empty database for the tests of one file."""
    return fresh_database(postgres_server)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spark in a process of its own, ended with the session.

    It keeps files of its own where it was started, which must not be a test's folder: that goes
    after the test.
    """
    from ecom_assets.core.settings.settings import Settings  # noqa: PLC0415 (loads Spark's packages)
    from ecom_assets.core.warehouse.engines.spark.session import (  # noqa: PLC0415 (as above)
        SparkAddress,
        end_session,
        session_for,
    )

    folder = tmp_path_factory.mktemp("own-files-of-spark")
    session_for(SparkAddress.parse(f"spark://local[2]{folder}", folder), Settings(home=folder))
    yield
    end_session()


@pytest.fixture(scope="module")
def spark_warehouse(spark: None, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: ARG001 (it ends Spark)
    """Address of an empty folder of Spark tables for the tests of one file."""
    return f"spark://local[2]{tmp_path_factory.mktemp('spark')}"


@pytest.fixture(scope="session")
def snowflake_server_port() -> Iterator[int]:
    """Port of a stand-in for Snowflake that this test process has to itself."""
    with snowflake_server.running_snowflake() as port:
        yield port


@pytest.fixture
def snowflake_url(snowflake_server_port: int) -> str:
    """Address of an empty Snowflake database."""
    return snowflake_server.fresh_database(snowflake_server_port)


@pytest.fixture
def account(snowflake_url: str) -> "Iterator[Engine]":
    """A connection to that database, by which tests put rows into tables."""
    engine = snowflake_server.engine_at(snowflake_url).open()
    yield engine
    engine.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Folder that the platform may write to."""
    return tmp_path / "home"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a real account; mark what shares a process or is slow by its server."""
    for item in items:
        group = None if item.get_closest_marker("xdist_group") else _group(item)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    for item in items:
        groups = {group for marker in item.iter_markers("xdist_group") for group in marker.args}
        if STARTS_A_SERVER & (groups | set(getattr(item, "fixturenames", ()))):
            item.add_marker(pytest.mark.slow)
    if "live" not in config.option.markexpr:
        live = [item for item in items if item.get_closest_marker("live")]
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if item not in live]
    if part := config.getoption("part", None):
        others = set(parts.not_of_part(items, part))
        config.hook.pytest_deselected(items=list(others))
        items[:] = [item for item in items if item not in others]
    # What may take long begins first, or one process would still have it when the others are done.
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def _group(item: pytest.Item) -> str | None:
    """Return the group of a test whose file fills tables, as each process would write
    all its statements again.
    """
    if item.path.parent.name in OVER_THE_SMALL_SHOP and "settings" in getattr(
        item, "fixturenames", ()
    ):
        # Slow tests together take half an hour, in which one process would work alone: each file is
        # a group.
        return f"api/{item.path.stem}" if item.get_closest_marker("slow") else "api"
    module = item.getparent(pytest.Module)
    fills = "platform" in getattr(item, "fixturenames", ()) or (
        module is not None and _has_platform(module)
    )
    of_the_page = item.path.stem.startswith(
        "test_metrics_doc"
    )  # these share what is parsed of it, too
    return (
        ("metrics_doc" if of_the_page else f"{item.path.parent.name}/{item.path.stem}")
        if fills
        else None
    )


@cache
def _has_platform(module: pytest.Module) -> bool:
    """Return whether a file of tests names a platform, or the stories that fill one."""
    return any(name.endswith(("Platform", "customer_stories")) for name in vars(module.obj))


@pytest.fixture(scope="module")
def snowflake_live_warehouse() -> Iterator[str]:
    """Address of a database of its own in the account that ECOM_LIVE_SNOWFLAKE names."""
    with snowflake_server.live_database() as url:
        yield url


@pytest.fixture(scope="module")
def snowflake_warehouse(snowflake_server_port: int) -> str:
    """Address of an empty Snowflake database for the tests of one file."""
    return snowflake_server.fresh_database(snowflake_server_port)


@pytest.fixture(scope="session")
def opened() -> "Iterator[Platform]":
    """A warehouse in memory that the tests of a process share."""
    from ecom_assets_tests.platform import Platform  # noqa: PLC0415 (loads the platform)

    platform = Platform()
    yield platform
    platform.close()


@pytest.fixture
def platform(opened: "Platform") -> "Platform":
    """The same, emptied."""
    opened.clear()
    return opened
