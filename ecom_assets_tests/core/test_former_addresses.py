"""Modules are found by the addresses that they had before they moved into rooms:
homes and commands name them.
"""

import subprocess
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec

import pytest

from ecom_assets.core.former_addresses import ROOM_OF
from ecom_assets_tests.patience import PATIENCE_S

NAMED = {
    "ecom_assets.api.app": "ecom_assets.interfaces.api.app",  # uvicorn ecom_assets.api.app:app
    # dagster.yaml
    "ecom_assets.automation.instance.sqlite": (
        "ecom_assets.orchestration.automation.instance.sqlite"
    ),
    "ecom_assets.tables.contract": "ecom_assets.core.tables.contract",  # tables of owners
    "ecom_assets.registry": "ecom_assets.orchestration.registry",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the folders above it
@pytest.mark.parametrize(("former", "address"), NAMED.items())
def test_a_module_is_found_by_its_former_address(former: str, address: str) -> None:
    own = import_module(address)
    spec = own.__spec__
    sys.modules.pop(former, None)
    with pytest.warns(DeprecationWarning, match=f"{former} has moved; import {address} instead"):
        module = import_module(former)
    assert module is own
    assert (own.__name__, own.__spec__) == (address, spec)


def test_everything_that_moved_is_where_the_list_says() -> None:
    assert len(ROOM_OF) > 50
    assert [
        name for name, room in ROOM_OF.items() if find_spec(f"ecom_assets.{room}.{name}") is None
    ] == []


def test_the_storage_that_an_earlier_home_names_is_the_one_of_today() -> None:
    """An earlier release has written `module: ecom_assets.automation.instance.sqlite`
    to the home's dagster.yaml.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        storage = import_module("ecom_assets.automation.instance.sqlite").BatchingEventLogStorage
    assert storage.__module__ == "ecom_assets.orchestration.automation.instance.sqlite"


@pytest.mark.slow
def test_a_module_runs_by_its_former_address() -> None:
    command = [sys.executable, "-m", "ecom_assets.ui.webserver", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (shown.returncode, "--workspace" in shown.stdout) == (0, True), shown.stderr


@pytest.mark.filterwarnings("ignore:ecom_assets.api has moved")
@pytest.mark.parametrize(
    "name", ["ecom_assets.api.nothing", "ecom_assets.nothing", "ecom_assets.core.api"]
)
def test_what_never_was_there_is_not_found(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module(name)
