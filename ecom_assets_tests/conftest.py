"""Servers that many tests share. Not here: fixtures of one subject."""

from collections.abc import Iterator

import pytest

from ecom_assets_tests.postgres_server import fresh_database, running_postgres


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Postgres server that this test process has to itself."""
    with running_postgres(tmp_path_factory.mktemp("pg", numbered=True)) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Address of an empty database."""
    return fresh_database(postgres_server)


@pytest.fixture(scope="module")
def postgres_warehouse(postgres_server: str) -> str:
    """Address of an empty database for the tests of one file."""
    return fresh_database(postgres_server)


@pytest.fixture(scope="session")
def spark() -> Iterator[None]:
    """Spark in a process of its own, started by the first test that opens it and ended with the session."""
    yield
    from ecom_assets.warehouse.spark_session import end_session  # noqa: PLC0415 (loads Spark's packages)

    end_session()


@pytest.fixture(scope="module")
def spark_warehouse(spark: None, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: ARG001 (it ends Spark)
    """Address of an empty folder of Spark tables for the tests of one file."""
    return f"spark://local[2]{tmp_path_factory.mktemp('spark')}"
