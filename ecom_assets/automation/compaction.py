"""Landing files as an asset that is merged hourly, with its checks, its job and its schedule."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow.parquet as pq

from ecom_assets.automation.jobs import schedule_status
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.compaction import compact, landing_folders
from ecom_assets.sources.files.manifest import Manifest, read_manifest
from ecom_assets.sources.landing import changing_landing_files

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


@dataclass(frozen=True)
class CompactionFindings:
    """How many merged files were looked at, and in a sentence each, what is wrong with them."""

    compared_count: int = 0
    """Merged files whose sources are all still there, so that rows can be counted on both sides."""
    merged_count: int = 0
    row_faults: tuple[str, ...] = ()
    coverage_faults: tuple[str, ...] = ()

    def __add__(self, other: "CompactionFindings") -> "CompactionFindings":
        """Return both together."""
        return CompactionFindings(
            self.compared_count + other.compared_count,
            self.merged_count + other.merged_count,
            self.row_faults + other.row_faults,
            self.coverage_faults + other.coverage_faults,
        )


def look_at_merged(settings: Settings) -> CompactionFindings:
    """Look at the merged files of all landing folders.

    Raises:
        SourceError: A manifest cannot be read.
    """
    result = CompactionFindings()
    with changing_landing_files(settings.home):
        for folder in landing_folders(settings):
            result += _of_folder(folder, read_manifest(folder))
    return result


def _of_folder(folder: Path, manifest: Manifest) -> CompactionFindings:
    compared, row_faults, coverage_faults = 0, [], []
    for name, entry in manifest.merged.items():
        merged, sources = folder / name, [folder / source for source in entry.sources]
        if not merged.exists():
            coverage_faults.append(f"{merged} is missing; what it was made of does not count")
        elif sources and all(source.exists() for source in sources):
            compared += 1
            before, after = _row_count(sources), _row_count([merged])
            row_faults += [f"{merged} has {after:,} rows, its sources {before:,}"] if before != after else []
    uses = Counter(source for entry in manifest.merged.values() for source in entry.sources)
    coverage_faults += [f"{folder / name} is in {uses[name]} merged files" for name in sorted(uses) if uses[name] > 1]
    return CompactionFindings(compared, len(manifest.merged), tuple(row_faults), tuple(coverage_faults))


def _row_count(paths: Sequence[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in paths)
