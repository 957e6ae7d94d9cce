"""DuckDB as the warehouse: a file of the process that runs."""

from ecom_assets.core.warehouse.engines import EngineKind

ENGINE = EngineKind(
    __name__,
    schemes=("duckdb",),
    creates="engine:DuckDBEngine.from_settings",
    form="duckdb:///path/to/file.duckdb",
    has_one_writer=True,
    path_is="file",
    own_files=("warehouse.duckdb*",),
)
