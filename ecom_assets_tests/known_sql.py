"""Statements for DuckDB, kept for all tests of a session: writing them takes much
longer than running them.

Warehouses of tests are alike, so that one's statement is another's.
`ecom_assets/core/warehouse/statements.py` says why no kept statement can be wrong.
"""

import shutil
from pathlib import Path

from ecom_assets.core.warehouse.statements import STATEMENTS
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS

_SHARED: list[Path] = []


def remember_sql(path: Path) -> None:
    """Keep the statements of this process in a file that all of the session's processes share,
    and in no other.
    """
    _SHARED[:] = [path]
    TABLE_STATEMENTS.keep_statements(is_on=True)
    TABLE_STATEMENTS.keep_statements = _turn  # type: ignore[method-assign]
    STATEMENTS.keep_in(path)
    STATEMENTS.keep_in = lambda path: None  # type: ignore[method-assign]  # noqa: ARG005 (the names of the method)


def _turn(*, is_on: bool) -> None:
    """Use the statements that are kept, or none, as a setting says."""
    TABLE_STATEMENTS.is_on = is_on


def share_sql(home: Path) -> None:
    """Give a process that will run in `home` the statements that are known by now."""
    path = home / "statements.sqlite"
    if _SHARED and home.exists() and _SHARED[0].exists() and not path.exists():
        shutil.copyfile(_SHARED[0], path)
        path.chmod(0o600)
