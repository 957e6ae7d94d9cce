"""In each way to run them, all services see the same deliveries, boards and erased people,
each with exactly the environment that it is started with.
"""

import json
import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ecom_assets.cli.doctor import diagnose
from ecom_assets.core.errors import SettingError
from ecom_assets.core.operations.requests import NotSharedError, require_shared_home
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.state.ledger_store import ledger_address
from ecom_assets.ingestion.sources.erased_people import ErasedIds, add, open_key
from ecom_assets.interfaces.api.problems import STATUSES
from ecom_assets.interfaces.api.routes.operation import request_release, request_retry
from ecom_assets.interfaces.boards.model import Board
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.pages.mapping import sample
from ecom_assets_tests.deploy.shipped import DEPLOY, image_environment, service

Environment = Mapping[str, str]
SERVICES = ("code", "webserver", "daemon", "api")
ENV = {
    "POSTGRES_PASSWORD": "a1",
    "DAGSTER_PG_PASSWORD": "b2",
    "WAREHOUSE_PASSWORD": "c3",
    "STATE_PASSWORD": "d4",
    "ECOM_API_KEYS": f"read:{'k' * 32}",
}
VALUES = {"ECOM_ERASURE_KEY": "e" * 32}
"""What is put for `…` in the commands that make the secrets of Kubernetes, beside addresses."""


def of_compose(variables: Environment) -> dict[str, Environment]:
    return {
        name: {**image_environment(), **service(name, variables).environment} for name in SERVICES
    }


def of_units() -> dict[str, Environment]:
    """Return what the files that each unit names would say, as the examples of them say it."""
    found: dict[str, Environment] = {}
    for unit in (DEPLOY / "systemd").glob("*.service"):
        files = re.findall(r"^EnvironmentFile=/etc/ecom/(.+)$", unit.read_text(), re.MULTILINE)
        texts = [(DEPLOY / "systemd" / f"{name}.example").read_text() for name in files]
        pairs = re.findall(r"^([A-Z_]+)=(.*)$", "\n".join(texts), re.MULTILINE)
        found[unit.stem.removeprefix("ecom-")] = dict(pairs)
    return found


def of_pods() -> dict[str, Environment]:
    text = (DEPLOY / "helm-values.yaml").read_text()
    helm: dict[str, Any] = yaml.safe_load(text)
    made = re.findall(r"kubectl create secret generic (\S+) (.*)", text)
    secrets = {
        name: {
            key: VALUES.get(key) or value.replace("…", "u:p@postgres.example/state")
            for key, value in re.findall(r"--from-literal=(\w+)=(\S+)", literals)
        }
        for name, literals in made
    }
    (code,) = helm["dagster-user-deployments"]["deployments"]
    run = helm["runLauncher"]["config"]["k8sRunLauncher"]
    deployment, _ = yaml.safe_load_all((DEPLOY / "kubernetes-api.yaml").read_text())
    (api,) = deployment["spec"]["template"]["spec"]["containers"]

    def with_secrets(own: Environment, names: list[str]) -> Environment:
        return (
            image_environment()
            | {key: value for name in names for key, value in secrets[name].items()}
            | dict(own)
        )

    named = {row["name"]: row["value"] for row in code["env"]}
    of_api = {row["name"]: row["value"] for row in api["env"]}
    return {
        "code": with_secrets(named, [row["name"] for row in code["envSecrets"]]),
        "run": with_secrets(
            dict(pair.split("=", 1) for pair in run["envVars"]),
            [row["name"] for row in run["envSecrets"]],
        ),
        "api": with_secrets(of_api, [row["secretRef"]["name"] for row in api["envFrom"]]),
    }


def settings_in(environment: Environment, home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a process that has this environment, and no other."""
    for name in [name for name in os.environ if name.startswith(("ECOM_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    home.mkdir(exist_ok=True)
    monkeypatch.chdir(home)
    monkeypatch.setenv("ECOM_HOME", str(home))
    return load_settings()


def seen(settings: Settings) -> str:
    key = open_key(settings, create=True)
    assert key is not None
    return json.dumps(
        [
            str(ledger_address(settings)),
            str(BoardStore(settings).address),
            key.hash_of("user", "anna"),
        ]
    )


@pytest.mark.parametrize("layout", ["compose", "units", "pods"])
def test_all_services_see_the_same_and_the_api_has_no_password_of_the_warehouse(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = {"compose": lambda: of_compose(ENV), "units": of_units, "pods": of_pods}[
        layout
    ]()
    what = {}
    for name, environment in environments.items():
        # Services of one machine share the folder; each pod has a disk of its own.
        home = tmp_path / (name if layout == "pods" else "home")
        what[name] = seen(settings_in(environment, home, monkeypatch))
    assert len(set(what.values())) == 1, what
    assert "ECOM_WAREHOUSE" in environments["code"]
    for name, environment in environments.items():
        assert name in {"code", "run"} or "ECOM_WAREHOUSE" not in environment


def test_pods_refuse_what_no_other_would_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = of_pods()
    settings = settings_in(pods["api"], tmp_path / "api", monkeypatch)
    with pytest.raises(NotSharedError, match="A file is kept in ECOM_HOME, which runs here do not"):
        require_shared_home(settings, "A file")
    findings = {finding.subject: finding for finding in diagnose()}
    assert findings["requests"].ok
    assert "and uploads are refused" in findings["requests"].found
    for name in ("ECOM_LEDGER_URL", "ECOM_BOARDS_URL", "ECOM_ERASURE_KEY"):
        without = {key: value for key, value in pods["api"].items() if key != name}
        lacking = settings_in(without, tmp_path / "api", monkeypatch)
        with pytest.raises(SettingError, match=f"{name} is not set, and ECOM_HOME_IS_SHARED is"):
            seen(lacking)
        found = {finding.subject: finding for finding in diagnose()}["requests"]
        assert (found.ok, name in found.found) == (False, True)


def test_a_request_that_no_run_would_see_is_a_conflict(tmp_path: Path) -> None:
    context: Any = SimpleNamespace(settings=Settings(home=tmp_path, home_is_shared=False))
    sent: Any = SimpleNamespace(
        request=SimpleNamespace(app=SimpleNamespace(state=context)), caller="anna"
    )
    body: Any = None
    for leave in (
        lambda: request_release(context, body, "anna"),
        lambda: request_retry(context, body, "anna"),
        lambda: sample(sent),
    ):
        with pytest.raises(NotSharedError, match="A request is kept in ECOM_HOME"):
            leave()
    assert any(
        status == HTTPStatus.CONFLICT
        for kinds, status in STATUSES
        if NotSharedError in (kinds if isinstance(kinds, tuple) else (kinds,))
    )
    assert list(tmp_path.iterdir()) == []


def test_the_api_lists_the_boards_and_leaves_out_the_people_that_runs_know(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = of_compose(variables)
    run = settings_in(environments["code"], tmp_path / "home", monkeypatch)
    board = Board.from_mapping({"name": "Mondays", "tiles": [{"measure": "session_count"}]})
    BoardStore(run).save_new(board, "anna")
    assert add(run, {"user": ["anna"]}) == 1
    api = settings_in(environments["api"], tmp_path / "home", monkeypatch)
    assert "Mondays" in {kept.item.name for kept in BoardStore(api).newest(Board)}
    assert ErasedIds(api, is_reader=True).among("user", ["anna", "bob"]) == {"anna"}
    assert not list((tmp_path / "home").glob("*.sqlite"))
