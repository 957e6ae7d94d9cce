"""Looks at uploads, in processes of their own: no page waits for one, and a file of any size takes
none of the API's memory.

What a process finds is kept beside the file until something is said otherwise.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from threading import BoundedSemaphore, Lock, Thread
from typing import Final

from pydantic import TypeAdapter, ValidationError

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import EcomError, UsageError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import KINDS, chosen_rates
from ecom_assets.ingestion.uploads.look import Chosen, UploadLook, look_at
from ecom_assets.ingestion.uploads.months import MonthOfFile, months_of
from ecom_assets.ingestion.uploads.store import KEPT, MAPPINGS, OF_PAGE, Upload, Uploads

LOOK, MONTHS = ".look.json", ".months.json"
"""The files beside an upload with what is known of it, and of its months; no upload is called so.
"""
NICENESS: Final = 10
LASTS_S: Final = 600.0
"""Seconds after which a look is given up."""
AT_ONCE: Final = 2
TOO_LONG: Final = (
    "Looking at this file took too long, or more memory than there is; send a part of it, such as "
    "one month."
)
CHOSEN_MAPPING: Final = f"{OF_PAGE}mapping"
"""Among the answers about an upload, by which mapping a person wants it to be read."""
_CONTEXT: Final = get_context("forkserver")  # a fork of the server itself would have its locks
_LOOK: Final = TypeAdapter(UploadLook)
_MONTHS: Final = TypeAdapter(list[MonthOfFile])


@dataclass
class Looks:
    """The looks that are in progress in this server."""

    _begun: dict[str, Thread] = field(default_factory=dict)
    _places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))
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
                thread = Thread(target=self._look, args=(settings, upload.id, mark), daemon=True)
                self._begun[mark] = thread
                thread.start()
                return None
            if begun.is_alive():
                return None
            del self._begun[mark]
        # The process has ended without a look: by the system, or since its time was over.
        refused = UploadLook(upload, kinds=tuple(KINDS), refusal=TOO_LONG)
        return _kept(path, mark, upload) or refused

    def _look(self, settings: Settings, upload_id: str, mark: str) -> None:
        """Wait until few enough are in progress, and then for a process that looks at an upload."""
        with self._places:
            process = _CONTEXT.Process(
                target=look_and_keep, args=(settings, upload_id, mark), daemon=True
            )
            process.start()
            process.join(LASTS_S)
            process.kill()


LOOKS: Final = Looks()
"""Those of this process, over which the API may be rebuilt."""


def look_and_keep(settings: Settings, upload_id: str, mark: str) -> None:
    """Look at an upload, and keep what is found: the whole life of a process."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    uploads = Uploads(settings.home)
    upload = uploads.of(upload_id)
    try:
        look = look_at(uploads, upload, settings, chosen_of(upload))
    except EcomError as error:
        look = UploadLook(upload, kinds=tuple(KINDS), refusal=str(error))
    try:
        path = look_path(settings, upload)
    except UsageError:  # it was deleted meanwhile
        return
    _keep(path, mark, look)
    if look.kind == "orders" and look.is_ready:
        months: list[MonthOfFile] = []
        with suppress(EcomError):
            months = months_of(uploads, look, settings)
        content = mark.encode() + b"\n" + _MONTHS.dump_json(months)
        replace_bytes(path.with_name(MONTHS), content, 0o600)


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
    return Uploads(settings.home).original(upload).with_name(LOOK)


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


def _keep(path: Path, mark: str, look: UploadLook) -> None:
    replace_bytes(path, mark.encode() + b"\n" + _LOOK.dump_json(look), 0o600)
