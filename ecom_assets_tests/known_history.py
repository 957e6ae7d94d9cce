"""Dagster's empty files as the platform ships them, for instances that tests make without it.

Dagster's ninety migrations, by which each instance looks up the newest one for each of its
storages, are loaded once per process.
"""

import os
from pathlib import Path
from typing import Any

import dagster as dg
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Engine

from ecom_assets.core.settings.empty_history import begin_history, begin_run

_MIGRATIONS: dict[tuple[str | None, str | None], ScriptDirectory] = {}
_read_migrations = ScriptDirectory.from_config
_get, _local_temp = dg.DagsterInstance.get, dg.DagsterInstance.local_temp
_initdb = SqliteEventLogStorage._initdb  # noqa: SLF001 (it is what makes a run's file)


def remember_history() -> None:
    """Let this process write the shipped files of an instance and of a run, where there are none
    yet, and keep migrations.
    """
    ScriptDirectory.from_config = _migrations  # type: ignore[method-assign]  # as below
    dg.DagsterInstance.get = staticmethod(_in_begun_home)  # type: ignore[method-assign]  # as a test may
    dg.DagsterInstance.local_temp = staticmethod(_in_begun_folder)  # type: ignore[method-assign]
    SqliteEventLogStorage._initdb = _begun  # type: ignore[assignment,method-assign]  # noqa: SLF001 (as above)


def _migrations(config: Config) -> ScriptDirectory:
    key = (config.config_file_name, config.get_main_option("script_location"))
    if key not in _MIGRATIONS:
        _MIGRATIONS[key] = _read_migrations(config)
    return _MIGRATIONS[key]


def _in_begun_home() -> dg.DagsterInstance:
    home = os.environ.get("DAGSTER_HOME")
    if home and Path(home).is_dir():
        begin_history(Path(home))
    return _get()


def _in_begun_folder(tempdir: str | None = None, overrides: Any = None) -> dg.DagsterInstance:
    if tempdir:
        Path(tempdir).mkdir(parents=True, exist_ok=True)  # as Dagster does
        begin_history(Path(tempdir))
    return _local_temp(tempdir, overrides)


def _begun(
    storage: SqliteEventLogStorage,
    engine: Engine,
    for_index_shard: bool = False,  # noqa: FBT001, FBT002 (as Dagster's)
) -> None:
    if for_index_shard or not begin_run(Path(engine.url.database or "")):
        _initdb(storage, engine, for_index_shard)
