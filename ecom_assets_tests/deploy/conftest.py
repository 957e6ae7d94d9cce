"""A Postgres set up for the production layout, for the tests of one file."""

from collections.abc import Iterator

import pytest

from ecom_assets_tests.deploy.layout import API_KEY, postgres_over_tcp


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a filled-in `.env` would say,
    and the port of a Postgres server that was set up with it.
    """
    passwords = {
        "POSTGRES_PASSWORD": "not used",
        "DAGSTER_PG_PASSWORD": "one1",
        "WAREHOUSE_PASSWORD": "two2",
        "STATE_PASSWORD": "three3",
    }
    passwords["ECOM_API_KEYS"] = f"read:{API_KEY}"
    with postgres_over_tcp(tmp_path_factory.mktemp("tcp"), passwords) as port:
        state = f"postgres://ecom_state:{passwords['STATE_PASSWORD']}@127.0.0.1:{port}/state"
        yield {
            **passwords,
            "ECOM_LEDGER_URL": state,
            "ECOM_BOARDS_URL": state,
            "DAGSTER_PG_PORT": str(port),
            "ECOM_WAREHOUSE": f"postgres://ecom:{passwords['WAREHOUSE_PASSWORD']}@127.0.0.1:{port}/warehouse",
        }
