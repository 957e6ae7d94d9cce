"""Resources as Dagster's Resources page shows them,
and runs that use another one in their place.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
from pydantic import Field, create_model

from ecom_assets.commerce.customers.contracts import Customers, RawCustomers
from ecom_assets.core.clock import today_in
from ecom_assets.core.errors import DefinitionError, SettingError, WarehouseError
from ecom_assets.core.settings.resource import MASK, secret
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import PackageSettings
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.warehouse.engines.postgres.service import Postgres
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import build_definitions
from ecom_assets.ingestion.sources.resources import CustomerApi
from ecom_assets.outputs.delivery.tools import all as tool_packages
from ecom_assets.outputs.delivery.tools.all import TOOLS, ToolResource, tool_resource
from ecom_assets_tests.command import page_views
from ecom_assets_tests.interfaces.ui.served_ui import DAGSTER_S_OWN, loaded
from ecom_assets_tests.services import people
from ecom_sandbox.services.pages import CustomerService

SERVICES = (
    "warehouse",
    "io_manager",
    "snowflake",
    "postgres",
    "amplitude",
    "heap",
    "mixpanel",
    "ga4",
    "customer_api",
    "order_report_api",
    "catalogue_api",
)
SECRETS = (
    "key-of-customers",
    "key-of-amplitude",
    "of-postgres",
    "secret-of-ga4",
    "of-snowflake",
    "token-of-mixpanel",
)
ENVIRONMENT = {
    "ECOM_EVENTS": "snowflake://reader:of-snowflake@account/SHOP/PUBLIC/EVENTS?warehouse=SMALL",
    "ECOM_CUSTOMER_API_URL": "https://crm.example/customers",
    "ECOM_CUSTOMER_API_KEY": "key-of-customers",
    "ECOM_AMPLITUDE_API_KEY": "key-of-amplitude",
    "ECOM_AMPLITUDE_REGION": "eu",
    "ECOM_MIXPANEL_TOKEN": "token-of-mixpanel",
    "ECOM_GA4_MEASUREMENT_ID": "G-ABC",
    "ECOM_GA4_API_SECRET": "secret-of-ga4",
    "ECOM_POSTGRES_URL": "postgres://shop:of-postgres@db.example/shop",
}
QUESTION = """
{ allTopLevelResourceDetailsOrError(repositorySelector: {
    repositoryLocationName: "<<in_process>>", repositoryName: "__repository__" }) {
  ... on PythonError { message }
  ... on ResourceDetailsList { results {
    name description resourceType
    configFields { name description isRequired defaultValueAsJson }
    configuredValues { key value type } } } } }"""
Shown = dict[str, dict[str, Any]]


def shown_by_dagster(folder: Path, environment: dict[str, str]) -> Shown:
    """Return what the Resources page of a code location with an environment gets,
    by the resource's name.
    """
    with loaded(folder, environment) as location:
        actual = location.ask(QUESTION)["allTopLevelResourceDetailsOrError"]
    assert "results" in actual, actual
    return {result["name"]: result for result in actual["results"]}


def values(resource: dict[str, Any]) -> dict[str, str]:
    return {setting["key"]: setting["value"] for setting in resource["configuredValues"]}


@pytest.mark.slow
@DAGSTER_S_OWN
def test_the_resources_page_shows_what_the_platform_talks_to(tmp_path: Path) -> None:
    shown = shown_by_dagster(tmp_path, ENVIRONMENT)
    assert set(SERVICES) <= set(shown)
    for name in SERVICES:
        assert shown[name]["description"]
        undescribed = [
            field["name"] for field in shown[name]["configFields"] if not field["description"]
        ]
        assert shown[name]["configFields"]
        assert not undescribed, name
    api, amplitude = values(shown["customer_api"]), values(shown["amplitude"])
    assert (api["url"], api["page_size"]) == ('"https://crm.example/customers"', "100")
    assert (amplitude["region"], amplitude["min_id_length"]) == ('"eu"', "5")
    assert values(shown["ga4"])["measurement_id"] == '"G-ABC"'
    assert values(shown["postgres"])["url"] == '"postgres://shop@db.example/shop"'
    assert shown["snowflake"]["resourceType"].endswith("SnowflakeAccount")
    assert values(shown["snowflake"])["warehouse"] == '"SMALL"'
    assert values(shown["warehouse"])["url"].startswith('"duckdb:///')
    assert {key for key, value in values(shown["snowflake"]).items() if value == f'"{MASK}"'} == {
        "password"
    }
    answer = json.dumps(shown)
    assert not [secret for secret in SECRETS if secret in answer]


@pytest.mark.slow
@DAGSTER_S_OWN
def test_a_fresh_install_shows_every_service_and_what_to_set(tmp_path: Path) -> None:
    shown = shown_by_dagster(tmp_path, {})
    assert set(SERVICES) <= set(shown)
    set_by = {
        "snowflake": "ECOM_WAREHOUSE=snowflake://",
        "postgres": "ECOM_POSTGRES_URL=postgres://",
        "amplitude": "ECOM_AMPLITUDE_API_KEY",
        "heap": "ECOM_HEAP_APP_ID",
        "mixpanel": "ECOM_MIXPANEL_TOKEN",
        "ga4": "ECOM_GA4_MEASUREMENT_ID and ECOM_GA4_API_SECRET",
        "customer_api": "ECOM_CUSTOMER_API_URL",
        "order_report_api": "ECOM_ORDER_API_URL",
        "catalogue_api": "ECOM_CATALOGUE_API_URL",
    }
    assert {
        name for name, phrase in set_by.items() if phrase not in shown[name]["description"]
    } == set()
    assert values(shown["customer_api"])["url"] == '""'
    assert values(shown["customer_api"]).get("key", "null") == "null"


@pytest.mark.slow
def test_dagster_keeps_no_secret_of_a_resource(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        name.removeprefix("ECOM_").lower(): value for name, value in ENVIRONMENT.items()
    }
    with dg.DagsterInstance.local_temp(str(tmp_path)):
        job = build_definitions(Settings(home=tmp_path, **options)).resolve_job_def("everything")
        kept = dg.serialize_value(job.get_job_snapshot())
    assert "crm.example" in kept
    assert not [secret for secret in SECRETS if secret in kept]


@pytest.mark.slow
def test_a_run_fetches_from_the_resource_that_stands_in_for_the_api(tmp_path: Path) -> None:
    events = page_views(tmp_path / "own.csv", "2026-03-10")
    settings = Settings(
        home=tmp_path / "home", events=str(events), customer_api_url="https://crm.example/customers"
    )
    today, keys = today_in("UTC"), [asset_key(RawCustomers), asset_key(Customers)]
    with CustomerService(people(1, 2, 3)) as api, dg.DagsterInstance.ephemeral() as instance:
        stand_in = CustomerApi(url=api.api_url, key=api.key, page_size=2)
        made = build_definitions(settings, resources={"customer_api": stand_in})
        made.resolve_job_def("everything").execute_in_process(
            instance=instance, partition_key=today.isoformat(), asset_selection=keys
        )
    assert fetched(settings, today) == ["1", "2", "3"]


def fetched(settings: Settings, day: date) -> list[str]:
    engine = new_engine(settings).open()
    try:
        rows = engine.table(RawCustomers).order_by("record_number").to_pyarrow().to_pylist()
    finally:
        engine.close()
    assert {row["received_date"] for row in rows} == {day}
    return [row["customer_id"] for row in rows]


class ClosedAccount:
    """A Snowflake account that lets nobody in, and counts who came."""

    def __init__(self) -> None:
        self.logins = 0

    def get_connection(self) -> AbstractContextManager[Any]:
        """Refuse."""
        self.logins += 1
        raise OSError("closed today")


def test_the_snowflake_engine_logs_in_through_the_resource(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        warehouse="snowflake://reader@account/SHOP",
        snowflake_password="p",  # noqa: S106 (of nobody)
    )
    account = ClosedAccount()
    with pytest.raises(WarehouseError, match="closed today"):
        new_engine(settings).connect_through(account).open()
    assert account.logins == 1


def test_a_snowflake_that_is_not_set_says_what_to_set(tmp_path: Path) -> None:
    unset = build_definitions(Settings(home=tmp_path)).resources or {}
    with pytest.raises(SettingError, match="ECOM_WAREHOUSE=snowflake://"):
        unset["snowflake"].get_connection()


def test_secrets_show_in_no_repr_and_reach_the_run() -> None:
    seen = []

    @dg.asset(required_resource_keys={"customer_api", "postgres", "heap"})
    def reader(context: dg.AssetExecutionContext) -> None:
        settings = context.resources.customer_api.applied_to(Settings())
        seen.append(
            (
                settings.customer_api_key.get_secret_value(),
                context.resources.postgres.secret_value("url"),
            )
        )
        seen.append(context.resources.heap.applied_to(Settings()).heap_app_id)

    app: dict[str, Any] = {
        "app_id": "7"
    }  # the fields of a tool are known when its package is found
    resources: dict[str, Any] = {
        "customer_api": CustomerApi(url="https://crm.example", key="k"),
        "postgres": Postgres(url="postgres://shop:p@db/shop"),
        "heap": tool_resource("heap")(**app),
    }
    assert dg.materialize([reader], resources=resources).success
    assert seen == [("k", "postgres://shop:p@db/shop"), "7"]
    assert (resources["customer_api"].key, resources["postgres"].url) == (
        MASK,
        "postgres://shop@db/shop",
    )


def test_a_setting_of_a_tool_may_be_called_its_secret() -> None:
    fields: dict[str, Any] = {"secret": (str | None, secret("Secret of the shop"))}
    made = cast("Callable[..., Any]", create_model("Shop", __base__=ToolResource, **fields))
    resource = made(secret="never shown")  # noqa: S106 (the value that must not be shown)
    assert resource.secret_value("secret") == "never shown"
    assert resource.secret == MASK
    assert "never shown" not in repr(resource)


@pytest.mark.parametrize("field", ["settings", "prefix", "secret_value", "from_settings"])
def test_a_setting_that_would_hide_what_every_resource_has_is_refused(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, Any] = {f"heap_{field}": (str, "")}
    own = create_model("Own", __base__=PackageSettings, **fields)
    monkeypatch.setitem(TOOLS, "heap", replace(TOOLS["heap"], settings=own))
    monkeypatch.setattr(tool_packages, "setting", lambda _name: Field(""))
    monkeypatch.setattr(tool_packages, "kind_in_dagster", lambda _name: str)
    with pytest.raises(
        DefinitionError, match=f"The setting heap_{field} would hide `{field}` of the tool's"
    ):
        tool_resource.__wrapped__("heap")


def test_a_secret_can_be_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_THE_BRANCH", "k2")
    seen = []

    @dg.asset(required_resource_keys={"customer_api"})
    def reader(context: dg.AssetExecutionContext) -> None:
        seen.append(context.resources.customer_api.secret_value("key"))

    api = CustomerApi(url="https://crm.example", key=dg.EnvVar("KEY_OF_THE_BRANCH"))
    assert dg.materialize([reader], resources={"customer_api": api}).success
    assert seen == ["k2"]


def kinds_of(**settings: Any) -> dict[str, set[str]]:
    """Return the kinds of every asset by its key, for a platform with some settings."""
    made = build_definitions(Settings(**settings))
    return {spec.key.to_user_string(): set(spec.kinds) for spec in made.resolve_all_asset_specs()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("warehouse", "engine"),
    [
        ("", "duckdb"),
        ("postgresql://shop@db/shop", "postgres"),
        ("snowflake://u:p@a/SHOP", "snowflake"),
        ("spark:///lake", "spark"),
    ],
)
def test_kinds_name_the_engine(tmp_path: Path, warehouse: str, engine: str) -> None:
    kinds = kinds_of(home=tmp_path, warehouse=warehouse)
    assert kinds["mart/sales"] == {engine, "ibis", "table"}
    assert {
        key for key, actual in kinds.items() if key.startswith("mart/") and engine not in actual
    } == set()


def test_kinds_name_sources_and_tools(tmp_path: Path) -> None:
    (tmp_path / "landed").mkdir()
    for name in ("a.csv.gz", "b.parquet"):
        (tmp_path / "landed" / name).touch()
    kinds = kinds_of(
        home=tmp_path,
        events=str(tmp_path / "landed"),
        orders="orders.csv",
        customer_api_url="https://crm.example",
        postgres_url="postgres://db/shop",
    )
    assert kinds["raw/events"] == {"duckdb", "table", "file"}
    assert kinds["raw/user_order_log"] == {"duckdb", "table", "csv"}
    assert kinds["raw/customers"] == {"duckdb", "table", "api"}
    assert kinds["serving/postgres_marts"] == {"postgres"}
    for tool in TOOLS:
        assert kinds[f"export/{tool}_events"] == {tool}
    assert max(len(actual) for actual in kinds.values()) == 3
