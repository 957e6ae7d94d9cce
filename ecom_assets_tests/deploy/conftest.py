"""The production layout on a Postgres of its own, for the tests of one file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecom_assets_tests.deploy.layout import Layout
from ecom_assets_tests.deploy.postgres_over_tcp import postgres_over_tcp
from ecom_assets_tests.deploy.shipped import ROOT


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a filled-in `.env` would say, and the port of a Postgres server that was set up with it."""
    passwords = {"POSTGRES_PASSWORD": "not used", "DAGSTER_PG_PASSWORD": "one1", "WAREHOUSE_PASSWORD": "two2"}
    with postgres_over_tcp(tmp_path_factory.mktemp("tcp"), passwords) as port:
        yield {
            **passwords,
            "DAGSTER_PG_PORT": str(port),
            "ECOM_WAREHOUSE": f"postgres://ecom:{passwords['WAREHOUSE_PASSWORD']}@127.0.0.1:{port}/warehouse",
        }


@pytest.fixture
def layout(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Layout]:
    """The layout in the environment that the tests run in; nothing of it is left running."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Layout(tmp_path, {**variables, **getattr(request, "param", {})})
    try:
        yield made
    finally:
        made.close()
