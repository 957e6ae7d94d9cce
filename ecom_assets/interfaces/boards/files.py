"""Saved questions and boards as YAML files,
so that a repository has them and changes are reviewed like code.

A folder per kind, a file per id, and in each file the version that it was pulled as. Nothing else
in a file changes by itself: fields stand in one order, and there is no time and no name of a person
who saved it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import (
    DefinitionError,
    EcomError,
    UsageError,
    did_you_mean,
    quoted_value,
)
from ecom_assets.core.rows import NamedValues
from ecom_assets.ingestion.sources.mapping_file import DoubleKeyError, definition_from, message_of
from ecom_assets.interfaces.boards.model import (
    KINDS,
    LONGEST_SLUG,
    SLUG,
    Board,
    Kept,
    SavedQuestion,
)
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion, differing

VERSION: Final = "version"
LOCAL: Final = "form"
"""What only the store has: the address of a builder, which follows from the definition."""


@dataclass(frozen=True)
class KeptFile:
    """A file: its kind and id, the version that it was pulled as (0 for a new one),
    and what it says.
    """

    path: Path
    kind: type[Kept]
    slug: str
    version: int
    item: Kept

    @property
    def content(self) -> dict[str, Any]:
        """Return what it says, as the store has it."""
        return in_file(self.item.to_file())


@dataclass(frozen=True)
class Difference:
    """An id whose file and newest version differ.

    Attributes:
        name: Its folder and id.
        does: What a push does: `create`, `change`, `restore`, `delete`, `keep`; `refuse` if the
            version is another.
        fields: The fields that differ.
        why: Why it is refused; else empty.
    """

    name: str
    does: str
    fields: tuple[str, ...] = ()
    why: str = ""


def in_file(content: NamedValues) -> dict[str, Any]:
    """Return a content without what only the store has."""
    return {name: value for name, value in content.items() if name != LOCAL}


def yaml_of(version: KeptVersion[Any]) -> str:
    """Return a version as its file has it."""
    return _text({VERSION: version.number, **in_file(version.content)})


def pull(store: BoardStore, folder: Path) -> list[Path]:
    """Write what is kept into a folder, and return the files that changed;
    files of what is deleted are removed.

    Raises:
        WorkError: A file cannot be written.
    """
    changed = []
    for kind in KINDS:
        newest = {version.slug: version for version in store.newest(kind)}
        for slug, version in newest.items():
            path, text = path_of(folder, kind, slug), yaml_of(version)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_bytes(path, text.encode())
                changed.append(path)
        for path in _paths(folder, kind):
            if path.stem not in newest and store.versions(kind, path.stem):
                path.unlink()
                changed.append(path)
    return changed


def check(folder: Path) -> list[KeptFile]:
    """Return the files of a folder, each of which can be saved as it is,
    and names only what is in the folder.

    Raises:
        UsageError: The first of all that is wrong, with the file.
    """
    faults, files = faults_of(folder)
    if faults:
        raise UsageError("\n".join(faults))
    return files


def faults_of(folder: Path) -> tuple[list[str], list[KeptFile]]:
    """Return what is wrong with the files of a folder, a sentence each,
    and the files that can be read.

    Raises:
        UsageError: There is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; `ecom boards pull {folder}` makes it.")
    faults, files = [], []
    for kind in KINDS:
        for path in _paths(folder, kind):
            try:
                files.append(_read(path, kind))
            except EcomError as error:
                faults.append(f"{path.relative_to(folder)}: {error}")
    return faults + [
        f"{file.path.relative_to(folder)}: {fault}"
        for file in files
        for fault in _lost(file, files)
    ], files


def differences(
    store: BoardStore, files: list[KeptFile], *, is_deleting: bool = False
) -> Iterator[Difference]:
    """Yield what a push would do, in the order of kinds and ids; nothing of what is the same."""
    named = {(file.kind, file.slug) for file in files}
    for file in files:
        newest = next(iter(store.versions(file.kind, file.slug)), None)
        stored_content = in_file(newest.content) if newest and not newest.is_deleted else {}
        if stored_content == file.content:
            continue
        fields = tuple(differing(stored_content, file.content))
        name = f"{file.kind.KIND}/{file.slug}"
        if file.version == (newest.number if newest else 0):
            restore_or_create = "restore" if newest else "create"
            yield Difference(name, "change" if stored_content else restore_or_create, fields)
        else:
            yield Difference(name, "refuse", fields, _refusal(file.version, newest))
    for kind in KINDS:
        for version in store.newest(kind):
            if (kind, version.slug) not in named and version.number:
                yield Difference(f"{kind.KIND}/{version.slug}", "delete" if is_deleting else "keep")


def push(
    store: BoardStore, files: list[KeptFile], saved_by: str, *, is_deleting: bool = False
) -> list[Difference]:
    """Save what differs, and return it; each file then has the number of its new version.

    Raises:
        UsageError: Somebody saved a newer version than a file has; nothing is saved then.
    """
    changes = list(differences(store, files, is_deleting=is_deleting))
    refused = [f"{change.name}: {change.why}" for change in changes if change.does == "refuse"]
    if refused:
        raise UsageError(
            "\n".join([*refused, "Nothing was saved: pull into another folder, and merge the two."])
        )
    by_name = {f"{file.kind.KIND}/{file.slug}": file for file in files}
    for change in changes:
        if change.does == "delete":
            kind_name, _, slug = change.name.partition("/")
            kind = next(kind for kind in KINDS if kind_name == kind.KIND)
            store.delete(kind, slug, store.get(kind, slug).number, saved_by)
        elif file := by_name.get(change.name):
            saved = store.save(file.slug, _with_form(store, file), file.version, saved_by)
            replace_bytes(file.path, yaml_of(saved).encode())
    return changes


def _with_form(store: BoardStore, file: KeptFile) -> Kept:
    """Return the item of a file,
    with the builder's address where the question is the same as before.
    """
    before = store.find(file.kind, file.slug)
    if not isinstance(file.item, SavedQuestion) or before is None:
        return file.item
    is_same = all(
        before.content.get(name) == file.content.get(name) for name in ("kind", "definition")
    )
    return file.item.changed(form=before.content.get(LOCAL, "")) if is_same else file.item


def _refusal(version: int, newest: KeptVersion[Any] | None) -> str:
    if newest is None:
        return (
            f"the file is of version {version}, and the store has none; write version: 0 to make "
            "it."
        )
    at = f"{newest.saved_at:%Y-%m-%d %H:%M} UTC"
    return (
        f"the file is of version {version}, and {newest.saved_by} {newest.change} it as "
        f"{newest.number} at {at}."
    )


def _read(path: Path, kind: type[Kept]) -> KeptFile:
    if not re.fullmatch(SLUG, path.stem):
        raise DefinitionError(
            "The name of the file is the id: lower-case letters, digits and hyphens, at most "
            f"{LONGEST_SLUG}."
        )
    try:
        raw = definition_from(path.read_text(encoding="utf-8"))
    except DoubleKeyError as error:
        raise DefinitionError(str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = message_of(error) if isinstance(error, yaml.YAMLError) else str(error)
        raise DefinitionError(f"It is not YAML: {message}.") from error
    if not isinstance(raw, dict):
        raise DefinitionError(
            f"It maps {', '.join(kind.names())} to values; got {quoted_value(raw)}."
        )
    version = raw.pop(VERSION, 0)
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise DefinitionError(
            "`version` is the number that `ecom boards pull` wrote, 0 for a new one; not "
            f"{quoted_value(version)}."
        )
    item = kind.from_mapping(raw)
    item.check()
    return KeptFile(path, kind, path.stem, version, item)


def _lost(file: KeptFile, files: list[KeptFile]) -> Iterator[str]:
    """Yield what a file names that is not in the folder."""
    slugs = {kind: [other.slug for other in files if other.kind is kind] for kind in KINDS}
    if isinstance(file.item, Board):
        for position, tile in enumerate(file.item.tiles):
            if tile.question and tile.question not in slugs[SavedQuestion]:
                near = did_you_mean(tile.question, slugs[SavedQuestion])
                yield (
                    f"`tiles.{position}` names the question {tile.question!r}, which is not in "
                    f"the folder; {near}."
                )
    for name, kind in (("question", SavedQuestion), ("board", Board)):
        slug = file.content.get(name)
        if slug and slug not in slugs[kind]:
            yield (
                f"`{name}` names {slug!r}, which is not in the folder; "
                f"{did_you_mean(slug, slugs[kind])}."
            )


def path_of(folder: Path, kind: type[Kept], slug: str) -> Path:
    """Return the file of an id."""
    return folder / kind.KIND / f"{slug}.yaml"


def _paths(folder: Path, kind: type[Kept]) -> list[Path]:
    return sorted((folder / kind.KIND).glob("*.yaml"))


def _text(content: NamedValues) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=110)
