"""The wiring: it loads anywhere, every table is described, owned and checked,
and Dagster's own commands work.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.asset_backfill import AssetBackfillData

from ecom_assets.commerce.customers.assets import VALUE_ASSETS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.definitions import build_definitions, checks
from ecom_assets.orchestration.registry import ALL, BY_KEY, NOTES
from ecom_assets.outputs.delivery.tools.all import NAMES
from ecom_assets_tests.command import small_shop
from ecom_assets_tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SNAPSHOT = "serving/marts"
KEYS = sorted([*BY_KEY, *(f"export/{name}" for name in (*NAMES, "customers_json")), SNAPSHOT])
"""The tables by their contracts, what is delivered, and what is published:
docs/data_dictionary.md lists the tables.
"""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(Settings(home=Path("never written")))


def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_the_assets_are_the_tables_the_deliveries_and_the_snapshot(
    definitions: dg.Definitions,
) -> None:
    assert sorted(specs(definitions)) == KEYS


def tables(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """Return the assets that are tables; the others deliver them to other tools,
    or write a file.
    """
    return {key: spec for key, spec in specs(definitions).items() if spec.kinds & {"table"}}


def test_every_table_has_a_contract_and_every_contract_a_table(definitions: dg.Definitions) -> None:
    assert set(tables(definitions)) == set(BY_KEY)
    assert len(ALL) == len(BY_KEY)


def test_every_table_is_described_owned_and_grouped(definitions: dg.Definitions) -> None:
    for key, spec in tables(definitions).items():
        assert spec.description == BY_KEY[key].description()
        assert spec.description.startswith("One row per"), f"{key} does not begin with its grain"
        assert list(spec.owners) == [BY_KEY[key].owner]
        assert spec.group_name == BY_KEY[key].group
    for key in set(specs(definitions)) - set(tables(definitions)):
        spec = specs(definitions)[key]
        group = "serving" if key == SNAPSHOT else "delivery"
        assert (bool(spec.description), list(spec.owners), spec.group_name) == (
            True,
            [f"team:{group}"],
            group,
        )


def test_every_table_shows_the_columns_of_its_contract(definitions: dg.Definitions) -> None:
    for key, spec in tables(definitions).items():
        shown = {column.name: column for column in spec.metadata["dagster/column_schema"].columns}
        assert list(shown) == list(BY_KEY[key].columns)
        for name, column in BY_KEY[key].columns.items():
            described = column.description + (f" [{column.unit}]" if column.unit else "")
            assert shown[name].description == described
            assert shown[name].type == column.type
            assert list(shown[name].constraints.other) == list(column.limits)


def test_the_catalogue_shows_what_the_dictionary_leaves_out(definitions: dg.Definitions) -> None:
    schema = specs(definitions)["mart/channel_attribution"].metadata["dagster/column_schema"]
    by_name = {column.name: column for column in schema.columns}
    assert by_name["unit"].constraints.other == ["one of purchase, order"]
    assert by_name["credit"].constraints.nullable is False
    assert schema.constraints.other == ["key: converted_date, unit, model, channel"]


def test_every_table_has_a_blocking_check_and_every_check_a_table(
    definitions: dg.Definitions,
) -> None:
    checks = definitions.resolve_asset_graph().asset_check_keys
    # What is in the snapshot was checked as tables.
    assert {check.asset_key.to_user_string() for check in checks} == set(specs(definitions)) - {
        SNAPSHOT
    }
    blocking = {
        check.asset_key.to_user_string() for check in checks if check.name == "contract_holds"
    }
    assert blocking == set(tables(definitions))


def test_a_table_with_all_before_it_has_what_its_checks_read(definitions: dg.Definitions) -> None:
    """Anyone who selects `+mart/journey_transitions` must not see a check fail
    for want of `mart/journeys`.
    """
    graph = definitions.resolve_asset_graph()
    for check in checks(Settings(home=Path("never written"))):
        before = dg.AssetSelection.assets(asset_key(check.contract)).upstream().resolve(graph)
        assert {asset_key(table) for table in check.tables if table not in NOTES} <= before, (
            check.name
        )


def test_a_range_of_days_is_one_run_on_every_asset(definitions: dg.Definitions) -> None:
    assert all(spec.partitions_def is not None for spec in specs(definitions).values())
    for asset in definitions.assets or ():
        assert isinstance(asset, dg.AssetsDefinition)
        assert asset.backfill_policy == dg.BackfillPolicy.single_run()


# Dagster calls a method of its own that it has deprecated.
@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")
def test_partitions_are_day_to_day_so_that_a_backfill_runs_the_days_that_were_chosen(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    chosen = {"2026-03-10", "2026-03-11", "2026-03-12"}
    keys = dg.AssetSelection.assets("raw/events").downstream().resolve(graph)
    with dg.DagsterInstance.ephemeral() as instance:
        target = AssetBackfillData.from_asset_partitions(
            asset_graph=graph,
            partition_names=sorted(chosen),
            asset_selection=sorted(keys),
            dynamic_partitions_store=instance,
            all_partitions=False,
            backfill_start_timestamp=time.time(),
        ).target_subset
    assert len(keys) > 60
    for key in keys:
        days = target.get_asset_subset(key).subset_value.get_partition_keys()  # type: ignore[union-attr]  # each is in it
        assert set(days) == chosen, key


@pytest.mark.slow
@pytest.mark.parametrize(
    ("warehouse", "pools"),
    [
        ("", {"embedded_warehouse"}),
        ("duckdb:///a/b.duckdb", {"embedded_warehouse"}),
        ("postgres://a@b/c", {None}),
    ],
)
def test_runs_take_turns_only_where_the_warehouse_has_one_writer(
    warehouse: str, pools: set[str | None]
) -> None:
    made = build_definitions(Settings(home=Path("never written"), warehouse=warehouse))
    steps = made.resolve_job_def("everything").graph.node_defs
    assert {step.pool for step in steps if isinstance(step, dg.OpDefinition)} == pools


def test_jobs_schedules_and_sensors_are_there(definitions: dg.Definitions) -> None:
    assert definitions.resolve_job_def("everything").name == "everything"
    for source, at in (
        ("events", "0 2 * * *"),
        ("orders", "0 1 * * *"),
        ("customers", "0 23 * * *"),
    ):
        assert definitions.resolve_job_def(source).name == source
        assert definitions.resolve_schedule_def(f"daily_{source}").cron_schedule == at
    assert definitions.resolve_sensor_def("landing_files").job_name == "events"
    assert definitions.resolve_sensor_def("following").name == "following"


def test_segments_and_value_follow_orders_and_purchase_events_where_there_are_none(
    definitions: dg.Definitions,
) -> None:
    events_only = build_definitions(Settings(home=Path("never written"), events="clicks.csv"))
    of_value = {asset.key for asset in VALUE_ASSETS}
    for made, job, follows in (
        (definitions, "events", False),
        (definitions, "orders", True),
        (events_only, "events", True),
    ):
        chosen = set(made.resolve_job_def(job).asset_layer.executable_asset_keys)
        assert of_value & chosen == (of_value if follows else set())


def in_a_process(*command: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that sees none of our settings but the home."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECOM_", "DAGSTER_"))
    }
    env |= {
        "ECOM_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "PATH": f"{BIN}:{env['PATH']}",
    }
    env |= {"DAGSTER_DISABLE_TELEMETRY": "1"}
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


@pytest.mark.slow
def test_definitions_load_in_a_fresh_interpreter_without_any_setting(tmp_path: Path) -> None:
    script = (
        "from ecom_assets.definitions import defs; "
        "print(len(list(defs().resolve_all_asset_keys())))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:ecom_assets", "-c", script],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(len(KEYS)), "")
    assert list(tmp_path.iterdir()) == [], "loading writes nothing"


@pytest.mark.slow
def test_dg_checks_the_definitions(tmp_path: Path) -> None:
    done = in_a_process(BIN / "dg", "check", "defs", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_dg_lists_every_table(tmp_path: Path) -> None:
    done = in_a_process(BIN / "dg", "list", "defs", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    listed = json.loads(done.stdout)
    assert sorted(asset["asset_key"] for asset in listed["assets"]) == KEYS


@pytest.mark.slow
def test_dg_launches_a_day(tmp_path: Path) -> None:
    small_shop(tmp_path, days=1, visitors=20)
    done = in_a_process(
        BIN / "dg",
        "launch",
        "--assets",
        '+key:"staging/events"',
        "--partition",
        "2026-01-01",
        home=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "warehouse.duckdb").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [("dagster", "asset", "materialize", "--select"), ("dg", "launch", "--assets")]
)
def test_a_table_that_is_materialized_without_a_day_gets_a_sentence(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    program, *rest = arguments
    module = ["-m", "ecom_assets.definitions"] if program == "dagster" else []
    done = in_a_process(BIN / program, *rest, "mart/sales", *module, home=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("dagster: ")]
    assert "--partition 20" in sentence
    assert "--partition-range 20" in sentence
