"""A server that cannot start ends with exit code 1 and a sentence;
it never comes up to answer 500 to all.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from ecom_assets.core.errors import WorkError
from ecom_assets.core.http_server.connections import ConnectionBounds, bounded_config, run_server
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ports import free_port


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Restore the handlers that a server replaces."""
    stops = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(stop) for stop in stops]
    yield
    for stop, handler in zip(stops, before, strict=True):
        signal.signal(stop, handler)


async def _broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("no start")


def test_an_application_that_cannot_start_ends_the_server() -> None:
    config = bounded_config(
        _broken, ConnectionBounds(1, 9, 9), stop_s=1, host="127.0.0.1", port=free_port()
    )
    with pytest.raises(WorkError, match="could not start"):
        run_server(config)


@pytest.mark.parametrize("broken", ["home/collector", "landing"])
def test_a_collector_without_a_folder_does_not_come_up(tmp_path: Path, broken: str) -> None:
    file = tmp_path / broken
    file.parent.mkdir(exist_ok=True)
    file.touch()
    landing = tmp_path / "landing" / "events"
    arguments = ["collect", "--events", str(landing), "--port", str(free_port())]
    result = ecom(*arguments, home=tmp_path / "home")
    assert result.exit_code == 1
    assert result.sentence.startswith(f"The collector cannot write {file} (")
