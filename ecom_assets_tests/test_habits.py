"""What contributors' tools and the workflows run is what `make` runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets_tests.each import each

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TARGETS = set(
    re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def commands(path: Path) -> list[str]:
    """Return what the steps of a workflow run."""
    jobs = loaded(path)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_targets_of_make_and_nothing_else(path: Path) -> None:
    ran = commands(path)
    assert ran
    for command in ran:
        assert re.fullmatch(
            r"make [a-z-]+( [A-Z]+=\S+( \}\})?)*", command.replace("${{ ", "${{")
        ), command
        assert command.split()[1] in TARGETS, f"{path.name}: there is no target for {command!r}"


def test_the_tests_run_on_every_python_that_the_package_allows() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    versions = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project)
    assert versions
    least, end = map(int, versions.groups())
    (job,) = loaded(ROOT / ".github" / "workflows" / "test.yaml")["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(least, end)]
    assert {"make check", "make test"} <= set(
        commands(ROOT / ".github" / "workflows" / "test.yaml")
    )


def hooks() -> dict[str, dict[str, Any]]:
    (repo,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"  # nothing is fetched from elsewhere
    return {hook["id"]: hook for hook in repo["hooks"]}


def test_a_commit_is_looked_at_by_the_tools_of_make_check() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for hook, command in (("ruff", "ruff check"), ("ruff-format", "ruff format")):
        assert hooks()[hook]["entry"].startswith(f".venv/bin/{command}")
        assert f"$(BIN)/{command}" in makefile


SECRETS = (
    "-----BEGIN RSA PRIVATE" + " KEY-----",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a" * 36,
    "shpat_" + "0" * 32,
    "sk_live_" + "a" * 24,
)


@each("secret", SECRETS)
def test_secrets_are_found(secret: str) -> None:
    assert re.search(hooks()["secrets"]["entry"], f"key = {secret!r}")


def test_keys_of_the_api_are_found(tmp_path: Path) -> None:
    """Made as `ecom api-key create` makes them, so that the hook follows their form."""
    _, secret = KeyFile(tmp_path).create("a shop", (Scope.READ,))
    assert re.search(hooks()["secrets"]["entry"], f"key = {secret!r}")


def test_what_only_looks_like_one_is_not() -> None:
    for text in (
        "ecom_assets",
        "ecom_api_requests",
        "sk_test_" + "a" * 24,
        "AKIA",
        "BEGIN PUBLIC KEY",
    ):
        assert not re.search(hooks()["secrets"]["entry"], text)
