"""The states of erasures in progress: recorded before anything is removed,
deleted when the receipt is written.

A file has the plain ids, because a killed erasure cannot go on without them. Only its owner can
read it. Each erasure has a file of its own, so that one that cannot end keeps no other from
beginning.
"""

import json
import secrets
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ecom_assets.core.atomic_files import replacing_text, sync_folder
from ecom_assets.core.errors import WorkError
from ecom_assets.core.file_lock import file_lock
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.privacy.person import Person

FOLDER = "erasures"
PENDING = "pending-*.json"


@dataclass
class Pending:
    """An erasure: the person, the plan, and the results of finished steps."""

    requested_at: str
    person: Person
    records: dict[str, str]
    """The ids of the person's events in the ledger, with their days."""
    plan: dict[str, Any]
    """The rows and records of the person before anything was removed."""
    first_date: str | None
    """The first day whose tables must be computed again; None if none."""
    held_days: list[str] = field(default_factory=list)
    """The days of orders that were held before."""
    results: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, list[Row]] = field(default_factory=dict)
    """The responses of tools so far."""
    number: str = field(default_factory=lambda: secrets.token_hex(6))
    """Part of the name of its file, different for each erasure."""

    @property
    def days_of_records(self) -> dict[str, date]:
        """Return the ids of the person's events with their days."""
        return {record_id: date.fromisoformat(day) for record_id, day in self.records.items()}

    def is_of(self, requested: Person) -> bool:
        """Return whether it erases all that is requested."""
        return set(requested.users) <= set(self.person.users) and set(requested.sessions) <= set(
            self.person.sessions
        )


def folder_of(home: Path) -> Path:
    """Return the folder of receipts and of erasures in progress."""
    return home / FOLDER


def pending_files(settings: Settings) -> list[Path]:
    """Return the files of erasures that are in progress, or were killed."""
    return sorted(folder_of(settings.home).glob(PENDING))


def read_pending(path: Path) -> Pending:
    """Return an erasure that is in progress, or was killed.

    Raises:
        WorkError: Its file is damaged.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        person: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in result["person"].items()
        }
        return Pending(**{**result, "person": Person(**person)})
    except (ValueError, TypeError, KeyError) as error:
        raise WorkError(
            f"{path} is damaged; remove it, and erase the same person again."
        ) from error


def write_pending(settings: Settings, pending: Pending) -> None:
    """Record the state of an erasure; it is on disk when this returns."""
    folder = folder_of(settings.home)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing_text(_path(settings, pending), 0o600) as file:
        file.write(json_text(asdict(pending)))


def remove_pending(settings: Settings, pending: Pending) -> None:
    """Delete the state of a finished erasure."""
    _path(settings, pending).unlink(missing_ok=True)
    sync_folder(folder_of(settings.home))


def _path(settings: Settings, pending: Pending) -> Path:
    return folder_of(settings.home) / PENDING.replace("*", pending.number)


def write_receipt(settings: Settings, receipt: dict[str, Any], at: datetime) -> Path:
    """Write the receipt of a finished erasure, for its owner only; return its path."""
    folder = folder_of(settings.home)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"receipt-{at:%Y%m%dT%H%M%S}-{receipt['erasure_id']}.json"
    with replacing_text(path, 0o600) as file:
        file.write(json_text(receipt, indent=2))
        file.write("\n")
    return path


def lock_erasures(settings: Settings) -> AbstractContextManager[None]:
    """Keep other erasures of this home out.

    Raises:
        WorkError: Another one is under way.
    """
    folder = folder_of(settings.home)
    folder.mkdir(parents=True, exist_ok=True)
    busy = WorkError("Another erasure is under way; run this one when it has ended.")
    return file_lock(folder / "lock", 0.0, busy)
