"""Engines that the tests of this folder share; their servers are in
`ecom_assets_tests/conftest.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.spark.files import SparkFiles


@pytest.fixture
def spark_settings(
    spark: None,  # noqa: ARG001 (it ends Spark)
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    return Settings(home=tmp_path, warehouse=f"spark://local[2]{tmp_path_factory.mktemp('spark')}")


@pytest.fixture
def spark_engine(spark_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkFiles]:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", (0.0, 0.0))
    opened = SparkFiles(spark_settings).open()
    yield opened
    opened.close()
