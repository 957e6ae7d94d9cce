"""The files of a Spark table, found as any program finds them."""

from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from ecom_assets.core.warehouse.engines.spark.engine import SparkEngine


def live_files(engine: SparkEngine) -> list[Path]:
    """Return the files of visits, as Delta lists them, in the order of their paths."""
    folder = engine.where_spark_is.folder / "mart" / "visits"
    listed = pa.table(DeltaTable(folder).get_add_actions())["path"].to_pylist()
    return [folder / path for path in sorted(listed)]
