"""Links in e-mails lead to the port on which plain `dagster dev` was started."""

import subprocess
import sys
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.automation.ui_address import dagster_address
from ecom_assets_tests.patience import PATIENCE_S

CHILD = (
    "from pathlib import Path; from ecom_assets.core.settings.settings import Settings; "
    "from ecom_assets.orchestration.automation.ui_address import remember_address_of_dev; "
    "remember_address_of_dev(Settings(home=Path({home!r})))"
)


def address_after(
    tmp_path: Path, *arguments: str, of_dev: str = "1", command: str = "dagster"
) -> str:
    """Return where links lead after a command with these arguments has started a
    process that loads definitions.
    """
    home = str(tmp_path / "home")
    script = tmp_path / command
    # The shell stays, as it has something to do after the child.
    script.write_text(f"#!/bin/sh\n'{sys.executable}' -c \"$CHILD\"\nexit $?\n")
    script.chmod(0o755)
    environment = {
        "CHILD": CHILD.format(home=home),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path.cwd()),
    }
    environment |= {"DAGSTER_IS_DEV_CLI": of_dev} if of_dev else {}
    subprocess.run([str(script), *arguments], env=environment, check=True, timeout=PATIENCE_S)
    return dagster_address(Settings(home=Path(home)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("dev", "-p", "3999"), "http://127.0.0.1:3999"),
        (("dev", "--port=4001", "-h", "shop.local"), "http://shop.local:4001"),
        (("dev",), "http://127.0.0.1:3000"),
    ],
)
def test_the_port_of_dagster_dev_is_that_of_links(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    assert address_after(tmp_path, *arguments) == expected


@pytest.mark.slow
def test_other_commands_note_nothing(tmp_path: Path) -> None:
    for of_dev, command, first in (
        ("", "dagster", "dev"),
        ("1", "other", "dev"),
        ("1", "dagster", "asset"),
    ):
        assert (
            address_after(tmp_path, first, "-p", "3999", of_dev=of_dev, command=command)
            == "http://127.0.0.1:3000"
        )
        assert not (tmp_path / "home" / "ui_address").exists()
