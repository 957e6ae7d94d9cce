"""A small SQLite file in `ECOM_HOME` that several processes write: each call opens it, and each
write is one transaction.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecom_assets.core.errors import WorkError
from ecom_assets.core.rows import NamedValues, Row


def require_own_file(path: Path) -> None:
    """Make a file for its owner only, or take away the rights of others.

    Raises:
        OSError: It cannot be opened, is a link, or belongs to somebody else, whose content is not
            taken.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        state = os.fstat(descriptor)
        if state.st_uid != os.geteuid() or not stat.S_ISREG(state.st_mode):
            raise PermissionError(path)
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


PATIENCE_S: Final = 30
"""Seconds that a writer waits for the transaction of another one."""


@dataclass(frozen=True)
class SqliteFile:
    """A file with some tables.

    Attributes:
        path: The file; the first write creates it, and its folder for its owner only.
        tables: The statements that create the tables where they are missing.
        remedy: What to do where it cannot be used, as the end of a sentence.
    """

    path: Path
    tables: str
    remedy: str

    def rows(self, sql: str, parameters: NamedValues | None = None) -> list[Row]:
        """Return the rows of a query; none if there is no file yet.

        Raises:
            WorkError: The file cannot be read.
        """
        if not self.path.exists():
            return []
        with self._opened() as con:
            return [dict(row) for row in con.execute(sql, parameters or {})]

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction: all of its changes are kept, or none.

        Raises:
            WorkError: The file cannot be written.
        """
        with self._opened() as con:
            con.execute("BEGIN IMMEDIATE")
            try:
                yield con
            except BaseException:
                con.execute("ROLLBACK")
                raise
            con.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)
            with closing(connection) as con:
                con.row_factory = sqlite3.Row
                con.executescript(self.tables)
                yield con
        except (OSError, sqlite3.Error) as error:
            raise WorkError(f"{self.path} cannot be used ({error}); {self.remedy}.") from error
