"""Settings of Spark."""

from typing import Literal

from pydantic import Field, SecretStr

from ecom_assets.core.settings.subjects import PackageSettings


class SparkSettings(PackageSettings):
    """The Spark part of `Settings`."""

    spark_table_format: Literal["parquet", "iceberg", "delta"] = Field(
        "parquet",
        description=(
            "Format of Spark's tables: parquet: Delta tables in a folder; iceberg or "
            "delta: tables in a catalog from ECOM_SPARK_CONF"
        ),
    )
    spark_conf: SecretStr = Field(
        SecretStr(""), description="Spark's own settings: spark.name=value,spark.name=value"
    )


SETTINGS = SparkSettings
