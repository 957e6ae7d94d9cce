"""Spark as the warehouse."""

from ecom_assets.settings.settings import Settings
from ecom_assets.warehouse.engines.spark.catalog import SparkCatalog
from ecom_assets.warehouse.engines.spark.engine import SparkEngine
from ecom_assets.warehouse.engines.spark.files import SparkFiles


def spark_engine(settings: Settings) -> SparkEngine:
    """Return the engine for the format of Spark's tables in the settings."""
    return SparkFiles(settings) if settings.spark_table_format == "parquet" else SparkCatalog(settings)
