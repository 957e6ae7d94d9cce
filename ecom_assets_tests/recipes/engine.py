"""The smallest engine: the embedded one in memory, under an address of its own."""

from pathlib import Path
from typing import Self

from ecom_assets.settings.settings import Settings
from ecom_assets.warehouse.engines.duckdb import DuckDBEngine
from ecom_assets.warehouse.local import connect


class MemoryEngine(DuckDBEngine):
    """Tables in memory: gone when it is closed."""

    def __init__(self, _settings: Settings) -> None:
        """Take the settings, as the factory hands them to every engine."""
        super().__init__(Path("memory"))

    def open(self) -> Self:
        """Begin with no tables."""
        self.con = connect()
        return self
