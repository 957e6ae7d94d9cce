"""Landing files as an asset that is merged hourly, with its checks, its job and its schedule."""

from typing import Any, Final

import dagster as dg

from ecom_assets.automation.jobs import schedule_status
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.compaction import compact
from ecom_assets.sources.compaction_checks import look_at_merged

COMPACTION: Final = "compaction"
LANDING_FILES: Final = dg.AssetKey(["landing", "files"])
ROWS: Final = dg.AssetCheckSpec(
    "no_row_is_lost", asset=LANDING_FILES, description="A merged file has as many rows as the files that it replaced."
)
COVERAGE: Final = dg.AssetCheckSpec(
    "nothing_counts_twice",
    asset=LANDING_FILES,
    description="Each file is part of one merged file at most, and that file is there.",
)


def compaction_asset(settings: Settings) -> dg.AssetsDefinition:
    """Return the asset; it fails if rows do not add up, and then nothing was replaced."""

    @dg.asset(
        key=LANDING_FILES,
        group_name="landing",
        kinds={"parquet"},
        check_specs=[ROWS, COVERAGE],
        description="The landing files of the stream and the collector. Materializing merges small ones; readers see "
        "each row once before, while and after it runs.",
    )
    def landing_files() -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster looks for the bare class
        done = compact(settings)
        merged = look_at_merged(settings)
        counts = {"merged_count": merged.merged_count, "compared_count": merged.compared_count}
        faults = ((ROWS, merged.row_faults), (COVERAGE, merged.coverage_faults))
        results = [
            dg.AssetCheckResult(
                passed=not broken, check_name=spec.name, metadata={**counts, "faults": "; ".join(broken) or "none"}
            )
            for spec, broken in faults
        ]
        return dg.MaterializeResult(metadata=done.as_json(), check_results=results)

    return landing_files


def compaction_job() -> Any:  # noqa: ANN401 (Dagster does not export the class of this)
    """Return the job that materializes landing files, and nothing that is computed from them."""
    return dg.define_asset_job(
        COMPACTION,
        dg.AssetSelection.assets(LANDING_FILES),
        description="Merges small landing files; readers see each event once before, while and after it runs.",
        executor_def=dg.in_process_executor,
    )


def compaction_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the hourly schedule, which is on where ECOM_SCHEDULES says so, as the nightly ones are."""
    return dg.ScheduleDefinition(
        name="hourly_compaction",
        job_name=COMPACTION,
        cron_schedule="20 * * * *",
        default_status=schedule_status(settings, auto=False),
        description="Merges small landing files of the stream and the collector.",
    )
