"""What tests of destinations share."""

from collections.abc import Iterator

import pytest

from ecom_assets_tests.outputs.delivery.scripted_tool import ScriptedTool, scripted_tool
from ecom_sandbox.vendors.running import Receivers, running_receivers


@pytest.fixture(scope="package")
def _server() -> Iterator[ScriptedTool]:
    with scripted_tool() as tool:
        yield tool


@pytest.fixture
def far_side(_server: ScriptedTool) -> ScriptedTool:
    """Return a tool that accepts everything, unless a test sets other answers."""
    return _server.restart()


@pytest.fixture
def tools() -> Iterator[Receivers]:
    """The stand-ins of all tools."""
    with running_receivers() as running:
        yield running
