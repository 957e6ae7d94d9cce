"""A shop's own assets on top of the platform's: docs/own_tables.md,
each of its blocks as it is written there.
"""

import importlib.util
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from inspect import isfunction, signature
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import ibis
import pandas as pd
import pyarrow as pa
import pytest

from ecom_assets.core.errors import UsageError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START, asset_key
from ecom_assets.definitions import build_definitions, code_location, defs
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.command import environment, page_views
from ecom_assets_tests.patience import PATIENCE_S

PAGE = (Path(__file__).parents[1] / "docs" / "own_tables.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
(WORKSPACE,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FIRST, LAST = "2026-03-10", "2026-03-11"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
BIN = Path(sys.executable).parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose shop had a visit on each of two days, in the environment."""
    for name, text in BLOCKS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("ECOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ECOM_EVENTS", str(page_views(tmp_path / "own.csv", FIRST, LAST)))
    monkeypatch.setenv("STAGING_KEY", "k")
    return tmp_path / "home"


def module(home: Path, name: str) -> ModuleType:
    """Return a file of the page, as Dagster's loader imports it."""
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), home.parent / name)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    selection: str,
    *,
    days: bool = False,
    fails: bool = False,
) -> dg.ExecuteInProcessResult:
    """Run some assets, with `days` over the two days."""
    result = dg.materialize(
        list(definitions.assets or ()),  # type: ignore[arg-type]  # each is what `materialize` takes
        selection=selection,
        resources=dict(definitions.resources or {}),
        instance=instance,
        tags={RANGE_START: FIRST, RANGE_END: LAST} if days else {},
        run_config=QUIET,
        raise_on_error=False,
    )
    assert result.success is not fails, [
        message(result, e.step_key or "") for e in result.all_events if e.is_step_failure
    ]
    return result


def message(result: dg.ExecuteInProcessResult, node: str) -> str:
    """Return what a step raised, with what caused it."""
    failure = result.failure_data_for_node(node)
    assert failure is not None
    assert failure.error is not None
    return " ".join(error.message for error in (failure.error, failure.error.cause) if error)


def stored(instance: dg.DagsterInstance, *path: str) -> Any:
    """Return what Dagster's own IO manager stored."""
    return pickle.loads(Path(instance.storage_directory(), *path).read_bytes())  # noqa: S301 (this process wrote it)


def test_each_block_of_the_page_is_a_file() -> None:
    assert list(BLOCKS) == [
        "shop.py",
        "branch.py",
        "reports.py",
        "test_sessions.py",
        "test_materialize.py",
    ]
    assert PAGE.count("```python") == len(BLOCKS)


def test_defs_is_a_plain_function_beside_what_dagster_loads() -> None:
    assert isfunction(defs)
    assert type(code_location).__name__ == "LazyDefinitions"


@pytest.mark.slow
def test_dagster_lists_the_merged_assets_of_a_file(home: Path) -> None:
    command = [str(BIN / "dagster"), "asset", "list", "-f", str(home.parent / "shop.py")]
    own = environment(home) | {
        "ECOM_EVENTS": str(home.parent / "own.csv"),
        "DAGSTER_HOME": str(home.parent),
    }
    done = subprocess.run(
        command, env=own, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert {"visits_by_entry_page", "entry_pages", "mart/sessions", "raw/events"} <= set(
        done.stdout.split()
    ), done.stderr


@pytest.mark.slow
def test_dagster_loads_both_locations_of_the_workspace(home: Path) -> None:
    (home.parent / "workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    command = [str(BIN / "dagster"), "definitions", "validate", "-w", "workspace.yaml"]
    own = environment(home) | {
        "ECOM_EVENTS": str(home.parent / "own.csv"),
        "DAGSTER_HOME": str(home.parent),
    }
    done = subprocess.run(
        command,
        env=own,
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Validation successful for code location") == 2


@pytest.mark.slow
def test_the_platforms_jobs_leave_own_assets_alone_whatever_their_partitions(home: Path) -> None:
    @dg.asset(
        ins={"sessions": dg.AssetIn(["mart", "sessions"])},
        partitions_def=dg.WeeklyPartitionsDefinition("2026-01-01"),
    )
    def by_week(sessions: Any) -> int:
        return int(sessions.count().execute())

    shop = module(home, "shop.py").shop
    merged = dg.Definitions.merge(shop, dg.Definitions(assets=[by_week]))
    alone = build_definitions(Settings(home=home, events=str(home.parent / "own.csv")))
    for job in ("everything", "events"):
        keys = set(merged.resolve_job_def(job).asset_layer.executable_asset_keys)
        assert keys == set(alone.resolve_job_def(job).asset_layer.executable_asset_keys)


@pytest.mark.slow
def test_a_resource_in_place_of_the_platforms_own(home: Path) -> None:
    branch = module(home, "branch.py").branch
    assert branch.resources["customer_api"].url == "https://staging.example.com/customers"
    with dg.DagsterInstance.ephemeral() as instance:
        run(branch, instance, "profiles_are_there")
    given = defs(resources={"customer_api": module(home, "branch.py").staging}).resources or {}
    assert given["customer_api"].url == "https://staging.example.com/customers"


@pytest.mark.slow
def test_a_location_of_its_own_reads_what_is_published(home: Path, tmp_path: Path) -> None:
    reports = module(home, "reports.py").reports
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        failed = run(reports, instance, "visits_by_day", fails=True)
        assert "run `ecom run`" in message(failed, "visits_by_day")
        for selection in ('+key:"mart/sessions"', 'key:"serving/marts"'):
            run(defs(), instance, selection, days=True)
        run(reports, instance, "visits_by_day")
        assert stored(instance, "visits_by_day") == [(date(2026, 3, 10), 1), (date(2026, 3, 11), 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_sessions.py", "test_materialize.py"])
def test_the_tests_of_the_page_pass(name: str, home: Path, tmp_path: Path) -> None:
    tests = [value for key, value in vars(module(home, name)).items() if key.startswith("test_")]
    for test in tests:
        test(*([tmp_path] if signature(test).parameters else []))
    assert len(tests) == 1


def returning(value: Callable[[], Any]) -> dg.AssetsDefinition:
    """Return an asset that has no annotation, as people write them first."""

    @dg.asset
    def hello():  # type: ignore[no-untyped-def]  # noqa: ANN202 (this is the case)
        return value()

    return hello


def beside_the_platform(tmp_path: Path, own: dg.AssetsDefinition) -> dg.Definitions:
    return dg.Definitions.merge(
        build_definitions(Settings(home=tmp_path / "home")), dg.Definitions(assets=[own])
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "value", [lambda: pd.DataFrame({"a": [1]}), lambda: None, lambda: [{"a": 1}]]
)
def test_whatever_an_own_asset_returns_is_stored_as_dagster_stores_it(
    tmp_path: Path, value: Any
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        run(beside_the_platform(tmp_path, returning(value)), instance, "hello")
        assert str(stored(instance, "hello")) == str(value())


def test_an_ibis_table_of_an_own_asset_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        own = returning(lambda: ibis.memtable(pa.table({"a": [1]})))
        result = run(beside_the_platform(tmp_path, own), instance, "hello", fails=True)
    error = message(result, "hello")
    assert "the asset hello returned an Ibis table" in error
    assert "return its rows, such as `.to_pyarrow()`, or name an IO manager of your own" in error


@pytest.mark.slow
def test_own_assets_read_the_platforms_tables_and_all_are_loaded_outside_of_a_run(
    home: Path, tmp_path: Path
) -> None:
    @dg.asset(partitions_def=dg.DailyPartitionsDefinition(FIRST))
    def of_a_day(context: dg.AssetExecutionContext) -> str:
        return str(context.partition_key)

    shop = module(home, "shop.py").shop
    both = dg.Definitions.merge(shop, dg.Definitions(assets=[of_a_day]))
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        run(both, instance, '+key:"mart/sessions"', days=True)
        run(both, instance, 'key:"visits_by_entry_page" or key:"entry_pages"')
        visits = stored(instance, "visits_by_entry_page")
        assert visits.to_dict("records") == [
            {"entry_page_url": "https://shop.example/", "visit_count": 2}
        ]
        assert stored(instance, "entry_pages") == ["https://shop.example/"]
        dg.materialize(
            [of_a_day], instance=instance, partition_key=FIRST, resources=dict(both.resources or {})
        )
        load = partial(both.load_asset_value, instance=instance)
        assert load("entry_pages") == ["https://shop.example/"]
        assert load("of_a_day", partition_key=FIRST) == FIRST
        sessions: Any = load(["mart", "sessions"])
        assert sessions.count().to_pyarrow().as_py() == 2
        frame: Any = load(["mart", "sessions"], partition_key=FIRST, python_type=pd.DataFrame)
        assert len(frame) == 1
        with both.get_asset_value_loader(instance=instance) as loader:
            for contract in ALL:
                table: Any = loader.load_asset_value(asset_key(contract))
                assert tuple(table.columns) == tuple(contract.columns)
            with pytest.raises(WarehouseError, match=r"Nothing is stored of serving/marts in .*"):
                loader.load_asset_value(["serving", "marts"])
            with pytest.raises(WarehouseError, match=r"is loaded by a partition_key, no other"):
                loader.load_asset_value("of_a_day")


def test_an_own_asset_without_an_instance_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(UsageError, match="set DAGSTER_HOME, or pass the instance"):
        beside_the_platform(tmp_path, returning(lambda: 1)).load_asset_value("hello")
