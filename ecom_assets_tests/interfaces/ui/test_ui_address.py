"""Links lead to where the UI was started, whatever its port, unless a setting says otherwise."""

from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.automation.ui_address import dagster_address, remember_address


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("127.0.0.1", 4321, "http://127.0.0.1:4321"),
        ("::1", 80, "http://[::1]:80"),
        ("shop", 3000, "http://shop:3000"),
    ],
)
def test_links_follow_the_port_and_host_of_the_ui(
    tmp_path: Path, host: str, port: int, address: str
) -> None:
    settings = Settings(home=tmp_path)
    assert dagster_address(settings) == "http://127.0.0.1:3000"
    remember_address(settings.home, host, port)
    assert dagster_address(settings) == address
    assert (
        dagster_address(settings.model_copy(update={"dagster_url": "https://d.example"}))
        == "https://d.example"
    )


def test_a_ui_that_listens_everywhere_has_the_machine_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    assert remember_address(tmp_path, "0.0.0.0", 4321) == "http://box:4321"  # noqa: S104 (as `ecom ui`)
