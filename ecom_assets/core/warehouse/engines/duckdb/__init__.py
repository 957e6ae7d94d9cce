"""DuckDB as the warehouse: a file of the process that runs."""

from fractions import Fraction

from ecom_assets.core.warehouse.engines import EngineKind

ENGINE = EngineKind(
    __name__,
    schemes=("duckdb",),
    creates="engine:DuckDBEngine.from_settings",
    form="duckdb:///path/to/file.duckdb",
    has_one_writer=True,
    own_memory=Fraction(1),  # it reads files itself, and writes the snapshot itself
    path_is="file",
    own_files=("warehouse.duckdb*",),
)
