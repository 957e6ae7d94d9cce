"""Errors for an engine or a source whose packages are not installed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from ecom_assets_tests.command import CommandResult, environment
from ecom_assets_tests.patience import PATIENCE_S

FORKING = """
import json, os, sys
import ecom_assets.cli.app, ecom_assets.cli.doctor, ecom_assets.cli.platform_run
from ecom_assets.cli import main

home, *cases = json.load(sys.stdin)
for number, (command, env, missing) in enumerate(cases):
    assert missing[-1] not in sys.modules, "it is loaded before anything asks for it"
    child = os.fork()
    if child == 0:
        os.environ.update(env)
        for file, of in enumerate(("out", "err"), start=1):
            os.dup2(os.open(f"{home}/{number}.{of}", os.O_WRONLY | os.O_CREAT), file)
        sys.modules.update(dict.fromkeys(missing))
        sys.argv = ["ecom", command]
        end = 1
        try:
            main()
        except SystemExit as ended:
            end = ended.code if isinstance(ended.code, int) else 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs commands where modules are missing: each in a child of a process that has loaded what all
commands need, and none of these.
"""


class Lacking(NamedTuple):
    """A command, its settings, and the modules that are not there."""

    command: str
    settings: dict[str, str]
    missing: list[str]


def results(folder: Path, cases: list[Lacking]) -> list[CommandResult]:
    """Run every command in an empty home."""
    home = folder / "home"
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        input=json.dumps([str(folder), *cases]),
        env=environment(home),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    codes = done.stdout.split()
    assert len(codes) == len(cases), done.stderr
    return [
        CommandResult(int(code), *((folder / f"{n}.{of}").read_text() for of in ("out", "err")))
        for n, code in enumerate(codes)
    ]


SNOWFLAKE = ["snowflake", "snowflake.connector"]
ADDRESSES = [
    ("ECOM_WAREHOUSE", "postgres://h/shop", "postgres", ["psycopg"]),
    ("ECOM_WAREHOUSE", "snowflake://u@a/SHOP", "snowflake", SNOWFLAKE),
    ("ECOM_WAREHOUSE", "spark://local", "spark", ["pyspark", "py4j", "py4j.protocol"]),
    ("ECOM_WAREHOUSE", "spark://local", "spark", ["deltalake"]),
    ("ECOM_EVENTS", "snowflake://u@a/SHOP/EVENTS", "snowflake", SNOWFLAKE),
]


@pytest.mark.slow
def test_the_sentence_names_the_command_that_installs_them(tmp_path: Path) -> None:
    asked = [(command, *case) for command in ("run", "doctor") for case in ADDRESSES]
    found = results(
        tmp_path,
        [
            Lacking(command, {setting: address}, missing)
            for command, setting, address, _, missing in asked
        ],
    )
    for (command, setting, address, extra, missing), result in zip(asked, found, strict=True):
        said, about = result.out + result.err, f"ecom {command} without {missing[0]}"
        assert result.exit_code != 0, about
        form = f"{setting}={address.partition('://')[0]}://…"
        assert f"{form} needs packages that are not installed (" in said, f"{about}: {said}"
        assert f"{sys.executable} -m pip install -e '.[{extra}]'" in said, f"{about}: {said}"
        assert "Traceback" not in result.err, about


@pytest.mark.slow
def test_a_command_and_a_setting_name_their_extra(tmp_path: Path) -> None:
    kafka, lineage = {"ECOM_EVENTS": "kafka://b/t"}, {"ECOM_OPENLINEAGE_URL": "http://h"}
    cases = {
        ("`ecom stream`", "kafka"): Lacking("stream", kafka, ["confluent_kafka"]),
        ("ecom mcp", "mcp"): Lacking("mcp", {}, ["httpx2", "mcp", "mcp_types"]),
        ("ECOM_OPENLINEAGE_URL", "openlineage"): Lacking("run", lineage, ["openlineage.client"]),
    }
    found = results(tmp_path, [*cases.values()])
    for (feature, extra), result in zip(cases, found, strict=True):
        assert result.exit_code == 2, f"{feature}: {result.err}"
        begins = f"ecom: {feature} needs packages that are not installed ("
        assert result.err.startswith(begins), result.err
        assert f"{sys.executable} -m pip install -e '.[{extra}]'" in result.err, feature
