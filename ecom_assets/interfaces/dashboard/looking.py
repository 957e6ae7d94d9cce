"""Looks at uploads, in processes of their own: no page waits for one, and a file of any size takes
none of the API's memory.

What a process finds is kept beside the file until something is said otherwise.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import EcomError, UsageError, WorkError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.reading_child import OverLimitError, ReadingChild, ReadingLimits
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import chosen_rates
from ecom_assets.ingestion.uploads.look import (
    LARGE_LOOK,
    LOOK,
    Chosen,
    UploadLook,
    look_at,
    refused,
)
from ecom_assets.ingestion.uploads.months import MonthOfFile, months_of
from ecom_assets.ingestion.uploads.packed import read_as_a_whole
from ecom_assets.ingestion.uploads.store import KEPT, MAPPINGS, OF_PAGE, Upload, Uploads

KEPT_LOOK, MONTHS = ".look.json", ".months.json"
"""The files beside an upload with what is known of it, and of its months; no upload is called so.
"""
NICENESS: Final = 10
MOST_MB: Final = LARGE_LOOK.memory_mb
"""What all looks together may take: that of a large file, or of two others."""
LARGE_BYTES: Final = 1_000_000
"""The size from which on a file that is read as a whole is looked at alone."""
MOST_WAITING: Final = 20
"""Looks of one caller that wait; others begin when their page asks again."""
LOST: Final = "Nobody has looked at this file to its end; open the page again."
CHOSEN_MAPPING: Final = f"{OF_PAGE}mapping"
"""Among the answers about an upload, by which mapping a person wants it to be read."""
_LOOK: Final = TypeAdapter(UploadLook)
_MONTHS: Final = TypeAdapter(list[MonthOfFile])


class LookPlaces:
    """Where looks wait until there is memory for them, in order; one caller has one at a time."""

    def __init__(self, most_mb: int = MOST_MB) -> None:
        """Set how much memory there is for all of them."""
        self._free_mb = most_mb
        self._busy: set[str] = set()
        self._waiting: list[str] = []
        self._changed = Condition()

    @contextmanager
    def place(self, caller: str, memory_mb: int) -> Iterator[None]:
        """Wait for the turn of a look, which ends with the context."""
        with self._changed:
            self._waiting.append(caller)
            self._changed.wait_for(lambda: self._is_next(caller) and self._free_mb >= memory_mb)
            self._waiting.remove(caller)
            self._busy.add(caller)
            self._free_mb -= memory_mb
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._busy.remove(caller)
                self._free_mb += memory_mb
                self._changed.notify_all()

    def _is_next(self, caller: str) -> bool:
        """Return whether a caller has no look, and nobody else without one has waited longer, so
        that a large file gets its turn, too.
        """
        free = (waiting for waiting in self._waiting if waiting not in self._busy)
        return next(free, None) == caller

    def is_full_of(self, caller: str) -> bool:
        """Return whether so many looks of a caller wait that no other one should begin."""
        with self._changed:
            return self._waiting.count(caller) >= MOST_WAITING


@dataclass
class Looks:
    """The looks that are in progress in this server."""

    _begun: dict[str, Thread] = field(default_factory=dict)
    _places: LookPlaces = field(default_factory=LookPlaces)
    _lock: Lock = field(default_factory=Lock)

    def of(self, settings: Settings, upload: Upload) -> UploadLook | None:
        """Return what is known of an upload; None while it is looked at, which this begins.

        Raises:
            UsageError: The file is not kept any more.
        """
        path, mark = look_path(settings, upload), mark_of(settings, upload)
        if (kept := _kept(path, mark, upload)) is not None:
            return kept
        with self._lock:
            begun = self._begun.get(mark)
            if begun is None:
                if not self._places.is_full_of(upload.sent_by):
                    thread = Thread(target=self._look, args=(settings, upload, mark), daemon=True)
                    self._begun[mark] = thread
                    thread.start()
                return None
            if begun.is_alive():
                return None
            del self._begun[mark]
        return _kept(path, mark, upload) or refused(upload, WorkError(LOST))

    def _look(self, settings: Settings, upload: Upload, mark: str) -> None:
        """Wait until few enough are in progress, and then for a process that looks at an upload."""
        try:
            for limits in limits_of(Uploads(settings.home).original(upload)):
                with self._places.place(upload.sent_by, limits.memory_mb):
                    if _looked(settings, upload, mark, limits):
                        return
        except UsageError:  # it was deleted meanwhile
            pass
        except WorkError as error:
            structlog.get_logger("ecom_assets.api").warning("look_failed", reason=str(error))


LOOKS: Final = Looks()
"""Those of this process, over which the API may be rebuilt."""


def limits_of(path: Path) -> tuple[ReadingLimits, ...]:
    """Return what a look at a file may take at first, and after that."""
    is_large = read_as_a_whole(path) and path.stat().st_size > LARGE_BYTES
    return (LARGE_LOOK,) if is_large else (LOOK, LARGE_LOOK)


def _looked(settings: Settings, upload: Upload, mark: str, limits: ReadingLimits) -> bool:
    """Have a process look at an upload; return False if it may take more memory another time."""
    with ReadingChild(limits) as child:
        try:
            has_months = child.run(upload.name, look_and_keep, settings, upload.id, mark)
        except OverLimitError as error:
            if error.limit == "memory" and limits != LARGE_LOOK:
                return False
            _write_look(look_path(settings, upload), mark, refused(upload, error))
            return True
        if has_months:
            try:
                child.run(upload.name, keep_months, settings, upload.id, mark)
            except OverLimitError:
                _keep_months(look_path(settings, upload), mark, [])
    return True


def look_and_keep(settings: Settings, upload_id: str, mark: str) -> bool:
    """Look at an upload, and keep what is found; return whether it has months to be added up."""
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    uploads = Uploads(settings.home)
    upload = uploads.of(upload_id)
    try:
        look = look_at(uploads, upload, settings, chosen_of(upload))
    except EcomError as error:
        look = refused(upload, error)
    _write_look(look_path(settings, upload), mark, look)
    return look.kind == "orders" and look.is_ready


def keep_months(settings: Settings, upload_id: str, mark: str) -> None:
    """Add up the months of an upload that was looked at, and keep them."""
    uploads = Uploads(settings.home)
    upload = uploads.of(upload_id)
    path = look_path(settings, upload)
    months: list[MonthOfFile] = []
    if (look := _kept(path, mark, upload)) is not None:
        with suppress(EcomError):
            months = months_of(uploads, look, settings)
    _keep_months(path, mark, months)


def _keep_months(look_path: Path, mark: str, months: list[MonthOfFile]) -> None:
    content = mark.encode() + b"\n" + _MONTHS.dump_json(months)
    replace_bytes(look_path.with_name(MONTHS), content, 0o600)


def kept_months(settings: Settings, upload: Upload) -> list[MonthOfFile] | None:
    """Return the months of an upload that was looked at; None while they are added up.

    Raises:
        UsageError: The file is not kept any more.
    """
    path = look_path(settings, upload).with_name(MONTHS)
    try:
        mark, _, content = path.read_bytes().partition(b"\n")
        return (
            _MONTHS.validate_json(content) if mark.decode() == mark_of(settings, upload) else None
        )
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return None


def chosen_of(upload: Upload) -> Chosen | None:
    """Return what a person has said of an upload; None to read it by what is noted of it.

    One that was loaded is asked about again, with the answers that it was loaded by.
    """
    answers = upload.file_answers
    if CHOSEN_MAPPING in upload.answers or (upload.state != KEPT and answers):
        return Chosen(answers, upload.kind, upload.answers.get(CHOSEN_MAPPING, ""))
    return None


def look_path(settings: Settings, upload: Upload) -> Path:
    """Return where the look at an upload is kept.

    Raises:
        UsageError: The file is not kept any more.
    """
    return Uploads(settings.home).original(upload).with_name(KEPT_LOOK)


def mark_of(settings: Settings, upload: Upload) -> str:
    """Return what a look follows from: what was said of the file and of the shop, and the mappings
    that are kept.
    """
    folder = Uploads(settings.home).folder / MAPPINGS
    mappings = sorted((path.name, path.stat().st_mtime_ns) for path in folder.glob("*.yaml"))
    answers = sorted(upload.file_answers.items())
    wanted = upload.answers.get(CHOSEN_MAPPING, "")
    said = [upload.id, upload.kind, upload.mapping, answers, wanted, upload.state]
    shop = [settings.timezone, settings.currency, list(settings.event_types)]
    rates = [str(settings.rates or ""), sorted(chosen_rates(settings.home).items())]
    return sha256(json_text([said, shop, rates, mappings]).encode()).hexdigest()


def _kept(path: Path, mark: str, upload: Upload) -> UploadLook | None:
    try:
        first, _, content = path.read_bytes().partition(b"\n")
        look = _LOOK.validate_json(content) if first.decode() == mark else None
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return None
    return None if look is None else _as_now(look, upload)


def _as_now(look: UploadLook, upload: Upload) -> UploadLook:
    values = {name: getattr(look, name) for name in look.__dataclass_fields__}
    return UploadLook(**{**values, "upload": upload})


def _write_look(path: Path, mark: str, look: UploadLook) -> None:
    replace_bytes(path, mark.encode() + b"\n" + _LOOK.dump_json(look), 0o600)
