"""The name of an account in the ledger contains nothing that a tool is reached with. Not here: deliveries."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from ecom_assets.delivery.tools.all import destinations
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.delivery.scripted import Clock, Tool, numbered
from ecom_assets_tests.delivery.test_ledger import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock = Clock()
    return Bench(tmp_path / "ledger.sqlite", clock, Tool(clock))


def test_a_ledger_that_calls_the_account_by_its_former_name_goes_on(bench: Bench) -> None:
    """Heap's app id stood in the ledger; a hash of it stands there now."""
    bench.tool = Tool(bench.clock, account="heapanalytics.com 1234567890")
    bench.deliver(numbered(3))
    bench.tool = Tool(bench.clock, account="heapanalytics.com c775e7b7", former_account="heapanalytics.com 1234567890")
    assert (bench.deliver(numbered(3)).sent, bench.deliver(numbered(4)).sent) == (0, 1)
    assert b"1234567890" not in bench.path.read_bytes()


def test_no_account_holds_what_a_tool_is_reached_with() -> None:
    given = Settings(amplitude_api_key=SecretStr("K3Y-A"), heap_app_id="K3Y-H", mixpanel_token=SecretStr("K3Y-M"))
    made = destinations(given)
    assert {one.name.partition("_")[0] for one in made.values()} == {"amplitude", "heap", "mixpanel"}
    assert not [one.account for one in made.values() if "K3Y" in one.account]
    assert {one.former_account for one in made.values()} == {"", "heapanalytics.com K3Y-H"}
