"""Dagster's empty files, made once per process and copied: making them takes
longer than most runs of tests.

A test that is about the files themselves finds what Dagster would have made. Dagster's ninety
migrations, by which each instance looks up the newest one for each of its three storages, are
loaded once per process too.
"""

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Engine

RUN = "run.db"
"""The empty file of a run, in the template's folder."""
_MIGRATIONS: dict[tuple[str | None, str | None], ScriptDirectory] = {}
_read_migrations = ScriptDirectory.from_config
_get, _local_temp = dg.DagsterInstance.get, dg.DagsterInstance.local_temp
_initdb = SqliteEventLogStorage._initdb  # noqa: SLF001 (it is what makes a run's file)


def remember_history() -> None:
    """Let this process copy the files of an instance and of a run, where there are none yet,
    and keep migrations.
    """
    ScriptDirectory.from_config = _migrations  # type: ignore[method-assign]  # as below
    dg.DagsterInstance.get = staticmethod(_in_copied_home)  # type: ignore[method-assign]  # as a test may
    dg.DagsterInstance.local_temp = staticmethod(_in_copied_folder)  # type: ignore[method-assign]
    SqliteEventLogStorage._initdb = _copied_file  # type: ignore[assignment,method-assign]  # noqa: SLF001 (as above)


def _migrations(config: Config) -> ScriptDirectory:
    key = (config.config_file_name, config.get_main_option("script_location"))
    if key not in _MIGRATIONS:
        _MIGRATIONS[key] = _read_migrations(config)
    return _MIGRATIONS[key]


def _in_copied_home() -> dg.DagsterInstance:
    home = os.environ.get("DAGSTER_HOME")
    if home and Path(home).is_dir():
        _copy_to(Path(home))
    return _get()


def _in_copied_folder(tempdir: str | None = None, overrides: Any = None) -> dg.DagsterInstance:
    if tempdir:
        _copy_to(Path(tempdir))
    return _local_temp(tempdir, overrides)


def _copy_to(folder: Path) -> None:
    if (folder / "history").exists() or (folder / "schedules").exists():
        return
    for name in ("history", "schedules"):
        shutil.copytree(template() / name, folder / name, copy_function=shutil.copyfile)


def _copied_file(
    storage: SqliteEventLogStorage,
    engine: Engine,
    for_index_shard: bool = False,  # noqa: FBT001, FBT002 (as Dagster's)
) -> None:
    path = Path(engine.url.database or "")
    if for_index_shard or (path.exists() and path.stat().st_size):
        _initdb(storage, engine, for_index_shard)
        return
    shutil.copyfile(template() / RUN, path)


@cache
def template() -> Path:
    """Return a folder with the files that Dagster makes for an instance and for a run."""
    folder = Path(tempfile.mkdtemp(prefix="history-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    mask = os.umask(0o077)  # copies have the rights of its folders, whichever test asked first
    made: Any = SqliteEventLogStorage._initdb  # noqa: SLF001 (as above)
    SqliteEventLogStorage._initdb = _initdb  # type: ignore[method-assign]  # noqa: SLF001 (as above)
    try:
        with _local_temp(str(folder)) as instance:
            storage = instance.event_log_storage
            assert isinstance(storage, SqliteEventLogStorage)
            storage.get_logs_for_run("run")
    finally:
        SqliteEventLogStorage._initdb = made  # type: ignore[method-assign]  # noqa: SLF001 (as above)
        os.umask(mask)
    (folder / "history" / "runs" / RUN).rename(folder / RUN)
    return folder
