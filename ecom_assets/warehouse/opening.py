"""From `ECOM_WAREHOUSE` to an engine. Not here: the engines.

An engine's module is imported only when its address is used, so that the core needs none of the others' packages.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ibis.backends.duckdb import Backend

from ecom_assets.address import without_secrets
from ecom_assets.errors import SettingError
from ecom_assets.extras import packages_of
from ecom_assets.settings import Settings
from ecom_assets.warehouse.duckdb import DuckDBEngine, connect
from ecom_assets.warehouse.engine import Engine

if TYPE_CHECKING:
    from ecom_assets.warehouse.postgres import PostgresEngine

ENGINES = {
    "postgres": ("postgres", "PostgresEngine"),
    "postgresql": ("postgres", "PostgresEngine"),
    "snowflake": ("snowflake", "SnowflakeEngine"),
    "spark": ("spark", "SparkEngine"),
}
"""Module, which is also the extra with its packages, and class, by the scheme of the address."""


def new_engine(settings: Settings, *, read_only: bool = False) -> Engine:
    """Return the engine that the settings name, not yet opened.

    Raises:
        SettingError: The address names no engine, or one whose packages are not installed.
    """
    scheme = settings.warehouse_url.partition("://")[0]
    if scheme == "duckdb":
        # Who only looks is told soon; who has work to do waits for its turn.
        patience_s = None if read_only else settings.warehouse_patience_s
        return DuckDBEngine(
            _file_of(settings), memory_limit=settings.memory_limit, read_only=read_only, patience_s=patience_s
        )
    if scheme not in ENGINES:
        raise SettingError(
            f"ECOM_WAREHOUSE={without_secrets(settings.warehouse_url)!r} is not an address of a warehouse; write "
            "duckdb:///path/to/file.duckdb, postgres://, snowflake:// or spark://."
        )
    module_name, name = ENGINES[scheme]
    with packages_of(module_name, f"ECOM_WAREHOUSE={scheme}://…"):
        module = import_module(f"ecom_assets.warehouse.{module_name}")
    engine: Engine = getattr(module, name)(settings)
    return engine


def publication_target(settings: Settings) -> "PostgresEngine":
    """Return the Postgres that the marts are published to, not yet opened.

    Raises:
        SettingError: The address is not one of Postgres, or its packages are not installed.
    """
    url = settings.postgres_url.get_secret_value()
    if url.partition("://")[0] not in {"postgres", "postgresql"}:
        raise SettingError(
            "ECOM_POSTGRES_URL is no address of a Postgres; write postgres://user:password@host/database."
        )
    with packages_of("postgres", "ECOM_POSTGRES_URL"):
        from ecom_assets.warehouse.postgres import PostgresEngine  # noqa: PLC0415 (needs packages of the extra `postgres`)
    return PostgresEngine(settings.model_copy(update={"warehouse": url}), setting="ECOM_POSTGRES_URL")


def serves_postgres(settings: Settings) -> bool:
    """Tell whether the HTTP API reads what is published in Postgres: where that is not the warehouse itself."""
    url = settings.postgres_url.get_secret_value()
    return bool(url) and url != settings.warehouse


def serving_folder(settings: Settings) -> Path:
    """Return the folder of the snapshot that the HTTP API reads without Postgres."""
    return settings.home / "serving"


def file_reader(engine: Engine, settings: Settings) -> Backend:
    """Return the DuckDB connection that reads event files: the embedded engine's own, else one in memory."""
    if isinstance(engine, DuckDBEngine):
        return engine.con
    con = connect()
    con.raw_sql(f"SET memory_limit = '{settings.memory_limit}'")
    con.raw_sql(f"SET temp_directory = '{settings.home.absolute() / 'reading.tmp'}'")
    return con


def _file_of(settings: Settings) -> Path:
    url = urlsplit(settings.warehouse_url)
    if not url.path.strip("/"):
        raise SettingError(
            f"ECOM_WAREHOUSE={without_secrets(settings.warehouse_url)!r} is not an address of a warehouse; write "
            "duckdb:///path/to/file.duckdb."
        )
    return Path("/" + url.path.lstrip("/"))
