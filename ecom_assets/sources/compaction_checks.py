"""What must hold of merged landing files, looked at again after each compaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from ecom_assets.settings.settings import Settings
from ecom_assets.sources.compaction import landing_folders
from ecom_assets.sources.files.manifest import Manifest, read_manifest
from ecom_assets.sources.landing_lock import changing_landing_files


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
