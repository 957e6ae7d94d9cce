"""Answers of an API kept on disk, so that what has not changed is not sent again (ETag, Last-Modified).

An answer from here was confirmed by the API a moment ago (304); none is ever used unasked. No key is kept.
Not here: which requests are made.
"""

import logging
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

from requests import Response
from requests_cache import CachedSession
from requests_cache.backends.sqlite import SQLiteCache

from ecom_assets.errors import SettingError

FOLDER = "http_cache"
KEPT = timedelta(days=30)
"""Answers older than this are dropped, so that who is no longer a customer does not stay here for ever."""
SECRET_HEADERS = ("X-API-KEY", "Authorization", "Cookie", "Set-Cookie", "X-Nickname", "X-Cohort")
_logger = logging.getLogger(__name__)


class _OneAtATime(SQLiteCache):
    """Lets one thread at a time into the file.

    The library shares one connection and reads without a lock, which has crashed the interpreter (its issue 1008).
    A cache that fails costs time, never the fetch.
    """

    def get_response(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 (the library's types)
        try:
            with self.responses._lock:  # noqa: SLF001 (the lock that its writers take)
                return super().get_response(key, default)
        except sqlite3.Error as error:
            _logger.warning("the cache of answers cannot be read (%s); all is asked anew", error)
            return default

    def save_response(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (the library's types)
        try:
            with self.responses._lock:  # noqa: SLF001 (as above)
                super().save_response(*args, **kwargs)
        except sqlite3.Error as error:
            _logger.warning("the cache of answers cannot be written (%s); going on without", error)

    def delete(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (the library's types)
        with self.responses._lock:  # noqa: SLF001 (as above)
            super().delete(*args, **kwargs)


def cached_session(home: Path, name: str, *secret_headers: str) -> CachedSession:
    """Return a session that keeps answers in `<home>/http_cache/<name>.sqlite`.

    `secret_headers` are kept out, beside those of `SECRET_HEADERS`. The folder is for its owner only: answers hold
    personal data. A damaged file is made anew, it is only a cache.

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
            f"{path} cannot be written ({error.strerror}); make it writable, or set ECOM_HOME to another folder."
        ) from error
    try:
        session = _open(path, secret_headers)
        session.cache.delete(older_than=KEPT)
    except sqlite3.DatabaseError:
        _logger.warning("%s was damaged and is made anew", path)
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
        filter_fn=_is_worth_keeping,
        stale_if_error=False,
    )


def _is_worth_keeping(response: Response) -> bool:
    """Only what can be asked about again; that it is whole has been seen to by `PatientAdapter`."""
    return "ETag" in response.headers or "Last-Modified" in response.headers
