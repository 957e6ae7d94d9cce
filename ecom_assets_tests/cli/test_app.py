"""The tree of commands: each is imported when it is called, and its line in `--help` is that of its own help."""

from pathlib import Path

import pytest

from ecom_assets.cli.app import COMMANDS, KEY_COMMANDS, LEDGER_COMMANDS, SANDBOX_COMMANDS, load_command, summary_of
from ecom_assets_tests.command import ecom

EVERY = {
    name: place
    for group in (COMMANDS, SANDBOX_COMMANDS, KEY_COMMANDS, LEDGER_COMMANDS)
    for name, place in group.items()
}


@pytest.mark.parametrize("name", EVERY)
def test_the_line_of_a_command_begins_its_own_help(name: str) -> None:
    assert load_command(EVERY[name], name).help.splitlines()[0] == summary_of(EVERY[name])


def test_a_command_that_is_not_there_is_refused_with_the_nearest_one(home: Path) -> None:
    result = ecom("funnle", home=home)
    assert result.exit_code == 2
    assert "No such command 'funnle'; did you mean 'funnel'?" in result.err
