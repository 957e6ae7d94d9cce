"""Where saved questions, boards and annotations are kept: each write is a new version,
with who and when.

Nothing is ever overwritten: undoing is writing an earlier version again, and deleting is a version
too. Who saves says which version was changed; if there is a newer one by then, nothing is written,
and it is said who saved it and what differs. The versions are the audit log.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar
from uuid import uuid4

from ecom_assets.commerce.sales.measures import HEADLINES
from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.errors import UsageError, did_you_mean
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import (
    Database,
    PostgresDatabase,
    SqliteDatabase,
    StateKind,
    state_address,
)
from ecom_assets.interfaces.boards.model import KINDS, Kept, slug_of

FILE: Final = "boards.sqlite"
SHIPPED_BY: Final = "ecom_assets"
"""Who saved what is shipped, until somebody changes it."""
SHIPPED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
SHOP: Final = {
    "name": "The shop in numbers",
    "description": (
        "Sales, visits and what came of them. Change it as you like: earlier versions stay."
    ),
    "tiles": [
        *({"measure": name, "show": "number", "width": "third"} for name in HEADLINES),
        {"measure": "revenue_amount", "width": "full"},
        {"measure": "session_count"},
        {"measure": "conversion_rate"},
        {"measure": "bounce_rate", "show": "number", "width": "third"},
        {"measure": "cart_abandonment_rate", "show": "number", "width": "third"},
        {"measure": "refund_count", "show": "number", "width": "third"},
    ],
}
SHIPPED: Final[Mapping[str, Mapping[str, dict[str, Any]]]] = {"boards": {"shop": SHOP}}
"""What is shipped, by kind and id, as files have it: version 0,
until somebody changes or deletes it.
"""
BOARDS: Final = StateKind(
    "The store of boards", "nothing was read or saved", "ECOM_BOARDS_URL", "boards"
)
TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS versions (
        kind TEXT NOT NULL, slug TEXT NOT NULL, version BIGINT NOT NULL, content TEXT NOT NULL,
          change TEXT NOT NULL,
        saved_by TEXT NOT NULL, saved_at TEXT NOT NULL, PRIMARY KEY (kind, slug, version))""",
)
Change = Literal["created", "changed", "restored", "deleted"]
K = TypeVar("K", bound=Kept)


class SqliteBoards(SqliteDatabase):
    """The store in a SQLite file."""

    KIND: ClassVar = BOARDS


class PostgresBoards(PostgresDatabase):
    """The store in a schema of a Postgres database."""

    KIND: ClassVar = BOARDS


class NotKeptError(UsageError):
    """There is nothing of this id, or not in this version."""


class ChangedMeanwhileError(UsageError):
    """Somebody else saved it meanwhile: `current` is what they saved, None if they deleted it."""

    def __init__(self, message: str, current: "KeptVersion[Any] | None") -> None:
        super().__init__(message)
        self.current = current


@dataclass(frozen=True)
class KeptVersion(Generic[K]):
    """What somebody saved at a time.

    Attributes:
        number: Its number among the versions of the same id, from 1; 0 for what is shipped.
        content: As a file has it.
        change: What was done.
        saved_at: When, in UTC.
    """

    kind: type[K]
    slug: str
    number: int
    content: dict[str, Any]
    change: Change
    saved_by: str
    saved_at: datetime

    @cached_property
    def item(self) -> K:
        """What was saved.

        Raises:
            DefinitionError: This release cannot read it.
        """
        return self.kind.from_mapping(self.content)

    @property
    def is_deleted(self) -> bool:
        """Return whether it was deleted then."""
        return self.change == "deleted"


MayKeep = Callable[[Kept], None]
"""Raises if who writes may not keep an item."""


def anybody_may(_item: Kept) -> None:
    """Let anybody who writes keep an item, as who has the files of the installation may."""


class BoardsDatabase:
    """The database of what people keep, of one installation; each call opens it."""

    TABLES: ClassVar[Sequence[str]]

    def __init__(self, settings: Settings, now: Clock = now_utc) -> None:
        """Set where it is; the first use creates a file."""
        self.address = state_address(
            settings, settings.boards_url.get_secret_value(), settings.home / FILE
        )
        self._now = now

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        opened = (
            SqliteBoards(self.address)
            if isinstance(self.address, Path)
            else PostgresBoards(self.address)
        )
        with closing(opened) as database:
            database.create(self.TABLES)
            yield database


class BoardStore(BoardsDatabase):
    """The store of one installation; each call opens it, and each write,
    the first of which creates it, is atomic.
    """

    TABLES: ClassVar = TABLES

    def __init__(
        self, settings: Settings, now: Clock = now_utc, may_keep: MayKeep = anybody_may
    ) -> None:
        """Set where it is, and what is asked about each item before it is written."""
        super().__init__(settings, now)
        self._may_keep = may_keep

    def newest(self, kind: type[K]) -> list[KeptVersion[K]]:
        """Return the newest version of each id that is not deleted, in the order of ids."""
        shipped = [_shipped(kind, slug) for slug in SHIPPED.get(kind.KIND, {})]
        saved = self._select(
            kind,
            "AND version = (SELECT max(version) FROM versions n WHERE n.kind = "
            "v.kind AND n.slug = v.slug)",
        )
        # What is saved under a shipped id replaces it.
        newest = {version.slug: version for version in [*filter(None, shipped), *saved]}
        return [newest[slug] for slug in sorted(newest) if not newest[slug].is_deleted]

    def get(self, kind: type[K], slug: str, number: int | None = None) -> KeptVersion[K]:
        """Return a version, by default the newest.

        Raises:
            NotKeptError: There is none of this id or number, or it is deleted.
        """
        versions = self.versions(kind, slug)
        if number is not None:
            for version in versions:
                if version.number == number:
                    return version
            raise NotKeptError(f"{kind.CALLED.capitalize()} {slug!r} has no version {number}.")
        if not versions or versions[0].is_deleted:
            slugs = [version.slug for version in self.newest(kind)]
            raise NotKeptError(f"There is no {_noun(kind)} {slug!r}; {did_you_mean(slug, slugs)}.")
        return versions[0]

    def find(self, kind: type[K], slug: str) -> KeptVersion[K] | None:
        """Return the newest version; None if there is none, or it is deleted."""
        versions = self.versions(kind, slug)
        return versions[0] if versions and not versions[0].is_deleted else None

    def versions(self, kind: type[K], slug: str) -> list[KeptVersion[K]]:
        """Return all versions of an id, the newest first; what is shipped is the last of them."""
        versions = self._select(kind, "AND slug = ?", (slug,))
        shipped = _shipped(kind, slug)
        return [*versions, shipped] if shipped else versions

    def changes(self, limit: int = 100) -> list[KeptVersion[Any]]:
        """Return the newest changes of anything, the newest first: the audit log."""
        kinds = {kind.KIND: kind for kind in KINDS}
        order = "saved_at DESC, kind, slug, version DESC"
        rows = self._rows(
            f"SELECT kind, {COLUMNS} FROM versions ORDER BY {order} LIMIT ?",  # noqa: S608 (of ours)
            (limit,),
        )
        return [_version(kinds[name], row) for name, *row in rows if name in kinds]

    def save(self, slug: str, item: K, changed: int, saved_by: str) -> KeptVersion[K]:
        """Write a new version and return it; one that equals the newest is not written again.

        Args:
            slug: The id.
            item: What to keep.
            changed: The number of the version that was changed; 0 for a new id.
            saved_by: Who saves it.

        Raises:
            ChangedMeanwhileError: There is a newer version than the one that was changed.
            EcomError: It cannot be shown, such as a question that cannot be asked, or its writer
                may not keep it.
        """
        item.check()
        self._may_keep(item)
        return self._write(type(item), slug, item.to_file(), changed, saved_by, "changed")

    def save_new(self, item: K, saved_by: str) -> KeptVersion[K]:
        """Write the first version under an id that is made from its title and is
        not in use, and return it.
        """
        item.check()
        self._may_keep(item)
        first = slug_of(item.title)
        for number in range(1, 1_000):
            slug = first if number == 1 else f"{first[:55].rstrip('-')}-{number}"
            if not self.versions(type(item), slug):
                return self._write(type(item), slug, item.to_file(), 0, saved_by, "created")
        raise UsageError(f"There are too many of the name {item.title!r}; give it another name.")

    def replace(self, slug: str, item: Kept, saved_by: str) -> KeptVersion[Any]:
        """Write an item as the newest version, in place of whichever there is."""
        versions = self.versions(type(item), slug)
        return self.save(slug, item, versions[0].number if versions else 0, saved_by)

    def delete(self, kind: type[K], slug: str, changed: int, saved_by: str) -> KeptVersion[K]:
        """Write a version that says it is deleted; it can be restored.

        Raises:
            ChangedMeanwhileError: There is a newer version than the one that was changed.
            NotKeptError: There is none of this id.
        """
        return self._write(kind, slug, self.get(kind, slug).content, changed, saved_by, "deleted")

    def restore(self, kind: type[K], slug: str, number: int, saved_by: str) -> KeptVersion[K]:
        """Write an earlier version again, and return it.

        Raises:
            NotKeptError: There is no such version.
            EcomError: It cannot be shown any more.
        """
        earlier = self.get(kind, slug, number)
        earlier.item.check()
        self._may_keep(earlier.item)
        newest = self.versions(kind, slug)[0]
        return self._write(kind, slug, earlier.content, newest.number, saved_by, "restored")

    def undo(self, kind: type[K], slug: str, saved_by: str) -> KeptVersion[K]:
        """Restore the version before the newest one.

        Raises:
            NotKeptError: There is only one.
        """
        before = self.versions(kind, slug)[1:2]
        if not before:
            raise NotKeptError(
                f"{kind.CALLED.capitalize()} {slug!r} has no version before the newest one."
            )
        return self.restore(kind, slug, before[0].number, saved_by)

    def rewrite(self, change: Callable[[str], str], *, is_written: bool = True) -> list[str]:
        """Replace texts in all versions, such as ids of an erased person, and return what had one:
        its kind and id.

        An id that has such a text gets another one. With `is_written` false nothing is changed.
        What was replaced is removed from disk as well.
        """
        if not self._is_there:
            return []
        with self._opened() as database:
            rows = database.rows(
                "SELECT kind, slug, version, content FROM versions ORDER BY kind, slug, version"
            )
            contents = {
                (kind, slug, number): json.loads(content) for kind, slug, number, content in rows
            }
            changes = _changed_contents(contents, change)
            if changes and is_written:
                with database.transaction():
                    database.many(
                        "UPDATE versions SET slug = ?, content = ? WHERE kind = ? AND slug = ? "
                        "AND version = ?",
                        [
                            (new_slug, json.dumps(content, ensure_ascii=False), *key)
                            for key, (new_slug, content) in changes.items()
                        ],
                    )
                database.purge()
        changed_ids = (f"{kind}/{changes[kind, slug, number][0]}" for kind, slug, number in changes)
        return list(dict.fromkeys(changed_ids))

    def _write(  # noqa: PLR0913, PLR0917 (the columns of a version)
        self,
        kind: type[K],
        slug: str,
        content: dict[str, Any],
        changed: int,
        saved_by: str,
        change: Change,
    ) -> KeptVersion[K]:
        versions = self.versions(kind, slug)
        newest = versions[0] if versions else None
        newest_number = newest.number if newest else 0
        if change == "changed" and (newest is None or newest.is_deleted):
            change = "created"
        # A deletion meanwhile refuses as well; saving what is there already does not.
        if newest and newest.content == content and newest.is_deleted == (change == "deleted"):
            return newest
        is_behind = changed != newest_number
        number = newest_number + 1
        at = self._now().astimezone(UTC)
        row = (
            kind.KIND,
            slug,
            number,
            json.dumps(content, ensure_ascii=False),
            change,
            saved_by,
            at.isoformat(),
        )
        if not is_behind:
            with self._opened() as database, database.transaction():
                is_behind = database.count(INSERT, row) != 1
        if is_behind:
            raise self._refusal(kind, slug, content, changed)
        return KeptVersion(kind, slug, number, content, change, saved_by, at)

    def _refusal(
        self, kind: type[K], slug: str, content: dict[str, Any], changed: int
    ) -> ChangedMeanwhileError:
        versions = self.versions(kind, slug)
        if not versions:
            return ChangedMeanwhileError(
                f"There is no {_noun(kind)} {slug!r} to change; save it as a new one.", None
            )
        newest = versions[0]
        contents = {version.number: version.content for version in versions}
        base = contents.get(changed, {})
        when = f"{newest.saved_by} {newest.change} it at {newest.saved_at:%Y-%m-%d %H:%M} UTC"
        their_fields, your_fields = differing(base, newest.content), differing(base, content)
        message = (
            f"Nothing was saved: {when}, after you opened it. Changed by them: "
            f"{', '.join(their_fields) or 'nothing'}; by you: "
            f"{', '.join(your_fields) or 'nothing'}. Open it again and repeat your change, or "
            "restore an earlier version."
        )
        return ChangedMeanwhileError(message, None if newest.is_deleted else newest)

    def _select(
        self, kind: type[K], condition: str, parameters: Sequence[Any] = ()
    ) -> list[KeptVersion[K]]:
        query = f"SELECT {COLUMNS} FROM versions v WHERE kind = ? {condition} ORDER BY version DESC"  # noqa: S608 (of ours)
        return [_version(kind, row) for row in self._rows(query, (kind.KIND, *parameters))]

    @property
    def _is_there(self) -> bool:
        """Return whether there is a database; a file is created by the first write."""
        return not isinstance(self.address, Path) or self.address.exists()

    def _rows(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not self._is_there:
            return []
        with self._opened() as database:
            return database.rows(query, parameters)


COLUMNS: Final = "slug, version, content, change, saved_by, saved_at"
INSERT: Final = (
    "INSERT INTO versions (kind, slug, version, content, change, saved_by, saved_at) VALUES (?, "
    "?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


def differing(before: Answer, after: dict[str, Any]) -> list[str]:
    """Return the names of the fields in which two contents differ, in order."""
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


VersionKey = tuple[str, str, int]
"""The kind, the id and the number of a version."""


def _changed_contents(
    contents: Mapping[VersionKey, dict[str, Any]], change: Callable[[str], str]
) -> dict[VersionKey, tuple[str, dict[str, Any]]]:
    """Return the new id and content of each version that has a text to replace.

    An id is made from a name, so a person in the name is in the id too, and in the tiles that show
    it: such an id gets another one everywhere.
    """
    new_slugs: dict[str, str] = {}
    for (_, slug, _), content in contents.items():
        titles = [content.get("name"), content.get("text")]
        if slug not in new_slugs and any(title and change(title) != title for title in titles):
            new_slugs[slug] = f"erased-{uuid4().hex[:12]}"

    def change_text(text: str) -> str:
        return new_slugs.get(text) or change(text)

    changes: dict[VersionKey, tuple[str, dict[str, Any]]] = {}
    for key, content in contents.items():
        _, slug, _ = key
        new_content = _replaced(content, change_text)
        if new_content != content or slug in new_slugs:
            changes[key] = (new_slugs.get(slug, slug), new_content)
    return changes


def _replaced(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a value with its texts changed; a number that is such a text becomes one."""
    if isinstance(value, dict):
        return {name: _replaced(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, change) for inner in value]
    if isinstance(value, str):
        return change(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = str(value)
        return change(text) if change(text) != text else value
    return value


def _noun(kind: type[Kept]) -> str:
    return kind.CALLED.partition(" ")[2]


def _version(kind: type[K], row: Sequence[Any]) -> KeptVersion[K]:
    slug, number, content, change, saved_by, saved_at = row
    return KeptVersion(
        kind,
        slug,
        int(number),
        json.loads(content),
        change,
        saved_by,
        datetime.fromisoformat(saved_at),
    )


def _shipped(kind: type[K], slug: str) -> KeptVersion[K] | None:
    content = SHIPPED.get(kind.KIND, {}).get(slug)
    if content is None:
        return None
    return KeptVersion(kind, slug, 0, content, "created", SHIPPED_BY, SHIPPED_AT)
