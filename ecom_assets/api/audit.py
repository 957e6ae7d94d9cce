"""The record of requests that were denied: JSON lines in `ECOM_HOME`, for its owner only. Not here: denying."""

import json
import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

from starlette.types import Scope as Request

from ecom_assets.api.callers import name_of_caller
from ecom_assets.clock import Clock, now_utc

FILE_NAME = "api_audit.jsonl"
LARGEST_BYTES = 10_000_000
KEPT_FILES = 5
"""A flood of denials takes 60 MB of the disk at most."""
LONGEST_PATH = 200


class AuditLog:
    """Appends a line for each denied request; no header, no query and no body is in it."""

    def __init__(self, home: Path, now: Clock = now_utc) -> None:
        """Take the folder."""
        home.mkdir(parents=True, exist_ok=True)
        self.path = home / FILE_NAME
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._now = now
        self._handler = _PrivateFiles(
            self.path, maxBytes=LARGEST_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True
        )

    def denied(self, scope: Request, reason: str, status: int) -> None:
        """Write down a request that was denied."""
        line = {
            "at": self._now().isoformat(),
            "request_id": scope.get("ecom.request_id", ""),
            "status": status,
            "reason": reason,
            "caller": name_of_caller(scope),
            "address": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": scope["path"][:LONGEST_PATH],
        }
        record = logging.LogRecord("audit", logging.INFO, "", 0, json.dumps(line), None, None)
        self._handler.emit(record)

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class _PrivateFiles(RotatingFileHandler):
    def _open(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 (typeshed's own annotation names a private generic)
        opener = lambda path, flags: os.open(path, flags, 0o600)  # noqa: E731 (as `open` wants it)
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=opener)
