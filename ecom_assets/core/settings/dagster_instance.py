"""The `dagster.yaml` of a home's Dagster instance: written once, renewed by later releases where
nobody has changed it, and left alone where somebody has; and what is set for Dagster besides.
"""

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from ecom_assets.core.atomic_files import replacing_text
from ecom_assets.core.settings.empty_history import begin_history

INSTANCE: Final = "dagster.yaml"
NOTE: Final = "dagster.yaml.sha256"
"""The file beside it with the hashes of what was written, by which a change is noticed."""
SHIPPED: Final = Path(__file__).parents[2] / INSTANCE
WRITTEN_BEFORE: Final = frozenset(
    (
        "757dda6841755b4e65d2ecef95cea8d102034c0aa668d6af19d80630d994f792",
        "a0a021d7cd56359fabb136d3f1102f0e38bddd75ed07210e0164cde6c21f62e4",
        "ba12cf8271d26d7c062a555685be722c4162ae0d303fb94dd940433f8e4be7c6",
        "b751efee7e6a85dd1f1e90644f3ed6c509f1819a5022ea2dfc1791a2e9a6b330",
        "698a61f6c313ff2cf9a26744d0431784d4d6fbf5e533ef2b872d11882cf84087",
    )
)
"""The hashes of what releases wrote that left no note."""
RETRY_BACKFILLS: Final = "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"
"""What Dagster's daemon reads: whether a backfill waits while its code location is away."""


def write_instance(dagster_home: Path) -> None:
    """Write the `dagster.yaml` of this release where there is none, or an unchanged older one.

    Raises:
        OSError: It cannot be read or written.
    """
    path, shipped = dagster_home / INSTANCE, SHIPPED.read_text(encoding="utf-8")
    if path.exists():
        there = path.read_bytes()
        if there == shipped.encode() or _hash(there) not in WRITTEN_BEFORE | _noted_hashes(
            dagster_home
        ):
            return
    else:
        begin_history(dagster_home)
    hashes = "\n".join(sorted({*_noted_hashes(dagster_home), _hash(shipped.encode())}))
    # Noted first: a process that ends in between leaves a file that the next one renews.
    for target, text in ((dagster_home / NOTE, f"{hashes}\n"), (path, shipped)):
        with replacing_text(target, 0o600) as file:
            file.write(text)


def wait_for_code_location() -> None:
    """Let backfills wait while the code location is away, which the daemon gives up otherwise:
    it takes their tables for removed. Who opens an instance comes by here, the daemon too.
    """
    os.environ.setdefault(RETRY_BACKFILLS, "1")


def lacking_sections(dagster_home: Path) -> list[str]:
    """Return the sections of the `dagster.yaml` of this release that the instance's lacks, such as
    `run_retries`; none where the file is not there or cannot be read.
    """
    import yaml  # noqa: PLC0415 (most commands do without)

    try:
        there = yaml.safe_load((dagster_home / INSTANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return sorted(shipped.keys() - (there.keys() if isinstance(there, dict) else set()))


def moved_modules(dagster_home: Path) -> dict[str, str]:
    """Return the modules of this package that the instance's `dagster.yaml` names where earlier
    releases had them, each with its name of today.
    """
    try:
        there = (dagster_home / INSTANCE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    root = SHIPPED.parent
    moved = {}
    for name in sorted(set(re.findall(rf"\b{root.name}\.([\w.]+)", there))):
        first = name.partition(".")[0]
        folders = {path.parent for path in root.glob(f"*/{first}*") if path.stem == first}
        if folders and not any(root.glob(f"{first}*")):
            moved[f"{root.name}.{name}"] = f"{root.name}.{min(folders).name}.{name}"
    return moved


def _noted_hashes(dagster_home: Path) -> frozenset[str]:
    try:
        return frozenset((dagster_home / NOTE).read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return frozenset()


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
