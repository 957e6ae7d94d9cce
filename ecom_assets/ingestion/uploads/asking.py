"""Asking for an upload to be loaded or taken back, and how far the run is that does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import UsageError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.operations.requests import (
    LOAD,
    OF_UPLOADS,
    SAMPLE,
    SHOP,
    UNDO,
    Kind,
    OperationRequest,
    Requests,
)
from ecom_assets.core.operations.steps import TableStep, last_look, steps_since
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import choose_shop, want_costs
from ecom_assets.ingestion.uploads.look import changes_days, checked_shop
from ecom_assets.ingestion.uploads.store import (
    FAILED,
    KEPT,
    LOADED,
    LOADING,
    UNDOING,
    UNDONE,
    Upload,
    Uploads,
)

COSTS: Final = "costs"
"""Among choices for the shop: that the rules of costs are those that the home keeps for the run."""
READS_FILES: Final = "reads_files"
"""Among choices for the shop: that its files without a zone are in the new zone, too."""


@dataclass(frozen=True)
class LoadProgress:
    """How far a request is.

    Attributes:
        upload: The upload as it is now; its state says whether all is done, and its sentence why it
            failed.
        is_begun: Whether a run has begun with it.
        steps: The tables so far, in the order in which they began.
        waits_for: The run that it waits for; empty if it waits for none.
        sensor_looked_at: When Dagster's daemon looked for requests last, in UTC; None if never.
    """

    upload: Upload
    is_begun: bool = False
    steps: tuple[TableStep, ...] = ()
    waits_for: str = ""
    sensor_looked_at: datetime | None = None


def ask_load(home: Path, upload: Upload, asked_by: str) -> OperationRequest:
    """Ask for an upload to be loaded, also again with other answers; several that are asked for at
    once are loaded by one run.

    Raises:
        UsageError: A run is at it, it has no mapping yet, or its file is not kept any more.
        WorkError: The request cannot be written.
    """
    uploads = Uploads(home)
    if upload.state not in {KEPT, FAILED, UNDONE, LOADED}:
        raise UsageError(f"A run is at {upload.name} already; wait until it is over.")
    if not (upload.kind and upload.mapping):
        raise UsageError(f"Nobody has said yet what {upload.name} is; look at it first.")
    uploads.original(upload)
    return _asked(uploads, upload, LOAD, asked_by)


def ask_undo(home: Path, upload: Upload, asked_by: str) -> OperationRequest:
    """Ask for the rows of an upload to be taken back.

    Raises:
        UsageError: None of its rows are loaded.
        WorkError: The request cannot be written.
    """
    if upload.state != LOADED:
        raise UsageError(f"Nothing of {upload.name} is loaded, so there is nothing to undo.")
    return _asked(Uploads(home), upload, UNDO, asked_by)


def ask_sample(home: Path, asked_by: str) -> OperationRequest:
    """Ask for the simulated shop, to look around in.

    Raises:
        WorkError: The request cannot be written.
    """
    today = now_utc_without_zone().date()
    return Requests(home).make(SAMPLE, SAMPLE, (today, today), asked_by)


def ask_shop(home: Path, choices: Mapping[str, str], asked_by: str) -> OperationRequest:
    """Ask for another zone, currency or week of the shop, by which all days are computed again.

    Args:
        home: `ECOM_HOME`.
        choices: What is changed, by the names of the settings; with `READS_FILES`, files whose
            times say no zone are in the new one, too.
        asked_by: The name of the key.

    Raises:
        UsageError: A run is at uploads; it reads them by the zone of before.
        WorkError: The request cannot be written.
    """
    if any(upload.is_waiting for upload in Uploads(home).every()):
        raise UsageError("A run is at your files; wait until it is over, then change it.")
    today = now_utc_without_zone().date()
    return Requests(home).make(SHOP, json_text(dict(choices)), (today, today), asked_by)


def ask_costs(home: Path, rules: Mapping[str, str], asked_by: str) -> OperationRequest:
    """Ask for other rules of costs, by which all days are computed again.

    Args:
        home: `ECOM_HOME`.
        rules: The JSON of what is changed, by the names of the settings.
        asked_by: The name of the key.

    Raises:
        UsageError: A run is at uploads.
        WorkError: The request cannot be written.
    """
    want_costs(home, rules)
    return ask_shop(home, {COSTS: "yes"}, asked_by)


def ask_shop_said(settings: Settings, said: Mapping[str, str], asked_by: str) -> None:
    """Let hold what was said of the shop with files that are about to be loaded: at once where no
    day that is there follows from it, else by a run over all days, before they are loaded.

    Raises:
        UsageError: It is not possible, or a run is at uploads.
        WorkError: It cannot be written.
    """
    choices, problems = checked_shop(settings, said)
    if problems:
        raise UsageError("; ".join(problems.values()))
    if changes_days(settings, choices):
        ask_shop(settings.home, choices, asked_by)
    elif choices:
        choose_shop(settings.home, choices)


def shop_progress(home: Path) -> tuple[OperationRequest | None, tuple[TableStep, ...]]:
    """Return the newest request about the shop's own, and the tables that were begun since."""
    return _progress_of_kind(home, SHOP)


def sample_progress(home: Path) -> tuple[OperationRequest | None, tuple[TableStep, ...]]:
    """Return the newest request for the simulated shop, and the tables that were begun since."""
    return _progress_of_kind(home, SAMPLE)


def _progress_of_kind(
    home: Path, kind: Kind
) -> tuple[OperationRequest | None, tuple[TableStep, ...]]:
    asked = [request for request in Requests(home).newest() if request.kind == kind]
    if not asked:
        return None, ()
    return asked[0], tuple(steps_since(home, asked[0].asked_at))


def _asked(uploads: Uploads, upload: Upload, kind: Kind, asked_by: str) -> OperationRequest:
    sent = upload.sent_at.date()
    days: tuple[date, date] = (upload.first_day or sent, upload.last_day or sent)
    # The request first: a state without a request would wait for ever.
    request = Requests(uploads.folder.parent).make(kind, str(upload.number), days, asked_by)
    state = LOADING if kind == LOAD else UNDOING
    uploads.note(upload, state=state, sentence="", run_id=None)
    return request


def waiting_requests(home: Path) -> list[OperationRequest]:
    """Return the requests about uploads, and for the simulated shop, that no run has done yet, the
    oldest first.
    """
    return [request for request in Requests(home).waiting() if request.kind in OF_UPLOADS]


def progress_of(home: Path, upload: Upload) -> LoadProgress:
    """Return how far the newest request about an upload is."""
    upload = Uploads(home).numbered(upload.number)
    look = last_look(home)
    is_begun = upload.run_id is not None
    # The state changes when a run takes it; the steps since then are those of the run.
    steps = steps_since(home, upload.changed_at) if is_begun and upload.changed_at else []
    return LoadProgress(
        upload,
        is_begun,
        tuple(steps) if upload.is_waiting else (),
        look.waits_for if look and not is_begun else "",
        look.looked_at if look else None,
    )
