"""The engine factory: create the engine that `ECOM_WAREHOUSE` names.

The module of an engine is imported only when its address is used, so that the packages of other engines are optional.
"""

from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

from ibis.backends.duckdb import Backend

from ecom_assets.errors import SettingError
from ecom_assets.optional_imports import packages_of
from ecom_assets.redact_url import without_secrets
from ecom_assets.settings.settings import Settings
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.engines.duckdb import DuckDBEngine
from ecom_assets.warehouse.local import connect, keep_within
from ecom_assets.warehouse.sql_text import STATEMENTS

EMBEDDED = "duckdb"
"""The scheme of the engine that runs in this process."""
ENGINES = {
    "postgres": ("postgres", "PostgresEngine"),
    "postgresql": ("postgres", "PostgresEngine"),
    "snowflake": ("snowflake.engine", "SnowflakeEngine"),
    "spark": ("spark", "spark_engine"),
}
"""The module of each engine, and what makes the engine, by the scheme of the address. The module's package names the
extra."""


def engine_name(address: str) -> str:
    """Return the name of the engine for an address: duckdb, postgres, snowflake or spark."""
    scheme = address.partition("://")[0]
    return ENGINES[scheme][0].partition(".")[0] if scheme in ENGINES else "duckdb"


def new_engine(settings: Settings, *, read_only: bool = False) -> Engine:
    """Return the engine for the address in the settings, not yet opened; it notes which days it writes.

    Raises:
        SettingError: The address has an unknown scheme, or the packages of its engine are not installed.
    """
    scheme = _scheme(settings)
    if scheme == EMBEDDED:
        # A reader fails soon if the file is in use. A run waits for its turn.
        STATEMENTS.keep_in(settings.home / "statements.sqlite")
        patience_s = None if read_only else settings.warehouse_patience_s
        return DuckDBEngine(
            _file_of(settings), memory_limit=settings.memory_limit, read_only=read_only, patience_s=patience_s
        ).noting_writes()
    if scheme not in ENGINES:
        raise SettingError(
            f"ECOM_WAREHOUSE={without_secrets(settings.warehouse_url)!r} is not an address of a warehouse; write "
            "duckdb:///path/to/file.duckdb, postgres://, snowflake:// or spark://."
        )
    module_name, name = ENGINES[scheme]
    with packages_of(module_name.partition(".")[0], f"ECOM_WAREHOUSE={scheme}://…"):
        module = import_module(f"ecom_assets.warehouse.engines.{module_name}")
    engine: Engine = getattr(module, name)(settings)
    return engine.noting_writes()


def has_one_writer(settings: Settings) -> bool:
    """Return whether the warehouse in the settings allows only one writer at a time, without opening it."""
    return _scheme(settings) == EMBEDDED and DuckDBEngine.has_one_writer


def _scheme(settings: Settings) -> str:
    return settings.warehouse_url.partition("://")[0]


def file_reader(engine: Engine, settings: Settings) -> Backend:
    """Return the DuckDB connection that reads event files: that of the warehouse if it is DuckDB, else a new one."""
    if isinstance(engine, DuckDBEngine):
        return engine.con
    con = connect()
    keep_within(con, settings.memory_limit, settings.home.absolute() / "reading.tmp")
    return con


def _file_of(settings: Settings) -> Path:
    url = urlsplit(settings.warehouse_url)
    if not url.path.strip("/"):
        raise SettingError(
            f"ECOM_WAREHOUSE={without_secrets(settings.warehouse_url)!r} is not an address of a warehouse; write "
            "duckdb:///path/to/file.duckdb."
        )
    return Path("/" + url.path.lstrip("/"))
