"""A cache of an API's responses on disk; the API is asked each time whether they have changed."""

import logging
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

from requests_cache import CachedSession
from requests_cache.backends.sqlite import SQLiteCache

from ecom_assets.core.errors import SettingError

FOLDER = "http_cache"
KEPT = timedelta(days=30)
"""Cached responses older than this are deleted,
so that data of former customers do not stay forever.
"""
SECRET_HEADERS = ("X-API-KEY", "Authorization", "Cookie", "Set-Cookie", "X-Nickname", "X-Cohort")
_logger = logging.getLogger(__name__)


class _OneAtATime(SQLiteCache):
    """An SQLite cache that one thread at a time uses.

    The library shares one connection and reads without a lock, which has crashed the interpreter
    (its issue 1008). An error of the cache never fails the fetch; it only costs time.
    """

    def get_response(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 (the library's types)
        try:
            with self.responses._lock:  # noqa: SLF001 (the lock that its writers take)
                return super().get_response(key, default)
        except sqlite3.Error as error:
            _logger.warning(
                "the cache of responses cannot be read (%s); everything is requested again", error
            )
            return default

    def save_response(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (the library's types)
        try:
            with self.responses._lock:  # noqa: SLF001 (as above)
                super().save_response(*args, **kwargs)
        except sqlite3.Error as error:
            _logger.warning(
                "the cache of responses cannot be written (%s); going on without it", error
            )


def cached_session(home: Path, name: str, *secret_headers: str) -> CachedSession:
    """Return a session that caches responses in `<home>/http_cache/<name>.sqlite`.

    The headers in `secret_headers` and `SECRET_HEADERS` are not stored. Only the owner can read the
    folder, because responses contain personal data. A damaged file is regenerated.

    Raises:
        SettingError: The folder cannot be written.
    """
    path = (home / FOLDER / f"{name}.sqlite").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        path.touch()
    except OSError as error:
        raise SettingError(
            f"{path} cannot be written ({error.strerror}); make it writable, or set ECOM_HOME to "
            "another folder."
        ) from error
    try:
        session = _open(path, secret_headers)
        session.cache.delete(older_than=KEPT)
    except sqlite3.DatabaseError:
        _logger.warning("%s was damaged and is regenerated", path)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        session = _open(path, secret_headers)
    return session


def _open(path: Path, secret_headers: tuple[str, ...]) -> CachedSession:
    return CachedSession(
        backend=_OneAtATime(path, wal=True, busy_timeout=10_000),
        always_revalidate=True,
        allowable_codes=(200,),
        ignored_parameters=(*SECRET_HEADERS, *secret_headers),
        # Only what can be revalidated; `PatientAdapter` has already checked that it is complete.
        filter_fn=lambda response: (
            "ETag" in response.headers or "Last-Modified" in response.headers
        ),
        stale_if_error=False,
    )
