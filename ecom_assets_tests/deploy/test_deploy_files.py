"""The files of `deploy/` agree with each other: the same commands, folders, numbers and names,
and no secret in any.
"""

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_assets_tests.deploy.shipped import (
    DEPLOY,
    ROOT,
    build_stage,
    compose,
    final_stage,
    image_command,
    image_environment,
    put_in,
    service,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import section

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SECRETS = {
    "POSTGRES_PASSWORD": "a",
    "DAGSTER_PG_PASSWORD": "b",
    "WAREHOUSE_PASSWORD": "c",
    "STATE_PASSWORD": "e",
    "ECOM_API_KEYS": "read:d",
}


def named_values(path: Path) -> dict[str, str]:
    """Return the lines of an environment file, those that are comments too."""
    return dict(re.findall(r"^#?([A-Z_]+)=(.*)$", path.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def helm() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())
    return values


@pytest.fixture(scope="module")
def instance() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    return values


@each("name", sorted(SECRETS))
def test_no_password_has_a_default(name: str) -> None:
    without = {key: value for key, value in SECRETS.items() if key != name}
    with pytest.raises(KeyError, match=f"{name}: set it in .env"):
        [service(each, without) for each in compose()["services"]]
    assert named_values(DEPLOY / ".env.example")[name] == ""


def test_every_variable_of_the_compose_file_is_explained() -> None:
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    for_layouts_without_containers = {
        "LISTEN_ADDRESS",
        "DAGSTER_PG_HOST",
        "DAGSTER_PG_PORT",
        "DAGSTER_CODE_HOST",
        "DAGSTER_CODE_PORT",
    }
    assert used - for_layouts_without_containers == set(named_values(DEPLOY / ".env.example"))


def test_variables_are_put_in_as_compose_does() -> None:
    assert put_in("${A:-x}-${B:-${C:-y}}-${D:?must be}", {"D": "d"}) == "x-y-d"
    assert put_in("${A:-x}-${B:-${C:-y}}", {"A": "", "C": "c"}) == "x-c"
    with pytest.raises(KeyError, match="must be"):
        put_in("${D:?must be}", {})


def test_services_start_in_order_and_say_how_they_are() -> None:
    services = compose()["services"]
    assert {
        name: list(definition.get("depends_on", {}).items())
        for name, definition in services.items()
    } == {
        "postgres": [],
        "migrate": [("postgres", {"condition": "service_healthy"})],
        "code": [("migrate", {"condition": "service_completed_successfully"})],
        "webserver": [("code", {"condition": "service_healthy"})],
        "daemon": [("code", {"condition": "service_healthy"})],
        "api": [],
    }
    assert [name for name, definition in services.items() if "healthcheck" not in definition] == [
        "migrate"
    ]


def test_no_service_is_root_or_may_become_it() -> None:
    assert [line.rest for line in final_stage() if line.word == "USER"] == ["10001"]
    for name, definition in compose()["services"].items():
        assert definition.get("user", "the image's") == (
            "postgres" if name == "postgres" else "the image's"
        )
        assert definition["cap_drop"] == ["ALL"]
        assert definition["security_opt"] == ["no-new-privileges:true"]


def test_the_image_alone_is_the_code_location_of_the_compose_file() -> None:
    assert image_command() == service("code", SECRETS).command
    (health,) = [line.rest for line in final_stage() if line.word == "HEALTHCHECK"]
    assert (
        shlex.split(health.partition("CMD ")[2].strip("[]").replace(",", " "))
        == service("code", SECRETS).health_check
    )


def test_the_builder_gets_what_is_copied_and_little_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copies = [
        line.rest.split()[:-1] for line in [*build_stage(), *final_stage()] if line.word == "COPY"
    ]
    assert {
        source for sources in copies for source in sources if not source.startswith(("--from", "/"))
    } == let_in
    assert "*" in lines


@each("unit", UNITS)
def test_units_start_what_services_start(unit: Path) -> None:
    read = configparser.ConfigParser(interpolation=None, strict=False)  # a unit may repeat a name
    read.optionxform = str  # type: ignore[assignment,method-assign]  # names of units are not lower case
    read.read(unit)
    variables = {
        "LISTEN_ADDRESS": "127.0.0.1",
        "DAGSTER_CODE_PORT": "4000",
        "DAGSTER_WEBSERVER_PORT": "3000",
    }
    variables["ECOM_API_PORT"] = "8000"
    started = service(unit.stem.removeprefix("ecom-"), {**SECRETS, **variables}).command
    program, *arguments = shlex.split(put_in(read["Service"]["ExecStart"], variables))
    assert [Path(program).parent, Path(program).name, *arguments] == [
        Path("/opt/ecom/venv/bin"),
        *started,
    ]


def test_units_have_the_variables_of_the_image_and_the_services() -> None:
    variables = named_values(DEPLOY / "systemd" / "ecom.env.example")
    variables |= named_values(DEPLOY / "systemd" / "warehouse.env.example")
    needed = image_environment() | service("code", SECRETS).environment
    assert set(needed) - {"HOME", "PYTHONUNBUFFERED", "ECOM_EVENTS"} <= set(variables)
    assert {
        name: variables[name]
        for name in ("DAGSTER_HOME", "DAGSTER_COMPUTE_LOGS", "DAGSTER_EVENT_BATCH_SIZE")
    } == {
        name: needed[name]
        for name in ("DAGSTER_HOME", "DAGSTER_COMPUTE_LOGS", "DAGSTER_EVENT_BATCH_SIZE")
    }
    assert variables["DAGSTER_PG_PASSWORD"] == ""


def test_the_guide_starts_by_hand_what_services_start() -> None:
    *_, by_hand = section("docs/production.md", "Without containers").code
    variables = {"LISTEN_ADDRESS": "$LISTEN_ADDRESS", "DAGSTER_CODE_PORT": "$DAGSTER_CODE_PORT"}
    variables |= {
        "DAGSTER_WEBSERVER_PORT": "$DAGSTER_WEBSERVER_PORT",
        "ECOM_API_PORT": "$ECOM_API_PORT",
        **SECRETS,
    }
    started = [
        service(name, variables).command
        for name in ("migrate", "code", "webserver", "daemon", "api")
    ]
    assert [shlex.split(line) for line in by_hand.splitlines()[1:]] == started


def test_the_guide_installs_what_the_image_installs() -> None:
    install, *_ = section("docs/production.md", "Without containers").code
    for_builders = {"--quiet", "--no-cache-dir", "--disable-pip-version-check"}
    by_hand = [line.split()[1:] for line in install.splitlines() if "pip install" in line]
    in_image = [line.rest.split() for line in build_stage() if "pip install" in line.rest]
    assert by_hand == [
        [word for word in arguments if word not in for_builders] for arguments in in_image
    ]


def test_kubernetes_runs_with_the_numbers_of_the_instance(
    helm: dict[str, Any], instance: dict[str, Any]
) -> None:
    snake = re.compile(r"(?<!^)(?=[A-Z])")

    def as_instance(values: dict[str, Any]) -> dict[str, Any]:
        return {snake.sub("_", name).lower(): value for name, value in values.items()}

    monitoring = as_instance(helm["dagsterDaemon"]["runMonitoring"])
    assert monitoring.pop("max_resume_run_attempts") == 0
    assert monitoring == instance["run_monitoring"]
    assert as_instance(helm["dagsterDaemon"]["runRetries"]) == instance["run_retries"]
    assert as_instance(helm["concurrency"]["runs"]) == instance["concurrency"]["runs"]
    assert as_instance(helm["concurrency"]["pools"]) == instance["concurrency"]["pools"]
    sensor = helm["retention"]["sensor"]["purgeAfterDays"]
    assert sensor == {**instance["retention"]["sensor"]["purge_after_days"], "started": -1}
    assert helm["telemetry"] == instance["telemetry"]
    connection = instance["run_storage"]["config"]["postgres_db"]
    assert helm["postgresql"]["postgresqlScheme"] == connection["scheme"]


def test_kubernetes_serves_the_api_as_compose_does(helm: dict[str, Any]) -> None:
    deployment, exposed = yaml.safe_load_all((DEPLOY / "kubernetes-api.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (api,) = pod["containers"]
    image = helm["dagsterWebserver"]["image"]
    assert api["image"] == f"{image['repository']}:{image['tag']}"
    assert api["command"] == service("api", SECRETS).command
    assert pod["securityContext"] == helm["dagsterWebserver"]["podSecurityContext"]
    (code,) = helm["dagster-user-deployments"]["deployments"]
    secrets = [*(row["secretRef"] for row in api["envFrom"]), {"name": "ecom-warehouse"}]
    assert secrets == code["envSecrets"]
    probes = [api[name]["httpGet"] for name in ("readinessProbe", "livenessProbe")]
    assert probes == [
        {"path": "/health/ready", "port": "http"},
        {"path": "/health/live", "port": "http"},
    ]
    assert {mount["mountPath"] for mount in api["volumeMounts"]} == {
        image_environment()["ECOM_HOME"],
        "/tmp",  # noqa: S108 (the pod's)
    }
    assert exposed["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert exposed["spec"]["ports"][0]["targetPort"] == api["ports"][0]["name"]


def test_the_api_has_no_password_of_the_warehouse_or_of_dagsters_database() -> None:
    answer = service("api", SECRETS).environment
    state = "postgres://ecom_state:e@postgres:5432/state"
    assert answer == {
        "ECOM_LEDGER_URL": state,
        "ECOM_BOARDS_URL": state,
        "ECOM_API_KEYS": "read:d",
        "ECOM_EVENTS": "",
    }
    assert "/health/live" in service("api", SECRETS).health_check[-1]


def test_kubernetes_runs_our_image_as_its_user_with_secrets_by_name(helm: dict[str, Any]) -> None:
    (code,) = helm["dagster-user-deployments"]["deployments"]
    images = [helm["dagsterWebserver"]["image"], helm["dagsterDaemon"]["image"], code["image"]]
    assert images == [images[0]] * 3
    assert code["dagsterApiGrpcArgs"] == ["-m", "ecom_assets.definitions"]
    users = [
        row["podSecurityContext"]["runAsUser"]
        for row in (helm["dagsterWebserver"], helm["dagsterDaemon"], code)
    ]
    assert users == [10001] * 3
    assert helm["generatePostgresqlPasswordSecret"] is False
    assert "postgresqlPassword" not in helm["postgresql"]
    assert code["envSecrets"] == helm["runLauncher"]["config"]["k8sRunLauncher"]["envSecrets"]
