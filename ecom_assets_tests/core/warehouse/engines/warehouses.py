"""Which engines the tests of this folder run on, and how each gets an empty warehouse.

Not here: the servers (`conftest.py` and the modules that it names).
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine

OTHERS = ("postgres", "snowflake", "spark")
"""Engines that are compared with the embedded one; `<name>_warehouse` is
the fixture with an address.
"""
ALL_ENGINES = ("duckdb", *OTHERS)
FEW_ROWS_ON_SPARK = SecretStr(
    "spark.sql.codegen.wholeStage=false,spark.sql.codegen.factoryMode=NO_CODEGEN,"
    "spark.sql.constraintPropagation.enabled=false,spark.sql.adaptive.enabled=false,"
    "spark.sql.shuffle.partitions=1"
)
"""Spark interprets hundreds of queries over few rows: to compile each of them took a third of the
time, and to plan a large one as for many rows another third.
"""
SEVERAL_WRITERS = ("postgres", "spark")
"""Engines that two runs may write to at a time; on Snowflake too,
but its stand-in does not always let them wait.
"""


def settings_of(name: str, request: pytest.FixtureRequest, home: Path, **more: Any) -> Settings:
    """Return settings that name an empty warehouse of an engine, for few rows if it is Spark.

    Spark as it is set by itself is what `test_spark.py` and its neighbours are about.
    """
    warehouse = "" if name == "duckdb" else request.getfixturevalue(f"{name}_warehouse")
    return Settings(home=home, warehouse=warehouse, spark_conf=FEW_ROWS_ON_SPARK, **more)


def opened(settings: Settings) -> Engine:
    """Return the engine that settings name, open."""
    return new_engine(settings).open()


def on_one_worker_each(names: Collection[str], slow: Collection[str] = ()) -> list[ParameterSet]:
    """Return names as parameters whose tests one process runs, so that each
    warehouse is filled once.

    Those in `slow` take many minutes, and are left to the whole set of tests. Beside the stand-in
    for Snowflake stands a real account, for those who ask for it with `-m live`.
    """
    parameters = [
        pytest.param(
            name,
            marks=[pytest.mark.xdist_group(name), *([pytest.mark.slow] if name in slow else [])],
        )
        for name in names
    ]
    live = pytest.param(
        "snowflake_live", marks=[pytest.mark.live, pytest.mark.xdist_group("snowflake_live")]
    )
    return [*parameters, *([live] if "snowflake" in names else [])]
