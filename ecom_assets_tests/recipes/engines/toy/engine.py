"""The toy engine: the embedded one under another address, without what only DuckDB does."""

from pathlib import Path
from typing import Any

from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine


class ToyEngine(DuckDBEngine):
    """A file of tables, which does what every engine does and nothing that only DuckDB can."""

    def __init__(self, path: Path, **options: Any) -> None:
        """Set the file."""
        super().__init__(path, **options)
        self.address = f"toy://{path}"

    def row_hash(self, _contract: type[Table]) -> None:  # type: ignore[override]  # narrower than DuckDB's
        """Return None: rows are hashed as text."""
        return

    def attached(self, _path: Path) -> None:  # type: ignore[override]  # as above
        """Return None: rows go into a published file in batches."""
        return
