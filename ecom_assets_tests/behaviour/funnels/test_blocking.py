"""A failing check of the daily funnels stops what is built on them, and leaves it as it was."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pytest

from ecom_assets import definitions
from ecom_assets.behaviour.funnels.checks import FUNNEL_CHECKS
from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import PARTITION
from ecom_assets.core.tables.check import CheckResult
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.command import page_views

DAY = "2026-03-10"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
BUILT_ON_IT = dg.AssetKey(["mart", "conversion_by_dimension"])


def _fails(_days: Days | None, *_tables: ir.Table) -> CheckResult:
    return CheckResult(broken_count=1, looked_at_count=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["steps_never_increase", "categories_add_up_to_total"])
def test_a_failing_check_of_the_funnel_stops_what_is_built_on_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [
        replace(check, function=_fails) if check.name == name else check for check in FUNNEL_CHECKS
    ]
    assert [check.contract for check in broken if check.function is _fails] == [ConversionFunnel]
    monkeypatch.setattr(definitions, "FUNNEL_CHECKS", tuple(broken))
    settings = Settings(
        home=tmp_path / "home", events=str(page_views(tmp_path / "events.csv", DAY))
    )
    platform = definitions.build_definitions(settings)
    chosen = dg.AssetSelection.from_string('+key:"mart/conversion_by_dimension"')
    result = platform.resolve_job_def("everything").execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        asset_selection=sorted(chosen.resolve(platform.resolve_asset_graph())),
        tags={PARTITION: DAY},
        run_config=QUIET,
        raise_on_error=False,
    )
    assert not result.success
    (failed,) = (found for found in result.get_asset_check_evaluations() if not found.passed)
    assert failed.check_name == name
    assert failed.metadata["days"].value == DAY
    computed = {event.asset_key for event in result.get_asset_materialization_events()}
    assert dg.AssetKey(["mart", "conversion_funnel"]) in computed
    assert BUILT_ON_IT not in computed
