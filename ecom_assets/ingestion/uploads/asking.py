"""Asking for an upload to be loaded or taken back, and how far the run is that does it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ecom_assets.core.operations.requests import OperationRequest
from ecom_assets.ingestion.uploads.store import Upload


@dataclass(frozen=True)
class TableStep:
    """A table that the run of a request computes: when it began and ended (None: not yet), in UTC,
    and why it failed (empty if it did not).
    """

    table: str
    began_at: datetime
    ended_at: datetime | None = None
    sentence: str = ""


@dataclass(frozen=True)
class LoadProgress:
    """How far a request is.

    Attributes:
        upload: The upload as it is now; its state says whether all is done, and its sentence why it
            failed.
        is_begun: Whether a run has begun with it.
        steps: The tables so far, in the order in which they began.
        expected: How many tables the run computes; None until it is known.
        waits_for: The run that it waits for; empty if it waits for none.
        sensor_looked_at: When Dagster's daemon looked for requests last, in UTC; None if never.
    """

    upload: Upload
    is_begun: bool = False
    steps: tuple[TableStep, ...] = ()
    expected: int | None = None
    waits_for: str = ""
    sensor_looked_at: datetime | None = None


def ask_load(home: Path, upload: Upload, asked_by: str) -> OperationRequest:
    """Ask for an upload to be loaded; several that are asked for at once are loaded by one run.

    Raises:
        UsageError: It is loaded already, has no mapping yet, or its file is not kept any more.
        WorkError: The request cannot be written.
    """
    raise NotImplementedError


def ask_undo(home: Path, upload: Upload, asked_by: str) -> OperationRequest:
    """Ask for the rows of an upload to be taken back.

    Raises:
        UsageError: None of its rows are loaded.
        WorkError: The request cannot be written.
    """
    raise NotImplementedError


def progress_of(home: Path, upload: Upload) -> LoadProgress:
    """Return how far the newest request about an upload is."""
    raise NotImplementedError
