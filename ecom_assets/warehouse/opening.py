"""From `ECOM_WAREHOUSE` to an open engine. Not here: the engines."""

from pathlib import Path
from urllib.parse import urlsplit

from ecom_assets.errors import SettingError
from ecom_assets.settings import Settings
from ecom_assets.warehouse.duckdb import DuckDBEngine


def warehouse_path(settings: Settings) -> Path:
    """Return the file of the embedded engine.

    Raises:
        SettingError: The address names another engine, or no file.
    """
    url = urlsplit(settings.warehouse_url)
    if url.scheme != "duckdb" or not url.path.strip("/"):
        raise SettingError(
            f"ECOM_WAREHOUSE={settings.warehouse_url!r} is not an address of a warehouse; write duckdb:///path/to/file.duckdb."
        )
    return Path("/" + url.path.lstrip("/"))


def new_engine(settings: Settings, *, read_only: bool = False) -> DuckDBEngine:
    """Return the engine that the settings name, not yet opened."""
    return DuckDBEngine(warehouse_path(settings), memory_limit=settings.memory_limit, read_only=read_only)
