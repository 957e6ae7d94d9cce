"""Landing files: the nightly job that extracts from shops' APIs,
and the asset whose small files are merged hourly.

The checks of the asset see that no row is lost or counts twice.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow.parquet as pq

from ecom_assets.core.errors import EcomError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import tried_again_later
from ecom_assets.ingestion.sources.compaction import compact, landing_folders
from ecom_assets.ingestion.sources.extraction.extraction import extracts_of, run_extract
from ecom_assets.ingestion.sources.files.manifest import Manifest, read_manifest
from ecom_assets.ingestion.sources.landing import changing_landing_files
from ecom_assets.orchestration.automation.jobs import job_of_steps, schedule_status

EXTRACTION: Final = "extraction"


def extraction_job(settings: Settings) -> dg.JobDefinition:
    """Return the job, with a step per extract of ECOM_EXTRACTS;
    one that fails keeps no other from running.

    Raises:
        SettingError: ECOM_EXTRACTS is wrong.
    """
    description = (
        "Lands what changed in the APIs of ECOM_EXTRACTS since the last time, for the job of "
        "orders."
    )
    steps = (_step(settings, source, folder) for source, folder in extracts_of(settings).items())
    return job_of_steps(EXTRACTION, description, *steps)


def _step(settings: Settings, source: str, folder: Path) -> dg.OpDefinition:
    name = re.sub(
        r"[^A-Za-z0-9]+", "_", f"extract_{source.removesuffix('.yaml').removesuffix('.yml')}"
    ).strip("_")

    @dg.op(name=name, description=f"What changed in the API of {source}, into {folder}.")
    def extract(context: dg.OpExecutionContext) -> None:
        try:
            with tried_again_later(context):
                _, landed = run_extract(source, folder, settings)
        except EcomError as error:
            raise dg.Failure(
                str(error), metadata={"folder": str(folder)}, allow_retries=False
            ) from error
        for resource, each in landed.items():
            context.log.info(
                f"{resource}: {each.new_count:,} new, {each.changed_count:,} in a newer version"
            )
        counts = {
            f"{resource}/{kind}": value
            for resource, each in landed.items()
            for kind, value in (
                ("new_count", each.new_count),
                ("changed_count", each.changed_count),
                ("read_up_to", "" if each.cursor is None else str(each.cursor)),
            )
        }
        context.add_output_metadata({"folder": str(folder), **counts})

    return extract


def extraction_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the nightly schedule, which is before that of orders,
    and on where ECOM_SCHEDULES says so.
    """
    return dg.ScheduleDefinition(
        name="daily_extraction",
        job_name=EXTRACTION,
        cron_schedule="10 0 * * *",
        execution_timezone=settings.timezone,
        default_status=schedule_status(settings.schedules, auto=False),
        description=(
            "What changed in shops' APIs, so that it lies in its folder before orders are loaded."
        ),
    )


COMPACTION: Final = "compaction"
LANDING_FILES: Final = dg.AssetKey(["landing", "files"])
ROWS: Final = dg.AssetCheckSpec(
    "no_row_is_lost",
    asset=LANDING_FILES,
    description="A merged file has as many rows as the files that it replaced.",
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
        description=(
            "The landing files of the stream and the collector. Materializing merges "
            "small ones; readers see each row once before, while and after it runs."
        ),
    )
    def landing_files() -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster looks for the bare class
        done = compact(settings)
        merged = look_at_merged(settings)
        counts = {"merged_count": merged.merged_count, "compared_count": merged.compared_count}
        faults = ((ROWS, merged.row_faults), (COVERAGE, merged.coverage_faults))
        results = [
            dg.AssetCheckResult(
                passed=not broken,
                check_name=spec.name,
                metadata={**counts, "faults": "; ".join(broken) or "none"},
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
        description=(
            "Merges small landing files; readers see each event once before, while and after "
            "it runs."
        ),
        executor_def=dg.in_process_executor,
    )


def compaction_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the hourly schedule, which is on where ECOM_SCHEDULES says so,
    as the nightly ones are.
    """
    return dg.ScheduleDefinition(
        name="hourly_compaction",
        job_name=COMPACTION,
        cron_schedule="20 * * * *",
        default_status=schedule_status(settings.schedules, auto=False),
        description="Merges small landing files of the stream and the collector.",
    )


@dataclass
class CompactionFindings:
    """How many merged files were looked at, and in a sentence each, what is wrong with them."""

    compared_count: int = 0
    """Merged files whose sources are all still there, so that rows can be counted on both sides."""

    merged_count: int = 0
    row_faults: list[str] = field(default_factory=list)
    coverage_faults: list[str] = field(default_factory=list)


def look_at_merged(settings: Settings) -> CompactionFindings:
    """Look at the merged files of all landing folders.

    Raises:
        SourceError: A manifest cannot be read.
    """
    findings = CompactionFindings()
    with changing_landing_files(settings.home):
        for folder in landing_folders(settings):
            _look_into(folder, read_manifest(folder), findings)
    return findings


def _look_into(folder: Path, manifest: Manifest, findings: CompactionFindings) -> None:
    """Add what is found of one folder."""
    findings.merged_count += len(manifest.merged)
    for name, entry in manifest.merged.items():
        merged, sources = folder / name, [folder / source for source in entry.sources]
        if not merged.exists():
            findings.coverage_faults.append(
                f"{merged} is missing; what it was made of does not count"
            )
        elif sources and all(source.exists() for source in sources):
            findings.compared_count += 1
            before, after = _row_count(sources), _row_count([merged])
            if before != after:
                findings.row_faults.append(f"{merged} has {after:,} rows, its sources {before:,}")
    uses = Counter(source for entry in manifest.merged.values() for source in entry.sources)
    findings.coverage_faults += [
        f"{folder / name} is in {uses[name]} merged files"
        for name in sorted(uses)
        if uses[name] > 1
    ]


def _row_count(paths: Sequence[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in paths)
