"""The command as a whole: its tree, how a failed check is printed,
and how its process ends with nothing lost.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from ecom_assets.cli.app import app, load_command
from ecom_assets.cli.commands import (
    BOARD_COMMANDS,
    COMMANDS,
    KEY_COMMANDS,
    LEDGER_COMMANDS,
    MAPPING_COMMANDS,
    SANDBOX_COMMANDS,
    TASKS,
    Command,
)
from ecom_assets.cli.summary.lines import plain
from ecom_assets_tests.command import ecom, page_views
from ecom_assets_tests.each import each
from ecom_assets_tests.patience import PATIENCE_S

GROUPS = {
    "": COMMANDS,
    "sandbox": SANDBOX_COMMANDS,
    "mapping": MAPPING_COMMANDS,
    "api-key": KEY_COMMANDS,
    "boards": BOARD_COMMANDS,
    "ledger": LEDGER_COMMANDS,
}
EVERY = {
    f"{group} {name}".strip(): command
    for group, commands in GROUPS.items()
    for name, command in commands.items()
}


@each("name", EVERY)
def test_the_listed_summary_of_a_command_begins_its_docstring(name: str) -> None:
    command = EVERY[name]
    paragraph = load_command(command, name).help.split("\n\n")[0]
    assert " ".join(paragraph.split()) == command.summary


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_of_a_group_lists_each_command_with_its_summary(group: str, home: Path) -> None:
    listed = " ".join(ecom(*group.split(), "--help", home=home).out.split())
    for name, command in GROUPS[group].items():
        assert f" {name} {command.summary}" in listed


def test_the_help_shows_each_command_below_one_task() -> None:
    shown = [name for names in TASKS.values() for name in names]
    groups = [str(group.name) for group in app.registered_groups]
    assert sorted(shown) == sorted([*COMMANDS, *groups])


def test_the_help_loads_no_file_of_a_command_and_no_engine() -> None:
    program = (
        "import sys\n"
        "from ecom_assets.cli.app import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    files = {
        command.address.split(":")[0] for command in EVERY.values() if isinstance(command, Command)
    }
    needless = files | {"ecom_assets.cli.ask", "dagster", "duckdb", "ibis", "pandas", "pyarrow"}
    assert "Ask:" in done.stdout
    assert needless & set(done.stderr.split()) == set()


ABOUT_FILES = (
    "sessions",
    "funnel",
    "trend",
    "correlation",
    "experiment",
    "retention",
    "journeys",
    "attribution",
)


@each("name", ABOUT_FILES)
def test_a_question_about_files_lists_its_own_options_between_those_that_all_have(
    name: str,
) -> None:
    listed = load_command(EVERY[name], name).params
    options = [option for row in listed for option in row.opts]
    assert [param.name for param in listed[:3]] == ["more", "events", "mapping"]
    assert options[-3:] == ["--definition", "--strict", "--json"]
    assert {"--from", "--to", "--last", "--timezone", "--segment"} < set(options[3:-3])
    assert len(options) == len(set(options)) > 10


def test_a_command_that_is_not_there_is_refused_with_the_nearest_one(home: Path) -> None:
    result = ecom("funnle", home=home)
    assert result.exit_code == 2
    assert "No such command 'funnle'; did you mean 'funnel'?" in result.err


@each(
    "value, text",
    [
        (
            [{"day": "2026-01-01", "rows": 1200}, {"day": "2026-01-02", "rows": None}],
            "day 2026-01-01, rows 1,200; day 2026-01-02, rows none",
        ),
        ({"seen": True}, "seen yes"),
        ([], "none"),
        (1_000_000, "1,000,000"),
    ],
)
def test_values_of_checks_are_words(value: object, text: str) -> None:
    assert plain(value) == text


@pytest.mark.slow
def test_a_run_of_a_few_tables_names_these(tmp_path: Path) -> None:
    events = page_views(tmp_path / "clicks.csv", "2026-01-01")
    result = ecom("run", "--events", events, "--select", 'key:"raw/events"', home=tmp_path / "home")
    (line,) = [line for line in result.out.splitlines() if line.startswith("Tables in ")]
    assert line == f"Tables in duckdb://{tmp_path}/home/warehouse.duckdb: raw.events 1"


LEAVE = "from ecom_assets.cli import leave\nimport atexit, sys, threading, time\n"


def ended(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", LEAVE + program],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@each("code, expected", [(None, 0), (0, 0), (3, 3), ("'a message'", 1)])
def test_the_exit_code_is_kept(code: object, expected: int) -> None:
    assert ended(f"leave(SystemExit({code}))").returncode == expected


def test_what_was_printed_arrives_whole_and_what_was_put_off_to_the_end_is_done() -> None:
    done = ended(
        "atexit.register(print, 'tidied up')\nprint('x' * 1_000_000)\nleave(SystemExit(0))"
    )
    assert done.stdout == f"{'x' * 1_000_000}\ntidied up\n"
    assert not done.stderr


def test_a_thread_that_is_at_work_is_waited_for() -> None:
    work = (
        "threading.Thread(target=lambda: (time.sleep(0.3), print('worked'))).start()\n"
        "leave(SystemExit(0))"
    )
    assert ended(work).stdout == "worked\n"


def test_memory_is_not_taken_apart_even_where_a_background_thread_still_waits() -> None:
    # A rate limiter leaves such a thread behind; the usual exit then printed what DuckDB's bindings
    # did not free.
    waits = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    program = (
        "class Kept:\n"
        "    def __del__(self): print('taken apart')\n"
        "kept = Kept()\n"
        "leave(SystemExit(0))"
    )
    assert not ended(program).stdout
    assert not ended(waits + program).stdout


def test_memory_is_not_taken_apart_where_threads_still_end() -> None:
    # Those of the API do when it is stopped under load.
    ends = "threading.Thread(target=lambda: (time.sleep(0.3), print('ended'))).start()\n"
    idle = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor()\n"
        "pool.submit(int).result()\n"
    )
    program = (
        "class Kept:\n"
        "    def __del__(self): print('taken apart')\n"
        "kept = Kept()\n"
        "leave(SystemExit(0))"
    )
    assert ended(ends + idle + program).stdout == "ended\n"
