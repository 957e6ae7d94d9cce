"""Credentials that a tool refuses: no record counts as answered, a sentence names the setting,
and everything waits.
"""

from pathlib import Path

import pytest

from ecom_assets.outputs.delivery.destination import DeliveryState
from ecom_assets_tests.command import HEADER, UNTIL_DUE, CommandResult, ecom, page_views
from ecom_assets_tests.outputs.delivery.mart_rows import one_batch, users
from ecom_assets_tests.outputs.delivery.mart_rows import tool as tool_at
from ecom_sandbox.vendors.heap import HeapReceiver
from ecom_sandbox.vendors.receiver import Setup
from ecom_sandbox.vendors.running import Receivers

RIGHT = {
    "amplitude": {"ECOM_AMPLITUDE_API_KEY": "sandbox-amplitude-key"},
    "heap": {"ECOM_HEAP_APP_ID": "sandbox-heap-app"},
    "mixpanel": {"ECOM_MIXPANEL_TOKEN": "sandbox-mixpanel-token"},
}
FIRST_ONLY = [
    tool if tool == "amplitude" else pytest.param(tool, marks=pytest.mark.slow) for tool in RIGHT
]
WRONG = {tool: dict.fromkeys(settings, "mistyped-key") for tool, settings in RIGHT.items()}
USERS = 25


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of 25 users with an event each, of which nothing is delivered."""
    home = tmp_path_factory.mktemp("wrong_keys") / "home"
    events = home.parent / "clicks.csv"
    rows = [
        f"e{n},user-{n:02},page_view,2026-01-01T10:00:00Z,,,s{n},https://shop.example/,,"
        for n in range(1, USERS + 1)
    ]
    events.write_text("\n".join([HEADER, *rows]) + "\n")
    ran = ecom("run", "--events", events, "--select", UNTIL_DUE, home=home)
    assert ran.exit_code == 0, ran.err
    return home


def deliver(home: Path, tools: Receivers, tool: str, keys: dict[str, str]) -> CommandResult:
    address = {
        "ECOM_EVENTS": str(home.parent / "clicks.csv"),
        f"ECOM_{tool.upper()}_URL": tools[tool].url,
    }
    return ecom("export", "--to", tool, "--json", home=home, env={**address, **keys})


@pytest.mark.slow
@pytest.mark.parametrize("tool", FIRST_ONLY)
def test_a_wrong_key_makes_no_dead_letter_and_everything_waits(
    home: Path, tools: Receivers, tool: str
) -> None:
    (setting,) = RIGHT[tool]
    refused = deliver(home, tools, tool, WRONG[tool])
    answer = refused.json["deliveries"][f"{tool}_events"]
    assert (refused.exit_code, answer["due"], answer["delivered"], answer["rejected"]) == (
        1,
        USERS,
        0,
        0,
    )
    assert answer["pending"] == USERS, answer["outcomes"]
    assert refused.sentence.startswith(f"export/{tool}_events: {tool.title()} refuses us ("), (
        refused.err
    )
    assert setting in refused.sentence
    assert refused.sentence.endswith("25 records wait for the next run.")
    assert "mistyped-key" not in refused.err + refused.out
    # Another address has another account, so the right key begins where the wrong one left nothing.
    right = deliver(home, tools, tool, RIGHT[tool])
    answer = right.json["deliveries"][f"{tool}_events"]
    assert (right.exit_code, answer["delivered"], answer["rejected"]) == (0, USERS, 0), right.err
    assert tools[tool].held.counted_count == USERS


@pytest.mark.parametrize("count", [1, 2, 25])
@pytest.mark.parametrize("tool", RIGHT)
def test_a_wrong_key_makes_no_dead_letters_however_few_go_together(
    tools: Receivers, tool: str, count: int
) -> None:
    (setting,) = RIGHT[tool]
    wrong = {setting.removeprefix("ECOM_").lower(): "mistyped-key"}
    destination = tool_at(f"{tool}_users", tools[tool].url, **wrong)
    rows = users(*({"customer_id": f"user-{n:02}", "segment": "Loyal"} for n in range(count)))
    answers = destination.send(one_batch(destination, rows))
    assert {(answer.state, answer.reason) for answer in answers} == {
        (DeliveryState.POSTPONED, "not_allowed")
    }
    assert setting in answers[0].message


@pytest.mark.slow
def test_one_bad_record_that_goes_first_does_not_wait_forever_for_being_first(
    tmp_path: Path,
) -> None:
    """Heap names no row: until it has taken one, nobody knows whether it refuses
    the first day's event or us.
    """
    home, days = tmp_path / "home", ("2026-01-01", "2026-01-02")
    events = page_views(tmp_path / "clicks.csv", *days)
    assert ecom("run", "--events", events, "--select", UNTIL_DUE, home=home).exit_code == 0
    with HeapReceiver(Setup(refuses=frozenset({"e0@2026-01-01"}))) as heap:
        env = {"ECOM_EVENTS": str(events), "ECOM_HEAP_URL": heap.url, **RIGHT["heap"]}
        result = ecom("export", "--to", "heap", "--json", home=home, env=env)
    answer = result.json["deliveries"]["heap_events"]
    assert (answer["due"], answer["delivered"], answer["rejected"], answer["pending"]) == (
        2,
        1,
        1,
        0,
    ), result.err
    assert answer["outcomes"] == {"delivered": 1, "rejected": 1}
