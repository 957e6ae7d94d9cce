"""Which files of a landing folder count: merged files and the ones that they replace,
by the folder's manifest.

The manifest is replaced in one atomic step. A merged file counts once the manifest names it, and
from the same step on the files that it was made of no longer count.
"""

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from ecom_assets.core.atomic_files import replacing_text
from ecom_assets.core.errors import SourceError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.tables.received_files import OF_UPLOADS

NAME: Final = "compacted.manifest.json"
"""The manifest's file; no source reads names that end so."""
LANDED: Final = "landed.parquet"
"""The name that rows of generated files carry;
which of them a row lies in changes with every compaction.
"""
_GENERATED: Final = re.compile(
    r"(?:kafka-.+-\d+-\d{20}|collect-[0-9a-f-]{32,36}-\d+|compact-[0-9a-f]{32})\.parquet"
)

_UPLOADED: Final = re.compile(rf"{OF_UPLOADS}\d{{6,}}-\d{{3,}}\.parquet")
_MERGED: Final = re.compile(r"compact-[0-9a-f]{32}\.parquet")


def new_merged_name() -> str:
    """Return a name for a merged file, which nothing has had before."""
    return f"compact-{uuid4().hex}.parquet"


def is_merged(name: str) -> bool:
    """Return whether a name is that of a merged file."""
    return _MERGED.fullmatch(name) is not None


def is_generated(name: str) -> bool:
    """Return whether a file was written by the platform's stream, collector or compaction,
    and is never changed.
    """
    return _GENERATED.fullmatch(name) is not None


def uploaded_name(number: int, place: int) -> str:
    """Return the name of all landed files with the rows of one file of an upload: its rows lie in
    the folders of several days, and are one version all the same.
    """
    return f"{uploaded_prefix(number)}{place:03}.parquet"


def uploaded_prefix(number: int) -> str:
    """Return what the names of all landed files of an upload begin with."""
    return f"{OF_UPLOADS}{number:06}-"


def is_uploaded(name: str) -> bool:
    """Return whether a file has the rows of an upload."""
    return _UPLOADED.fullmatch(name) is not None


def number_of(uploaded: str) -> int:
    """Return the number of the upload whose rows a file has."""
    return int(uploaded.removeprefix(OF_UPLOADS).partition("-")[0])


def is_of_others(path: Path) -> bool:
    """Return whether a file was not written by the platform."""
    return not (is_generated(path.name) or is_uploaded(path.name))


@dataclass(frozen=True)
class Replacement:
    """A merged file's sources, and when they were replaced, in seconds since 1970;
    removed sources are left out.
    """

    sources: tuple[str, ...]
    replaced_at: float


@dataclass(frozen=True)
class Manifest:
    """The merged files of a folder, by name."""

    merged: Mapping[str, Replacement] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    """The names that do not count; those of merged files may be among them."""

    def is_current(self, name: str) -> bool:
        """Return whether an entry of the folder counts."""
        return name not in self.replaced and (not _MERGED.fullmatch(name) or name in self.merged)

    def with_merged(self, name: str, sources: Collection[str], now: float) -> "Manifest":
        """Return the manifest after a merge."""
        return _manifest({**self.merged, name: Replacement(tuple(sorted(sources)), now)})

    def without_sources(self, gone: Collection[str]) -> "Manifest":
        """Return the manifest after files were removed:
        merged files that are gone themselves are forgotten.
        """
        left = {
            name: Replacement(tuple(set(entry.sources) - set(gone)), entry.replaced_at)
            for name, entry in self.merged.items()
            if name not in gone
        }
        return _manifest(left)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder; an empty one if nothing was merged there.

    Raises:
        SourceError: It is damaged, so that nobody knows which files count.
    """
    path = folder / NAME
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
        return _manifest(
            {
                n: Replacement(tuple(v["sources"]), float(v["replaced_at"]))
                for n, v in values.items()
            }
        )
    except (
        PermissionError
    ):  # says more by itself: the caller lists the folder and refuses it by name
        raise
    except (FileNotFoundError, NotADirectoryError):
        return Manifest()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{path} says which files were merged and cannot be read; restore it from a backup of "
            "the folder"
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a folder in one durable step."""
    values = {
        n: {"sources": sorted(e.sources), "replaced_at": e.replaced_at}
        for n, e in manifest.merged.items()
    }
    with replacing_text(folder / NAME) as file:
        file.write(json_text(values))


def forget_empty(folder: Path) -> None:
    """Remove the manifest of a folder that holds nothing else,
    so that the folder can be removed.
    """
    with suppress(FileNotFoundError):
        if [path.name for path in folder.iterdir()] == [NAME]:
            (folder / NAME).unlink()


def _manifest(merged: Mapping[str, Replacement]) -> Manifest:
    return Manifest(merged, frozenset(name for entry in merged.values() for name in entry.sources))
