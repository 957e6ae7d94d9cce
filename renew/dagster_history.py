"""Renew the SQL of Dagster's empty files, after a new version of Dagster: `make renew-history`."""

import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from ecom_assets.core.settings.empty_history import BEGINS_FILE, FIRST_LINE, RUN, SHIPPED


def made_by_dagster(folder: Path) -> list[Path]:
    """Let Dagster make the files of an instance and of a run, and return their paths."""
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        instance.event_log_storage.get_logs_for_run(Path(RUN).stem)
    return sorted(folder.rglob("*.db"))


def _sql(file: sqlite3.Connection) -> str:
    """Return what makes the tables, indexes and rows of a file, in the order in which Dagster did,
    so that its pages are the same too.
    """
    declared = file.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    rows = [line for line in file.iterdump() if line.startswith("INSERT INTO")]
    return "\n".join(["BEGIN;", *(f"{sql};" for (sql,) in declared), *rows, "COMMIT;"])


def main() -> None:
    """Write what Dagster makes as SQL."""
    parts = [f"{FIRST_LINE}{version('dagster')}\n-- `make renew-history` writes this file.\n"]
    with TemporaryDirectory() as folder:
        for path in made_by_dagster(Path(folder)):
            with closing(sqlite3.connect(path)) as file:
                sql = "\n".join(line.rstrip() for line in _sql(file).splitlines())
            parts.append(f"{BEGINS_FILE}{path.relative_to(folder)}\n{sql}\n")
    SHIPPED.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
