"""A new tool is a package in `delivery/tools` and nothing else: the toy,
delivered to by the real commands.

They run in a process of their own, because which tools there are is found when the platform is
loaded.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from ecom_assets.core.settings.subjects import TOOLS, packages_in
from ecom_assets.outputs.delivery import tools
from ecom_assets_tests.command import HEADER, CommandResult
from ecom_assets_tests.outputs.delivery.scripted_tool import ScriptedTool
from ecom_assets_tests.outputs.delivery.toy.settings import SETTINGS
from ecom_assets_tests.outputs.delivery.toy.tool import TOOL

TOY = Path(__file__).parent / "toy"
WITH_TOOLS = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import ecom_assets.outputs.delivery.tools as tools
tools.__path__.append(sys.argv[1])
from ecom_assets_tests.command import ecom
said = [
    asdict(ecom(*words, home=Path(sys.argv[2]), env=env)) for words, env in json.loads(sys.argv[3])
]
print(json.dumps(said))
"""
CLICKS = f"""{HEADER}
e1,ann,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,
e2,ann,search,2026-01-01T10:01:00Z,,,s1,https://shop.example/s,,
e3,ben,page_view,2026-01-01T11:00:00Z,,,s2,https://shop.example/,,
"""
UNTIL_DUE = 'key:"raw/events" or key:"staging/events" or key:"staging/quarantined_events"'


class Toyshop:
    """A shop with three events of its own, and the toy among its tools."""

    def __init__(self, folder: Path, url: str) -> None:
        """Copy the toy into a folder of tools, and write the events."""
        self.folder, self.home, self.url = folder, folder / "home", url
        shutil.copytree(TOY, folder / "tools" / "toy")
        (folder / "clicks.csv").write_text(CLICKS, encoding="utf-8")

    def ecom(self, *commands: tuple[list[str], dict[str, str]]) -> list[CommandResult]:
        """Run commands, each with its settings, one after another in a process that has the toy."""
        with_url = [
            (command, {"ECOM_TOY_URL": self.url} | settings) for command, settings in commands
        ]
        arguments = [str(self.folder / "tools"), str(self.home), json.dumps(with_url)]
        ran = subprocess.run(
            [sys.executable, "-c", WITH_TOOLS, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return [CommandResult(**result) for result in json.loads(ran.stdout)]


@pytest.fixture
def shop(tmp_path: Path, far_side: ScriptedTool) -> Toyshop:
    return Toyshop(tmp_path, far_side.url)


def test_a_package_in_the_folder_of_tools_is_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    before = packages_in(TOOLS)
    monkeypatch.setattr(tools, "__path__", [*tools.__path__, str(TOY.parent)])
    assert set(packages_in(TOOLS)) - set(before) == {"toy"}
    assert list(TOOL.feeds()) == ["toy_events", "toy_users"]
    accounts = {TOOL.account(SETTINGS(toy_key=SecretStr(key))) for key in "kl"}  # type: ignore[arg-type]
    assert accounts == {"toy.example main"}, "with a new key it is the same account"


@pytest.mark.slow
def test_a_tool_that_is_only_a_package_gets_every_record_once(
    shop: Toyshop, far_side: ScriptedTool
) -> None:
    export, is_set = ["export", "--to", "toy", "--json"], {"ECOM_TOY_KEY": "k"}
    ran, unset, first, again, new_key, misspelt, wrong = shop.ecom(
        (["run", "--events", "clicks.csv", "--select", UNTIL_DUE], {}),
        (export, {}),
        (export, is_set),
        (export, is_set),
        (export, {"ECOM_TOY_KEY": "another"}),
        (["status"], {"ECOM_TOY_KY": "k"}),
        (["status"], {"ECOM_TOY_URL": "toy.example"}),
    )
    assert "ECOM_TOY_KEY is not set: nothing goes to toy." in ran.err
    assert unset.sentence.startswith("ECOM_TOY_KEY is not set, so nothing can go to toy")

    answer = first.json["deliveries"]["toy_events"]
    assert (answer["due"], answer["sent"], answer["outcomes"]) == (3, 3, {"delivered": 3})
    heard = [record for message in far_side.heard for record in message.json]
    assert sorted(heard, key=lambda record: record["id"]) == [
        {"id": "e1@2026-01-01", "what": "looked", "who": "ann"},
        {"id": "e2@2026-01-01", "what": "search", "who": "ann"},
        {"id": "e3@2026-01-01", "what": "looked", "who": "ben"},
    ]
    assert sorted(len(message.json) for message in far_side.heard) == [1, 2], (
        "as the toy's limits say, two in a request"
    )
    assert {
        (message.path, message.params["key"], message.headers["Toy-Version"])
        for message in far_side.heard
    } == {("/events", "k", "2026-01")}

    for answer in (again.json, new_key.json):
        sent = answer["deliveries"]["toy_events"]
        assert (sent["due"], sent["sent"], len(far_side.heard)) == (3, 0, 2)
    with sqlite3.connect(shop.home / "ledger.sqlite") as ledger:
        accounts = ledger.execute(
            "SELECT name, account FROM destinations WHERE name = 'toy_events'"
        ).fetchall()
    # The account is the address without its scheme, and the toy's name of the shop.
    assert accounts == [("toy_events", f"{far_side.url.partition('://')[2]} main")]

    assert (
        misspelt.sentence
        == "ECOM_TOY_KY is not a setting of ecom_assets; did you mean ECOM_TOY_KEY?"
    )
    assert wrong.sentence.startswith("ECOM_TOY_URL='toy.example' is not an address")
