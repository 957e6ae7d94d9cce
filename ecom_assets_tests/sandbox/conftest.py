"""The shop that several files look at."""

import pytest

from ecom_assets_tests.sandbox.shop_recount import Recount


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Recount:
    """The shop that `ecom run` shows to somebody who has no data: a month of 2,000 people."""
    return Recount(tmp_path_factory.mktemp("shop") / "month")
