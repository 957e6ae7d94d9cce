"""A table's code version: it changes with what a definition does, and with nothing else."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.code_version import code_version
from ecom_assets.definitions import build_definitions
from ecom_assets_tests.patience import PATIENCE_S

SOURCE = """
LIMIT = 3


def kept(rows):
    '''Return rows up to the limit.'''
    return [row for row in rows if below(row)]


def below(row):
    return row < LIMIT
"""
VERSIONS = """
from pathlib import Path
from ecom_assets.definitions import build_definitions
from ecom_assets.core.settings.settings import Settings
specs = build_definitions(Settings(home=Path("never written"))).resolve_all_asset_specs()
print(sorted((spec.key.to_user_string(), spec.code_version) for spec in specs))
"""


def version(source: str, *, file: str = "a.py", module: str = "ecom_assets.a") -> str:
    """Return the version of the function `kept` of a module of this package."""
    names: dict[str, Any] = {"__name__": module}
    exec(compile(source, file, "exec"), names)  # noqa: S102 (written above)
    return code_version([names["kept"]], {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("row < LIMIT", "row <= LIMIT"),
        ("if below(row)", "if not below(row)"),
    ],
)
def test_it_changes_with_the_definition_and_with_what_that_uses(before: str, after: str) -> None:
    assert before in SOURCE
    assert version(SOURCE.replace(before, after)) != version(SOURCE)


def test_a_moved_file_comments_and_docstrings_leave_it_as_it_is() -> None:
    assert version(SOURCE, file="b.py", module="ecom_assets.moved.b") == version(SOURCE)
    commented = SOURCE.replace("LIMIT = 3", "# Three at most.\n\nLIMIT = 3")
    assert version(commented.replace("Return rows", "Give the rows")) == version(SOURCE)


IMPORTING = """
def kept(rows):
    from ecom_assets.a import below

    return [row for row in rows if below(row) and type(row).__name__ != "NoneType"]
"""


def test_what_a_function_imports_may_move_and_so_may_the_function() -> None:
    assert version(IMPORTING.replace("ecom_assets.a", "ecom_assets.room.a")) == version(IMPORTING)
    assert version(IMPORTING, module="ecom_assets.room.b") == version(IMPORTING)
    assert version(IMPORTING.replace("import below", "import above as below")) != version(IMPORTING)


def test_it_changes_with_a_rule() -> None:
    rule = SessionRule()
    longer = replace(rule, idle_timeout_s=rule.idle_timeout_s + 60)
    assert code_version([], {"rule": rule}) != code_version([], {"rule": longer})
    assert code_version([], {"rule": rule}) == code_version([], {"rule": SessionRule()})


def versions(**settings: Any) -> dict[str, str | None]:
    specs = build_definitions(
        Settings(home=Path("never written"), **settings)
    ).resolve_all_asset_specs()
    return {spec.key.to_user_string(): spec.code_version for spec in specs}


@pytest.mark.slow
def test_every_asset_has_one_and_a_setting_changes_the_tables_that_it_is_about() -> None:
    default, other = versions(), versions(cart_value="item")
    assert all(default.values())
    changed = {key for key, value in default.items() if other[key] != value}
    assert "mart/cart_abandonment" in changed
    assert not changed & {"staging/events", "mart/sessions", "mart/sales"}


@pytest.mark.slow
def test_all_processes_agree() -> None:
    done = [
        subprocess.run(
            [sys.executable, "-c", VERSIONS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        ).stdout
        for seed in ("1", "2")
    ]
    assert done[0] == done[1]
