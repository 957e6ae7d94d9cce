"""Landing files as an asset: a job of its own merges them, and its checks look
at both sides of the merge.
"""

from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import build_definitions
from ecom_assets.ingestion.sources.files.manifest import read_manifest, write_manifest
from ecom_assets.orchestration.automation.jobs import EVERYTHING
from ecom_assets.orchestration.automation.landing import COMPACTION, LANDING_FILES, compaction_asset
from ecom_assets_tests.ingestion.sources.test_compaction import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, compact_grace_s=1e9)


def checks(shop: Shop) -> dict[str, tuple[bool, str]]:
    result = dg.materialize([compaction_asset(shop.settings)])
    evaluations = result.get_asset_check_evaluations()
    return {
        check.check_name: (check.passed, str(check.metadata["faults"].value))
        for check in evaluations
    }


def test_a_merge_is_materialized_and_its_rows_are_counted_on_both_sides(shop: Shop) -> None:
    for start in (0, 3, 6):
        shop.land(start)
    result = dg.materialize([compaction_asset(shop.settings)])
    (materialized,) = result.asset_materializations_for_node("landing__files")
    assert {
        name: materialized.metadata[name].value
        for name in ("merged_count", "made_count", "row_count")
    } == {
        "merged_count": 3,
        "made_count": 1,
        "row_count": 9,
    }
    for check in result.get_asset_check_evaluations():
        assert (check.passed, check.metadata["compared_count"].value) == (True, 1)


def test_a_merged_file_that_lacks_a_row_is_found(shop: Shop) -> None:
    for start in (0, 3):
        shop.land(start)
    shop.compact()
    (merged,) = shop.files()
    shop.land(0, rows=5, name=merged)  # as if one of the six rows had been lost
    passed, fault = checks(shop)["no_row_is_lost"]
    assert (passed, fault.endswith("has 5 rows, its sources 6")) == (False, True)


def test_a_file_in_two_merged_files_and_one_that_is_gone_are_found(shop: Shop) -> None:
    for start in (0, 3):
        shop.land(start)
    shop.compact()
    manifest = read_manifest(shop.day)
    (entry,) = manifest.merged.values()
    write_manifest(
        shop.day,
        manifest.with_merged(f"compact-{'a' * 32}.parquet", entry.sources[:1], entry.replaced_at),
    )
    passed, faults = checks(shop)["nothing_counts_twice"]
    assert not passed
    assert "is missing; what it was made of does not count" in faults
    assert f"{entry.sources[0]} is in 2 merged files" in faults


def test_only_its_own_job_merges_and_only_where_files_land(tmp_path: Path) -> None:
    streamed = build_definitions(Settings(home=tmp_path, orders="kafka://broker/orders"))
    assert streamed.resolve_job_def(COMPACTION).asset_layer.executable_asset_keys == {LANDING_FILES}
    assert (
        LANDING_FILES not in streamed.resolve_job_def(EVERYTHING).asset_layer.executable_asset_keys
    )
    sandbox = build_definitions(Settings(home=tmp_path))
    assert LANDING_FILES not in sandbox.resolve_asset_graph().get_all_asset_keys()
