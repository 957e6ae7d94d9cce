"""The files of a Spark table, found as any program finds them. Not here: tests."""

import json
from pathlib import Path

from ecom_assets.warehouse.engines.spark.engine import SparkEngine


def live_files(engine: SparkEngine) -> list[Path]:
    """Return the files of visits as any program finds them: those of the manifest with the highest number."""
    folder = engine.where_spark_is.folder / "mart" / "visits"
    newest = max((folder / "_log").glob("*.json"))
    slices = json.loads(newest.read_text())["slices"]
    return [folder / name for part in slices.values() for name in part["files"]]
